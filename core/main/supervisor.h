/*
 * The supervisor: starts roles, brings back those that die, links them, hands them their sockets,
 * reaps everybody, stops in order. Used by PID 1 and by `keelson run` on an ordinary host.
 *
 *            start                READY               exit
 *   HELD ----------> STARTING ----------> RUNNING ------------> WAITING
 *    ^                  |  exit              ^                     | back-off is over
 *    |                  v                    |                     v
 *    |               WAITING                 +------------------ STARTING
 *   (init decides when a role's needs are met)      stop: any -> STOPPING -> STOPPED
 *
 * Back-off: 50 ms after the first death, doubling to 10 s, back to 50 ms once a role has lived 10 s.
 *
 * Allocates nothing after supervisor_init; never parses what came from a network; never blocks.
 * Everything it says to roles goes through non-blocking sockets: a role that does not read is
 * killed and started again.
 */
#ifndef MAIN_SUPERVISOR_H
#define MAIN_SUPERVISOR_H

#include <sys/types.h>

#include "loop/loop.h"
#include "main/role.h"
#include "main/start_msg.h"

enum role_state { ROLE_ABSENT, ROLE_HELD, ROLE_STARTING, ROLE_RUNNING, ROLE_WAITING, ROLE_STOPPING, ROLE_STOPPED };

struct supervisor;

struct supervised {
    struct supervisor *owner;
    enum role_id id;
    enum role_state state;
    pid_t pid; /* 0: no process */
    int control_fd;
    struct loop_fd control;
    struct loop_timer timer; /* restart, or the kill when stopping takes too long */
    int64_t started_ms, delay_ms;
    uint64_t restarts;
    int dir_fd;
    char status[160]; /* what it said last, or how it ended; "" when all is well */
};

/* A one-shot child of the role setup. */
enum { SETUP_ARGS = 6, SETUP_MOST = 8 };
struct setup_step {
    const char *argv[SETUP_ARGS]; /* the step's name and its arguments, NULL-terminated */
    int fd;                       /* handed over (closed here) or -1 */
    int64_t limit_ms;             /* then it is killed */
    /* rc 0 or -E_*. result: its DONE message with fields and descriptors, or NULL. */
    void (*done)(void *ctx, int rc, const char *message, struct imsg_in *result);
    void *ctx;
};

struct supervisor_options {
    struct loop *loop;
    const struct role_start *start; /* copied */
    unsigned on;                    /* ROLE_ON_*: which roles are present at all */
    int error_fd;                   /* of the roles; -1: this process's */
    bool cgroups;                   /* /sys/fs/cgroup/keelson/ROLE exist */
    bool die_with_parent;
    void (*changed)(void *ctx); /* state or status of some role */
    /* Messages that are not the supervisor's own: CA, LEASE, CLOCK. Descriptors left are closed. */
    void (*message)(void *ctx, enum role_id from, struct imsg_in *m);
    void (*signal)(void *ctx, int signal); /* SIGTERM, SIGINT, SIGHUP, SIGPWR */
    void (*stopped)(void *ctx);            /* after supervisor_stop: nobody is left */
    void *ctx;
};

struct supervisor {
    struct supervisor_options o;
    struct role_start start;
    struct supervised roles[ROLE__COUNT];
    int sockets[ROLE_SOCKET__COUNT];
    struct loop_fd signals;
    int signal_fd;
    bool stopping;
    int stop_stage;
    struct setup_child {
        struct supervisor *owner;
        struct setup_step step;
        pid_t pid;
        int control_fd;
        struct loop_fd control;
        struct loop_timer limit;
        bool reported;
    } setups[SETUP_MOST];
    unsigned char in[LIMIT_IMSG_BYTES], out[LIMIT_IMSG_BYTES];
};

/* Blocks the signals it handles. */
int supervisor_init(struct supervisor *s, const struct supervisor_options *o, struct err *err) MUST_CHECK;
void supervisor_done(struct supervisor *s);

/* The data directory is there: makes the directories of the roles that are present. */
int supervisor_make_dirs(struct supervisor *s, int data_fd, struct err *err) MUST_CHECK;
/* A bound socket for the roles that want it; taken over. */
void supervisor_give_socket(struct supervisor *s, enum role_socket which, int fd);
/* Lets a role that is held run. */
void supervisor_start(struct supervisor *s, enum role_id id);
bool supervisor_has(const struct supervisor *s, enum role_id id);
/* The machine's addresses changed: kept for roles yet to start, told to those that run. */
void supervisor_set_net(struct supervisor *s, const struct machine_net *net);
/* Sends once more, e.g. a descriptor for one role. Failure: the role is killed. */
void supervisor_send(struct supervisor *s, enum role_id id, const struct imsg_out *m);

/* -E_BUSY when SETUP_MOST are under way. On failure done is not called; step->fd is closed. */
int supervisor_setup(struct supervisor *s, const struct setup_step *step) MUST_CHECK;

/* Ends all roles in order; `stopped` is called at the end. */
void supervisor_stop(struct supervisor *s);

const char *role_state_text(enum role_state state);

#endif
