/* What decoder and encoder of protobuf know beyond the tables. */
#ifndef SCHEMA_PROTOBUF_INT_H
#define SCHEMA_PROTOBUF_INT_H

#include "schema/schema_int.h"

/* A message inside another whose fields JSON shows as the outer one's own: "number:name ...". */
struct protobuf_embedded {
    const char *type;
    uint32_t number;
    const char *fields;
    const char *message; /* its own type, where that embeds a further message */
};

/* The message embedded as field `number`; NULL: that field is no such thing. */
const struct protobuf_embedded *protobuf_embedded_of(const char *type, uint32_t number);
/* Field `number` of the embedded message, by its name in the outer type. */
const struct schema_field *protobuf_embedded_field(const struct schema_type *type,
                                                   const struct protobuf_embedded *e,
                                                   uint32_t number);

/*
 * What a schema of custom resources has besides schemas: "items" is a schema (1) or a list of them
 * (2), "dependencies" a schema (1) or a list of names (2), "additionalItems" and
 * "additionalProperties" a boolean (1) or a schema (2). JSON has just the one that is set.
 */
enum protobuf_choice { CHOICE_NONE, CHOICE_SCHEMAS, CHOICE_NAMES, CHOICE_BOOL };
enum protobuf_choice protobuf_choice_of(const struct schema_field *f);
#define PROTOBUF_SCHEMA_PROPS                                                                      \
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"

#endif
