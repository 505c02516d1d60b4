/* Shared by store.c (images) and store_layers.c (directories and files). */
#ifndef DRIVERS_IMAGE_STORE_INT_H
#define DRIVERS_IMAGE_STORE_INT_H

#include "drivers/image/store.h"

enum { STORE_PATH_BYTES = 512, STORE_NAME_BYTES = 96 };

struct image_store {
    char dir[STORE_PATH_BYTES]; /* absolute */
    int layers_fd, blobs_fd, meta_fd;
    struct map images; /* id → struct image */
    struct map names;  /* canonical name or repository digest → struct image */
};

/* ---- metadata files (store_meta.c) ---- */
void image_free(struct image *i);
int image_meta_write(struct image_store *s, const struct image *i, struct err *err) MUST_CHECK;
int image_meta_read(struct image_store *s, const char *file, struct image **ret_image, struct err *err) MUST_CHECK;
/* Replaces a file of a directory, durably. */
int image_file_write(int dir_fd, const char *name, struct str content, struct err *err) MUST_CHECK;

/* ---- store_layers.c ---- */
/* "<hex>" or "<hex>.part" of a digest. */
void image_layer_name(const char *digest, bool part, char ret_name[STORE_NAME_BYTES]);
/* Removes every name that ends in ".part". */
int image_parts_remove(int dir_fd) MUST_CHECK;

#endif
