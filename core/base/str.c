/* Views of bytes: comparison, search, numbers, hex, base64, hashing. See str.h. */
#include "base/str.h"

#include <limits.h>

bool cstr_eq(const char *a, const char *b)
{
    if (!a || !b)
        return a == b;
    return strcmp(a, b) == 0;
}

int str_cmp(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    if (c)
        return c;
    return (a.n > b.n) - (a.n < b.n);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.n >= suffix.n &&
           (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
    while (s.n && is_space(s.p[0]))
        s.p++, s.n--;
    while (s.n && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

ptrdiff_t str_find_byte(struct str s, char c)
{
    const char *hit = s.n ? memchr(s.p, c, s.n) : NULL;
    return hit ? hit - s.p : -1;
}

ptrdiff_t str_find(struct str s, struct str needle)
{
    if (needle.n == 0)
        return 0;
    for (size_t i = 0; i + needle.n <= s.n; i++) {
        const char *hit = memchr(s.p + i, needle.p[0], s.n - needle.n - i + 1);
        if (!hit)
            return -1;
        i = (size_t)(hit - s.p);
        if (memcmp(hit, needle.p, needle.n) == 0)
            return (ptrdiff_t)i;
    }
    return -1;
}

bool str_split(struct str *rest, char sep, struct str *ret_part)
{
    if (!rest->p)
        return false;
    ptrdiff_t at = str_find_byte(*rest, sep);
    if (at < 0) {
        *ret_part = *rest;
        *rest = (struct str){NULL, 0};
        return true;
    }
    *ret_part = str_make(rest->p, (size_t)at);
    rest->p += at + 1;
    rest->n -= (size_t)at + 1;
    return true;
}

int str_to_u64(struct str s, uint64_t *ret_value)
{
    uint64_t v = 0;
    if (s.n == 0)
        return -E_SYNTAX;
    for (size_t i = 0; i < s.n; i++) {
        unsigned d = (unsigned)(unsigned char)s.p[i] - '0';
        if (d > 9)
            return -E_SYNTAX;
        if (v > (UINT64_MAX - d) / 10)
            return -E_LIMIT;
        v = v * 10 + d;
    }
    *ret_value = v;
    return 0;
}

int str_to_i64(struct str s, int64_t *ret_value)
{
    bool minus = s.n && s.p[0] == '-';
    uint64_t v = 0;
    int rc = str_to_u64(minus ? str_make(s.p + 1, s.n - 1) : s, &v);
    if (rc < 0)
        return rc;
    if (v > (uint64_t)INT64_MAX + (minus ? 1 : 0))
        return -E_LIMIT;
    *ret_value = minus ? (int64_t)(0 - v) : (int64_t)v;
    return 0;
}

bool str_copy(char *dst, size_t size, struct str s)
{
    if (size == 0)
        return false;
    size_t n = s.n < size ? s.n : size - 1;
    if (n)
        memcpy(dst, s.p, n);
    dst[n] = 0;
    return n == s.n;
}

void hex_encode(char *dst, const void *src, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *b = src;
    for (size_t i = 0; i < n; i++) {
        *dst++ = digits[b[i] >> 4];
        *dst++ = digits[b[i] & 15];
    }
    *dst = 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hex_decode(void *dst, size_t n, struct str hex)
{
    unsigned char *b = dst;
    if (hex.n != 2 * n)
        return -E_SYNTAX;
    for (size_t i = 0; i < n; i++) {
        int hi = hex_digit(hex.p[2 * i]), lo = hex_digit(hex.p[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return -E_SYNTAX;
        b[i] = (unsigned char)(hi << 4 | lo);
    }
    return 0;
}

size_t base64_encoded_size(size_t n)
{
    return (n + 2) / 3 * 4 + 1;
}

static size_t encode64(char *dst, const void *src, size_t n, const char *set, bool pad)
{
    const unsigned char *b = src;
    char *o = dst;
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        unsigned v = (unsigned)b[i] << 16;
        if (left > 1)
            v |= (unsigned)b[i + 1] << 8;
        if (left > 2)
            v |= b[i + 2];
        *o++ = set[v >> 18];
        *o++ = set[v >> 12 & 63];
        if (left > 1)
            *o++ = set[v >> 6 & 63];
        else if (pad)
            *o++ = '=';
        if (left > 2)
            *o++ = set[v & 63];
        else if (pad)
            *o++ = '=';
    }
    *o = 0;
    return (size_t)(o - dst);
}

size_t base64_encode(char *dst, const void *src, size_t n)
{
    return encode64(dst, src, n, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
                    true);
}

size_t base64url_encode(char *dst, const void *src, size_t n)
{
    return encode64(dst, src, n, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
                    false);
}

static int digit64(char c, bool url)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (url ? '-' : '+'))
        return 62;
    return c == (url ? '_' : '/') ? 63 : -1;
}

static int decode64(void *dst, size_t *ret_n, struct str s, bool url)
{
    unsigned char *o = dst;
    if (!url && s.n % 4)
        return -E_SYNTAX;
    size_t pad = 0;
    while (s.n && s.p[s.n - 1] == '=' && pad < 2)
        s.n--, pad++;
    if (s.n % 4 == 1 || (pad && (s.n + pad) % 4))
        return -E_SYNTAX;
    uint32_t v = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < s.n; i++) {
        int d = digit64(s.p[i], url);
        if (d < 0)
            return -E_SYNTAX;
        v = v << 6 | (uint32_t)d;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *o++ = (unsigned char)(v >> bits);
        }
    }
    *ret_n = (size_t)(o - (unsigned char *)dst);
    return 0;
}

int base64_decode(void *dst, size_t *ret_n, struct str s)
{
    return decode64(dst, ret_n, s, false);
}

int base64url_decode(void *dst, size_t *ret_n, struct str s)
{
    return decode64(dst, ret_n, s, true);
}

static uint64_t hash_seed = 0x9e3779b97f4a7c15u;

void str_hash_seed(uint64_t seed)
{
    hash_seed = seed | 1;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    __uint128_t m = (__uint128_t)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

uint64_t str_hash(struct str s)
{
    uint64_t h = hash_seed ^ s.n;
    const char *p = s.p;
    size_t n = s.n;
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        h = mix(h ^ w, 0xa0761d6478bd642fu);
    }
    uint64_t tail = 0;
    if (n)
        memcpy(&tail, p, n);
    return mix(h ^ tail, 0xe7037ed1a0b428dbu);
}
