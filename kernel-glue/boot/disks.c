/* See disks.h. */
#include "kernel-glue/boot/disks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "kernel-glue/boot/file.h"

enum { LOOK_AGAIN_MS = 5, EXT4_SUPERBLOCK = 1024, EXT4_MAGIC_AT = 56, EXT4_LABEL_AT = 120, EXT4_LABEL = 16 };

/* ext4's resize ioctl is not in the kernel's exported headers: fs/ext4/ext4.h. */
#define EXT4_RESIZE_FS _IOW('f', 16, uint64_t)

static bool value_of(struct str text, const char *key, char *value, size_t size)
{
    struct str line, k = str_of(key);
    while (str_split(&text, '\n', &line))
        if (str_starts(line, k) && line.n > k.n && line.p[k.n] == '=')
            return str_copy(value, size, str_make(line.p + k.n + 1, line.n - k.n - 1));
    return false;
}

static bool has_ext4_label(const char *name, const char *label)
{
    char path[DISK_NAME + 8], super[256];
    snprintf(path, sizeof path, "/dev/%s", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool ok = pread(fd, super, sizeof super, EXT4_SUPERBLOCK) == (ssize_t)sizeof super &&
              super[EXT4_MAGIC_AT] == 0x53 && (unsigned char)super[EXT4_MAGIC_AT + 1] == 0xef &&
              strncmp(super + EXT4_LABEL_AT, label, EXT4_LABEL) == 0;
    close(fd);
    return ok;
}

/* The disk of a partition is the directory above it in /sys. */
static void disk_of(struct disk_partition *p)
{
    char link[64 + DISK_NAME], target[1024];
    snprintf(link, sizeof link, "/sys/class/block/%s", p->name);
    ssize_t n = readlink(link, target, sizeof target - 1);
    if (n <= 0)
        return;
    target[n] = 0;
    char *last = strrchr(target, '/');
    if (!last)
        return;
    *last = 0;
    char *above = strrchr(target, '/');
    str_copy(p->disk, sizeof p->disk, str_of(above ? above + 1 : target));
}

static bool is_wanted(const char *name, const char *label, struct disk_partition *p)
{
    char path[64 + 256], text[1024], value[128];
    size_t n;
    uint64_t number = 0;
    snprintf(path, sizeof path, "/sys/class/block/%s/uevent", name);
    if (strlen(name) >= DISK_NAME || file_read(FILE_HERE, path, text, sizeof text, &n, NULL) < 0)
        return false;
    bool named = value_of(str_make(text, n), "PARTNAME", value, sizeof value) && strcmp(value, label) == 0;
    if (!named && !has_ext4_label(name, label))
        return false;
    /* The kernel tells of a partition a moment before its node is in /dev. */
    snprintf(path, sizeof path, "/dev/%s", name);
    if (access(path, F_OK) < 0)
        return false;
    *p = (struct disk_partition){0};
    str_copy(p->name, sizeof p->name, str_of(name));
    if (value_of(str_make(text, n), "PARTN", value, sizeof value) && str_to_u64(str_of(value), &number) == 0) {
        p->number = (unsigned)number;
        disk_of(p);
    }
    return true;
}

static bool is_real(const char *name)
{
    return name[0] != '.' && strncmp(name, "loop", 4) != 0 && strncmp(name, "ram", 3) != 0;
}

static bool look(const char *label, struct disk_partition *p)
{
    DIR *dir = opendir("/sys/class/block");
    struct dirent *e;
    bool found = false;
    while (dir && !found && (e = readdir(dir)))
        found = is_real(e->d_name) && is_wanted(e->d_name, label, p);
    if (dir)
        closedir(dir);
    return found;
}

bool disks_any(void)
{
    DIR *dir = opendir("/sys/class/block");
    struct dirent *e;
    bool found = false;
    while (dir && !found && (e = readdir(dir)))
        found = is_real(e->d_name);
    if (dir)
        closedir(dir);
    return found;
}

int disks_find(const char *label, int limit_ms, struct disk_partition *ret_partition, struct err *err)
{
    const struct timespec nap = {0, LOOK_AGAIN_MS * 1000 * 1000};
    for (int waited = 0; waited <= limit_ms; waited += LOOK_AGAIN_MS) {
        if (look(label, ret_partition))
            return 0;
        nanosleep(&nap, NULL);
    }
    return err_set(err, E_NOT_FOUND, "no disk has a partition %s", label);
}

int disks_mount(const struct disk_partition *p, const char *type, const char *where, bool read_only,
                const char *options, struct err *err)
{
    char device[DISK_NAME + 8];
    unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOATIME | (read_only ? MS_RDONLY | MS_NOEXEC : 0);
    snprintf(device, sizeof device, "/dev/%s", p->name);
    if (mount(device, where, type, flags, options) < 0)
        return err_set_errno(err, "mount %s as %s on %s", device, type, where);
    return 0;
}

int disks_mount_memory(const char *where, struct err *err)
{
    if (mount("state", where, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=50%") < 0)
        return err_set_errno(err, "mount memory on %s", where);
    return 0;
}

int disks_grow_ext4(const struct disk_partition *p, const char *where, struct err *err)
{
    char device[DISK_NAME + 8];
    uint64_t bytes = 0;
    struct stat st;
    int rc = 0;
    snprintf(device, sizeof device, "/dev/%s", p->name);
    int fd = open(device, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes) < 0)
        rc = err_set_errno(err, "size of %s", device);
    if (fd >= 0)
        close(fd);
    fd = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (rc == 0 && (fd < 0 || fstat(fd, &st) < 0))
        rc = err_set_errno(err, "%s", where);
    uint64_t blocks = rc == 0 ? bytes / (uint64_t)st.st_blksize : 0;
    if (rc == 0 && ioctl(fd, EXT4_RESIZE_FS, &blocks) < 0)
        rc = err_set_errno(err, "grow the file system on %s to %llu blocks", device, (unsigned long long)blocks);
    if (fd >= 0)
        close(fd);
    return rc;
}

int disks_unmount(const char *where)
{
    return umount2(where, UMOUNT_NOFOLLOW) < 0 ? -err_from_errno(errno) : 0;
}
