/* The persistent B+tree. See tree.h for the invariants. */
#include "store/tree.h"

#include <string.h>

#include "base/assert.h"
#include "base/mem.h"

enum { FANOUT = 32, FEW = FANOUT / 4 };

struct tree_node {
    uint32_t refs;
    uint16_t count;
    bool leaf;
    uint64_t total;
    /* Leaf: values. Inner: least values of the children (borrowed). */
    struct store_value *values[FANOUT];
    struct tree_node *children[]; /* inner: FANOUT */
};

static struct tree_node *node_new(bool leaf)
{
    struct tree_node *n =
        mem_alloc(sizeof(*n) + (leaf ? 0 : FANOUT * sizeof(struct tree_node *)));
    if (!n)
        return NULL;
    n->refs = 1;
    n->count = 0;
    n->leaf = leaf;
    n->total = 0;
    return n;
}

struct tree_node *tree_ref(struct tree_node *root)
{
    if (root)
        root->refs++;
    return root;
}

void tree_unref(struct tree_node *root)
{
    if (!root)
        return;
    ASSERT(root->refs > 0);
    if (--root->refs > 0)
        return;
    for (unsigned i = 0; i < root->count; i++) {
        if (root->leaf)
            store_value_unref(root->values[i]);
        else
            tree_unref(root->children[i]);
    }
    mem_free(root);
}

/* Appends items [from, from + count) of src to dst, with references of their own. */
static void items_share(struct tree_node *dst, const struct tree_node *src, unsigned from,
                        unsigned count)
{
    ASSERT(dst->count + count <= FANOUT);
    for (unsigned i = 0; i < count; i++) {
        dst->values[dst->count] = src->values[from + i];
        if (src->leaf) {
            store_value_ref(src->values[from + i]);
            dst->total++;
        } else {
            dst->children[dst->count] = tree_ref(src->children[from + i]);
            dst->total += src->children[from + i]->total;
        }
        dst->count++;
    }
}

/* Makes *np ours alone, by copying when it is shared. */
static int node_own(struct tree_node **np)
{
    struct tree_node *n = *np;
    if (n->refs == 1)
        return 0;
    struct tree_node *copy = node_new(n->leaf);
    if (!copy)
        return -E_NOMEM;
    items_share(copy, n, 0, n->count);
    tree_unref(n);
    *np = copy;
    return 0;
}

