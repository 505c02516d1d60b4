/* The loop: the runtime's requests, the children's ends, their output. See shim.h. */
#include "drivers/shim/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "drivers/shim/launch.h"
#include "kernel-glue/abi/process.h"

enum { POLL_MAX = 1024 };

/* ---- answers ---- */

static void send_out(struct shim *s, const int *fds, unsigned fd_count)
{
    if (s->conn < 0)
        return;
    if (shim_msg_send(s->conn, &s->out, fds, fd_count) < 0) {
        close(s->conn); /* it reconnects and asks for the state */
        s->conn = -1;
    }
}

void shim_reply(struct shim *s, uint32_t id, int rc, const char *text, int code, const int *fds,
                unsigned fd_count, unsigned streams, int64_t started_ns)
{
    shim_msg_begin(&s->out, SHIM_REPLY, id);
    field_put_u64(&s->out, SHIM_F_RC, (uint64_t)(rc < 0 ? -rc : rc));
    field_put_cstr(&s->out, SHIM_F_TEXT, text);
    field_put_u64(&s->out, SHIM_F_CODE, (uint64_t)code);
    field_put_u64(&s->out, SHIM_F_STREAMS, streams);
    field_put_u64(&s->out, SHIM_F_STARTED, (uint64_t)started_ns);
    send_out(s, fds, fd_count);
}

static void reply_rc(struct shim *s, uint32_t id, int rc, const struct err *err)
{
    shim_reply(s, id, rc, rc < 0 ? err->code ? err->text : err_text(rc) : "", 0, NULL, 0, 0, 0);
}

static void put_exit(struct shim *s, const struct proc *p)
{
    field_put_u64(&s->out, SHIM_F_CODE, (uint64_t)p->code);
    field_put_u64(&s->out, SHIM_F_SIGNAL, (uint64_t)p->signal);
    field_put_u64(&s->out, SHIM_F_STARTED, (uint64_t)p->started_ns);
    field_put_u64(&s->out, SHIM_F_FINISHED, (uint64_t)p->finished_ns);
}

static void tell_exit(struct shim *s, const struct proc *p)
{
    shim_msg_begin(&s->out, p->is_exec ? SHIM_EXEC_EXITED : SHIM_EXITED, 0);
    if (p->is_exec)
        field_put_u64(&s->out, SHIM_F_SESSION, p->session);
    else
        field_put_cstr(&s->out, SHIM_F_ID, p->id);
    put_exit(s, p);
    send_out(s, NULL, 0);
}

/* "code signal started finished", whole or not at all. */
static void write_exit(const struct proc *p)
{
    char text[128];
    int n = snprintf(text, sizeof text, "%d %d %lld %lld\n", p->code, p->signal, (long long)p->started_ns,
                     (long long)p->finished_ns);
    int fd = openat(p->dir_fd, "exit.new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    bool whole = write(fd, text, (size_t)n) == n;
    close(fd);
    if (whole)
        renameat(p->dir_fd, "exit.new", p->dir_fd, "exit");
}

/* ---- children ---- */

static void ended(struct shim *s, struct proc *p)
{
    int code = 0, signal = 0;
    if (process_reap(p->pidfd, &code, &signal) != PROCESS_EXITED)
        return;
    if (p->state == PROC_STARTING) { /* the report tells why; it is closed by now */
        p->code = code;
        p->signal = signal;
        p->finished_ns = shim_now_ns();
        return;
    }
    p->code = code;
    p->signal = signal;
    p->finished_ns = shim_now_ns();
    p->state = PROC_EXITED;
    if (!p->is_exec) {
        proc_drain(s, p);
        write_exit(p);
    }
    tell_exit(s, p);
    if (p->is_exec || p->forgotten)
        proc_free(p);
}

/* Reaps one child at a time: ours by their records, orphans of the pod without a word. */
static void reap_children(struct shim *s)
{
    siginfo_t info;
    for (;;) {
        struct proc *p, *found = NULL;
        info.si_pid = 0;
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
            return;
        LIST_EACH(p, &s->procs, link)
            if (p->pid == info.si_pid && p->state != PROC_EXITED && !p->finished_ns)
                found = p;
        if (found)
            ended(s, found);
        else
            waitpid(info.si_pid, NULL, WNOHANG);
    }
}

static void started(struct shim *s, struct proc *p)
{
    int fds[3], n = 0;
    unsigned streams = 0;
    p->state = PROC_RUNNING;
    p->started_ns = shim_now_ns();
    if (p->is_exec && p->terminal >= 0) {
        fds[n++] = p->terminal;
        streams = 8;
    } else if (p->is_exec) {
        int ours[3] = {p->in, p->out[0], p->out[1]};
        for (int i = 0; i < 3; i++)
            if (ours[i] >= 0) {
                fds[n++] = ours[i];
                streams |= 1u << i;
            }
    }
    shim_reply(s, p->request, 0, "", 0, fds, (unsigned)n, streams, p->started_ns);
    if (p->is_exec) {
        for (int i = 0; i < n; i++)
            close(fds[i]);
        p->terminal = p->in = p->out[0] = p->out[1] = -1;
    }
    if (p->finished_ns) { /* reaped before its report was read */
        p->state = PROC_EXITED;
        if (!p->is_exec) {
            proc_drain(s, p);
            write_exit(p);
        }
        tell_exit(s, p);
        if (p->is_exec)
            proc_free(p);
    }
}

/* What the child says between clone and exec. */
static void report_ready(struct shim *s, struct proc *p)
{
    char text[600];
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {text, sizeof text - 1};
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.space,
                       .msg_controllen = sizeof control.space};
    ssize_t n = recvmsg(p->report, &h, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&h) : NULL;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0 && text[0] == LAUNCH_TERMINAL && c && c->cmsg_type == SCM_RIGHTS && p->terminal < 0) {
        memcpy(&p->terminal, CMSG_DATA(c), sizeof(int));
        if (!p->is_exec)
            fcntl(p->terminal, F_SETFL, O_RDWR | O_NONBLOCK);
        return;
    }
    close(p->report);
    p->report = -1;
    if (n >= 3 && text[0] == LAUNCH_FAILED) {
        text[n] = 0;
        p->failed = true;
        shim_reply(s, p->request, -(unsigned char)text[1], text + 3, (unsigned char)text[2], NULL, 0, 0, 0);
        if (!p->finished_ns) {
            kill(p->pid, SIGKILL);
            waitpid(p->pid, NULL, 0);
        }
        proc_free(p);
        return;
    }
    started(s, p);
}

