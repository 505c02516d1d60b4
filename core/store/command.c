/* Encoding and bounded decoding of commands. See command.h. */
#include "store/command.h"

#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "store/format.h"

enum { HEAD = 4, COMPARE_HEAD = 11, OP_HEAD = 7 };

int command_origin_read(struct str entry, struct command_origin *ret_origin,
                        struct str *ret_command)
{
    if (entry.n < COMMAND_ORIGIN_BYTES)
        return -E_CORRUPT;
    *ret_origin = (struct command_origin){get_u64(entry.p), get_u64(entry.p + 8)};
    *ret_command = str_make(entry.p + COMMAND_ORIGIN_BYTES, entry.n - COMMAND_ORIGIN_BYTES);
    return 0;
}

void command_origin_write(char *dst, struct command_origin o)
{
    put_u64(dst, o.session);
    put_u64(dst + 8, o.sequence);
}

size_t command_size(const struct command *c, int *ret_rc)
{
    size_t size = HEAD;
    if (c->compare_count > STORE_OPS_MAX || c->op_count > STORE_OPS_MAX) {
        *ret_rc = -E_TOO_LARGE;
        return 0;
    }
    int rc = 0;
    for (size_t i = 0; i < c->compare_count; i++) {
        size_t n = c->compares[i].key.n;
        rc = n == 0 ? -E_BAD_REQUEST : n > STORE_KEY_MAX ? -E_TOO_LARGE : rc;
        size += COMPARE_HEAD + n;
    }
    for (size_t i = 0; i < c->op_count; i++) {
        size_t n = c->ops[i].key.n, value = c->ops[i].is_delete ? 0 : c->ops[i].value.n;
        rc = n == 0 ? -E_BAD_REQUEST
             : n > STORE_KEY_MAX || value > LIMIT_OBJECT_BYTES ? -E_TOO_LARGE
                                                               : rc;
        size += OP_HEAD + n + value;
    }
    if (!rc && size > STORE_COMMAND_MAX)
        rc = -E_TOO_LARGE;
    *ret_rc = rc;
    return rc ? 0 : size;
}

static char *put_bytes(char *at, struct str s)
{
    if (s.n)
        memcpy(at, s.p, s.n);
    return at + s.n;
}

void command_encode(const struct command *c, char *dst)
{
    char *at = dst;
    put_u16(at, (uint16_t)c->compare_count);
    put_u16(at + 2, (uint16_t)c->op_count);
    at += HEAD;
    for (size_t i = 0; i < c->compare_count; i++) {
        const struct store_compare *compare = &c->compares[i];
        *at = (char)compare->kind;
        put_u16(at + 1, (uint16_t)compare->key.n);
        put_u64(at + 3, (uint64_t)compare->revision);
        at = put_bytes(at + COMPARE_HEAD, compare->key);
    }
    for (size_t i = 0; i < c->op_count; i++) {
        const struct store_op *op = &c->ops[i];
        struct str value = op->is_delete ? STR("") : op->value;
        *at = op->is_delete;
        put_u16(at + 1, (uint16_t)op->key.n);
        put_u32(at + 3, (uint32_t)value.n);
        at = put_bytes(at + OP_HEAD, op->key);
        at = put_bytes(at, value);
    }
}

int command_read(struct str bytes, struct command_reader *ret_reader)
{
    if (bytes.n < HEAD)
        return -E_CORRUPT;
    *ret_reader = (struct command_reader){
        .at = bytes.p + HEAD,
        .end = bytes.p + bytes.n,
        .compares = get_u16(bytes.p),
        .ops = get_u16(bytes.p + 2),
    };
    return ret_reader->compares > STORE_OPS_MAX || ret_reader->ops > STORE_OPS_MAX ? -E_CORRUPT : 0;
}

int command_next_compare(struct command_reader *r, struct store_compare *ret_compare)
{
    if (r->compares == 0)
        return 0;
    if (r->end - r->at < COMPARE_HEAD)
        return -E_CORRUPT;
    unsigned char kind = (unsigned char)r->at[0];
    size_t key_size = get_u16(r->at + 1);
    int64_t revision = (int64_t)get_u64(r->at + 3);
    if (kind > STORE_COMPARE_VALUE || key_size == 0 || key_size > STORE_KEY_MAX ||
        (size_t)(r->end - r->at) < COMPARE_HEAD + key_size)
        return -E_CORRUPT;
    *ret_compare = (struct store_compare){
        .kind = (enum store_compare_kind)kind,
        .key = str_make(r->at + COMPARE_HEAD, key_size),
        .revision = revision,
    };
    r->at += COMPARE_HEAD + key_size;
    r->compares--;
    return 1;
}

int command_next_op(struct command_reader *r, struct store_op *ret_op)
{
    ASSERT(r->compares == 0);
    if (r->ops == 0)
        return r->at == r->end ? 0 : -E_CORRUPT;
    if (r->end - r->at < OP_HEAD)
        return -E_CORRUPT;
    unsigned char flag = (unsigned char)r->at[0];
    size_t key_size = get_u16(r->at + 1), value_size = get_u32(r->at + 3);
    if (flag > 1 || key_size == 0 || key_size > STORE_KEY_MAX || value_size > LIMIT_OBJECT_BYTES ||
        (size_t)(r->end - r->at) < OP_HEAD + key_size + value_size)
        return -E_CORRUPT;
    *ret_op = (struct store_op){
        .is_delete = flag == 1,
        .key = str_make(r->at + OP_HEAD, key_size),
        .value = str_make(r->at + OP_HEAD + key_size, value_size),
    };
    r->at += OP_HEAD + key_size + value_size;
    r->ops--;
    return 1;
}

int command_check(struct str bytes)
{
    struct command_reader r;
    struct store_compare c;
    struct store_op op;
    int rc = command_read(bytes, &r);
    if (rc)
        return rc;
    while ((rc = command_next_compare(&r, &c)) > 0)
        ;
    if (rc)
        return rc;
    while ((rc = command_next_op(&r, &op)) > 0)
        ;
    return rc;
}
