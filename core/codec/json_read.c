/*
 * The JSON reader: a tokeniser that looks at each byte once, and a tree builder over it with its
 * own stack (no recursion, so depth costs nothing but the bound).
 *
 * Invariants: no node is made past max_nodes, no container opened past max_depth, no object gets
 * more than JSON_OBJECT_MEMBERS members (which keeps every linear search over members harmless).
 * Keys are checked for duplicates when their object closes: pairwise for small objects, by a hash
 * table for larger ones.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "codec/json.h"
#include "codec/utf8.h"

enum { JSON_STACK = 256, PAIRWISE_MOST = 16, NUMBER_MOST = 400, PATH_MOST = 400 };

struct reader {
    struct arena *arena;
    const char *start, *at, *end;
    struct json *stack[JSON_STACK]; /* open containers, outermost first */
    uint32_t depth, max_depth, nodes, max_nodes;
    struct json_options options;
    struct err *err;
};

__attribute__((format(printf, 4, 5))) static int fail(struct reader *r, int code, const char *at,
                                                      const char *fmt, ...)
{
    char what[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    size_t line = 1, column = 1;
    for (const char *p = r->start; p < at; p++) {
        column = *p == '\n' ? 1 : column + 1;
        line += *p == '\n';
    }
    return err_set(r->err, code, "line %zu, column %zu: %s", line, column, what);
}

static int fail_here(struct reader *r, const char *expected)
{
    if (r->at >= r->end)
        return fail(r, E_SYNTAX, r->end, "unexpected end of JSON input, expected %s", expected);
    unsigned char c = (unsigned char)*r->at;
    if (c < 0x20 || c >= 0x7f)
        return fail(r, E_SYNTAX, r->at, "invalid byte 0x%02x, expected %s", c, expected);
    return fail(r, E_SYNTAX, r->at, "invalid character '%c', expected %s", c, expected);
}

static int fail_memory(struct reader *r)
{
    return err_set(r->err, E_NOMEM, "out of memory while reading JSON");
}

static void skip_space(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r'))
        r->at++;
}

/* Four hex digits at p as a number, or -1. */
static int hex4(const char *p, const char *end)
{
    int v = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int d = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (d < 0)
            return -1;
        v = v * 16 + d;
    }
    return v;
}

