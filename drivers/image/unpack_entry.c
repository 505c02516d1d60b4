/*
 * The entries of a layer, one by one.
 *
 * What a layer says twice holds as said last. A whiteout concerns only the layers below: what the
 * same layer puts in its place stays, and a directory there is opaque, in either order.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "drivers/image/tree.h"
#include "drivers/image/unpack_int.h"

static int whiteout(int dir_fd, const char *name, struct err *err)
{
    struct stat st;
    if (!name[0] || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return err_set(err, E_SYNTAX, "a whiteout of nothing");
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        if (mknodat(dir_fd, name, S_IFCHR, makedev(0, 0)) < 0)
            return err_set_errno(err, "cannot make the whiteout");
        return 0;
    }
    if (!S_ISDIR(st.st_mode))
        return 0;
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, "cannot open the directory");
    int rc = unpack_set_opaque(fd, err);
    close(fd);
    return rc;
}

/* Makes room for the entry. *ret_opaque: a whiteout stood there; *ret_kept: a directory stays. */
static int clear_place(int dir_fd, const char *name, const struct tar_entry *e,
                       bool *ret_opaque, bool *ret_kept, struct err *err)
{
    struct stat st;
    *ret_opaque = *ret_kept = false;
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    *ret_opaque = unpack_is_whiteout(&st);
    *ret_kept = S_ISDIR(st.st_mode) && e->type == TAR_DIRECTORY;
    if (*ret_kept)
        return 0;
    int rc = tree_remove(dir_fd, name);
    if (rc < 0)
        return err_set(err, -rc, "cannot replace what was there: %s", err_text(rc));
    return 0;
}

static int make_directory(struct unpack *u, int dir_fd, const char *name, const struct tar_entry *e,
                          bool opaque, bool kept, struct err *err)
{
    if (!kept && mkdirat(dir_fd, name, 0700) < 0)
        return err_set_errno(err, "cannot make the directory");
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, "cannot open the directory");
    int rc = unpack_attributes(u, fd, e, err);
    if (rc == 0 && opaque)
        rc = unpack_set_opaque(fd, err);
    close(fd);
    return rc < 0 ? rc : unpack_keep_times(u, e, err);
}

