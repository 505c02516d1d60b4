/* The child's side of a launch: from clone to exec. Runs in a fresh process; never returns. */
#ifndef DRIVERS_SHIM_LAUNCH_H
#define DRIVERS_SHIM_LAUNCH_H

#include "drivers/runtime/plan.h"

struct launch {
    struct plan *plan;
    struct arena *a;
    const int *mount_fds;
    unsigned mount_fd_count;
    int root_fd;     /* detached mount that becomes the root; -1 when joining */
    int join_pidfd;  /* process whose namespaces are joined; -1 otherwise */
    int in, out, error; /* -1: /dev/null; not used with a terminal */
    int report;      /* socket: what went wrong, the terminal; closed by a successful exec */
};

/* First byte of what comes out of `report`. */
enum { LAUNCH_FAILED = 'E', LAUNCH_TERMINAL = 'T' };
/* LAUNCH_FAILED: u8 E_ code, u8 exit code, text. LAUNCH_TERMINAL: a descriptor comes along. */

void launch_child(struct launch *l) __attribute__((noreturn));

/* ---- parts ---- */
/* Makes the root with everything in it and moves into it (rootfs.c). */
int launch_rootfs(struct launch *l, struct err *err) MUST_CHECK;
/* Opens a terminal of the container's devpts, passes it on, makes it the controlling one. */
int launch_terminal(struct launch *l, uint32_t uid, struct err *err) MUST_CHECK;

#endif
