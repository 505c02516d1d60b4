/*
 * The first milliseconds of process 1: file systems of the kernel, a root that containers can pivot
 * away from, limits of the system, the loopback link. Allocates nothing; what fails is logged and
 * boot goes on, since a machine that is half there can still say what is wrong.
 */
#ifndef KERNEL_GLUE_BOOT_EARLY_H
#define KERNEL_GLUE_BOOT_EARLY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* proc, sysfs, devtmpfs, devpts, cgroup2, tmpfs on /run, /tmp and /dev/shm. The root is bound, moved
 * over itself and entered, since the first root file system cannot be pivoted. */
void early_mounts(void);
/* The root file system is not written to any more. */
void early_root_read_only(void);
/* Files, inotify, conntrack, neighbours, forwarding; some exist only after their module is loaded,
 * so this is called again then. */
void early_limits(void);
/* While on, the kernel waits for its readers (RCU) in a hurry: each module waits several times. Off
 * it does so without disturbing anybody. */
void early_hurry(bool on);
void early_loopback_up(void);
/* A cgroup below /sys/fs/cgroup/keelson with memory.min, for a role. */
void early_cgroup(const char *role, unsigned long long memory_min_bytes);
void early_host_name(const char *name);

/* A word of the kernel's command line: "KEY=value" gives the value, "KEY" alone "". */
bool early_cmdline(const char *key, char *value, size_t size);

/* For descriptor 2 of every role: the kernel's message buffer; -1 when there is none. */
int early_open_kmsg(void);
/* The console, never waiting for it; -1 when there is none. */
int early_open_console(void);

#endif
