/* Finding members and elements without looking through the whole list for each. */
#ifndef SCHEMA_APPLY_INT_H
#define SCHEMA_APPLY_INT_H

#include "schema/apply.h"

struct apply_item {
    struct str id; /* a member's key, or what identifies an element */
    struct json *value;
    uint32_t at;   /* place among its siblings */
    uint32_t same; /* how many have this id */
};

/*
 * Members or elements in their order, and sorted by id. Asking for members in the order they have
 * costs nothing; the sorted form is made when that fails.
 */
struct apply_index {
    struct arena *arena;
    const struct json *parent;
    struct json *hint;
    struct apply_item *items;   /* of a list; of an object, once needed */
    struct apply_item **sorted; /* by id, then place */
    uint32_t count;
};

void apply_index_members(struct arena *a, const struct json *object, struct apply_index *ret);
/* NULL: not there, or out of memory (arena->failed). */
struct json *apply_index_member(struct apply_index *x, struct str key);
/* -E_INVALID with "element 3: why" in err; -E_NOMEM. */
int apply_index_list(struct arena *a, struct apply_node n, const struct json *list,
                     struct apply_index *ret, struct err *err) MUST_CHECK;
/* The first item with this id, or NULL. */
const struct apply_item *apply_index_find(const struct apply_index *x, struct str id);

/* Puts a node behind the last one of an object or list, without looking for its key. */
void apply_link(struct json *parent, struct json *child, struct str key);

#endif
