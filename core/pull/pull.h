/*
 * Pulling one image. Waits (see io.h); for the short-lived role `pull`.
 *
 * pull_new takes the name and where to look; pull_find reads manifest and configuration from the
 * first endpoint that has them; pull_layer then fetches layers, with their digests and sizes
 * checked and interrupted transfers resumed.
 */
#ifndef PULL_PULL_H
#define PULL_PULL_H

#include "pull/io.h"
#include "pull/manifest.h"

enum { PULL_ENDPOINTS = 8, PULL_TRIES = 4 };

struct pull_registry { /* a registry of keelson.yaml */
    const char *name;  /* "docker.io", "10.0.2.2:5000"; "*" holds for every registry */
    const char *mirrors[PULL_ENDPOINTS]; /* "http://10.0.2.2:5000" or "10.0.2.2:5000", asked first */
    size_t mirror_count;
    bool plain_http;         /* it and its mirrors speak http only, and may lead from https to http */
    struct tls_context *tls; /* whom to trust for it and its mirrors (https only then); NULL: io->tls */
    const char *username, *password; /* or NULL; the pod's own come first */
};

struct pull_options {
    struct pull_io *io;
    const char *image;
    const char *username, *password, *identity_token; /* or NULL */
    const struct pull_registry *registries;
    size_t registry_count;
};

struct pull_image {
    struct pull_reference reference;
    char digest[PULL_DIGEST_BYTES]; /* of what the reference names: manifest or index */
    struct pull_manifest manifest;  /* digest in it: of the configuration, which is the image's id */
    struct str config;
};

/* Where a layer's bytes go. */
struct pull_file {
    int (*write)(void *ctx, uint64_t offset, struct str bytes, struct err *err);
    void *ctx;
};

struct pull;

int pull_new(const struct pull_options *o, struct pull **ret_pull, struct err *err) MUST_CHECK;
void pull_free(struct pull *p);
/* The image is p's. -E_NOT_FOUND "manifest unknown", -E_UNAUTHORIZED, -E_CORRUPT (digest) ... */
int pull_find(struct pull *p, const struct pull_image **ret_image, struct err *err) MUST_CHECK;
int pull_layer(struct pull *p, size_t index, const struct pull_file *file, struct err *err) MUST_CHECK;

#endif
