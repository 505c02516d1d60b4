/*
 * Paths as upstream's RequestInfo reads them (apiserver/pkg/endpoints/request). Segments that name
 * something are decoded one by one, and what decodes to a slash, a dot segment or a NUL is refused,
 * so that no two spellings of a path can mean different objects to different parts of the server.
 */
#include "api/api_int.h"

enum { SEGMENTS = 16 };

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In a query a plus is a space. */
static int decode(struct arena *a, struct str s, bool query, struct str *ret)
{
    char *p = arena_alloc(a, s.n + 1);
    size_t n = 0;
    if (!p)
        return -E_NOMEM;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '%') {
            int high = i + 2 < s.n ? hex_value(s.p[i + 1]) : -1;
            int low = i + 2 < s.n ? hex_value(s.p[i + 2]) : -1;
            if (high < 0 || low < 0)
                return -E_BAD_REQUEST;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (query && c == '+') {
            c = ' ';
        }
        p[n++] = c;
    }
    p[n] = 0;
    *ret = str_make(p, n);
    return 0;
}

static int decode_segment(struct arena *a, struct str raw, struct str *ret, struct err *err)
{
    int rc = decode(a, raw, false, ret);
    if (rc < 0)
        return err_set(err, E_BAD_REQUEST, "malformed escape in the path");
    if (str_is(*ret, ".") || str_is(*ret, "..") || str_find_byte(*ret, '/') >= 0 ||
        str_find_byte(*ret, 0) >= 0)
        return err_set(err, E_BAD_REQUEST, "a path may not hold '.', '..' or an encoded slash");
    return 0;
}

static int parse_query(struct arena *a, struct url *u, struct err *err)
{
    struct str rest = u->query, part;
    size_t count = 1;
    if (!rest.n)
        return 0;
    for (size_t i = 0; i < rest.n; i++)
        count += rest.p[i] == '&';
    u->params = arena_alloc(a, (count < URL_PARAMS ? count : URL_PARAMS) * sizeof *u->params);
    if (!u->params)
        return err_set(err, E_NOMEM, "out of memory");
    while (str_split(&rest, '&', &part)) {
        if (!part.n)
            continue;
        if (u->param_count == URL_PARAMS)
            return err_set(err, E_LIMIT, "more than %d query parameters", URL_PARAMS);
        ptrdiff_t eq = str_find_byte(part, '=');
        struct str name = eq < 0 ? part : str_make(part.p, (size_t)eq);
        struct str value = eq < 0 ? STR("") : str_make(part.p + eq + 1, part.n - (size_t)eq - 1);
        struct url_param *p = &u->params[u->param_count++];
        if (decode(a, name, true, &p->name) < 0 || decode(a, value, true, &p->value) < 0)
            return err_set(err, E_BAD_REQUEST, "malformed escape in the query");
    }
    return 0;
}

struct str url_param(const struct url *u, const char *name)
{
    for (size_t i = 0; i < u->param_count; i++)
        if (str_is(u->params[i].name, name))
            return u->params[i].value;
    return (struct str){NULL, 0};
}

bool url_flag(const struct url *u, const char *name)
{
    struct str v = url_param(u, name);
    return v.p && (v.n == 0 || str_is(v, "1") || str_is(v, "t") || str_is(v, "T") ||
                   str_is(v, "true") || str_is(v, "TRUE") || str_is(v, "True"));
}

struct segments {
    struct str raw[SEGMENTS];
    const char *rest[SEGMENTS]; /* where each begins, with its slash */
    size_t count;
};

static void split(struct str path, struct segments *s)
{
    const char *end = path.p + path.n;
    for (const char *p = path.p; p < end;) {
        const char *start = p++;
        while (p < end && *p != '/')
            p++;
        /* A trailing slash ends the path; behind a proxy subresource it stays in rest. */
        if (p == start + 1 && p == end)
            break;
        if (s->count == SEGMENTS)
            return; /* deeper only behind a proxy subresource, which keeps the rest undecoded */
        s->rest[s->count] = start;
        s->raw[s->count++] = str_make(start + 1, (size_t)(p - start - 1));
    }
}

