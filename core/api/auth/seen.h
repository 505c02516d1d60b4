/*
 * Signatures that were found good, by the digest of what they are part of: to verify one costs a
 * thousand times what a digest does, and a client sends the same token with each request. Only the
 * signature is remembered; times, audiences and what a token is bound to are looked at each time.
 */
#ifndef API_AUTH_SEEN_H
#define API_AUTH_SEEN_H

#include "port/crypto.h"

enum { SEEN_SIGNATURES = 1024 };

struct seen { /* all zero: none */
    uint8_t digests[SEEN_SIGNATURES][SHA256_BYTES];
};

/* digest: of a whole token. */
bool seen_has(const struct seen *s, const uint8_t digest[SHA256_BYTES]);
void seen_add(struct seen *s, const uint8_t digest[SHA256_BYTES]);
void seen_clear(struct seen *s); /* when keys change */

#endif
