/* Public keys of other issuers (RFC 7517, 7518): RSA and elliptic curves. See port/crypto.h. */
#include <mbedtls/ecdsa.h>
#include <mbedtls/ecp.h>
#include <mbedtls/rsa.h>

#include "drivers/crypto/crypto_int.h"

enum { RSA_LEAST_BITS = 2048, RSA_MOST_BITS = 8192, POINT_MOST = 1 + 2 * 66 };

struct crypto_jwk {
    mbedtls_rsa_context rsa;
    mbedtls_ecp_group group;
    mbedtls_ecp_point point;
    bool is_rsa;
};

static const struct algorithm {
    const char *name, *curve; /* curve NULL: RSA */
    mbedtls_ecp_group_id group;
    mbedtls_md_type_t md;
    size_t half; /* bytes of r and of s */
} algorithms[] = {
    {"RS256", NULL, MBEDTLS_ECP_DP_NONE, MBEDTLS_MD_SHA256, 0},
    {"RS384", NULL, MBEDTLS_ECP_DP_NONE, MBEDTLS_MD_SHA384, 0},
    {"RS512", NULL, MBEDTLS_ECP_DP_NONE, MBEDTLS_MD_SHA512, 0},
    {"ES256", "P-256", MBEDTLS_ECP_DP_SECP256R1, MBEDTLS_MD_SHA256, 32},
    {"ES384", "P-384", MBEDTLS_ECP_DP_SECP384R1, MBEDTLS_MD_SHA384, 48},
    {"ES512", "P-521", MBEDTLS_ECP_DP_SECP521R1, MBEDTLS_MD_SHA512, 66},
};

static const struct algorithm *find(struct str name)
{
    for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++)
        if (str_is(name, algorithms[i].name))
            return &algorithms[i];
    return NULL;
}

void crypto_jwk_free(struct crypto_jwk *k)
{
    if (!k)
        return;
    mbedtls_rsa_free(&k->rsa);
    mbedtls_ecp_group_free(&k->group);
    mbedtls_ecp_point_free(&k->point);
    mem_free(k);
}

static struct crypto_jwk *new_key(void)
{
    crypto_setup();
    struct crypto_jwk *k = mem_zalloc(sizeof *k);
    if (!k)
        return NULL;
    mbedtls_rsa_init(&k->rsa);
    mbedtls_ecp_group_init(&k->group);
    mbedtls_ecp_point_init(&k->point);
    return k;
}

int crypto_jwk_rsa(struct str n, struct str e, struct crypto_jwk **ret_key)
{
    struct crypto_jwk *k = new_key();
    if (!k)
        return -E_NOMEM;
    k->is_rsa = true;
    if (mbedtls_rsa_import_raw(&k->rsa, (const unsigned char *)n.p, n.n, NULL, 0, NULL, 0, NULL, 0,
                               (const unsigned char *)e.p, e.n) != 0 ||
        mbedtls_rsa_complete(&k->rsa) != 0 || mbedtls_rsa_check_pubkey(&k->rsa) != 0 ||
        mbedtls_rsa_get_bitlen(&k->rsa) < RSA_LEAST_BITS ||
        mbedtls_rsa_get_bitlen(&k->rsa) > RSA_MOST_BITS) {
        crypto_jwk_free(k);
        return -E_INVALID;
    }
    *ret_key = k;
    return 0;
}

int crypto_jwk_ec(struct str curve, struct str x, struct str y, struct crypto_jwk **ret_key)
{
    unsigned char point[POINT_MOST];
    const struct algorithm *a = NULL;
    for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++)
        if (algorithms[i].curve && str_is(curve, algorithms[i].curve))
            a = &algorithms[i];
    if (!a || x.n != a->half || y.n != a->half)
        return -E_INVALID;
    struct crypto_jwk *k = new_key();
    if (!k)
        return -E_NOMEM;
    point[0] = 4; /* uncompressed */
    memcpy(point + 1, x.p, x.n);
    memcpy(point + 1 + x.n, y.p, y.n);
    if (mbedtls_ecp_group_load(&k->group, a->group) != 0 ||
        mbedtls_ecp_point_read_binary(&k->group, &k->point, point, 1 + 2 * a->half) != 0 ||
        mbedtls_ecp_check_pubkey(&k->group, &k->point) != 0) {
        crypto_jwk_free(k);
        return -E_INVALID;
    }
    *ret_key = k;
    return 0;
}

static bool verify_ec(const struct crypto_jwk *k, const struct algorithm *a,
                      const unsigned char *hash, size_t hash_size, struct str sig)
{
    mbedtls_mpi r, s;
    if (k->is_rsa || k->group.id != a->group || sig.n != 2 * a->half)
        return false;
    mbedtls_mpi_init(&r);
    mbedtls_mpi_init(&s);
    bool good = mbedtls_mpi_read_binary(&r, (const unsigned char *)sig.p, a->half) == 0 &&
                mbedtls_mpi_read_binary(&s, (const unsigned char *)sig.p + a->half, a->half) == 0 &&
                mbedtls_ecdsa_verify((mbedtls_ecp_group *)&k->group, hash, hash_size, &k->point, &r,
                                     &s) == 0;
    mbedtls_mpi_free(&r);
    mbedtls_mpi_free(&s);
    return good;
}

bool crypto_jwk_verify(const struct crypto_jwk *k, struct str alg, struct str message,
                       struct str sig)
{
    unsigned char hash[MBEDTLS_MD_MAX_SIZE];
    const struct algorithm *a = find(alg);
    const mbedtls_md_info_t *md = a ? mbedtls_md_info_from_type(a->md) : NULL;
    if (!md || mbedtls_md(md, (const unsigned char *)message.p, message.n, hash) != 0)
        return false;
    size_t size = mbedtls_md_get_size(md);
    if (a->curve)
        return verify_ec(k, a, hash, size, sig);
    return k->is_rsa && sig.n == mbedtls_rsa_get_len(&k->rsa) &&
           mbedtls_rsa_pkcs1_verify((mbedtls_rsa_context *)&k->rsa, a->md, (unsigned)size, hash,
                                    (const unsigned char *)sig.p) == 0;
}
