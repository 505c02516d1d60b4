/* See role_env.h. */
#include "main/role_env.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "drivers/loop/epoll.h"
#include "drivers/net/socket/socket.h"
#include "kernel-glue/boot/spawn.h"

static void take_link(struct role_env *env, struct imsg_in *m)
{
    uint64_t peer;
    int fd = imsg_take_fd(m);
    if (fd < 0)
        return;
    if (!imsg_get_u64(m, TAG_PEER, &peer) || peer >= ROLE__COUNT) {
        close(fd);
        return;
    }
    if (env->links[peer].fd >= 0)
        close(env->links[peer].fd);
    env->links[peer].fd = fd;
    loop_defer(env->loop, &env->deliver);
}

static void take_socket(struct role_env *env, struct imsg_in *m)
{
    uint64_t which;
    int fd = imsg_take_fd(m);
    if (fd < 0)
        return;
    if (!imsg_get_u64(m, TAG_SOCKET, &which) || which >= ROLE_SOCKET__COUNT || env->sockets[which] >= 0)
        close(fd);
    else
        env->sockets[which] = fd;
}

static void deliver_links(void *ctx)
{
    struct role_env *env = ctx;
    for (int i = 0; i < ROLE__COUNT; i++) {
        struct role_env_link *l = &env->links[i];
        int fd = l->fd;
        if (fd < 0 || !l->fn)
            continue;
        l->fd = -1;
        l->fn(l->ctx, fd);
    }
}

static void stop(struct role_env *env)
{
    env->stopping = true;
    if (env->stop_fn)
        env->stop_fn(env->stop_ctx);
    else
        loop_stop(env->loop);
}

static void handle(struct role_env *env, struct imsg_in *m)
{
    struct machine_net net;
    switch (m->type) {
    case MSG_LINK: take_link(env, m); break;
    case MSG_SOCKET: take_socket(env, m); break;
    case MSG_ADDRS:
        if (machine_net_get(m, &net) < 0)
            break;
        env->start.net = net;
        if (env->addrs_fn)
            env->addrs_fn(env->addrs_ctx);
        break;
    case MSG_STOP: stop(env); break;
    default:
        if (env->message_fn)
            env->message_fn(env->message_ctx, m);
        else
            log_warn("message %u from the supervisor is unknown", m->type);
    }
    imsg_close_fds(m);
}

static void readable(void *ctx, unsigned events)
{
    struct role_env *env = ctx;
    struct imsg_in m;
    (void)events;
    for (int i = 0; i < 16; i++) {
        int rc = imsg_recv(env->control_fd, env->buffer, LIMIT_IMSG_BYTES, &m);
        if (rc == -E_AGAIN)
            return;
        if (rc < 0) { /* nobody is left to restart anything: not even this role */
            loop_fd_remove(env->loop, &env->control);
            stop(env);
            return;
        }
        handle(env, &m);
    }
}

static int wait_for_start(struct role_env *env, struct err *err)
{
    for (;;) {
        struct pollfd p = {.fd = env->control_fd, .events = POLLIN};
        struct imsg_in m;
        if (poll(&p, 1, 30000) <= 0)
            return err_set(err, E_TIMEOUT, "the supervisor said nothing");
        int rc = imsg_recv(env->control_fd, env->buffer, LIMIT_IMSG_BYTES, &m);
        if (rc == -E_AGAIN)
            continue;
        if (rc < 0)
            return err_set(err, -rc, "control socket: %s", err_text(rc));
        if (m.type == MSG_START)
            return start_msg_get(&m, &env->start) < 0 ? err_set(err, E_SYNTAX, "malformed start message") : 0;
        handle(env, &m);
    }
}

int role_env_open(struct role_env *env, enum role_id role, struct err *err)
{
    struct poll poll;
    int rc;
    *env = (struct role_env){.role = role, .control_fd = SPAWN_CONTROL_FD, .net = net_socket()};
    for (int i = 0; i < ROLE__COUNT; i++)
        env->links[i].fd = -1;
    for (int i = 0; i < ROLE_SOCKET__COUNT; i++)
        env->sockets[i] = -1;
    loop_task_init(&env->deliver, deliver_links, env);
    loop_fd_init(&env->control, readable, env);
    env->buffer = mem_alloc(LIMIT_IMSG_BYTES);
    if (!env->buffer)
        return err_set(err, E_NOMEM, "out of memory");
    if ((rc = poll_epoll_open(&poll)) < 0 || (rc = loop_new(poll, &env->loop)) < 0)
        return err_set(err, -rc, "event loop: %s", err_text(rc));
    if ((rc = wait_for_start(env, err)) < 0)
        return rc;
    if ((rc = loop_fd_add(env->loop, &env->control, env->control_fd, POLL_IN)) < 0)
        return err_set(err, -rc, "control socket: %s", err_text(rc));
    return 0;
}

void role_env_close(struct role_env *env)
{
    for (int i = 0; i < ROLE__COUNT; i++)
        if (env->links[i].fd >= 0)
            close(env->links[i].fd);
    for (int i = 0; i < ROLE_SOCKET__COUNT; i++)
        if (env->sockets[i] >= 0)
            close(env->sockets[i]);
    if (env->loop) {
        loop_fd_remove(env->loop, &env->control);
        loop_task_cancel(&env->deliver);
        loop_free(env->loop);
    }
    mem_free(env->buffer);
}

int role_env_loop(struct role_env *env, struct err *err)
{
    int rc = env->stopping ? 0 : loop_run(env->loop);
    return rc < 0 ? err_set(err, -rc, "event loop: %s", err_text(rc)) : 0;
}

int role_env_socket(struct role_env *env, enum role_socket which)
{
    int fd = env->sockets[which];
    env->sockets[which] = -1;
    return fd;
}

void role_env_on_link(struct role_env *env, enum role_id peer, void (*fn)(void *ctx, int fd), void *ctx)
{
    env->links[peer].fn = fn;
    env->links[peer].ctx = ctx;
    loop_defer(env->loop, &env->deliver);
}

void role_env_on_addrs(struct role_env *env, void (*fn)(void *ctx), void *ctx)
{
    env->addrs_fn = fn;
    env->addrs_ctx = ctx;
}

void role_env_on_stop(struct role_env *env, void (*fn)(void *ctx), void *ctx)
{
    env->stop_fn = fn;
    env->stop_ctx = ctx;
}

void role_env_on_message(struct role_env *env, void (*fn)(void *ctx, struct imsg_in *m), void *ctx)
{
    env->message_fn = fn;
    env->message_ctx = ctx;
}

void role_env_send(struct role_env *env, const struct imsg_out *m)
{
    int rc = imsg_send(env->control_fd, m);
    if (rc < 0 && rc != -E_CLOSED)
        log_warn("message %d to the supervisor: %s", m->n ? m->p[2] : 0, err_text(rc));
}

void role_env_ready(struct role_env *env)
{
    unsigned char buffer[64];
    struct imsg_out m;
    imsg_begin(&m, buffer, sizeof buffer, MSG_READY, 0);
    role_env_send(env, &m);
}

void role_env_status(struct role_env *env, const char *fmt, ...)
{
    unsigned char buffer[512];
    char text[256];
    struct imsg_out m;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    imsg_begin(&m, buffer, sizeof buffer, MSG_STATUS, 0);
    imsg_put_cstr(&m, TAG_TEXT, text);
    role_env_send(env, &m);
}
