/*
 * Control groups (cgroup v2): one tree /kubepods as upstream lays it out, processes only in leaves.
 * A controller that this machine does not give to cgroup2 is done without.
 */
#ifndef DRIVERS_RUNTIME_CGROUP_H
#define DRIVERS_RUNTIME_CGROUP_H

#include "port/container.h"

/* The root of cgroup2, wherever it is mounted (or nowhere). */
int cgroup_root_open(int *ret_fd, struct err *err) MUST_CHECK;
/* Whether memory, cpu and pids can be limited. */
bool cgroup_has_limits(int root_fd);
/* Makes path ("kubepods/burstable/pod…") with its parents; controllers are on for its children. */
int cgroup_make(int root_fd, const char *path, int *ret_fd, struct err *err) MUST_CHECK;
/* Unknown controllers are skipped; a value that the kernel refuses is an error. */
int cgroup_apply(int fd, const struct container_resources *r, struct err *err) MUST_CHECK;
/* Out of memory ends all of the group's processes, not one of them. */
void cgroup_end_whole(int fd);
/* SIGKILL to all in it and below. */
int cgroup_kill(int root_fd, const char *path) MUST_CHECK;
/* Removes path and what is below it. -E_BUSY while processes are still leaving. */
int cgroup_remove(int root_fd, const char *path) MUST_CHECK;
/* A number from a file: whole of it, or behind "key " of one line. -1: not there. */
int64_t cgroup_read(int fd, const char *file, const char *key);

#endif
