/*
 * Byte strings with a length, not owned, and the small text work that everybody needs.
 * A `struct str` is a view: what it points to belongs to somebody else and need not be terminated.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

struct str {
    const char *p;
    size_t n;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_FMT "%.*s"
#define STR_ARG(s) (int)(s).n, (s).p

static inline struct str str_of(const char *cstr)
{
    return (struct str){cstr, cstr ? strlen(cstr) : 0};
}

static inline struct str str_make(const void *p, size_t n)
{
    return (struct str){p, n};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool str_is(struct str a, const char *cstr)
{
    return str_eq(a, str_of(cstr));
}

/* For terminated strings; NULL equals only NULL. */
bool cstr_eq(const char *a, const char *b);

int str_cmp(struct str a, struct str b); /* bytewise, as memcmp, shorter first */
bool str_eq_nocase(struct str a, struct str b); /* ASCII */
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
struct str str_trim(struct str s); /* spaces, tabs, CR, LF at both ends */

/* Position of a byte or of a text, or -1. */
ptrdiff_t str_find_byte(struct str s, char c);
ptrdiff_t str_find(struct str s, struct str needle);

/*
 * Takes from the front of *rest up to the first `sep`, which is dropped. Returns false when *rest
 * is exhausted (its p is NULL then). "a,,b" gives "a", "", "b"; "" gives one empty part.
 */
bool str_split(struct str *rest, char sep, struct str *ret_part);

/* Whole of s is a decimal number without sign rules beyond '-'; else -E_SYNTAX, -E_LIMIT (range). */
int str_to_i64(struct str s, int64_t *ret_value) MUST_CHECK;
int str_to_u64(struct str s, uint64_t *ret_value) MUST_CHECK;

/* Copies into a buffer of size, always terminated; false when it did not fit (then cut). */
bool str_copy(char *dst, size_t size, struct str s);

/* Writes 2*n hex digits and a NUL; and back (n bytes from 2*n digits). */
void hex_encode(char *dst, const void *src, size_t n);
int hex_decode(void *dst, size_t n, struct str hex) MUST_CHECK;

/* Base64 (RFC 4648). Sizes: encode needs base64_encoded_size(n) with the NUL. */
size_t base64_encoded_size(size_t n);
size_t base64_encode(char *dst, const void *src, size_t n);    /* padded; returns length */
size_t base64url_encode(char *dst, const void *src, size_t n); /* URL alphabet, no padding */
/* Accepts padded standard alphabet (or URL alphabet, with or without padding, for the _url form).
 * dst needs s.n / 4 * 3 + 3 bytes. -E_SYNTAX when malformed. */
int base64_decode(void *dst, size_t *ret_n, struct str s) MUST_CHECK;
int base64url_decode(void *dst, size_t *ret_n, struct str s) MUST_CHECK;

uint64_t str_hash(struct str s); /* 64-bit, seeded per process; not for disk or wire */
void str_hash_seed(uint64_t seed);

#endif
