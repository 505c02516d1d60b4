/* Shared by unpack.c (the stream), unpack_entry.c (entries) and unpack_attr.c (attributes). */
#ifndef DRIVERS_IMAGE_UNPACK_INT_H
#define DRIVERS_IMAGE_UNPACK_INT_H

#include <sys/stat.h>

#include "base/buf.h"
#include "codec/tar.h"
#include "drivers/image/unpack.h"
#include "port/crypto.h"

enum {
    UNPACK_PATH_BYTES = 4096,
    UNPACK_TIMES_BYTES = 64 * 1024 * 1024, /* paths of directories, kept until their times are set */
    UNPACK_SPACE_CHECK = 64 * 1024 * 1024,
    UNPACK_SPACE_RESERVE_PERCENT = 3,
};

struct unpack {
    const struct unpack_options *o;
    uint64_t max_bytes, total_bytes, skipped, unchecked_bytes;
    struct sha256 hash;
    struct tar *tar;

    const struct tar_entry *entry;
    char path[UNPACK_PATH_BYTES]; /* of the entry, clean: "" is the root, else "a/b/c" */
    int file_fd;                  /* the regular file being written, or -1 */

    char parent_path[UNPACK_PATH_BYTES]; /* of parent_fd; entries mostly share it */
    int parent_fd;                       /* or -1 */

    struct buf times; /* records of directories: struct unpack_times and the path with its NUL */
};

struct unpack_times {
    int64_t s;
    uint32_t ns, path_bytes;
};

/* ---- paths (unpack_path.c) ---- */
/* "./a//b/../c" to "a/c"; -E_SYNTAX when it climbs out, -E_LIMIT when too long. */
int unpack_clean(const char *path, char ret_clean[UNPACK_PATH_BYTES], struct err *err) MUST_CHECK;
/* The directory in which the last part of a clean path lies, made when missing, and that last
 * part. The descriptor stays ours. */
int unpack_parent(struct unpack *u, const char *clean, int *ret_fd, const char **ret_name, struct err *err) MUST_CHECK;
void unpack_forget_parent(struct unpack *u);
/* Opens a clean path inside the root. */
int unpack_open(struct unpack *u, const char *clean, int flags, int *ret_fd) MUST_CHECK;
bool unpack_is_whiteout(const struct stat *st);
int unpack_set_opaque(int dir_fd, struct err *err) MUST_CHECK;

/* ---- entries (unpack_entry.c) ---- */
int unpack_entry(void *ctx, const struct tar_entry *e, struct err *err);
int unpack_data(void *ctx, uint64_t offset, struct str bytes, struct err *err);
int unpack_end(void *ctx, struct err *err);

/* ---- attributes (unpack_attr.c) ---- */
int unpack_attributes(struct unpack *u, int fd, const struct tar_entry *e, struct err *err) MUST_CHECK;
/* Of something that cannot be opened: symbolic links, devices, pipes. */
int unpack_attributes_at(int dir_fd, const char *name, const struct tar_entry *e, struct err *err) MUST_CHECK;
int unpack_keep_times(struct unpack *u, const struct tar_entry *e, struct err *err) MUST_CHECK;
void unpack_set_times(struct unpack *u);

#endif