static int make_hardlink(struct unpack *u, int dir_fd, const char *name, const struct tar_entry *e,
                         struct err *err)
{
    char target[UNPACK_PATH_BYTES], above[UNPACK_PATH_BYTES];
    struct stat st;
    int fd;
    int rc = unpack_clean(e->link, target, err);
    if (rc < 0)
        return err_wrap(err, rc, "hard link");
    if (!target[0])
        return err_set(err, E_SYNTAX, "a hard link to the layer's root");
    const char *slash = strrchr(target, '/');
    const char *last = slash ? slash + 1 : target;
    str_copy(above, sizeof above, str_make(target, slash ? (size_t)(slash - target) : 0));
    rc = unpack_open(u, above, O_RDONLY | O_DIRECTORY, &fd);
    if (rc < 0)
        return err_set(err, E_SYNTAX, "hard link to \"%.200s\", which is not in the layer", target);
    if (fstatat(fd, last, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(st.st_mode) || unpack_is_whiteout(&st))
        rc = err_set(err, E_SYNTAX, "hard link to \"%.200s\", which is no file of the layer", target);
    else if (linkat(fd, last, dir_fd, name, 0) < 0)
        rc = err_set_errno(err, "cannot link to \"%.200s\"", target);
    close(fd);
    return rc;
}

static int make_device(struct unpack *u, int dir_fd, const char *name, const struct tar_entry *e,
                       struct err *err)
{
    mode_t type = e->type == TAR_CHAR ? S_IFCHR : e->type == TAR_BLOCK ? S_IFBLK : S_IFIFO;
    dev_t device = e->type == TAR_FIFO ? 0 : makedev(e->dev_major, e->dev_minor);
    if (e->type == TAR_CHAR && device == makedev(0, 0))
        return 0; /* a forged whiteout */
    if (mknodat(dir_fd, name, type | e->mode, device) == 0)
        return unpack_attributes_at(dir_fd, name, e, err);
    if (errno != EPERM)
        return err_set_errno(err, "cannot make the device node");
    u->skipped++;
    return 0;
}

static int make(struct unpack *u, int dir_fd, const char *name, const struct tar_entry *e, struct err *err)
{
    bool opaque, kept;
    if (u->o->bare && (e->type == TAR_CHAR || e->type == TAR_BLOCK || e->type == TAR_FIFO))
        return err_set(err, E_SYNTAX, "only files, links and directories are expected");
    int rc = clear_place(dir_fd, name, e, &opaque, &kept, err);
    if (rc < 0)
        return rc;
    switch (e->type) {
    case TAR_DIRECTORY: return make_directory(u, dir_fd, name, e, opaque, kept, err);
    case TAR_HARDLINK: return make_hardlink(u, dir_fd, name, e, err);
    case TAR_FILE:
        u->file_fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        return u->file_fd < 0 ? err_set_errno(err, "cannot make the file") : 0;
    case TAR_SYMLINK:
        if (symlinkat(e->link, dir_fd, name) < 0)
            return err_set_errno(err, "cannot make the symbolic link");
        return u->o->bare ? 0 : unpack_attributes_at(dir_fd, name, e, err);
    default: return make_device(u, dir_fd, name, e, err);
    }
}

static int place(struct unpack *u, const struct tar_entry *e, struct err *err)
{
    const char *name;
    int dir_fd, rc;
    if (!u->path[0]) {
        if (e->type != TAR_DIRECTORY)
            return err_set(err, E_SYNTAX, "the layer's root is no directory");
        rc = unpack_attributes(u, u->o->root_fd, e, err);
        return rc < 0 ? rc : unpack_keep_times(u, e, err);
    }
    rc = unpack_parent(u, u->path, &dir_fd, &name, err);
    if (rc < 0)
        return rc;
    if (u->o->bare || strncmp(name, ".wh.", 4) != 0)
        return make(u, dir_fd, name, e, err);
    if (strcmp(name, ".wh..wh..opq") == 0)
        return unpack_set_opaque(dir_fd, err);
    if (strncmp(name, ".wh..wh.", 8) == 0)
        return 0; /* aufs' own bookkeeping */
    return whiteout(dir_fd, name + 4, err);
}

int unpack_entry(void *ctx, const struct tar_entry *e, struct err *err)
{
    struct unpack *u = ctx;
    int rc = unpack_clean(e->path, u->path, err);
    if (rc < 0)
        return rc;
    if (e->size_bytes > u->max_bytes - u->total_bytes)
        return err_set(err, E_TOO_LARGE, "\"%.200s\": the layer's files are larger than the %llu bytes allowed",
                       u->path, (unsigned long long)u->max_bytes);
    u->total_bytes += e->size_bytes;
    u->entry = e;
    rc = place(u, e, err);
    return rc < 0 ? err_wrap(err, rc, "\"%.200s\"", u->path) : 0;
}

static int check_space(struct unpack *u, size_t n, struct err *err)
{
    struct statvfs fs;
    u->unchecked_bytes += n;
    if (u->unchecked_bytes < UNPACK_SPACE_CHECK)
        return 0;
    u->unchecked_bytes = 0;
    if (fstatvfs(u->o->root_fd, &fs) == 0 && fs.f_bavail < fs.f_blocks / 100 * UNPACK_SPACE_RESERVE_PERCENT)
        return err_set(err, E_NO_SPACE, "less than %d %% of the disk is left", UNPACK_SPACE_RESERVE_PERCENT);
    return 0;
}

int unpack_data(void *ctx, uint64_t offset, struct str bytes, struct err *err)
{
    struct unpack *u = ctx;
    if (u->file_fd < 0)
        return 0; /* of a whiteout */
    size_t done = 0;
    while (done < bytes.n) {
        ssize_t n = pwrite(u->file_fd, bytes.p + done, bytes.n - done, (off_t)(offset + done));
        if (n < 0 && errno != EINTR)
            return err_set_errno(err, "\"%.200s\": cannot write", u->path);
        done += n > 0 ? (size_t)n : 0;
    }
    return check_space(u, bytes.n, err);
}

int unpack_end(void *ctx, struct err *err)
{
    struct unpack *u = ctx;
    int fd = u->file_fd, rc = 0;
    if (fd < 0)
        return 0;
    u->file_fd = -1;
    if (u->entry->sparse && ftruncate(fd, (off_t)u->entry->size_bytes) < 0)
        rc = err_set_errno(err, "cannot set the size");
    if (rc == 0)
        rc = unpack_attributes(u, fd, u->entry, err);
    close(fd);
    return rc < 0 ? err_wrap(err, rc, "\"%.200s\"", u->path) : 0;
}
