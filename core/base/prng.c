/* xoshiro256** (Blackman, Vigna: "Scrambled linear pseudorandom number generators"). See prng.h. */
#include "base/prng.h"

#include <string.h>

#include "base/assert.h"

static uint64_t rotl(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

void prng_init(struct prng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) { /* splitmix64, as the authors advise */
        uint64_t z = seed += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        r->s[i] = z ^ z >> 31;
    }
}

uint64_t prng_next(struct prng *r)
{
    uint64_t *s = r->s;
    uint64_t out = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return out;
}

uint64_t prng_below(struct prng *r, uint64_t bound)
{
    ASSERT(bound > 0);
    uint64_t limit = UINT64_MAX - UINT64_MAX % bound, v;
    do
        v = prng_next(r);
    while (v >= limit);
    return v % bound;
}

void prng_fill(struct prng *r, void *p, size_t n)
{
    char *at = p;
    while (n) {
        uint64_t v = prng_next(r);
        size_t take = n < 8 ? n : 8;
        memcpy(at, &v, take);
        at += take;
        n -= take;
    }
}
