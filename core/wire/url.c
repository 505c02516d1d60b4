/* Percent-decoding and queries. See url.h. */
#include "wire/url.h"

struct str url_decode(struct arena *a, struct str s, bool plus)
{
    char *out = arena_alloc(a, s.n + 1);
    size_t n = 0;
    if (!out)
        return str_make(NULL, 0);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char byte = (unsigned char)s.p[i];
        if (byte == '%') {
            if (s.n - i < 3 || hex_decode(&byte, 1, str_make(s.p + i + 1, 2)) < 0)
                return str_make(NULL, 0);
            i += 2;
        } else if (plus && byte == '+') {
            byte = ' ';
        }
        out[n++] = (char)byte;
    }
    out[n] = 0;
    return str_make(out, n);
}

static bool unreserved(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void url_encode(struct buf *out, struct str s)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        char triple[3] = {'%', hex[c >> 4], hex[c & 15]};
        if (unreserved(c))
            buf_putc(out, (char)c);
        else
            buf_append(out, triple, 3);
    }
}

void url_split(struct str target, struct str *ret_path, struct str *ret_query)
{
    ptrdiff_t at = str_find_byte(target, '?');
    *ret_path = at < 0 ? target : str_make(target.p, (size_t)at);
    *ret_query = at < 0 ? str_make("", 0) : str_make(target.p + at + 1, target.n - (size_t)at - 1);
}

bool url_query_next(struct arena *a, struct str *rest, struct str *ret_name, struct str *ret_value)
{
    struct str pair;
    while (rest->p && rest->n && str_split(rest, '&', &pair)) {
        if (pair.n == 0)
            continue;
        ptrdiff_t eq = str_find_byte(pair, '=');
        struct str name = eq < 0 ? pair : str_make(pair.p, (size_t)eq);
        struct str value = eq < 0 ? str_make("", 0) : str_make(pair.p + eq + 1, pair.n - (size_t)eq - 1);
        *ret_name = url_decode(a, name, true);
        *ret_value = url_decode(a, value, true);
        return ret_name->p && ret_value->p;
    }
    return false;
}

struct str url_query_get(struct arena *a, struct str query, const char *name)
{
    struct str key, value;
    while (url_query_next(a, &query, &key, &value))
        if (str_is(key, name))
            return value;
    return str_make(NULL, 0);
}
