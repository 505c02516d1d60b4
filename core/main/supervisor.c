/* See supervisor.h. */
#include "main/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "kernel-glue/boot/file.h"
#include "kernel-glue/boot/spawn.h"
#include "main/supervisor_int.h"

enum { BACKOFF_FIRST_MS = 50, BACKOFF_MOST_MS = 10000, LIVED_LONG_MS = 10000, STOP_LIMIT_MS = 5000 };

/* Who stops together, and after whom: those who ask stop before those who answer. */
static const uint32_t stop_order[] = {
    1u << ROLE_FRONT | 1u << ROLE_FRONT2 | 1u << ROLE_FRONT3 | 1u << ROLE_FRONT4 | 1u << ROLE_DNS | 1u << ROLE_LEASE, 1u << ROLE_NODE, 1u << ROLE_RUNTIME,
    1u << ROLE_CONTROL, 1u << ROLE_KEYS, 1u << ROLE_JOURNAL,
};
enum { STOP_STAGES = sizeof stop_order / sizeof stop_order[0] };

const char *role_state_text(enum role_state state)
{
    static const char *const text[] = {
        [ROLE_ABSENT] = "absent",     [ROLE_HELD] = "held",         [ROLE_STARTING] = "starting",
        [ROLE_RUNNING] = "running",   [ROLE_WAITING] = "restarting", [ROLE_STOPPING] = "stopping",
        [ROLE_STOPPED] = "stopped",
    };
    return text[state];
}

bool supervisor_has(const struct supervisor *s, enum role_id id)
{
    return s->roles[id].state != ROLE_ABSENT;
}

static void changed(struct supervisor *s)
{
    if (s->o.changed)
        s->o.changed(s->o.ctx);
}

/* ---- what roles are told ---- */

void supervisor_send(struct supervisor *s, enum role_id id, const struct imsg_out *m)
{
    struct supervised *r = &s->roles[id];
    if (r->control_fd < 0)
        return;
    int rc = imsg_send(r->control_fd, m);
    if (rc < 0 && rc != -E_CLOSED) {
        log_err("%s does not take its messages (%s): killed", role_get(id)->name, err_text(rc));
        spawn_signal(r->pid, SIGKILL);
    }
}

static void send_fd(struct supervisor *s, enum role_id id, enum start_msg_type type, uint8_t tag, uint64_t value, int fd)
{
    struct imsg_out m;
    imsg_begin(&m, s->out, sizeof s->out, type, 0);
    imsg_put_u64(&m, tag, value);
    imsg_put_fd(&m, fd);
    supervisor_send(s, id, &m);
}

static void send_sockets(struct supervisor *s, struct supervised *r)
{
    const struct role *role = role_get(r->id);
    for (int i = 0; i < ROLE_SOCKET__COUNT; i++) {
        int fd = i == ROLE_SOCKET_DIR ? r->dir_fd : s->sockets[i];
        if ((role->sockets >> i & 1) && fd >= 0)
            send_fd(s, r->id, MSG_SOCKET, TAG_SOCKET, (uint64_t)i, fd);
    }
}

/* A fresh pair for every peer that has a process; a peer that starts later makes the next one. */
static void send_links(struct supervisor *s, struct supervised *r)
{
    for (int peer = 1; peer < ROLE__COUNT; peer++) {
        int pair[2];
        if (!role_linked(r->id, (enum role_id)peer) || s->roles[peer].control_fd < 0)
            continue;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
            log_err("link of %s and %s: %s", role_get(r->id)->name, role_get((enum role_id)peer)->name,
                    strerror(errno));
            spawn_signal(r->pid, SIGKILL); /* a role without its link is of no use: try again */
            return;
        }
        send_fd(s, r->id, MSG_LINK, TAG_PEER, (uint64_t)peer, pair[0]);
        send_fd(s, (enum role_id)peer, MSG_LINK, TAG_PEER, r->id, pair[1]);
        close(pair[0]);
        close(pair[1]);
    }
}

