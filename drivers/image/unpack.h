/*
 * One layer of an image into one empty directory: decompressed, checked against its digests, and
 * written so that overlayfs (mounted with `userxattr`) stacks it. Whiteouts become character
 * devices 0/0, opaque directories get user.overlay.opaque; overlay's own attributes and whiteout
 * devices that a layer brings itself are dropped.
 *
 * Meant for the role `unpack`, chrooted into the directory; every path is also resolved inside the
 * directory (openat2, RESOLVE_IN_ROOT), so that nothing outside is reached without the chroot
 * either. Blocks. On failure the directory holds what was written so far: clear it.
 */
#ifndef DRIVERS_IMAGE_UNPACK_H
#define DRIVERS_IMAGE_UNPACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct unpack_options {
    int in_fd;           /* the layer as the registry serves it; read to its end */
    int root_fd;         /* the empty directory, opened O_RDONLY | O_DIRECTORY */
    const char *diff_id; /* "sha256:<hex>" of the plain tar, or NULL: not checked */
    uint64_t max_bytes;  /* of the plain tar and of the files in it; 0: UNPACK_MAX_BYTES */
    bool bare;           /* files, links and directories, owned by us: archives of images */
};

#define UNPACK_MAX_BYTES (UINT64_C(64) << 30)

struct unpack_result {
    char diff_id[72]; /* what was seen */
    uint64_t bytes;   /* of the files */
    uint64_t skipped; /* device nodes that this machine does not permit */
};

/* -E_CORRUPT (digest mismatch, damaged), -E_SYNTAX (malformed or hostile), -E_TOO_LARGE,
 * -E_NO_SPACE, -E_LIMIT, -E_IO, -E_NOMEM; the message names the entry. */
int unpack_layer(const struct unpack_options *o, struct unpack_result *ret_result, struct err *err) MUST_CHECK;

#endif
