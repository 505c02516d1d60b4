/* What the files of this folder share. */
#ifndef DRIVERS_CRYPTO_CRYPTO_INT_H
#define DRIVERS_CRYPTO_CRYPTO_INT_H

#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

#include "port/crypto.h"

struct crypto_key {
    mbedtls_pk_context pk;
};

/* mbedTLS takes memory through base/mem.h from the first use on. Call before anything else. */
void crypto_setup(void);
int crypto_rng(void *ctx, unsigned char *p, size_t n); /* mbedTLS's f_rng */
/* -E_* with mbedTLS's own words behind what was being done. */
int crypto_failed(struct err *err, int mbedtls_rc, const char *doing);
/* What a parsed certificate says. */
int cert_read(const mbedtls_x509_crt *c, struct cert_info *ret_info, struct err *err) MUST_CHECK;
void cert_time(int64_t s, char out[16]); /* as mbedTLS's writer wants it */
int cert_set_extended_usage(mbedtls_x509write_cert *w, unsigned use); /* mbedTLS's code, not -E_* */
/* Copies PEM so that a NUL follows it, which the parser wants; mem_free_secret. */
char *crypto_terminated(struct str pem) MUST_CHECK;

#endif