/* ---- requests ---- */

static int write_sysctl(struct str line, struct err *err)
{
    char path[256] = "/proc/sys/";
    ptrdiff_t eq = str_find_byte(line, '=');
    size_t at = strlen(path);
    if (eq <= 0 || (size_t)eq + at >= sizeof path || str_find(line, STR("/")) >= 0 || str_find(line, STR("..")) >= 0)
        return err_set(err, E_BAD_REQUEST, "sysctl " STR_FMT ": must be name=value", STR_ARG(line));
    for (ptrdiff_t i = 0; i < eq; i++)
        path[at++] = line.p[i] == '.' ? '/' : line.p[i];
    path[at] = 0;
    struct str value = str_make(line.p + eq + 1, line.n - (size_t)eq - 1);
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW), rc = 0;
    if (fd < 0 || write(fd, value.p, value.n) != (ssize_t)value.n)
        rc = err_set_errno(err, "sysctl " STR_FMT, STR_ARG(line));
    if (fd >= 0)
        close(fd);
    return rc;
}

static int hello(struct shim_msg *m, struct err *err)
{
    size_t at = 0;
    uint8_t tag;
    struct str bytes;
    int rc = 0;
    while (rc == 0 && field_next(m->fields, &at, &tag, &bytes) > 0) {
        if (tag == SHIM_F_HOSTNAME && sethostname(bytes.p, bytes.n) < 0)
            rc = err_set_errno(err, "hostname " STR_FMT, STR_ARG(bytes));
        else if (tag == SHIM_F_SYSCTL)
            rc = write_sysctl(bytes, err);
    }
    return rc;
}

static void tell_state(struct shim *s, uint32_t id)
{
    struct proc *p;
    LIST_EACH(p, &s->procs, link) {
        if (p->is_exec || p->state == PROC_STARTING)
            continue;
        shim_msg_begin(&s->out, SHIM_STATE_ONE, id);
        field_put_cstr(&s->out, SHIM_F_ID, p->id);
        field_put_u64(&s->out, SHIM_F_RUNNING, p->state == PROC_RUNNING);
        put_exit(s, p);
        send_out(s, NULL, 0);
    }
    shim_reply(s, id, 0, "", 0, NULL, 0, 0, 0);
}

static int kill_one(struct shim *s, struct shim_msg *m, struct err *err)
{
    struct str id;
    struct proc *p = field_get(m->fields, SHIM_F_ID, &id)
                         ? proc_find(s, id)
                         : proc_find_session(s, field_get_u64(m->fields, SHIM_F_SESSION, 0));
    if (!p || p->state != PROC_RUNNING)
        return err_set(err, E_NOT_FOUND, "not running");
    int rc = process_signal(p->pidfd, (int)field_get_u64(m->fields, SHIM_F_SIGNAL, SIGKILL));
    return rc < 0 ? err_set_errno(err, "signal") : 0;
}

static void attach(struct shim *s, struct shim_msg *m)
{
    struct str id = {0};
    struct proc *p = field_get(m->fields, SHIM_F_ID, &id) ? proc_find(s, id) : NULL;
    int fds[3], n = 0;
    unsigned streams = 0;
    int rc = p && p->state == PROC_RUNNING ? proc_attach(p, fds, &streams) : -E_NOT_FOUND;
    if (rc == 0)
        n = !!(streams & 1) + !!(streams & 2) + !!(streams & 4);
    shim_reply(s, m->id, rc, rc < 0 ? "container is not running" : "", 0, fds, (unsigned)n, streams, 0);
    while (n)
        close(fds[--n]);
}

