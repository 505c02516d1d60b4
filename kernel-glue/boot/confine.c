/*
 * See confine.h. The order matters: groups before the user, the user before capabilities are cut
 * (PR_SET_KEEPCAPS carries them over), no_new_privs before the filter, which it makes possible.
 */
#include "kernel-glue/boot/confine.h"

#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What control, front, keys, dns and node use: memory, threads, clocks, sockets that exist or are
 * made, epoll, files below descriptors they were given. No exec, no ptrace, no mounts, no
 * namespaces, no modules, no keyrings, no bpf. Sorted by what it is for. */
static const uint16_t allowed[] = {
    /* memory and threads */
    SYS_brk, SYS_mmap, SYS_munmap, SYS_mprotect, SYS_mremap, SYS_madvise, SYS_futex, SYS_clone,
    SYS_set_tid_address, SYS_set_robust_list, SYS_rseq, SYS_gettid, SYS_getpid, SYS_getppid, SYS_getuid,
    SYS_geteuid, SYS_getgid, SYS_getegid, SYS_sched_yield, SYS_sched_getaffinity, SYS_exit, SYS_exit_group,
    SYS_membarrier, SYS_sched_setscheduler, SYS_arch_prctl, SYS_prlimit64, SYS_getrlimit, SYS_prctl,
    /* signals */
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigtimedwait, SYS_signalfd4, SYS_tgkill,
    SYS_tkill, SYS_sigaltstack, SYS_restart_syscall,
    /* time, chance, facts */
    SYS_clock_gettime, SYS_clock_getres, SYS_gettimeofday, SYS_time, SYS_nanosleep, SYS_clock_nanosleep,
    SYS_getrandom, SYS_uname, SYS_sysinfo, SYS_getrusage, SYS_times,
    /* readiness */
    SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_wait, SYS_epoll_pwait, SYS_epoll_pwait2, SYS_poll, SYS_ppoll,
    SYS_select, SYS_pselect6, SYS_eventfd2, SYS_timerfd_create, SYS_timerfd_settime, SYS_pipe2,
    /* descriptors and files */
    SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_preadv, SYS_pwritev, SYS_lseek,
    SYS_close, SYS_close_range, SYS_dup, SYS_dup2, SYS_dup3, SYS_fcntl, SYS_ioctl, SYS_fstat, SYS_newfstatat,
    SYS_stat, SYS_lstat, SYS_statx, SYS_statfs, SYS_fstatfs, SYS_open, SYS_openat, SYS_openat2, SYS_access,
    SYS_faccessat, SYS_faccessat2, SYS_readlink, SYS_readlinkat, SYS_getdents64, SYS_ftruncate, SYS_fallocate,
    SYS_fsync, SYS_fdatasync, SYS_sync_file_range, SYS_renameat, SYS_renameat2, SYS_rename, SYS_unlink,
    SYS_unlinkat, SYS_mkdir, SYS_mkdirat, SYS_memfd_create, SYS_fadvise64, SYS_flock, SYS_getcwd, SYS_umask,
    SYS_fchmod, SYS_splice, SYS_sendfile,
    /* sockets */
    SYS_socket, SYS_socketpair, SYS_connect, SYS_bind, SYS_listen, SYS_accept, SYS_accept4, SYS_getsockname,
    SYS_getpeername, SYS_getsockopt, SYS_setsockopt, SYS_sendto, SYS_recvfrom, SYS_sendmsg, SYS_recvmsg,
    SYS_sendmmsg, SYS_recvmmsg, SYS_shutdown,
};

enum { ALLOWED = sizeof allowed / sizeof allowed[0], CLONE_THREAD_FLAG = 0x10000 };
_Static_assert(ALLOWED < 250, "jumps of the filter are one byte");

/* Everything on another architecture ends the process; clone only makes threads. */
static int filter_apply(struct err *err)
{
    struct sock_filter code[ALLOWED + 16];
    unsigned short n = 0;
    const unsigned allow = ALLOWED + 11;
#define PUT(...) code[n++] = (struct sock_filter)__VA_ARGS__
    PUT(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)));
    PUT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0));
    PUT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
    PUT(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
    PUT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3));
    PUT(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])));
    PUT(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD_FLAG, allow - 7, 0));
    PUT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM));
    for (unsigned i = 0; i < ALLOWED; i++)
        PUT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], allow - 1 - (8 + i), 0));
    /* Its flags lie in memory, where a filter cannot look: libc falls back to clone. */
    PUT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1));
    PUT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS));
    PUT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM));
    PUT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
#undef PUT
    struct sock_fprog program = {.len = n, .filter = code};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
        return err_set_errno(err, "filter of system calls");
    return 0;
}

static int capabilities_cut(uint64_t keep, struct err *err)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    for (int i = 0; i < 2; i++)
        data[i].permitted = data[i].effective = (uint32_t)(keep >> (32 * i));
    if (syscall(SYS_capset, &head, data) < 0)
        return err_set_errno(err, "drop capabilities");
    return 0;
}

static int become(const struct confine *c, struct err *err)
{
    if (c->capabilities && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
        return err_set_errno(err, "keep capabilities");
    /* While still able to: nobody below gets any of these back. */
    for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
        if (!(c->capabilities >> cap & 1))
            prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
    if (setgroups(0, NULL) < 0)
        return err_set_errno(err, "drop groups");
    if (setresgid(c->uid, c->uid, c->uid) < 0 || setresuid(c->uid, c->uid, c->uid) < 0)
        return err_set_errno(err, "become user %u", c->uid);
    return capabilities_cut(c->capabilities, err);
}

/* As many as are wanted, or as many as are allowed: an ordinary host may have less to give. */
static void limit_files(uint64_t files)
{
    struct rlimit now, want = {files, files};
    if (setrlimit(RLIMIT_NOFILE, &want) == 0 || getrlimit(RLIMIT_NOFILE, &now) < 0)
        return;
    now.rlim_cur = now.rlim_max < files ? now.rlim_max : files;
    setrlimit(RLIMIT_NOFILE, &now);
}

int confine_apply(const struct confine *c, struct err *err)
{
    struct rlimit none = {0, 0};
    int rc, end_signal = 0;
    prctl(PR_SET_NAME, c->name, 0, 0, 0);
    if (c->files)
        limit_files(c->files);
    setrlimit(RLIMIT_CORE, &none);
    if (c->keep_root)
        return 0;
    prctl(PR_GET_PDEATHSIG, &end_signal, 0, 0, 0);
    if (c->uid && geteuid() == 0 && (rc = become(c, err)) < 0)
        return rc;
    prctl(PR_SET_PDEATHSIG, end_signal, 0, 0, 0); /* a change of user has cleared it */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_set_errno(err, "give up new privileges");
    if (c->secret)
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    return c->syscall_filter ? filter_apply(err) : 0;
}
