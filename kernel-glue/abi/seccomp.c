/* The filter as ranges of call numbers, in ascending order. See seccomp.h. */
#include "kernel-glue/abi/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel-glue/abi/caps.h"

enum { CALLS = 512, X32_BIT = 0x40000000, NAMESPACE_FLAGS = 0x7E020000, VSOCK = 40 };
enum { CAP_DAC_READ = 2, CAP_MODULE = 16, CAP_RAWIO = 17, CAP_CHROOT = 18, CAP_PTRACE = 19, CAP_PACCT = 20,
       CAP_ADMIN = 21, CAP_BOOT = 22, CAP_NICE = 23, CAP_TIME = 25, CAP_TTY = 26, CAP_LOG = 34,
       CAP_PERF = 38, CAP_EBPF = 39 };

/* Numbers newer than some libc's headers: the table of x86-64. */
enum { NR_quotactl_fd = 443, NR_futex_waitv = 449, NR_set_mempolicy_home_node = 450, NR_cachestat = 451, NR_fchmodat2 = 452,
       NR_map_shadow_stack = 453, NR_futex_wake = 454, NR_futex_wait = 455, NR_futex_requeue = 456,
       NR_statmount = 457, NR_listmount = 458, NR_mseal = 462, NR_setxattrat = 463, NR_getxattrat = 464,
       NR_listxattrat = 465, NR_removexattrat = 466 };

