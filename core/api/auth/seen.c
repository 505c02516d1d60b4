/* See seen.h. A digest has one place; a later one there takes it over. */
#include "api/auth/seen.h"

static size_t place(const uint8_t digest[SHA256_BYTES])
{
    return ((size_t)digest[0] << 8 | digest[1]) % SEEN_SIGNATURES;
}

bool seen_has(const struct seen *s, const uint8_t digest[SHA256_BYTES])
{
    return memcmp(s->digests[place(digest)], digest, SHA256_BYTES) == 0;
}

void seen_add(struct seen *s, const uint8_t digest[SHA256_BYTES])
{
    memcpy(s->digests[place(digest)], digest, SHA256_BYTES);
}

void seen_clear(struct seen *s)
{
    memset(s, 0, sizeof *s);
}
