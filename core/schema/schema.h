/*
 * What Kubernetes' API consists of, as const tables made at build time, and what can be done to an
 * object by knowing its type: strict checking, defaults of the table, strategic merge.
 *
 * A map of the folder
 *   schema.h      groups, resources, kinds, types, fields; check, default, strategic merge
 *   runtime.h     resources that clients defined, read through the same accessors
 *   printers.h    Table answers (what `kubectl get` shows)
 *   openapi.h     the OpenAPI documents, v3 per group version and v2
 *   gen/          the host program that makes the tables from kubernetes-1.35-api.tsv
 *
 * All pointers that accessors return are to constants. Names are terminated; the core group is "".
 */
#ifndef SCHEMA_SCHEMA_H
#define SCHEMA_SCHEMA_H

#include "codec/json.h"

struct schema_type;
struct schema_field;
struct schema_resource;

/* ---- group versions ---- */
struct schema_group_version {
    const char *group, *version; /* "" and "v1" for the core group */
};
/* In the order of discovery: core first, then upstream's order of groups, preferred version first.
 */
size_t schema_group_version_count(void);
struct schema_group_version schema_group_version_at(size_t index);

/* ---- resources ---- */
enum schema_verb {
    SCHEMA_CREATE = 1 << 0,
    SCHEMA_GET = 1 << 1,
    SCHEMA_LIST = 1 << 2,
    SCHEMA_WATCH = 1 << 3,
    SCHEMA_UPDATE = 1 << 4,
    SCHEMA_PATCH = 1 << 5,
    SCHEMA_DELETE = 1 << 6,
    SCHEMA_DELETECOLLECTION = 1 << 7,
    SCHEMA_CONNECT = 1 << 8,
};
const char *schema_verb_name(enum schema_verb verb); /* "create" ... */

/* name: "pods" or "pods/status". NULL when there is none. */
const struct schema_resource *schema_resource_find(struct str group, struct str version,
                                                   struct str name);
/* All, grouped by group version, each resource directly before its subresources. */
size_t schema_resource_count(void);
const struct schema_resource *schema_resource_at(size_t index);

const char *schema_resource_group(const struct schema_resource *r);
const char *schema_resource_version(const struct schema_resource *r);
const char *
schema_resource_plural(const struct schema_resource *r); /* "pods", of a subresource too */
const char *schema_resource_subresource(const struct schema_resource *r); /* "status" or "" */
const char *schema_resource_name(const struct schema_resource *r);        /* "pods/status" */
const char *
schema_resource_singular(const struct schema_resource *r); /* "pod"; "" for a subresource */
/* The kind it speaks: for deployments/scale autoscaling, v1, Scale. */
const char *schema_resource_kind(const struct schema_resource *r);
const char *schema_resource_kind_group(const struct schema_resource *r);
const char *schema_resource_kind_version(const struct schema_resource *r);
const char *schema_resource_list_kind(const struct schema_resource *r); /* "PodList" */
/* The resource that a subresource is of; another one is its own. */
const struct schema_resource *schema_resource_main(const struct schema_resource *r);
bool schema_resource_namespaced(const struct schema_resource *r);
unsigned schema_resource_verbs(const struct schema_resource *r); /* enum schema_verb, or-ed */
/* NULL-terminated. */
const char *const *schema_resource_short_names(const struct schema_resource *r);
const char *const *schema_resource_categories(const struct schema_resource *r);
/* NULL for connect options and other kinds that have no schema. */
const struct schema_type *schema_resource_type(const struct schema_resource *r);

/* ---- types and fields ---- */
enum schema_shape {
    SCHEMA_STRING,
    SCHEMA_BYTES, /* base64 */
    SCHEMA_INT32,
    SCHEMA_INT64,
    SCHEMA_BOOL,
    SCHEMA_DOUBLE,
    SCHEMA_INT_OR_STRING,
    SCHEMA_QUANTITY,
    SCHEMA_TIME,
    SCHEMA_MICRO_TIME,
    SCHEMA_ANY,    /* any JSON value, kept as it is */
    SCHEMA_OBJECT, /* an object without a schema, kept as it is */
    SCHEMA_STRUCT, /* has fields: schema_field_type */
};
enum schema_wrap { SCHEMA_ONE, SCHEMA_ARRAY, SCHEMA_MAP, SCHEMA_MAP_OF_ARRAY };
enum schema_list_type { SCHEMA_LIST_NONE, SCHEMA_LIST_ATOMIC, SCHEMA_LIST_SET, SCHEMA_LIST_MAP };
enum schema_map_type { SCHEMA_MAP_NONE, SCHEMA_MAP_ATOMIC, SCHEMA_MAP_GRANULAR };
enum schema_patch_strategy { /* bits */
                             SCHEMA_PATCH_MERGE = 1,
                             SCHEMA_PATCH_REPLACE = 2,
                             SCHEMA_PATCH_RETAIN_KEYS = 4,
};

