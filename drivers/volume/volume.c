/* See volume.h. */
#include "drivers/volume/volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kernel-glue/abi/mount.h"
#include "kernel-glue/abi/path.h"

enum { NAME_BYTES = 256 };

static int make_dir(int at, const char *name, mode_t mode, int *ret_fd, struct err *err)
{
    if (mkdirat(at, name, mode) < 0 && errno != EEXIST)
        return err_set_errno(err, "volume %s", name);
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, "volume %s", name);
    *ret_fd = fd;
    return 0;
}

/* fsGroup: the group owns it, may write it, and what is made inside belongs to it too. */
static int give_group(int fd, int64_t group, mode_t mode)
{
    if (group < 0)
        return fchmod(fd, mode);
    return fchown(fd, (uid_t)-1, (gid_t)group) < 0 ? -1 : fchmod(fd, mode | 02000 | 0070);
}

/* ---- emptyDir ---- */

static int empty_dir(int volumes, const struct runtime_volume *v, struct err *err)
{
    char size[48];
    const char *options[] = {"mode=0777", size, NULL};
    int dir, fd, rc = make_dir(volumes, v->name, 0777, &dir, err);
    if (rc < 0)
        return rc;
    snprintf(size, sizeof size, "size=%lld", (long long)v->size_limit_bytes);
    if (v->size_limit_bytes <= 0)
        options[1] = NULL;
    if (v->kind == RUNTIME_VOLUME_EMPTY_DIR_MEMORY && mount_magic(dir) == mount_magic(volumes)) {
        rc = mount_new("tmpfs", "tmpfs", options, 0, &fd, err);
        if (rc == 0) {
            if (mount_attach(fd, dir) < 0)
                rc = err_set_errno(err, "volume %s: mount", v->name);
            close(fd);
            close(dir);
            if (rc < 0)
                return rc;
            if ((rc = make_dir(volumes, v->name, 0777, &dir, err)) < 0) /* what is on top now */
                return rc;
        }
    }
    if (rc == 0 && give_group(dir, v->fs_group, 0777) < 0)
        rc = err_set_errno(err, "volume %s: group", v->name);
    close(dir);
    return rc;
}

/* ---- files ---- */

static bool path_ok(const char *path)
{
    struct str rest = str_of(path), part;
    if (!path[0] || path[0] == '/' || strlen(path) >= PATH_MAX || strncmp(path, "..", 2) == 0)
        return false;
    while (str_split(&rest, '/', &part))
        if (!part.n || str_is(part, "..") || str_is(part, ".") || part.n >= NAME_BYTES)
            return false;
    return true;
}

static int write_one(int dir, const struct runtime_file *f, int64_t group, struct err *err)
{
    char path[PATH_MAX];
    int fd, parent, rc = 0;
    str_copy(path, sizeof path, str_of(f->path));
    char *slash = strrchr(path, '/');
    if (slash) {
        *slash = 0;
        if (path_make_dirs(dir, path, 0755, 0, group >= 0 ? (gid_t)group : 0, &parent) < 0)
            return err_set_errno(err, "volume file %s", f->path);
        close(parent);
    }
    if (path_open_in(dir, f->path, O_WRONLY | O_CREAT | O_EXCL, 0600, &fd) < 0)
        return err_set_errno(err, "volume file %s", f->path);
    ssize_t n = f->content.n ? write(fd, f->content.p, f->content.n) : 0;
    mode_t mode = (f->mode & 0777) | (group >= 0 ? (f->mode & 0700) >> 3 & 0050 : 0);
    if (n != (ssize_t)f->content.n || (group >= 0 && fchown(fd, (uid_t)-1, (gid_t)group) < 0) || fchmod(fd, mode) < 0)
        rc = err_set_errno(err, "volume file %s", f->path);
    close(fd);
    return rc;
}

static bool same_file(int dir, const struct runtime_file *f)
{
    char piece[4096];
    size_t at = 0;
    int fd;
    bool same = true;
    ssize_t n = 0;
    if (path_open_plain(dir, f->path, O_RDONLY, true, &fd) < 0)
        return false;
    while (same && (n = read(fd, piece, sizeof piece)) > 0) {
        same = (size_t)n <= f->content.n - at && memcmp(piece, f->content.p + at, (size_t)n) == 0;
        at += same ? (size_t)n : 0;
    }
    close(fd);
    return same && n == 0 && at == f->content.n;
}

static size_t count_files(int dir)
{
    int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), child;
    DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
    struct dirent *e;
    size_t n = 0;
    while (d && (e = readdir(d))) {
        if (cstr_eq(e->d_name, ".") || cstr_eq(e->d_name, ".."))
            continue;
        if (path_open_plain(dir, e->d_name, O_RDONLY | O_DIRECTORY, true, &child) == 0) {
            n += count_files(child);
            close(child);
        } else
            n++;
    }
    if (d)
        closedir(d);
    return n;
}

/* The present contents are exactly these files. */
static bool unchanged(int volume, const char *data, const struct runtime_volume *v)
{
    int dir;
    bool same = data[0] && path_open_plain(volume, data, O_RDONLY | O_DIRECTORY, true, &dir) == 0;
    if (!same)
        return false;
    for (size_t i = 0; i < v->file_count && same; i++)
        same = same_file(dir, &v->files[i]);
    same = same && count_files(dir) == v->file_count;
    close(dir);
    return same;
}

