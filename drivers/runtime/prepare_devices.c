/* Device nodes of a container beyond the standard ones. See plan.h. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "drivers/runtime/engine_int.h"

enum { HOST_DEVICES = 1024, HOST_DEPTH = 3 };

void prepare_device(struct buf *plan, const struct container_device *d)
{
    uint64_t v[6] = {(uint64_t)d->type, (uint64_t)d->major, (uint64_t)d->minor, d->mode, d->uid, d->gid};
    unsigned char p[48];
    for (int k = 0; k < 48; k++)
        p[k] = (unsigned char)(v[k / 8] >> (8 * (k % 8)));
    field_put_cstr(plan, PLAN_DEVICE, d->path);
    field_put(plan, PLAN_DEVICE_NUMBERS, str_make(p, sizeof p));
}

/* Terminals and the container's own mounts stay the container's. */
static bool left_out(const char *path)
{
    static const char *const names[] = {"/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/console", "/dev/ptmx", "/dev/fd"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (cstr_eq(path, names[i]))
            return true;
    return false;
}

static void walk(struct buf *plan, int fd, const char *path, int depth, unsigned *left)
{
    char full[512];
    DIR *d = fdopendir(fd);
    struct dirent *e;
    struct stat st;
    while (d && *left && (e = readdir(d))) {
        if (e->d_name[0] == '.' || fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            snprintf(full, sizeof full, "%s/%s", path, e->d_name) >= (int)sizeof full || left_out(full))
            continue;
        if (S_ISDIR(st.st_mode) && depth < HOST_DEPTH) {
            int child = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (child >= 0)
                walk(plan, child, full, depth + 1, left);
        } else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
            struct container_device one = {full, S_ISCHR(st.st_mode) ? 'c' : 'b', major(st.st_rdev), minor(st.st_rdev),
                                           st.st_mode & 0777, st.st_uid, st.st_gid};
            prepare_device(plan, &one);
            --*left;
        }
    }
    if (d)
        closedir(d);
    else
        close(fd);
}

void prepare_host_devices(struct buf *plan)
{
    unsigned left = HOST_DEVICES;
    int fd = open("/dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        walk(plan, fd, "/dev", 0, &left);
}
