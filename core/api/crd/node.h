/*
 * A structural schema made ready for use: its properties sorted, its patterns compiled. Made once a
 * definition; it points into the definition's tree.
 */
#ifndef API_CRD_NODE_H
#define API_CRD_NODE_H

#include "api/field.h"
#include "cel/regex.h"
#include "schema/schema.h"

enum crd_type {
    CRD_ANY, /* says nothing */
    CRD_OBJECT,
    CRD_ARRAY,
    CRD_STRING,
    CRD_INTEGER,
    CRD_NUMBER,
    CRD_BOOLEAN,
    CRD_INT_OR_STRING,
};

struct crd_rule;
struct cel_type;

struct crd_property {
    struct str name;
    struct crd_node *node;
};

struct crd_node {
    const struct json *schema;
    enum crd_type type;
    bool nullable, preserve, embedded, root, has_defaults;
    bool closed; /* additionalProperties: false */
    struct crd_property *properties; /* by name */
    size_t property_count;
    struct crd_node *additional, *items, *not;
    struct crd_node **all, **any, **one;
    size_t all_count, any_count, one_count;
    const struct json *preset; /* default */
    struct regex *pattern;
    struct crd_rule *rules;
    size_t rule_count;
    bool has_rules; /* here or below */
    const struct cel_type *value_type; /* what rules see */
};

/* The whole schema of a version. -E_NOMEM. */
int crd_node_new(struct arena *a, const struct json *schema,
                 const struct crd_node **ret) MUST_CHECK;
const struct crd_node *crd_node_property(const struct crd_node *n, struct str name);

/* ---- prune.c; both change object, and set the arena's failed when out of memory ---- */
/* Fields that the schema does not have are dropped, and named in problems (may be NULL) as
 * `unknown field "spec.x"`. */
void crd_prune(struct arena *a, const struct crd_node *n, struct json *object,
               struct schema_problems *problems);
/* Defaults where nothing is; nulls that may not be are dropped where there is a default. */
void crd_default(struct arena *a, const struct crd_node *n, struct json *object);

/* ---- value.c: object against the schema, metadata but for its name aside ---- */
/* old: what it was before, or NULL. */
void crd_validate(struct field_errors *e, const struct crd_node *n, const struct field *path,
                  const struct json *value, const struct json *old);
/* A value that stands at the node, which is no resource of its own (a default). */
void crd_validate_part(struct field_errors *e, const struct crd_node *n, const struct field *path,
                       const struct json *value);

#endif