/* First position whose key is not less than key. */
static unsigned lower_bound(const struct tree_node *n, struct str key)
{
    unsigned low = 0, high = n->count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (str_cmp(store_value_key(n->values[middle]), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool key_at(const struct tree_node *n, unsigned at, struct str key)
{
    return at < n->count && str_eq(store_value_key(n->values[at]), key);
}

/* The child that holds key, if any does. */
static unsigned child_of(const struct tree_node *n, struct str key)
{
    unsigned at = lower_bound(n, key);
    return key_at(n, at, key) || at == 0 ? at : at - 1;
}

static void item_insert(struct tree_node *n, unsigned at, struct store_value *v,
                        struct tree_node *child)
{
    ASSERT(n->count < FANOUT);
    memmove(&n->values[at + 1], &n->values[at], (n->count - at) * sizeof(n->values[0]));
    n->values[at] = v;
    if (!n->leaf) {
        memmove(&n->children[at + 1], &n->children[at], (n->count - at) * sizeof(n->children[0]));
        n->children[at] = child;
    }
    n->count++;
    n->total += n->leaf ? 1 : child->total;
}

/* Takes the item out without touching its reference. */
static void item_remove(struct tree_node *n, unsigned at)
{
    n->total -= n->leaf ? 1 : n->children[at]->total;
    n->count--;
    memmove(&n->values[at], &n->values[at + 1], (n->count - at) * sizeof(n->values[0]));
    if (!n->leaf)
        memmove(&n->children[at], &n->children[at + 1], (n->count - at) * sizeof(n->children[0]));
}

/* Moves the upper half of n into a new right sibling; n is ours. */
static int node_split(struct tree_node *n, struct tree_node **ret_right)
{
    struct tree_node *right = node_new(n->leaf);
    if (!right)
        return -E_NOMEM;
    unsigned keep = n->count / 2;
    unsigned moved = n->count - keep;
    memcpy(right->values, &n->values[keep], moved * sizeof(n->values[0]));
    if (!n->leaf)
        memcpy(right->children, &n->children[keep], moved * sizeof(n->children[0]));
    right->count = (uint16_t)moved;
    n->count = (uint16_t)keep;
    right->total = moved;
    if (!n->leaf) {
        right->total = 0;
        for (unsigned i = 0; i < moved; i++)
            right->total += right->children[i]->total;
    }
    n->total -= right->total;
    *ret_right = right;
    return 0;
}

/* Inserts into n, which is ours, splitting first when it is full. */
static int insert_or_split(struct tree_node *n, unsigned at, struct store_value *v,
                           struct tree_node *child, struct tree_node **ret_right)
{
    *ret_right = NULL;
    if (n->count < FANOUT) {
        item_insert(n, at, v, child);
        return 0;
    }
    int rc = node_split(n, ret_right);
    if (rc)
        return rc;
    if (at <= n->count)
        item_insert(n, at, v, child);
    else
        item_insert(*ret_right, at - n->count, v, child);
    return 0;
}

static int put_below(struct tree_node **np, struct store_value *v, struct store_value **ret_old,
                     struct tree_node **ret_right)
{
    *ret_right = NULL;
    int rc = node_own(np);
    if (rc)
        return rc;
    struct tree_node *n = *np;
    struct str key = store_value_key(v);
    if (n->leaf) {
        unsigned at = lower_bound(n, key);
        if (key_at(n, at, key)) {
            *ret_old = n->values[at];
            n->values[at] = store_value_ref(v);
            return 0;
        }
        rc = insert_or_split(n, at, v, NULL, ret_right);
        if (!rc)
            store_value_ref(v);
        return rc;
    }
    unsigned at = child_of(n, key);
    struct tree_node *right = NULL;
    uint64_t before = n->children[at]->total;
    rc = put_below(&n->children[at], v, ret_old, &right);
    if (rc)
        return rc;
    n->total += n->children[at]->total - before;
    n->values[at] = n->children[at]->values[0];
    if (!right)
        return 0;
    rc = insert_or_split(n, at + 1, right->values[0], right, ret_right);
    if (rc)
        tree_unref(right);
    return rc;
}

int tree_put(struct tree_node **root, struct store_value *v, struct store_value **ret_old)
{
    struct store_value *old = NULL;
    struct tree_node *right;
    if (!*root && !(*root = node_new(true)))
        return -E_NOMEM;
    int rc = put_below(root, v, &old, &right);
    if (!rc && right) {
        struct tree_node *top = node_new(false);
        if (top) {
            item_insert(top, 0, (*root)->values[0], *root);
            item_insert(top, 1, right->values[0], right);
            *root = top;
        } else {
            tree_unref(right);
            rc = -E_NOMEM;
        }
    }
    if (rc) {
        store_value_unref(old);
        return rc;
    }
    *ret_old = old;
    return 0;
}

/* Joins child `at` of n with a neighbour when both together are small. n and the child are ours. */
static int join_small(struct tree_node *n, unsigned at)
{
    if (n->children[at]->count >= FEW || n->count < 2)
        return 0;
    unsigned left = at > 0 ? at - 1 : at;
    if (n->children[left]->count + n->children[left + 1]->count > FANOUT * 3 / 4)
        return 0;
    int rc = node_own(&n->children[left]);
    if (rc)
        return rc;
    struct tree_node *gone = n->children[left + 1];
    items_share(n->children[left], gone, 0, gone->count);
    n->values[left] = n->children[left]->values[0];
    item_remove(n, left + 1);
    n->total += gone->total;
    tree_unref(gone);
    return 0;
}

static int delete_below(struct tree_node **np, struct str key, struct store_value **ret_old)
{
    int rc = node_own(np);
    if (rc)
        return rc;
    struct tree_node *n = *np;
    if (n->leaf) {
        unsigned at = lower_bound(n, key);
        ASSERT(key_at(n, at, key));
        *ret_old = n->values[at];
        item_remove(n, at);
        return 0;
    }
    unsigned at = child_of(n, key);
    rc = delete_below(&n->children[at], key, ret_old);
    if (rc)
        return rc;
    n->total--;
    if (n->children[at]->count == 0) {
        struct tree_node *empty = n->children[at];
        item_remove(n, at);
        tree_unref(empty);
        return 0;
    }
    n->values[at] = n->children[at]->values[0];
    return join_small(n, at);
}

int tree_delete(struct tree_node **root, struct str key, struct store_value **ret_old)
{
    struct store_value *old = NULL;
    if (!tree_get(*root, key)) {
        *ret_old = NULL;
        return 0;
    }
    int rc = delete_below(root, key, &old);
    if (rc) {
        store_value_unref(old);
        return rc;
    }
    while (*root && !(*root)->leaf && (*root)->count == 1) {
        struct tree_node *only = tree_ref((*root)->children[0]);
        tree_unref(*root);
        *root = only;
    }
    if ((*root)->count == 0) {
        tree_unref(*root);
        *root = NULL;
    }
    *ret_old = old;
    return 0;
}

struct store_value *tree_get(const struct tree_node *root, struct str key)
{
    const struct tree_node *n = root;
    while (n && !n->leaf)
        n = n->children[child_of(n, key)];
    if (!n)
        return NULL;
    unsigned at = lower_bound(n, key);
    return key_at(n, at, key) ? n->values[at] : NULL;
}

bool tree_range(const struct tree_node *root, struct str from, struct str to,
                bool (*fn)(void *ctx, struct store_value *v), void *ctx)
{
    if (!root)
        return true;
    unsigned at = root->leaf ? lower_bound(root, from) : child_of(root, from);
    for (; at < root->count; at++) {
        if (to.n && str_cmp(store_value_key(root->values[at]), to) >= 0)
            return true;
        bool more = root->leaf ? fn(ctx, root->values[at])
                               : tree_range(root->children[at], from, to, fn, ctx);
        if (!more)
            return false;
    }
    return true;
}

uint64_t tree_rank(const struct tree_node *root, struct str key)
{
    uint64_t rank = 0;
    const struct tree_node *n = root;
    while (n && !n->leaf) {
        unsigned at = child_of(n, key);
        for (unsigned i = 0; i < at; i++)
            rank += n->children[i]->total;
        n = n->children[at];
    }
    return n ? rank + lower_bound(n, key) : 0;
}

uint64_t tree_total(const struct tree_node *root)
{
    return root ? root->total : 0;
}

static bool node_valid(const struct tree_node *n, unsigned depth, unsigned *leaf_depth)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < n->count; i++) {
        if (i > 0 && str_cmp(store_value_key(n->values[i - 1]), store_value_key(n->values[i])) >= 0)
            return false;
        if (n->leaf)
            continue;
        const struct tree_node *child = n->children[i];
        if (child->count == 0 || child->values[0] != n->values[i] ||
            !node_valid(child, depth + 1, leaf_depth))
            return false;
        total += child->total;
    }
    if (!n->leaf)
        return total == n->total;
    if (*leaf_depth == 0)
        *leaf_depth = depth;
    return *leaf_depth == depth && n->total == n->count;
}

bool tree_valid(const struct tree_node *root)
{
    unsigned leaf_depth = 0;
    return !root || node_valid(root, 1, &leaf_depth);
}
