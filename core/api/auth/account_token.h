/* Service-account tokens: see account_token.c. */
#ifndef API_AUTH_ACCOUNT_TOKEN_H
#define API_AUTH_ACCOUNT_TOKEN_H

#include "api/auth/tokens.h"

/* As tokens_verify. */
int account_token_verify(struct api *api, struct arena *a, struct str jwt,
                         struct audiences *audiences, struct user *ret,
                         struct err *err) MUST_CHECK;

#endif
