/*
 * A directory inside a directory is first moved up to the top of the tree, so that emptying needs
 * neither recursion nor long paths. See tree.h.
 */
#include "drivers/image/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static DIR *open_list(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    if (!list && fd >= 0)
        close(fd);
    return list;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int move_up(int from_fd, const char *name, int top_fd, unsigned long *serial)
{
    struct stat st;
    char up[64];
    do
        snprintf(up, sizeof up, ".remove-%lu", (*serial)++);
    while (fstatat(top_fd, up, &st, AT_SYMLINK_NOFOLLOW) == 0);
    return renameat(from_fd, name, top_fd, up) < 0 ? -err_from_errno(errno) : 0;
}

/* Empties one directory of the top level; its own directories go up. */
static int empty(int top_fd, const char *name, unsigned long *serial)
{
    DIR *list = open_list(top_fd, name);
    const struct dirent *e;
    int rc = 0;
    if (!list)
        return -err_from_errno(errno);
    while (rc == 0 && (e = readdir(list))) {
        if (is_dots(e->d_name) || unlinkat(dirfd(list), e->d_name, 0) == 0)
            continue;
        if (errno == EISDIR || errno == EPERM)
            rc = move_up(dirfd(list), e->d_name, top_fd, serial);
        else
            rc = -err_from_errno(errno);
    }
    closedir(list);
    return rc;
}

int tree_clear(int dir_fd)
{
    unsigned long serial = 0;
    bool again = true;
    while (again) {
        DIR *list = open_list(dir_fd, ".");
        const struct dirent *e;
        int rc = 0;
        if (!list)
            return -err_from_errno(errno);
        again = false;
        while (rc == 0 && (e = readdir(list))) {
            if (is_dots(e->d_name))
                continue;
            again = true; /* removing while listing may hide names: look once more */
            if (unlinkat(dir_fd, e->d_name, 0) == 0)
                continue;
            if (errno != EISDIR && errno != EPERM)
                rc = -err_from_errno(errno);
            else if (unlinkat(dir_fd, e->d_name, AT_REMOVEDIR) < 0)
                rc = errno == ENOTEMPTY || errno == EEXIST ? empty(dir_fd, e->d_name, &serial)
                                                           : -err_from_errno(errno);
        }
        closedir(list);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int tree_remove(int dir_fd, const char *name)
{
    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -err_from_errno(errno);
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -err_from_errno(errno);
    int rc = tree_clear(fd);
    close(fd);
    if (rc == 0 && unlinkat(dir_fd, name, AT_REMOVEDIR) < 0)
        rc = -err_from_errno(errno);
    return rc;
}
