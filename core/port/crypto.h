/*
 * Digests, random bytes, P-256 keys and X.509 certificates. Implemented by drivers/crypto on
 * mbedTLS; linked, not called through a table, because there is nothing to simulate but
 * crypto_random, which a test may replace.
 */
#ifndef PORT_CRYPTO_H
#define PORT_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "port/net.h"

enum { SHA256_BYTES = 32, SHA256_HEX = 65 };

struct sha256 {
    _Alignas(8) unsigned char state[128]; /* opaque; no done needed */
};
void sha256_init(struct sha256 *h);
void sha256_update(struct sha256 *h, const void *p, size_t n);
void sha256_final(struct sha256 *h, uint8_t ret_digest[SHA256_BYTES]);
void sha256_of(struct str s, uint8_t ret_digest[SHA256_BYTES]);
void sha1_of(struct str s, uint8_t ret_digest[20]); /* WebSocket handshakes only */

/* From the kernel; blocks only before the kernel's pool is first seeded. Never fails after. */
void crypto_random(void *p, size_t n);
/* UUID version 4, "xxxxxxxx-xxxx-4xxx-...", 36 characters and a NUL. */
void crypto_uuid(char ret_uuid[37]);

bool crypto_equal(const void *a, const void *b, size_t n); /* constant time */

/* ---- keys: P-256 ---- */
struct crypto_key; /* a private key with its public half, or (verify only) a public key */

int crypto_key_generate(struct crypto_key **ret_key, struct err *err) MUST_CHECK;
/* PEM "EC PRIVATE KEY" or PKCS#8 "PRIVATE KEY"; or a public "PUBLIC KEY". */
int crypto_key_parse(struct str pem, struct crypto_key **ret_key, struct err *err) MUST_CHECK;
int crypto_key_private_pem(const struct crypto_key *k, struct buf *out) MUST_CHECK;
int crypto_key_public_pem(const struct crypto_key *k, struct buf *out) MUST_CHECK;
/* SubjectPublicKeyInfo, DER. */
int crypto_key_public_der(const struct crypto_key *k, struct buf *out) MUST_CHECK;
int crypto_key_public_parse_der(struct str der, struct crypto_key **ret_key, struct err *err) MUST_CHECK;
void crypto_key_free(struct crypto_key *k);
/* ES256 (RFC 7518): SHA-256, signature as r || s, 64 bytes. */
int crypto_sign(const struct crypto_key *k, struct str message, uint8_t ret_sig[64]) MUST_CHECK;
bool crypto_verify(const struct crypto_key *k, struct str message, struct str sig);

/* ---- public keys of others (JWK): RSA of 2048 to 8192 bits, P-256, P-384, P-521 ---- */
struct crypto_jwk;
/* Big-endian numbers. -E_INVALID for what is no good key; -E_NOMEM. */
int crypto_jwk_rsa(struct str n, struct str e, struct crypto_jwk **ret_key) MUST_CHECK;
int crypto_jwk_ec(struct str curve, struct str x, struct str y, struct crypto_jwk **ret_key) MUST_CHECK;
void crypto_jwk_free(struct crypto_jwk *k); /* accepts NULL */
/* alg: RS256 to RS512, ES256 to ES512; one that does not fit the key is false. */
bool crypto_jwk_verify(const struct crypto_jwk *k, struct str alg, struct str message, struct str sig);

/* ---- certificates ---- */
enum { CERT_USE_SERVER = 1, CERT_USE_CLIENT = 2, CERT_USE_CA = 4 };
enum { CERT_MAX_NAMES = 32, CERT_MAX_ORGS = 8 };

struct cert_profile {
    const char *common_name;
    const char *orgs[CERT_MAX_ORGS];
    size_t org_count;
    const char *dns[CERT_MAX_NAMES];
    size_t dns_count;
    struct net_addr ips[CERT_MAX_NAMES];
    size_t ip_count;
    unsigned use;
    int64_t not_before_s, not_after_s; /* seconds since 1970 */
};

/* At most one organisation is written (-E_LIMIT). Self-signed when issuer_cert_pem is empty. subject: only its
 * public half is used. Appends PEM. */
int cert_issue(const struct cert_profile *profile, const struct crypto_key *subject,
               const struct crypto_key *issuer_key, struct str issuer_cert_pem, struct buf *out_pem,
               struct err *err) MUST_CHECK;

struct cert_info { /* what a certificate says; text is UTF-8, terminated */
    char common_name[256];
    char orgs[CERT_MAX_ORGS][128];
    size_t org_count;
    unsigned use;
    bool is_ca;
    int64_t not_before_s, not_after_s;
    uint8_t fingerprint[SHA256_BYTES]; /* of the DER */
};
int cert_parse(struct str pem_or_der, struct cert_info *ret_info, struct err *err) MUST_CHECK;

/* ---- certificate requests (PKCS #10) ---- */
struct csr_info {
    char common_name[256];
    char orgs[CERT_MAX_ORGS][128];
    size_t org_count;
    char dns[CERT_MAX_NAMES][256];
    size_t dns_count;
    struct net_addr ips[CERT_MAX_NAMES];
    size_t ip_count;
    unsigned other_attributes, other_names; /* of the subject; e-mail addresses and URIs */
};
/* PEM or DER. The request's own signature is checked. -E_INVALID or another for what is no good. */
int csr_parse(struct str pem, struct csr_info *ret_info, struct err *err) MUST_CHECK;

struct csr_grant {
    bool digital_signature, key_encipherment;
    unsigned use; /* CERT_USE_SERVER, CERT_USE_CLIENT */
    int64_t not_before_s, not_after_s;
};
/* A certificate with the request's key (any that the library knows), subject and names. Appends
 * PEM. Whether they may be granted is for the caller to decide. */
int csr_issue(struct str csr_pem, const struct csr_grant *grant, const struct crypto_key *issuer_key,
              struct str issuer_cert_pem, struct buf *out_pem, struct err *err) MUST_CHECK;

#endif
