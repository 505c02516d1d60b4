/* Finding again what a former engine left: pods by their directories, shims by their sockets. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "drivers/runtime/cgroup.h"
#include "drivers/runtime/engine_int.h"
#include "kernel-glue/abi/path.h"

struct state_call {
    struct list link;
    const struct runtime_state_fns *fns;
    runtime_done_fn *done;
    void *ctx;
};

static int each_name(int dir, int (*fn)(void *ctx, const char *name), void *ctx)
{
    int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
    struct dirent *e;
    int rc = 0;
    if (!d) {
        if (copy >= 0)
            close(copy);
        return -err_from_errno(errno);
    }
    while (rc == 0 && (e = readdir(d)))
        if (e->d_name[0] != '.')
            rc = fn(ctx, e->d_name);
    closedir(d);
    return rc;
}

/* ---- containers ---- */

static int take_container(void *ctx, const char *id)
{
    struct pod *p = ctx;
    struct err err = {0};
    struct stat st;
    int all, rc;
    if (!record_name_ok(id, ENGINE_UID_BYTES))
        return 0;
    struct container *c = container_new(p, id);
    if (!c)
        return -E_NOMEM;
    if ((rc = record_dir(p->dir, "containers", 0755, &all, &err)) < 0)
        return rc;
    rc = record_dir(all, id, 0700, &c->dir, &err);
    if (rc == 0)
        rc = record_container_read(c, &err);
    if (rc < 0) { /* a creation that was cut short */
        log_warn("container %s of pod %s: %s; removed", id, p->uid, err.text);
        container_free(c);
        if (path_remove_tree(all, id) < 0)
            log_warn("container %s: its directory could not be removed", id);
        close(all);
        return 0;
    }
    close(all);
    if (record_exit_read(c, &c->exit))
        c->state = RUNTIME_EXITED;
    else if (fstatat(c->dir, "started", &st, 0) == 0 && !p->alive) {
        c->state = RUNTIME_EXITED; /* with the machine or its shim; nobody saw how */
        c->exit = (struct runtime_exit){.code = 137, .signal = SIGKILL,
                                        .started_ns = (int64_t)st.st_mtime * 1000000000,
                                        .finished_ns = loop_realtime_ns(p->e->loop)};
    }
    return 0;
}

/* ---- what the shims say ---- */

static void report(struct engine *e, const struct state_call *s)
{
    struct map_iter it;
    struct str key;
    void *value;
    map_iter_init(&e->pods, &it);
    while (map_iter_next(&e->pods, &it, &key, &value)) {
        struct pod *p = value;
        struct container *c;
        s->fns->pod(s->ctx, p->uid, p->namespace, p->name, p->addrs, p->addr_count, p->alive);
        LIST_EACH(c, &p->containers, link)
            s->fns->container(s->ctx, p->uid, c->id, c->name, c->attempt, c->image_id, c->state,
                              c->state == RUNTIME_EXITED ? &c->exit : NULL);
    }
    engine_done(s->done, s->ctx, 0, NULL);
}

static void settle(struct engine *e)
{
    struct state_call *s;
    if (--e->settling)
        return;
    while ((s = LIST_FIRST(&e->waiting, struct state_call, link))) {
        list_remove(&s->link);
        report(e, s);
        mem_free(s);
    }
}

static void shim_state_one(void *ctx, struct shim_msg *m)
{
    struct reply *r = ctx;
    char text[ENGINE_UID_BYTES];
    struct str id = {0};
    if (!field_get(m->fields, SHIM_F_ID, &id) || !str_copy(text, sizeof text, id))
        return;
    struct container *c = engine_container(r->e, text);
    if (!c)
        return;
    c->exit.started_ns = (int64_t)field_get_u64(m->fields, SHIM_F_STARTED, 0);
    if (field_get_u64(m->fields, SHIM_F_RUNNING, 0))
        c->state = RUNTIME_RUNNING;
    else if (c->state != RUNTIME_EXITED) {
        struct runtime_exit x = {.code = (int)field_get_u64(m->fields, SHIM_F_CODE, 0),
                                 .signal = (int)field_get_u64(m->fields, SHIM_F_SIGNAL, 0),
                                 .started_ns = c->exit.started_ns,
                                 .finished_ns = (int64_t)field_get_u64(m->fields, SHIM_F_FINISHED, 0)};
        container_exited(c, &x);
    }
}

static void shim_state_end(void *ctx, struct shim_msg *m)
{
    struct reply *r = ctx;
    struct engine *e = r->e;
    (void)m;
    mem_free(r);
    settle(e);
}

static int ask_state(struct pod *p)
{
    struct reply *r = reply_new(p->e, NULL);
    if (!r)
        return -E_NOMEM;
    shim_link_begin(p->link, &p->e->message, SHIM_STATE);
    int rc = shim_link_send(p->link, &p->e->message, NULL, 0, shim_state_end, shim_state_one, r);
    if (rc < 0)
        mem_free(r);
    else
        p->e->settling++;
    return rc;
}

/* ---- pods ---- */

static int take_pod(void *ctx, const char *uid)
{
    struct engine *e = ctx;
    struct err err = {0};
    char cgroup[ENGINE_PATH_BYTES];
    int rc, all;
    if (!record_name_ok(uid, ENGINE_UID_BYTES))
        return 0;
    struct pod *p = pod_new(e, uid);
    rc = p ? pod_open_dirs(p, &err) : -E_NOMEM;
    if (rc == 0)
        rc = record_pod_read(p, &err);
    if (rc < 0) {
        log_warn("pod %s: %s; removed", uid, err.text);
        if (p)
            pod_free(p);
        if (path_remove_tree(e->run_dir, uid) < 0 || path_remove_tree(e->pods_dir, uid) < 0)
            log_warn("pod %s: its directory could not be removed", uid);
        return 0;
    }
    if (!p->shim_pid || pod_connect(p) < 0) {
        pod_cgroup_path(p, "", cgroup);
        if (cgroup_kill(e->cgroup, cgroup) < 0)
            log_warn("pod %s: its cgroup could not be ended", uid);
    }
    if ((rc = record_dir(p->dir, "containers", 0755, &all, &err)) == 0) {
        rc = each_name(all, take_container, p);
        close(all);
    }
    if (rc == 0 && p->link && ask_state(p) < 0)
        log_warn("pod %s: its shim does not answer", uid);
    return rc;
}

int engine_recover(struct engine *e, struct err *err)
{
    int rc = each_name(e->pods_dir, take_pod, e);
    return rc < 0 ? err_set(err, -rc, "find pods again: %s", err_text(rc)) : 0;
}

void engine_state(void *self, const struct runtime_state_fns *fns, runtime_done_fn *done, void *ctx)
{
    struct engine *e = self;
    struct state_call now = {.fns = fns, .done = done, .ctx = ctx};
    if (!e->settling) {
        report(e, &now);
        return;
    }
    struct state_call *s = mem_dup(&now, sizeof now);
    if (!s)
        engine_done(done, ctx, -E_NOMEM, NULL);
    else
        list_push_back(&e->waiting, &s->link);
}
