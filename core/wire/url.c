/* See url.h. */
#include "wire/url.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

struct str url_decode(struct arena *a, struct str s, bool plus)
{
    const struct str none = {NULL, 0};
    char *out = arena_alloc(a, s.n + 1);
    size_t n = 0;
    if (!out)
        return none;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '%') {
            int high = i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
            int low = i + 2 < s.n ? hex_digit(s.p[i + 2]) : -1;
            if (high < 0 || low < 0)
                return none;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (c == '\0')
            return none; /* it would end the text early for somebody behind us */
        out[n++] = c;
    }
    out[n] = '\0';
    return str_make(out, n);
}

struct str url_decode_segment(struct arena *a, struct str segment)
{
    struct str s = url_decode(a, segment, false);
    if (s.p && (str_find_byte(s, '/') >= 0 || str_is(s, ".") || str_is(s, "..")))
        return str_make(NULL, 0);
    return s;
}

static bool unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void url_encode(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (unreserved(s.p[i]))
            buf_putc(out, s.p[i]);
        else
            buf_printf(out, "%%%02X", (unsigned char)s.p[i]);
    }
}

void url_split(struct str target, struct str *ret_path, struct str *ret_query)
{
    ptrdiff_t at = str_find_byte(target, '?');
    if (at < 0) {
        *ret_path = target;
        *ret_query = str_make(NULL, 0);
        return;
    }
    *ret_path = str_make(target.p, (size_t)at);
    *ret_query = str_make(target.p + at + 1, target.n - (size_t)at - 1);
}

bool url_query_next(struct arena *a, struct str *rest, struct str *ret_name, struct str *ret_value)
{
    struct str part;
    do
        if (!rest->p || !str_split(rest, '&', &part))
            return false;
    while (part.n == 0);
    ptrdiff_t at = str_find_byte(part, '=');
    struct str raw_name = at < 0 ? part : str_make(part.p, (size_t)at);
    struct str raw_value = at < 0 ? STR("") : str_make(part.p + at + 1, part.n - (size_t)at - 1);
    struct str name = url_decode(a, raw_name, true);
    struct str value = url_decode(a, raw_value, true);
    if (!name.p || !value.p)
        return false;
    *ret_name = name;
    *ret_value = value;
    return true;
}

struct str url_query_get(struct arena *a, struct str query, const char *name)
{
    struct str have, value;
    while (url_query_next(a, &query, &have, &value))
        if (str_is(have, name))
            return value;
    return str_make(NULL, 0);
}
