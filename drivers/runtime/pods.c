/* Pods: directories, cgroup, namespaces, network, shim; and their end. See engine.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "drivers/netif/netif.h"
#include "drivers/runtime/cgroup.h"
#include "drivers/runtime/engine_int.h"
#include "drivers/runtime/worker.h"
#include "drivers/volume/volume.h"
#include "kernel-glue/abi/mount.h"
#include "kernel-glue/abi/path.h"
#include "kernel-glue/abi/process.h"

enum { REMOVE_DEADLINE_MS = 120000, REMOVE_TRIES = 200, REMOVE_PAUSE_MS = 20, LEAVES = 100 };

static const char *const pod_files[] = {"hosts", "hostname", "resolv.conf"};

struct pod *pod_new(struct engine *e, const char *uid)
{
    struct pod *p = mem_zalloc(sizeof *p);
    if (!p)
        return NULL;
    p->e = e;
    p->dir = p->run = p->shim_pidfd = -1;
    str_copy(p->uid, sizeof p->uid, str_of(uid));
    list_init(&p->containers);
    if (map_set(&e->pods, str_of(uid), p, NULL) < 0) {
        mem_free(p);
        return NULL;
    }
    return p;
}

/* Back to a pod of which only the uid and the containers are known. */
static void clear(struct pod *p)
{
    struct shim_link *link = p->link;
    p->link = NULL;
    shim_link_free(link);
    if (p->shim_pidfd >= 0) {
        int code, sig;
        process_reap(p->shim_pidfd, &code, &sig);
        close(p->shim_pidfd);
    }
    if (p->dir >= 0)
        close(p->dir);
    if (p->run >= 0)
        close(p->run);
    mem_free(p->namespace);
    mem_free(p->name);
    mem_free(p->hostname);
    mem_free(p->cgroup);
    p->namespace = p->name = p->hostname = p->cgroup = NULL;
    p->dir = p->run = p->shim_pidfd = -1;
    p->shim_pid = 0;
    p->addr_count = 0;
    p->alive = false;
}

void pod_free(struct pod *p)
{
    struct container *c;
    while ((c = LIST_FIRST(&p->containers, struct container, link)))
        container_free(c);
    map_remove(&p->e->pods, str_of(p->uid));
    clear(p);
    mem_free(p);
}

void pod_cgroup_path(const struct pod *p, const char *leaf, char ret_path[ENGINE_PATH_BYTES])
{
    snprintf(ret_path, ENGINE_PATH_BYTES, "kubepods/%s%s%s", p->cgroup, leaf[0] ? "/" : "", leaf);
}

int pod_open_dirs(struct pod *p, struct err *err)
{
    int fd, rc = record_dir(p->e->pods_dir, p->uid, 0700, &p->dir, err);
    static const char *const parts[] = {"files", "volumes", "containers"};
    for (size_t i = 0; rc == 0 && i < sizeof parts / sizeof parts[0]; i++)
        if ((rc = record_dir(p->dir, parts[i], 0755, &fd, err)) == 0)
            close(fd);
    return rc == 0 ? record_dir(p->e->run_dir, p->uid, 0700, &p->run, err) : rc;
}

/* ---- the shim's messages ---- */

static void shim_event(void *ctx, const struct shim_msg *m)
{
    struct pod *p = ctx;
    struct str id;
    char text[ENGINE_UID_BYTES];
    if (m->type == SHIM_EXEC_EXITED) {
        sessions_exec_exited(p->e, m);
        return;
    }
    if (m->type != SHIM_EXITED || !field_get(m->fields, SHIM_F_ID, &id) || !str_copy(text, sizeof text, id))
        return;
    struct container *c = engine_container(p->e, text);
    struct runtime_exit x = {.code = (int)field_get_u64(m->fields, SHIM_F_CODE, 0),
                             .signal = (int)field_get_u64(m->fields, SHIM_F_SIGNAL, 0),
                             .started_ns = (int64_t)field_get_u64(m->fields, SHIM_F_STARTED, 0),
                             .finished_ns = (int64_t)field_get_u64(m->fields, SHIM_F_FINISHED, 0)};
    if (c && c->state != RUNTIME_EXITED)
        container_exited(c, &x);
}

