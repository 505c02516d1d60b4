/* What differs between two states of an object, as sets of places. */
#include "schema/apply_int.h"

static int compare(struct arena *a, struct apply_node n, const struct json *old,
                   const struct json *now, struct apply_difference *out);

bool apply_same(const struct apply_difference *d)
{
    return fieldset_empty(&d->removed) && fieldset_empty(&d->modified) && fieldset_empty(&d->added);
}

/* Hangs what was found below an element under it. */
static int hang(struct arena *a, struct str element, struct apply_difference *below,
                struct apply_difference *out)
{
    below->removed.element = below->modified.element = below->added.element = element;
    int rc = fieldset_add(a, &out->removed, &below->removed);
    rc = rc ? rc : fieldset_add(a, &out->modified, &below->modified);
    return rc ? rc : fieldset_add(a, &out->added, &below->added);
}

static int compare_member(struct arena *a, struct apply_node n, const struct json *old,
                          const struct json *now, struct apply_difference *out)
{
    struct apply_difference below = {.removed = {.member = false}};
    struct apply_node inner = apply_node_of_type(NULL);
    struct str key = old ? old->key : now->key;
    bool named;
    apply_field(n, key, &inner, &named);
    int rc = compare(a, inner, old, now, &below);
    if (rc || apply_same(&below))
        return rc;
    struct str element = fieldset_name(a, key);
    return element.p ? hang(a, element, &below, out) : -E_NOMEM;
}

static int compare_members(struct arena *a, struct apply_node n, const struct json *old,
                           const struct json *now, struct apply_difference *out)
{
    struct apply_index before, after;
    int rc = 0;
    uint32_t common = 0;
    apply_index_members(a, old, &before);
    apply_index_members(a, now, &after);
    for (const struct json *m = json_first(after.count ? now : NULL); m && rc == 0; m = m->next) {
        const struct json *was = apply_index_member(&before, m->key);
        common += was != NULL;
        rc = compare_member(a, n, was, m, out);
    }
    if (common == before.count || rc)
        return rc;
    for (const struct json *m = json_first(old); m && rc == 0; m = m->next)
        if (!apply_index_member(&after, m->key))
            rc = compare_member(a, n, m, NULL, out);
    return rc;
}

static bool same_values(const struct apply_item *x, const struct apply_index *xs,
                        const struct apply_item *y, const struct apply_index *ys)
{
    if (x->same != y->same)
        return false;
    for (uint32_t i = 0, ix = 0, iy = 0; i < x->same; i++, ix++, iy++) {
        while (!str_eq(xs->items[ix].id, x->id))
            ix++;
        while (!str_eq(ys->items[iy].id, y->id))
            iy++;
        if (!json_equal(xs->items[ix].value, ys->items[iy].value))
            return false;
    }
    return true;
}

/* One identity that the old list (b) has, or the new one (n), or both; duplicates are one place. */
static int compare_identity(struct arena *a, struct apply_node inner, const struct apply_item *b,
                            const struct apply_index *before, const struct apply_item *n,
                            const struct apply_index *after, struct apply_difference *out)
{
    struct apply_difference below = {.removed = {.member = false}};
    uint32_t had = b ? b->same : 0, has = n ? n->same : 0;
    int rc = 0;
    if (had <= 1 && has <= 1) {
        rc = compare(a, inner, b ? b->value : NULL, n ? n->value : NULL, &below);
    } else if (had > 1 && has > 1) {
        below.modified.member = !same_values(b, before, n, after);
    } else if (had > 1) {
        rc = n ? compare(a, inner, NULL, n->value, &below) : 0;
        below.removed.member = true;
    } else {
        rc = b ? compare(a, inner, b->value, NULL, &below) : 0;
        below.added.member = true;
    }
    return rc ? rc : hang(a, b ? b->id : n->id, &below, out);
}

static int compare_elements(struct arena *a, struct apply_node n, const struct json *old,
                            const struct json *now, struct apply_difference *out)
{
    struct apply_node inner = apply_element(n);
    struct apply_index before, after;
    /* Most lists do not change, and telling elements apart costs more than comparing them. */
    if (old && now && json_equal(old, now))
        return 0;
    int rc = apply_index_list(a, n, old, &before, NULL);
    rc = rc ? rc : apply_index_list(a, n, now, &after, NULL);
    for (uint32_t i = 0; rc == 0 && i < after.count; i++) {
        const struct apply_item *item = &after.items[i];
        if (item->same == 1 || apply_index_find(&after, item->id) == item)
            rc = compare_identity(a, inner, apply_index_find(&before, item->id), &before, item,
                                  &after, out);
    }
    for (uint32_t i = 0; rc == 0 && i < before.count; i++) {
        const struct apply_item *item = &before.items[i];
        if (!apply_index_find(&after, item->id) &&
            (item->same == 1 || apply_index_find(&before, item->id) == item))
            rc = compare_identity(a, inner, item, &before, NULL, &after, out);
    }
    return rc;
}

static void compare_leaf(const struct json *old, const struct json *now,
                         struct apply_difference *out)
{
    if (!old)
        out->added.member = true;
    else if (!now)
        out->removed.member = true;
    else if (!json_equal(old, now))
        out->modified.member = true;
}

static bool is_leaf(enum apply_shape s, const struct json *old, const struct json *now)
{
    if (apply_is_scalar(s) || s == APPLY_ANY || s == APPLY_MAP_ATOMIC || s == APPLY_LIST_ATOMIC)
        return true;
    /* Between nothing and an empty container there is a difference too. */
    return json_count(old) == 0 && json_count(now) == 0;
}

static int compare(struct arena *a, struct apply_node n, const struct json *old,
                   const struct json *now, struct apply_difference *out)
{
    enum apply_shape was = apply_shape_of(n, old), is = apply_shape_of(n, now);
    enum apply_shape shape = now && now->type != JSON_NULL ? is : was;
    int rc = 0;
    if (old && now && was != is && old->type != JSON_NULL && now->type != JSON_NULL) {
        /* Without a schema a value may turn into one of another shape. */
        rc = compare(a, n, old, NULL, out);
        out->removed.member = false;
        rc = rc ? rc : compare(a, n, NULL, now, out);
        out->added.member = false;
        out->modified.member = true;
    } else if (is_leaf(shape, old, now)) {
        compare_leaf(old, now, out);
    } else {
        rc = shape == APPLY_LIST_SET || shape == APPLY_LIST_KEYED
                 ? compare_elements(a, n, old, now, out)
                 : compare_members(a, n, old, now, out);
        if (!old)
            out->added.member = true;
        else if (!now)
            out->removed.member = true;
    }
    fieldset_sort(&out->removed);
    fieldset_sort(&out->modified);
    fieldset_sort(&out->added);
    return rc;
}

int apply_compare(struct arena *a, struct apply_node n, const struct json *old,
                  const struct json *now, struct apply_difference *ret)
{
    struct apply_difference d = {.removed = {.member = false}};
    struct json nothing = {.type = JSON_OBJECT};
    int rc = compare(a, n, old ? old : &nothing, now ? now : &nothing, &d);
    d.removed.member = d.modified.member = d.added.member = false;
    if (a->failed)
        rc = -E_NOMEM;
    if (rc == 0)
        *ret = d;
    return rc;
}
