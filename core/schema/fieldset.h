/*
 * Sets of places in an object, as metadata.managedFields records them (FieldsV1 of upstream's
 * structured-merge-diff). A place is a path of elements:
 *
 *     f:name          a field or the key of a map
 *     k:{"name":"x"}  the element of a list that has these keys
 *     v:"x"           the element of a set that has this value
 *     i:0             the element at an index
 *
 * A node is one element; it is in the set itself when it is a member, and what is below it are its
 * children. Elements are in canonical spelling (keys by name, numbers in their shortest form), so
 * that equal elements are equal texts. Children are sorted. Sets are not changed once they are
 * made, so results share parts with what they were made from; all live in one arena.
 */
#ifndef SCHEMA_FIELDSET_H
#define SCHEMA_FIELDSET_H

#include "codec/json.h"

struct fieldset {
    struct str element; /* empty at the root */
    struct fieldset *children;
    uint32_t count, room;
    bool member;
};

enum { FIELDSET_DEPTH = 100 };

/* ---- to and from the form in an object ---- */
/* -E_SYNTAX: not FieldsV1; -E_NOMEM. */
int fieldset_read(struct arena *a, const struct json *fields, struct fieldset *ret,
                  struct err *err) MUST_CHECK;
struct json *fieldset_write(struct arena *a, const struct fieldset *s); /* NULL: out of memory */

/* ---- making one: children are added to a node in any order, then sorted once ---- */
/* Takes the child as it is; an empty one (no member, no children) is left out. */
int fieldset_add(struct arena *a, struct fieldset *parent, const struct fieldset *child) MUST_CHECK;
/* Makes room for so many children of a node that has none: what grows leaves copies in the arena.
 */
int fieldset_reserve(struct arena *a, struct fieldset *parent, uint32_t count) MUST_CHECK;
void fieldset_sort(struct fieldset *parent); /* its children; theirs are sorted already */
/* "f:" and the name; {NULL, 0} when out of memory. */
struct str fieldset_name(struct arena *a, struct str name);
/* A scalar as an element of a set. */
struct str fieldset_value(struct arena *a, const struct json *value);
/* The set of given paths, each "f:a/f:b" with '/' between; ends with NULL. */
int fieldset_of_paths(struct arena *a, const char *const *paths, struct fieldset *ret) MUST_CHECK;

/* ---- asking ---- */
bool fieldset_empty(const struct fieldset *s);
bool fieldset_equal(const struct fieldset *a, const struct fieldset *b);
const struct fieldset *fieldset_child(const struct fieldset *s, struct str element); /* or NULL */
/* Each member in order, with its path as people read it: .spec.ports[port=80,protocol="TCP"].name
 */
int fieldset_each(struct arena *a, const struct fieldset *s,
                  int (*each)(void *ctx, const char *path), void *ctx) MUST_CHECK;
/* Text of one element in such a path, appended. */
void fieldset_element_text(struct buf *out, struct str element);

/* ---- combining; results go to *ret, which may be one of the operands ---- */
int fieldset_union(struct arena *a, const struct fieldset *x, const struct fieldset *y,
                   struct fieldset *ret) MUST_CHECK;
int fieldset_intersection(struct arena *a, const struct fieldset *x, const struct fieldset *y,
                          struct fieldset *ret) MUST_CHECK;
/* Members of x that are no members of y. */
int fieldset_difference(struct arena *a, const struct fieldset *x, const struct fieldset *y,
                        struct fieldset *ret) MUST_CHECK;
/* x without the members of y and all that is below them. */
int fieldset_without(struct arena *a, const struct fieldset *x, const struct fieldset *y,
                     struct fieldset *ret) MUST_CHECK;

#endif