/* The shim is gone: whatever it left is ended, and nobody will write its exit codes any more. */
static void shim_closed(void *ctx)
{
    struct pod *p = ctx;
    struct container *c;
    char path[ENGINE_PATH_BYTES];
    p->link = NULL;
    p->alive = false;
    pod_cgroup_path(p, "", path);
    if (cgroup_kill(p->e->cgroup, path) < 0)
        log_warn("pod %s/%s: its cgroup could not be ended", p->namespace, p->name);
    LIST_EACH(c, &p->containers, link)
        if (c->state == RUNTIME_RUNNING || c->starting) {
            c->starting = false;
            c->state = RUNTIME_EXITED;
            c->exit = (struct runtime_exit){.code = 137, .signal = SIGKILL, .started_ns = c->exit.started_ns,
                                            .finished_ns = loop_realtime_ns(p->e->loop)};
        }
    if (p->shim_pidfd >= 0) {
        int code, sig;
        process_reap(p->shim_pidfd, &code, &sig);
        close(p->shim_pidfd);
        p->shim_pidfd = -1;
    }
    if (!p->removing && p->e->events)
        p->e->events->pod_died(p->e->events_ctx, p->uid);
}

static const struct shim_link_fns link_fns = {shim_event, shim_closed};

int pod_connect(struct pod *p)
{
    int rc = shim_link_open(p->e->loop, p->run, "shim.sock", &link_fns, p, &p->link);
    p->alive = rc == 0;
    return rc;
}

/* ---- creation ---- */

static int copy_fields(struct pod *p, const struct runtime_pod *from)
{
    p->namespace = mem_strdup(from->namespace);
    p->name = mem_strdup(from->name);
    p->hostname = mem_strdup(from->hostname ? from->hostname : "");
    p->cgroup = mem_strdup(from->cgroup);
    p->host_network = from->host_network;
    p->host_pid = from->host_pid;
    p->host_ipc = from->host_ipc;
    p->addr_count = from->host_network ? 0 : from->addr_count;
    memcpy(p->addrs, from->addrs, sizeof p->addrs);
    return p->namespace && p->name && p->hostname && p->cgroup ? 0 : -E_NOMEM;
}

static int make_files(struct pod *p, struct err *err)
{
    int files, rc = record_dir(p->dir, "files", 0755, &files, err);
    for (size_t i = 0; rc == 0 && i < sizeof pod_files / sizeof pod_files[0]; i++) {
        int fd = openat(files, pod_files[i], O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0)
            rc = err_set_errno(err, "%s", pod_files[i]);
        else
            close(fd);
    }
    if (rc == 0)
        close(files);
    return rc;
}

static int make_shm(struct pod *p, struct err *err)
{
    static const char *const options[] = {"mode=1777", "size=67108864", NULL};
    int target, fd, rc;
    if (p->host_ipc)
        return 0;
    if ((rc = record_dir(p->run, "shm", 0700, &target, err)) < 0)
        return rc;
    if (mount_magic(target) != MOUNT_MAGIC_TMPFS || mount_magic(p->run) == MOUNT_MAGIC_TMPFS) {
        rc = mount_new("tmpfs", "shm", options, MOUNT_NO_SUID | MOUNT_NO_DEV | MOUNT_NO_EXEC, &fd, err);
        if (rc == 0 && mount_attach(fd, target) < 0)
            rc = err_set_errno(err, "mount shm of the pod");
        if (rc == 0)
            close(fd);
    }
    close(target);
    return rc;
}

/* The shim's own leaf. Never one that was there before: Linux 6.14 and later also kill what is
 * cloned into a cgroup after it was killed once. */
static int make_leaf(struct pod *p, int *ret_fd, struct err *err)
{
    char path[ENGINE_PATH_BYTES], leaf[24] = "shim";
    int fd;
    for (int i = 1; i < LEAVES; i++) {
        pod_cgroup_path(p, leaf, path);
        if (path_open_plain(p->e->cgroup, path, O_PATH, true, &fd) < 0)
            return cgroup_make(p->e->cgroup, path, ret_fd, err);
        close(fd);
        if (cgroup_remove(p->e->cgroup, path) == 0)
            return cgroup_make(p->e->cgroup, path, ret_fd, err);
        snprintf(leaf, sizeof leaf, "shim.%d", i);
    }
    return err_set(err, E_BUSY, "former processes of the pod do not end");
}

