/* See process.h. */
#include "kernel-glue/abi/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MFD_EXEC /* Linux 6.3 */
#define MFD_EXEC 0x0010U
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif
enum { ID_PIDFD = 3 /* P_PIDFD */, KEYCTL_JOIN = 1 };

static int result(long rc)
{
    return rc < 0 ? -err_from_errno(errno) : 0;
}

static unsigned long long clone_flags(unsigned namespaces)
{
    static const struct {
        unsigned ours;
        unsigned long long kernels;
    } table[] = {{PROCESS_NEW_MOUNT, CLONE_NEWNS}, {PROCESS_NEW_PID, CLONE_NEWPID},
                 {PROCESS_NEW_NET, CLONE_NEWNET},  {PROCESS_NEW_IPC, CLONE_NEWIPC},
                 {PROCESS_NEW_UTS, CLONE_NEWUTS},  {PROCESS_NEW_CGROUP, CLONE_NEWCGROUP},
                 {PROCESS_NEW_USER, CLONE_NEWUSER}};
    unsigned long long flags = 0;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (namespaces & table[i].ours)
            flags |= table[i].kernels;
    return flags;
}

int process_clone(unsigned namespaces, int cgroup_fd, pid_t *ret_pid, int *ret_pidfd)
{
    int pidfd = -1;
    struct clone_args args = {
        .flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND | clone_flags(namespaces),
        .pidfd = (unsigned long)&pidfd,
        .exit_signal = SIGCHLD,
    };
    if (cgroup_fd >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (unsigned)cgroup_fd;
    }
    long pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid < 0)
        return result(pid);
    *ret_pid = (pid_t)pid;
    if (pid)
        *ret_pidfd = pidfd;
    return 0;
}

int process_unshare(unsigned namespaces)
{
    return result(syscall(SYS_unshare, clone_flags(namespaces)));
}

int process_enter(int pidfd_or_namespace, unsigned namespaces)
{
    return result(syscall(SYS_setns, pidfd_or_namespace, clone_flags(namespaces)));
}

int process_pidfd(pid_t pid, int *ret_pidfd)
{
    long fd = syscall(SYS_pidfd_open, pid, 0);
    if (fd >= 0)
        *ret_pidfd = (int)fd;
    return result(fd);
}

int process_signal(int pidfd, int signal)
{
    return result(syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0));
}

int process_reap(int pidfd, int *ret_code, int *ret_signal)
{
    siginfo_t info = {0};
    if (syscall(SYS_waitid, ID_PIDFD, pidfd, &info, WEXITED | WNOHANG, NULL) < 0)
        return result(-1);
    if (info.si_pid == 0)
        return PROCESS_RUNNING;
    *ret_signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
    *ret_code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
    return PROCESS_EXITED;
}

int process_exec_fd(int fd, char *const argv[], char *const envp[])
{
    return result(syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH));
}

int process_close_from(int first, bool on_exec)
{
    return result(syscall(SYS_close_range, (unsigned)first, ~0U, on_exec ? CLOSE_RANGE_CLOEXEC : 0));
}

static int write_whole(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno != EINTR)
            return result(-1);
        if (done > 0) {
            p += done;
            n -= (size_t)done;
        }
    }
    return 0;
}

int process_sealed_memory(const char *name, const void *p, size_t n, bool executable, int *ret_fd)
{
    unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    long fd = syscall(SYS_memfd_create, name, flags | (executable ? MFD_EXEC : MFD_NOEXEC_SEAL));
    if (fd < 0 && errno == EINVAL) /* before 6.3 */
        fd = syscall(SYS_memfd_create, name, flags);
    if (fd < 0)
        return result(fd);
    int rc = write_whole((int)fd, p, n);
    if (rc == 0)
        rc = result(fcntl((int)fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE));
    if (rc < 0)
        close((int)fd);
    else
        *ret_fd = (int)fd;
    return rc;
}

void process_die_with_parent(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

int process_become_reaper(void)
{
    return result(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
}

int process_no_new_privs(void)
{
    return result(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

int process_set_dumpable(bool on)
{
    return result(prctl(PR_SET_DUMPABLE, on, 0, 0, 0));
}

void process_set_name(const char *name)
{
    prctl(PR_SET_NAME, name, 0, 0, 0);
}

void process_new_keyring(void)
{
    syscall(SYS_keyctl, KEYCTL_JOIN, NULL, 0, 0, 0);
}

int process_namespace_open(pid_t pid, const char *what, int *ret_fd)
{
    char path[64];
    if (pid)
        snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)pid, what);
    else
        snprintf(path, sizeof path, "/proc/self/ns/%s", what);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        *ret_fd = fd;
    return result(fd);
}
