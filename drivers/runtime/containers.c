/* Containers: create (directory complete), start, kill, remove. See engine.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "drivers/runtime/cgroup.h"
#include "drivers/runtime/engine_int.h"
#include "drivers/runtime/worker.h"
#include "kernel-glue/abi/path.h"

enum { REMOVE_DEADLINE_MS = 120000, REMOVE_TRIES = 100, REMOVE_PAUSE_MS = 10, RESOURCES_BYTES = 256 * 1024 };

struct container *container_new(struct pod *p, const char *id)
{
    struct container *c = mem_zalloc(sizeof *c);
    if (!c)
        return NULL;
    c->pod = p;
    c->dir = -1;
    c->state = RUNTIME_CREATED;
    str_copy(c->id, sizeof c->id, str_of(id));
    if (map_set(&p->e->containers, str_of(id), c, NULL) < 0) {
        mem_free(c);
        return NULL;
    }
    list_push_back(&p->containers, &c->link);
    return c;
}

void container_free(struct container *c)
{
    map_remove(&c->pod->e->containers, str_of(c->id));
    sessions_of_gone(c->pod->e, c->id);
    list_remove(&c->link);
    if (c->dir >= 0)
        close(c->dir);
    mem_free(c->name);
    mem_free(c->image_id);
    mem_free(c->log_path);
    mem_free(c);
}

void container_cgroup_path(const struct container *c, char ret_path[ENGINE_PATH_BYTES])
{
    pod_cgroup_path(c->pod, c->id, ret_path);
}

static bool out_of_memory(const struct container *c)
{
    char path[ENGINE_PATH_BYTES];
    int fd;
    container_cgroup_path(c, path);
    if (path_open_plain(c->pod->e->cgroup, path, O_RDONLY | O_DIRECTORY, true, &fd) < 0)
        return false;
    bool oom = cgroup_read(fd, "memory.events", "oom_kill") > 0;
    close(fd);
    return oom;
}

void container_exited(struct container *c, const struct runtime_exit *exit)
{
    struct engine *e = c->pod->e;
    char path[ENGINE_PATH_BYTES];
    c->state = RUNTIME_EXITED;
    c->exit = *exit;
    c->exit.oom = exit->signal == SIGKILL && out_of_memory(c);
    container_cgroup_path(c, path);
    /* Processes that were not of its PID namespace (exec in a shared one) end with it. */
    if (cgroup_kill(e->cgroup, path) < 0)
        log_warn("container %s: what is left in its cgroup could not be ended", c->id);
    if (e->events)
        e->events->container_exited(e->events_ctx, c->pod->uid, c->id, &c->exit);
}

/* ---- create ---- */

static int check(struct engine *e, const struct runtime_container *c, struct pod **ret_pod, struct err *err)
{
    struct pod *p = engine_pod(e, c->pod_uid);
    if (!record_name_ok(c->id, ENGINE_UID_BYTES) || !c->name || !c->image_id || !c->log_path ||
        strstr(c->log_path, ".."))
        return err_set(err, E_BAD_REQUEST, "container: bad id, name, image or log path");
    if (!p || !p->alive)
        return err_set(err, E_NOT_FOUND, "pod %s is not running", c->pod_uid);
    if (engine_container(e, c->id))
        return err_set(err, E_EXISTS, "container %s is there already", c->id);
    *ret_pod = p;
    return prepare_check(e, c->oci_spec_json, err);
}

static int fill(struct container *c, const struct runtime_container *from)
{
    c->name = mem_strdup(from->name);
    c->image_id = mem_strdup(from->image_id);
    c->log_path = mem_strdup(from->log_path);
    c->attempt = from->attempt;
    c->read_only_root = from->read_only_root;
    c->tty = from->tty;
    c->stdin_open = from->stdin_open;
    c->stdin_once = from->stdin_once;
    return c->name && c->image_id && c->log_path ? 0 : -E_NOMEM;
}

static int make_dir(struct container *c, struct err *err)
{
    static const char *const parts[] = {"upper", "work"};
    int all, fd, rc = record_dir(c->pod->dir, "containers", 0755, &all, err);
    if (rc < 0)
        return rc;
    rc = record_dir(all, c->id, 0700, &c->dir, err);
    close(all);
    for (size_t i = 0; rc == 0 && i < sizeof parts / sizeof parts[0]; i++)
        if ((rc = record_dir(c->dir, parts[i], 0755, &fd, err)) == 0)
            close(fd);
    if (rc < 0)
        return rc;
    fd = openat(c->dir, "termination", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0 || fchmod(fd, 0666) < 0) /* the container's user writes it, whoever that is */
        rc = err_set_errno(err, "termination log");
    if (fd >= 0)
        close(fd);
    return rc;
}

