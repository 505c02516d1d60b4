/*
 * Paths that an image, a pod or an archive names, resolved inside a directory: the one place that
 * does so (openat2, Linux 5.6). In all of these the root descriptor is "/" for the path: ".." stops
 * there, absolute symbolic links start there, magic links of /proc are refused.
 * All return -E_* by errno (also left in errno).
 */
#ifndef KERNEL_GLUE_ABI_PATH_H
#define KERNEL_GLUE_ABI_PATH_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* flags as for open(2), O_CLOEXEC is added; mode counts with O_CREAT. */
int path_open_in(int root_fd, const char *path, int flags, mode_t mode, int *ret_fd) MUST_CHECK;
/* The same, but no symbolic link at all, and (one_mount) no other mount on the way. */
int path_open_plain(int root_fd, const char *path, int flags, bool one_mount, int *ret_fd) MUST_CHECK;

/* mkdir -p: opens (O_PATH) the directory at path, making what is missing, owned by uid:gid. */
int path_make_dirs(int root_fd, const char *path, mode_t mode, uid_t uid, gid_t gid, int *ret_fd) MUST_CHECK;
/* Opens (O_PATH) what is at path; makes an empty file there, with its directories, when nothing is. */
int path_make_file(int root_fd, const char *path, mode_t mode, int *ret_fd) MUST_CHECK;

/* Removes name below dir_fd, a whole tree if it is one, following no symbolic link and entering no
 * other mount. 0 also when there is none. -E_BUSY: something is mounted inside. */
int path_remove_tree(int dir_fd, const char *name) MUST_CHECK;

/* "/proc/self/fd/N" for interfaces that take text only. */
enum { PATH_FD_TEXT = 32 };
const char *path_of_fd(int fd, char ret_text[PATH_FD_TEXT]);

#endif