static void handle(struct shim *s, struct shim_msg *m)
{
    struct err err = {0};
    struct str id = {0};
    struct proc *p = field_get(m->fields, SHIM_F_ID, &id) ? proc_find(s, id) : NULL;
    int rc = 0;
    switch (m->type) {
    case SHIM_STATE: tell_state(s, m->id); return;
    case SHIM_ATTACH: attach(s, m); return;
    case SHIM_START: rc = proc_start(s, m, &err); break;
    case SHIM_EXEC: rc = proc_exec(s, m, &err); break;
    case SHIM_HELLO: rc = hello(m, &err); break;
    case SHIM_KILL: rc = kill_one(s, m, &err); break;
    case SHIM_ROTATE: rc = p ? log_rotate(&p->log) : -E_NOT_FOUND; break;
    case SHIM_FORGET:
        if (p && p->state == PROC_EXITED)
            proc_free(p);
        else if (p)
            p->forgotten = true;
        break;
    default: rc = err_set(&err, E_SYNTAX, "unknown request %u", m->type);
    }
    if (rc == 0 && (m->type == SHIM_START || m->type == SHIM_EXEC))
        return; /* answered by the report */
    reply_rc(s, m->id, rc, &err);
}

/* An exec whose caller is gone has nobody to report to. */
static void lost_connection(struct shim *s)
{
    struct proc *p;
    close(s->conn);
    s->conn = -1;
    LIST_EACH(p, &s->procs, link)
        if (p->is_exec && !p->finished_ns)
            kill(p->pid, SIGKILL); /* not reaped yet, so the number is still its own */
}

static void conn_ready(struct shim *s)
{
    struct shim_msg m;
    int rc = shim_msg_recv(s->conn, s->io, &m);
    if (rc == -E_AGAIN)
        return;
    if (rc < 0) {
        lost_connection(s);
        return;
    }
    handle(s, &m);
    shim_msg_close_fds(&m);
}

static void accept_one(struct shim *s)
{
    struct ucred peer;
    socklen_t n = sizeof peer;
    int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0 || peer.uid != 0) {
        close(fd);
        return;
    }
    if (s->conn >= 0)
        lost_connection(s);
    s->conn = fd;
}

/* ---- the loop ---- */

static unsigned collect(struct shim *s, struct pollfd *fds)
{
    unsigned n = 0;
    struct proc *p;
    fds[n++] = (struct pollfd){s->signals, POLLIN, 0};
    fds[n++] = (struct pollfd){s->listen_fd, POLLIN, 0};
    fds[n++] = (struct pollfd){s->conn, POLLIN, 0};
    LIST_EACH(p, &s->procs, link) {
        if (n + 3 > POLL_MAX)
            break;
        bool pumped = !p->is_exec;
        fds[n++] = (struct pollfd){p->report, POLLIN, 0};
        fds[n++] = (struct pollfd){pumped ? (p->terminal >= 0 ? p->terminal : p->out[0]) : -1, POLLIN, 0};
        fds[n++] = (struct pollfd){pumped ? p->out[1] : -1, POLLIN, 0};
    }
    return n;
}

static void turn(struct shim *s, struct pollfd *fds)
{
    struct proc *p, *tmp;
    unsigned n = collect(s, fds), at = 3;
    if (poll(fds, n, -1) < 0)
        return;
    LIST_EACH_SAFE(p, tmp, &s->procs, link) {
        if (at >= n)
            break;
        if (fds[at + 1].revents)
            proc_pump(s, p, 0);
        if (fds[at + 2].revents)
            proc_pump(s, p, 1);
        if (fds[at].revents)
            report_ready(s, p);
        at += 3;
    }
    if (fds[0].revents) {
        struct signalfd_siginfo info;
        while (read(s->signals, &info, sizeof info) > 0)
            ;
        reap_children(s);
    }
    if (fds[2].revents)
        conn_ready(s);
    if (fds[1].revents)
        accept_one(s);
}

int main(void)
{
    struct shim s = {.listen_fd = SHIM_FD_LISTEN, .conn = -1};
    struct pollfd *fds = mem_calloc(POLL_MAX, sizeof *fds);
    sigset_t set;
    list_init(&s.procs);
    buf_init(&s.out, SHIM_MSG_BYTES);
    buf_init(&s.scratch, 16 * SHIM_MSG_BYTES);
    s.io = mem_alloc(SHIM_MSG_BYTES);
    process_set_name("keelson-shim");
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    s.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (!fds || !s.io || s.signals < 0 || process_become_reaper() < 0 ||
        process_namespace_open(0, "pid", &s.own_pid_ns) < 0 || fcntl(s.listen_fd, F_SETFD, FD_CLOEXEC) < 0 ||
        process_close_from(SHIM_FD_FIRST_FREE, true) < 0)
        return 1;
    for (;;)
        turn(&s, fds);
}
