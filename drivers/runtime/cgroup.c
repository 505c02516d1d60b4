/* See cgroup.h. */
#include "drivers/runtime/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel-glue/abi/mount.h"

static const char *const controllers[] = {"cpu", "memory", "pids", "io", "cpuset", "hugetlb"};

int cgroup_root_open(int *ret_fd, struct err *err)
{
    static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        int fd = open(places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0 && mount_magic(fd) == MOUNT_MAGIC_CGROUP2) {
            *ret_fd = fd;
            return 0;
        }
        if (fd >= 0)
            close(fd);
    }
    return mount_new("cgroup2", "cgroup2", NULL, MOUNT_NO_SUID | MOUNT_NO_DEV | MOUNT_NO_EXEC, ret_fd, err);
}

static int write_file(int dir, const char *file, const char *text)
{
    int fd = openat(dir, file, O_WRONLY | O_CLOEXEC), rc = 0;
    if (fd < 0)
        return -err_from_errno(errno);
    if (write(fd, text, strlen(text)) < 0)
        rc = -err_from_errno(errno);
    close(fd);
    return rc;
}

static struct str read_text(int dir, const char *file, char *buffer, size_t size)
{
    int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, buffer, size);
    if (fd >= 0)
        close(fd);
    return str_make(buffer, n > 0 ? (size_t)n : 0);
}

int64_t cgroup_read(int fd, const char *file, const char *key)
{
    char text[4096];
    struct str rest = read_text(fd, file, text, sizeof text), line;
    int64_t v;
    if (!key)
        return str_to_i64(str_trim(rest), &v) == 0 ? v : -1;
    size_t n = strlen(key);
    while (str_split(&rest, '\n', &line))
        if (line.n > n && memcmp(line.p, key, n) == 0 && line.p[n] == ' ' &&
            str_to_i64(str_make(line.p + n + 1, line.n - n - 1), &v) == 0)
            return v;
    return -1;
}

static bool has_controller(int fd, const char *name)
{
    char text[256];
    struct str rest = str_trim(read_text(fd, "cgroup.controllers", text, sizeof text)), part;
    while (str_split(&rest, ' ', &part))
        if (str_is(part, name))
            return true;
    return false;
}

bool cgroup_has_limits(int root_fd)
{
    return has_controller(root_fd, "memory") && has_controller(root_fd, "cpu") && has_controller(root_fd, "pids");
}

/* One by one: one controller that is refused must not take the others along. */
static void enable_controllers(int fd)
{
    char text[32];
    for (size_t i = 0; i < sizeof controllers / sizeof controllers[0]; i++) {
        if (!has_controller(fd, controllers[i]))
            continue;
        snprintf(text, sizeof text, "+%s", controllers[i]);
        if (write_file(fd, "cgroup.subtree_control", text) < 0)
            continue;
    }
}

int cgroup_make(int root_fd, const char *path, int *ret_fd, struct err *err)
{
    struct str rest = str_of(path), part;
    char name[NAME_MAX + 1];
    int at = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (at >= 0 && str_split(&rest, '/', &part)) {
        if (!part.n)
            continue;
        if (!str_copy(name, sizeof name, part) || cstr_eq(name, "..") || cstr_eq(name, ".")) {
            close(at);
            return err_set(err, E_BAD_REQUEST, "cgroup %s: bad path", path);
        }
        enable_controllers(at);
        int next = mkdirat(at, name, 0755) < 0 && errno != EEXIST
                       ? -1
                       : openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        int keep = errno;
        close(at);
        errno = keep;
        at = next;
    }
    if (at < 0)
        return err_set_errno(err, "cgroup %s", path);
    *ret_fd = at;
    return 0;
}

/* ---- limits ---- */

static int put(int fd, const char *file, const char *value, struct err *err)
{
    int rc = write_file(fd, file, value);
    if (rc == -E_NOT_FOUND || rc == -E_PERM) /* no such controller here */
        return 0;
    return rc < 0 ? err_set(err, -rc, "%s = %s: %s", file, value, err_text(rc)) : 0;
}

