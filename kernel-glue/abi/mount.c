/* See mount.h. */
#include "kernel-glue/abi/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { DETACH = 2 /* MNT_DETACH */, NO_FOLLOW = 8 /* UMOUNT_NOFOLLOW */ };
enum { PROPAGATE_PRIVATE = 1 << 18, PROPAGATE_SLAVE = 1 << 19, PROPAGATE_SHARED = 1 << 20,
       PROPAGATE_UNBINDABLE = 1 << 17, RECURSIVE = 0x8000 /* AT_RECURSIVE */ };

static int result(long rc)
{
    return rc < 0 ? -err_from_errno(errno) : 0;
}

static uint64_t attributes_of(unsigned ours)
{
    uint64_t a = 0;
    if (ours & MOUNT_READ_ONLY)
        a |= MOUNT_ATTR_RDONLY;
    if (ours & MOUNT_NO_SUID)
        a |= MOUNT_ATTR_NOSUID;
    if (ours & MOUNT_NO_DEV)
        a |= MOUNT_ATTR_NODEV;
    if (ours & MOUNT_NO_EXEC)
        a |= MOUNT_ATTR_NOEXEC;
    if (ours & MOUNT_NO_ATIME)
        a |= MOUNT_ATTR_NOATIME;
    if (ours & MOUNT_STRICT_ATIME)
        a |= MOUNT_ATTR_STRICTATIME;
    if (ours & MOUNT_NO_DIR_ATIME)
        a |= MOUNT_ATTR_NODIRATIME;
    if (ours & MOUNT_NO_SYMLINK_FOLLOW)
        a |= MOUNT_ATTR_NOSYMFOLLOW;
    return a;
}

/* What the kernel wrote about the last failure ("e overlay: ..."), without its level. */
static int kernel_words(int fs, const char *type, struct err *err)
{
    char text[400];
    int keep = errno;
    ssize_t n = read(fs, text, sizeof text - 1);
    errno = keep;
    if (n <= 2)
        return err_set_errno(err, "mount %s", type);
    text[n] = 0;
    text[strcspn(text, "\n")] = 0;
    return err_set_errno(err, "mount %s: %s", type, text + 2);
}

static int set_option(int fs, const char *option)
{
    char key[64];
    const char *eq = strchr(option, '=');
    if (!eq)
        return result(syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, option, NULL, 0));
    if (!str_copy(key, sizeof key, str_make(option, (size_t)(eq - option)))) {
        errno = EINVAL;
        return -E_BAD_REQUEST;
    }
    return result(syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, eq + 1, 0));
}

int mount_new(const char *type, const char *source, const char *const *options, unsigned attributes,
              int *ret_fd, struct err *err)
{
    long fs = syscall(SYS_fsopen, type, FSOPEN_CLOEXEC), m = -1;
    int rc = 0;
    if (fs < 0)
        return err_set_errno(err, "mount %s", type);
    if (source)
        rc = result(syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "source", source, 0));
    for (; rc == 0 && options && *options; options++)
        rc = set_option((int)fs, *options);
    if (rc == 0)
        rc = result(syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
    if (rc == 0) {
        m = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes_of(attributes));
        rc = result(m);
    }
    if (rc < 0)
        rc = kernel_words((int)fs, type, err);
    else
        *ret_fd = (int)m;
    close((int)fs);
    return rc;
}

int mount_clone(int fd, bool recursive, int *ret_fd)
{
    long m = syscall(SYS_open_tree, fd, "", (long)(OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC) | AT_EMPTY_PATH |
                                                (recursive ? RECURSIVE : 0));
    if (m >= 0)
        *ret_fd = (int)m;
    return result(m);
}

int mount_set(int mount_fd, unsigned set, unsigned clear, enum mount_propagation propagation, bool recursive)
{
    static const unsigned kinds[] = {[MOUNT_KEEP] = 0, [MOUNT_PRIVATE] = PROPAGATE_PRIVATE,
                                     [MOUNT_SLAVE] = PROPAGATE_SLAVE, [MOUNT_SHARED] = PROPAGATE_SHARED,
                                     [MOUNT_UNBINDABLE] = PROPAGATE_UNBINDABLE};
    struct mount_attr attr = {
        .attr_set = attributes_of(set),
        .attr_clr = attributes_of(clear),
        .propagation = kinds[propagation],
    };
    if (attr.attr_set & (MOUNT_ATTR_NOATIME | MOUNT_ATTR_STRICTATIME))
        attr.attr_clr |= MOUNT_ATTR__ATIME;
    return result(syscall(SYS_mount_setattr, mount_fd, "", AT_EMPTY_PATH | (recursive ? RECURSIVE : 0), &attr,
                          MOUNT_ATTR_SIZE_VER0));
}

int mount_attach(int mount_fd, int target_fd)
{
    return result(syscall(SYS_move_mount, mount_fd, "", target_fd, "",
                          MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
}

int mount_set_root_propagation(enum mount_propagation propagation)
{
    int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return result(fd);
    int rc = mount_set(fd, 0, 0, propagation, true);
    close(fd);
    return rc;
}

int mount_pivot(int fd)
{
    if (fchdir(fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
        return result(-1);
    /* The old root lies on top of the new one now, at ".". */
    if (syscall(SYS_umount2, ".", DETACH) < 0 || chdir("/") < 0)
        return result(-1);
    return 0;
}

int mount_detach(const char *path)
{
    return result(syscall(SYS_umount2, path, DETACH | NO_FOLLOW));
}

uint32_t mount_magic(int fd)
{
    struct statfs s;
    return fstatfs(fd, &s) < 0 ? 0 : (uint32_t)s.f_type;
}
