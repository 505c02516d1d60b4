/*
 * What server-side apply needs to know of a type, and what it does to objects by knowing it: which
 * places an object names, what differs between two, one laid over another, places taken out.
 *
 * Types come through a small interface, so that kinds of the tables, kinds that clients defined and
 * objects without any schema are handled by the same code. An apply_node is a place in a type; it
 * is a value, and what it points to belongs to the schema.
 *
 * Rules (structured-merge-diff, as Kubernetes uses it): a struct or map is granular unless atomic;
 * a list is atomic unless it is a set or a map by keys; what has no schema is granular in its
 * objects and atomic in its lists.
 */
#ifndef SCHEMA_APPLY_H
#define SCHEMA_APPLY_H

#include "schema/fieldset.h"
#include "schema/schema.h"

enum apply_shape {
    APPLY_SCALAR, /* any scalar */
    APPLY_STRING, /* these three as SCALAR, with what they must hold */
    APPLY_NUMBER,
    APPLY_BOOL,
    APPLY_STRUCT,     /* granular; fields by name */
    APPLY_MAP,        /* granular; any key */
    APPLY_MAP_ATOMIC, /* struct or map, replaced as a whole */
    APPLY_LIST_ATOMIC,
    APPLY_LIST_SET,   /* of scalars */
    APPLY_LIST_KEYED, /* of objects, by some of their members */
    APPLY_ANY,        /* no schema: the value decides */
};

struct apply_node {
    const struct apply_ops *ops;
    const void *at;
    unsigned level;
};

struct apply_ops {
    enum apply_shape (*shape)(struct apply_node n);
    /* Of a STRUCT, a MAP or MAP_ATOMIC: the value at a key; false when the type has no such field.
     * *ret_named: by that very name, not as one of many keys. */
    bool (*field)(struct apply_node n, struct str key, struct apply_node *ret, bool *ret_named);
    struct apply_node (*element)(struct apply_node n); /* of a list */
    /* The index-th key of LIST_KEYED, or false; *ret_preset: its default as JSON text, or NULL. */
    bool (*key)(struct apply_node n, uint32_t index, struct str *ret_name, const char **ret_preset);
};

struct apply_node apply_node_of_type(const struct schema_type *type); /* NULL: without a schema */
/* An object kept by a structural schema (an OpenAPI v3 schema as JSON with x-kubernetes-list-type,
 * -list-map-keys, -map-type, -int-or-string and -preserve-unknown-fields); its metadata is
 * ObjectMeta. NULL: without a schema, but for its metadata. */
struct apply_node apply_node_of_custom(const struct json *schema);

/* The shape for one value: ANY is resolved by looking at it (a null may be of any shape). */
enum apply_shape apply_shape_of(struct apply_node n, const struct json *value);
bool apply_is_scalar(enum apply_shape s);
/* As ops->field, with ANY below ANY. */
bool apply_field(struct apply_node n, struct str key, struct apply_node *ret, bool *ret_named);
struct apply_node apply_element(struct apply_node n);
/* What identifies an element of a SET or KEYED list, in canonical spelling. -E_INVALID with why. */
int apply_identity(struct arena *a, struct apply_node list, const struct json *element,
                   struct str *ret, struct err *err) MUST_CHECK;

/* ---- what is done with it ---- */
/* Wrong types, undeclared fields and duplicate keys, as upstream words them: one line, or "errors:"
 * and a line each. -E_INVALID; -E_NOMEM. Duplicates are allowed in objects that are not applied. */
int apply_check(struct arena *a, struct apply_node n, const struct json *object,
                const char **ret_problems) MUST_CHECK;
/* Every place that an object names. */
int apply_places(struct arena *a, struct apply_node n, const struct json *object,
                 struct fieldset *ret) MUST_CHECK;

struct apply_difference {
    struct fieldset removed, modified, added;
};
bool apply_same(const struct apply_difference *d);
/* old may be NULL or an empty object. */
int apply_compare(struct arena *a, struct apply_node n, const struct json *old,
                  const struct json *now, struct apply_difference *ret) MUST_CHECK;
/* Lays config over object, which is changed; config is copied from. -E_INVALID with why. */
int apply_merge(struct arena *a, struct apply_node n, struct json *object,
                const struct json *config, struct err *err) MUST_CHECK;
/* Takes the members of a set out of object. */
int apply_remove(struct arena *a, struct apply_node n, struct json *object,
                 const struct fieldset *places) MUST_CHECK;
/* The set with every named field on the way to its members as a member too. */
int apply_with_parents(struct arena *a, struct apply_node n, const struct fieldset *s,
                       struct fieldset *ret) MUST_CHECK;
/* A set that was made when the type was more granular: what is atomic by now is one place. */
int apply_reconcile(struct arena *a, struct apply_node n, const struct fieldset *s,
                    struct fieldset *ret) MUST_CHECK;

#endif
