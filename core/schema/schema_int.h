/*
 * Layout of the generated tables. Everything is an index or an offset into one pool of terminated
 * strings, so that the tables stay in read-only pages that all roles share. Offset 0 is "".
 */
#ifndef SCHEMA_SCHEMA_INT_H
#define SCHEMA_SCHEMA_INT_H

#include "schema/runtime.h"
#include "schema/schema.h"

enum { SCHEMA_NO_TYPE = 0xffff };

enum schema_field_flag {
    SCHEMA_FIELD_REQUIRED = 1,
    SCHEMA_FIELD_POINTER = 2,
    SCHEMA_FIELD_OMITEMPTY = 4
};

struct schema_type {
    uint16_t name;       /* io.k8s.api.core.v1.Pod */
    uint16_t short_name; /* the tail of the same string */
    uint16_t go_name;    /* v1.Pod, also its tail */
    uint16_t field_first, field_count;
    uint8_t shape, map_type;
};

struct schema_field {
    uint16_t name, type, keys, patch_key, preset; /* preset: default as JSON text */
    uint8_t name_bytes, shape, wrap, list_type, map_type, patch, flags, protobuf_number;
};

struct schema_resource {
    uint16_t group, version, plural, subresource, name, singular;
    uint16_t kind, kind_group, kind_version, list_kind, type, verbs;
    uint8_t namespaced;
    uint8_t runtime; /* a struct schema_runtime: the texts are there */
};

/* A resource that clients defined; what the tables hold as offsets are pointers here. */
struct schema_runtime {
    struct schema_resource base; /* type, verbs, namespaced */
    const struct schema_runtime_names *names;
    const struct schema_resource *main;
    const char *subresource, *name, *kind, *kind_group, *kind_version;
    const struct json *columns;
    const void *owner;
};

static inline const struct schema_runtime *schema_runtime_of(const struct schema_resource *r)
{
    return r->runtime ? (const struct schema_runtime *)r : NULL;
}

struct schema_kind { /* sorted by kind, then group and version */
    uint16_t group, version, kind, type;
};

struct schema_version {
    uint16_t group, version;
};

extern const char schema_pool[];
extern const struct schema_type schema_types[];   /* sorted by name */
extern const struct schema_field schema_fields[]; /* sorted by name within a type */
extern const struct schema_resource schema_resources[];
extern const struct schema_kind schema_kinds[];
extern const struct schema_version schema_versions[];
extern const uint16_t schema_type_total, schema_resource_total, schema_kind_total,
    schema_version_total;

#endif