/* A link for the first component of each path, and none for those that are gone. */
static int set_links(int volume, const struct runtime_volume *v, struct err *err)
{
    char first[NAME_BYTES], target[NAME_BYTES + 16];
    for (size_t i = 0; i < v->file_count; i++) {
        const char *slash = strchr(v->files[i].path, '/');
        str_copy(first, sizeof first, slash ? str_make(v->files[i].path, (size_t)(slash - v->files[i].path))
                                            : str_of(v->files[i].path));
        snprintf(target, sizeof target, "..data/%s", first);
        if (symlinkat(target, volume, first) < 0 && errno != EEXIST)
            return err_set_errno(err, "volume file %s", first);
    }
    return 0;
}

static bool wanted(const struct runtime_volume *v, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < v->file_count; i++)
        if (strncmp(v->files[i].path, name, n) == 0 && (!v->files[i].path[n] || v->files[i].path[n] == '/'))
            return true;
    return false;
}

static void drop_links(int volume, const struct runtime_volume *v)
{
    int copy = openat(volume, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
    struct dirent *e;
    while (d && (e = readdir(d)))
        if (strncmp(e->d_name, "..", 2) != 0 && !cstr_eq(e->d_name, ".") && !wanted(v, e->d_name))
            unlinkat(volume, e->d_name, 0);
    if (d)
        closedir(d);
}

static int write_all(int dir, const struct runtime_volume *v, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < v->file_count; i++)
        rc = path_ok(v->files[i].path) ? write_one(dir, &v->files[i], v->fs_group, err)
                                       : err_set(err, E_INVALID, "volume file %s: bad path", v->files[i].path);
    return rc;
}

/* "..2006_01_02_15_04_05.123456789" as upstream names it. */
static void stamp(char *dst, size_t size)
{
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    snprintf(dst, size, "..%04d_%02d_%02d_%02d_%02d_%02d.%09ld", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
             tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec);
}

static int replace(int volume, const char *old, const struct runtime_volume *v, struct err *err)
{
    char name[NAME_BYTES];
    int dir, rc;
    stamp(name, sizeof name);
    if ((rc = make_dir(volume, name, 0755, &dir, err)) < 0)
        return rc;
    if ((rc = write_all(dir, v, err)) == 0 && give_group(dir, v->fs_group, 0755) < 0)
        rc = err_set_errno(err, "volume %s", v->name);
    close(dir);
    unlinkat(volume, "..data_tmp", 0);
    if (rc == 0 && (symlinkat(name, volume, "..data_tmp") < 0 || renameat(volume, "..data_tmp", volume, "..data") < 0))
        rc = err_set_errno(err, "volume %s", v->name);
    if (rc == 0)
        rc = set_links(volume, v, err);
    if (rc == 0)
        drop_links(volume, v);
    const char *leave = rc == 0 ? old : name;
    if (leave[0] && path_remove_tree(volume, leave) < 0 && rc == 0)
        rc = err_set(err, E_IO, "volume %s: its former contents stayed", v->name);
    return rc;
}

static int files(int volumes, const struct runtime_volume *v, struct err *err)
{
    char old[NAME_BYTES] = "";
    int volume, rc = make_dir(volumes, v->name, 0755, &volume, err);
    if (rc < 0)
        return rc;
    if (fchmod(volume, 0755) < 0)
        rc = err_set_errno(err, "volume %s", v->name);
    ssize_t n = readlinkat(volume, "..data", old, sizeof old - 1);
    old[n > 0 ? n : 0] = 0;
    if (strncmp(old, "..", 2) != 0 || strchr(old, '/'))
        old[0] = 0;
    if (rc == 0 && !unchanged(volume, old, v))
        rc = replace(volume, old, v, err);
    close(volume);
    return rc;
}

int volume_set(int volumes_fd, const struct runtime_volume *v, struct err *err)
{
    return v->kind == RUNTIME_VOLUME_FILES ? files(volumes_fd, v, err) : empty_dir(volumes_fd, v, err);
}

void volume_unmount_all(int volumes_fd)
{
    int copy = openat(volumes_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
    struct dirent *e;
    char path[PATH_FD_TEXT + NAME_BYTES + 1], base[PATH_FD_TEXT];
    while (d && (e = readdir(d))) {
        if (cstr_eq(e->d_name, ".") || cstr_eq(e->d_name, ".."))
            continue;
        snprintf(path, sizeof path, "%s/%s", path_of_fd(volumes_fd, base), e->d_name);
        while (mount_detach(path) == 0)
            ;
    }
    if (d)
        closedir(d);
}

/* ---- hostPath ---- */

int volume_host_path(const char *path, const char *type, struct err *err)
{
    static const struct {
        const char *name;
        mode_t kind;
    } kinds[] = {{"Directory", S_IFDIR}, {"DirectoryOrCreate", S_IFDIR}, {"File", S_IFREG},
                 {"FileOrCreate", S_IFREG}, {"Socket", S_IFSOCK}, {"CharDevice", S_IFCHR}, {"BlockDevice", S_IFBLK}};
    struct stat st;
    mode_t kind = 0;
    if (!type || !type[0])
        return 0;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (cstr_eq(type, kinds[i].name))
            kind = kinds[i].kind;
    if (!kind || path[0] != '/')
        return err_set(err, E_INVALID, "hostPath %s: bad path or type %s", path, type);
    if (stat(path, &st) == 0)
        return (st.st_mode & S_IFMT) == kind ? 0
                                             : err_set(err, E_INVALID, "hostPath type check failed: %s is not a %s", path, type);
    if (errno != ENOENT || !strstr(type, "OrCreate"))
        return err_set_errno(err, "hostPath type check failed: %s is not a %s", path, type);
    int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), fd;
    int rc = kind == S_IFDIR ? path_make_dirs(root, path, 0755, 0, 0, &fd) : path_make_file(root, path, 0644, &fd);
    if (rc < 0)
        rc = err_set_errno(err, "hostPath %s", path);
    else
        close(fd);
    close(root);
    return rc;
}
