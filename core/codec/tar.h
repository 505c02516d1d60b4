/*
 * Tar archives read as a stream: ustar, pax (POSIX.1-2001), GNU long names and all four sparse
 * forms of GNU tar. Sans-I/O: bytes go in by tar_feed, entries and their data come out through the
 * sink. What the numbers and names mean for a file system is the sink's affair: paths are given
 * as the archive spells them, only free of NUL bytes.
 *
 * Bounds: an extended header of 1 MiB, 64 Ki pieces of a sparse file, sizes below 2^62.
 */
#ifndef CODEC_TAR_H
#define CODEC_TAR_H

#include "base/str.h"

enum tar_type { TAR_FILE, TAR_HARDLINK, TAR_SYMLINK, TAR_CHAR, TAR_BLOCK, TAR_DIRECTORY, TAR_FIFO };

struct tar_xattr {
    const char *name;
    struct str value;
};

struct tar_entry {
    enum tar_type type;
    const char *path, *link; /* link: "" unless a hard or symbolic link */
    uint32_t mode;           /* permission, set-id and sticky bits only */
    uint32_t uid, gid;
    uint64_t size_bytes; /* of the file, holes included; 0 unless TAR_FILE */
    bool sparse;
    int64_t mtime_s;
    uint32_t mtime_ns;
    uint32_t dev_major, dev_minor;
    const struct tar_xattr *xattrs;
    size_t xattr_count;
};

/* Each returns 0 or -E_*, which ends the reading. */
struct tar_sink {
    int (*entry)(void *ctx, const struct tar_entry *e, struct err *err); /* e lives until end */
    int (*data)(void *ctx, uint64_t offset, struct str bytes, struct err *err); /* holes are not told */
    int (*end)(void *ctx, struct err *err); /* of each entry */
};

struct tar;

int tar_new(const struct tar_sink *sink, void *ctx, struct tar **ret_tar) MUST_CHECK;
void tar_free(struct tar *t);
/* -E_SYNTAX (with the offset in the archive), -E_LIMIT, -E_NOMEM or what the sink returned; after
 * a failure every call repeats it. Bytes behind the end mark are ignored. */
int tar_feed(struct tar *t, struct str bytes, struct err *err) MUST_CHECK;
/* The archive ends here: -E_SYNTAX when that is in the middle of something. */
int tar_finish(struct tar *t, struct err *err) MUST_CHECK;

#endif