static const short always[] = {
    SYS_accept, SYS_accept4, SYS_access, SYS_alarm, SYS_arch_prctl, SYS_bind, SYS_brk, SYS_capget,
    SYS_capset, SYS_chdir, SYS_chmod, SYS_chown, SYS_clock_adjtime, SYS_clock_getres, SYS_clock_gettime,
    SYS_clock_nanosleep, SYS_close, SYS_close_range, SYS_connect, SYS_copy_file_range, SYS_creat, SYS_dup,
    SYS_dup2, SYS_dup3, SYS_epoll_create, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_ctl_old,
    SYS_epoll_pwait, SYS_epoll_pwait2, SYS_epoll_wait, SYS_epoll_wait_old, SYS_eventfd, SYS_eventfd2,
    SYS_execve, SYS_execveat, SYS_exit, SYS_exit_group, SYS_faccessat, SYS_faccessat2, SYS_fadvise64,
    SYS_fallocate, SYS_fanotify_mark, SYS_fchdir, SYS_fchmod, SYS_fchmodat, SYS_fchown, SYS_fchownat,
    SYS_fcntl, SYS_fdatasync, SYS_fgetxattr, SYS_flistxattr, SYS_flock, SYS_fork, SYS_fremovexattr,
    SYS_fsetxattr, SYS_fstat, SYS_fstatfs, SYS_fsync, SYS_ftruncate, SYS_futex, SYS_futimesat,
    SYS_getcpu, SYS_getcwd, SYS_getdents, SYS_getdents64, SYS_getegid, SYS_geteuid, SYS_getgid,
    SYS_getgroups, SYS_getitimer, SYS_getpeername, SYS_getpgid, SYS_getpgrp, SYS_getpid, SYS_getppid,
    SYS_getpriority, SYS_getrandom, SYS_getresgid, SYS_getresuid, SYS_getrlimit, SYS_get_robust_list,
    SYS_getrusage, SYS_getsid, SYS_getsockname, SYS_getsockopt, SYS_get_thread_area, SYS_gettid,
    SYS_gettimeofday, SYS_getuid, SYS_getxattr, SYS_inotify_add_watch, SYS_inotify_init,
    SYS_inotify_init1, SYS_inotify_rm_watch, SYS_io_cancel, SYS_ioctl, SYS_io_destroy, SYS_io_getevents,
    SYS_io_pgetevents, SYS_ioprio_get, SYS_ioprio_set, SYS_io_setup, SYS_io_submit, SYS_kill,
    SYS_landlock_add_rule, SYS_landlock_create_ruleset, SYS_landlock_restrict_self, SYS_lchown,
    SYS_lgetxattr, SYS_link, SYS_linkat, SYS_listen, SYS_listxattr, SYS_llistxattr, SYS_lremovexattr,
    SYS_lseek, SYS_lsetxattr, SYS_lstat, SYS_madvise, SYS_membarrier, SYS_memfd_create, SYS_mincore,
    SYS_mkdir, SYS_mkdirat, SYS_mknod, SYS_mknodat, SYS_mlock, SYS_mlock2, SYS_mlockall, SYS_mmap,
    SYS_modify_ldt, SYS_mprotect, SYS_mq_getsetattr, SYS_mq_notify, SYS_mq_open, SYS_mq_timedreceive,
    SYS_mq_timedsend, SYS_mq_unlink, SYS_mremap, SYS_msgctl, SYS_msgget, SYS_msgrcv, SYS_msgsnd,
    SYS_msync, SYS_munlock, SYS_munlockall, SYS_munmap, SYS_name_to_handle_at, SYS_nanosleep,
    SYS_newfstatat, SYS_open, SYS_openat, SYS_openat2, SYS_pause, SYS_pidfd_open, SYS_pidfd_send_signal,
    SYS_pipe, SYS_pipe2, SYS_pkey_alloc, SYS_pkey_free, SYS_pkey_mprotect, SYS_poll, SYS_ppoll, SYS_prctl,
    SYS_pread64, SYS_preadv, SYS_preadv2, SYS_prlimit64, SYS_process_mrelease, SYS_process_vm_readv,
    SYS_process_vm_writev, SYS_pselect6, SYS_ptrace, SYS_pwrite64, SYS_pwritev, SYS_pwritev2, SYS_read,
    SYS_readahead, SYS_readlink, SYS_readlinkat, SYS_readv, SYS_recvfrom, SYS_recvmmsg, SYS_recvmsg,
    SYS_remap_file_pages, SYS_removexattr, SYS_rename, SYS_renameat, SYS_renameat2, SYS_restart_syscall,
    SYS_rmdir, SYS_rseq, SYS_rt_sigaction, SYS_rt_sigpending, SYS_rt_sigprocmask, SYS_rt_sigqueueinfo,
    SYS_rt_sigreturn, SYS_rt_sigsuspend, SYS_rt_sigtimedwait, SYS_rt_tgsigqueueinfo,
    SYS_sched_getaffinity, SYS_sched_getattr, SYS_sched_getparam, SYS_sched_get_priority_max,
    SYS_sched_get_priority_min, SYS_sched_getscheduler, SYS_sched_rr_get_interval, SYS_sched_setaffinity,
    SYS_sched_setattr, SYS_sched_setparam, SYS_sched_setscheduler, SYS_sched_yield, SYS_select,
    SYS_semctl, SYS_semget, SYS_semop, SYS_semtimedop, SYS_sendfile, SYS_sendmmsg, SYS_sendmsg,
    SYS_sendto, SYS_setfsgid, SYS_setfsuid, SYS_setgid, SYS_setgroups, SYS_setitimer, SYS_setpgid,
    SYS_setpriority, SYS_setregid, SYS_setresgid, SYS_setresuid, SYS_setreuid, SYS_setrlimit,
    SYS_set_robust_list, SYS_setsid, SYS_setsockopt, SYS_set_thread_area, SYS_set_tid_address,
    SYS_setuid, SYS_setxattr, SYS_shmat, SYS_shmctl, SYS_shmdt, SYS_shmget, SYS_shutdown,
    SYS_sigaltstack, SYS_signalfd, SYS_signalfd4, SYS_socketpair, SYS_splice, SYS_stat, SYS_statfs,
    SYS_statx, SYS_symlink, SYS_symlinkat, SYS_sync, SYS_sync_file_range, SYS_syncfs, SYS_sysinfo,
    SYS_tee, SYS_tgkill, SYS_time, SYS_timer_create, SYS_timer_delete, SYS_timer_getoverrun,
    SYS_timer_gettime, SYS_timer_settime, SYS_timerfd_create, SYS_timerfd_gettime, SYS_timerfd_settime,
    SYS_times, SYS_tkill, SYS_truncate, SYS_umask, SYS_uname, SYS_unlink, SYS_unlinkat, SYS_utime,
    SYS_utimensat, SYS_utimes, SYS_vfork, SYS_vmsplice, SYS_wait4, SYS_waitid, SYS_write, SYS_writev,
    NR_futex_waitv, NR_cachestat, NR_fchmodat2, NR_map_shadow_stack, NR_futex_wake, NR_futex_wait,
    NR_futex_requeue, NR_mseal, NR_setxattrat, NR_getxattrat, NR_listxattrat, NR_removexattrat,
};

static const struct {
    short capability, call;
} with_capability[] = {
    {CAP_DAC_READ, SYS_open_by_handle_at},
    {CAP_ADMIN, SYS_bpf}, {CAP_ADMIN, SYS_clone3}, {CAP_ADMIN, SYS_fanotify_init},
    {CAP_ADMIN, SYS_fsconfig}, {CAP_ADMIN, SYS_fsmount}, {CAP_ADMIN, SYS_fsopen}, {CAP_ADMIN, SYS_fspick},
    {CAP_ADMIN, SYS_lookup_dcookie}, {CAP_ADMIN, SYS_mount}, {CAP_ADMIN, SYS_mount_setattr},
    {CAP_ADMIN, SYS_move_mount}, {CAP_ADMIN, SYS_open_tree}, {CAP_ADMIN, SYS_perf_event_open},
    {CAP_ADMIN, SYS_quotactl}, {CAP_ADMIN, NR_quotactl_fd}, {CAP_ADMIN, SYS_setdomainname},
    {CAP_ADMIN, SYS_sethostname}, {CAP_ADMIN, SYS_setns}, {CAP_ADMIN, SYS_syslog}, {CAP_ADMIN, SYS_umount2},
    {CAP_ADMIN, SYS_unshare}, {CAP_ADMIN, NR_statmount}, {CAP_ADMIN, NR_listmount},
    {CAP_BOOT, SYS_reboot}, {CAP_CHROOT, SYS_chroot},
    {CAP_MODULE, SYS_delete_module}, {CAP_MODULE, SYS_init_module}, {CAP_MODULE, SYS_finit_module},
    {CAP_PACCT, SYS_acct}, {CAP_PTRACE, SYS_kcmp}, {CAP_PTRACE, SYS_pidfd_getfd},
    {CAP_PTRACE, SYS_process_madvise}, {CAP_RAWIO, SYS_iopl}, {CAP_RAWIO, SYS_ioperm},
    {CAP_TIME, SYS_settimeofday}, {CAP_TIME, SYS_clock_settime}, {CAP_TIME, SYS_adjtimex},
    {CAP_TTY, SYS_vhangup}, {CAP_NICE, SYS_get_mempolicy}, {CAP_NICE, SYS_mbind},
    {CAP_NICE, SYS_set_mempolicy}, {CAP_NICE, NR_set_mempolicy_home_node}, {CAP_LOG, SYS_syslog},
    {CAP_EBPF, SYS_bpf}, {CAP_PERF, SYS_perf_event_open},
};

