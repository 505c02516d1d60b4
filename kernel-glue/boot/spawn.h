/* Starting this program again as a child, and stopping what was started. */
#ifndef KERNEL_GLUE_BOOT_SPAWN_H
#define KERNEL_GLUE_BOOT_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct spawn {
    const char *const *argv; /* NULL-terminated */
    int control_fd;          /* becomes descriptor 3; stays the caller's here */
    int error_fd;            /* becomes descriptor 2; -1: the parent's */
    bool die_with_parent;
    const char *cgroup_procs; /* written to by the child, or NULL; a failure there is ignored */
    int oom_score_adj;
};

/* Allocates nothing. The child has its own session, an empty signal mask, /dev/null as descriptors 0
 * and 1, and nothing else of the parent's. */
int spawn_self(const struct spawn *s, pid_t *ret_pid, struct err *err) MUST_CHECK;

/* A process that is our child and not yet reaped, so its number cannot mean another one. */
void spawn_signal(pid_t child, int signal);

/* Descriptor 3, as spawn_self made it, is closed again at an exec. */
enum { SPAWN_CONTROL_FD = 3 };

#endif
