/* See archive.h. */
#include "main/archive.h"

#include <stdio.h>
#include <unistd.h>

#include "codec/json.h"
#include "drivers/image/confine.h"
#include "main/image_role.h"
#include "port/crypto.h"

struct archive {
    int dir_fd;
    int (*found)(void *ctx, const struct archive_image *i, struct err *err);
    void *ctx;
    size_t count;
    struct archive_image image;
    struct arena paths;
    struct buf config;
};

static int read_document(struct archive *a, const char *path, struct buf *out, struct err *err)
{
    int fd;
    int rc = image_file_open(a->dir_fd, path, &fd);
    if (rc < 0)
        return err_set(err, -rc, "the archive has no %s", path);
    buf_clear(out);
    rc = image_role_read(fd, out, err);
    close(fd);
    return rc < 0 ? err_wrap(err, rc, "%s", path) : 0;
}

static void digest_of(struct str text, char ret_digest[PULL_DIGEST_BYTES])
{
    uint8_t digest[SHA256_BYTES];
    sha256_of(text, digest);
    memcpy(ret_digest, "sha256:", 8);
    hex_encode(ret_digest + 7, digest, sizeof digest);
}

static int read_blob(struct archive *a, const char *digest, struct buf *out, struct err *err)
{
    char path[128], got[PULL_DIGEST_BYTES];
    snprintf(path, sizeof path, "blobs/sha256/%s", digest + 7);
    int rc = read_document(a, path, out, err);
    if (rc < 0)
        return rc;
    digest_of(buf_str(out), got);
    return strcmp(got, digest) == 0
               ? 0 : err_set(err, E_CORRUPT, "digest mismatch in the archive: expected %s, got %s", digest, got);
}

/* A bare tag ("latest") is no name. */
static void add_name(struct archive_image *i, const char *text)
{
    struct pull_reference r;
    bool whole = strchr(text, ':') || strchr(text, '/');
    if (!whole || i->name_count == ARCHIVE_NAMES || pull_reference_parse(text, &r, NULL) < 0)
        return;
    pull_reference_name(&r, i->names[i->name_count++]);
}

static int give(struct archive *a, struct err *err)
{
    a->image.config = buf_str(&a->config);
    int rc = pull_config_parse(a->image.config, &a->image.manifest, err);
    if (rc == 0)
        rc = a->found(a->ctx, &a->image, err);
    a->count += rc == 0;
    return rc;
}

/* ---- OCI layout ---- */

static int oci_image(struct archive *a, const struct json *entry, struct err *err)
{
    struct pull_manifest *m = &a->image.manifest;
    struct buf text CLEANUP_BUF;
    char digest[PULL_DIGEST_BYTES];
    buf_init(&text, PULL_MANIFEST_BYTES);
    if (!pull_digest_ok(json_path_str(entry, "digest")))
        return err_set(err, E_SYNTAX, "index.json: an entry without digest");
    str_copy(digest, sizeof digest, json_path_str(entry, "digest"));
    int rc = 0;
    for (unsigned depth = 0; rc == 0; depth++) {
        rc = depth == 3 ? err_set(err, E_LIMIT, "indexes nested too deep") : read_blob(a, digest, &text, err);
        if (rc == 0)
            rc = pull_manifest_parse(buf_str(&text), (struct str){"", 0}, m, err);
        if (rc == 0 && !m->is_index)
            break;
        memcpy(digest, m->digest, sizeof digest);
    }
    if (rc == 0)
        rc = read_blob(a, m->digest, &a->config, err);
    for (size_t n = 0; rc == 0 && n < m->layer_count; n++) {
        a->image.layer_paths[n] = arena_printf(&a->paths, "blobs/sha256/%s", m->layers[n].digest + 7);
        rc = a->image.layer_paths[n] ? 0 : err_set(err, E_NOMEM, "out of memory");
    }
    return rc < 0 ? rc : give(a, err);
}

