/* Processes of the pod: making them, joining them. See shim.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "drivers/shim/launch.h"
#include "drivers/shim/shim.h"
#include "kernel-glue/abi/process.h"

enum { PLAN_BYTES = 4 * 1024 * 1024, PLAN_ARENA = 16 * 1024 * 1024, START_FDS = 5 };

int64_t shim_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

struct proc *proc_new(struct shim *s)
{
    struct proc *p = mem_zalloc(sizeof *p);
    if (!p)
        return NULL;
    p->pidfd = p->report = p->dir_fd = p->in = p->terminal = p->out[0] = p->out[1] = -1;
    p->log = (struct log){.dir_fd = -1, .fd = -1};
    memset(p->watchers, -1, sizeof p->watchers);
    list_push_back(&s->procs, &p->link);
    return p;
}

static void close_it(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void proc_free(struct proc *p)
{
    for (int i = 0; i < 2; i++) {
        log_stream_done(&p->streams[i]);
        close_it(&p->out[i]);
        for (int w = 0; w < SHIM_WATCHERS; w++)
            close_it(&p->watchers[i][w]);
    }
    close_it(&p->pidfd);
    close_it(&p->report);
    close_it(&p->dir_fd);
    close_it(&p->in);
    close_it(&p->terminal);
    log_close(&p->log);
    list_remove(&p->link);
    mem_free(p);
}

struct proc *proc_find(struct shim *s, struct str id)
{
    struct proc *p;
    LIST_EACH(p, &s->procs, link)
        if (!p->is_exec && str_is(id, p->id))
            return p;
    return NULL;
}

struct proc *proc_find_session(struct shim *s, uint64_t session)
{
    struct proc *p;
    LIST_EACH(p, &s->procs, link)
        if (p->is_exec && p->session == session)
            return p;
    return NULL;
}

static int load_plan(struct arena *a, int fd, struct plan *ret_plan, struct err *err)
{
    off_t size = lseek(fd, 0, SEEK_END);
    char *p = size > 0 && size <= PLAN_BYTES ? arena_alloc(a, (size_t)size) : NULL;
    int rc = -E_SYNTAX;
    if (p && pread(fd, p, (size_t)size, 0) == size)
        rc = plan_read(a, str_make(p, (size_t)size), ret_plan);
    if (rc == 0 && !ret_plan->arg_count)
        rc = -E_SYNTAX;
    return rc < 0 ? err_set(err, -rc, "launch plan: %s", err_text(rc)) : 0;
}

/* The child's ends of what is not a terminal: [0] read by it, [1] and [2] written. */
static int make_streams(struct proc *p, unsigned flags, int child[3])
{
    static const unsigned wanted[3] = {PLAN_STDIN, PLAN_STDOUT, PLAN_STDERR};
    int *ours[3] = {&p->in, &p->out[0], &p->out[1]}, ends[2];
    for (int i = 0; i < 3; i++) {
        child[i] = -1;
        if (flags & PLAN_TERMINAL || !(flags & wanted[i]))
            continue;
        if (pipe2(ends, O_CLOEXEC) < 0)
            return -err_from_errno(errno);
        child[i] = ends[i == 0 ? 0 : 1];
        *ours[i] = ends[i == 0 ? 1 : 0];
    }
    return 0;
}

/* Clones and, in the child, launches. join: the process whose PID namespace it gets, or -1. */
static int spawn(struct shim *s, struct proc *p, struct launch *l, unsigned namespaces, int cgroup, struct err *err)
{
    int report[2], child[3] = {-1, -1, -1}, rc;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, report) < 0)
        return err_set_errno(err, "report socket");
    rc = make_streams(p, l->plan->flags, child);
    if (rc == 0 && l->join_pidfd >= 0)
        rc = process_enter(l->join_pidfd, PROCESS_NEW_PID);
    if (rc == 0)
        rc = process_clone(namespaces, cgroup, &p->pid, &p->pidfd);
    if (rc == 0 && p->pid == 0) {
        l->in = child[0];
        l->out = child[1];
        l->error = child[2];
        l->report = report[1];
        launch_child(l);
    }
    if (rc < 0)
        rc = err_set_errno(err, "clone");
    if (l->join_pidfd >= 0 && process_enter(s->own_pid_ns, PROCESS_NEW_PID) < 0)
        _exit(1); /* further processes would be born into a container */
    close(report[1]);
    for (int i = 0; i < 3; i++)
        close_it(&child[i]);
    p->report = report[0];
    return rc;
}

