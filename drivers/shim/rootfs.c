/*
 * The container's root: file systems, volumes, device nodes, masked and read-only paths. Every
 * target is opened first, inside the new root (openat2), judged by its descriptor, and mounted upon
 * by that descriptor: a path that changes meanwhile changes nothing.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "drivers/shim/launch.h"
#include "kernel-glue/abi/mount.h"
#include "kernel-glue/abi/path.h"
#include "kernel-glue/abi/process.h"

static bool is_kernel_fs(const char *type)
{
    return cstr_eq(type, "proc") || cstr_eq(type, "sysfs");
}

/* /proc and /sys must be real directories of the image, not links that lead elsewhere
 * (CVE-2019-19921); nothing else may be mounted inside /proc (CVE-2019-16884). */
static int open_target(int root, const struct plan_mount *m, int *ret_fd, struct err *err)
{
    int rc;
    if (is_kernel_fs(m->type)) {
        rc = path_open_plain(root, m->destination, O_PATH | O_DIRECTORY, false, ret_fd);
        if (rc == -E_NOT_FOUND)
            rc = path_make_dirs(root, m->destination, 0755, 0, 0, ret_fd);
        return rc < 0 ? err_set_errno(err, "mount %s at %s", m->type, m->destination) : 0;
    }
    if (m->fd >= 0 && !m->is_dir)
        rc = path_make_file(root, m->destination, 0644, ret_fd);
    else
        rc = path_make_dirs(root, m->destination, 0755, 0, 0, ret_fd);
    if (rc < 0)
        return err_set_errno(err, "mount point %s", m->destination);
    if (mount_magic(*ret_fd) == MOUNT_MAGIC_PROC) {
        close(*ret_fd);
        return err_set(err, E_PERM, "mount at %s: nothing may be mounted inside /proc", m->destination);
    }
    return 0;
}

static int do_mount(const struct launch *l, const struct plan_mount *m, struct err *err)
{
    int target, fd, rc = open_target(l->root_fd, m, &target, err);
    if (rc < 0)
        return rc;
    if (m->fd >= 0)
        fd = (unsigned)m->fd < l->mount_fd_count ? l->mount_fds[m->fd] : -1;
    else
        rc = mount_new(m->type, m->source[0] ? m->source : m->type, m->options, m->attributes, &fd, err);
    if (rc == 0 && mount_attach(fd, target) < 0)
        rc = err_set_errno(err, "mount at %s", m->destination);
    if (m->fd < 0 && rc == 0)
        close(fd);
    close(target);
    return rc < 0 ? err_wrap(err, rc, "container root") : 0;
}

/* ---- /dev ---- */