static void send_start(struct supervisor *s, struct supervised *r)
{
    struct imsg_out m;
    s->start.restarts = r->restarts;
    imsg_begin(&m, s->out, sizeof s->out, MSG_START, 0);
    start_msg_put(&m, &s->start);
    supervisor_send(s, r->id, &m);
}

void supervisor_set_net(struct supervisor *s, const struct machine_net *net)
{
    struct imsg_out m;
    s->start.net = *net;
    imsg_begin(&m, s->out, sizeof s->out, MSG_ADDRS, 0);
    machine_net_put(&m, net);
    for (int i = 1; i < ROLE__COUNT; i++)
        supervisor_send(s, (enum role_id)i, &m);
}

/* ---- what roles say ---- */

static void set_status(struct supervised *r, const struct imsg_in *m)
{
    struct str text;
    if (!imsg_get(m, TAG_TEXT, &text))
        return;
    str_copy(r->status, sizeof r->status, text);
    for (char *p = r->status; *p; p++)
        if ((unsigned char)*p < ' ' || (unsigned char)*p == 127)
            *p = ' ';
    changed(r->owner);
}

static void hear(struct supervised *r, struct imsg_in *m)
{
    struct supervisor *s = r->owner;
    switch (m->type) {
    case MSG_READY:
        if (r->state == ROLE_STARTING) {
            r->state = ROLE_RUNNING;
            r->status[0] = 0;
            log_debug("%s is ready", role_get(r->id)->name);
            changed(s);
        }
        break;
    case MSG_STATUS: set_status(r, m); break;
    default:
        if (s->o.message)
            s->o.message(s->o.ctx, r->id, m);
    }
    imsg_close_fds(m);
}

static void role_readable(void *ctx, unsigned events)
{
    struct supervised *r = ctx;
    struct imsg_in m;
    (void)events;
    for (int i = 0; i < 8; i++) {
        int rc = imsg_recv(r->control_fd, r->owner->in, sizeof r->owner->in, &m);
        if (rc == -E_AGAIN)
            return;
        if (rc == 0) {
            hear(r, &m);
            continue;
        }
        /* Closed: it has ended or is about to; SIGCHLD tells. Anything else is no role of ours. */
        loop_fd_remove(r->owner->o.loop, &r->control);
        if (rc != -E_CLOSED)
            spawn_signal(r->pid, SIGKILL);
        return;
    }
}

/* ---- life and death ---- */

static void drop_control(struct supervised *r)
{
    if (r->control_fd < 0)
        return;
    loop_fd_remove(r->owner->o.loop, &r->control);
    close(r->control_fd);
    r->control_fd = -1;
}

static void later(struct supervised *r)
{
    struct supervisor *s = r->owner;
    if (loop_now_ms(s->o.loop) - r->started_ms >= LIVED_LONG_MS)
        r->delay_ms = 0;
    r->delay_ms = r->delay_ms ? r->delay_ms * 2 : BACKOFF_FIRST_MS;
    if (r->delay_ms > BACKOFF_MOST_MS)
        r->delay_ms = BACKOFF_MOST_MS;
    r->state = ROLE_WAITING;
    r->restarts++;
    loop_timer_set(s->o.loop, &r->timer, r->delay_ms);
}

static int launch(struct supervised *r, struct err *err)
{
    struct supervisor *s = r->owner;
    const struct role *role = role_get(r->id);
    char title[32], cgroup[64];
    const char *argv[] = {title, NULL};
    int pair[2];
    snprintf(title, sizeof title, "keelson: %s", role->name);
    snprintf(cgroup, sizeof cgroup, "/sys/fs/cgroup/keelson/%s/cgroup.procs", role->name);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        return err_set_errno(err, "control socket");
    struct spawn spawn = {
        .argv = argv,
        .control_fd = pair[1],
        .error_fd = s->o.error_fd,
        .die_with_parent = s->o.die_with_parent,
        .cgroup_procs = s->o.cgroups ? cgroup : NULL,
        .oom_score_adj = role->oom_score_adj,
    };
    int rc = spawn_self(&spawn, &r->pid, err);
    close(pair[1]);
    if (rc == 0 && (rc = loop_fd_add(s->o.loop, &r->control, pair[0], POLL_IN)) < 0)
        spawn_signal(r->pid, SIGKILL);
    if (rc < 0) {
        close(pair[0]);
        return rc;
    }
    r->control_fd = pair[0];
    return 0;
}

