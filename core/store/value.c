/* A value is one allocation: header, key, bytes. */
#include "store/value.h"

#include <string.h>

#include "base/assert.h"
#include "base/mem.h"

int store_value_new(struct str key, struct str bytes, void (*attach_free)(void *),
                    struct store_value **ret_value)
{
    struct store_value *v = mem_alloc(sizeof(*v) + key.n + bytes.n);
    if (!v)
        return -E_NOMEM;
    *v = (struct store_value){
        .refs = 1,
        .key_size = (uint32_t)key.n,
        .size = (uint32_t)bytes.n,
        .attach_free = attach_free,
    };
    if (key.n)
        memcpy(v->bytes, key.p, key.n);
    if (bytes.n)
        memcpy(v->bytes + key.n, bytes.p, bytes.n);
    *ret_value = v;
    return 0;
}

struct store_value *store_value_ref(struct store_value *v)
{
    ASSERT(v->refs > 0 && v->refs < UINT32_MAX);
    v->refs++;
    return v;
}

void store_value_unref(struct store_value *v)
{
    if (!v)
        return;
    ASSERT(v->refs > 0);
    if (--v->refs > 0)
        return;
    if (v->attached && v->attach_free)
        v->attach_free(v->attached);
    mem_free(v);
}

/* FNV-1a with its bits stirred at the end. */
int64_t store_hash(struct str bytes)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < bytes.n; i++)
        h = (h ^ (unsigned char)bytes.p[i]) * 0x100000001b3u;
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdu;
    h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53u;
    return (int64_t)(h ^ (h >> 33));
}
