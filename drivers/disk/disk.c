/*
 * Files relative to one directory descriptor; symbolic links are not followed. The only state is
 * the descriptor, so calls from several threads do not meet.
 */
#include "drivers/disk/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/mem.h"

struct disk_file {
    int fd;
};

struct disk_dir {
    int fd;
};

static int last_error(void)
{
    return -err_from_errno(errno);
}

static bool name_plain(const char *name)
{
    return name[0] && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int dir_open(void *ctx, const char *name, bool create, struct disk_file **ret_file)
{
    struct disk_dir *dir = ctx;
    if (!name_plain(name))
        return -E_BAD_REQUEST;
    struct disk_file *f = mem_alloc(sizeof(*f));
    if (!f)
        return -E_NOMEM;
    int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (create ? O_CREAT : 0);
    f->fd = openat(dir->fd, name, flags, 0600);
    struct stat st;
    if (f->fd < 0 || fstat(f->fd, &st)) {
        int rc = last_error();
        if (f->fd >= 0)
            close(f->fd);
        mem_free(f);
        return rc;
    }
    if (!S_ISREG(st.st_mode)) {
        close(f->fd);
        mem_free(f);
        return -E_BAD_REQUEST;
    }
    *ret_file = f;
    return 0;
}

static void dir_close(void *ctx, struct disk_file *f)
{
    (void)ctx;
    close(f->fd);
    mem_free(f);
}

static int dir_read(void *ctx, struct disk_file *f, uint64_t at, void *p, size_t n, size_t *ret_n)
{
    (void)ctx;
    size_t done = 0;
    while (done < n) {
        ssize_t got = pread(f->fd, (char *)p + done, n - done, (off_t)(at + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return last_error();
        if (got == 0)
            break;
        done += (size_t)got;
    }
    *ret_n = done;
    return 0;
}

static int dir_write(void *ctx, struct disk_file *f, uint64_t at, const void *p, size_t n)
{
    (void)ctx;
    for (size_t done = 0; done < n;) {
        ssize_t put = pwrite(f->fd, (const char *)p + done, n - done, (off_t)(at + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return last_error();
        if (put == 0)
            return -E_IO;
        done += (size_t)put;
    }
    return 0;
}

static int dir_sync(void *ctx, struct disk_file *f)
{
    (void)ctx;
    return fdatasync(f->fd) ? last_error() : 0;
}

static int dir_truncate(void *ctx, struct disk_file *f, uint64_t size)
{
    (void)ctx;
    return ftruncate(f->fd, (off_t)size) ? last_error() : 0;
}

static int dir_allocate(void *ctx, struct disk_file *f, uint64_t size)
{
    (void)ctx;
    int rc;
    do
        rc = fallocate(f->fd, 0, 0, (off_t)size);
    while (rc && errno == EINTR);
    if (rc && (errno == EOPNOTSUPP || errno == ENOSYS))
        return -E_UNSUPPORTED;
    return rc ? last_error() : 0;
}

static int dir_size(void *ctx, struct disk_file *f, uint64_t *ret_size)
{
    (void)ctx;
    struct stat st;
    if (fstat(f->fd, &st))
        return last_error();
    *ret_size = (uint64_t)st.st_size;
    return 0;
}

static int dir_rename(void *ctx, const char *from, const char *to)
{
    struct disk_dir *dir = ctx;
    if (!name_plain(from) || !name_plain(to))
        return -E_BAD_REQUEST;
    return renameat(dir->fd, from, dir->fd, to) ? last_error() : 0;
}

static int dir_unlink(void *ctx, const char *name)
{
    struct disk_dir *dir = ctx;
    if (!name_plain(name))
        return -E_BAD_REQUEST;
    return unlinkat(dir->fd, name, 0) ? last_error() : 0;
}

static int dir_sync_dir(void *ctx)
{
    struct disk_dir *dir = ctx;
    return fsync(dir->fd) ? last_error() : 0;
}

static int dir_list(void *ctx, int (*fn)(void *arg, const char *name), void *arg)
{
    struct disk_dir *dir = ctx;
    int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        int rc = last_error();
        if (fd >= 0)
            close(fd);
        return rc;
    }
    int rc = 0;
    for (;;) {
        errno = 0;
        struct dirent *e = readdir(d);
        if (!e) {
            rc = errno ? last_error() : 0;
            break;
        }
        if (!name_plain(e->d_name) || e->d_type == DT_DIR)
            continue;
        rc = fn(arg, e->d_name);
        if (rc)
            break;
    }
    closedir(d);
    return rc;
}

static int dir_free_bytes(void *ctx, uint64_t *ret_bytes)
{
    struct disk_dir *dir = ctx;
    struct statvfs st;
    if (fstatvfs(dir->fd, &st))
        return last_error();
    *ret_bytes = (uint64_t)st.f_bavail * st.f_frsize;
    return 0;
}

static void dir_done(void *ctx)
{
    struct disk_dir *dir = ctx;
    close(dir->fd);
    mem_free(dir);
}

static const struct disk_ops dir_ops = {
    .open = dir_open,
    .close = dir_close,
    .read = dir_read,
    .write = dir_write,
    .sync = dir_sync,
    .truncate = dir_truncate,
    .allocate = dir_allocate,
    .size = dir_size,
    .rename = dir_rename,
    .unlink = dir_unlink,
    .sync_dir = dir_sync_dir,
    .list = dir_list,
    .free_bytes = dir_free_bytes,
    .done = dir_done,
};

int disk_dir_open(int dirfd, struct disk *ret_disk)
{
    struct disk_dir *dir = mem_alloc(sizeof(*dir));
    if (!dir)
        return -E_NOMEM;
    dir->fd = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
    if (dir->fd < 0) {
        int rc = last_error();
        mem_free(dir);
        return rc;
    }
    *ret_disk = (struct disk){&dir_ops, dir};
    return 0;
}
