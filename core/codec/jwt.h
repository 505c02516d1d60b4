/*
 * JSON Web Tokens (RFC 7519, compact JWS form): splitting and putting together. Nothing here trusts
 * a token: the caller verifies `signature` over `signed_part` with a key and an algorithm that it
 * chose itself, and only then looks at the claims.
 */
#ifndef CODEC_JWT_H
#define CODEC_JWT_H

#include "codec/json.h"

enum { JWT_MOST = 16 * 1024, JWT_SIGNATURE_MOST = 512 };

struct jwt {
    struct str signed_part;              /* "header.payload", within the text */
    const struct json *header, *payload; /* objects */
    struct str signature;                /* decoded */
};

/* -E_SYNTAX, -E_LIMIT, -E_NOMEM. Duplicate claims are refused. */
int jwt_parse(struct arena *a, struct str text, struct jwt *ret, struct err *err) MUST_CHECK;
/* alg is what the caller expects ("ES256"); typ, when there, must be JWT; crit is refused. */
bool jwt_header_is(const struct jwt *t, const char *alg);
/* "base64url(header).base64url(payload)", to be signed. */
void jwt_write_signed_part(struct buf *out, const struct json *header, const struct json *payload);
void jwt_write_signature(struct buf *out, const void *signature,
                         size_t size); /* "." and base64url */
/* The claim is that string, or an array that holds it (aud). */
bool jwt_claim_has(const struct jwt *t, const char *claim, struct str value);

#endif