void containers_create(void *self, const struct runtime_container *from, runtime_done_fn *done, void *ctx)
{
    struct engine *e = self;
    struct err err = {0};
    struct pod *p = NULL;
    int rc = check(e, from, &p, &err);
    struct container *c = rc == 0 ? container_new(p, from->id) : NULL;
    if (rc == 0)
        rc = c ? fill(c, from) : -E_NOMEM;
    if (rc == 0)
        rc = make_dir(c, &err);
    if (rc == 0)
        rc = record_write(c->dir, "config.json", from->oci_spec_json, &err);
    if (rc == 0) /* last: what has no record is a leftover */
        rc = record_container_write(c, &err);
    if (rc < 0 && c) {
        int all;
        if (record_dir(p->dir, "containers", 0755, &all, NULL) == 0) {
            if (path_remove_tree(all, c->id) < 0)
                err_wrap(&err, rc, "and its directory stayed");
            close(all);
        }
        container_free(c);
    }
    engine_done(done, ctx, rc, &err);
}

/* ---- start ---- */

static void started(void *ctx, struct shim_msg *m)
{
    struct reply *r = ctx;
    struct err err = {0};
    struct str text = {0};
    struct container *c = engine_container(r->e, r->id);
    int rc = m ? -(int)field_get_u64(m->fields, SHIM_F_RC, E_INTERNAL) : err_set(&err, E_UNAVAILABLE, "the pod died");
    if (m && rc < 0 && field_get(m->fields, SHIM_F_TEXT, &text))
        err_set(&err, -rc, "unable to start container process: " STR_FMT, STR_ARG(text));
    if (c)
        c->starting = false;
    if (c && rc == 0) {
        c->state = RUNTIME_RUNNING;
        c->exit.started_ns = (int64_t)field_get_u64(m->fields, SHIM_F_STARTED, 0);
    }
    engine_done(r->done, r->ctx, rc, &err);
    mem_free(r);
}

static int ask_start(struct container *c, const struct prepared *prepared, struct reply *r)
{
    struct engine *e = c->pod->e;
    const char *slash = strrchr(c->log_path, '/');
    shim_link_begin(c->pod->link, &e->message, SHIM_START);
    field_put_cstr(&e->message, SHIM_F_ID, c->id);
    field_put_cstr(&e->message, SHIM_F_LOG_NAME, slash ? slash + 1 : c->log_path);
    field_put_u64(&e->message, SHIM_F_HAS_CGROUP, prepared->has_cgroup);
    return shim_link_send(c->pod->link, &e->message, prepared->fds, prepared->count, started, NULL, r);
}

void containers_start(void *self, const char *id, runtime_done_fn *done, void *ctx)
{
    struct engine *e = self;
    struct container *c = engine_container(e, id);
    struct prepared prepared = {0};
    struct err err = {0};
    struct reply *r = NULL;
    int rc = 0;
    if (!c || !c->pod->link)
        rc = err_set(&err, E_NOT_FOUND, "container %s: %s", id, c ? "its pod is not running" : "not found");
    else if (c->state != RUNTIME_CREATED || c->starting)
        rc = err_set(&err, E_CONFLICT, "container %s has been started already", id);
    if (rc == 0 && !(r = reply_new(e, ctx)))
        rc = -E_NOMEM;
    if (rc == 0)
        rc = prepare_start(c, &prepared, &err);
    if (rc == 0) /* from here on it is no longer "created", whatever happens to the shim */
        rc = record_write(c->dir, "started", STR(""), &err);
    if (rc == 0) {
        r->done = done;
        str_copy(r->id, sizeof r->id, str_of(id));
        if ((rc = ask_start(c, &prepared, r)) < 0)
            err_set(&err, -rc, "ask the shim: %s", err_text(rc));
    }
    prepared_done(&prepared);
    if (rc == 0) {
        c->starting = true;
        return;
    }
    mem_free(r);
    engine_done(done, ctx, rc, &err);
}

/* ---- kill, update ---- */

static void plain_answer(void *ctx, struct shim_msg *m)
{
    struct reply *r = ctx;
    struct err err = {0};
    struct str text = {0};
    int rc = m ? -(int)field_get_u64(m->fields, SHIM_F_RC, E_INTERNAL) : err_set(&err, E_NOT_FOUND, "the pod died");
    if (m && rc < 0 && field_get(m->fields, SHIM_F_TEXT, &text))
        err_set(&err, -rc, STR_FMT, STR_ARG(text));
    engine_done(r->done, r->ctx, rc, &err);
    mem_free(r);
}

