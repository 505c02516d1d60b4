/* malloc behind counters and a fault that tests can plant. See mem.h. */
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static _Atomic uint64_t live;
static _Atomic uint64_t fail_in;

static int must_fail(void)
{
    if (__builtin_expect(fail_in == 0, 1))
        return 0;
    return --fail_in == 0;
}

void *mem_alloc(size_t size_bytes)
{
    void *p = must_fail() ? NULL : malloc(size_bytes ? size_bytes : 1);
    if (p)
        live++;
    return p;
}

void *mem_calloc(size_t count, size_t size)
{
    void *p = must_fail() ? NULL : calloc(count ? count : 1, size ? size : 1);
    if (p)
        live++;
    return p;
}

void *mem_zalloc(size_t size_bytes)
{
    return mem_calloc(1, size_bytes);
}

void *mem_realloc(void *p, size_t size_bytes)
{
    void *q = must_fail() ? NULL : realloc(p, size_bytes ? size_bytes : 1);
    if (q && !p)
        live++;
    return q;
}

void *mem_dup(const void *p, size_t size_bytes)
{
    void *q = mem_alloc(size_bytes);
    if (q && size_bytes)
        memcpy(q, p, size_bytes);
    return q;
}

char *mem_strndup(const char *s, size_t n)
{
    char *q = mem_alloc(n + 1);
    if (q) {
        if (n)
            memcpy(q, s, n);
        q[n] = 0;
    }
    return q;
}

char *mem_strdup(const char *s)
{
    return mem_strndup(s, strlen(s));
}

void mem_free(void *p)
{
    if (p) {
        live--;
        free(p);
    }
}

void mem_wipe(void *p, size_t size_bytes)
{
    volatile unsigned char *v = p;
    while (size_bytes--)
        *v++ = 0;
}

void mem_free_secret(void *p, size_t size_bytes)
{
    if (p)
        mem_wipe(p, size_bytes);
    mem_free(p);
}

void mem_fail_nth(uint64_t n)
{
    fail_in = n;
}

uint64_t mem_live_count(void)
{
    return live;
}

void mem_free_ptr(void *pp)
{
    mem_free(*(void **)pp);
}
