/*
 * The table of roles: which processes make up Keelson, as whom each runs, what it may reach. This
 * table is the architecture; the supervisor only carries it out.
 *
 * A role is this same program started again with argv[0] "keelson: NAME" and a control socket
 * (wire/imsg, core/main/start_msg.h) on descriptor 3.
 */
#ifndef MAIN_ROLE_H
#define MAIN_ROLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum role_id {
    ROLE_NONE,
    ROLE_INIT,    /* PID 1, or the supervisor on an ordinary host */
    ROLE_SETUP,   /* one-shot children of init: modules, mounts, configuration, addresses */
    ROLE_JOURNAL, /* the kernel's and the roles' messages into a bounded log */
    ROLE_KEYS,
    ROLE_CONTROL,
    ROLE_FRONT,
    ROLE_NODE,
    ROLE_RUNTIME,
    ROLE_DNS,
    ROLE_LEASE,
    ROLE_PULL,   /* short-lived, started by runtime */
    ROLE_UNPACK, /* short-lived, started by runtime */
    ROLE_FRONT2, /* further fronts: they share front's listening socket */
    ROLE_FRONT3,
    ROLE_FRONT4,
    ROLE__COUNT
};

enum { ROLE_FRONTS = 4 };
/* The nth front, from 0 on. */
enum role_id role_front(unsigned n);
bool role_is_front(enum role_id id);

/* Where a role is part of what runs. */
enum { ROLE_ON_CONTROL = 1, ROLE_ON_NODE = 2, ROLE_ON_APPLIANCE = 4 };

enum role_socket { /* bound by init, listening where that applies */
    ROLE_SOCKET_API,     /* TCP 6443 */
    ROLE_SOCKET_KUBELET, /* TCP 10250 */
    ROLE_SOCKET_DNS_UDP, /* 10.96.0.10:53 */
    ROLE_SOCKET_DNS_TCP,
    ROLE_SOCKET_CA,  /* no socket: a file in memory, the CA of keelson.yaml (certificate, key) */
    ROLE_SOCKET_DIR, /* no socket: the role's own directory below the data directory */
    ROLE_SOCKET__COUNT
};

struct role_env;

struct role {
    const char *name;
    uint32_t uid;           /* and gid; 0: root */
    uint64_t capabilities;  /* kept by a role that is not root: bits by CAP_ number */
    unsigned on;            /* ROLE_ON_* */
    uint32_t links;         /* peers by 1 << role_id; the link exists when either names the other */
    unsigned sockets;       /* 1 << role_socket */
    const char *dir;        /* below the data directory, made with mode 0700 for uid; NULL: none */
    int oom_score_adj;
    uint64_t memory_min_bytes; /* cgroup memory.min; 0: none */
    bool syscall_filter; /* confined by the seccomp list of kernel-glue/boot/confine.h */
    /* Supervised roles: sets up and runs env->loop until told to stop; 0 or -E_*. */
    int (*run)(struct role_env *env, struct err *err);
    /* Roles that somebody else starts, with arguments of their own: exit status. */
    int (*main)(int argc, char **argv);
};

/* NULL for ROLE_NONE. `run` and `main` are both NULL when this build lacks the role. */
const struct role *role_get(enum role_id id);
enum role_id role_find(const char *name); /* ROLE_NONE when unknown */
/* The other end of a link, whoever of the two names it. */
bool role_linked(enum role_id a, enum role_id b);

/* The role's process: argv[0] is "keelson: NAME". Returns the exit status; -1: no role's name. */
int role_main(int argc, char **argv);

#endif
