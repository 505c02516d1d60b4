/*
 * Messages between `runtime` and the short-lived roles `pull` and `unpack`, over the socket that
 * each has as descriptor 3.
 *
 *   runtime → pull:   PULL_START; then PULL_LAYER, one at a time
 *   pull → runtime:   IMAGE_FOUND; then IMAGE_LAYER_DONE for each
 *   runtime → unpack: one of UNPACK_LAYER, UNPACK_CLEAR, UNPACK_ARCHIVE
 *   unpack → runtime: for an archive IMAGE_FOUND and IMAGE_LAYER for each of its layers, for each
 *                     image; at the end IMAGE_DONE
 *   either → runtime: IMAGE_FAILED, at any time, the last message
 */
#ifndef MAIN_IMAGE_MSG_H
#define MAIN_IMAGE_MSG_H

#include "wire/imsg.h"

enum image_msg_type {
    PULL_START = 1, /* NAME (as the pod spells it), AUTH, REGISTRIES, RESOLVER*; descriptors: empty
                       directory, certificate authorities (or none) */
    PULL_LAYER,     /* INDEX; descriptor: the file to write */
    UNPACK_LAYER,   /* DIFF_ID; descriptors: the layer, the directory */
    UNPACK_CLEAR,   /* descriptor: the directory to empty */
    UNPACK_ARCHIVE, /* descriptors: the archive, an empty directory */

    IMAGE_FOUND,      /* ID, NAME*, REPO_DIGEST, DIFF_ID*, SIZE; descriptor: the configuration.
                         From pull also DIGEST*: of the layers as served */
    IMAGE_LAYER,      /* INDEX; descriptor: a layer in the archive */
    IMAGE_LAYER_DONE, /* INDEX */
    IMAGE_DONE,
    IMAGE_FAILED, /* CODE, TEXT */
};

enum {
    IMAGE_TAG_NAME = 1,
    IMAGE_TAG_AUTH,
    IMAGE_TAG_REGISTRIES,
    IMAGE_TAG_RESOLVER, /* start_msg_put_addr */
    IMAGE_TAG_INDEX,
    IMAGE_TAG_ID,
    IMAGE_TAG_REPO_DIGEST,
    IMAGE_TAG_DIFF_ID, /* lowest layer first */
    IMAGE_TAG_DIGEST,
    IMAGE_TAG_SIZE,
    IMAGE_TAG_CODE,
    IMAGE_TAG_TEXT,
};

#endif