static int make_cgroup(struct pod *p, const struct runtime_pod *from, int *ret_leaf, struct err *err)
{
    char path[ENGINE_PATH_BYTES];
    struct container_resources r = {.memory_limit = from->memory_limit_bytes > 0 ? from->memory_limit_bytes : -1,
                                    .memory_reservation = -1, .memory_swap = -1, .cpu_period = -1,
                                    .cpu_quota = from->cpu_quota_us > 0 ? from->cpu_quota_us : -1,
                                    .cpu_shares = from->cpu_shares > 0 ? from->cpu_shares : -1,
                                    .pids_limit = from->pids_limit > 0 ? from->pids_limit : -1};
    int fd, rc;
    pod_cgroup_path(p, "", path);
    if ((rc = cgroup_make(p->e->cgroup, path, &fd, err)) < 0)
        return rc;
    rc = cgroup_apply(fd, &r, err);
    close(fd);
    return rc == 0 ? make_leaf(p, ret_leaf, err) : rc;
}

static int start_shim(struct pod *p, int cgroup, struct err *err)
{
    unsigned namespaces = (p->host_network ? 0 : PROCESS_NEW_NET | PROCESS_NEW_UTS) |
                          (p->host_ipc ? 0 : PROCESS_NEW_IPC) | (p->host_pid ? 0 : PROCESS_NEW_PID);
    int listen_fd, rc = shim_listen(p->run, "shim.sock", &listen_fd, err);
    if (rc < 0)
        return rc;
    rc = shim_spawn(listen_fd, namespaces, cgroup, p->uid, &p->shim_pid, &p->shim_pidfd, err);
    close(listen_fd);
    if (rc == 0 && (rc = pod_connect(p)) < 0)
        rc = err_set(err, -rc, "connect to the shim: %s", err_text(rc));
    return rc;
}

static int make_network(struct pod *p, struct err *err)
{
    int ns, rc;
    if (p->host_network)
        return 0;
    if (process_namespace_open(p->shim_pid, "net", &ns) < 0)
        return err_set_errno(err, "network namespace of the pod");
    rc = netif_pod_attach(p->uid, ns, p->addrs, p->addr_count, err);
    close(ns);
    return rc;
}

/* Namespaced kernel settings only: anything else would reach the whole node. */
static bool sysctl_allowed(const struct pod *p, struct str s)
{
    if (str_starts(s, STR("net.")))
        return !p->host_network;
    return !p->host_ipc && (str_starts(s, STR("kernel.shm")) || str_starts(s, STR("kernel.msg")) ||
                            str_starts(s, STR("kernel.sem=")) || str_starts(s, STR("fs.mqueue.")));
}

static int check(struct engine *e, const struct runtime_pod *p, struct err *err)
{
    if (!record_name_ok(p->uid, ENGINE_UID_BYTES) || !p->name || !p->namespace || !p->cgroup ||
        strlen(p->cgroup) > ENGINE_PATH_BYTES / 2 || strstr(p->cgroup, "..") || p->addr_count > RUNTIME_MAX_ADDRS)
        return err_set(err, E_BAD_REQUEST, "pod: bad uid, name or cgroup");
    const struct pod *have = engine_pod(e, p->uid);
    return have && (have->alive || have->removing)
               ? err_set(err, E_EXISTS, "pod %s is there already", p->uid) : 0;
}

static void said_hello(void *ctx, struct shim_msg *m)
{
    struct reply *r = ctx;
    struct err err = {0};
    struct str text = {0};
    int rc = m ? -(int)field_get_u64(m->fields, SHIM_F_RC, E_INTERNAL) : err_set(&err, E_UNAVAILABLE, "the shim died");
    if (m && rc < 0 && field_get(m->fields, SHIM_F_TEXT, &text))
        err_set(&err, -rc, STR_FMT, STR_ARG(text));
    engine_done(r->done, r->ctx, rc, &err);
    mem_free(r);
}

