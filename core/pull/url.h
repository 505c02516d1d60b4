/* http and https URLs, as far as registries use them. */
#ifndef PULL_URL_H
#define PULL_URL_H

#include "base/str.h"

enum { PULL_URL_BYTES = 4096, PULL_HOST_BYTES = 256 };

struct pull_url {
    bool https;
    char host[PULL_HOST_BYTES]; /* without brackets */
    uint16_t port;
    char target[PULL_URL_BYTES]; /* path and query, begins with '/' */
};

/* -E_SYNTAX: not http(s), user information, control characters, spaces, too long. */
int pull_url_parse(struct str text, struct pull_url *ret_url, struct err *err) MUST_CHECK;
/* A Location header against the URL that answered with it: absolute, "//host/..." or "/path". */
int pull_url_resolve(const struct pull_url *base, struct str location, struct pull_url *ret_url,
                     struct err *err) MUST_CHECK;
bool pull_url_same_origin(const struct pull_url *a, const struct pull_url *b);
/* "host", "host:port", "[v6]:port": what a Host header says. */
void pull_url_host(const struct pull_url *u, char ret_host[PULL_HOST_BYTES + 16]);

#endif
