/*
 * One pull or load.
 *
 *   pull:  the role `pull` says what the image is; layers that are not there are fetched one after
 *          another, and each is unpacked by an `unpack` while the next one is on its way.
 *   load:  an `unpack` reads the archive and says what the images are and hands over their layers;
 *          each image is finished before its next message is read.
 *
 * Whatever fails, nothing partial stays: blobs and unfinished layers are removed by finish.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "drivers/image/confine.h"
#include "main/image_msg.h"
#include "main/images_int.h"
#include "main/start_msg.h"

static void advance(struct image_job *j);

static void fail(struct image_job *j, const struct err *err)
{
    image_job_finish(j, -err->code, err->text);
}

void image_job_free(struct image_job *j)
{
    image_plan_free(j->plan);
    if (j->archive_fd >= 0)
        close(j->archive_fd);
    mem_free(j->name);
    if (j->auth)
        mem_free_secret(j->auth, strlen(j->auth));
    mem_free(j);
}

static void clean_up(struct image_job *j)
{
    struct image_store *s = j->images->store;
    bool unpacking = j->unpack != NULL;
    image_child_end(j->source);
    image_child_end(j->unpack);
    if (j->plan && unpacking)
        image_store_layer_abort(s, j->plan->diff_ids[j->unpack_at]);
    for (size_t i = 0; j->plan && i < j->plan->digest_count; i++)
        if (j->plan->layer_fds[i] >= 0)
            image_store_blob_remove(s, j->plan->digests[i]);
    if (j->archive_fd >= 0)
        image_store_scratch_remove(s);
}

void image_job_finish(struct image_job *j, int rc, const char *message)
{
    struct images *im = j->images;
    char text[640];
    clean_up(j);
    im->active = NULL;
    if (rc == 0) {
        images_answer(j->done, j->ctx, image_store_find(im->store, j->loaded), j->name);
    } else {
        const struct runtime_image none = {0};
        if (j->name)
            snprintf(text, sizeof text, "failed to pull image \"%.200s\": %s", j->name, message);
        else
            snprintf(text, sizeof text, "failed to load the image archive: %s", message);
        log_warn("%s", text);
        j->done(j->ctx, &(struct runtime_result){rc, text}, &none);
    }
    image_job_free(j);
    if (!im->closing)
        loop_defer(im->o.loop, &im->next);
}

static void role_failed(struct image_job *j, const struct imsg_in *m)
{
    struct str text = STR("no reason was given");
    uint64_t code = E_INTERNAL;
    char message[512];
    imsg_get(m, IMAGE_TAG_TEXT, &text);
    if (!imsg_get_u64(m, IMAGE_TAG_CODE, &code) || !code || code >= E__COUNT)
        code = E_INTERNAL;
    str_copy(message, sizeof message, text);
    image_job_finish(j, -(int)code, message);
}

static void source_gone(void *ctx)
{
    image_job_finish(ctx, -E_CLOSED, "the process that reads the image ended unexpectedly");
}

static void unpack_gone(void *ctx)
{
    image_job_finish(ctx, -E_CLOSED, "the process that unpacks a layer ended unexpectedly");
}

/* ---- unpacking ---- */

static void unpack_message(void *ctx, struct imsg_in *m)
{
    struct image_job *j = ctx;
    struct image_plan *p = j->plan;
    size_t i = j->unpack_at;
    struct err err = {0};
    if (m->type == IMAGE_FAILED) {
        role_failed(j, m);
        return;
    }
    if (m->type != IMAGE_DONE)
        return;
    image_child_end(j->unpack);
    j->unpack = NULL;
    int rc = image_store_layer_commit(j->images->store, p->diff_ids[i], &err);
    close(p->layer_fds[i]);
    p->layer_fds[i] = -1;
    if (p->digest_count)
        image_store_blob_remove(j->images->store, p->digests[i]);
    j->unpack_at++;
    if (rc < 0) {
        image_store_layer_abort(j->images->store, p->diff_ids[i]);
        fail(j, &err);
    } else {
        advance(j);
    }
}

