/*
 * Strategic merge patch (apimachinery/pkg/util/strategicpatch, the applying half). Works in place
 * on a clone of the object, with a clone of the patch.
 *
 * Maps merge member by member. A list merges when its field says so: maps in it by their merge key,
 * plain values as a set; every other list is replaced. The order of a merged list is the patch's
 * (or $setElementOrder's) for what it names, with the other elements kept where they stood relative
 * to elements that both know.
 *
 * Server-side apply will stand beside this file; it shares nothing but the tables.
 */
#include "base/limits.h"
#include "schema/schema_int.h"

enum { MERGED_MOST = 8192, DEPTH_MOST = 2 * LIMIT_JSON_DEPTH };

#define DIRECTIVE     "$patch"
#define DELETE_PREFIX "$deleteFromPrimitiveList/"
#define ORDER_PREFIX  "$setElementOrder/"
#define RETAIN_KEYS   "$retainKeys"

struct merger {
    struct arena *arena;
    uint32_t depth;
    struct err *err;
};

static int merge_map(struct merger *m, const struct schema_type *type, struct json *object,
                     struct json *patch, struct json **ret);

static int fail_memory(struct merger *m)
{
    return err_set(m->err, E_NOMEM, "out of memory while merging");
}

static int fail(struct merger *m, const char *what, struct str name)
{
    return err_set(m->err, E_BAD_REQUEST, "invalid strategic merge patch: %s \"%.*s\"", what,
                   (int)(name.n < 120 ? name.n : 120), name.p ? name.p : "");
}

/* What identifies an element: its merge key's value, or itself when the list is of plain values. */
static const struct json *identity(const struct json *e, const char *key)
{
    return *key ? json_get(e, key) : e;
}

static bool same(const struct json *a, const struct json *b, const char *key)
{
    const struct json *x = identity(a, key), *y = identity(b, key);
    return x && y && json_equal(x, y);
}

static struct json *find(const struct json *list, const struct json *like, const char *key)
{
    for (struct json *e = json_first(list); e; e = e->next)
        if (same(e, like, key))
            return e;
    return NULL;
}

static int64_t position(const struct json *list, const struct json *like, const char *key)
{
    int64_t at = 0;
    for (struct json *e = json_first(list); e; e = e->next, at++)
        if (same(e, like, key))
            return at;
    return -1;
}

static void remove_matching(struct json *list, const struct json *like, const char *key)
{
    uint32_t at = 0;
    for (struct json *e = json_first(list), *next; e; e = next) {
        next = e->next;
        if (same(e, like, key))
            json_remove_at(list, at);
        else
            at++;
    }
}

/* Takes the first element off a list; NULL when it is empty. */
static struct json *shift(struct json *list)
{
    struct json *e = json_first(list);
    if (e)
        json_remove_at(list, 0);
    return e;
}

/*
 * Order of a merged list: `named` (in the patch's order) with `others` (in the server's) put before
 * the first named element that stood behind them on the server.
 */
static void interleave(struct merger *m, struct json *named, struct json *others,
                       const struct json *server, const char *key, struct json *into)
{
    while (json_first(named) || json_first(others)) {
        bool from_others = !json_first(named);
        if (json_first(named) && json_first(others)) {
            int64_t left = position(server, json_first(others), key);
            int64_t right = position(server, json_first(named), key);
            from_others = left >= 0 && right >= 0 && left < right;
        }
        json_append(m->arena, into, shift(from_others ? others : named));
    }
}

static int reorder(struct merger *m, struct json *merged, const struct json *order,
                   const struct json *server, const char *key)
{
    struct json *named = json_new(m->arena, JSON_ARRAY), *others = json_new(m->arena, JSON_ARRAY);
    if (!named || !others)
        return fail_memory(m);
    for (const struct json *o = json_first(order); o; o = o->next) {
        int64_t at = position(merged, o, key);
        if (at < 0)
            continue;
        struct json *e = json_at(merged, (uint32_t)at);
        json_remove_at(merged, (uint32_t)at);
        json_append(m->arena, named, e);
    }
    for (struct json *e = shift(merged); e; e = shift(merged))
        json_append(m->arena, others, e);
    interleave(m, named, others, server, key, merged);
    return 0;
}

/*
 * Carries out and takes out the elements of a patch that are directives. *ret_replace: the whole
 * list is replaced by what is left of the patch.
 */
static int list_directives(struct merger *m, struct json *list, struct json *patch, const char *key,
                           bool *ret_replace)
{
    uint32_t at = 0;
    *ret_replace = false;
    for (struct json *e = json_first(patch), *next; e; e = next) {
        struct json *directive = json_get(e, DIRECTIVE);
        struct str what = json_str(directive);
        next = e->next;
        if (!directive || str_is(what, "merge")) {
            json_remove(e, DIRECTIVE);
            at++;
            continue;
        }
        if (str_is(what, "replace")) {
            *ret_replace = true;
        } else if (!str_is(what, "delete")) {
            return fail(m, "unknown $patch directive", what);
        } else if (!identity(e, key)) {
            return fail(m, "an element to delete lacks the merge key", str_of(key));
        } else {
            remove_matching(list, e, key);
        }
        json_remove_at(patch, at);
    }
    return 0;
}

