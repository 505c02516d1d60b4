/* See unpack_role.h. */
#include "main/unpack_role.h"

#include <unistd.h>

#include "base/log.h"
#include "drivers/image/confine.h"
#include "drivers/image/tree.h"
#include "drivers/image/unpack.h"
#include "main/archive.h"
#include "main/image_role.h"

struct unpack_role {
    int root_fd;
    unsigned char buffer[LIMIT_IMSG_BYTES];
};

static int unpack_one(struct unpack_role *r, struct imsg_in *m, struct err *err)
{
    struct str diff_id;
    char text[PULL_DIGEST_BYTES];
    struct unpack_result result;
    if (!imsg_get(m, IMAGE_TAG_DIFF_ID, &diff_id) || !pull_digest_ok(diff_id))
        return err_set(err, E_SYNTAX, "a layer without diff id");
    str_copy(text, sizeof text, diff_id);
    struct unpack_options o = {.in_fd = imsg_take_fd(m), .diff_id = text};
    o.root_fd = r->root_fd = imsg_take_fd(m);
    int rc = image_confine_files(o.root_fd, true, err);
    if (rc == 0 && lseek(o.in_fd, 0, SEEK_SET) < 0)
        rc = err_set_errno(err, "cannot read the layer");
    if (rc == 0)
        rc = unpack_layer(&o, &result, err);
    /* A layer is kept under its name only when it is all on disk. */
    if (rc == 0 && syncfs(o.root_fd) < 0)
        rc = err_set_errno(err, "cannot bring the layer to disk");
    if (rc == 0 && result.skipped)
        log_warn("layer %s: %llu device nodes were left out", text, (unsigned long long)result.skipped);
    if (rc < 0)
        (void)!tree_clear(o.root_fd); /* what this leaves, runtime removes */
    return rc < 0 ? err_wrap(err, rc, "layer %s", text) : 0;
}

static int tell_layers(struct unpack_role *r, const struct archive_image *i, struct err *err)
{
    int rc = 0;
    for (size_t n = 0; rc == 0 && n < i->manifest.layer_count; n++) {
        struct imsg_out m;
        int fd;
        rc = image_file_open(r->root_fd, i->layer_paths[n], &fd);
        if (rc < 0)
            return err_set(err, -rc, "the archive has no %.200s", i->layer_paths[n]);
        imsg_begin(&m, r->buffer, sizeof r->buffer, IMAGE_LAYER, 0);
        imsg_put_u64(&m, IMAGE_TAG_INDEX, n);
        imsg_put_fd(&m, fd);
        rc = image_role_send(&m, err);
        close(fd);
    }
    return rc;
}

static int tell_image(void *ctx, const struct archive_image *i, struct err *err)
{
    struct unpack_role *r = ctx;
    struct imsg_out m;
    uint64_t size = i->config.n;
    int fd;
    int rc = image_role_memory(i->config, &fd, err);
    if (rc < 0)
        return rc;
    imsg_begin(&m, r->buffer, sizeof r->buffer, IMAGE_FOUND, 0);
    imsg_put_cstr(&m, IMAGE_TAG_ID, i->manifest.digest);
    for (size_t n = 0; n < i->name_count; n++)
        imsg_put_cstr(&m, IMAGE_TAG_NAME, i->names[n]);
    for (size_t n = 0; n < i->manifest.layer_count; n++) {
        imsg_put_cstr(&m, IMAGE_TAG_DIFF_ID, i->manifest.layers[n].diff_id);
        size += (uint64_t)i->manifest.layers[n].size_bytes;
    }
    imsg_put_u64(&m, IMAGE_TAG_SIZE, size);
    imsg_put_fd(&m, fd);
    rc = image_role_send(&m, err);
    close(fd);
    return rc < 0 ? rc : tell_layers(r, i, err);
}

static int read_archive(struct unpack_role *r, struct imsg_in *m, struct err *err)
{
    struct unpack_options o = {.in_fd = imsg_take_fd(m), .bare = true};
    struct unpack_result result;
    o.root_fd = r->root_fd = imsg_take_fd(m);
    int rc = image_confine_files(o.root_fd, false, err);
    if (rc == 0)
        rc = unpack_layer(&o, &result, err);
    return rc < 0 ? rc : archive_each(r->root_fd, tell_image, r, err);
}

static int run(struct unpack_role *r, struct err *err)
{
    struct imsg_in m;
    int rc = image_role_receive(r->buffer, &m, err);
    if (rc < 0)
        return rc;
    switch (m.type) {
    case UNPACK_LAYER: rc = unpack_one(r, &m, err); break;
    case UNPACK_ARCHIVE: rc = read_archive(r, &m, err); break;
    case UNPACK_CLEAR:
        r->root_fd = imsg_take_fd(&m);
        rc = image_confine_files(r->root_fd, true, err);
        if (rc == 0 && (rc = tree_clear(r->root_fd)) < 0)
            err_set(err, -rc, "cannot empty a directory: %s", err_text(rc));
        break;
    default: rc = err_set(err, E_SYNTAX, "the role unpack does not know message %u", m.type);
    }
    imsg_close_fds(&m);
    return rc;
}

int unpack_role_main(int argc, char **argv)
{
    struct err err = {0};
    struct imsg_out m;
    struct unpack_role *r = mem_zalloc(sizeof *r);
    (void)argc;
    (void)argv;
    log_init("unpack", 2, LOG_INFO);
    int rc = r ? run(r, &err) : err_set(&err, E_NOMEM, "out of memory");
    if (rc < 0) {
        image_role_fail(&err);
    } else {
        imsg_begin(&m, r->buffer, sizeof r->buffer, IMAGE_DONE, 0);
        rc = image_role_send(&m, NULL);
    }
    mem_free(r);
    return rc < 0;
}
