/* JSONPath. See jsonpath.h. The path is read while walking: one step, then the rest below each hit.
 */
#include "codec/jsonpath.h"

#include <stdlib.h>

enum { DEPTH = 64, NUMBER = 32 };

struct search {
    bool (*found)(void *ctx, const struct json *value);
    void *ctx;
    bool stopped;
};

static int walk(struct search *s, struct str path, const struct json *at, unsigned depth);

static bool is_name(char c)
{
    return c != '.' && c != '[' && c != ']' && c != ' ' && c != '}' && c != '{';
}

/* A quoted text at the front; *ret_size: bytes with its quotes, 0: there is none. */
static struct str quoted(struct str s, size_t *ret_size)
{
    *ret_size = 0;
    if (s.n < 2 || (s.p[0] != '\'' && s.p[0] != '"'))
        return STR("");
    for (size_t i = 1; i < s.n; i++)
        if (s.p[i] == s.p[0]) {
            *ret_size = i + 1;
            return str_make(s.p + 1, i - 1);
        }
    return STR("");
}

static int every(struct search *s, struct str rest, const struct json *at, unsigned depth)
{
    int rc = 0;
    bool any = false;
    for (const struct json *m = json_first(at); m && rc == 0 && !s->stopped; m = m->next) {
        any = true;
        rc = walk(s, rest, m, depth);
    }
    return any ? rc : walk(s, rest, NULL, depth);
}

/* ..name: at any depth, the value itself first. */
static int descend(struct search *s, struct str rest, const struct json *at, unsigned depth)
{
    if (depth > DEPTH)
        return 0;
    int rc = walk(s, rest, at, depth + 1);
    for (const struct json *m = json_first(at); m && rc == 0 && !s->stopped; m = m->next)
        if (m->type == JSON_OBJECT || m->type == JSON_ARRAY)
            rc = descend(s, rest, m, depth + 1);
    return rc;
}

/* ---- [ ... ] ---- */

static int compare(const struct json *value, struct str literal, bool *ret_comparable)
{
    char text[NUMBER];
    size_t size;
    struct str q = quoted(literal, &size);
    *ret_comparable = true;
    if (size) {
        *ret_comparable = json_is(value, JSON_STRING);
        return str_cmp(json_str(value), q);
    }
    if (json_is(value, JSON_BOOL)) {
        *ret_comparable = str_is(literal, "true") || str_is(literal, "false");
        return (int)value->boolean - (int)str_is(literal, "true");
    }
    if (literal.n >= sizeof text || !(json_is(value, JSON_INT) || json_is(value, JSON_DOUBLE))) {
        *ret_comparable = false;
        return 1;
    }
    str_copy(text, sizeof text, literal);
    double a = value->type == JSON_INT ? (double)value->i64 : value->number, b = strtod(text, NULL);
    return a < b ? -1 : a > b;
}

struct filter {
    struct str left, op, right;
};

static bool keep_first(void *ctx, const struct json *value)
{
    *(const struct json **)ctx = value;
    return false;
}

static bool passes(const struct filter *f, const struct json *element, unsigned depth)
{
    const struct json *value = NULL;
    struct search s = {keep_first, &value, false};
    bool comparable;
    if (walk(&s, f->left, element, depth + 1) < 0 || !value)
        return false;
    if (!f->op.n)
        return true;
    int c = compare(value, f->right, &comparable);
    if (!comparable)
        return str_is(f->op, "!=");
    return str_is(f->op, "==")   ? c == 0
           : str_is(f->op, "!=") ? c != 0
           : str_is(f->op, "<")  ? c < 0
           : str_is(f->op, "<=") ? c <= 0
           : str_is(f->op, ">")  ? c > 0
                                 : c >= 0;
}

/* "@.type=="Ready"" */
static int read_filter(struct str inside, struct filter *ret)
{
    static const char *const ops[] = {"==", "!=", "<=", ">=", "<", ">"};
    inside = str_trim(inside);
    if (!inside.n || inside.p[0] != '@')
        return -E_SYNTAX;
    for (size_t i = 0; i < inside.n; i++)
        for (size_t k = 0; k < sizeof ops / sizeof ops[0]; k++) {
            struct str op = str_of(ops[k]), rest = str_make(inside.p + i, inside.n - i);
            if (!str_starts(rest, op))
                continue;
            ret->left = str_trim(str_make(inside.p + 1, i - 1));
            ret->op = op;
            ret->right = str_trim(str_make(rest.p + op.n, rest.n - op.n));
            return ret->right.n ? 0 : -E_SYNTAX;
        }
    *ret = (struct filter){str_make(inside.p + 1, inside.n - 1), STR(""), STR("")};
    return 0;
}

static int filtered(struct search *s, struct str inside, struct str rest, const struct json *at,
                    unsigned depth)
{
    struct filter f;
    int rc = read_filter(inside, &f);
    if (rc == 0)
        rc = walk(s, rest, NULL, depth + 1);
    for (const struct json *m = json_first(at); m && rc == 0 && !s->stopped; m = m->next)
        if (passes(&f, m, depth))
            rc = walk(s, rest, m, depth + 1);
    return rc;
}

