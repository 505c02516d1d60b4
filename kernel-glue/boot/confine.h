/* Giving up rights for good: what a role does first, before it reads its first byte. */
#ifndef KERNEL_GLUE_BOOT_CONFINE_H
#define KERNEL_GLUE_BOOT_CONFINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct confine {
    uint32_t uid;          /* and gid; 0, or started without rights: stays as it is */
    uint64_t capabilities; /* kept although not root: bits by CAP_ number */
    uint64_t files;        /* RLIMIT_NOFILE; 0: as it is */
    bool keep_root;        /* root stays root: nothing is dropped, programs may be started */
    bool syscall_filter;   /* only what a server with files of its own needs; others fail with EPERM */
    bool secret;           /* no core dump, no ptrace, no /proc/PID/mem */
    const char *name;      /* of the process, at most 15 characters */
};

int confine_apply(const struct confine *c, struct err *err) MUST_CHECK;

#endif