static int merge_element(struct merger *m, const struct schema_type *type, struct json *list,
                         struct json *element, const char *key)
{
    struct json *merged, *there = NULL;
    if (!json_is(element, JSON_OBJECT))
        return fail(m, "an element of a list of objects is no object; merge key", str_of(key));
    if (!identity(element, key))
        return fail(m, "an element lacks the merge key", str_of(key));
    there = find(list, element, key);
    struct json *on = there ? there : json_new(m->arena, JSON_OBJECT);
    if (!on)
        return fail_memory(m);
    int rc = merge_map(m, type, on, element, &merged);
    if (rc)
        return rc;
    if (!there) /* elements with a directive are gone by now, so merged is `on` */
        json_append(m->arena, list, merged);
    return 0;
}

/* order may be NULL: then the patch itself gives it. */
static int merge_list(struct merger *m, const struct schema_field *f, struct json *list,
                      struct json *patch, const struct json *order)
{
    const char *key = schema_field_patch_key(f);
    bool replace = false;
    if (json_count(list) + json_count(patch) + json_count(order) > MERGED_MOST)
        return err_set(m->err, E_TOO_LARGE, "lists of more than %d elements cannot be merged",
                       MERGED_MOST);
    struct json *server = json_clone(m->arena, list);
    struct json *patch_order = json_clone(m->arena, patch);
    if (!server || !patch_order)
        return fail_memory(m);
    int rc = *key ? list_directives(m, list, patch, key, &replace) : 0;
    if (rc)
        return rc;
    if (replace) {
        list->list = patch->list;
        return 0;
    }
    for (struct json *e = shift(patch); e && rc == 0; e = rc ? NULL : shift(patch)) {
        if (*key)
            rc = merge_element(m, schema_field_type(f), list, e, key);
        else if (!find(list, e, key))
            json_append(m->arena, list, e);
    }
    return rc ? rc : reorder(m, list, order ? order : patch_order, server, key);
}

static int apply_retain_keys(struct merger *m, struct json *object, struct json *patch)
{
    struct json *keys = json_get(patch, RETAIN_KEYS);
    if (!keys)
        return 0;
    if (!json_is(keys, JSON_ARRAY))
        return fail(m, "not a list:", STR(RETAIN_KEYS));
    json_remove(patch, RETAIN_KEYS);
    for (struct json *p = json_first(patch); p; p = p->next) {
        struct json name = {.type = JSON_STRING, .string = p->key};
        if (p->key.n && p->key.p[0] != '$' && p->type != JSON_NULL && !find(keys, &name, ""))
            return fail(m, "a field of the patch is missing in $retainKeys:", p->key);
    }
    for (struct json *o = json_first(object), *next; o; o = next) {
        struct json name = {.type = JSON_STRING, .string = o->key};
        next = o->next;
        if (!find(keys, &name, ""))
            json_remove_key(object, o->key);
    }
    return 0;
}

/* $deleteFromPrimitiveList/x: the values listed leave object.x. */
static int apply_deletions(struct merger *m, struct json *object, const struct json *directive)
{
    struct str name = str_make(directive->key.p + sizeof(DELETE_PREFIX) - 1,
                               directive->key.n - (sizeof(DELETE_PREFIX) - 1));
    struct json *list = json_get_str(object, name);
    if (!json_is(directive, JSON_ARRAY))
        return fail(m, "not a list:", directive->key);
    if (json_count(list) + json_count(directive) > MERGED_MOST)
        return err_set(m->err, E_TOO_LARGE, "lists of more than %d elements cannot be merged",
                       MERGED_MOST);
    if (json_is(list, JSON_ARRAY))
        for (const struct json *v = json_first(directive); v; v = v->next)
            remove_matching(list, v, "");
    return 0;
}

/* $setElementOrder/x without a list x in the patch: only the order changes. */
static int apply_order(struct merger *m, const struct schema_type *type, struct json *object,
                       const struct json *order, const struct json *patch)
{
    struct str name = str_make(order->key.p + sizeof(ORDER_PREFIX) - 1,
                               order->key.n - (sizeof(ORDER_PREFIX) - 1));
    const struct schema_field *f = type ? schema_type_field(type, name) : NULL;
    struct json *list = json_get_str(object, name);
    if (!json_is(order, JSON_ARRAY))
        return fail(m, "not a list:", order->key);
    if (!f || !(f->patch & SCHEMA_PATCH_MERGE))
        return fail(m, "an order for what is no merged list:", name);
    if (json_get_str(patch, name) || !json_is(list, JSON_ARRAY))
        return 0; /* merge_list takes care of it */
    if (json_count(list) + json_count(order) > MERGED_MOST)
        return err_set(m->err, E_TOO_LARGE, "lists of more than %d elements cannot be merged",
                       MERGED_MOST);
    struct json *server = json_clone(m->arena, list);
    return server ? reorder(m, list, order, server, schema_field_patch_key(f)) : fail_memory(m);
}

