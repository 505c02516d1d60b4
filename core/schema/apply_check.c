/* An applied configuration against its type, and the places that an object names. */
#include <stdio.h>

#include "schema/apply_int.h"

enum { PROBLEMS_MOST = 50, TEXT_BYTES = 64 * 1024 };

struct check {
    struct arena *arena;
    struct buf path, text; /* text: "  .spec.x: why" lines */
    uint32_t count;
    bool failed; /* out of memory */
};

static void problem(struct check *c, const char *what)
{
    if (c->count++ >= PROBLEMS_MOST)
        return;
    buf_puts(&c->text, "\n  ");
    if (buf_len(&c->path))
        buf_printf(&c->text, "%s: ", buf_cstr(&c->path));
    buf_puts(&c->text, what);
}

/* A value as Go prints the wrapper it is in. */
static void put_value(struct buf *out, const struct json *j, const char *before, bool quoted)
{
    buf_puts(out, before);
    if (json_is(j, JSON_OBJECT) || json_is(j, JSON_ARRAY))
        buf_puts(out, json_is(j, JSON_OBJECT) ? "map[...]" : "[...]");
    else if (json_is(j, JSON_STRING) && !quoted)
        buf_append_str(out, json_str(j));
    else
        json_write(out, j);
    buf_putc(out, '}');
}

static void wrong_type(struct check *c, enum apply_shape want, const struct json *j)
{
    static const char *const kinds[] = {[JSON_NULL] = "nil",
                                        [JSON_BOOL] = "bool",
                                        [JSON_INT] = "int64",
                                        [JSON_DOUBLE] = "float64",
                                        [JSON_STRING] = "string",
                                        [JSON_ARRAY] = "[]interface {}",
                                        [JSON_OBJECT] = "map[string]interface {}"};
    CLEANUP_BUF struct buf b;
    buf_init(&b, TEXT_BYTES);
    if (want == APPLY_NUMBER)
        buf_printf(&b, "expected numeric (int or float), got %s", kinds[j->type]);
    else if (want == APPLY_STRING)
        put_value(&b, j, "expected string, got &value.valueUnstructured{Value:", true);
    else
        put_value(&b, j,
                  want == APPLY_BOOL     ? "expected boolean, got &{"
                  : want == APPLY_SCALAR ? "expected any scalar, got &{"
                  : want == APPLY_MAP    ? "expected map, got &{"
                                         : "expected list, got &{",
                  false);
    problem(c, b.failed ? "unexpected type" : buf_cstr(&b));
}

static void check_node(struct check *c, struct apply_node n, const struct json *j);

/* The path grows by an element while what is below it is checked. */
static void check_below(struct check *c, struct str element, struct apply_node n,
                        const struct json *j)
{
    size_t was = buf_len(&c->path);
    fieldset_element_text(&c->path, element);
    check_node(c, n, j);
    buf_truncate(&c->path, was);
}

static void check_members(struct check *c, struct apply_node n, const struct json *j)
{
    for (const struct json *m = json_first(j); m && !c->failed; m = m->next) {
        struct apply_node child = n;
        bool named;
        size_t was = buf_len(&c->path);
        buf_printf(&c->path, "." STR_FMT, STR_ARG(m->key));
        if (apply_field(n, m->key, &child, &named))
            check_node(c, child, m);
        else
            problem(c, "field not declared in schema");
        buf_truncate(&c->path, was);
    }
}

static void check_elements(struct check *c, struct apply_node n, enum apply_shape shape,
                           const struct json *j)
{
    struct apply_node inner = apply_element(n);
    struct apply_index x;
    struct err err = {0};
    uint32_t at = 0;
    if (shape == APPLY_LIST_ATOMIC) {
        for (const struct json *e = json_first(j); e && !c->failed; e = e->next, at++) {
            char index[24] = "i:";
            snprintf(index + 2, sizeof index - 2, "%u", (unsigned)at);
            check_below(c, str_of(index), inner, e);
        }
        return;
    }
    int rc = apply_index_list(c->arena, n, j, &x, &err);
    c->failed = rc == -E_NOMEM;
    if (rc == -E_INVALID)
        problem(c, err.text);
    for (uint32_t i = 0; rc == 0 && i < x.count; i++) {
        const struct apply_item *item = &x.items[i];
        if (item->same > 1 && apply_index_find(&x, item->id) != item) {
            CLEANUP_BUF struct buf b;
            buf_init(&b, TEXT_BYTES);
            buf_puts(&b, "duplicate entries for key ");
            fieldset_element_text(&b, item->id);
            problem(c, buf_cstr(&b));
        }
        check_below(c, item->id, inner, item->value);
    }
}

