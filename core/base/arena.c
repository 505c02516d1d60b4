/* Chunked arena with a cap. See arena.h. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>

enum { FIRST_CHUNK = 4096, LARGEST_CHUNK = 256 * 1024 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t size;
    char data[];
};

void arena_init(struct arena *a, size_t cap_bytes)
{
    *a = (struct arena){.cap_bytes = cap_bytes};
}

void arena_done(struct arena *a)
{
    struct arena_chunk *next;
    for (struct arena_chunk *c = a->chunks; c; c = next) {
        next = c->next;
        mem_free(c);
    }
    *a = (struct arena){.cap_bytes = a->cap_bytes};
}

void arena_clear(struct arena *a)
{
    struct arena_chunk *keep = a->chunks;
    if (!keep || keep->next || keep->size > FIRST_CHUNK * 4) {
        arena_done(a);
        return;
    }
    a->at = keep->data;
    a->end = keep->data + keep->size;
    a->failed = false;
}

static bool grow(struct arena *a, size_t need)
{
    size_t size = a->chunks ? a->chunks->size * 2 : FIRST_CHUNK;
    if (size > LARGEST_CHUNK)
        size = LARGEST_CHUNK;
    if (size < need)
        size = need;
    if (a->used_bytes + size > a->cap_bytes)
        size = need;
    if (need > a->cap_bytes || a->used_bytes > a->cap_bytes - need)
        return false;
    struct arena_chunk *c = mem_alloc(sizeof *c + size);
    if (!c)
        return false;
    c->size = size;
    c->next = a->chunks;
    a->chunks = c;
    a->used_bytes += size;
    a->at = c->data;
    a->end = c->data + size;
    return true;
}

void *arena_alloc(struct arena *a, size_t size_bytes)
{
    size_t need = (size_bytes + 7) & ~(size_t)7;
    if (need < size_bytes || ((size_t)(a->end - a->at) < need && !grow(a, need))) {
        a->failed = true;
        return NULL;
    }
    void *p = a->at;
    a->at += need;
    return p;
}

void *arena_zalloc(struct arena *a, size_t size_bytes)
{
    void *p = arena_alloc(a, size_bytes);
    if (p)
        memset(p, 0, size_bytes);
    return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    char *p = arena_alloc(a, n + 1);
    if (p) {
        if (n)
            memcpy(p, s, n);
        p[n] = 0;
    }
    return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_strndup(a, s, strlen(s));
}

struct str arena_str(struct arena *a, struct str s)
{
    char *p = arena_strndup(a, s.p, s.n);
    return p ? str_make(p, s.n) : str_make(NULL, 0);
}

struct str arena_join(struct arena *a, const struct str *parts, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += parts[i].n;
    char *text = arena_alloc(a, n + 1), *to = text;
    if (!text)
        return str_make(NULL, 0);
    for (size_t i = 0; i < count; i++) {
        if (parts[i].n)
            memcpy(to, parts[i].p, parts[i].n);
        to += parts[i].n;
    }
    *to = 0;
    return str_make(text, n);
}

/* Most texts fit in what the chunk has left: they are written there at once. */
char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;
    size_t left = (size_t)(a->end - a->at);
    char *p = a->at;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(p, left, fmt, ap);
    va_end(ap);
    if (n < 0) {
        a->failed = true;
        p = NULL;
    } else if ((size_t)n < left) {
        p = arena_alloc(a, (size_t)n + 1);
    } else if ((p = arena_alloc(a, (size_t)n + 1))) {
        vsnprintf(p, (size_t)n + 1, fmt, again);
    }
    va_end(again);
    return p;
}
