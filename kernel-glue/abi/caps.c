/* See caps.h. */
#include "kernel-glue/abi/caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int result(long rc)
{
    return rc < 0 ? -err_from_errno(errno) : 0;
}

int caps_number(struct str name)
{
    static const char *const names[] = {
        "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
        "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
        "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
        "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD",
        "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
        "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE"};
    if (name.n > 4 && str_eq_nocase(str_make(name.p, 4), STR("CAP_")))
        name = str_make(name.p + 4, name.n - 4);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (str_eq_nocase(name, str_of(names[i])))
            return (int)i;
    return -1;
}

int caps_bound(uint64_t mask)
{
    for (int i = 0; i < 64; i++) {
        if (mask & CAPS_BIT(i))
            continue;
        if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
            return errno == EINVAL ? 0 : result(-1); /* past the kernel's last one */
    }
    return 0;
}

int caps_keep(void)
{
    return result(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
}

int caps_set(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct have[2];
    if (syscall(SYS_capget, &head, have) < 0)
        return result(-1);
    uint64_t most = have[0].permitted | (uint64_t)have[1].permitted << 32;
    effective &= most;
    permitted &= most;
    struct __user_cap_data_struct data[2] = {
        {(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
        {(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32)},
    };
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return result(syscall(SYS_capset, &head, data));
}

int caps_set_ambient(uint64_t mask)
{
    for (int i = 0; i < 64; i++)
        if (mask & CAPS_BIT(i) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
            return result(-1);
    return 0;
}

int caps_user(uint32_t uid, uint32_t gid, const uint32_t *groups, size_t count)
{
    if (syscall(SYS_setgroups, count, groups) < 0 || syscall(SYS_setresgid, gid, gid, gid) < 0 ||
        syscall(SYS_setresuid, uid, uid, uid) < 0)
        return result(-1);
    return 0;
}
