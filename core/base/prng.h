/*
 * A small deterministic generator (xoshiro256**) for jitter, hash seeds, name suffixes and tests.
 * Not for keys: those come from port/rand.h.
 */
#ifndef BASE_PRNG_H
#define BASE_PRNG_H

#include <stddef.h>
#include <stdint.h>

struct prng {
    uint64_t s[4];
};

void prng_init(struct prng *r, uint64_t seed);
uint64_t prng_next(struct prng *r);
uint64_t prng_below(struct prng *r, uint64_t bound); /* uniform in [0, bound); bound > 0 */
void prng_fill(struct prng *r, void *p, size_t n);

#endif
