/* Growing buffer with a cap and a sticky failure. See buf.h. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"

void buf_init(struct buf *b, size_t max_bytes)
{
    *b = (struct buf){.max_bytes = max_bytes};
}

void buf_done(struct buf *b)
{
    mem_free(b->data);
    *b = (struct buf){.max_bytes = b->max_bytes};
}

void buf_clear(struct buf *b)
{
    b->head = b->len = 0;
    b->failed = false;
}

static void slide(struct buf *b)
{
    if (b->head) {
        memmove(b->data, b->data + b->head, b->len - b->head);
        b->len -= b->head;
        b->head = 0;
    }
}

char *buf_reserve(struct buf *b, size_t n)
{
    size_t live = b->len - b->head;
    if (b->failed)
        return NULL;
    if (n <= b->cap - b->len)
        return b->data + b->len;
    if (n > b->max_bytes || live > b->max_bytes - n) {
        b->failed = true;
        return NULL;
    }
    slide(b);
    if (n <= b->cap - b->len)
        return b->data + b->len;
    size_t cap = b->cap ? b->cap : 128;
    while (cap < live + n)
        cap *= 2;
    if (cap > b->max_bytes)
        cap = b->max_bytes;
    char *p = mem_realloc(b->data, cap);
    if (!p) {
        b->failed = true;
        return NULL;
    }
    b->data = p;
    b->cap = cap;
    return b->data + b->len;
}

void buf_commit(struct buf *b, size_t n)
{
    ASSERT(n <= b->cap - b->len);
    b->len += n;
}

void buf_append(struct buf *b, const void *p, size_t n)
{
    if (n == 0)
        return;
    char *to = buf_reserve(b, n);
    if (to) {
        memcpy(to, p, n);
        b->len += n;
    }
}

void buf_append_str(struct buf *b, struct str s)
{
    buf_append(b, s.p, s.n);
}

void buf_puts(struct buf *b, const char *cstr)
{
    buf_append(b, cstr, strlen(cstr));
}

void buf_putc(struct buf *b, char c)
{
    buf_append(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *to = n < 0 ? NULL : buf_reserve(b, (size_t)n + 1);
    if (to) {
        vsnprintf(to, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    } else {
        b->failed = true;
    }
    va_end(again);
}

void buf_put_u64(struct buf *b, uint64_t v)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + v % 10);
    while (v /= 10);
    buf_append(b, digits + at, sizeof digits - at);
}

void buf_put_i64(struct buf *b, int64_t v)
{
    if (v < 0)
        buf_putc(b, '-');
    buf_put_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void buf_consume(struct buf *b, size_t n)
{
    ASSERT(n <= b->len - b->head);
    b->head += n;
    if (b->head == b->len)
        b->head = b->len = 0;
}

void buf_truncate(struct buf *b, size_t live_bytes)
{
    ASSERT(live_bytes <= b->len - b->head);
    b->len = b->head + live_bytes;
}

const char *buf_cstr(struct buf *b)
{
    char *end = buf_reserve(b, 1);
    if (!end)
        return "";
    *end = 0;
    return b->data + b->head;
}

char *buf_take(struct buf *b, size_t *ret_len)
{
    char *end = buf_reserve(b, 1);
    if (!end)
        return NULL;
    slide(b);
    b->data[b->len] = 0;
    char *p = b->data;
    if (ret_len)
        *ret_len = b->len;
    *b = (struct buf){.max_bytes = b->max_bytes};
    return p;
}