/* One ordinary member of the patch; value is taken out of the patch already. */
static int merge_member(struct merger *m, const struct schema_type *type, struct json *object,
                        struct json *value, const struct json *order)
{
    const struct schema_field *f = type ? schema_type_field(type, value->key) : NULL;
    struct json *there = json_get_str(object, value->key);
    bool merges = !f || f->wrap != SCHEMA_ONE || !(f->patch & SCHEMA_PATCH_REPLACE);
    if (value->type == JSON_NULL) {
        json_remove_key(object, value->key);
        return 0;
    }
    if (value->type == JSON_OBJECT && merges) {
        const struct schema_type *inner = f && f->wrap == SCHEMA_ONE ? schema_field_type(f) : NULL;
        struct json *on = json_is(there, JSON_OBJECT) ? there : json_new(m->arena, JSON_OBJECT);
        struct json *merged = NULL;
        int rc = on ? merge_map(m, inner, on, value, &merged) : fail_memory(m);
        if (rc)
            return rc;
        return json_set_key(m->arena, object, value->key, merged) ? 0 : fail_memory(m);
    }
    if (value->type == JSON_ARRAY && f && f->wrap == SCHEMA_ARRAY &&
        (f->patch & SCHEMA_PATCH_MERGE)) {
        struct json *on = json_is(there, JSON_ARRAY) ? there : json_new(m->arena, JSON_ARRAY);
        int rc = on ? merge_list(m, f, on, value, order) : fail_memory(m);
        if (rc)
            return rc;
        return json_set_key(m->arena, object, value->key, on) ? 0 : fail_memory(m);
    }
    return json_set_key(m->arena, object, value->key, value) ? 0 : fail_memory(m);
}

/* Moves the $setElementOrder lists out of the patch, under the names of their lists. */
static int take_orders(struct merger *m, const struct schema_type *type, struct json *object,
                       struct json *patch, struct json *orders)
{
    int rc = 0;
    for (struct json *p = json_first(patch); p && rc == 0; p = p->next)
        if (str_starts(p->key, STR(ORDER_PREFIX)))
            rc = apply_order(m, type, object, p, patch);
    for (struct json *p = json_first(patch), *next; p && rc == 0; p = next) {
        next = p->next;
        if (!str_starts(p->key, STR(ORDER_PREFIX)))
            continue;
        struct str name =
            str_make(p->key.p + sizeof(ORDER_PREFIX) - 1, p->key.n - (sizeof(ORDER_PREFIX) - 1));
        json_remove_key(patch, p->key);
        if (!json_set_key(m->arena, orders, name, p))
            rc = fail_memory(m);
    }
    return rc;
}

static int merge_members(struct merger *m, const struct schema_type *type, struct json *object,
                         struct json *patch)
{
    struct json orders = {.type = JSON_OBJECT};
    int rc = apply_retain_keys(m, object, patch);
    rc = rc ? rc : take_orders(m, type, object, patch, &orders);
    for (struct json *p = json_first(patch); p && rc == 0; p = p->next)
        if (str_starts(p->key, STR(DELETE_PREFIX)))
            rc = apply_deletions(m, object, p);
    /* A member may move into the object, so nothing looks at the patch's list from here on. */
    for (struct json *p = json_first(patch), *next; p && rc == 0; p = next) {
        next = p->next;
        if (!str_starts(p->key, STR(DELETE_PREFIX)))
            rc = merge_member(m, type, object, p, json_get_str(&orders, p->key));
    }
    return rc;
}

static int merge_map(struct merger *m, const struct schema_type *type, struct json *object,
                     struct json *patch, struct json **ret)
{
    struct json *directive = json_get(patch, DIRECTIVE);
    struct str what = json_str(directive);
    if (directive) {
        json_remove(patch, DIRECTIVE);
        if (str_is(what, "delete"))
            patch = json_new(m->arena, JSON_OBJECT);
        else if (!str_is(what, "replace") && !str_is(what, "merge"))
            return fail(m, "unknown $patch directive", what);
        if (!patch)
            return fail_memory(m);
        if (!str_is(what, "merge")) {
            *ret = patch;
            return 0;
        }
    }
    if (++m->depth > DEPTH_MOST)
        return err_set(m->err, E_BAD_REQUEST, "invalid strategic merge patch: nested too deeply");
    int rc = merge_members(m, type, object, patch);
    m->depth--;
    if (rc == 0)
        *ret = object;
    return rc;
}

int schema_strategic_merge(struct arena *a, const struct schema_type *type,
                           const struct json *object, const struct json *patch,
                           struct json **ret_merged, struct err *err)
{
    struct merger m = {.arena = a, .err = err};
    struct json *result = NULL;
    if (!json_is(patch, JSON_OBJECT))
        return err_set(err, E_BAD_REQUEST, "a strategic merge patch must be an object");
    struct json *target = json_clone(a, object), *own = json_clone(a, patch);
    if (!target || !own)
        return fail_memory(&m);
    int rc = merge_map(&m, type, target, own, &result);
    if (rc == 0)
        *ret_merged = result;
    return rc;
}
