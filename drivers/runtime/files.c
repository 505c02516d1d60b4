/* Logs, termination messages, volumes, host paths, usage. See engine.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "drivers/runtime/cgroup.h"
#include "drivers/runtime/engine_int.h"
#include "drivers/runtime/worker.h"
#include "drivers/volume/volume.h"
#include "kernel-glue/abi/path.h"

enum { USAGE_DEADLINE_MS = 20000, WALK_DEPTH = 256 };

static void give_file(int rc, int fd, const char *what, runtime_streams_fn *done, void *ctx)
{
    struct runtime_result ok = {0, ""};
    struct runtime_streams s = {0, -1, fd, -1};
    if (rc < 0)
        engine_streams_failed(done, ctx, rc, what);
    else
        done(ctx, &ok, &s);
}

void files_log_open(void *self, const char *path, runtime_streams_fn *done, void *ctx)
{
    struct engine *e = self;
    int fd = -1, rc = path_open_plain(e->logs_dir, path, O_RDONLY | O_NONBLOCK, true, &fd);
    give_file(rc, fd, "no such log", done, ctx);
}

void files_termination_open(void *self, const char *id, runtime_streams_fn *done, void *ctx)
{
    struct container *c = engine_container(self, id);
    int fd = -1, rc = c ? path_open_plain(c->dir, "termination", O_RDONLY | O_NONBLOCK, true, &fd) : -E_NOT_FOUND;
    give_file(rc, fd, "no such container", done, ctx);
}

static void rotated(void *ctx, struct shim_msg *m)
{
    struct reply *r = ctx;
    int rc = m ? -(int)field_get_u64(m->fields, SHIM_F_RC, E_INTERNAL) : -E_NOT_FOUND;
    engine_done(r->done, r->ctx, rc, NULL);
    mem_free(r);
}

void files_log_rotate(void *self, const char *id, runtime_done_fn *done, void *ctx)
{
    struct engine *e = self;
    struct container *c = engine_container(e, id);
    struct reply *r = c && c->pod->link ? reply_new(e, ctx) : NULL;
    int rc = c && c->pod->link ? r ? 0 : -E_NOMEM : -E_NOT_FOUND;
    if (rc == 0) {
        r->done = done;
        shim_link_begin(c->pod->link, &e->message, SHIM_ROTATE);
        field_put_cstr(&e->message, SHIM_F_ID, id);
        rc = shim_link_send(c->pod->link, &e->message, NULL, 0, rotated, NULL, r);
    }
    if (rc < 0) {
        mem_free(r);
        engine_done(done, ctx, rc, NULL);
    }
}

/* ---- volumes ---- */

void files_volume_set(void *self, const struct runtime_volume *v, runtime_done_fn *done, void *ctx)
{
    struct pod *p = engine_pod(self, v->pod_uid);
    struct err err = {0};
    int volumes, rc = 0;
    if (!p || !record_name_ok(v->name, ENGINE_UID_BYTES))
        rc = err_set(&err, p ? E_BAD_REQUEST : E_NOT_FOUND, "volume %s of pod %s: %s", v->name, v->pod_uid,
                     p ? "bad name" : "no such pod");
    if (rc == 0)
        rc = record_dir(p->dir, "volumes", 0755, &volumes, &err);
    if (rc == 0) {
        rc = volume_set(volumes, v, &err);
        close(volumes);
    }
    engine_done(done, ctx, rc, &err);
}

void files_host_path(void *self, const char *path, const char *type, runtime_done_fn *done, void *ctx)
{
    struct err err = {0};
    (void)self;
    engine_done(done, ctx, volume_host_path(path, type, &err), &err);
}

/* ---- usage ---- */

/* Bytes on disk below a directory, hard links counted once each, other mounts left out. */
static int64_t walk(int fd, dev_t dev, int depth)
{
    int64_t sum = 0;
    DIR *d = fdopendir(fd);
    struct dirent *e;
    struct stat st;
    if (!d) {
        close(fd);
        return 0;
    }
    while ((e = readdir(d))) {
        if (cstr_eq(e->d_name, ".") || cstr_eq(e->d_name, "..") ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != dev)
            continue;
        sum += (int64_t)st.st_blocks * 512 / (S_ISDIR(st.st_mode) || st.st_nlink < 1 ? 1 : (int64_t)st.st_nlink);
        int child;
        if (S_ISDIR(st.st_mode) && depth < WALK_DEPTH &&
            path_open_plain(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY, true, &child) == 0)
            sum += walk(child, dev, depth + 1);
    }
    closedir(d);
    return sum;
}

struct usage_call {
    struct engine *e;
    int dir; /* what is walked */
    struct runtime_usage usage;
    runtime_usage_fn *done;
    void *ctx;
};

static int walk_in_child(void *ctx, int64_t values[4])
{
    struct usage_call *u = ctx;
    struct stat st;
    int fd = openat(u->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -E_NOT_FOUND;
    values[0] = walk(fd, st.st_dev, 0);
    return 0;
}

static void walked(void *ctx, const struct worker_result *w)
{
    struct usage_call *u = ctx;
    struct runtime_result r = {0, ""};
    u->usage.fs_bytes = w->rc == 0 ? w->values[0] : -1;
    close(u->dir);
    u->done(u->ctx, &r, &u->usage);
    mem_free(u);
}

static void read_cgroup(struct engine *e, const char *path, struct runtime_usage *u)
{
    int fd;
    *u = (struct runtime_usage){-1, -1, -1, -1};
    if (path_open_plain(e->cgroup, path, O_RDONLY | O_DIRECTORY, true, &fd) < 0)
        return;
    int64_t usec = cgroup_read(fd, "cpu.stat", "usage_usec");
    int64_t inactive = cgroup_read(fd, "memory.stat", "inactive_file");
    u->cpu_ns = usec >= 0 ? usec * 1000 : -1;
    u->memory_bytes = cgroup_read(fd, "memory.current", NULL);
    if (u->memory_bytes >= 0)
        u->working_set_bytes = inactive > u->memory_bytes ? 0 : u->memory_bytes - (inactive > 0 ? inactive : 0);
    close(fd);
}

void files_usage(void *self, const char *id, runtime_usage_fn *done, void *ctx)
{
    struct engine *e = self;
    struct container *c = engine_container(e, id);
    struct pod *p = c ? c->pod : engine_pod(e, id);
    struct usage_call *u = p ? mem_zalloc(sizeof *u) : NULL;
    struct runtime_result failed = {p ? -E_NOMEM : -E_NOT_FOUND, p ? "out of memory" : "no such pod or container"};
    char path[ENGINE_PATH_BYTES];
    if (!u) {
        done(ctx, &failed, NULL);
        return;
    }
    if (c)
        container_cgroup_path(c, path);
    else
        pod_cgroup_path(p, "", path);
    *u = (struct usage_call){.e = e, .done = done, .ctx = ctx};
    read_cgroup(e, path, &u->usage);
    u->dir = openat(c ? c->dir : p->dir, c ? "upper" : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (u->dir < 0 || worker_run(e->loop, USAGE_DEADLINE_MS, walk_in_child, u, walked, u) < 0) {
        struct worker_result none = {.rc = -E_INTERNAL};
        walked(u, &none);
    }
}
