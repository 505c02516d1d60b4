/*
 * A growing byte buffer with a cap, owner of its memory. Appending never needs a check at each
 * call: a failure (cap reached, out of memory) is remembered in `failed`, later appends do
 * nothing, and the caller looks once at the end.
 * Also a queue: bytes are taken from the front with buf_consume.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>

#include "base/mem.h"
#include "base/str.h"

struct buf {
    char *data; /* bytes [head, len) are live */
    size_t head, len, cap;
    size_t max_bytes;
    bool failed;
};

void buf_init(struct buf *b, size_t max_bytes); /* allocates nothing yet */
void buf_done(struct buf *b);
void buf_clear(struct buf *b); /* keeps the memory */

static inline size_t buf_len(const struct buf *b)
{
    return b->len - b->head;
}

static inline struct str buf_str(const struct buf *b)
{
    return b->data ? str_make(b->data + b->head, b->len - b->head) : STR("");
}

void buf_append(struct buf *b, const void *p, size_t n);
void buf_append_str(struct buf *b, struct str s);
void buf_puts(struct buf *b, const char *cstr);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_put_u64(struct buf *b, uint64_t v); /* decimal */
void buf_put_i64(struct buf *b, int64_t v);  /* decimal */

/* Room for n more bytes at the end, or NULL (then failed is set); buf_commit makes them live. */
char *buf_reserve(struct buf *b, size_t n) MUST_CHECK;
void buf_commit(struct buf *b, size_t n);
void buf_consume(struct buf *b, size_t n); /* drops n bytes at the front */
void buf_truncate(struct buf *b, size_t live_bytes);

/* Terminated text: the live bytes plus a NUL behind them that is not counted; "" on failure. */
const char *buf_cstr(struct buf *b);
/* Hands the memory to the caller (mem_free), terminated; NULL when failed or out of memory. */
char *buf_take(struct buf *b, size_t *ret_len) MUST_CHECK;

#define CLEANUP_BUF __attribute__((cleanup(buf_done)))

#endif
