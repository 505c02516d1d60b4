/* P-256 keys: making, reading, writing, ES256. See port/crypto.h. */
#include <mbedtls/bignum.h>
#include <mbedtls/ecdsa.h>
#include <mbedtls/ecp.h>
#include <mbedtls/platform.h>
#include <psa/crypto.h>
#include <stdio.h>

#include "drivers/crypto/crypto_int.h"

void crypto_setup(void)
{
    static bool done; /* idempotent: the hooks are the process's, like malloc itself */
    if (done)
        return;
    done = true;
    mbedtls_platform_set_calloc_free(mem_calloc, mem_free);
    (void)psa_crypto_init();
}

int crypto_rng(void *ctx, unsigned char *p, size_t n)
{
    (void)ctx;
    crypto_random(p, n);
    return 0;
}

int crypto_failed(struct err *err, int mbedtls_rc, const char *doing)
{
    int code = E_BAD_REQUEST;
    if (mbedtls_rc == MBEDTLS_ERR_MPI_ALLOC_FAILED || mbedtls_rc == MBEDTLS_ERR_PK_ALLOC_FAILED)
        code = E_NOMEM;
    return err_set(err, code, "%s: mbedTLS error -0x%04x", doing, (unsigned)-mbedtls_rc);
}

char *crypto_terminated(struct str pem)
{
    return mem_strndup(pem.p, pem.n);
}

static struct crypto_key *key_new(void)
{
    crypto_setup();
    struct crypto_key *k = mem_zalloc(sizeof *k);
    if (k)
        mbedtls_pk_init(&k->pk);
    return k;
}

void crypto_key_free(struct crypto_key *k)
{
    if (!k)
        return;
    mbedtls_pk_free(&k->pk);
    mem_free(k);
}

int crypto_key_generate(struct crypto_key **ret_key, struct err *err)
{
    struct crypto_key *k = key_new();
    if (!k)
        return err_set(err, E_NOMEM, "key: out of memory");
    int rc = mbedtls_pk_setup(&k->pk, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
    if (rc == 0)
        rc = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(k->pk), crypto_rng, NULL);
    if (rc) {
        crypto_key_free(k);
        return crypto_failed(err, rc, "making a key");
    }
    *ret_key = k;
    return 0;
}

int crypto_key_parse(struct str pem, struct crypto_key **ret_key, struct err *err)
{
    struct crypto_key *k = key_new();
    char *text = crypto_terminated(pem);
    int rc = MBEDTLS_ERR_PK_ALLOC_FAILED;
    if (k && text) {
        const unsigned char *p = (const unsigned char *)text;
        bool public_only = str_find(pem, STR("PRIVATE KEY")) < 0;
        rc = public_only ? mbedtls_pk_parse_public_key(&k->pk, p, pem.n + 1)
                         : mbedtls_pk_parse_key(&k->pk, p, pem.n + 1, NULL, 0, crypto_rng, NULL);
    }
    mem_free_secret(text, pem.n);
    if (rc) {
        crypto_key_free(k);
        return crypto_failed(err, rc, "reading a key");
    }
    *ret_key = k;
    return 0;
}

enum { KEY_TEXT = 4096 };

int crypto_key_private_pem(const struct crypto_key *k, struct buf *out)
{
    unsigned char text[KEY_TEXT];
    int rc = mbedtls_pk_write_key_pem(&k->pk, text, sizeof text);
    if (rc == 0)
        buf_puts(out, (char *)text);
    mem_wipe(text, sizeof text);
    return rc ? -E_INTERNAL : out->failed ? -E_NOMEM : 0;
}

int crypto_key_public_pem(const struct crypto_key *k, struct buf *out)
{
    unsigned char text[KEY_TEXT];
    if (mbedtls_pk_write_pubkey_pem(&k->pk, text, sizeof text))
        return -E_INTERNAL;
    buf_puts(out, (char *)text);
    return out->failed ? -E_NOMEM : 0;
}

int crypto_key_public_der(const struct crypto_key *k, struct buf *out)
{
    unsigned char der[KEY_TEXT]; /* written at its end */
    int n = mbedtls_pk_write_pubkey_der(&k->pk, der, sizeof der);
    if (n < 0)
        return -E_INTERNAL;
    buf_append(out, der + sizeof der - n, (size_t)n);
    return out->failed ? -E_NOMEM : 0;
}

int crypto_key_public_parse_der(struct str der, struct crypto_key **ret_key, struct err *err)
{
    struct crypto_key *k = key_new();
    if (!k)
        return err_set(err, E_NOMEM, "key: out of memory");
    int rc = mbedtls_pk_parse_public_key(&k->pk, (const unsigned char *)der.p, der.n);
    if (rc) {
        crypto_key_free(k);
        return crypto_failed(err, rc, "reading a public key");
    }
    *ret_key = k;
    return 0;
}

static bool is_p256(const struct crypto_key *k)
{
    return mbedtls_pk_can_do(&k->pk, MBEDTLS_PK_ECDSA) &&
           mbedtls_ecp_keypair_get_group_id(mbedtls_pk_ec(k->pk)) == MBEDTLS_ECP_DP_SECP256R1;
}

int crypto_sign(const struct crypto_key *k, struct str message, uint8_t ret_sig[64])
{
    uint8_t digest[SHA256_BYTES];
    mbedtls_ecp_group group;
    mbedtls_mpi r, s, d;
    int rc = MBEDTLS_ERR_PK_TYPE_MISMATCH;

    sha256_of(message, digest);
    mbedtls_ecp_group_init(&group);
    mbedtls_mpi_init(&r);
    mbedtls_mpi_init(&s);
    mbedtls_mpi_init(&d);
    if (is_p256(k))
        rc = mbedtls_ecp_export(mbedtls_pk_ec(k->pk), &group, &d, NULL);
    if (rc == 0)
        rc = mbedtls_ecdsa_sign(&group, &r, &s, &d, digest, sizeof digest, crypto_rng, NULL);
    if (rc == 0)
        rc = mbedtls_mpi_write_binary(&r, ret_sig, 32);
    if (rc == 0)
        rc = mbedtls_mpi_write_binary(&s, ret_sig + 32, 32);
    mbedtls_mpi_free(&r);
    mbedtls_mpi_free(&s);
    mbedtls_mpi_free(&d);
    mbedtls_ecp_group_free(&group);
    return rc ? -E_INTERNAL : 0;
}

bool crypto_verify(const struct crypto_key *k, struct str message, struct str sig)
{
    uint8_t digest[SHA256_BYTES];
    mbedtls_ecp_group group;
    mbedtls_ecp_point q;
    mbedtls_mpi r, s;
    const unsigned char *raw = (const unsigned char *)sig.p;

    if (sig.n != 64 || !is_p256(k))
        return false;
    sha256_of(message, digest);
    mbedtls_ecp_group_init(&group);
    mbedtls_ecp_point_init(&q);
    mbedtls_mpi_init(&r);
    mbedtls_mpi_init(&s);
    int rc = mbedtls_ecp_export(mbedtls_pk_ec(k->pk), &group, NULL, &q);
    if (rc == 0)
        rc = mbedtls_mpi_read_binary(&r, raw, 32);
    if (rc == 0)
        rc = mbedtls_mpi_read_binary(&s, raw + 32, 32);
    if (rc == 0)
        rc = mbedtls_ecdsa_verify(&group, digest, sizeof digest, &q, &r, &s);
    mbedtls_mpi_free(&r);
    mbedtls_mpi_free(&s);
    mbedtls_ecp_point_free(&q);
    mbedtls_ecp_group_free(&group);
    return rc == 0;
}
