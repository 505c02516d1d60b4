/*
 * The mount API of descriptors (Linux 5.2, mount_setattr 5.12): a mount is made detached, its
 * attributes are set, and only then it is moved to a place that was opened beforehand. No path is
 * looked up twice. -E_* by errno, which is left set.
 */
#ifndef KERNEL_GLUE_ABI_MOUNT_H
#define KERNEL_GLUE_ABI_MOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum mount_attribute {
    MOUNT_READ_ONLY = 1,
    MOUNT_NO_SUID = 2,
    MOUNT_NO_DEV = 4,
    MOUNT_NO_EXEC = 8,
    MOUNT_NO_ATIME = 16,
    MOUNT_STRICT_ATIME = 32,
    MOUNT_NO_DIR_ATIME = 64,
    MOUNT_NO_SYMLINK_FOLLOW = 128,
};
enum mount_propagation { MOUNT_KEEP, MOUNT_PRIVATE, MOUNT_SLAVE, MOUNT_SHARED, MOUNT_UNBINDABLE };

/* A new file system instance. options: "key=value" or "key", NULL-terminated; a key written as
 * "lowerdir+" may repeat. The descriptor is a detached mount. err gets the kernel's own words. */
int mount_new(const char *type, const char *source, const char *const *options, unsigned attributes,
              int *ret_fd, struct err *err) MUST_CHECK;
/* A detached copy of the mount at the file or directory behind fd. */
int mount_clone(int fd, bool recursive, int *ret_fd) MUST_CHECK;
int mount_set(int mount_fd, unsigned set, unsigned clear, enum mount_propagation propagation,
              bool recursive) MUST_CHECK;
/* Attaches a detached mount on top of what target_fd refers to. */
int mount_attach(int mount_fd, int target_fd) MUST_CHECK;
/* The whole tree at "/" of this mount namespace. */
int mount_set_root_propagation(enum mount_propagation propagation) MUST_CHECK;
/* Makes the directory behind fd, a mount point, the root of this mount namespace and lets go of the
 * old root. The working directory is "/" then. */
int mount_pivot(int fd) MUST_CHECK;
int mount_detach(const char *path) MUST_CHECK; /* umount2 MNT_DETACH, follows no link */

enum { MOUNT_MAGIC_PROC = 0x9fa0, MOUNT_MAGIC_SYSFS = 0x62656572, MOUNT_MAGIC_CGROUP2 = 0x63677270,
       MOUNT_MAGIC_TMPFS = 0x01021994, MOUNT_MAGIC_OVERLAY = 0x794c7630 };
/* f_type of the file system that fd is on; 0 when unknown. */
uint32_t mount_magic(int fd);

#endif