static void start_now(void *ctx)
{
    struct supervised *r = ctx;
    struct err err = {0};
    if (r->owner->stopping || r->pid)
        return;
    r->started_ms = loop_now_ms(r->owner->o.loop);
    r->state = ROLE_STARTING;
    if (launch(r, &err) < 0) {
        log_err("start of %s: %s", role_get(r->id)->name, err.text);
        str_copy(r->status, sizeof r->status, str_of(err.text));
        if (!r->pid)
            later(r);
    } else {
        send_sockets(r->owner, r);
        send_links(r->owner, r);
        send_start(r->owner, r);
    }
    changed(r->owner);
}

void supervisor_start(struct supervisor *s, enum role_id id)
{
    if (s->roles[id].state == ROLE_HELD)
        start_now(&s->roles[id]);
}

static void kill_slow(void *ctx)
{
    struct supervised *r = ctx;
    if (r->state == ROLE_STOPPING && r->pid) {
        log_warn("%s takes too long to stop: killed", role_get(r->id)->name);
        spawn_signal(r->pid, SIGKILL);
    }
}

static void timer_due(void *ctx)
{
    struct supervised *r = ctx;
    if (r->state == ROLE_STOPPING)
        kill_slow(r);
    else
        start_now(r);
}

static void role_ended(struct supervised *r, int status)
{
    struct supervisor *s = r->owner;
    const char *name = role_get(r->id)->name;
    if (r->control_fd >= 0)
        role_readable(r, POLL_IN); /* its last words */
    drop_control(r);
    r->pid = 0;
    if (r->state == ROLE_STOPPING || s->stopping) {
        loop_timer_cancel(s->o.loop, &r->timer);
        r->state = ROLE_STOPPED;
    } else {
        if (WIFSIGNALED(status))
            log_warn("%s was killed by signal %d", name, WTERMSIG(status));
        else
            log_warn("%s ended with status %d", name, WEXITSTATUS(status));
        if (!r->status[0])
            snprintf(r->status, sizeof r->status, WIFSIGNALED(status) ? "killed by signal %d" : "exit status %d",
                     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        later(r);
    }
    changed(s);
}

static void reap(struct supervisor *s)
{
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid <= 0)
            break;
        bool known = supervisor_setup_ended(s, pid, status);
        for (int i = 1; i < ROLE__COUNT && !known; i++) {
            if (s->roles[i].pid != pid)
                continue;
            role_ended(&s->roles[i], status);
            known = true;
        }
        /* Else an orphan that fell to us: it is nobody's. */
    }
    if (s->stopping)
        supervisor_stop(s);
}

