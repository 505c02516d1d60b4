/* See images.h. */
#include "main/images.h"

#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "main/image_msg.h"
#include "main/images_int.h"
#include "pull/reference.h"

/* Of several repositories that have the image the one that was asked for. */
static const char *repo_digest(const struct image *i, const char *asked)
{
    struct pull_reference r;
    char prefix[PULL_REFERENCE_BYTES];
    if (asked && pull_reference_parse(asked, &r, NULL) == 0) {
        pull_reference_by_digest(&r, "", prefix);
        for (size_t n = 0; i->repo_digests[n]; n++)
            if (str_starts(str_of(i->repo_digests[n]), str_of(prefix)))
                return i->repo_digests[n];
    }
    return i->repo_digests[0] ? i->repo_digests[0] : "";
}

void images_answer(runtime_image_fn *done, void *ctx, const struct image *i, const char *asked)
{
    const struct runtime_image image = {
        .id = i->id,
        .repo_digest = repo_digest(i, asked),
        .names = (const char *const *)i->names,
        .size_bytes = i->size_bytes,
        .config_json = str_make(i->config, i->config_bytes),
    };
    done(ctx, &(struct runtime_result){0, ""}, &image);
}

static void refuse(runtime_image_fn *done, void *ctx, int rc, const char *message)
{
    const struct runtime_image none = {.id = ""};
    done(ctx, &(struct runtime_result){rc, message}, &none);
}

/* ---- the queue ---- */

static void start_next(void *ctx)
{
    struct images *im = ctx;
    struct image_job *j = LIST_FIRST(&im->waiting, struct image_job, link);
    if (im->active)
        return;
    if (!j) {
        images_sweep(im);
        return;
    }
    list_remove(&j->link);
    im->waiting_count--;
    im->active = j;
    image_job_start(j);
}

static struct image_job *enqueue(struct images *im, runtime_image_fn *done, void *ctx)
{
    struct image_job *j = im->waiting_count < IMAGES_WAITING ? mem_zalloc(sizeof *j) : NULL;
    if (!j)
        return NULL;
    j->images = im;
    j->archive_fd = -1;
    j->done = done;
    j->ctx = ctx;
    list_push_back(&im->waiting, &j->link);
    im->waiting_count++;
    loop_defer(im->o.loop, &im->next);
    return j;
}

static void drop(struct images *im, struct image_job *j)
{
    list_remove(&j->link);
    im->waiting_count--;
    image_job_free(j);
}

void images_pull(struct images *im, const struct runtime_pull *p, runtime_image_fn *done, void *ctx)
{
    struct pull_reference reference;
    struct err err = {0};
    int rc = pull_reference_parse(p->image, &reference, &err);
    if (rc < 0) {
        refuse(done, ctx, rc, err.text);
        return;
    }
    struct image_job *j = enqueue(im, done, ctx);
    if (j) {
        j->name = mem_strdup(p->image);
        j->auth = p->auth_json.n ? mem_strndup(p->auth_json.p, p->auth_json.n) : NULL;
        if (j->name && (j->auth || !p->auth_json.n))
            return;
        drop(im, j);
    }
    refuse(done, ctx, -E_LIMIT, "too many image pulls are waiting, or out of memory");
}

void images_load(struct images *im, int fd, runtime_image_fn *done, void *ctx)
{
    struct image_job *j = enqueue(im, done, ctx);
    if (j) {
        j->archive_fd = fd;
        return;
    }
    close(fd);
    refuse(done, ctx, -E_LIMIT, "too many image loads are waiting, or out of memory");
}

/* ---- what is there ---- */

static const struct image *find(const struct images *im, const char *what)
{
    struct pull_reference r;
    char name[PULL_REFERENCE_BYTES];
    const struct image *i = image_store_find(im->store, what);
    if (i || pull_reference_parse(what, &r, NULL) < 0)
        return i;
    if (r.digest[0])
        pull_reference_by_digest(&r, r.digest, name);
    else
        pull_reference_name(&r, name);
    return image_store_find(im->store, name);
}

void images_get(struct images *im, const char *image, runtime_image_fn *done, void *ctx)
{
    const struct image *i = find(im, image);
    char text[400];
    if (i) {
        images_answer(done, ctx, i, image);
        return;
    }
    snprintf(text, sizeof text, "image \"%.300s\" is not present", image);
    refuse(done, ctx, -E_NOT_FOUND, text);
}

struct listing {
    runtime_image_fn *each;
    void *ctx;
};

static void list_one(void *ctx, const struct image *i)
{
    struct listing *l = ctx;
    images_answer(l->each, l->ctx, i, NULL);
}

void images_list(struct images *im, runtime_image_fn *each, runtime_done_fn *done, void *ctx)
{
    struct listing l = {each, ctx};
    image_store_each(im->store, list_one, &l);
    done(ctx, &(struct runtime_result){0, ""});
}

