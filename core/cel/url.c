/* Written after the behaviour of net/url: what it takes, what it refuses, what it escapes. */
#include "cel/url.h"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

static bool is_unreserved(char c)
{
    return is_letter(c) || is_digit(c) || one_of(c, "-_.~");
}

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte behind '%' at p, or -1. */
static int escaped_byte(struct str s, size_t at)
{
    if (at + 2 >= s.n || hex_digit(s.p[at + 1]) < 0 || hex_digit(s.p[at + 2]) < 0)
        return -1;
    return hex_digit(s.p[at + 1]) << 4 | hex_digit(s.p[at + 2]);
}

static int unescape(struct arena *a, struct str s, bool plus, struct str *ret)
{
    char *out = arena_alloc(a, s.n + 1);
    size_t n = 0;
    if (!out)
        return -E_NOMEM;
    for (size_t i = 0; i < s.n; i++) {
        int byte = (unsigned char)s.p[i];
        if (s.p[i] == '%') {
            if ((byte = escaped_byte(s, i)) < 0)
                return -E_SYNTAX;
            i += 2;
        } else if (plus && byte == '+') {
            byte = ' ';
        }
        out[n++] = (char)byte;
    }
    out[n] = 0;
    *ret = str_make(out, n);
    return 0;
}

int url_unescape_query(struct arena *a, struct str s, struct str *ret)
{
    return unescape(a, s, true, ret);
}

/* As it is when it is well escaped already, else decoded and escaped anew. */
static int escape_path(struct arena *a, struct str path, struct str *ret)
{
    static const char hex[] = "0123456789ABCDEF";
    bool valid = true;
    struct str plain;
    int rc = unescape(a, path, false, &plain);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < path.n; i++)
        valid = valid && (is_unreserved(path.p[i]) || one_of(path.p[i], "!$&'()*+,;=:@[]%/"));
    *ret = path;
    if (valid)
        return 0;
    char *out = arena_alloc(a, plain.n * 3 + 1);
    size_t n = 0;
    if (!out)
        return -E_NOMEM;
    for (size_t i = 0; i < plain.n; i++) {
        unsigned char c = (unsigned char)plain.p[i];
        if (is_unreserved((char)c) || one_of((char)c, "$&+,/:;=@")) {
            out[n++] = (char)c;
        } else {
            out[n++] = '%';
            out[n++] = hex[c >> 4];
            out[n++] = hex[c & 15];
        }
    }
    out[n] = 0;
    *ret = str_make(out, n);
    return 0;
}

/* ---- parts ---- */

/* "scheme:" at the front of *rest, if there is one. */
static const char *take_scheme(struct arena *a, struct str *rest, struct str *ret)
{
    size_t i = 0;
    *ret = STR("");
    for (; i < rest->n && rest->p[i] != ':'; i++)
        if (!is_letter(rest->p[i]) &&
            (i == 0 || !(is_digit(rest->p[i]) || one_of(rest->p[i], "+-."))))
            return NULL;
    if (i == rest->n)
        return NULL;
    if (i == 0)
        return "missing protocol scheme";
    char *lower = arena_strndup(a, rest->p, i);
    for (size_t k = 0; lower && k < i; k++)
        lower[k] |= is_letter(lower[k]) ? 0x20 : 0;
    *ret = str_make(lower, i);
    *rest = str_make(rest->p + i + 1, rest->n - i - 1);
    return NULL;
}

static const char *check_host(struct str host)
{
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];
        if (c == '%' && escaped_byte(host, i) < 0x80 &&
            !str_starts(str_make(host.p + i, host.n - i), STR("%25")))
            return "invalid URL escape";
        if (!((unsigned char)c >= 0x80 || is_unreserved(c) || one_of(c, "!$&'()*+,;=:[]<>\"%")))
            return "invalid character in host name";
    }
    return NULL;
}

static const char *split_host(struct str host, struct url *u)
{
    size_t colon = host.n;
    u->host = host;
    if (host.n > 0 && host.p[0] == '[') {
        size_t end = host.n;
        while (end > 0 && host.p[end - 1] != ']')
            end--;
        if (end == 0)
            return "missing ']' in host";
        u->hostname = str_make(host.p + 1, end - 2);
        colon = end;
    } else {
        for (size_t i = 0; i < host.n; i++)
            if (host.p[i] == ':')
                colon = i;
        u->hostname = str_make(host.p, colon);
    }
    if (colon == host.n) {
        u->port = STR("");
        return check_host(host);
    }
    u->port = str_make(host.p + colon + 1, host.n - colon - 1);
    for (size_t i = 0; i < u->port.n; i++)
        if (!is_digit(u->port.p[i]))
            return "invalid port after host";
    return host.p[colon] == ':' ? check_host(host) : "invalid port after host";
}

/* [userinfo@]host[:port] */
static const char *take_authority(struct str authority, struct url *u)
{
    size_t at = authority.n;
    while (at > 0 && authority.p[at - 1] != '@')
        at--;
    for (size_t i = 0; i + 1 < at; i++)
        if (!is_unreserved(authority.p[i]) && !one_of(authority.p[i], ":!$&'()*+,;=%@"))
            return "net/url: invalid userinfo";
    return split_host(str_make(authority.p + at, authority.n - at), u);
}

static const char *parse(struct arena *a, struct str text, struct url *u, struct str *ret_path)
{
    struct str rest = text;
    const char *wrong;
    *u = (struct url){.text = text, .query = STR(""), .host = STR("")};
    *ret_path = STR("");
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] < ' ' || text.p[i] == 127)
            return "net/url: invalid control character in URL";
    if (text.n == 0)
        return "empty url";
    if ((wrong = take_scheme(a, &rest, &u->scheme)))
        return wrong;
    ptrdiff_t mark = str_find_byte(rest, '#');
    if (mark >= 0)
        rest.n = (size_t)mark;
    mark = str_find_byte(rest, '?');
    if (mark >= 0) {
        u->query = str_make(rest.p + mark + 1, rest.n - (size_t)mark - 1);
        rest.n = (size_t)mark;
    }
    if (rest.n == 0 || rest.p[0] != '/')
        return u->scheme.n > 0 || str_is(text, "*") ? NULL : "invalid URI for request";
    if (u->scheme.n > 0 && str_starts(rest, STR("//"))) {
        struct str authority = str_make(rest.p + 2, rest.n - 2);
        ptrdiff_t slash = str_find_byte(authority, '/');
        rest = slash < 0 ? STR("") : str_make(authority.p + slash, authority.n - (size_t)slash);
        authority.n -= rest.n;
        if ((wrong = take_authority(authority, u)))
            return wrong;
    }
    *ret_path = rest;
    return NULL;
}

int cel_url_parse(struct arena *a, struct str text, struct url *ret, const char **ret_wrong)
{
    struct url u;
    struct str path;
    const char *wrong = parse(a, text, &u, &path);
    int rc = wrong ? -E_SYNTAX : escape_path(a, path, &u.escaped_path);
    if (a->failed)
        return -E_NOMEM;
    if (rc == -E_SYNTAX)
        *ret_wrong = wrong ? wrong : "invalid URL escape";
    if (rc == 0)
        *ret = u;
    return rc;
}
