/* Owner, mode, extended attributes and times of what a layer holds. */
#include <errno.h>
#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "drivers/image/unpack_int.h"

/* File capabilities and what users put there. Overlay's own would forge whiteouts and redirects;
 * trusted.* and other security.* mean this machine's policies, not the image's. */
static bool wanted(const char *name)
{
    struct str s = str_of(name);
    if (str_is(s, "security.capability"))
        return true;
    return str_starts(s, STR("user.")) && !str_starts(s, STR("user.overlay."));
}

static int set_xattrs(int fd, const struct tar_entry *e, struct err *err)
{
    for (size_t i = 0; i < e->xattr_count; i++) {
        const struct tar_xattr *x = &e->xattrs[i];
        if (!wanted(x->name) || fsetxattr(fd, x->name, x->value.p, x->value.n, 0) == 0)
            continue;
        if (errno != EOPNOTSUPP && errno != EPERM && errno != EINVAL)
            return err_set_errno(err, "cannot set attribute %s", x->name);
    }
    return 0;
}

int unpack_attributes(struct unpack *u, int fd, const struct tar_entry *e, struct err *err)
{
    if (u->o->bare)
        return 0;
    /* In this order: changing the owner clears set-id bits and capabilities. */
    if (fchown(fd, e->uid, e->gid) < 0)
        return err_set_errno(err, "cannot set the owner");
    if (fchmod(fd, e->mode) < 0)
        return err_set_errno(err, "cannot set the mode");
    int rc = set_xattrs(fd, e, err);
    if (rc < 0 || e->type == TAR_DIRECTORY)
        return rc;
    const struct timespec times[2] = {{e->mtime_s, e->mtime_ns}, {e->mtime_s, e->mtime_ns}};
    if (futimens(fd, times) < 0 && errno != EINVAL)
        return err_set_errno(err, "cannot set the time");
    return 0;
}

int unpack_attributes_at(int dir_fd, const char *name, const struct tar_entry *e, struct err *err)
{
    const struct timespec times[2] = {{e->mtime_s, e->mtime_ns}, {e->mtime_s, e->mtime_ns}};
    if (fchownat(dir_fd, name, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) < 0)
        return err_set_errno(err, "cannot set the owner");
    if (e->type != TAR_SYMLINK && fchmodat(dir_fd, name, e->mode, 0) < 0)
        return err_set_errno(err, "cannot set the mode");
    if (utimensat(dir_fd, name, times, AT_SYMLINK_NOFOLLOW) < 0 && errno != EINVAL)
        return err_set_errno(err, "cannot set the time");
    return 0;
}

int unpack_keep_times(struct unpack *u, const struct tar_entry *e, struct err *err)
{
    struct unpack_times t = {e->mtime_s, e->mtime_ns, (uint32_t)strlen(u->path) + 1};
    buf_append(&u->times, &t, sizeof t);
    buf_append(&u->times, u->path, t.path_bytes);
    return u->times.failed ? err_set(err, E_LIMIT, "too many directories in one layer") : 0;
}

/* Last of all, because everything written into a directory changes its time. A directory that was
 * replaced meanwhile is passed over. */
void unpack_set_times(struct unpack *u)
{
    struct str rest = buf_str(&u->times);
    while (rest.n) {
        struct unpack_times t;
        memcpy(&t, rest.p, sizeof t);
        const char *path = rest.p + sizeof t;
        const struct timespec times[2] = {{t.s, t.ns}, {t.s, t.ns}};
        int fd;
        if (unpack_open(u, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, &fd) == 0) {
            futimens(fd, times);
            close(fd);
        }
        rest = str_make(rest.p + sizeof t + t.path_bytes, rest.n - sizeof t - t.path_bytes);
    }
}
