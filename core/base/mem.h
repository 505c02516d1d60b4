/*
 * The one place that calls malloc. Running out is an error that is returned, never an exit.
 * For tests, mem_fail_nth makes the Nth allocation from now fail (and none after it), and the
 * counters show leaks.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

void *mem_alloc(size_t size_bytes) MUST_CHECK;             /* not zeroed; NULL when out of memory */
void *mem_zalloc(size_t size_bytes) MUST_CHECK;            /* zeroed */
void *mem_calloc(size_t count, size_t size) MUST_CHECK;    /* zeroed; NULL on overflow too */
void *mem_realloc(void *p, size_t size_bytes) MUST_CHECK;  /* p stays valid on failure */
void *mem_dup(const void *p, size_t size_bytes) MUST_CHECK;
char *mem_strdup(const char *s) MUST_CHECK;
char *mem_strndup(const char *s, size_t n) MUST_CHECK;
void mem_free(void *p); /* accepts NULL */
/* Overwrites before freeing: for keys and passwords. */
void mem_free_secret(void *p, size_t size_bytes);
void mem_wipe(void *p, size_t size_bytes);

void mem_fail_nth(uint64_t n); /* 0: never */
uint64_t mem_live_count(void); /* allocations not yet freed */

/* Cleanup attribute: `CLEANUP_FREE char *p = NULL;` frees at the end of the scope. */
void mem_free_ptr(void *pp);
#define CLEANUP_FREE __attribute__((cleanup(mem_free_ptr)))

#endif
