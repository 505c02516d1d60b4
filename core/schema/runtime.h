/*
 * Resources made while the program runs, out of CustomResourceDefinitions. They are read through
 * the accessors of schema.h like those of the tables; they have no struct schema_type (but for
 * scale), and what is known of their objects belongs to their owner. Not in schema_resource_find:
 * whoever makes them keeps them.
 */
#ifndef SCHEMA_RUNTIME_H
#define SCHEMA_RUNTIME_H

#include "schema/schema.h"

struct schema_runtime_names {
    const char *group, *version, *plural, *singular, *kind, *list_kind;
    const char *const *short_names, *const *categories; /* NULL-terminated */
    bool namespaced;
    unsigned verbs; /* of enum schema_verb; 0: all that a kept object has */
    const char *type_name; /* in OpenAPI: "com.example.v1.Widget" */
    const struct json *columns; /* additionalPrinterColumns of the version, or NULL */
    const void *owner;
};

/* main NULL: the resource itself, else its subresource ("status", "scale"). In the arena; names and
 * what they point to must live as long. -E_NOMEM. */
int schema_runtime_new(struct arena *a, const struct schema_runtime_names *names,
                       const struct schema_resource *main, const char *subresource,
                       const struct schema_resource **ret) MUST_CHECK;

/* NULL: a resource of the tables. */
const void *schema_runtime_owner(const struct schema_resource *r);
/* Of the schema it speaks; NULL when that is of the tables. */
const char *schema_runtime_type_name(const struct schema_resource *r);
const struct json *schema_runtime_columns(const struct schema_resource *r);

/* For the accessors. */
const char *schema_runtime_singular(const struct schema_resource *r);
const char *const *schema_runtime_short_names(const struct schema_resource *r);
const char *const *schema_runtime_categories(const struct schema_resource *r);

#endif
