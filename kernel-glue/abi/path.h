/*
 * Paths that an image, a pod or an archive names, resolved inside a directory: the one place that
 * does so (openat2, Linux 5.6).
 */
#ifndef KERNEL_GLUE_ABI_PATH_H
#define KERNEL_GLUE_ABI_PATH_H

#include <sys/types.h>

#include "base/err.h"

/*
 * Opens path as if root_fd were "/": ".." stops there, absolute symbolic links start there, magic
 * links of /proc are refused. flags as for open(2), O_CLOEXEC is added; mode counts with O_CREAT.
 * -E_* by errno (also left in errno).
 */
int path_open_in(int root_fd, const char *path, int flags, mode_t mode, int *ret_fd) MUST_CHECK;

#endif
