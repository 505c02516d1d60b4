/*
 * Processes through descriptors: clone3 into a cgroup and namespaces, pidfd, execveat, close_range,
 * namespaces. What libc lacks (Linux 5.7 and later). -E_* by errno, which is left set.
 */
#ifndef KERNEL_GLUE_ABI_PROCESS_H
#define KERNEL_GLUE_ABI_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum process_namespace {
    PROCESS_NEW_MOUNT = 1,
    PROCESS_NEW_PID = 2,
    PROCESS_NEW_NET = 4,
    PROCESS_NEW_IPC = 8,
    PROCESS_NEW_UTS = 16,
    PROCESS_NEW_CGROUP = 32,
    PROCESS_NEW_USER = 64,
};

/* As fork: 0 in the child. cgroup_fd: -1 or a directory of cgroup2 the child is born in. Signal
 * handlers of the parent are reset in the child. *ret_pidfd (close-on-exec) is set in the parent. */
int process_clone(unsigned namespaces, int cgroup_fd, pid_t *ret_pid, int *ret_pidfd) MUST_CHECK;
int process_unshare(unsigned namespaces) MUST_CHECK;
/* Enters namespaces of the process or the one namespace behind the descriptor. */
int process_enter(int pidfd_or_namespace, unsigned namespaces) MUST_CHECK;
int process_pidfd(pid_t pid, int *ret_pidfd) MUST_CHECK;
int process_signal(int pidfd, int signal) MUST_CHECK;

enum { PROCESS_RUNNING = 0, PROCESS_EXITED = 1 };
/* Reaps without waiting: PROCESS_RUNNING, or PROCESS_EXITED with code (128 + signal) and signal. */
int process_reap(int pidfd, int *ret_code, int *ret_signal);

/* Runs the program behind fd; returns only on failure. */
int process_exec_fd(int fd, char *const argv[], char *const envp[]);
/* Closes all descriptors >= first, or only marks them close-on-exec. */
int process_close_from(int first, bool on_exec) MUST_CHECK;
/* A program image in memory that nothing can write to any more; runs, named so in /proc. */
int process_sealed_memory(const char *name, const void *p, size_t n, bool executable, int *ret_fd) MUST_CHECK;

/* Settings of the calling process. */
void process_die_with_parent(void);
int process_become_reaper(void) MUST_CHECK;
int process_no_new_privs(void) MUST_CHECK;
int process_set_dumpable(bool on) MUST_CHECK;
void process_set_name(const char *name);
/* A session keyring of its own, so that nobody else's keys are reachable. */
void process_new_keyring(void);

/* Namespace of a process (0: this one), as a descriptor: what is "net", "mnt", "pid" ... */
int process_namespace_open(pid_t pid, const char *what, int *ret_fd) MUST_CHECK;

#endif