int images_root(struct images *im, const char *id, struct buf *out, struct err *err)
{
    return image_store_root(im->store, id, out, err);
}

void images_on_remove(struct images *im, images_in_use_fn *in_use, void *ctx)
{
    im->in_use = in_use;
    im->in_use_ctx = ctx;
}

/* ---- removal: layers nobody has any more are emptied by a role of their own ---- */

static void sweep_end(struct images *im)
{
    image_child_end(im->sweeper);
    im->sweeper = NULL;
    image_store_layer_abort(im->store, im->sweeping);
    images_sweep(im);
}

static void sweep_message(void *ctx, struct imsg_in *m)
{
    if (m->type == IMAGE_DONE || m->type == IMAGE_FAILED)
        sweep_end(ctx);
}

static void sweep_gone(void *ctx)
{
    sweep_end(ctx);
}

static void sweep(void *ctx)
{
    struct images *im = ctx;
    unsigned char buffer[128];
    struct imsg_out m;
    struct err err = {0};
    char last[IMAGE_DIGEST_TEXT];
    int fd;
    /* A `.part` directory may also be a layer that is being unpacked: wait for that. */
    memcpy(last, im->sweeping, sizeof last);
    if (im->sweeper || im->active || image_store_next_garbage(im->store, im->sweeping, &fd) < 0)
        return;
    if (strcmp(last, im->sweeping) == 0) {
        log_warn("layer %s cannot be removed", last);
        close(fd);
        return;
    }
    imsg_begin(&m, buffer, sizeof buffer, UNPACK_CLEAR, 0);
    imsg_put_fd(&m, fd);
    int rc = image_child_start(im, "unpack", sweep_message, sweep_gone, im, &im->sweeper, &err);
    if (rc == 0)
        rc = image_child_send(im->sweeper, &m, &err);
    if (rc < 0) {
        log_warn("a removed layer stays until the next start: %s", err.text);
        image_child_end(im->sweeper);
        im->sweeper = NULL;
    }
    close(fd);
}

void images_sweep(struct images *im)
{
    loop_defer(im->o.loop, &im->sweep);
}

void images_remove(struct images *im, const char *id, runtime_done_fn *done, void *ctx)
{
    struct err err = {0};
    const struct image *i = find(im, id);
    int rc = i ? 0 : err_set(&err, E_NOT_FOUND, "image \"%.300s\" is not present", id);
    if (rc == 0 && im->in_use && im->in_use(im->in_use_ctx, i->id))
        rc = err_set(&err, E_BUSY, "image \"%.300s\" is in use by a container", id);
    if (rc == 0 && im->active)
        rc = err_set(&err, E_BUSY, "another image is being pulled"); /* it may count on these layers */
    if (rc == 0)
        rc = image_store_remove(im->store, i->id, &err);
    if (rc == 0) {
        im->sweeping[0] = im->sweeper ? im->sweeping[0] : 0;
        images_sweep(im);
    }
    done(ctx, &(struct runtime_result){rc, rc < 0 ? err.text : ""});
}

/* ---- beginning and end ---- */

void images_set_resolvers(struct images *im, const struct net_addr *resolvers, size_t count)
{
    im->resolver_count = count < IMAGES_RESOLVERS ? count : IMAGES_RESOLVERS;
    if (im->resolver_count)
        memcpy(im->resolvers, resolvers, im->resolver_count * sizeof *resolvers);
}

int images_new(const struct images_options *o, struct images **ret_images, struct err *err)
{
    struct images *im = mem_zalloc(sizeof *im);
    if (!im)
        return err_set(err, E_NOMEM, "out of memory");
    im->o = *o;
    list_init(&im->waiting);
    list_init(&im->children);
    loop_task_init(&im->next, start_next, im);
    loop_task_init(&im->sweep, sweep, im);
    images_set_resolvers(im, o->resolvers, o->resolver_count);
    im->registries = mem_strdup(o->registries ? o->registries : "[]");
    int rc = im->registries ? image_store_open(o->dir, &im->store, err)
                            : err_set(err, E_NOMEM, "out of memory");
    if (rc < 0) {
        mem_free(im->registries);
        mem_free(im);
        return rc;
    }
    images_sweep(im);
    *ret_images = im;
    return 0;
}

void images_free(struct images *im)
{
    if (!im)
        return;
    im->closing = true;
    if (im->active)
        image_job_finish(im->active, -E_CLOSED, "the runtime is stopping");
    struct image_job *j;
    while ((j = LIST_FIRST(&im->waiting, struct image_job, link))) {
        refuse(j->done, j->ctx, -E_CLOSED, "the runtime is stopping");
        drop(im, j);
    }
    struct image_child *c;
    while ((c = LIST_FIRST(&im->children, struct image_child, link)))
        image_child_free(c);
    loop_task_cancel(&im->next);
    loop_task_cancel(&im->sweep);
    image_store_close(im->store);
    mem_free(im->registries);
    mem_free(im);
}
