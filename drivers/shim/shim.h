/*
 * The shim: one small process a pod. It holds the pod's network, IPC and UTS namespaces, is process
 * 1 of the pod's PID namespace (so the kernel ends the containers with it), parent of their
 * processes, pump of their output into log files, and keeper of their exit codes. It listens on
 * descriptor 3 and talks to nobody but the runtime, which may come and go.
 */
#ifndef DRIVERS_SHIM_SHIM_H
#define DRIVERS_SHIM_SHIM_H

#include "base/list.h"
#include "drivers/runtime/shim_msg.h"
#include "drivers/shim/log.h"

enum { SHIM_ID_BYTES = 80, SHIM_WATCHERS = 8 };

enum proc_state { PROC_STARTING, PROC_RUNNING, PROC_EXITED };

/* Transitions: STARTING -> RUNNING (report closed) | freed (failed, reaped); RUNNING -> EXITED. An
 * exited container stays until it is forgotten, an exited exec is freed when it was reported. */
struct proc {
    struct list link;
    enum proc_state state;
    bool is_exec, stdin_once, failed, forgotten;
    char id[SHIM_ID_BYTES]; /* of the container */
    uint64_t session;       /* of an exec */
    int pid, pidfd;
    int report;       /* -1 once the outcome is known */
    uint32_t request; /* whom to answer then */
    int dir_fd;       /* where "exit" is written; containers only */
    int in, terminal; /* our ends */
    int out[2];       /* stdout, stderr */
    struct log log;
    struct log_stream streams[2];
    int watchers[2][SHIM_WATCHERS]; /* attached readers; -1: free */
    int code, signal;
    int64_t started_ns, finished_ns;
};

struct shim {
    int listen_fd, conn, signals, own_pid_ns;
    struct list procs;
    struct buf out, scratch;
    char *io; /* SHIM_MSG_BYTES, for messages and output */
};

/* ---- proc.c ---- */
struct proc *proc_new(struct shim *s);
void proc_free(struct proc *p);
struct proc *proc_find(struct shim *s, struct str id);
struct proc *proc_find_session(struct shim *s, uint64_t session);
/* fds are taken over. Answers later, by the report. */
int proc_start(struct shim *s, struct shim_msg *m, struct err *err) MUST_CHECK;
int proc_exec(struct shim *s, struct shim_msg *m, struct err *err) MUST_CHECK;
/* ---- pump.c ---- */
void proc_pump(struct shim *s, struct proc *p, int stream); /* what can be read now */
void proc_drain(struct shim *s, struct proc *p);
int proc_attach(struct proc *p, int ret_fds[3], unsigned *ret_streams) MUST_CHECK;
/* ---- shim.c ---- */
void shim_reply(struct shim *s, uint32_t id, int rc, const char *text, int code, const int *fds,
                unsigned fd_count, unsigned streams, int64_t started_ns);

int64_t shim_now_ns(void);

#endif
