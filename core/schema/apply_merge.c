/* Laying a configuration over an object, and taking places out of one. */
#include "schema/apply_int.h"

struct merge {
    struct arena *arena;
    struct err *err;
};

static int merge(struct merge *m, struct apply_node n, struct json *to, const struct json *from);

static int fail_memory(struct merge *m)
{
    return err_set(m->err, E_NOMEM, "out of memory while merging");
}

/* The value becomes another one, where it stands. */
static int replace(struct merge *m, struct json *to, const struct json *from)
{
    struct json *copy = json_clone(m->arena, from);
    if (!copy)
        return fail_memory(m);
    copy->key = to->key;
    copy->next = to->next;
    *to = *copy;
    return 0;
}

static int merge_members(struct merge *m, struct apply_node n, struct json *to,
                         const struct json *from)
{
    struct apply_index there;
    apply_index_members(m->arena, to, &there);
    for (const struct json *f = json_first(from); f; f = f->next) {
        struct json *t = apply_index_member(&there, f->key);
        struct apply_node inner = apply_node_of_type(NULL);
        bool named;
        apply_field(n, f->key, &inner, &named);
        if (t) {
            int rc = merge(m, inner, t, f);
            if (rc)
                return rc;
            continue;
        }
        struct json *copy = json_clone(m->arena, f);
        if (!copy || m->arena->failed)
            return fail_memory(m);
        apply_link(to, copy, f->key);
    }
    return 0;
}

/* The elements of both lists in their new order. */
struct lists {
    struct apply_index left, right;
    bool *taken;     /* of right */
    uint32_t shared; /* next of right that left has too */
    struct json out;
};

static void next_shared(struct lists *l, uint32_t from)
{
    l->shared = from;
    while (l->shared < l->right.count && !apply_index_find(&l->left, l->right.items[l->shared].id))
        l->shared++;
}

static int take_right(struct merge *m, struct apply_node inner, struct lists *l, uint32_t at)
{
    const struct apply_item *item = &l->right.items[at],
                            *match = apply_index_find(&l->left, item->id);
    struct json *e = NULL;
    l->taken[at] = true;
    /* What stands there more than once is not merged with. */
    if (match && match->same == 1) {
        e = match->value;
        int rc = merge(m, inner, e, item->value);
        if (rc)
            return rc;
    } else {
        e = json_clone(m->arena, item->value);
    }
    if (!e)
        return fail_memory(m);
    apply_link(&l->out, e, (struct str){NULL, 0});
    return 0;
}

/*
 * The configuration gives the order of what it names; other elements keep their place relative to
 * the elements that both have.
 */
static int merge_orders(struct merge *m, struct apply_node inner, struct lists *l)
{
    uint32_t i = 0, k = 0;
    int rc = 0;
    next_shared(l, 0);
    while (rc == 0 && (i < l->left.count || k < l->right.count)) {
        const struct apply_item *mine = i < l->left.count ? &l->left.items[i] : NULL;
        const struct apply_item *both = mine ? apply_index_find(&l->right, mine->id) : NULL;
        if (mine && k < l->right.count) {
            if (str_eq(mine->id, l->right.items[k].id)) {
                rc = take_right(m, inner, l, k++);
                i++;
                next_shared(l, l->shared + 1);
                continue;
            }
            if (both && l->shared < l->right.count && both->at != l->shared) {
                i++;
                continue;
            }
        }
        if (mine && !both) {
            apply_link(&l->out, mine->value, (struct str){NULL, 0});
            i++;
            continue;
        }
        if (mine && l->taken[both->at])
            i++;
        if (k < l->right.count) {
            bool was_shared = l->shared == k;
            rc = take_right(m, inner, l, k++);
            if (was_shared)
                next_shared(l, l->shared + 1);
        }
    }
    return rc;
}