static int start_unpack(struct image_job *j, struct err *err)
{
    struct image_plan *p = j->plan;
    size_t i = j->unpack_at;
    unsigned char buffer[1024];
    struct imsg_out m;
    int dir_fd;
    int rc = image_store_layer_begin(j->images->store, p->diff_ids[i], &dir_fd, err);
    if (rc < 0)
        return rc;
    rc = image_child_start(j->images, "unpack", unpack_message, unpack_gone, j, &j->unpack, err);
    if (rc < 0) {
        image_store_layer_abort(j->images->store, p->diff_ids[i]);
    } else {
        imsg_begin(&m, buffer, sizeof buffer, UNPACK_LAYER, 0);
        imsg_put_cstr(&m, IMAGE_TAG_DIFF_ID, p->diff_ids[i]);
        imsg_put_fd(&m, p->layer_fds[i]);
        imsg_put_fd(&m, dir_fd);
        rc = image_child_send(j->unpack, &m, err);
    }
    close(dir_fd);
    return rc;
}

/* ---- fetching ---- */

/* There already, or the same as one that is on its way. */
static bool layer_needless(const struct image_job *j, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(j->plan->diff_ids[k], j->plan->diff_ids[i]) == 0)
            return true;
    return image_store_has_layer(j->images->store, j->plan->diff_ids[i]);
}

static int start_fetch(struct image_job *j, struct err *err)
{
    struct image_plan *p = j->plan;
    size_t i = j->fetch_at;
    unsigned char buffer[1024];
    struct imsg_out m;
    int rc = image_store_blob_begin(j->images->store, p->digests[i], &p->layer_fds[i], err);
    if (rc < 0)
        return rc;
    imsg_begin(&m, buffer, sizeof buffer, PULL_LAYER, 0);
    imsg_put_u64(&m, IMAGE_TAG_INDEX, i);
    imsg_put_fd(&m, p->layer_fds[i]);
    j->fetching = true;
    return image_child_send(j->source, &m, err);
}

static int put(struct image_job *j, struct err *err)
{
    struct image_plan *p = j->plan;
    const char *diff_ids[LIMIT_IMAGE_LAYERS];
    const struct image *i = NULL;
    const char *first = p->names[0];
    for (size_t n = 0; n < p->layer_count; n++)
        diff_ids[n] = p->diff_ids[n];
    int rc = image_store_put(j->images->store, p->id, first, p->repo_digest, diff_ids, p->layer_count,
                             p->size_bytes, str_make(p->config, p->config_bytes), &i, err);
    for (size_t n = 1; rc == 0 && first && p->names[n]; n++)
        rc = image_store_put(j->images->store, p->id, p->names[n], NULL, diff_ids, p->layer_count,
                             p->size_bytes, str_make(p->config, p->config_bytes), &i, err);
    if (rc == 0) {
        memcpy(j->loaded, p->id, sizeof j->loaded);
        log_info("image %s is here as %s", first ? first : "without name", p->id);
    }
    image_plan_free(p);
    j->plan = NULL;
    return rc;
}

static void advance(struct image_job *j)
{
    struct image_plan *p = j->plan;
    struct err err = {0};
    int rc = 0;
    bool from_archive = j->archive_fd >= 0;
    while (!from_archive && !j->fetching && j->fetch_at < p->layer_count && layer_needless(j, j->fetch_at))
        j->fetch_at++;
    if (!from_archive && !j->fetching && j->fetch_at < p->layer_count)
        rc = start_fetch(j, &err);
    while (rc == 0 && !j->unpack && j->unpack_at < j->fetch_at && p->layer_fds[j->unpack_at] < 0)
        j->unpack_at++;
    if (rc == 0 && !j->unpack && j->unpack_at < j->fetch_at)
        rc = start_unpack(j, &err);
    if (rc == 0 && j->unpack_at == p->layer_count) {
        rc = put(j, &err);
        if (rc == 0 && !from_archive) {
            image_job_finish(j, 0, "");
            return;
        }
        if (rc == 0)
            image_child_pause(j->source, false);
    }
    if (rc < 0)
        fail(j, &err);
}

static void take_plan(struct image_job *j, struct imsg_in *m)
{
    struct err err = {0};
    if (j->plan) {
        image_job_finish(j, -E_SYNTAX, "a second image before the first was whole");
        return;
    }
    j->fetch_at = j->unpack_at = 0;
    if (image_plan_take(m, &j->plan, &err) < 0) {
        fail(j, &err);
        return;
    }
    if (j->archive_fd < 0 && j->plan->digest_count != j->plan->layer_count)
        image_job_finish(j, -E_SYNTAX, "an image without its layers' digests");
    else if (j->archive_fd < 0 || j->plan->layer_count == 0)
        advance(j);
}