static void put(struct buf *out, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
    struct sock_filter f = {code, jt, jf, k};
    buf_append(out, &f, sizeof f);
}

static void ret(struct buf *out, uint32_t action)
{
    put(out, BPF_RET | BPF_K, 0, 0, action);
}

static void load(struct buf *out, size_t offset)
{
    put(out, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

static const uint32_t deny = SECCOMP_RET_ERRNO | EPERM;
static const uint32_t missing = SECCOMP_RET_ERRNO | ENOSYS;

/* Before the table: wrong ABI, and calls whose first argument decides. Leaves the number loaded. */
static void put_head(struct buf *out, bool admin)
{
    static const uint32_t personalities[] = {0, 8, 0x20000, 0x20008, 0xffffffff};
    enum { COUNT = sizeof personalities / sizeof personalities[0] };
    size_t number = offsetof(struct seccomp_data, nr), first = offsetof(struct seccomp_data, args);
    load(out, offsetof(struct seccomp_data, arch));
    put(out, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, AUDIT_ARCH_X86_64);
    ret(out, missing);
    load(out, number);
    put(out, BPF_JMP | BPF_JGE | BPF_K, 0, 1, X32_BIT);
    ret(out, missing);
    if (!admin) {
        put(out, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_clone3);
        ret(out, missing);
        put(out, BPF_JMP | BPF_JEQ | BPF_K, 0, 4, SYS_clone);
        load(out, first);
        put(out, BPF_JMP | BPF_JSET | BPF_K, 0, 1, NAMESPACE_FLAGS);
        ret(out, deny);
        ret(out, SECCOMP_RET_ALLOW);
    }
    put(out, BPF_JMP | BPF_JEQ | BPF_K, 0, 4, SYS_socket);
    load(out, first);
    put(out, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, VSOCK);
    ret(out, deny);
    ret(out, SECCOMP_RET_ALLOW);
    put(out, BPF_JMP | BPF_JEQ | BPF_K, 0, 3 + COUNT, SYS_personality);
    load(out, first);
    for (int i = 0; i < COUNT; i++)
        put(out, BPF_JMP | BPF_JEQ | BPF_K, (uint8_t)(COUNT - i), 0, personalities[i]);
    ret(out, deny);
    ret(out, SECCOMP_RET_ALLOW);
}

int seccomp_default_filter(uint64_t capabilities, struct buf *out)
{
    bool allowed[CALLS] = {false};
    bool admin = capabilities & CAPS_BIT(CAP_ADMIN);
    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++)
        allowed[always[i]] = true;
    for (size_t i = 0; i < sizeof with_capability / sizeof with_capability[0]; i++)
        if (capabilities & CAPS_BIT(with_capability[i].capability))
            allowed[with_capability[i].call] = true;
    allowed[SYS_clone] = admin;
    put_head(out, admin);
    for (uint32_t at = 0; at < CALLS; at++) {
        uint32_t first = at;
        if (!allowed[at])
            continue;
        while (at + 1 < CALLS && allowed[at + 1])
            at++;
        put(out, BPF_JMP | BPF_JGT | BPF_K, 3, 0, at);
        put(out, BPF_JMP | BPF_JGE | BPF_K, 0, 1, first);
        ret(out, SECCOMP_RET_ALLOW);
        ret(out, deny);
    }
    /* Newer than this table: programs fall back when told that the kernel lacks it. */
    put(out, BPF_JMP | BPF_JGE | BPF_K, 0, 1, NR_removexattrat + 1);
    ret(out, missing);
    ret(out, deny);
    return out->failed ? -E_NOMEM : 0;
}

int seccomp_install(struct str program)
{
    struct sock_fprog prog = {
        .len = (unsigned short)(program.n / sizeof(struct sock_filter)),
        .filter = (struct sock_filter *)(void *)(uintptr_t)program.p,
    };
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0 ? -err_from_errno(errno) : 0;
}
