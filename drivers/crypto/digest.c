/* SHA-2, SHA-1, random bytes, UUIDs and constant-time comparison. See port/crypto.h. */
#include <mbedtls/sha1.h>
#include <mbedtls/sha256.h>
#include <sys/random.h>

#include "base/assert.h"
#include "port/crypto.h"

_Static_assert(sizeof(mbedtls_sha256_context) <= sizeof(struct sha256), "sha256 state fits");

static mbedtls_sha256_context *context(struct sha256 *h)
{
    return (mbedtls_sha256_context *)(void *)h->state;
}

void sha256_init(struct sha256 *h)
{
    mbedtls_sha256_init(context(h));
    int rc = mbedtls_sha256_starts(context(h), 0);
    ASSERT(rc == 0);
}

void sha256_update(struct sha256 *h, const void *p, size_t n)
{
    int rc = mbedtls_sha256_update(context(h), p, n);
    ASSERT(rc == 0);
}

void sha256_final(struct sha256 *h, uint8_t ret_digest[SHA256_BYTES])
{
    int rc = mbedtls_sha256_finish(context(h), ret_digest);
    ASSERT(rc == 0);
}

void sha256_of(struct str s, uint8_t ret_digest[SHA256_BYTES])
{
    struct sha256 h;
    sha256_init(&h);
    sha256_update(&h, s.p, s.n);
    sha256_final(&h, ret_digest);
}

void sha1_of(struct str s, uint8_t ret_digest[20])
{
    int rc = mbedtls_sha1((const unsigned char *)s.p, s.n, ret_digest);
    ASSERT(rc == 0);
}

void crypto_random(void *p, size_t n)
{
    char *at = p;
    while (n) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0)
            continue; /* a signal; nothing else can fail here */
        at += got;
        n -= (size_t)got;
    }
}

void crypto_uuid(char ret_uuid[37])
{
    uint8_t b[16];
    char hex[33];
    crypto_random(b, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    hex_encode(hex, b, sizeof b);
    char *to = ret_uuid;
    for (int i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            *to++ = '-';
        *to++ = hex[i];
    }
    *to = 0;
}

bool crypto_equal(const void *a, const void *b, size_t n)
{
    const volatile unsigned char *x = a, *y = b;
    unsigned char differ = 0;
    for (size_t i = 0; i < n; i++)
        differ |= (unsigned char)(x[i] ^ y[i]);
    return differ == 0;
}
