/*
 * Messages between the runtime and a pod's shim over a SOCK_SEQPACKET socket: u8 version, u8 type,
 * u16 0, u32 id, then fields as in plan.h. Requests carry an id that the reply repeats; events have
 * id 0. Descriptors travel along; received ones are close-on-exec.
 */
#ifndef DRIVERS_RUNTIME_SHIM_MSG_H
#define DRIVERS_RUNTIME_SHIM_MSG_H

#include "drivers/runtime/plan.h"

enum { SHIM_MSG_BYTES = 32 * 1024, SHIM_MSG_FDS = 128 };
/* Descriptors the shim is started with. */
enum { SHIM_FD_LISTEN = 3, SHIM_FD_FIRST_FREE = 4 };

enum shim_type {
    SHIM_HELLO = 1, /* hostname, sysctls -> reply */
    SHIM_STATE,     /* -> one SHIM_STATE_ONE a container, then reply */
    SHIM_START,     /* id; fds: plan, container directory, log directory, cgroup (or none), mounts */
    SHIM_EXEC,      /* id, session; fds: plan, cgroup (or none) -> reply with fds in/out/error */
    SHIM_KILL,      /* id or session, signal */
    SHIM_ATTACH,    /* id -> reply with fds */
    SHIM_ROTATE,    /* id */
    SHIM_FORGET,    /* id: an exited container */
    SHIM_REPLY,
    SHIM_STATE_ONE,
    SHIM_EXITED,      /* event: id, code, signal, started, finished */
    SHIM_EXEC_EXITED, /* event: session, code, signal, started, finished */
};

enum shim_field {
    SHIM_F_ID = 1, SHIM_F_SESSION, SHIM_F_SIGNAL, SHIM_F_RC, SHIM_F_TEXT, SHIM_F_CODE, SHIM_F_STARTED,
    SHIM_F_FINISHED, SHIM_F_RUNNING, SHIM_F_HOSTNAME, SHIM_F_SYSCTL, SHIM_F_LOG_NAME, SHIM_F_HAS_CGROUP,
    SHIM_F_STREAMS, /* bits: 1 in, 2 out, 4 error; tty: 8 (in and out are one terminal) */
    SHIM_F_LOG_LIMIT,
};

struct shim_msg {
    uint8_t type;
    uint32_t id;
    struct str fields;
    int fds[SHIM_MSG_FDS];
    unsigned fd_count;
};

/* Starts a message in an empty buffer. */
void shim_msg_begin(struct buf *out, uint8_t type, uint32_t id);
/* -E_AGAIN, -E_CLOSED, -E_TOO_LARGE. fds are not taken over. */
int shim_msg_send(int sock, const struct buf *m, const int *fds, unsigned fd_count) MUST_CHECK;
/* The fields point into buffer (SHIM_MSG_BYTES). The descriptors are the caller's. */
int shim_msg_recv(int sock, void *buffer, struct shim_msg *ret_m) MUST_CHECK;
void shim_msg_close_fds(struct shim_msg *m); /* those not set to -1 */

#endif
