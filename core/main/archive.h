/*
 * The images of an archive that was unpacked into a directory: an OCI image layout (index.json), or
 * what `docker save` writes (manifest.json).
 */
#ifndef MAIN_ARCHIVE_H
#define MAIN_ARCHIVE_H

#include "pull/manifest.h"

enum { ARCHIVE_NAMES = 16 };

struct archive_image {
    char names[ARCHIVE_NAMES][PULL_REFERENCE_BYTES]; /* canonical */
    size_t name_count;
    struct pull_manifest manifest; /* digest: the image's id */
    struct str config;
    const char *layer_paths[LIMIT_IMAGE_LAYERS];
};

/* Calls found for each image for this kind of machine; the image is archive_each's. -E_NOT_FOUND:
 * neither kind of archive, or it holds none. */
int archive_each(int dir_fd, int (*found)(void *ctx, const struct archive_image *i, struct err *err),
                 void *ctx, struct err *err) MUST_CHECK;

#endif
