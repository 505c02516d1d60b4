/*
 * Image references as docker and containerd spell them: [registry[:port]/]repository[:tag][@digest].
 * "nginx" is docker.io/library/nginx:latest.
 */
#ifndef PULL_REFERENCE_H
#define PULL_REFERENCE_H

#include "base/str.h"

enum { PULL_NAME_BYTES = 256, PULL_TAG_BYTES = 129, PULL_DIGEST_BYTES = 72, PULL_REFERENCE_BYTES = 768 };

struct pull_reference {
    char registry[PULL_NAME_BYTES];   /* "docker.io", "10.0.2.2:5000" */
    char repository[PULL_NAME_BYTES]; /* "library/nginx" */
    char tag[PULL_TAG_BYTES];         /* "" when only a digest is given */
    char digest[PULL_DIGEST_BYTES];   /* "sha256:..." or "" */
};

/* -E_BAD_REQUEST with what is wrong. */
int pull_reference_parse(const char *text, struct pull_reference *ret_reference, struct err *err) MUST_CHECK;
/* "docker.io/library/nginx:latest"; with a digest and no tag "docker.io/library/nginx@sha256:..." */
void pull_reference_name(const struct pull_reference *r, char ret_name[PULL_REFERENCE_BYTES]);
/* "docker.io/library/nginx@<digest>" */
void pull_reference_by_digest(const struct pull_reference *r, const char *digest,
                              char ret_name[PULL_REFERENCE_BYTES]);

/* "sha256:" and 64 lower-case hex digits. */
bool pull_digest_ok(struct str digest);

#endif
