/* ID tokens of a configured OpenID Connect issuer. */
#ifndef API_AUTH_OIDC_H
#define API_AUTH_OIDC_H

#include "api/auth/tokens.h"

struct oidc;

int oidc_new(const struct api_oidc *options, struct oidc **ret_oidc) MUST_CHECK;
void oidc_free(struct oidc *o); /* accepts NULL */
/* The issuer's keys, a JWK set; those before are forgotten. Keys of kinds that we do not know are
 * passed over. -E_SYNTAX: it is no JWK set, and all stays as it was. */
int oidc_set_keys(struct oidc *o, struct str jwks, struct err *err) MUST_CHECK;
/* Does the token say that it is this issuer's? */
bool oidc_claims(const struct oidc *o, const struct json *payload);
/* As tokens_verify. */
int oidc_verify(struct oidc *o, struct api *api, struct arena *a, struct str text,
                struct user *ret, struct err *err) MUST_CHECK;

#endif
