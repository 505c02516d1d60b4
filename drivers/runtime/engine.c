/* Opening, closing, and the table of calls. See engine.h. */
#include "drivers/runtime/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "drivers/netif/netif.h"
#include "drivers/rules/rules.h"
#include "drivers/runtime/cgroup.h"
#include "drivers/runtime/engine_int.h"
#include "kernel-glue/abi/path.h"

/* ---- answers ---- */

struct reply *reply_new(struct engine *e, void *ctx)
{
    struct reply *r = mem_zalloc(sizeof *r);
    if (r) {
        r->e = e;
        r->ctx = ctx;
    }
    return r;
}

void engine_done(runtime_done_fn *done, void *ctx, int rc, const struct err *err)
{
    struct runtime_result r = {rc, rc == 0 ? "" : err && err->code ? err->text : err_text(rc)};
    done(ctx, &r);
}

void engine_streams_failed(runtime_streams_fn *done, void *ctx, int rc, const char *message)
{
    struct runtime_result r = {rc, message};
    done(ctx, &r, NULL);
}

struct pod *engine_pod(struct engine *e, const char *uid)
{
    return map_get(&e->pods, str_of(uid));
}

struct container *engine_container(struct engine *e, const char *id)
{
    return map_get(&e->containers, str_of(id));
}

static void set_listener(void *self, const struct runtime_events *events, void *ctx)
{
    struct engine *e = self;
    e->events = events;
    e->events_ctx = ctx;
}

/* ---- images: passed on ---- */

static void no_image(runtime_image_fn *done, void *ctx)
{
    struct runtime_result r = {-E_UNSUPPORTED, "no image store"};
    done(ctx, &r, NULL);
}

static void image_pull(void *self, const struct runtime_pull *p, runtime_image_fn *done, void *ctx)
{
    struct engine *e = self;
    if (e->o.images && e->o.images->pull)
        e->o.images->pull(e->o.images_self, p, done, ctx);
    else
        no_image(done, ctx);
}

static void image_get(void *self, const char *image, runtime_image_fn *done, void *ctx)
{
    struct engine *e = self;
    if (e->o.images && e->o.images->get)
        e->o.images->get(e->o.images_self, image, done, ctx);
    else
        no_image(done, ctx);
}

static void image_list(void *self, runtime_image_fn *each, runtime_done_fn *done, void *ctx)
{
    struct engine *e = self;
    if (e->o.images && e->o.images->list)
        e->o.images->list(e->o.images_self, each, done, ctx);
    else
        engine_done(done, ctx, -E_UNSUPPORTED, NULL);
}

/* An image that a container stands on stays. */
static void image_remove(void *self, const char *id, runtime_done_fn *done, void *ctx)
{
    struct engine *e = self;
    struct map_iter it;
    struct str key;
    void *value;
    struct err err = {0};
    map_iter_init(&e->containers, &it);
    while (map_iter_next(&e->containers, &it, &key, &value))
        if (cstr_eq(((struct container *)value)->image_id, id)) {
            err_set(&err, E_CONFLICT, "image %s is used by container %s", id, ((struct container *)value)->id);
            engine_done(done, ctx, -E_CONFLICT, &err);
            return;
        }
    if (e->o.images && e->o.images->remove)
        e->o.images->remove(e->o.images_self, id, done, ctx);
    else
        engine_done(done, ctx, -E_UNSUPPORTED, NULL);
}

static void image_load(void *self, int fd, runtime_image_fn *done, void *ctx)
{
    struct engine *e = self;
    if (e->o.images && e->o.images->load) {
        e->o.images->load(e->o.images_self, fd, done, ctx);
        return;
    }
    close(fd);
    no_image(done, ctx);
}

/* ---- network ---- */

static void rules_apply_call(void *self, const struct rules_table *t, runtime_done_fn *done, void *ctx)
{
    struct err err = {0};
    (void)self;
    engine_done(done, ctx, rules_apply(t, &err), &err);
}

static void network_setup(void *self, const struct net_addr *pod_cidr, unsigned prefix_len,
                          const struct net_addr *dns, runtime_done_fn *done, void *ctx)
{
    struct err err = {0};
    struct rules_table t = {.pod_cidr = *pod_cidr, .pod_prefix_len = prefix_len};
    int rc = netif_node_setup(pod_cidr, prefix_len, dns, &err);
    (void)self;
    if (rc == 0) /* masquerading at once; services come with the first table */
        rc = rules_apply(&t, &err);
    engine_done(done, ctx, rc, &err);
}

