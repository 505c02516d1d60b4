/* Capabilities, users and groups of the calling process, by raw system calls (one thread). */
#ifndef KERNEL_GLUE_ABI_CAPS_H
#define KERNEL_GLUE_ABI_CAPS_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Number of "CAP_NET_ADMIN" (any case, with or without the prefix), or -1. */
int caps_number(struct str name);
#define CAPS_BIT(number) (1ULL << (number))

/* Drops from the bounding set all that mask does not hold. */
int caps_bound(uint64_t mask) MUST_CHECK;
/* Keeps permitted capabilities over a change of user. */
int caps_keep(void) MUST_CHECK;
/* Sets the three sets and clears ambient ones. What this process itself has not got (it may run in a
 * container) is left out. */
int caps_set(uint64_t effective, uint64_t permitted, uint64_t inheritable) MUST_CHECK;
int caps_set_ambient(uint64_t mask) MUST_CHECK;
int caps_user(uint32_t uid, uint32_t gid, const uint32_t *groups, size_t count) MUST_CHECK;

#endif
