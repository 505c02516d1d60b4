/*
 * malloc behind counters and a fault that tests can plant. See mem.h.
 *
 * musl gives a freed block of a few KB back to the kernel at once, and a request allocates some of
 * them: mapping and clearing pages again cost more than the rest of a small request. So each
 * thread keeps a few of these blocks. Sizes are rounded up to what the allocator would take from its
 * pages anyway, so that blocks fit again. The sanitizers must see every free: nothing is kept then.
 */
#include "base/mem.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 31, KEPT_A_CLASS = 64, KEPT_BYTES = 2048 * 1024 /* a thread, all classes */ };

struct kept {
    void *blocks[CLASSES][KEPT_A_CLASS];
    unsigned char count[CLASSES];
    size_t bytes;
};

static _Atomic uint64_t live;
static _Atomic uint64_t fail_in;

static int must_fail(void)
{
    if (__builtin_expect(fail_in == 0, 1))
        return 0;
    return --fail_in == 0;
}

#if defined(__SANITIZE_ADDRESS__)
static void *take(size_t *size)
{
    *size = *size ? *size : 1;
    return NULL;
}

static bool keep(void *p)
{
    (void)p;
    return false;
}
#else
/* musl's sizes in units of 16 bytes, of which it needs 4 itself, and two that it maps directly. */
static const uint16_t units[CLASSES] = {63,   72,   84,   102,  127,  146,  170,  204,  255,  292,  340,
                                        409,  511,  584,  682,  818,  1023, 1169, 1364, 1637, 2047, 2340,
                                        2730, 3276, 4095, 4680, 5460, 6552, 8191, 9216, 16640};

static _Thread_local struct kept kept;

static size_t bytes_of(unsigned class)
{
    return (size_t)units[class] * 16 - 4;
}

/* The smallest class whose blocks hold size; CLASSES: none. */
static unsigned class_of(size_t size)
{
    unsigned low = 0, high = CLASSES;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (bytes_of(middle) < size)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* A kept block that holds *size; else NULL, and *size is what to allocate. */
static void *take(size_t *size)
{
    unsigned class = *size > bytes_of(0) ? class_of(*size) : CLASSES;
    if (class == CLASSES) {
        *size = *size ? *size : 1;
        return NULL;
    }
    *size = bytes_of(class);
    if (!kept.count[class])
        return NULL;
    kept.bytes -= *size;
    return kept.blocks[class][--kept.count[class]];
}

static bool keep(void *p)
{
    size_t size = malloc_usable_size(p);
    unsigned class = size > bytes_of(0) ? class_of(size) : CLASSES;
    if (class == CLASSES || bytes_of(class) != size || kept.count[class] == KEPT_A_CLASS ||
        kept.bytes + size > KEPT_BYTES)
        return false;
    kept.blocks[class][kept.count[class]++] = p;
    kept.bytes += size;
    return true;
}
#endif

void *mem_alloc(size_t size_bytes)
{
    if (must_fail())
        return NULL;
    void *p = take(&size_bytes);
    if (!p)
        p = malloc(size_bytes);
    if (p)
        live++;
    return p;
}

void *mem_calloc(size_t count, size_t size)
{
    size_t bytes, all;
    if (must_fail() || __builtin_mul_overflow(count, size, &bytes))
        return NULL;
    all = bytes;
    void *p = take(&all);
    if (p)
        memset(p, 0, bytes);
    else
        p = calloc(1, all);
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
    if (must_fail())
        return NULL;
    void *q = take(&size_bytes);
    if (q && p) {
        size_t old = malloc_usable_size(p);
        memcpy(q, p, old < size_bytes ? old : size_bytes);
        if (!keep(p))
            free(p);
    } else if (!q) {
        q = realloc(p, size_bytes);
    }
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
        if (!keep(p))
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