static int merge_elements(struct merge *m, struct apply_node n, struct json *to,
                          const struct json *from)
{
    struct lists l = {.out = {.type = JSON_ARRAY}};
    int rc = apply_index_list(m->arena, n, to, &l.left, m->err);
    rc = rc ? rc : apply_index_list(m->arena, n, from, &l.right, m->err);
    if (rc)
        return rc;
    for (uint32_t i = 0; i < l.right.count; i++)
        if (l.right.items[i].same > 1)
            return err_set(m->err, E_INVALID, "duplicate entries for a key");
    l.taken = arena_zalloc(m->arena, l.right.count + 1);
    if (!l.taken)
        return fail_memory(m);
    rc = merge_orders(m, apply_element(n), &l);
    if (rc == 0)
        to->list = l.out.list;
    return rc;
}

static int merge(struct merge *m, struct apply_node n, struct json *to, const struct json *from)
{
    enum apply_shape shape = apply_shape_of(n, from->type == JSON_NULL ? to : from);
    bool keyed = shape == APPLY_LIST_SET || shape == APPLY_LIST_KEYED;
    uint8_t wants = keyed ? JSON_ARRAY : JSON_OBJECT;
    if (apply_is_scalar(shape) || shape == APPLY_ANY || shape == APPLY_MAP_ATOMIC ||
        shape == APPLY_LIST_ATOMIC || (json_count(to) == 0 && json_count(from) == 0) ||
        (to->type != wants && from->type == wants))
        return replace(m, to, from);
    if (json_count(from) == 0)
        return 0; /* nothing of a granular container is taken away by naming none of it */
    return keyed ? merge_elements(m, n, to, from) : merge_members(m, n, to, from);
}

int apply_merge(struct arena *a, struct apply_node n, struct json *object,
                const struct json *config, struct err *err)
{
    struct merge m = {a, err};
    int rc = merge(&m, n, object, config);
    return rc == 0 && a->failed ? fail_memory(&m) : rc;
}

/* ---- taking out ---- */

static int take_out(struct arena *a, struct apply_node n, struct json *j,
                    const struct fieldset *places);

static int member_id(struct arena *a, const struct json *m, struct str *ret)
{
    *ret = fieldset_name(a, m->key);
    return ret->p ? 0 : -E_NOMEM;
}

/* What is left when all of it went is null, as upstream has it. */
static int take_out_children(struct arena *a, struct apply_node n, bool list, struct json *j,
                             const struct fieldset *places)
{
    struct json *next, *first = json_first(j);
    j->list.first = j->list.last = NULL;
    j->list.count = 0;
    for (struct json *m = first; m; m = next) {
        struct apply_node inner = list ? apply_element(n) : apply_node_of_type(NULL);
        struct str id, key = m->key;
        bool named;
        next = m->next;
        int rc = list ? apply_identity(a, n, m, &id, NULL) : member_id(a, m, &id);
        if (rc == -E_NOMEM)
            return rc;
        const struct fieldset *place = rc ? NULL : fieldset_child(places, id);
        if (place && place->member)
            continue;
        if (!list)
            apply_field(n, key, &inner, &named);
        rc = place ? take_out(a, inner, m, place) : 0;
        if (rc)
            return rc;
        apply_link(j, m, key);
    }
    if (!j->list.count)
        j->type = JSON_NULL;
    return 0;
}

static int take_out(struct arena *a, struct apply_node n, struct json *j,
                    const struct fieldset *places)
{
    enum apply_shape shape = apply_shape_of(n, j);
    bool list = shape == APPLY_LIST_SET || shape == APPLY_LIST_KEYED;
    if (!places->count || apply_is_scalar(shape) || shape == APPLY_ANY)
        return 0;
    if (shape == APPLY_MAP_ATOMIC || shape == APPLY_LIST_ATOMIC ||
        j->type != (list ? JSON_ARRAY : JSON_OBJECT)) {
        j->type = JSON_NULL;
        return 0;
    }
    return take_out_children(a, n, list, j, places);
}

int apply_remove(struct arena *a, struct apply_node n, struct json *object,
                 const struct fieldset *places)
{
    return take_out(a, n, object, places);
}
