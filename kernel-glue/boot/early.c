/* See early.h. */
#include "kernel-glue/boot/early.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "kernel-glue/boot/file.h"

static void mount_one(const char *type, const char *where, unsigned long flags, const char *options)
{
    if (mkdir(where, 0755) < 0 && errno != EEXIST)
        log_warn("%s: mkdir: %s", where, strerror(errno));
    if (mount(type, where, type, flags, options) < 0 && errno != EBUSY)
        log_warn("%s: mount %s: %s", where, type, strerror(errno));
}

static void root_over_itself(void)
{
    if (mkdir("/root", 0700) < 0 && errno != EEXIST)
        log_warn("/root: %s", strerror(errno));
    if (mount("/", "/root", NULL, MS_BIND, NULL) < 0 || chdir("/root") < 0 ||
        mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
        log_err("the root cannot be moved over itself: %s", strerror(errno));
}

void early_mounts(void)
{
    const unsigned long plain = MS_NOSUID | MS_NOEXEC | MS_NODEV;
    root_over_itself();
    mount_one("devtmpfs", "/dev", MS_NOSUID, "mode=0755");
    mount_one("proc", "/proc", plain, NULL);
    mount_one("sysfs", "/sys", plain, NULL);
    mount_one("cgroup2", "/sys/fs/cgroup", plain, "nsdelegate,memory_recursiveprot");
    mount_one("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "mode=0620,gid=5,ptmxmode=0666");
    mount_one("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
    mount_one("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755");
    mount_one("tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777");
    mount_one("mqueue", "/dev/mqueue", plain, NULL);
    /* Volumes mounted here show in containers that ask for it, as with other distributions. */
    mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL);
}

void early_root_read_only(void)
{
    if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
        log_warn("the root stays writable: %s", strerror(errno));
}

void early_limits(void)
{
    static const struct {
        const char *path, *value;
    } settings[] = {
        /* First, for what is logged meanwhile; the kernel takes the word only with its line end. */
        {"/proc/sys/kernel/printk_devkmsg", "on\n"},
        {"/proc/sys/fs/file-max", "1048576"},
        {"/proc/sys/fs/nr_open", "1048576"},
        {"/proc/sys/fs/inotify/max_user_instances", "8192"},
        {"/proc/sys/fs/inotify/max_user_watches", "524288"},
        {"/proc/sys/kernel/pid_max", "4194304"},
        {"/proc/sys/kernel/keys/maxkeys", "2000"},
        {"/proc/sys/kernel/keys/maxbytes", "2000000"},
        {"/proc/sys/kernel/panic", "10"},
        {"/proc/sys/kernel/panic_on_oops", "1"},
        {"/proc/sys/vm/overcommit_memory", "1"},
        {"/proc/sys/vm/max_map_count", "262144"},
        {"/proc/sys/net/core/somaxconn", "4096"},
        {"/proc/sys/net/ipv4/ip_forward", "1"},
        {"/proc/sys/net/ipv6/conf/all/forwarding", "1"},
        {"/proc/sys/net/ipv6/conf/all/accept_ra", "2"},
        {"/proc/sys/net/ipv4/neigh/default/gc_thresh1", "1024"},
        {"/proc/sys/net/ipv4/neigh/default/gc_thresh2", "4096"},
        {"/proc/sys/net/ipv4/neigh/default/gc_thresh3", "8192"},
        {"/proc/sys/net/netfilter/nf_conntrack_max", "262144"},
        {"/proc/sys/net/bridge/bridge-nf-call-iptables", "1"},
        {"/proc/sys/net/bridge/bridge-nf-call-ip6tables", "1"},
        {"/sys/fs/cgroup/cgroup.subtree_control", "+cpu +memory +pids +io +cpuset +hugetlb"},
    };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        int rc = file_put(settings[i].path, settings[i].value, NULL);
        (void)rc; /* belongs to a module that is not loaded yet, or to a kernel built without it */
    }
}

void early_hurry(bool on)
{
    int rc = file_put("/sys/kernel/rcu_expedited", on ? "1" : "0", NULL);
    (void)rc; /* slower, no more */
}

void early_loopback_up(void)
{
    struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &r) < 0)
        log_warn("loopback link: %s", strerror(errno));
    if (fd >= 0)
        close(fd);
}

void early_cgroup(const char *role, unsigned long long memory_min_bytes)
{
    char path[128], value[32];
    int rc = 0;
    mkdir("/sys/fs/cgroup/keelson", 0755);
    if (file_put("/sys/fs/cgroup/keelson/cgroup.subtree_control", "+cpu +memory +pids", NULL) < 0)
        return;
    snprintf(path, sizeof path, "/sys/fs/cgroup/keelson/%s", role);
    mkdir(path, 0755);
    if (!memory_min_bytes)
        return;
    snprintf(value, sizeof value, "%llu", memory_min_bytes);
    snprintf(path, sizeof path, "/sys/fs/cgroup/keelson/%s/memory.min", role);
    rc = file_put(path, value, NULL);
    if (rc == 0) /* a child is protected no better than its parent */
        rc = file_put("/sys/fs/cgroup/keelson/memory.min", value, NULL);
    if (rc < 0)
        log_warn("memory of %s cannot be protected", role);
}

void early_host_name(const char *name)
{
    if (sethostname(name, strlen(name)) < 0)
        log_warn("host name %s: %s", name, strerror(errno));
}

bool early_cmdline(const char *key, char *value, size_t size)
{
    char text[4096];
    size_t n;
    struct str rest, word, k = str_of(key);
    if (file_read(FILE_HERE, "/proc/cmdline", text, sizeof text, &n, NULL) < 0)
        return false;
    rest = str_trim(str_make(text, n));
    while (str_split(&rest, ' ', &word)) {
        if (!str_starts(word, k) || (word.n > k.n && word.p[k.n] != '='))
            continue;
        return str_copy(value, size, word.n > k.n ? str_make(word.p + k.n + 1, word.n - k.n - 1) : STR(""));
    }
    return false;
}

int early_open_kmsg(void)
{
    return open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
}

int early_open_console(void)
{
    return open("/dev/console", O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
}
