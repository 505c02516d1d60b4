/*
 * Manifests, indexes and configurations of images: OCI image specification 1.1 and docker's
 * schema 2, which differ in media types only. Archives: OCI layout and `docker save`.
 */
#ifndef PULL_MANIFEST_H
#define PULL_MANIFEST_H

#include "base/arena.h"
#include "base/limits.h"
#include "pull/reference.h"

enum { PULL_MANIFEST_BYTES = 4 * 1024 * 1024 }; /* also of a configuration */

struct pull_layer {
    char digest[PULL_DIGEST_BYTES];  /* as served */
    char diff_id[PULL_DIGEST_BYTES]; /* of the plain tar; from the configuration */
    int64_t size_bytes;
};

struct pull_manifest {
    bool is_index;
    char digest[PULL_DIGEST_BYTES]; /* is_index: of the manifest to read next; else the configuration's */
    int64_t size_bytes;             /* of that */
    struct pull_layer layers[LIMIT_IMAGE_LAYERS]; /* lowest first */
    size_t layer_count;
};

/* media_type: of the Content-Type header, or empty. -E_SYNTAX, -E_UNSUPPORTED (old schema, other
 * artifact), -E_NOT_FOUND (no linux/amd64 in the index), -E_LIMIT. */
int pull_manifest_parse(struct str text, struct str media_type, struct pull_manifest *ret_manifest,
                        struct err *err) MUST_CHECK;
/* Fills diff_id of each layer. -E_SYNTAX when the numbers do not agree. */
int pull_config_parse(struct str text, struct pull_manifest *m, struct err *err) MUST_CHECK;

#endif