static void signalled(void *ctx, unsigned events)
{
    struct supervisor *s = ctx;
    struct signalfd_siginfo info;
    bool children = false;
    (void)events;
    while (read(s->signal_fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            children = true;
        else if (s->o.signal)
            s->o.signal(s->o.ctx, (int)info.ssi_signo);
    }
    if (children)
        reap(s);
}

/* ---- the whole ---- */

/* Called again whenever somebody has ended: goes on with the next stage when one is through. */
void supervisor_stop(struct supervisor *s)
{
    s->stopping = true;
    for (; s->stop_stage < STOP_STAGES; s->stop_stage++) {
        bool waiting = false;
        for (int i = 1; i < ROLE__COUNT; i++) {
            struct supervised *r = &s->roles[i];
            if (!(stop_order[s->stop_stage] >> i & 1) || r->state == ROLE_ABSENT)
                continue;
            if (!r->pid) {
                loop_timer_cancel(s->o.loop, &r->timer);
                r->state = ROLE_STOPPED;
                continue;
            }
            waiting = true;
            if (r->state == ROLE_STOPPING)
                continue;
            struct imsg_out m;
            r->state = ROLE_STOPPING;
            imsg_begin(&m, s->out, sizeof s->out, MSG_STOP, 0);
            supervisor_send(s, r->id, &m);
            loop_timer_set(s->o.loop, &r->timer, STOP_LIMIT_MS);
        }
        if (waiting) {
            changed(s);
            return;
        }
    }
    if (s->stop_stage == STOP_STAGES) {
        s->stop_stage++; /* once */
        if (s->o.stopped)
            s->o.stopped(s->o.ctx);
    }
}

void supervisor_give_socket(struct supervisor *s, enum role_socket which, int fd)
{
    ASSERT(s->sockets[which] < 0);
    s->sockets[which] = fd;
}

int supervisor_make_dirs(struct supervisor *s, int data_fd, struct err *err)
{
    for (int i = 1; i < ROLE__COUNT; i++) {
        struct supervised *r = &s->roles[i];
        const struct role *role = role_get((enum role_id)i);
        if (r->state == ROLE_ABSENT || !role->dir)
            continue;
        int rc = file_make_dir(data_fd, role->dir, 0700, s->start.root ? role->uid : (uid_t)-1, &r->dir_fd, err);
        if (rc < 0)
            return err_wrap(err, rc, "directory of %s", role->name);
    }
    return 0;
}

static int watch_signals(struct supervisor *s, struct err *err)
{
    static const int watched[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGPWR, SIGUSR1};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++)
        sigaddset(&set, watched[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    s->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (s->signal_fd < 0)
        return err_set_errno(err, "signals");
    loop_fd_init(&s->signals, signalled, s);
    int rc = loop_fd_add(s->o.loop, &s->signals, s->signal_fd, POLL_IN);
    return rc < 0 ? err_set(err, -rc, "signals: %s", err_text(rc)) : 0;
}

int supervisor_init(struct supervisor *s, const struct supervisor_options *o, struct err *err)
{
    *s = (struct supervisor){.o = *o, .start = *o->start, .signal_fd = -1};
    for (int i = 0; i < ROLE_SOCKET__COUNT; i++)
        s->sockets[i] = -1;
    for (int i = 0; i < ROLE__COUNT; i++) {
        struct supervised *r = &s->roles[i];
        const struct role *role = role_get((enum role_id)i);
        *r = (struct supervised){.owner = s, .id = (enum role_id)i, .control_fd = -1, .dir_fd = -1};
        loop_fd_init(&r->control, role_readable, r);
        loop_timer_init(&r->timer, timer_due, r);
        /* Timers are armed once now, so that the loop has room for all of them. */
        loop_timer_set(o->loop, &r->timer, 1);
        if (role && role->run && (role->on & o->on))
            r->state = ROLE_HELD;
    }
    supervisor_setup_init(s);
    for (int i = 0; i < ROLE__COUNT; i++)
        loop_timer_cancel(o->loop, &s->roles[i].timer);
    return watch_signals(s, err);
}

void supervisor_done(struct supervisor *s)
{
    for (int i = 0; i < ROLE__COUNT; i++) {
        drop_control(&s->roles[i]);
        loop_timer_cancel(s->o.loop, &s->roles[i].timer);
        if (s->roles[i].dir_fd >= 0)
            close(s->roles[i].dir_fd);
    }
    for (int i = 0; i < ROLE_SOCKET__COUNT; i++)
        if (s->sockets[i] >= 0)
            close(s->sockets[i]);
    if (s->signal_fd >= 0) {
        loop_fd_remove(s->o.loop, &s->signals);
        close(s->signal_fd);
    }
}
