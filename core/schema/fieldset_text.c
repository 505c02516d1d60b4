/* Sets of places: FieldsV1, elements in canonical spelling, and paths for people. */
#include <stdlib.h>

#include "schema/fieldset.h"

enum { ELEMENT_BYTES = 64 * 1024, KEYS_MOST = 32 };

static struct str spell(struct arena *a, char kind, const struct json *value)
{
    CLEANUP_BUF struct buf b;
    buf_init(&b, ELEMENT_BYTES);
    buf_putc(&b, kind);
    buf_putc(&b, ':');
    json_write(&b, value);
    return b.failed ? (struct str){NULL, 0} : arena_str(a, buf_str(&b));
}

struct str fieldset_name(struct arena *a, struct str name)
{
    char *p = arena_alloc(a, name.n + 3);
    if (!p)
        return (struct str){NULL, 0};
    memcpy(p, "f:", 2);
    memcpy(p + 2, name.p, name.n);
    p[name.n + 2] = '\0';
    return str_make(p, name.n + 2);
}

struct str fieldset_value(struct arena *a, const struct json *value)
{
    return spell(a, 'v', value);
}

/* ---- reading ---- */

static int compare_members(const void *x, const void *y)
{
    const struct json *const *a = x, *const *b = y;
    return str_cmp((*a)->key, (*b)->key);
}

/* Members of a key by name. */
static int sort_members(struct json *object)
{
    struct json *sorted[KEYS_MOST];
    uint32_t n = 0;
    if (json_count(object) > KEYS_MOST)
        return -E_LIMIT;
    for (struct json *m = json_first(object); m; m = m->next)
        sorted[n++] = m;
    qsort(sorted, n, sizeof sorted[0], compare_members);
    for (uint32_t i = 0; i < n; i++)
        sorted[i]->next = i + 1 < n ? sorted[i + 1] : NULL;
    object->list.first = n ? sorted[0] : NULL;
    object->list.last = n ? sorted[n - 1] : NULL;
    return 0;
}

static int fail_element(struct err *err, struct str text)
{
    return err_set(err, E_SYNTAX, "\"%.*s\" is no path element", (int)(text.n < 120 ? text.n : 120),
                   text.p);
}

static int read_element(struct arena *a, struct str text, struct str *ret, struct err *err)
{
    struct json *j = NULL;
    int64_t index;
    if (text.n < 2 || text.p[1] != ':')
        return fail_element(err, text);
    struct str rest = str_make(text.p + 2, text.n - 2);
    char kind = text.p[0];
    if (kind == 'f' || (kind == 'i' && str_to_i64(rest, &index) == 0)) {
        *ret = text;
        return 0;
    }
    if (kind != 'k' && kind != 'v')
        return fail_element(err, text);
    int rc = json_parse(a, rest, NULL, &j, err);
    if (rc == -E_NOMEM)
        return rc;
    if (rc || (kind == 'k') != (j->type == JSON_OBJECT) || j->type == JSON_ARRAY)
        return fail_element(err, text);
    if (kind == 'k' && sort_members(j))
        return fail_element(err, text);
    *ret = spell(a, kind, j);
    return ret->p ? 0 : err_set(err, E_NOMEM, "out of memory while reading managed fields");
}

/* Elements that were spelled differently may turn out to be the same. */
static int join_equals(struct arena *a, struct fieldset *s)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        if (n && str_eq(s->children[n - 1].element, s->children[i].element)) {
            struct fieldset both;
            int rc = fieldset_union(a, &s->children[n - 1], &s->children[i], &both);
            if (rc)
                return rc;
            s->children[n - 1] = both;
        } else {
            s->children[n++] = s->children[i];
        }
    }
    s->count = n;
    return 0;
}

static int read_node(struct arena *a, const struct json *fields, uint32_t depth,
                     struct fieldset *out, struct err *err)
{
    if (!json_is(fields, JSON_OBJECT))
        return err_set(err, E_SYNTAX, "managed fields must be nested objects");
    if (depth > FIELDSET_DEPTH)
        return err_set(err, E_SYNTAX, "managed fields are nested too deeply");
    if (fieldset_reserve(a, out, json_count(fields)))
        return err_set(err, E_NOMEM, "out of memory while reading managed fields");
    for (const struct json *m = json_first(fields); m; m = m->next) {
        struct fieldset child = {.member = false};
        if (str_is(m->key, ".")) {
            out->member = true;
            continue;
        }
        int rc = read_element(a, m->key, &child.element, err);
        rc = rc ? rc : read_node(a, m, depth + 1, &child, err);
        if (rc)
            return rc;
        if (child.count == 0)
            child.member = true;
        if (fieldset_add(a, out, &child))
            return err_set(err, E_NOMEM, "out of memory while reading managed fields");
    }
    fieldset_sort(out);
    return join_equals(a, out);
}