void containers_kill(void *self, const char *id, int signal, runtime_done_fn *done, void *ctx)
{
    struct engine *e = self;
    struct container *c = engine_container(e, id);
    struct err err = {0};
    struct reply *r = NULL;
    int rc = 0;
    if (!c || c->state != RUNTIME_RUNNING || !c->pod->link)
        rc = err_set(&err, E_NOT_FOUND, "container %s is not running", id);
    else if (!(r = reply_new(e, ctx)))
        rc = -E_NOMEM;
    else {
        r->done = done;
        shim_link_begin(c->pod->link, &e->message, SHIM_KILL);
        field_put_cstr(&e->message, SHIM_F_ID, id);
        field_put_u64(&e->message, SHIM_F_SIGNAL, (uint64_t)signal);
        rc = shim_link_send(c->pod->link, &e->message, NULL, 0, plain_answer, NULL, r);
    }
    if (rc < 0) {
        mem_free(r);
        engine_done(done, ctx, rc, &err);
    }
}

void containers_update(void *self, const char *id, struct str json, runtime_done_fn *done, void *ctx)
{
    struct engine *e = self;
    struct container *c = engine_container(e, id);
    struct container_resources resources;
    struct arena a CLEANUP_ARENA;
    struct err err = {0};
    char path[ENGINE_PATH_BYTES];
    int fd, rc = c ? 0 : err_set(&err, E_NOT_FOUND, "container %s: not found", id);
    arena_init(&a, RESOURCES_BYTES);
    if (rc == 0)
        rc = e->o.decode_resources(&a, json, &resources, &err);
    if (rc == 0) {
        container_cgroup_path(c, path);
        rc = cgroup_make(e->cgroup, path, &fd, &err);
    }
    if (rc == 0) {
        rc = cgroup_apply(fd, &resources, &err);
        close(fd);
    }
    engine_done(done, ctx, rc, &err);
}

/* ---- remove ---- */

struct removal {
    struct engine *e;
    char id[ENGINE_UID_BYTES], cgroup[ENGINE_PATH_BYTES];
    int all, cgroup_root;
    runtime_done_fn *done;
    void *ctx;
};

static int remove_all(void *ctx, int64_t values[4])
{
    struct removal *r = ctx;
    struct timespec pause = {0, REMOVE_PAUSE_MS * 1000000};
    int rc = -E_BUSY;
    (void)values;
    for (int i = 0; i < REMOVE_TRIES && rc < 0; i++) {
        if (i)
            nanosleep(&pause, NULL);
        if ((rc = cgroup_kill(r->cgroup_root, r->cgroup)) == 0)
            rc = cgroup_remove(r->cgroup_root, r->cgroup);
    }
    int tree = path_remove_tree(r->all, r->id);
    return tree < 0 ? tree : rc;
}

static void removed(void *ctx, const struct worker_result *w)
{
    struct removal *r = ctx;
    struct err err = {0};
    struct container *c = engine_container(r->e, r->id);
    if (w->rc < 0)
        err_set(&err, -w->rc, "remove container %s: %s", r->id, err_text(w->rc));
    if (c && w->rc == 0)
        container_free(c);
    close(r->all);
    engine_done(r->done, r->ctx, w->rc, &err);
    mem_free(r);
}

static void forgotten(void *ctx, struct shim_msg *m)
{
    (void)m;
    mem_free(ctx);
}

/* The shim's record goes too; nobody waits for that. */
static void forget(struct container *c)
{
    struct engine *e = c->pod->e;
    struct reply *r = c->pod->link ? reply_new(e, NULL) : NULL;
    if (!r)
        return;
    shim_link_begin(c->pod->link, &e->message, SHIM_FORGET);
    field_put_cstr(&e->message, SHIM_F_ID, c->id);
    if (shim_link_send(c->pod->link, &e->message, NULL, 0, forgotten, NULL, r) < 0)
        mem_free(r);
}

void containers_remove(void *self, const char *id, runtime_done_fn *done, void *ctx)
{
    struct engine *e = self;
    struct container *c = engine_container(e, id);
    struct removal *r = c ? mem_zalloc(sizeof *r) : NULL;
    int rc = c ? r ? 0 : -E_NOMEM : 0;
    if (!r) {
        engine_done(done, ctx, rc, NULL);
        return;
    }
    *r = (struct removal){.e = e, .cgroup_root = e->cgroup, .done = done, .ctx = ctx};
    memcpy(r->id, c->id, sizeof r->id);
    container_cgroup_path(c, r->cgroup);
    forget(c);
    rc = record_dir(c->pod->dir, "containers", 0755, &r->all, NULL);
    if (rc == 0 && (rc = worker_run(e->loop, REMOVE_DEADLINE_MS, remove_all, r, removed, r)) < 0)
        close(r->all);
    if (rc < 0) {
        mem_free(r);
        engine_done(done, ctx, rc, NULL);
    }
}
