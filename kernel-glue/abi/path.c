/* openat2(2), which libc lacks, and what is built on it. See path.h. */
#include "kernel-glue/abi/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open2(int root_fd, const char *path, int flags, mode_t mode, unsigned long resolve, int *ret_fd)
{
    struct open_how how = {
        .flags = (unsigned)flags | O_CLOEXEC,
        .mode = flags & O_CREAT ? mode : 0,
        .resolve = resolve,
    };
    long fd;
    do /* EAGAIN: a rename elsewhere made the kernel unsure whether ".." stayed inside */
        fd = syscall(SYS_openat2, root_fd, path, &how, sizeof how);
    while (fd < 0 && (errno == EINTR || errno == EAGAIN));
    if (fd < 0)
        return -err_from_errno(errno);
    *ret_fd = (int)fd;
    return 0;
}

int path_open_in(int root_fd, const char *path, int flags, mode_t mode, int *ret_fd)
{
    return open2(root_fd, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS, ret_fd);
}

int path_open_plain(int root_fd, const char *path, int flags, bool one_mount, int *ret_fd)
{
    unsigned long resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS;
    return open2(root_fd, path, flags, 0, one_mount ? resolve | RESOLVE_NO_XDEV : resolve, ret_fd);
}

/* Makes one directory that openat2 said is missing: its parent is resolved first, so that the name
 * is made where the path leads and nowhere else. */
static int make_one(int root_fd, char *path, mode_t mode, uid_t uid, gid_t gid)
{
    char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    int parent, rc = 0;
    if (strcmp(name, "..") == 0 || strcmp(name, ".") == 0 || !name[0]) {
        errno = ENOENT;
        return -E_NOT_FOUND;
    }
    if (slash)
        *slash = 0;
    rc = path_open_in(root_fd, slash && path[0] ? path : ".", O_PATH | O_DIRECTORY, 0, &parent);
    if (rc == 0) {
        if (mkdirat(parent, name, mode) < 0) {
            if (errno != EEXIST)
                rc = -err_from_errno(errno);
        } else if ((uid || gid) && fchownat(parent, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
            rc = -err_from_errno(errno);
        close(parent);
    }
    if (slash)
        *slash = '/';
    return rc;
}

int path_make_dirs(int root_fd, const char *path, mode_t mode, uid_t uid, gid_t gid, int *ret_fd)
{
    char copy[PATH_MAX];
    size_t n = strlen(path);
    if (n >= sizeof copy) {
        errno = ENAMETOOLONG;
        return -E_LIMIT;
    }
    while (n > 1 && path[n - 1] == '/')
        n--;
    memcpy(copy, path, n);
    copy[n] = 0;
    if (path_open_in(root_fd, n ? copy : ".", O_PATH | O_DIRECTORY, 0, ret_fd) == 0)
        return 0;
    for (size_t at = 1; at <= n && errno == ENOENT; at++) {
        if (copy[at] != '/' && copy[at] != 0)
            continue;
        char keep = copy[at];
        int fd, rc = 0;
        copy[at] = 0;
        if (path_open_in(root_fd, copy, O_PATH | O_DIRECTORY, 0, &fd) == 0)
            close(fd);
        else if (errno == ENOENT)
            rc = make_one(root_fd, copy, mode, uid, gid);
        else
            rc = -err_from_errno(errno);
        if (rc < 0)
            return rc;
        copy[at] = keep;
        errno = ENOENT;
    }
    return path_open_in(root_fd, n ? copy : ".", O_PATH | O_DIRECTORY, 0, ret_fd);
}

int path_make_file(int root_fd, const char *path, mode_t mode, int *ret_fd)
{
    char copy[PATH_MAX];
    int fd, parent, rc = path_open_in(root_fd, path, O_PATH, 0, ret_fd);
    if (rc == 0 || errno != ENOENT)
        return rc;
    size_t n = strlen(path);
    if (n >= sizeof copy) {
        errno = ENAMETOOLONG;
        return -E_LIMIT;
    }
    memcpy(copy, path, n + 1);
    char *slash = strrchr(copy, '/');
    if (slash && slash != copy) {
        *slash = 0;
        if ((rc = path_make_dirs(root_fd, copy, 0755, 0, 0, &parent)) < 0)
            return rc;
        close(parent);
    }
    /* Through the kernel's resolver again: a link at the end must not lead out. */
    if ((rc = path_open_in(root_fd, path, O_WRONLY | O_CREAT | O_NOCTTY | O_NONBLOCK, mode, &fd)) < 0)
        return rc;
    close(fd);
    return path_open_in(root_fd, path, O_PATH, 0, ret_fd);
}

/* ---- removal ---- */

static bool dots(const char *name)
{
    return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* One entry of dir: removed when it is a file or an empty directory. 1: a directory with contents. */
static int remove_entry(int dir_fd, const char *name)
{
    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -err_from_errno(errno);
    if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    return errno == ENOTEMPTY || errno == EEXIST ? 1 : -err_from_errno(errno);
}

/* Empties the directory as far as its entries are leaves; the first sub-directory with contents is
 * opened into *ret_child with its name. Depth costs no stack: the caller goes down and comes back. */
static int clear_leaves(int dir_fd, char *ret_name, size_t size, int *ret_child)
{
    int copy = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
    DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
    struct dirent *e;
    *ret_child = -1;
    if (!d) {
        if (copy >= 0)
            close(copy);
        return -err_from_errno(errno);
    }
    while (rc == 0 && (e = readdir(d)))
        if (!dots(e->d_name) && (rc = remove_entry(dir_fd, e->d_name)) == 1) {
            snprintf(ret_name, size, "%s", e->d_name);
            rc = open2(dir_fd, e->d_name, O_RDONLY | O_DIRECTORY, 0,
                       RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH, ret_child);
            if (rc < 0 && errno == EXDEV)
                rc = -E_BUSY;
            break;
        }
    closedir(d);
    return rc;
}

int path_remove_tree(int dir_fd, const char *name)
{
    char child_name[NAME_MAX + 1];
    int rc = remove_entry(dir_fd, name), at, child;
    if (rc <= 0)
        return rc;
    /* Each round clears one chain of directories from the top; a round removes at least one level,
     * and every step is relative to an open descriptor, so a moved directory cannot lead us out. */
    while (rc == 1) {
        rc = open2(dir_fd, name, O_RDONLY | O_DIRECTORY, 0,
                   RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH, &at);
        if (rc < 0)
            return errno == EXDEV ? -E_BUSY : rc;
        while ((rc = clear_leaves(at, child_name, sizeof child_name, &child)) == 0 && child >= 0) {
            close(at);
            at = child;
        }
        close(at);
        if (rc == 0)
            rc = remove_entry(dir_fd, name);
    }
    return rc;
}

const char *path_of_fd(int fd, char ret_text[PATH_FD_TEXT])
{
    snprintf(ret_text, PATH_FD_TEXT, "/proc/self/fd/%d", fd);
    return ret_text;
}
