/* Sets of places beside their type: what lies on the way to a place, and what became atomic. */
#include "schema/apply.h"

/* The type of what a child of a place names; *ret_named: a field of a struct by its name. */
static struct apply_node node_below(struct apply_node n, const struct fieldset *child,
                                    bool *ret_named)
{
    struct apply_node inner = apply_node_of_type(NULL);
    enum apply_shape shape = n.ops->shape(n);
    struct str key = str_make(child->element.p + 2, child->element.n - 2);
    *ret_named = false;
    if (child->element.p[0] == 'f') {
        if (shape == APPLY_STRUCT || shape == APPLY_MAP || shape == APPLY_MAP_ATOMIC)
            apply_field(n, key, &inner, ret_named);
    } else if (child->element.p[0] == 'k' && shape == APPLY_LIST_KEYED) {
        inner = apply_element(n);
    }
    return inner;
}

int apply_with_parents(struct arena *a, struct apply_node n, const struct fieldset *s,
                       struct fieldset *ret)
{
    struct fieldset out = {.element = s->element, .member = s->member};
    int rc = 0;
    for (uint32_t i = 0; i < s->count && rc == 0; i++) {
        struct fieldset child;
        bool named;
        struct apply_node inner = node_below(n, &s->children[i], &named);
        rc = apply_with_parents(a, inner, &s->children[i], &child);
        if (rc)
            return rc;
        child.member = child.member || (named && child.count);
        rc = fieldset_add(a, &out, &child);
    }
    if (rc == 0)
        *ret = out;
    return rc;
}

static bool is_atomic(struct apply_node n)
{
    enum apply_shape shape = n.ops->shape(n);
    return shape == APPLY_LIST_ATOMIC || shape == APPLY_MAP_ATOMIC;
}

/* Almost no set needs anything, and then nothing is copied. */
static bool in_line(struct apply_node n, const struct fieldset *s)
{
    if (s->count && is_atomic(n))
        return false;
    for (uint32_t i = 0; i < s->count; i++) {
        bool named;
        struct apply_node inner = node_below(n, &s->children[i], &named);
        if (s->children[i].count && !in_line(inner, &s->children[i]))
            return false;
    }
    return true;
}

static int reconcile(struct arena *a, struct apply_node n, const struct fieldset *s,
                     struct fieldset *ret)
{
    struct fieldset out = {.element = s->element, .member = s->member};
    int rc = 0;
    if (s->count && is_atomic(n)) {
        out.member = true;
        *ret = out;
        return 0;
    }
    for (uint32_t i = 0; i < s->count && rc == 0; i++) {
        struct fieldset child;
        bool named;
        struct apply_node inner = node_below(n, &s->children[i], &named);
        rc = reconcile(a, inner, &s->children[i], &child);
        rc = rc ? rc : fieldset_add(a, &out, &child);
    }
    if (rc == 0)
        *ret = out;
    return rc;
}

int apply_reconcile(struct arena *a, struct apply_node n, const struct fieldset *s,
                    struct fieldset *ret)
{
    if (!in_line(n, s))
        return reconcile(a, n, s, ret);
    *ret = *s;
    return 0;
}