static const char *lower_method(const char *method)
{
    static const struct {
        const char *method, *verb;
    } verbs[] = {{"GET", "get"},         {"HEAD", "get"},       {"POST", "create"},
                 {"PUT", "update"},      {"PATCH", "patch"},    {"DELETE", "delete"},
                 {"OPTIONS", "options"}, {"CONNECT", "connect"}};
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (cstr_eq(verbs[i].method, method))
            return verbs[i].verb;
    return "";
}

/* parts[at] on: [watch/][namespaces/NS/]resource[/name[/subresource[/rest]]] */
static int parse_resource(struct arena *a, struct url *u, const struct segments *s, size_t at,
                          struct err *err)
{
    struct str part[SEGMENTS];
    size_t n = 0;
    bool watch = at < s->count && str_is(s->raw[at], "watch");
    if (watch)
        at++;
    size_t first = at;
    for (; at < s->count && n < 5; at++) {
        int rc = decode_segment(a, s->raw[at], &part[n++], err);
        if (rc < 0)
            return rc;
    }
    size_t i = 0;
    if (n >= 2 && str_is(part[0], "namespaces")) {
        u->ns = part[1];
        if (n > 2 && !str_is(part[2], "status") && !str_is(part[2], "finalize"))
            i = 2;
    }
    if (i >= n)
        return 0;
    u->is_resource = true;
    u->resource = part[i];
    u->name = i + 1 < n ? part[i + 1] : STR("");
    u->subresource = i + 2 < n ? part[i + 2] : STR("");
    for (size_t k = i; k < n && k < i + 3; k++)
        if (!part[k].n && !(k > i && k + 1 == n))
            return err_set(err, E_BAD_REQUEST, "empty part in the path");
    if (first + i + 3 < s->count) {
        const char *from = s->rest[first + i + 3];
        u->rest = str_make(from, (size_t)(u->path.p + u->path.n - from));
        if (!str_is(u->subresource, "proxy"))
            return err_set(err, E_NOT_FOUND, "the server could not find the requested resource");
    } else if (str_is(u->subresource, "proxy") && u->path.p[u->path.n - 1] == '/') {
        u->rest = STR("/");
    }
    if (watch || (url_flag(u, "watch") && cstr_eq(u->verb, "get")))
        u->verb = "watch";
    else if (cstr_eq(u->verb, "get") && !u->name.n)
        u->verb = "list";
    else if (cstr_eq(u->verb, "delete") && !u->name.n)
        u->verb = "deletecollection";
    return 0;
}

int url_parse(struct arena *a, const char *method, struct str target, struct url *ret,
              struct err *err)
{
    struct url *u = ret;
    struct segments s = {.count = 0};
    memset(u, 0, sizeof *u);
    target = arena_str(a, target);
    if (!target.p)
        return err_set(err, E_NOMEM, "out of memory");
    ptrdiff_t mark = str_find_byte(target, '?');
    u->path = mark < 0 ? target : str_make(target.p, (size_t)mark);
    u->query = mark < 0 ? STR("") : str_make(target.p + mark + 1, target.n - (size_t)mark - 1);
    u->verb = lower_method(method);
    if (!u->path.n || u->path.p[0] != '/')
        return err_set(err, E_BAD_REQUEST, "the request target must be a path");
    int rc = parse_query(a, u, err);
    if (rc < 0)
        return rc;
    split(u->path, &s);
    if (s.count < 2)
        return 0;
    bool core = str_is(s.raw[0], "api");
    size_t at = core ? 2 : 3;
    if (!core && !str_is(s.raw[0], "apis"))
        return 0;
    if (s.count < at + 1)
        return 0;
    if (!core && (rc = decode_segment(a, s.raw[1], &u->group, err)) < 0)
        return rc;
    if ((rc = decode_segment(a, s.raw[at - 1], &u->version, err)) < 0)
        return rc;
    return parse_resource(a, u, &s, at, err);
}
