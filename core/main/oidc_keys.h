/*
 * Fetches the keys of the OpenID Connect issuer that keelson.yaml names, for the API: the discovery
 * document, the key set that it points to, and both again every ten minutes; after a failure sooner.
 */
#ifndef MAIN_OIDC_KEYS_H
#define MAIN_OIDC_KEYS_H

#include "api/api.h"
#include "main/role_env.h"

struct oidc_keys;

/* The settings of env->start.oidc; texts are valid as long as *ret_tree's arena. false: none. */
bool oidc_settings(struct arena *a, const struct role_env *env, struct api_oidc *ret, struct str *ret_ca);
/* issuer and ca are copied. */
int oidc_keys_new(struct role_env *env, struct api *api, const char *issuer, struct str ca_pem,
                  struct oidc_keys **ret_keys, struct err *err) MUST_CHECK;
void oidc_keys_free(struct oidc_keys *k);

#endif
