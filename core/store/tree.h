/*
 * The map from keys to values: a persistent B+tree. A root is a reference-counted handle on one
 * immutable version; taking a reference is a snapshot. Changing copies the nodes on the path that
 * anybody else can see and edits the others in place. NULL is the empty tree.
 *
 * Invariants: all leaves at one depth; keys strictly rising; total = values below; min[i] is the
 * least value below child[i] (borrowed: the child holds it).
 * Nodes reachable from a root that is held elsewhere are never written but for `refs`, so another
 * thread may read them while the owner's thread holds that root.
 */
#ifndef STORE_TREE_H
#define STORE_TREE_H

#include "store/store.h"

struct tree_node;

struct tree_node *tree_ref(struct tree_node *root); /* accepts NULL */
void tree_unref(struct tree_node *root);            /* accepts NULL */

/* Both edit *root, of which the caller owns one reference. -E_NOMEM: *root may only be unref'ed
 * (references taken before are intact). */
/* Takes a reference of v; *ret_old (owned by the caller) is the value replaced, or NULL. */
int tree_put(struct tree_node **root, struct store_value *v, struct store_value **ret_old)
    MUST_CHECK;
/* *ret_old (owned by the caller): the value removed, or NULL when there was none. */
int tree_delete(struct tree_node **root, struct str key, struct store_value **ret_old) MUST_CHECK;

struct store_value *tree_get(const struct tree_node *root, struct str key); /* borrowed, or NULL */
/* from <= key < to in order (to.n == 0: no end), until fn returns false; false if it did. */
bool tree_range(const struct tree_node *root, struct str from, struct str to,
                bool (*fn)(void *ctx, struct store_value *v), void *ctx);
uint64_t tree_rank(const struct tree_node *root, struct str key); /* keys less than key */
uint64_t tree_total(const struct tree_node *root);

/* Whether the invariants hold; for tests. */
bool tree_valid(const struct tree_node *root);

#endif