static void layer_done(struct image_job *j, const struct imsg_in *m)
{
    uint64_t index;
    if (!j->plan || !j->fetching || !imsg_get_u64(m, IMAGE_TAG_INDEX, &index) || index != j->fetch_at) {
        image_job_finish(j, -E_SYNTAX, "a layer that was not asked for");
        return;
    }
    j->fetching = false;
    j->fetch_at++;
    advance(j);
}

/* A layer of the archive: kept until all have come, then unpacked one by one. */
static void archive_layer(struct image_job *j, struct imsg_in *m)
{
    int fd = imsg_take_fd(m);
    if (!j->plan || j->archive_fd < 0 || fd < 0 || j->fetch_at >= j->plan->layer_count) {
        if (fd >= 0)
            close(fd);
        image_job_finish(j, -E_SYNTAX, "a layer that does not belong to the image");
        return;
    }
    if (layer_needless(j, j->fetch_at))
        close(fd);
    else
        j->plan->layer_fds[j->fetch_at] = fd;
    if (++j->fetch_at < j->plan->layer_count)
        return;
    image_child_pause(j->source, true);
    advance(j);
}

static void source_message(void *ctx, struct imsg_in *m)
{
    struct image_job *j = ctx;
    switch (m->type) {
    case IMAGE_FOUND: take_plan(j, m); break;
    case IMAGE_LAYER_DONE: layer_done(j, m); break;
    case IMAGE_LAYER: archive_layer(j, m); break;
    case IMAGE_FAILED: role_failed(j, m); break;
    case IMAGE_DONE:
        if (j->archive_fd >= 0 && !j->plan && j->loaded[0])
            image_job_finish(j, 0, "");
        else
            image_job_finish(j, -E_SYNTAX, "the archive holds no image");
        break;
    default: image_job_finish(j, -E_SYNTAX, "an unknown message"); break;
    }
}

static int start_pull(struct image_job *j, struct err *err)
{
    struct images *im = j->images;
    struct imsg_out m;
    int empty_fd, authorities_fd = -1;
    unsigned char *buffer CLEANUP_FREE = mem_alloc(LIMIT_IMSG_BYTES);
    if (!buffer)
        return err_set(err, E_NOMEM, "out of memory");
    int rc = image_store_scratch_begin(im->store, &empty_fd, err);
    if (rc < 0)
        return rc;
    rc = image_child_start(im, "pull", source_message, source_gone, j, &j->source, err);
    if (rc < 0) {
        close(empty_fd);
        return rc;
    }
    imsg_begin(&m, buffer, LIMIT_IMSG_BYTES, PULL_START, 0);
    imsg_put_cstr(&m, IMAGE_TAG_NAME, j->name);
    imsg_put_cstr(&m, IMAGE_TAG_AUTH, j->auth);
    imsg_put_cstr(&m, IMAGE_TAG_REGISTRIES, im->registries);
    for (size_t i = 0; i < im->resolver_count; i++)
        start_msg_put_addr(&m, IMAGE_TAG_RESOLVER, &im->resolvers[i]);
    imsg_put_fd(&m, empty_fd);
    if (image_authorities_open(&authorities_fd) == 0)
        imsg_put_fd(&m, authorities_fd);
    rc = image_child_send(j->source, &m, err);
    mem_wipe(buffer, m.n);
    close(empty_fd);
    if (authorities_fd >= 0)
        close(authorities_fd);
    return rc;
}

static int start_load(struct image_job *j, struct err *err)
{
    unsigned char buffer[256];
    struct imsg_out m;
    int dir_fd;
    int rc = image_store_scratch_begin(j->images->store, &dir_fd, err);
    if (rc < 0)
        return rc;
    rc = image_child_start(j->images, "unpack", source_message, source_gone, j, &j->source, err);
    if (rc == 0) {
        imsg_begin(&m, buffer, sizeof buffer, UNPACK_ARCHIVE, 0);
        imsg_put_fd(&m, j->archive_fd);
        imsg_put_fd(&m, dir_fd);
        rc = image_child_send(j->source, &m, err);
    }
    close(dir_fd);
    return rc;
}

void image_job_start(struct image_job *j)
{
    struct err err = {0};
    int rc = j->archive_fd >= 0 ? start_load(j, &err) : start_pull(j, &err);
    if (rc < 0)
        fail(j, &err);
}
