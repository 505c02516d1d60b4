/* The runtime's end of a pod's shim: starting it, finding it again, asking it. */
#ifndef DRIVERS_RUNTIME_SHIM_LINK_H
#define DRIVERS_RUNTIME_SHIM_LINK_H

#include "drivers/runtime/shim_msg.h"
#include "loop/loop.h"

struct shim_link;

struct shim_link_fns {
    void (*event)(void *ctx, const struct shim_msg *m); /* id 0 */
    void (*closed)(void *ctx);                          /* the shim is gone; the link is freed after */
};
/* m: the reply (its descriptors are the callee's when it sets them to -1), or NULL: the shim died. */
typedef void shim_reply_fn(void *ctx, struct shim_msg *m);

/* Binds and listens at NAME in dir_fd; a leftover is replaced. */
int shim_listen(int dir_fd, const char *name, int *ret_fd, struct err *err) MUST_CHECK;
/* Starts the program of the shim with listen_fd as its descriptor 3. namespaces: process.h. */
int shim_spawn(int listen_fd, unsigned namespaces, int cgroup_fd, const char *uid, pid_t *ret_pid,
               int *ret_pidfd, struct err *err) MUST_CHECK;
/* -E_UNAVAILABLE, -E_NOT_FOUND: no shim there. */
int shim_link_open(struct loop *loop, int dir_fd, const char *name, const struct shim_link_fns *fns, void *ctx,
                   struct shim_link **ret_link) MUST_CHECK;
void shim_link_free(struct shim_link *l); /* pending replies get NULL */

/* Sends m with a fresh id: begin with shim_link_begin. reply runs once unless this fails.
 * A reply that comes in several messages (SHIM_STATE_ONE) calls `part` for all but the last. */
void shim_link_begin(struct shim_link *l, struct buf *m, uint8_t type);
int shim_link_send(struct shim_link *l, struct buf *m, const int *fds, unsigned fd_count, shim_reply_fn *reply,
                   shim_reply_fn *part, void *ctx) MUST_CHECK;

#endif
