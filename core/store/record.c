/* See record.h. */
#include "store/record.h"

#include "store/format.h"
#include "store/value.h"

void store_record_append(struct buf *b, const struct store_value *v)
{
    char head[RECORD_HEAD];
    put_u16(head, (uint16_t)v->key_size);
    put_u32(head + 2, v->size);
    put_u64(head + 6, (uint64_t)v->create_revision);
    put_u64(head + 14, (uint64_t)v->mod_revision);
    put_u64(head + 22, (uint64_t)v->version);
    buf_append(b, head, RECORD_HEAD);
    buf_append(b, v->bytes, (size_t)v->key_size + v->size);
}

int store_record_read(const char **at, const char *end, void (*attach_free)(void *attached),
                struct store_value **ret_value)
{
    const char *p = *at;
    if (end - p < RECORD_HEAD)
        return -E_CORRUPT;
    size_t key_size = get_u16(p), size = get_u32(p + 2);
    if (key_size == 0 || key_size > STORE_KEY_MAX || size > LIMIT_OBJECT_BYTES ||
        (size_t)(end - p) < RECORD_HEAD + key_size + size)
        return -E_CORRUPT;
    struct store_value *v;
    int rc = store_value_new(str_make(p + RECORD_HEAD, key_size),
                             str_make(p + RECORD_HEAD + key_size, size), attach_free, &v);
    if (rc)
        return rc;
    v->create_revision = (int64_t)get_u64(p + 6);
    v->mod_revision = (int64_t)get_u64(p + 14);
    v->version = (int64_t)get_u64(p + 22);
    *at = p + RECORD_HEAD + key_size + size;
    *ret_value = v;
    return 0;
}