/* \uXXXX behind the 'u' at r->at; unpaired surrogates become U+FFFD, as in encoding/json. */
static int read_unicode(struct reader *r, char **out)
{
    int u = hex4(r->at, r->end);
    if (u < 0)
        return fail(r, E_SYNTAX, r->at, "expected four hexadecimal digits after \\u");
    r->at += 4;
    uint32_t point = (uint32_t)u;
    if (u >= 0xd800 && u < 0xe000) {
        int low = -1;
        if (u < 0xdc00 && r->end - r->at >= 6 && r->at[0] == '\\' && r->at[1] == 'u')
            low = hex4(r->at + 2, r->end);
        if (low >= 0xdc00 && low < 0xe000) {
            point = 0x10000 + (((uint32_t)u - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
            r->at += 6;
        } else {
            point = 0xfffd;
        }
    }
    *out += utf8_encode(*out, point);
    return 0;
}

static int read_escape(struct reader *r, char **out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (r->at >= r->end)
        return fail_here(r, "the rest of an escape sequence");
    char c = *r->at;
    if (c == 'u') {
        r->at++;
        return read_unicode(r, out);
    }
    const char *which = c ? strchr(from, c) : NULL;
    if (!which)
        return fail_here(r, "one of \"\\/bfnrtu after a backslash");
    *(*out)++ = to[which - from];
    r->at++;
    return 0;
}

/* End of the raw string that starts at p (its closing quote), or NULL. */
static const char *string_end(const char *p, const char *end, bool *ret_plain)
{
    bool plain = true;
    for (; p < end; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"') {
            *ret_plain = plain;
            return p;
        }
        if (c == '\\') {
            if (++p == end)
                break;
            plain = false;
        } else if (c < 0x20 || c >= 0x80) {
            plain = false;
        }
    }
    return NULL;
}

/* Copies with escapes undone; the decoded form is never longer than the raw one. */
static int read_escaped(struct reader *r, const char *close, char *out, char **ret_end)
{
    while (r->at < close) {
        unsigned char c = (unsigned char)*r->at;
        if (c == '\\') {
            r->at++;
            int rc = read_escape(r, &out);
            if (rc)
                return rc;
        } else if (c < 0x20) {
            return fail_here(r, "no control character within a string");
        } else if (c < 0x80) {
            *out++ = *r->at++;
        } else {
            size_t n = utf8_length(r->at, (size_t)(close - r->at));
            if (n == 0)
                return fail(r, E_SYNTAX, r->at, "invalid UTF-8 in a string");
            memcpy(out, r->at, n);
            out += n;
            r->at += n;
        }
    }
    *ret_end = out;
    return 0;
}

/* r->at is behind the opening quote. */
static int read_string(struct reader *r, struct str *ret)
{
    bool plain;
    const char *close = string_end(r->at, r->end, &plain);
    if (!close)
        return fail(r, E_SYNTAX, r->end, "unexpected end of JSON input within a string");
    size_t n = (size_t)(close - r->at);
    char *copy;
    if (plain) {
        copy = arena_strndup(r->arena, r->at, n);
        if (!copy)
            return fail_memory(r);
    } else {
        copy = arena_alloc(r->arena, n + 4);
        if (!copy)
            return fail_memory(r);
        char *end = copy;
        int rc = read_escaped(r, close, copy, &end);
        if (rc)
            return rc;
        n = (size_t)(end - copy);
        *end = '\0';
    }
    r->at = close + 1;
    *ret = str_make(copy, n);
    return 0;
}

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

/* The end of the number at r->at by RFC 8259's grammar. */
static int scan_number(struct reader *r, const char **ret_end, bool *ret_integer)
{
    const char *p = r->at + (*r->at == '-'), *q = skip_digits(p, r->end);
    bool integer = true;
    if (q == p || (*p == '0' && q - p > 1)) {
        r->at = q == p ? p : p + 1;
        return fail_here(r, q == p ? "a digit" : "no digit after a leading zero");
    }
    if (q < r->end && *q == '.') {
        p = q + 1;
        q = skip_digits(p, r->end);
        integer = false;
        if (q == p) {
            r->at = p;
            return fail_here(r, "a digit after the decimal point");
        }
    }
    if (q < r->end && (*q == 'e' || *q == 'E')) {
        p = q + 1;
        p += p < r->end && (*p == '+' || *p == '-');
        q = skip_digits(p, r->end);
        integer = false;
        if (q == p) {
            r->at = p;
            return fail_here(r, "a digit in the exponent");
        }
    }
    *ret_end = q;
    *ret_integer = integer;
    return 0;
}

static int read_number(struct reader *r, struct json *into)
{
    const char *end = r->at;
    bool integer = false;
    int rc = scan_number(r, &end, &integer);
    if (rc)
        return rc;
    struct str text = str_make(r->at, (size_t)(end - r->at));
    if (integer && str_to_i64(text, &into->i64) == 0) {
        into->type = JSON_INT;
    } else {
        char copy[NUMBER_MOST];
        if (!str_copy(copy, sizeof(copy), text))
            return fail(r, E_LIMIT, r->at, "number is longer than %d characters", NUMBER_MOST - 1);
        into->type = JSON_DOUBLE;
        into->number = strtod(copy, NULL);
        if (!isfinite(into->number))
            return fail(r, E_SYNTAX, r->at, "number %.40s is out of range", copy);
    }
    r->at = end;
    return 0;
}

static int read_word(struct reader *r, struct json *into)
{
    static const struct {
        struct str word;
        enum json_type type;
        bool value;
    } words[] = {{STR("null"), JSON_NULL, false},
                 {STR("true"), JSON_BOOL, true},
                 {STR("false"), JSON_BOOL, false}};
    struct str rest = str_make(r->at, (size_t)(r->end - r->at));
    for (size_t i = 0; i < 3; i++)
        if (str_starts(rest, words[i].word)) {
            into->type = (uint8_t)words[i].type;
            into->boolean = words[i].value;
            r->at += words[i].word.n;
            return 0;
        }
    return fail_here(r, "a JSON value");
}

/* "spec.containers[0].name" of `leaf` within the innermost open container. */
static void path_of(struct reader *r, struct str leaf, char *out, size_t size)
{
    size_t n = 0;
    out[0] = '\0';
    for (uint32_t i = 1; i <= r->depth && n < size; i++) {
        struct json *node = i < r->depth ? r->stack[i] : NULL;
        struct str key = node ? node->key : leaf;
        int more;
        if (r->stack[i - 1]->type == JSON_ARRAY)
            more = snprintf(out + n, size - n, "[%u]", r->stack[i - 1]->list.count - 1);
        else
            more = snprintf(out + n, size - n, "%s" STR_FMT, n ? "." : "", STR_ARG(key));
        n += more > 0 ? (size_t)more : 0;
    }
}

static int on_duplicate(struct reader *r, struct str key)
{
    char path[PATH_MOST];
    path_of(r, key, path, sizeof(path));
    if (!r->options.duplicate)
        return fail(r, E_SYNTAX, r->at, "duplicate field \"%s\"", path);
    r->options.duplicate(r->options.ctx, path);
    return 0;
}

/* The earlier of two members with one key; the later one wins. */
static void drop_member(struct json *object, struct json *member)
{
    struct json **link = &object->list.first;
    while (*link != member)
        link = &(*link)->next;
    *link = member->next;
    object->list.count--;
}

static int check_pairwise(struct reader *r, struct json *object)
{
    for (struct json *m = object->list.first, *next; m; m = next) {
        next = m->next;
        for (struct json *later = next; later; later = later->next)
            if (str_eq(m->key, later->key)) {
                int rc = on_duplicate(r, m->key);
                if (rc)
                    return rc;
                drop_member(object, m);
                break;
            }
    }
    return 0;
}

static int check_hashed(struct reader *r, struct json *object)
{
    size_t slots = 64;
    while (slots < 2 * (size_t)object->list.count)
        slots *= 2;
    CLEANUP_FREE struct json **table = mem_calloc(slots, sizeof(struct json *));
    if (!table)
        return fail_memory(r);
    for (struct json *m = object->list.first, *next; m; m = next) {
        next = m->next;
        size_t at = str_hash(m->key) & (slots - 1);
        while (table[at] && !str_eq(table[at]->key, m->key))
            at = (at + 1) & (slots - 1);
        if (table[at]) {
            int rc = on_duplicate(r, m->key);
            if (rc)
                return rc;
            drop_member(object, table[at]);
        }
        table[at] = m;
    }
    return 0;
}

static int close_container(struct reader *r)
{
    struct json *top = r->stack[r->depth - 1];
    int rc = 0;
    if (top->type == JSON_OBJECT && top->list.count > 1)
        rc = top->list.count <= PAIRWISE_MOST ? check_pairwise(r, top) : check_hashed(r, top);
    r->depth--;
    return rc;
}

static int new_node(struct reader *r, struct json **ret)
{
    if (++r->nodes > r->max_nodes)
        return fail(r, E_LIMIT, r->at, "more than %u values in one document", r->max_nodes);
    struct json *j = arena_zalloc(r->arena, sizeof(*j));
    if (!j)
        return fail_memory(r);
    if (r->depth > 0) {
        struct json *top = r->stack[r->depth - 1];
        if (top->type == JSON_OBJECT && top->list.count >= JSON_OBJECT_MEMBERS)
            return fail(r, E_LIMIT, r->at, "more than %d members in one object",
                        JSON_OBJECT_MEMBERS);
        *(top->list.first ? &top->list.last->next : &top->list.first) = j;
        top->list.last = j;
        top->list.count++;
    }
    *ret = j;
    return 0;
}

static int open_container(struct reader *r, struct json *j, enum json_type type)
{
    if (r->depth >= r->max_depth)
        return fail(r, E_LIMIT, r->at, "nested deeper than %u levels", r->max_depth);
    j->type = (uint8_t)type;
    r->stack[r->depth++] = j;
    r->at++;
    return 0;
}

/* Reads one value; a container is only opened. */
static int read_value(struct reader *r, struct str key, struct json **ret)
{
    struct json *j = NULL;
    skip_space(r);
    if (r->at >= r->end)
        return fail_here(r, "a value");
    int rc = new_node(r, &j);
    if (rc)
        return rc;
    j->key = key;
    *ret = j;
    switch (*r->at) {
    case '{':
        return open_container(r, j, JSON_OBJECT);
    case '[':
        return open_container(r, j, JSON_ARRAY);
    case '"':
        r->at++;
        j->type = JSON_STRING;
        return read_string(r, &j->string);
    case '-':
    case '0' ... '9':
        return read_number(r, j);
    default:
        return read_word(r, j);
    }
}

static int read_key(struct reader *r, struct str *ret)
{
    if (r->at >= r->end || *r->at != '"')
        return fail_here(r, "a member name in double quotes");
    r->at++;
    int rc = read_string(r, ret);
    if (rc)
        return rc;
    skip_space(r);
    if (r->at >= r->end || *r->at != ':')
        return fail_here(r, "':' after a member name");
    r->at++;
    return 0;
}

/* One member, element or end of the innermost open container. */
static int step(struct reader *r)
{
    struct json *top = r->stack[r->depth - 1], *ignored;
    char close = top->type == JSON_OBJECT ? '}' : ']';
    struct str key = {NULL, 0};
    skip_space(r);
    if (r->at < r->end && *r->at == close) {
        r->at++;
        return close_container(r);
    }
    if (top->list.count > 0) {
        if (r->at >= r->end || *r->at != ',')
            return fail_here(r, close == '}' ? "',' or '}'" : "',' or ']'");
        r->at++;
        skip_space(r);
    }
    if (top->type == JSON_OBJECT) {
        int rc = read_key(r, &key);
        if (rc)
            return rc;
    }
    return read_value(r, key, &ignored);
}

int json_parse(struct arena *a, struct str text, const struct json_options *options,
               struct json **ret_root, struct err *err)
{
    struct reader r = {
        .arena = a, .start = text.p, .at = text.p, .end = text.p + text.n, .err = err};
    struct json *root = NULL;
    if (options)
        r.options = *options;
    r.max_depth = r.options.max_depth ? r.options.max_depth : LIMIT_JSON_DEPTH;
    if (r.max_depth > JSON_STACK)
        r.max_depth = JSON_STACK;
    r.max_nodes = r.options.max_nodes ? r.options.max_nodes : LIMIT_JSON_NODES;
    int rc = read_value(&r, (struct str){NULL, 0}, &root);
    while (rc == 0 && r.depth > 0)
        rc = step(&r);
    if (rc)
        return rc;
    skip_space(&r);
    if (r.at < r.end)
        return fail_here(&r, "nothing after the document");
    *ret_root = root;
    return 0;
}
