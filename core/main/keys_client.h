/*
 * A role's side of its link to `keys`: a key of its own, made in memory, a certificate for it by
 * the one profile that the link allows, and (control only) signatures with the service-account key.
 * Survives restarts of keys: what was asked and not answered is asked again.
 */
#ifndef MAIN_KEYS_CLIENT_H
#define MAIN_KEYS_CLIENT_H

#include "main/keys_msg.h"
#include "main/role_env.h"
#include "port/crypto.h"

struct keys_client;

/* Texts are PEM, valid until the next call of the same function. */
struct keys_identity {
    struct str cert_pem, key_pem, ca_pem;
};
struct keys_info {
    struct str ca_pem;
    struct str service_account_public_pem;
};

int keys_client_new(struct role_env *env, struct keys_client **ret_client) MUST_CHECK;
void keys_client_free(struct keys_client *k);

/* Makes a key and asks for its certificate. fn runs from the loop when it is there, and again with
 * each renewed one (the machine's addresses changed, half of its life is over). The context that a
 * former one was made into stays good. One use of each profile. */
int keys_client_identity(struct keys_client *k, enum keys_profile profile,
                         void (*fn)(void *ctx, const struct keys_identity *id), void *ctx) MUST_CHECK;
/* The CA and the public halves of the service-account keys, the signing one first; again whenever
 * keys has made a new one (or has come back). */
int keys_client_info(struct keys_client *k, void (*fn)(void *ctx, const struct keys_info *info),
                     void *ctx) MUST_CHECK;
/* ES256 over message (a JWT's signed part) with the service-account key: r || s. done runs once,
 * from the loop; sig is NULL when rc is not 0. The signature of api_options.sign: ctx is the client. */
int keys_client_sign(void *client, struct str message, void (*done)(void *arg, int rc, const uint8_t sig[64]),
                     void *arg) MUST_CHECK;
/* The certificate for a request of the certificates API (control only). done runs once, from the
 * loop; pem and why are "" where they say nothing. */
struct keys_grant {
    enum keys_signer signer;
    struct str csr_pem;
    unsigned usage; /* enum keys_usage */
    uint32_t seconds;
};
int keys_client_grant(struct keys_client *client, const struct keys_grant *grant,
                      void (*done)(void *arg, int rc, struct str pem, struct str why), void *arg) MUST_CHECK;

#endif
