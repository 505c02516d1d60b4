/*
 * An arena: memory that is freed all at once, for a request or a reconcile. Grows by chunks up to
 * a cap; past the cap, or when memory runs out, allocation returns NULL and the arena remembers it.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdbool.h>

#include "base/mem.h"
#include "base/str.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first */
    char *at, *end;             /* free part of the newest chunk */
    size_t used_bytes;          /* all chunks together */
    size_t cap_bytes;
    bool failed; /* an allocation was refused since init or clear */
};

void arena_init(struct arena *a, size_t cap_bytes); /* allocates nothing yet */
void arena_clear(struct arena *a);                  /* frees all but one small chunk */
void arena_done(struct arena *a);

void *arena_alloc(struct arena *a, size_t size_bytes) MUST_CHECK;  /* 8-byte aligned, not zeroed */
void *arena_zalloc(struct arena *a, size_t size_bytes) MUST_CHECK; /* zeroed */
/* Terminated copies. */
char *arena_strndup(struct arena *a, const char *s, size_t n) MUST_CHECK;
char *arena_strdup(struct arena *a, const char *s) MUST_CHECK;
/* The parts one after another; {NULL, 0}: out of memory. */
struct str arena_join(struct arena *a, const struct str *parts, size_t count);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_CHECK;
/* A copy as a str; {NULL, 0} when out of memory (also sets failed). Terminated behind its end. */
struct str arena_str(struct arena *a, struct str s) MUST_CHECK;

#define CLEANUP_ARENA __attribute__((cleanup(arena_done)))

#endif