static int put_number(int fd, const char *file, int64_t v, struct err *err)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)v);
    return put(fd, file, v < 0 ? "max" : text, err);
}

int cgroup_apply(int fd, const struct container_resources *r, struct err *err)
{
    char text[64];
    int rc = 0;
    if (r->memory_limit > 0)
        rc = put_number(fd, "memory.max", r->memory_limit, err);
    if (rc == 0 && r->memory_limit > 0) /* no swapping around the limit */
        rc = put_number(fd, "memory.swap.max",
                        r->memory_swap > r->memory_limit ? r->memory_swap - r->memory_limit : 0, err);
    if (rc == 0 && r->memory_reservation > 0)
        rc = put_number(fd, "memory.low", r->memory_reservation, err);
    if (rc == 0 && r->cpu_shares > 0) { /* 2..262144 to 1..10000, as upstream */
        int64_t shares = r->cpu_shares < 2 ? 2 : r->cpu_shares > 262144 ? 262144 : r->cpu_shares;
        rc = put_number(fd, "cpu.weight", 1 + (shares - 2) * 9999 / 262142, err);
    }
    if (rc == 0 && (r->cpu_quota > 0 || r->cpu_period > 0)) {
        int64_t period = r->cpu_period > 0 ? r->cpu_period : 100000;
        if (r->cpu_quota > 0)
            snprintf(text, sizeof text, "%lld %lld", (long long)r->cpu_quota, (long long)period);
        else
            snprintf(text, sizeof text, "max %lld", (long long)period);
        rc = put(fd, "cpu.max", text, err);
    }
    if (rc == 0 && r->pids_limit > 0)
        rc = put_number(fd, "pids.max", r->pids_limit, err);
    if (rc == 0 && r->cpus && r->cpus[0])
        rc = put(fd, "cpuset.cpus", r->cpus, err);
    if (rc == 0 && r->mems && r->mems[0])
        rc = put(fd, "cpuset.mems", r->mems, err);
    for (size_t i = 0; rc == 0 && i < r->unified_count; i++)
        rc = strchr(r->unified[i].name, '/') ? err_set(err, E_INVALID, "cgroup file %s: bad name", r->unified[i].name)
                                             : put(fd, r->unified[i].name, r->unified[i].value, err);
    return rc;
}

void cgroup_end_whole(int fd)
{
    int rc = write_file(fd, "memory.oom.group", "1");
    (void)rc; /* without the controller there is nothing to end it for */
}

/* ---- the end ---- */

static int open_path(int root_fd, const char *path, int *ret_fd)
{
    while (*path == '/')
        path++;
    int fd = openat(root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -err_from_errno(errno);
    *ret_fd = fd;
    return 0;
}

int cgroup_kill(int root_fd, const char *path)
{
    int fd = -1, rc = open_path(root_fd, path, &fd);
    if (rc < 0)
        return rc == -E_NOT_FOUND ? 0 : rc;
    rc = write_file(fd, "cgroup.kill", "1");
    close(fd);
    return rc;
}

static int remove_below(int fd)
{
    DIR *d = fdopendir(fd);
    struct dirent *e;
    int rc = 0, child = -1;
    if (!d) {
        close(fd);
        return -err_from_errno(errno);
    }
    while ((e = readdir(d))) {
        if (e->d_type != DT_DIR || e->d_name[0] == '.')
            continue;
        if (open_path(dirfd(d), e->d_name, &child) == 0 && remove_below(child) < 0)
            rc = -E_BUSY;
        else if (unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR) < 0 && errno != ENOENT)
            rc = -E_BUSY;
    }
    closedir(d);
    return rc;
}

int cgroup_remove(int root_fd, const char *path)
{
    int fd = -1, rc = open_path(root_fd, path, &fd);
    if (rc < 0)
        return rc == -E_NOT_FOUND ? 0 : rc;
    if ((rc = remove_below(fd)) < 0)
        return rc;
    while (*path == '/')
        path++;
    return unlinkat(root_fd, path, AT_REMOVEDIR) < 0 && errno != ENOENT ? -err_from_errno(errno) : 0;
}