static int ranged(struct search *s, struct str inside, struct str rest, const struct json *at,
                  unsigned depth)
{
    struct str part = inside, text;
    int64_t of[3] = {0, INT64_MAX, 1}, count = json_count(at), i = 0;
    size_t parts = 0;
    for (; parts < 3 && str_split(&part, ':', &text); parts++)
        if (str_trim(text).n && str_to_i64(str_trim(text), &of[parts]) < 0)
            return -E_SYNTAX;
    if (part.p || of[2] < 1)
        return -E_SYNTAX;
    int64_t from = of[0] < 0 ? of[0] + count : of[0], to = of[1] < 0 ? of[1] + count : of[1];
    if (parts == 1)
        to = from + 1;
    int rc = walk(s, rest, NULL, depth + 1);
    if (!json_is(at, JSON_ARRAY))
        return rc;
    for (const struct json *m = json_first(at); m && rc == 0 && !s->stopped; m = m->next, i++)
        if (i >= from && i < to && (i - from) % of[2] == 0)
            rc = walk(s, rest, m, depth + 1);
    return rc;
}

/* Where the bracket that path begins with ends, or 0. */
static size_t closing(struct str path)
{
    char quote = 0;
    unsigned open = 0;
    for (size_t i = 0; i < path.n; i++) {
        char c = path.p[i];
        if (quote)
            quote = c == quote ? 0 : quote;
        else if (c == '\'' || c == '"')
            quote = c;
        else if (c == '[')
            open++;
        else if (c == ']' && --open == 0)
            return i;
    }
    return 0;
}

static int bracket(struct search *s, struct str path, const struct json *at, unsigned depth)
{
    size_t end = closing(path), size;
    if (!end)
        return -E_SYNTAX;
    struct str inside = str_trim(str_make(path.p + 1, end - 1)),
               rest = str_make(path.p + end + 1, path.n - end - 1);
    struct str name = quoted(inside, &size);
    if (size && size == inside.n)
        return walk(s, rest, json_get_str(at, name), depth + 1);
    if (str_is(inside, "*"))
        return every(s, rest, at, depth + 1);
    if (str_starts(inside, STR("?(")) && str_ends(inside, STR(")")))
        return filtered(s, str_make(inside.p + 2, inside.n - 3), rest, at, depth);
    return inside.n ? ranged(s, inside, rest, at, depth) : -E_SYNTAX;
}

/* at NULL: only the spelling is looked at. */
static int walk(struct search *s, struct str path, const struct json *at, unsigned depth)
{
    if (depth > DEPTH)
        return -E_SYNTAX;
    if (!path.n) {
        if (at && !s->stopped && !s->found(s->ctx, at))
            s->stopped = true;
        return 0;
    }
    if (path.p[0] == '[')
        return bracket(s, path, at, depth);
    bool dotted = path.p[0] == '.';
    if (!dotted && depth)
        return -E_SYNTAX;
    struct str rest = str_make(path.p + dotted, path.n - dotted);
    if (rest.n && rest.p[0] == '.')
        return at ? descend(s, rest, at, depth + 1) : walk(s, rest, NULL, depth + 1);
    if (rest.n && rest.p[0] == '[')
        return bracket(s, rest, at, depth);
    size_t n = 0;
    char name[256], *to = name;
    while (n < rest.n && is_name(rest.p[n]) && to < name + sizeof name - 1) {
        n += rest.p[n] == '\\' && n + 1 < rest.n; /* an escaped dot */
        *to++ = rest.p[n++];
    }
    if (!n)
        return rest.n ? -E_SYNTAX : walk(s, rest, at, depth + 1);
    struct str left = str_make(rest.p + n, rest.n - n);
    if (n == 1 && name[0] == '*')
        return every(s, left, at, depth + 1);
    return walk(s, left, json_get_str(at, str_make(name, (size_t)(to - name))), depth + 1);
}

static struct str bare(struct str path)
{
    path = str_trim(path);
    if (path.n >= 2 && path.p[0] == '{' && path.p[path.n - 1] == '}')
        path = str_trim(str_make(path.p + 1, path.n - 2));
    if (path.n && path.p[0] == '$')
        path = str_make(path.p + 1, path.n - 1);
    return path;
}

int jsonpath_each(struct str path, const struct json *root,
                  bool (*found)(void *ctx, const struct json *value), void *ctx, struct err *err)
{
    struct search s = {found, ctx, false};
    int rc = jsonpath_check(path, err);
    return rc < 0 ? rc : walk(&s, bare(path), root, 0);
}

int jsonpath_check(struct str path, struct err *err)
{
    struct search s = {NULL, NULL, false};
    if (walk(&s, bare(path), NULL, 0) == 0)
        return 0;
    return err_set(err, E_SYNTAX, "unrecognized JSONPath " STR_FMT, STR_ARG(path));
}

const struct json *jsonpath_first(struct str path, const struct json *root)
{
    const struct json *value = NULL;
    return jsonpath_each(path, root, keep_first, &value, NULL) < 0 ? NULL : value;
}