static int hello(struct pod *p, const struct runtime_pod *from, runtime_done_fn *done, void *ctx, struct err *err)
{
    struct buf *m = &p->e->message;
    shim_link_begin(p->link, m, SHIM_HELLO);
    if (!p->host_network && p->hostname[0])
        field_put_cstr(m, SHIM_F_HOSTNAME, p->hostname);
    for (const char *const *s = from->sysctls; s && *s; s++) {
        if (!sysctl_allowed(p, str_of(*s)))
            return err_set(err, E_PERM, "sysctl %s is not the pod's own", *s);
        field_put_cstr(m, SHIM_F_SYSCTL, *s);
    }
    struct reply *r = reply_new(p->e, ctx);
    if (!r)
        return err_set(err, E_NOMEM, "out of memory");
    r->done = done;
    int rc = shim_link_send(p->link, m, NULL, 0, said_hello, NULL, r);
    if (rc < 0) {
        mem_free(r);
        return err_set(err, -rc, "ask the shim: %s", err_text(rc));
    }
    return 0;
}

/* A pod that could not be made: its processes end, the rest stays until it is made again or removed. */
static void give_up(struct pod *p)
{
    struct shim_link *link = p->link;
    char path[ENGINE_PATH_BYTES];
    p->link = NULL;
    p->alive = false;
    shim_link_free(link);
    if (!p->cgroup)
        return;
    pod_cgroup_path(p, "", path);
    if (cgroup_kill(p->e->cgroup, path) < 0)
        log_warn("pod %s: its cgroup could not be ended", p->uid);
}

void pods_create(void *self, const struct runtime_pod *from, runtime_done_fn *done, void *ctx)
{
    struct engine *e = self;
    struct err err = {0};
    int leaf = -1, rc = check(e, from, &err);
    if (rc < 0) {
        engine_done(done, ctx, rc, &err);
        return;
    }
    struct pod *p = engine_pod(e, from->uid);
    if (p) /* its shim is dead; directories are used again, its containers stay as exited */
        clear(p);
    else
        p = pod_new(e, from->uid);
    rc = p ? copy_fields(p, from) : -E_NOMEM;
    if (rc == 0)
        rc = pod_open_dirs(p, &err);
    if (rc == 0) /* before there is anything to find again */
        rc = record_pod_write(p, &err);
    if (rc == 0)
        rc = make_files(p, &err);
    if (rc == 0)
        rc = make_shm(p, &err);
    if (rc == 0)
        rc = make_cgroup(p, from, &leaf, &err);
    if (rc == 0)
        rc = start_shim(p, leaf, &err);
    if (rc == 0)
        rc = record_pod_write(p, &err);
    if (rc == 0)
        rc = make_network(p, &err);
    if (leaf >= 0)
        close(leaf);
    if (rc == 0)
        rc = hello(p, from, done, ctx, &err);
    if (rc < 0) {
        if (p)
            give_up(p);
        engine_done(done, ctx, rc, &err);
    }
}

void pods_file(void *self, const char *uid, const char *name, struct str content, runtime_done_fn *done, void *ctx)
{
    struct pod *p = engine_pod(self, uid);
    struct err err = {0};
    int files, rc = -E_BAD_REQUEST;
    for (size_t i = 0; i < sizeof pod_files / sizeof pod_files[0]; i++)
        if (cstr_eq(name, pod_files[i]))
            rc = 0;
    if (rc < 0 || !p)
        rc = err_set(&err, p ? E_BAD_REQUEST : E_NOT_FOUND, "pod file %s of %s: not known", name, uid);
    if (rc == 0 && (rc = record_dir(p->dir, "files", 0755, &files, &err)) == 0) {
        /* In place: containers hold bind mounts of this very file. */
        int fd = openat(files, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0 || write(fd, content.p, content.n) != (ssize_t)content.n || fchmod(fd, 0644) < 0)
            rc = err_set_errno(&err, "pod file %s", name);
        if (fd >= 0)
            close(fd);
        close(files);
    }
    engine_done(done, ctx, rc, &err);
}