static const struct runtime_ops ops = {
    .listen = set_listener,
    .state = engine_state,
    .pod_create = pods_create,
    .pod_remove = pods_remove,
    .pod_file = pods_file,
    .container_create = containers_create,
    .container_start = containers_start,
    .container_kill = containers_kill,
    .container_remove = containers_remove,
    .container_update = containers_update,
    .exec = sessions_exec,
    .attach = sessions_attach,
    .resize = sessions_resize,
    .session_close = sessions_close,
    .dial = pods_dial,
    .log_open = files_log_open,
    .log_rotate = files_log_rotate,
    .termination_open = files_termination_open,
    .volume_set = files_volume_set,
    .host_path = files_host_path,
    .image_pull = image_pull,
    .image_get = image_get,
    .image_list = image_list,
    .image_remove = image_remove,
    .image_load = image_load,
    .usage = files_usage,
    .rules_apply = rules_apply_call,
    .network_setup = network_setup,
};

struct runtime engine_runtime(struct engine *e)
{
    return (struct runtime){&ops, e};
}

bool engine_has_limits(const struct engine *e)
{
    return e->has_limits;
}

/* ---- opening ---- */

static int open_dir(const char *base, const char *below, mode_t mode, int *ret_fd, struct err *err)
{
    int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), at, rc;
    char path[4096];
    if (root < 0)
        return err_set_errno(err, "/");
    bool fits = str_copy(path, sizeof path, str_of(base));
    size_t n = strlen(path);
    fits = fits && base[0] == '/' && str_copy(path + n, sizeof path - n, str_of(below));
    rc = fits ? path_make_dirs(root, path, mode, 0, 0, &at) : err_set(err, E_BAD_REQUEST, "%s: must be an absolute path", base);
    close(root);
    if (rc < 0)
        return fits ? err_set_errno(err, "%s", path) : rc;
    *ret_fd = openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(at);
    return *ret_fd < 0 ? err_set_errno(err, "%s", path) : 0;
}

int engine_open(const struct engine_options *o, struct engine **ret_engine, struct err *err)
{
    struct engine *e = mem_zalloc(sizeof *e);
    if (!e)
        return err_set(err, E_NOMEM, "out of memory");
    e->o = *o;
    e->loop = o->loop;
    e->pods_dir = e->logs_dir = e->run_dir = e->cgroup = -1;
    list_init(&e->waiting);
    buf_init(&e->message, SHIM_MSG_BYTES);
    record_boot_id(e->boot_id);
    int rc = open_dir(o->data_dir, "/pods", 0711, &e->pods_dir, err);
    if (rc == 0)
        rc = open_dir(o->data_dir, "/logs/pods", 0755, &e->logs_dir, err);
    if (rc == 0)
        rc = open_dir(o->run_dir, "/pods", 0711, &e->run_dir, err);
    if (rc == 0)
        rc = cgroup_root_open(&e->cgroup, err);
    if (rc == 0) {
        e->has_limits = cgroup_has_limits(e->cgroup);
        if (!e->has_limits)
            log_warn("cgroup v2 lacks memory, cpu or pids here: containers run without these limits");
        rc = engine_recover(e, err);
    }
    if (rc < 0) {
        engine_close(e);
        return rc;
    }
    *ret_engine = e;
    return 0;
}

void engine_close(struct engine *e)
{
    struct map_iter it;
    struct str key;
    void *value;
    if (!e)
        return;
    e->events = NULL;
    map_iter_init(&e->pods, &it);
    while (map_iter_next(&e->pods, &it, &key, &value))
        pod_free(value);
    map_iter_init(&e->sessions, &it);
    while (map_iter_next(&e->sessions, &it, &key, &value))
        session_free(value);
    map_done(&e->pods, NULL);
    map_done(&e->containers, NULL);
    map_done(&e->sessions, NULL);
    buf_done(&e->message);
    int fds[] = {e->pods_dir, e->logs_dir, e->run_dir, e->cgroup};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    mem_free(e);
}