const struct schema_type *schema_type_of_kind(struct str group, struct str version,
                                              struct str kind);
const struct schema_type *schema_type_find(struct str name); /* "io.k8s.api.core.v1.Pod" */
size_t schema_type_count(void);
const struct schema_type *schema_type_at(size_t index);
size_t schema_type_index(const struct schema_type *t);
const char *schema_type_name(const struct schema_type *t);       /* "io.k8s.api.core.v1.Pod" */
const char *schema_type_short_name(const struct schema_type *t); /* "Pod" */
const char *schema_type_go_name(const struct schema_type *t);    /* "v1.Pod" */
enum schema_shape schema_type_shape(const struct schema_type *t);
enum schema_map_type schema_type_map_type(const struct schema_type *t);
/* The group, version, kind triples that name this type: index from 0 until false. */
struct schema_gvk {
    const char *group, *version, *kind;
};
bool schema_type_gvk(const struct schema_type *t, size_t index, struct schema_gvk *ret);

const struct schema_field *schema_type_field(const struct schema_type *t,
                                             struct str name); /* or NULL */
size_t schema_type_field_count(const struct schema_type *t);
const struct schema_field *schema_type_field_at(const struct schema_type *t,
                                                size_t index); /* by name */

const char *schema_field_name(const struct schema_field *f);
enum schema_shape schema_field_shape(const struct schema_field *f); /* of the innermost value */
enum schema_wrap schema_field_wrap(const struct schema_field *f);
const struct schema_type *
schema_field_type(const struct schema_field *f);          /* NULL for plain shapes */
bool schema_field_required(const struct schema_field *f); /* as published: not a validation rule */
const char *schema_field_default(const struct schema_field *f); /* JSON text or NULL */
enum schema_list_type schema_field_list_type(const struct schema_field *f);
enum schema_map_type schema_field_map_type(const struct schema_field *f);
const char *
schema_field_list_keys(const struct schema_field *f);      /* "containerPort+protocol" or "" */
unsigned schema_field_patch(const struct schema_field *f); /* enum schema_patch_strategy, or-ed */
const char *schema_field_patch_key(const struct schema_field *f); /* "name" or "" */
/* Shape of the Go field, which decides what an encoder leaves out. */
bool schema_field_pointer(const struct schema_field *f);   /* "absent" differs from zero */
bool schema_field_omitempty(const struct schema_field *f); /* zero is not written */

/* ---- what is done to objects ---- */
struct schema_problem {
    struct schema_problem *next;
    const char *text; /* unknown field "spec.foo" */
};
struct schema_problems { /* all-zero is empty; texts live in the arena */
    struct schema_problem *first, *last;
    uint32_t count;
};
/* False when the arena is full. At most 100 are kept. */
bool schema_problem_add(struct arena *a, struct schema_problems *p, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* `strict decoding error: unknown field "a", duplicate field "b"`; "" when there are none. */
const char *schema_problems_text(struct arena *a, const struct schema_problems *p);

enum schema_validation { SCHEMA_IGNORE, SCHEMA_WARN, SCHEMA_STRICT };

/*
 * Makes the tree what upstream's decoder would make of it, in place: unknown fields and nulls are
 * dropped, quantities and times put into canonical form, empty values left out where upstream's
 * encoder omits them and struct values written where it does not (`status: {}`).
 *   STRICT: unknown fields, and those already in problems (duplicates, collected by the caller
 * while parsing), make the answer -E_BAD_REQUEST with schema_problems_text as message. WARN:   they
 * are added to *problems, to be sent as warnings. IGNORE: they are forgotten. A value of the wrong
 * type is -E_BAD_REQUEST in each mode, as `json: cannot unmarshal string into Go struct field
 * PodSpec.spec.containers of type []v1.Container`. problems may be NULL. Upstream prefixes both
 * with `Pod in version "v1" cannot be handled as a Pod: `.
 */
int schema_check(struct arena *a, const struct schema_type *type, struct json *object,
                 enum schema_validation mode, struct schema_problems *problems,
                 struct err *err) MUST_CHECK;

/* Sets what the table gives as default wherever the parent is there and the field is not. -E_NOMEM
 */
int schema_default(struct arena *a, const struct schema_type *type, struct json *object) MUST_CHECK;

/*
 * Strategic merge patch: a new tree from object and patch (both are left alone).
 * Directives $patch (replace, delete, merge), $deleteFromPrimitiveList/x, $setElementOrder/x,
 * $retainKeys. Run schema_check over the result. -E_BAD_REQUEST names the path; -E_NOMEM.
 */
int schema_strategic_merge(struct arena *a, const struct schema_type *type,
                           const struct json *object, const struct json *patch,
                           struct json **ret_merged, struct err *err) MUST_CHECK;

#endif
