/* Bearer tokens: of service accounts, bootstrap tokens, and of a configured OIDC issuer. */
#ifndef API_AUTH_TOKENS_H
#define API_AUTH_TOKENS_H

#include "api/api_int.h"

struct audiences { /* asked for, and on return those that the token is for */
    struct str at[16];
    size_t count;
};

/* The user of a token. audiences NULL or empty: the API's own; else *audiences is narrowed to those
 * the token is good for. -E_UNAUTHORIZED with why in err; -E_NOMEM. */
int tokens_verify(struct api *api, struct arena *a, struct str token, struct audiences *audiences,
                  struct user *ret, struct err *err) MUST_CHECK;

#endif