static void check_node(struct check *c, struct apply_node n, const struct json *j)
{
    enum apply_shape shape = apply_shape_of(n, j);
    bool is_map = shape == APPLY_STRUCT || shape == APPLY_MAP || shape == APPLY_MAP_ATOMIC;
    if (j->type == JSON_NULL || c->failed || shape == APPLY_ANY)
        return;
    if (is_map && j->type == JSON_OBJECT)
        check_members(c, n, j);
    else if (is_map)
        wrong_type(c, APPLY_MAP, j);
    else if (!apply_is_scalar(shape) && j->type == JSON_ARRAY)
        check_elements(c, n, shape, j);
    else if (!apply_is_scalar(shape) || (shape == APPLY_STRING && j->type != JSON_STRING) ||
             (shape == APPLY_BOOL && j->type != JSON_BOOL) ||
             (shape == APPLY_NUMBER && j->type != JSON_INT && j->type != JSON_DOUBLE) ||
             j->type == JSON_ARRAY || j->type == JSON_OBJECT)
        wrong_type(c, shape, j);
}

int apply_check(struct arena *a, struct apply_node n, const struct json *object,
                const char **ret_problems)
{
    struct check c = {.arena = a};
    const char *text = NULL;
    buf_init(&c.path, TEXT_BYTES);
    buf_init(&c.text, PROBLEMS_MOST * (size_t)TEXT_BYTES);
    check_node(&c, n, object);
    bool bad = c.failed || c.path.failed || c.text.failed;
    if (c.count && !bad) {
        /* Alone a problem stands without head and indent. */
        text = c.count == 1 ? arena_strdup(a, buf_cstr(&c.text) + 3)
                            : arena_printf(a, "errors:%s", buf_cstr(&c.text));
        bad = text == NULL;
    }
    int rc = bad ? -E_NOMEM : c.count ? -E_INVALID : 0;
    buf_done(&c.path);
    buf_done(&c.text);
    if (text)
        *ret_problems = text;
    return rc;
}

/* ---- places ---- */

static int places(struct arena *a, struct apply_node n, const struct json *j, struct fieldset *out);

static int list_places(struct arena *a, struct apply_node n, const struct json *list,
                       struct fieldset *out)
{
    struct apply_node inner = apply_element(n);
    struct apply_index x;
    int rc = apply_index_list(a, n, list, &x, NULL);
    rc = rc ? rc : fieldset_reserve(a, out, x.count);
    for (uint32_t i = 0; rc == 0 && i < x.count; i++) {
        const struct apply_item *item = &x.items[i];
        struct fieldset child = {.element = item->id};
        if (item->same > 1 && apply_index_find(&x, item->id) != item)
            continue;
        /* Duplicates are one place, whose inside is nobody's. */
        if (item->same == 1)
            rc = places(a, inner, item->value, &child);
        child.member = true;
        rc = rc ? rc : fieldset_add(a, out, &child);
    }
    return rc;
}

static int map_places(struct arena *a, struct apply_node n, const struct json *j,
                      struct fieldset *out)
{
    int rc = fieldset_reserve(a, out, json_count(j));
    for (const struct json *m = json_first(j); m && rc == 0; m = m->next) {
        struct apply_node inner = apply_node_of_type(NULL);
        struct fieldset child = {.element = fieldset_name(a, m->key)};
        bool named = false;
        apply_field(n, m->key, &inner, &named);
        if (!child.element.p)
            return -E_NOMEM;
        rc = places(a, inner, m, &child);
        if (!named || m->type == JSON_NULL || (m->type == JSON_OBJECT && !json_count(m)))
            child.member = true;
        rc = rc ? rc : fieldset_add(a, out, &child);
    }
    return rc;
}

static int places(struct arena *a, struct apply_node n, const struct json *j, struct fieldset *out)
{
    enum apply_shape shape = apply_shape_of(n, j);
    int rc = 0;
    if (apply_is_scalar(shape) || shape == APPLY_ANY || shape == APPLY_MAP_ATOMIC ||
        shape == APPLY_LIST_ATOMIC)
        out->member = true;
    else if (shape == APPLY_LIST_SET || shape == APPLY_LIST_KEYED)
        rc = j->type == JSON_ARRAY ? list_places(a, n, j, out) : 0;
    else
        rc = j->type == JSON_OBJECT ? map_places(a, n, j, out) : 0;
    if (rc == 0)
        fieldset_sort(out);
    return rc;
}

int apply_places(struct arena *a, struct apply_node n, const struct json *object,
                 struct fieldset *ret)
{
    struct fieldset s = {.member = false};
    int rc = object ? places(a, n, object, &s) : 0;
    s.member = false;
    if (rc == 0)
        *ret = s;
    return rc;
}
