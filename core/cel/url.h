/*
 * URLs with the rules of Go's net/url.ParseRequestURI: absolute, or a path from the root. Parts are
 * views into the text, or copies in the arena where they had to be changed.
 */
#ifndef CEL_URL_H
#define CEL_URL_H

#include "base/arena.h"

struct url {
    struct str text;
    struct str scheme;         /* in lower case */
    struct str host;           /* with port; an IPv6 address in brackets */
    struct str hostname, port; /* without brackets, without colon */
    struct str escaped_path;
    struct str query; /* as it is, without '?' and fragment */
};

/* -E_SYNTAX with *ret_wrong, worded as Go's, a constant; -E_NOMEM. */
int cel_url_parse(struct arena *a, struct str text, struct url *ret, const char **ret_wrong) MUST_CHECK;
/* Percent escapes and '+'. -E_SYNTAX, -E_NOMEM. */
int url_unescape_query(struct arena *a, struct str s, struct str *ret) MUST_CHECK;

#endif
