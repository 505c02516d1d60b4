/*
 * The images of this machine, below DATA/images (made when missing, owned by root, mode 0700):
 *
 *   layers/<hex of the diff id>/      an unpacked layer, complete, shared by images
 *   layers/<hex>.part/                being unpacked, or being removed
 *   blobs/<hex of the digest>.part    a compressed layer on its way
 *   meta/<hex of the image id>.json   one image: names, repository digests, diff ids, configuration
 *
 * A layer appears by a rename after its contents are on disk, an image after all its layers.
 * `.part` files of a former run are removed at open; `.part` directories, and layers that belong to
 * no image, are garbage then. Names are canonical ("docker.io/library/x:latest"); who spells them
 * differently normalises first. One process owns a store.
 */
#ifndef DRIVERS_IMAGE_STORE_H
#define DRIVERS_IMAGE_STORE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/str.h"

struct image_store;

enum { IMAGE_DIGEST_TEXT = 72, IMAGE_NAMES = 32 }; /* "sha256:" and 64 digits; names of one image */

struct image {
    char id[IMAGE_DIGEST_TEXT]; /* digest of the configuration */
    char *names[IMAGE_NAMES + 1];        /* NULL-terminated */
    char *repo_digests[IMAGE_NAMES + 1]; /* "registry/repo@sha256:...", NULL-terminated */
    char diff_ids[LIMIT_IMAGE_LAYERS][IMAGE_DIGEST_TEXT]; /* lowest first */
    size_t layer_count;
    int64_t size_bytes;
    char *config; /* JSON, as the registry served it */
    size_t config_bytes;
};

/* "sha256:" and 64 lower-case hex digits. */
bool image_digest_ok(struct str digest);

/* dir: DATA/images. Reads all metadata; what is unreadable is logged and left out. */
int image_store_open(const char *dir, struct image_store **ret_store, struct err *err) MUST_CHECK;
void image_store_close(struct image_store *s);

/* ---- images ---- */
/* By id, canonical name, or canonical "repo@sha256:..."; NULL when unknown. The store's. */
const struct image *image_store_find(const struct image_store *s, const char *what);
void image_store_each(const struct image_store *s, void (*fn)(void *ctx, const struct image *i), void *ctx);
/* Adds, or adds name and repository digest (either may be NULL) to an image that is known. The
 * name is taken from the image that had it. Durable when it returns. All layers must be there. */
int image_store_put(struct image_store *s, const char *id, const char *name, const char *repo_digest,
                    const char *const *diff_ids, size_t layer_count, int64_t size_bytes,
                    struct str config, const struct image **ret_image, struct err *err) MUST_CHECK;
/* Forgets the image; its layers that no other image has become `.part` and are counted:
 * image_store_next_garbage names them. -E_NOT_FOUND. */
int image_store_remove(struct image_store *s, const char *id, struct err *err) MUST_CHECK;

/* Directories of the image's layers for overlayfs, uppermost first: absolute paths in `out`,
 * joined by ':'. -E_NOT_FOUND. */
int image_store_root(const struct image_store *s, const char *id, struct buf *out, struct err *err) MUST_CHECK;

/* ---- layers and blobs on their way ---- */
bool image_store_has_layer(const struct image_store *s, const char *diff_id);
/* A fresh empty directory; its descriptor is the caller's. */
int image_store_layer_begin(struct image_store *s, const char *diff_id, int *ret_fd, struct err *err) MUST_CHECK;
int image_store_layer_commit(struct image_store *s, const char *diff_id, struct err *err) MUST_CHECK;
/* Removes what was unpacked so far. May take long unless the directory was cleared before. */
void image_store_layer_abort(struct image_store *s, const char *diff_id);
/* An empty file, open for reading and writing; its descriptor is the caller's. */
int image_store_blob_begin(struct image_store *s, const char *digest, int *ret_fd, struct err *err) MUST_CHECK;
void image_store_blob_remove(struct image_store *s, const char *digest);
/* A fresh empty directory for the contents of an archive, and its end. */
int image_store_scratch_begin(struct image_store *s, int *ret_fd, struct err *err) MUST_CHECK;
void image_store_scratch_remove(struct image_store *s);
/* An open `.part` directory of a removed layer, to be cleared by somebody; -E_NOT_FOUND: none. The
 * name goes to image_store_layer_abort afterwards. */
int image_store_next_garbage(struct image_store *s, char ret_diff_id[IMAGE_DIGEST_TEXT], int *ret_fd) MUST_CHECK;

#endif