int fieldset_read(struct arena *a, const struct json *fields, struct fieldset *ret, struct err *err)
{
    struct fieldset s = {.member = false};
    int rc = json_absent(fields) ? 0 : read_node(a, fields, 0, &s, err);
    s.member = false;
    if (rc == 0)
        *ret = s;
    return rc;
}

/* ---- writing ---- */

/* Elements of a set differ, so nothing has to be looked for. */
static void link_member(struct json *object, struct json *member, struct str key)
{
    if (!object || !member)
        return;
    member->key = key;
    if (object->list.last)
        object->list.last->next = member;
    else
        object->list.first = member;
    object->list.last = member;
    object->list.count++;
}

static struct json *write_node(struct arena *a, const struct fieldset *s, bool root)
{
    struct json *j = json_new(a, JSON_OBJECT);
    if (s->member && s->count && !root)
        json_set(a, j, ".", json_new(a, JSON_OBJECT));
    for (uint32_t i = 0; i < s->count && !a->failed; i++)
        link_member(j, write_node(a, &s->children[i], false), s->children[i].element);
    return a->failed ? NULL : j;
}

struct json *fieldset_write(struct arena *a, const struct fieldset *s)
{
    return write_node(a, s, true);
}

/* ---- paths for people ---- */

void fieldset_element_text(struct buf *out, struct str element)
{
    struct str rest = str_make(element.p + 2, element.n - 2);
    struct arena a CLEANUP_ARENA;
    struct json *j = NULL;
    arena_init(&a, 4 * (size_t)ELEMENT_BYTES + 64 * (size_t)1024);
    if (element.p[0] == 'f')
        buf_printf(out, "." STR_FMT, STR_ARG(rest));
    else if (element.p[0] == 'v')
        buf_printf(out, "[=" STR_FMT "]", STR_ARG(rest));
    else if (element.p[0] == 'k' && json_parse(&a, rest, NULL, &j, NULL) == 0) {
        for (const struct json *m = json_first(j); m; m = m->next) {
            buf_printf(out, "%s" STR_FMT "=", m == json_first(j) ? "[" : ",", STR_ARG(m->key));
            json_write(out, m);
        }
        buf_putc(out, ']');
    } else {
        buf_printf(out, "[" STR_FMT "]", STR_ARG(rest));
    }
}

struct walk {
    struct arena *arena;
    struct buf path;
    int (*each)(void *ctx, const char *path);
    void *ctx;
};

static int walk(struct walk *w, const struct fieldset *s)
{
    int rc = 0;
    for (uint32_t i = 0; i < s->count && rc == 0; i++) {
        const struct fieldset *child = &s->children[i];
        size_t was = buf_len(&w->path);
        fieldset_element_text(&w->path, child->element);
        if (w->path.failed)
            return -E_NOMEM;
        if (child->member)
            rc = w->each(w->ctx, buf_cstr(&w->path));
        if (rc == 0)
            rc = walk(w, child);
        buf_truncate(&w->path, was);
    }
    return rc;
}

int fieldset_each(struct arena *a, const struct fieldset *s,
                  int (*each)(void *ctx, const char *path), void *ctx)
{
    struct walk w = {.arena = a, .each = each, .ctx = ctx};
    buf_init(&w.path, 8 * (size_t)ELEMENT_BYTES);
    int rc = walk(&w, s);
    buf_done(&w.path);
    return rc;
}

static int of_path(struct arena *a, struct str rest, struct fieldset *out)
{
    struct str part;
    struct fieldset inner = {.member = true}, node;
    if (!str_split(&rest, '/', &part)) {
        *out = inner;
        return 0;
    }
    int rc = of_path(a, rest, &inner);
    if (rc)
        return rc;
    inner.element = part;
    node = (struct fieldset){.member = false};
    rc = fieldset_add(a, &node, &inner);
    if (rc == 0)
        *out = node;
    return rc;
}

int fieldset_of_paths(struct arena *a, const char *const *paths, struct fieldset *ret)
{
    struct fieldset all = {.member = false};
    for (; *paths; paths++) {
        struct fieldset one;
        int rc = of_path(a, str_of(*paths), &one);
        rc = rc ? rc : fieldset_union(a, &all, &one, &all);
        if (rc)
            return rc;
    }
    *ret = all;
    return 0;
}
