/*
 * What a role's process starts with: its loop, what it was told, its sockets and its links.
 *
 *   int front_run(struct role_env *env, struct err *err)
 *   {
 *       int api = role_env_socket(env, ROLE_SOCKET_API);
 *       role_env_on_link(env, ROLE_CONTROL, control_linked, &front);
 *       ...
 *       return role_env_loop(env, err);
 *   }
 */
#ifndef MAIN_ROLE_ENV_H
#define MAIN_ROLE_ENV_H

#include "loop/loop.h"
#include "main/role.h"
#include "main/start_msg.h"
#include "port/net.h"

struct role_env {
    enum role_id role;
    struct loop *loop;
    struct net net; /* the kernel's sockets */
    struct role_start start; /* as told at the start; start.net is kept up to date */

    /* the rest is role_env.c's */
    struct loop_fd control;
    int control_fd;
    int sockets[ROLE_SOCKET__COUNT];
    struct role_env_link {
        int fd; /* arrived and not yet handed over; -1 */
        void (*fn)(void *ctx, int fd);
        void *ctx;
    } links[ROLE__COUNT];
    struct loop_task deliver;
    void (*addrs_fn)(void *ctx);
    void *addrs_ctx;
    void (*stop_fn)(void *ctx);
    void *stop_ctx;
    void (*message_fn)(void *ctx, struct imsg_in *m);
    void *message_ctx;
    bool stopping;
    unsigned char *buffer; /* LIMIT_IMSG_BYTES */
};

/* Waits for START on descriptor 3. */
int role_env_open(struct role_env *env, enum role_id role, struct err *err) MUST_CHECK;
void role_env_close(struct role_env *env);

/* Runs the loop until STOP or loop_stop; -E_CLOSED when the supervisor went away. */
int role_env_loop(struct role_env *env, struct err *err) MUST_CHECK;

/* The descriptor, now the caller's, or -1 when there is none. Non-blocking if it is a socket. */
int role_env_socket(struct role_env *env, enum role_socket which);

/* fn runs from the loop with the link to that peer (a non-blocking SOCK_SEQPACKET, the receiver's
 * to close): soon, if there is one already, and again with a new one each time the peer has
 * restarted. The old one reads as closed then. */
void role_env_on_link(struct role_env *env, enum role_id peer, void (*fn)(void *ctx, int fd), void *ctx);

/* The machine's addresses or resolvers changed: see env->start.net. */
void role_env_on_addrs(struct role_env *env, void (*fn)(void *ctx), void *ctx);
/* The role is to stop; without a function the loop is stopped at once, else fn calls loop_stop. */
void role_env_on_stop(struct role_env *env, void (*fn)(void *ctx), void *ctx);

/* Messages of the supervisor that are this role's own business. */
void role_env_on_message(struct role_env *env, void (*fn)(void *ctx, struct imsg_in *m), void *ctx);

void role_env_ready(struct role_env *env);
/* One line for the console; "" takes the last one back. */
void role_env_status(struct role_env *env, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Any other message to the supervisor; failures are logged. */
void role_env_send(struct role_env *env, const struct imsg_out *m);

#endif