static int make_node(int dev, const char *name, mode_t mode, dev_t number, uid_t uid, gid_t gid)
{
    return mknodat(dev, name, mode, number) < 0 || fchmodat(dev, name, mode & 07777, 0) < 0 ||
                   fchownat(dev, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0
               ? -1
               : 0;
}

static int standard_devices(const struct launch *l, struct err *err)
{
    static const struct {
        const char *name;
        unsigned major, minor;
    } nodes[] = {{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};
    static const char *const links[][2] = {{"/proc/self/fd", "fd"}, {"/proc/self/fd/0", "stdin"},
                                           {"/proc/self/fd/1", "stdout"}, {"/proc/self/fd/2", "stderr"},
                                           {"pts/ptmx", "ptmx"}, {"/proc/kcore", "core"}};
    int dev, rc = path_open_plain(l->root_fd, "/dev", O_PATH | O_DIRECTORY, false, &dev);
    if (rc < 0)
        return err_set_errno(err, "/dev of the container");
    if (mount_magic(dev) != MOUNT_MAGIC_TMPFS)
        rc = err_set(err, E_PERM, "/dev of the container is no tmpfs");
    for (size_t i = 0; rc == 0 && i < sizeof nodes / sizeof nodes[0]; i++)
        if (make_node(dev, nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor), 0, 0) < 0)
            rc = err_set_errno(err, "/dev/%s", nodes[i].name);
    for (size_t i = 0; rc == 0 && i < sizeof links / sizeof links[0]; i++)
        if (symlinkat(links[i][0], dev, links[i][1]) < 0)
            rc = err_set_errno(err, "/dev/%s", links[i][1]);
    close(dev);
    return rc;
}

static int further_devices(const struct launch *l, struct err *err)
{
    for (size_t i = 0; i < l->plan->device_count; i++) {
        const struct plan_device *d = &l->plan->devices[i];
        const char *slash = strrchr(d->path, '/');
        mode_t type = d->type == 'b' ? S_IFBLK : d->type == 'p' ? S_IFIFO : S_IFCHR;
        int dir, failed;
        char *parent = slash ? arena_strndup(l->a, d->path, (size_t)(slash - d->path)) : NULL;
        if (!parent || path_make_dirs(l->root_fd, parent[0] ? parent : "/", 0755, 0, 0, &dir) < 0)
            return err_set_errno(err, "device %s", d->path);
        unlinkat(dir, slash + 1, 0);
        failed = make_node(dir, slash + 1, type | (mode_t)(d->mode & 0777),
                           makedev((unsigned)d->major, (unsigned)d->minor), (uid_t)d->uid, (gid_t)d->gid);
        if (failed)
            err_set_errno(err, "device %s", d->path);
        close(dir);
        if (failed)
            return -E_IO;
    }
    return 0;
}

/* ---- masked and read-only paths ---- */

/* A clone of /dev/null that is proven to be the null device (CVE-2025-31133). */
static int null_mount(int root, int *ret_fd)
{
    struct stat st;
    int fd, rc = path_open_plain(root, "/dev/null", O_PATH, false, &fd);
    if (rc < 0)
        return rc;
    if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
        rc = -E_PERM;
    else
        rc = mount_clone(fd, false, ret_fd);
    close(fd);
    return rc;
}

static int mask(int root, const char *path, struct err *err)
{
    static const char *const options[] = {"mode=0", "nr_inodes=1", NULL};
    struct stat st;
    int target, cover, rc = path_open_plain(root, path, O_PATH, false, &target);
    if (rc == -E_NOT_FOUND)
        return 0;
    if (rc < 0)
        return err_set_errno(err, "mask %s", path);
    if (fstat(target, &st) < 0)
        rc = err_set_errno(err, "mask %s", path);
    else if (S_ISDIR(st.st_mode))
        rc = mount_new("tmpfs", "tmpfs", options, MOUNT_READ_ONLY | MOUNT_NO_SUID | MOUNT_NO_DEV | MOUNT_NO_EXEC,
                       &cover, err);
    else if ((rc = null_mount(root, &cover)) < 0)
        rc = err_set(err, E_PERM, "mask %s: /dev/null of the container is not the null device", path);
    if (rc == 0) {
        if (mount_attach(cover, target) < 0)
            rc = err_set_errno(err, "mask %s", path);
        close(cover);
    }
    close(target);
    return rc;
}

static int make_read_only(int root, const char *path, struct err *err)
{
    int target, copy, rc = path_open_plain(root, path, O_PATH, false, &target);
    if (rc == -E_NOT_FOUND)
        return 0;
    if (rc < 0)
        return err_set_errno(err, "read-only %s", path);
    if (mount_clone(target, true, &copy) < 0)
        rc = err_set_errno(err, "read-only %s", path);
    else {
        if (mount_set(copy, MOUNT_READ_ONLY, 0, MOUNT_KEEP, true) < 0 || mount_attach(copy, target) < 0)
            rc = err_set_errno(err, "read-only %s", path);
        close(copy);
    }
    close(target);
    return rc;
}

/* ---- all ---- */

/* Any directory that surely exists serves as the place where the root is attached before the pivot:
 * nothing outside this mount namespace sees it. */
static int attach_root(int root_fd, struct err *err)
{
    int target, rc = 0;
    if (mount_set_root_propagation(MOUNT_PRIVATE) < 0)
        return err_set_errno(err, "mount propagation");
    target = open("/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (target < 0 || mount_attach(root_fd, target) < 0)
        rc = err_set_errno(err, "attach the container's root");
    if (target >= 0)
        close(target);
    return rc;
}

int launch_rootfs(struct launch *l, struct err *err)
{
    const struct plan *p = l->plan;
    int rc = attach_root(l->root_fd, err);
    umask(0);
    for (size_t i = 0; rc == 0 && i < p->mount_count; i++)
        rc = do_mount(l, &p->mounts[i], err);
    if (rc == 0 && p->flags & PLAN_DEVICES)
        rc = standard_devices(l, err);
    if (rc == 0)
        rc = further_devices(l, err);
    for (size_t i = 0; rc == 0 && i < p->read_only_count; i++)
        rc = make_read_only(l->root_fd, p->read_only[i], err);
    for (size_t i = 0; rc == 0 && i < p->mask_count; i++)
        rc = mask(l->root_fd, p->masks[i], err);
    if (rc == 0 && p->flags & PLAN_ROOT_READ_ONLY &&
        mount_set(l->root_fd, MOUNT_READ_ONLY, 0, MOUNT_KEEP, false) < 0)
        rc = err_set_errno(err, "read-only root");
    if (rc == 0 && mount_pivot(l->root_fd) < 0)
        rc = err_set_errno(err, "pivot_root");
    return rc;
}
