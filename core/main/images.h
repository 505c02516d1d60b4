/*
 * The image calls of port/runtime.h, for the role `runtime`: the store (drivers/image/store.h) and
 * the short-lived roles `pull` and `unpack` that fill it. Callbacks run once each, from the loop or
 * before the call returns. Pulls and loads run one after another, as upstream's kubelet has them by
 * default; the layers of one image are fetched and unpacked side by side.
 */
#ifndef MAIN_IMAGES_H
#define MAIN_IMAGES_H

#include "base/buf.h"
#include "loop/loop.h"
#include "port/runtime.h"

struct images;

struct images_options {
    struct loop *loop;
    const char *dir;       /* DATA/images, absolute */
    const char *registries; /* JSON as in struct role_start; copied */
    const struct net_addr *resolvers;
    size_t resolver_count;
};

int images_new(const struct images_options *o, struct images **ret_images, struct err *err) MUST_CHECK;
void images_free(struct images *im); /* what runs is killed; its callbacks get -E_CLOSED */
void images_set_resolvers(struct images *im, const struct net_addr *resolvers, size_t count);

void images_pull(struct images *im, const struct runtime_pull *p, runtime_image_fn *done, void *ctx);
void images_get(struct images *im, const char *image, runtime_image_fn *done, void *ctx);
void images_list(struct images *im, runtime_image_fn *each, runtime_done_fn *done, void *ctx);
void images_remove(struct images *im, const char *id, runtime_done_fn *done, void *ctx);
void images_load(struct images *im, int fd, runtime_image_fn *done, void *ctx); /* fd: taken over */

/* Layer directories of an image for overlayfs, uppermost first, joined by ':'. -E_NOT_FOUND. */
int images_root(struct images *im, const char *id, struct buf *out, struct err *err) MUST_CHECK;
/* An image's layers are in use (mounted) while held: images_remove answers -E_BUSY. */
typedef bool images_in_use_fn(void *ctx, const char *id);
void images_on_remove(struct images *im, images_in_use_fn *in_use, void *ctx);

#endif
