/* One-shot children of the role setup: started, bounded in time, heard once. See supervisor.h. */
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "kernel-glue/boot/spawn.h"
#include "main/supervisor_int.h"

static void report(struct setup_child *c, int rc, const char *message, struct imsg_in *result)
{
    if (c->reported)
        return;
    c->reported = true;
    if (c->step.done)
        c->step.done(c->step.ctx, rc, message, result);
}

static void readable(void *ctx, unsigned events)
{
    struct setup_child *c = ctx;
    struct imsg_in m;
    struct str text = STR("");
    char message[256];
    uint64_t code = 0;
    (void)events;
    int rc = imsg_recv(c->control_fd, c->owner->in, sizeof c->owner->in, &m);
    if (rc == -E_AGAIN)
        return;
    loop_fd_remove(c->owner->o.loop, &c->control);
    if (rc < 0)
        return; /* ended without a word: SIGCHLD reports that */
    bool ok = m.type == MSG_DONE && imsg_get_u64(&m, TAG_VALUE, &code) && code < E__COUNT;
    bool told = imsg_get(&m, TAG_TEXT, &text);
    (void)told;
    str_copy(message, sizeof message, text);
    report(c, ok ? -(int)code : -E_SYNTAX, ok ? message : "malformed result", &m);
    imsg_close_fds(&m);
}

static void too_long(void *ctx)
{
    struct setup_child *c = ctx;
    report(c, -E_TIMEOUT, "takes too long: killed", NULL);
    spawn_signal(c->pid, SIGKILL);
}

void supervisor_setup_init(struct supervisor *s)
{
    for (int i = 0; i < SETUP_MOST; i++) {
        struct setup_child *c = &s->setups[i];
        c->owner = s;
        c->control_fd = -1;
        loop_fd_init(&c->control, readable, c);
        loop_timer_init(&c->limit, too_long, c);
        loop_timer_set(s->o.loop, &c->limit, 1);
    }
    for (int i = 0; i < SETUP_MOST; i++)
        loop_timer_cancel(s->o.loop, &s->setups[i].limit);
}

bool supervisor_setup_ended(struct supervisor *s, pid_t pid, int status)
{
    for (int i = 0; i < SETUP_MOST; i++) {
        struct setup_child *c = &s->setups[i];
        char message[64];
        if (c->pid != pid)
            continue;
        if (!c->reported)
            readable(c, POLL_IN);
        snprintf(message, sizeof message, WIFSIGNALED(status) ? "killed by signal %d" : "exit status %d",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        loop_timer_cancel(s->o.loop, &c->limit);
        loop_fd_remove(s->o.loop, &c->control);
        close(c->control_fd);
        c->control_fd = -1;
        c->pid = 0;
        report(c, -E_INTERNAL, message, NULL);
        return true;
    }
    return false;
}

static int launch(struct setup_child *c, struct err *err)
{
    const char *argv[SETUP_ARGS + 2] = {"keelson: setup"};
    int pair[2];
    for (int i = 0; i < SETUP_ARGS && c->step.argv[i]; i++)
        argv[i + 1] = c->step.argv[i];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        return err_set_errno(err, "control socket");
    struct spawn spawn = {
        .argv = argv,
        .control_fd = pair[1],
        .error_fd = c->owner->o.error_fd,
        .die_with_parent = c->owner->o.die_with_parent,
    };
    int rc = spawn_self(&spawn, &c->pid, err);
    close(pair[1]);
    if (rc < 0) {
        close(pair[0]);
        return rc;
    }
    c->control_fd = pair[0];
    rc = loop_fd_add(c->owner->o.loop, &c->control, pair[0], POLL_IN);
    if (rc < 0) /* heard when it ends */
        log_warn("setup %s: %s", c->step.argv[0], err_text(rc));
    return 0;
}

int supervisor_setup(struct supervisor *s, const struct setup_step *step)
{
    struct err err = {0};
    struct setup_child *c = NULL;
    for (int i = 0; i < SETUP_MOST && !c; i++)
        if (!s->setups[i].pid)
            c = &s->setups[i];
    int rc = -E_BUSY;
    if (c) {
        c->step = *step;
        c->reported = false;
        rc = launch(c, &err);
    }
    if (rc == 0 && step->fd >= 0) {
        struct imsg_out m;
        imsg_begin(&m, s->out, sizeof s->out, MSG_SOCKET, 0);
        imsg_put_fd(&m, step->fd);
        if (imsg_send(c->control_fd, &m) < 0)
            spawn_signal(c->pid, SIGKILL);
    }
    if (step->fd >= 0)
        close(step->fd);
    if (rc == 0)
        loop_timer_set(s->o.loop, &c->limit, step->limit_ms);
    else
        log_err("setup %s: %s", step->argv[0], err.code ? err.text : err_text(rc));
    return rc;
}
