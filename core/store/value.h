/* Making values; references are in store.h. */
#ifndef STORE_VALUE_H
#define STORE_VALUE_H

#include "store/store.h"

/* Revisions are 0 until it is applied. */
int store_value_new(struct str key, struct str bytes, void (*attach_free)(void *),
                    struct store_value **ret_value) MUST_CHECK;

/* What a value costs in memory. */
static inline uint64_t store_value_cost(const struct store_value *v)
{
    return v ? sizeof(*v) + v->key_size + v->size : 0;
}

#endif
