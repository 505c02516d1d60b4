/* YAML 1.1 implicit types of plain scalars. A timestamp stays the text that it is. */
#include <math.h>
#include <stdlib.h>

#include "codec/yaml_int.h"

static bool one_of(struct str s, const char *const *words)
{
    for (; *words; words++)
        if (str_is(s, *words))
            return true;
    return false;
}

static bool resolve_word(struct str s, struct json *ret)
{
    static const char *const yes[] = {"y",    "Y",    "yes", "Yes", "YES", "true",
                                      "True", "TRUE", "on",  "On",  "ON",  NULL};
    static const char *const no[] = {"n",     "N",     "no",  "No",  "NO",  "false",
                                     "False", "FALSE", "off", "Off", "OFF", NULL};
    static const char *const null[] = {"", "~", "null", "Null", "NULL", NULL};
    bool is_yes = one_of(s, yes);
    if (is_yes || one_of(s, no)) {
        ret->type = JSON_BOOL;
        ret->boolean = is_yes;
        return true;
    }
    if (one_of(s, null)) {
        ret->type = JSON_NULL;
        return true;
    }
    return false;
}

/* Digits of a base up to 16, without overflow of 64 bits. */
static bool parse_base(struct str s, unsigned base, uint64_t *ret)
{
    uint64_t v = 0;
    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        unsigned d = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                     : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                     : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                            : 99;
        if (d >= base || __builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, d, &v))
            return false;
    }
    *ret = v;
    return true;
}

/* Go's ParseInt with base 0: 0x, 0o, 0b, and a leading 0 for octal. */
static bool resolve_integer(struct str s, struct json *ret)
{
    bool minus = s.n > 0 && s.p[0] == '-';
    uint64_t v;
    if (s.n > 0 && (s.p[0] == '-' || s.p[0] == '+'))
        s = str_make(s.p + 1, s.n - 1);
    char second = s.n > 1 ? (char)(s.p[1] | 0x20) : 0;
    bool prefixed = s.n > 1 && s.p[0] == '0';
    bool good = prefixed && second == 'x'   ? parse_base(str_make(s.p + 2, s.n - 2), 16, &v)
                : prefixed && second == 'o' ? parse_base(str_make(s.p + 2, s.n - 2), 8, &v)
                : prefixed && second == 'b' ? parse_base(str_make(s.p + 2, s.n - 2), 2, &v)
                : prefixed                  ? parse_base(str_make(s.p + 1, s.n - 1), 8, &v)
                                            : parse_base(s, 10, &v);
    if (!good)
        return false;
    if (v > (uint64_t)INT64_MAX + minus) { /* JSON has it as a float then */
        ret->type = JSON_DOUBLE;
        ret->number = minus ? -(double)v : (double)v;
    } else {
        ret->type = JSON_INT;
        ret->i64 = (int64_t)(minus ? -v : v);
    }
    return true;
}

/* ^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$ */
static bool is_float(const char *p)
{
    const char *start;
    p += *p == '-' || *p == '+';
    start = p;
    while (*p >= '0' && *p <= '9')
        p++;
    bool whole = p > start, part = false;
    if (*p == '.') {
        start = ++p;
        while (*p >= '0' && *p <= '9')
            p++;
        part = p > start;
    }
    if (!whole && !part)
        return false;
    if (*p == 'e' || *p == 'E') {
        p += 1 + (p[1] == '-' || p[1] == '+');
        start = p;
        while (*p >= '0' && *p <= '9')
            p++;
        if (p == start)
            return false;
    }
    return *p == '\0';
}

static bool is_special_float(struct str s)
{
    static const char *const words[] = {".nan",  ".NaN",  ".NAN",  ".inf",  ".Inf",
                                        ".INF",  "+.inf", "+.Inf", "+.INF", "-.inf",
                                        "-.Inf", "-.INF", NULL};
    return one_of(s, words);
}

bool yaml_resolve(struct str text, struct json *ret)
{
    char plain[128];
    size_t n = 0;
    if (resolve_word(text, ret))
        return true;
    if (is_special_float(text))
        return false;
    ret->type = JSON_STRING;
    ret->string = text;
    char c = text.p[0];
    bool number = (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.';
    if (!number || text.n >= sizeof(plain))
        return true;
    for (size_t i = 0; i < text.n; i++) /* digits may be grouped by underscores */
        if (text.p[i] != '_' || c == '.')
            plain[n++] = text.p[i];
    plain[n] = '\0';
    if (strlen(plain) != n || (c != '.' && resolve_integer(str_make(plain, n), ret)))
        return true;
    if (is_float(plain)) {
        double v = strtod(plain, NULL);
        if (isfinite(v)) {
            ret->type = JSON_DOUBLE;
            ret->number = v;
        }
    }
    return true;
}
