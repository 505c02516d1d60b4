/* Names of a layer as places in its directory. */
#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "drivers/image/unpack_int.h"
#include "kernel-glue/abi/path.h"

int unpack_clean(const char *path, char ret_clean[UNPACK_PATH_BYTES], struct err *err)
{
    struct str rest = str_of(path), part;
    size_t n = 0;
    while (str_split(&rest, '/', &part)) {
        if (part.n == 0 || str_is(part, "."))
            continue;
        if (str_is(part, "..")) {
            if (n == 0)
                return err_set(err, E_SYNTAX, "path \"%.200s\" leaves the layer", path);
            while (n > 0 && ret_clean[--n] != '/')
                ;
            continue;
        }
        if (part.n > 255 || n + part.n + 2 > UNPACK_PATH_BYTES)
            return err_set(err, E_LIMIT, "path \"%.100s...\" is too long", path);
        if (n)
            ret_clean[n++] = '/';
        memcpy(ret_clean + n, part.p, part.n);
        n += part.n;
    }
    ret_clean[n] = 0;
    return 0;
}

int unpack_open(struct unpack *u, const char *clean, int flags, int *ret_fd)
{
    return path_open_in(u->o->root_fd, clean[0] ? clean : ".", flags | O_CLOEXEC, 0, ret_fd);
}

bool unpack_is_whiteout(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

int unpack_set_opaque(int dir_fd, struct err *err)
{
    if (fsetxattr(dir_fd, "user.overlay.opaque", "y", 1, 0) < 0)
        return err_set_errno(err, "cannot mark a directory as opaque");
    return 0;
}

/* One missing part of a parent. A whiteout in its place hides the lower layers' directory. */
static int make_part(int dir_fd, const char *name, struct err *err)
{
    struct stat st;
    bool hidden = fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && unpack_is_whiteout(&st);
    if (hidden && unlinkat(dir_fd, name, 0) < 0)
        return err_set_errno(err, "cannot replace a whiteout");
    if (mkdirat(dir_fd, name, 0755) < 0)
        return err_set_errno(err, "cannot make the directory \"%s\" above it", name);
    if (!hidden)
        return 0;
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, "cannot open the directory \"%s\"", name);
    int rc = unpack_set_opaque(fd, err);
    close(fd);
    return rc;
}

static int make_parents(struct unpack *u, const char *clean, struct err *err)
{
    char prefix[UNPACK_PATH_BYTES] = "";
    size_t n = 0;
    for (;;) {
        const char *slash = strchr(clean + n, '/');
        size_t end = slash ? (size_t)(slash - clean) : strlen(clean);
        char name[256];
        int fd, dir_fd;
        str_copy(name, sizeof name, str_make(clean + n, end - n));
        int rc = unpack_open(u, prefix, O_RDONLY | O_DIRECTORY, &dir_fd);
        if (rc < 0)
            return err_set(err, -rc, "a part of its path is no directory: \"%s\"", prefix);
        str_copy(prefix, sizeof prefix, str_make(clean, end));
        rc = unpack_open(u, prefix, O_RDONLY | O_DIRECTORY, &fd);
        if (rc == 0)
            close(fd);
        else
            rc = make_part(dir_fd, name, err);
        close(dir_fd);
        if (rc < 0 || !slash)
            return rc;
        n = end + 1;
    }
}

void unpack_forget_parent(struct unpack *u)
{
    if (u->parent_fd >= 0)
        close(u->parent_fd);
    u->parent_fd = -1;
}

int unpack_parent(struct unpack *u, const char *clean, int *ret_fd, const char **ret_name, struct err *err)
{
    const char *slash = strrchr(clean, '/');
    size_t n = slash ? (size_t)(slash - clean) : 0;
    *ret_name = slash ? slash + 1 : clean;
    if (u->parent_fd >= 0 && strlen(u->parent_path) == n && memcmp(u->parent_path, clean, n) == 0) {
        *ret_fd = u->parent_fd;
        return 0;
    }
    unpack_forget_parent(u);
    str_copy(u->parent_path, sizeof u->parent_path, str_make(clean, n));
    int rc = unpack_open(u, u->parent_path, O_RDONLY | O_DIRECTORY, &u->parent_fd);
    if (rc < 0) {
        u->parent_fd = -1;
        rc = make_parents(u, u->parent_path, err);
        if (rc < 0)
            return rc;
        rc = unpack_open(u, u->parent_path, O_RDONLY | O_DIRECTORY, &u->parent_fd);
    }
    if (rc < 0) {
        u->parent_fd = -1;
        return err_set(err, -rc, "cannot open the directory \"%.200s\": %s", u->parent_path, err_text(rc));
    }
    *ret_fd = u->parent_fd;
    return 0;
}
