/* See runtime_role.h. */
#include "main/runtime_role.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "drivers/runtime/engine.h"
#include "main/images.h"
#include "oci/spec.h"
#include "wire/runtime_serve.h"

struct runtime_role {
    struct role_env *env;
    struct images *images;
    struct engine *engine;
    struct runtime_serve *serve;
};

/* ---- images, as the engine sees them ---- */

static int layers(void *self, const char *id, struct buf *out, struct err *err)
{
    return images_root(self, id, out, err);
}

static void pull(void *self, const struct runtime_pull *p, runtime_image_fn *done, void *ctx)
{
    images_pull(self, p, done, ctx);
}

static void get(void *self, const char *image, runtime_image_fn *done, void *ctx)
{
    images_get(self, image, done, ctx);
}

static void list(void *self, runtime_image_fn *each, runtime_done_fn *done, void *ctx)
{
    images_list(self, each, done, ctx);
}

static void drop(void *self, const char *id, runtime_done_fn *done, void *ctx)
{
    images_remove(self, id, done, ctx);
}

static void load(void *self, int fd, runtime_image_fn *done, void *ctx)
{
    images_load(self, fd, done, ctx);
}

static const struct engine_image_ops image_ops = {layers, pull, get, list, drop, load};

/* ---- the role ---- */

static void linked(void *ctx, int fd)
{
    struct runtime_role *r = ctx;
    int rc = runtime_serve_attach(r->serve, fd);
    if (rc < 0) {
        log_err("link to node: %s", err_text(rc));
        close(fd);
    }
}

static void addrs_changed(void *ctx)
{
    struct runtime_role *r = ctx;
    images_set_resolvers(r->images, r->env->start.net.resolvers, r->env->start.net.resolver_count);
}

static int start(struct runtime_role *r, struct err *err)
{
    struct role_env *env = r->env;
    char images_dir[START_PATH + 16], run_dir[START_PATH + 16];
    snprintf(images_dir, sizeof images_dir, "%s/images", env->start.data_dir);
    if (env->start.appliance)
        snprintf(run_dir, sizeof run_dir, "/run/keelson");
    else /* several may run on one host */
        snprintf(run_dir, sizeof run_dir, "%s/run", env->start.data_dir);
    struct images_options images = {.loop = env->loop, .dir = images_dir, .registries = env->start.registries,
                                    .resolvers = env->start.net.resolvers,
                                    .resolver_count = env->start.net.resolver_count};
    int rc = images_new(&images, &r->images, err);
    if (rc < 0)
        return rc;
    struct engine_options engine = {.loop = env->loop, .data_dir = env->start.data_dir, .run_dir = run_dir,
                                    .decode = oci_spec_decode, .decode_resources = oci_resources_decode,
                                    .images = &image_ops, .images_self = r->images};
    rc = engine_open(&engine, &r->engine, err);
    if (rc == 0 && (rc = runtime_serve_new(env->loop, engine_runtime(r->engine), &r->serve)) < 0)
        rc = err_set(err, -rc, "runtime: %s", err_text(rc));
    return rc;
}

int runtime_role_run(struct role_env *env, struct err *err)
{
    struct runtime_role r = {.env = env};
    signal(SIGPIPE, SIG_IGN);
    int rc = start(&r, err);
    if (rc == 0) {
        role_env_on_link(env, ROLE_NODE, linked, &r);
        role_env_on_addrs(env, addrs_changed, &r);
        role_env_ready(env);
        rc = role_env_loop(env, err);
    }
    /* Pods live on in their shims; what was being asked is answered by nobody. */
    images_free(r.images);
    engine_close(r.engine);
    runtime_serve_free(r.serve);
    return rc;
}
