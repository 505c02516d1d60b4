/* See file.h. */
#include "kernel-glue/boot/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int file_make_dir(int at_fd, const char *path, mode_t mode, uid_t uid, int *ret_fd, struct err *err)
{
    char part[PATH_MAX];
    if (!str_copy(part, sizeof part, str_of(path)))
        return err_set(err, E_TOO_LARGE, "path is too long");
    for (char *p = part + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = 0;
        if (mkdirat(at_fd, part, 0755) < 0 && errno != EEXIST)
            return err_set_errno(err, "%s: mkdir", part);
        *p = '/';
    }
    if (mkdirat(at_fd, part, mode) < 0 && errno != EEXIST)
        return err_set_errno(err, "%s: mkdir", part);
    int fd = openat(at_fd, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, "%s: open", part);
    if (uid != (uid_t)-1 && (fchown(fd, uid, (gid_t)uid) < 0 || fchmod(fd, mode) < 0)) {
        int rc = err_set_errno(err, "%s: set owner and mode", part);
        close(fd);
        return rc;
    }
    *ret_fd = fd;
    return 0;
}

static int open_at(int at_fd, const char *path, int flags, mode_t mode, int *ret_fd, struct err *err)
{
    int fd = openat(at_fd, path, flags | O_CLOEXEC, mode);
    if (fd < 0)
        return err_set_errno(err, "%s: open", path);
    *ret_fd = fd;
    return 0;
}

int file_open_dir(int at_fd, const char *path, int *ret_fd, struct err *err)
{
    return open_at(at_fd, path, O_RDONLY | O_DIRECTORY, 0, ret_fd, err);
}

int file_open(int at_fd, const char *path, int *ret_fd, struct err *err)
{
    return open_at(at_fd, path, O_RDONLY, 0, ret_fd, err);
}

int file_open_nonblocking(int at_fd, const char *path, int *ret_fd, struct err *err)
{
    return open_at(at_fd, path, O_RDONLY | O_NONBLOCK, 0, ret_fd, err);
}

int file_open_append(int at_fd, const char *path, mode_t mode, int *ret_fd, struct err *err)
{
    return open_at(at_fd, path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, mode, ret_fd, err);
}

int file_read_fd(int fd, char *buffer, size_t size, size_t *ret_n, struct err *err)
{
    size_t n = 0;
    bool seekable = lseek(fd, 0, SEEK_SET) == 0;
    (void)seekable; /* files of /proc are read from where they stand: their beginning */
    while (n < size) {
        ssize_t got = read(fd, buffer + n, size - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_set_errno(err, "read");
        if (got == 0) {
            buffer[n] = 0;
            *ret_n = n;
            return 0;
        }
        n += (size_t)got;
    }
    return err_set(err, E_TOO_LARGE, "is larger than %zu bytes", size - 1);
}

int file_read(int at_fd, const char *path, char *buffer, size_t size, size_t *ret_n, struct err *err)
{
    int fd, rc = file_open(at_fd, path, &fd, err);
    if (rc < 0)
        return rc;
    rc = file_read_fd(fd, buffer, size, ret_n, err);
    close(fd);
    return rc < 0 ? err_wrap(err, rc, "%s", path) : 0;
}

static int write_all(int fd, struct str s)
{
    while (s.n) {
        ssize_t n = write(fd, s.p, s.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        s = str_make(s.p + n, s.n - (size_t)n);
    }
    return 0;
}

/* Makes the new name durable: the directory that holds it is synced. */
static int sync_parent(int at_fd, const char *path)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    struct str parent = slash ? str_make(path, slash == path ? 1 : (size_t)(slash - path)) : STR(".");
    if (!str_copy(dir, sizeof dir, parent)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = openat(at_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int rc = fsync(fd);
    close(fd);
    return rc;
}

int file_write_atomic(int at_fd, const char *path, struct str content, mode_t mode, struct err *err)
{
    char temporary[PATH_MAX];
    if (snprintf(temporary, sizeof temporary, "%s.new", path) >= (int)sizeof temporary)
        return err_set(err, E_TOO_LARGE, "path is too long");
    unlinkat(at_fd, temporary, 0);
    int fd = openat(at_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return err_set_errno(err, "%s: create", temporary);
    int rc = 0;
    if (write_all(fd, content) < 0 || fsync(fd) < 0)
        rc = err_set_errno(err, "%s: write", temporary);
    close(fd);
    if (rc == 0 && (renameat(at_fd, temporary, at_fd, path) < 0 || sync_parent(at_fd, path) < 0))
        rc = err_set_errno(err, "%s: replace", path);
    if (rc < 0)
        unlinkat(at_fd, temporary, 0);
    return rc;
}

int file_put(const char *path, const char *text, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, "%s: open", path);
    int rc = write_all(fd, str_of(text)) < 0 ? err_set_errno(err, "%s: write '%s'", path, text) : 0;
    close(fd);
    return rc;
}

int file_rename(int at_fd, const char *from, const char *to)
{
    return renameat(at_fd, from, at_fd, to) < 0 ? -err_from_errno(errno) : 0;
}

bool file_real_path(int fd, char *path, size_t size)
{
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, size);
    if (n <= 0 || (size_t)n >= size)
        return false;
    path[n] = 0;
    return true;
}

int64_t file_time(int at_fd, const char *path)
{
    struct stat st;
    return fstatat(at_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : (int64_t)st.st_mtime;
}

bool file_exists(int at_fd, const char *path)
{
    return faccessat(at_fd, path, F_OK, 0) == 0;
}

int file_memory(const char *name, struct str content, int *ret_fd, struct err *err)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return err_set_errno(err, "memory for %s", name);
    if (write_all(fd, content) < 0 || lseek(fd, 0, SEEK_SET) < 0) {
        int rc = err_set_errno(err, "write %s to memory", name);
        close(fd);
        return rc;
    }
    *ret_fd = fd;
    return 0;
}
