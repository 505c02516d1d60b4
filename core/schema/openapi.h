/*
 * The OpenAPI documents, written from the tables. Large (v2 about 2 MB as JSON): callers make them
 * once and keep the bytes, or compress them.
 */
#ifndef SCHEMA_OPENAPI_H
#define SCHEMA_OPENAPI_H

#include "schema/schema.h"

/* OpenAPI v3 of one group version ("" and "v1": api/v1): paths and the schemas they need.
 * -E_NOT_FOUND, -E_NOMEM (also when out's cap is reached). */
int openapi_v3(struct str group, struct str version, struct buf *out) MUST_CHECK;

/* Swagger 2.0: as JSON, and as gnostic's openapi.v2.Document in protobuf
 * Clients ask for application/com.github.proto-openapi.spec.v2@v1.0+protobuf; the answer's
 * Content-Type must be application/com.github.proto-openapi.spec.v2.v1.0+protobuf (with a dot: the
 * other is no well-formed media type and kubectl refuses it). */
int openapi_v2_json(struct buf *out) MUST_CHECK;
int openapi_v2_protobuf(struct buf *out) MUST_CHECK;

/* Resources that clients defined, beside those of the tables. */
struct openapi_definition {
    const char *name;          /* "com.example.v1.Widget" */
    const struct json *schema; /* in the form of the document it goes into */
};
struct openapi_more {
    const struct schema_resource *const *resources;
    const struct openapi_definition *definitions;
    size_t resource_count, definition_count;
};
/* A v3 document of these alone; and v2 with these added. */
int openapi_v3_more(const struct openapi_more *more, struct buf *out) MUST_CHECK;
int openapi_v2_json_more(const struct openapi_more *more, struct buf *out) MUST_CHECK;
int openapi_v2_protobuf_more(const struct openapi_more *more, struct buf *out) MUST_CHECK;

/* Our own short text for a type by its short name (field "") or a field; empty when there is none.
 */
struct str openapi_description(const char *type, const char *field);

#endif