static bool other_machine(const struct json *entry)
{
    const struct json *p = json_get(entry, "platform");
    return p && (!cstr_eq(json_path_cstr(p, "os"), "linux") || !cstr_eq(json_path_cstr(p, "architecture"), "amd64"));
}

static int oci_layout(struct archive *a, const struct json *index, struct err *err)
{
    int rc = 0;
    for (const struct json *e = json_first(json_get(index, "manifests")); e && rc == 0; e = e->next) {
        const struct json *notes = json_get(e, "annotations");
        if (other_machine(e))
            continue;
        memset(&a->image, 0, sizeof a->image);
        const char *name = json_cstr(json_get(notes, "io.containerd.image.name"));
        add_name(&a->image, name[0] ? name : json_cstr(json_get(notes, "org.opencontainers.image.ref.name")));
        rc = oci_image(a, e, err);
    }
    return rc;
}

/* ---- docker save ---- */

static int docker_image(struct archive *a, const struct json *entry, struct err *err)
{
    struct pull_manifest *m = &a->image.manifest;
    const struct json *layers = json_get(entry, "Layers");
    memset(&a->image, 0, sizeof a->image);
    if (json_count(layers) > LIMIT_IMAGE_LAYERS)
        return err_set(err, E_LIMIT, "an image of %u layers; %d are possible", json_count(layers), LIMIT_IMAGE_LAYERS);
    for (const struct json *l = json_first(layers); l; l = l->next)
        a->image.layer_paths[m->layer_count++] = json_cstr(l);
    for (const struct json *t = json_first(json_get(entry, "RepoTags")); t; t = t->next)
        add_name(&a->image, json_cstr(t));
    int rc = read_document(a, json_path_cstr(entry, "Config"), &a->config, err);
    if (rc < 0)
        return rc;
    digest_of(buf_str(&a->config), m->digest);
    return give(a, err);
}

static int read_tree(struct archive *a, const char *path, struct arena *memory, struct json **ret_tree,
                     struct err *err)
{
    struct buf text CLEANUP_BUF;
    buf_init(&text, PULL_MANIFEST_BYTES);
    int rc = read_document(a, path, &text, err);
    if (rc < 0)
        return rc;
    rc = json_parse(memory, buf_str(&text), NULL, ret_tree, err);
    return rc < 0 ? err_wrap(err, rc, "%s", path) : 0;
}

int archive_each(int dir_fd, int (*found)(void *ctx, const struct archive_image *i, struct err *err),
                 void *ctx, struct err *err)
{
    struct arena memory CLEANUP_ARENA;
    struct json *tree;
    arena_init(&memory, 8 * PULL_MANIFEST_BYTES);
    struct archive *a = mem_zalloc(sizeof *a);
    if (!a)
        return err_set(err, E_NOMEM, "out of memory");
    a->dir_fd = dir_fd;
    a->found = found;
    a->ctx = ctx;
    arena_init(&a->paths, PULL_MANIFEST_BYTES);
    buf_init(&a->config, PULL_MANIFEST_BYTES);
    /* New versions of docker write both; manifest.json has the names as they were asked for. */
    int rc = read_tree(a, "manifest.json", &memory, &tree, err);
    if (rc == 0) {
        for (const struct json *e = json_first(tree); e && rc == 0; e = e->next)
            rc = docker_image(a, e, err);
    } else if (rc == -E_NOT_FOUND) {
        rc = read_tree(a, "index.json", &memory, &tree, err);
        if (rc == 0)
            rc = oci_layout(a, tree, err);
        else if (rc == -E_NOT_FOUND)
            err_set(err, E_NOT_FOUND, "not an image archive: neither index.json nor manifest.json is in it");
    }
    if (rc == 0 && a->count == 0)
        rc = err_set(err, E_NOT_FOUND, "the archive holds no image for linux/amd64");
    arena_done(&a->paths);
    buf_done(&a->config);
    mem_free(a);
    return rc;
}