int pod_source(struct pod *p, struct container *c, const char *what, int *ret_fd, struct err *err)
{
    char path[64];
    int rc;
    if (strncmp(what, "termination/", 12) == 0)
        rc = path_open_plain(c->dir, "termination", O_PATH, true, ret_fd);
    else if (cstr_eq(what, "shm") && p->host_ipc)
        rc = (*ret_fd = open("/dev/shm", O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0 ? -err_from_errno(errno) : 0;
    else if (cstr_eq(what, "shm"))
        rc = path_open_plain(p->run, "shm", O_PATH | O_DIRECTORY, false, ret_fd);
    else {
        snprintf(path, sizeof path, "files/%s", what);
        rc = path_open_plain(p->dir, path, O_PATH, true, ret_fd);
    }
    return rc < 0 ? err_set_errno(err, "mount source pod:%s", what) : 0;
}

/* ---- the end ---- */

struct removal {
    struct engine *e;
    char uid[ENGINE_UID_BYTES], cgroup[ENGINE_PATH_BYTES], logs[ENGINE_PATH_BYTES];
    int pods_dir, run_dir, logs_dir, cgroup_root;
    bool network;
    runtime_done_fn *done;
    void *ctx;
};

static void unmount_below(int dir, const char *path)
{
    char full[ENGINE_PATH_BYTES + PATH_FD_TEXT], base[PATH_FD_TEXT];
    snprintf(full, sizeof full, "%s/%s", path_of_fd(dir, base), path);
    while (mount_detach(full) == 0)
        ;
}

static void unmount_volumes(int pods_dir, const char *uid)
{
    char path[ENGINE_PATH_BYTES];
    int dir;
    snprintf(path, sizeof path, "%s/volumes", uid);
    if (path_open_plain(pods_dir, path, O_RDONLY | O_DIRECTORY, true, &dir) < 0)
        return;
    volume_unmount_all(dir);
    close(dir);
}

/* In the worker: everything may take its time here. */
static int remove_all(void *ctx, int64_t values[4])
{
    struct removal *r = ctx;
    struct timespec pause = {0, REMOVE_PAUSE_MS * 1000000};
    char shm[ENGINE_PATH_BYTES];
    struct err err = {0};
    int rc = -E_BUSY;
    (void)values;
    for (int i = 0; i < REMOVE_TRIES && rc < 0; i++) {
        if (i)
            nanosleep(&pause, NULL);
        if ((rc = cgroup_kill(r->cgroup_root, r->cgroup)) == 0)
            rc = cgroup_remove(r->cgroup_root, r->cgroup);
    }
    if (r->network && netif_pod_detach(r->uid, &err) < 0)
        rc = -err.code;
    snprintf(shm, sizeof shm, "%s/shm", r->uid);
    unmount_below(r->run_dir, shm);
    unmount_volumes(r->pods_dir, r->uid);
    int tree = path_remove_tree(r->run_dir, r->uid);
    if (tree == 0)
        tree = path_remove_tree(r->pods_dir, r->uid);
    int logs = path_remove_tree(r->logs_dir, r->logs);
    if (tree == 0 && logs != -E_NOT_FOUND)
        tree = logs;
    return tree < 0 ? tree : rc;
}

static void removed(void *ctx, const struct worker_result *w)
{
    struct removal *r = ctx;
    struct err err = {0};
    struct pod *p = engine_pod(r->e, r->uid);
    int rc = w->rc;
    if (rc < 0)
        err_set(&err, -rc, "remove pod %s: %s", r->uid, err_text(rc));
    if (p && rc == 0)
        pod_free(p);
    else if (p)
        p->removing = false; /* asked again, it goes on */
    engine_done(r->done, r->ctx, rc, &err);
    mem_free(r);
}

void pods_remove(void *self, const char *uid, runtime_done_fn *done, void *ctx)
{
    struct engine *e = self;
    struct pod *p = engine_pod(e, uid);
    struct removal *r = p ? mem_zalloc(sizeof *r) : NULL;
    if (!r) {
        engine_done(done, ctx, p ? -E_NOMEM : 0, NULL);
        return;
    }
    *r = (struct removal){.e = e, .pods_dir = e->pods_dir, .run_dir = e->run_dir, .logs_dir = e->logs_dir,
                          .cgroup_root = e->cgroup, .network = !p->host_network && p->addr_count, .done = done, .ctx = ctx};
    memcpy(r->uid, p->uid, sizeof r->uid);
    snprintf(r->logs, sizeof r->logs, "%s_%s_%s", p->namespace, p->name, p->uid);
    pod_cgroup_path(p, "", r->cgroup);
    p->removing = true;
    p->alive = false;
    struct container *c;
    LIST_EACH(c, &p->containers, link)
        sessions_of_gone(e, c->id);
    struct shim_link *link = p->link;
    p->link = NULL;
    shim_link_free(link);
    int rc = worker_run(e->loop, REMOVE_DEADLINE_MS, remove_all, r, removed, r);
    if (rc < 0) {
        p->removing = false;
        mem_free(r);
        engine_done(done, ctx, rc, NULL);
    }
}