static int begin(struct shim *s, struct proc *p, struct shim_msg *m, struct launch *l, int cgroup,
                 unsigned namespaces, struct err *err)
{
    int rc;
    p->request = m->id;
    p->stdin_once = l->plan->flags & PLAN_STDIN_ONCE;
    rc = spawn(s, p, l, namespaces, cgroup, err);
    for (int i = 0; i < 2; i++)
        if (p->out[i] >= 0 && !p->is_exec)
            fcntl(p->out[i], F_SETFL, O_NONBLOCK);
    p->started_ns = shim_now_ns();
    return rc;
}

/* fds of SHIM_START: plan, container directory, log directory, root, [cgroup], mounts... */
int proc_start(struct shim *s, struct shim_msg *m, struct err *err)
{
    struct arena a CLEANUP_ARENA;
    struct plan plan;
    struct str id = {0}, name = {0};
    bool has_cgroup = field_get_u64(m->fields, SHIM_F_HAS_CGROUP, 0);
    unsigned first = has_cgroup ? 5 : 4;
    arena_init(&a, PLAN_ARENA);
    if (m->fd_count < first || !field_get(m->fields, SHIM_F_ID, &id) || id.n >= SHIM_ID_BYTES || !id.n ||
        !field_get(m->fields, SHIM_F_LOG_NAME, &name))
        return err_set(err, E_SYNTAX, "malformed start request");
    if (proc_find(s, id))
        return err_set(err, E_EXISTS, "container is there already");
    int rc = load_plan(&a, m->fds[0], &plan, err);
    if (rc < 0)
        return rc;
    struct proc *p = proc_new(s);
    if (!p)
        return err_set(err, E_NOMEM, "out of memory");
    memcpy(p->id, id.p, id.n);
    p->dir_fd = m->fds[1];
    int log_dir = m->fds[2];
    m->fds[1] = m->fds[2] = -1;
    struct launch l = {.plan = &plan, .a = &a, .mount_fds = m->fds + first, .mount_fd_count = m->fd_count - first,
                       .root_fd = m->fds[3], .join_pidfd = -1};
    plan.flags |= PLAN_STDOUT | PLAN_STDERR;
    rc = log_open(&p->log, log_dir, name, field_get_u64(m->fields, SHIM_F_LOG_LIMIT, LIMIT_LOG_FILE_BYTES));
    if (rc == 0)
        rc = log_stream_init(&p->streams[0], "stdout", &p->log);
    if (rc == 0)
        rc = log_stream_init(&p->streams[1], "stderr", &p->log);
    if (rc < 0)
        err_set(err, -rc, "log file " STR_FMT ": %s", STR_ARG(name), err_text(rc));
    else
        rc = begin(s, p, m, &l, has_cgroup ? m->fds[4] : -1,
                   PROCESS_NEW_MOUNT | (plan.flags & PLAN_NEW_PID ? PROCESS_NEW_PID : 0), err);
    if (rc < 0)
        proc_free(p);
    return rc;
}

/* fds of SHIM_EXEC: plan, [cgroup]. */
int proc_exec(struct shim *s, struct shim_msg *m, struct err *err)
{
    struct arena a CLEANUP_ARENA;
    struct plan plan;
    struct str id = {0};
    struct proc *container = field_get(m->fields, SHIM_F_ID, &id) ? proc_find(s, id) : NULL;
    arena_init(&a, PLAN_ARENA);
    if (!container || container->state != PROC_RUNNING)
        return err_set(err, E_NOT_FOUND, "container is not running");
    if (m->fd_count < 1)
        return err_set(err, E_SYNTAX, "malformed exec request");
    int rc = load_plan(&a, m->fds[0], &plan, err);
    struct proc *p = rc == 0 ? proc_new(s) : NULL;
    if (!p)
        return rc < 0 ? rc : err_set(err, E_NOMEM, "out of memory");
    plan.flags |= PLAN_EXEC;
    p->is_exec = true;
    memcpy(p->id, container->id, sizeof p->id);
    p->session = field_get_u64(m->fields, SHIM_F_SESSION, 0);
    struct launch l = {.plan = &plan, .a = &a, .root_fd = -1, .join_pidfd = container->pidfd};
    rc = begin(s, p, m, &l, m->fd_count > 1 ? m->fds[1] : -1, 0, err);
    if (rc < 0)
        proc_free(p);
    return rc;
}
