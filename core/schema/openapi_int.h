/* Pieces of the documents as small trees: made one at a time in an arena and written out at once.
 */
#ifndef SCHEMA_OPENAPI_INT_H
#define SCHEMA_OPENAPI_INT_H

#include "schema/openapi.h"

enum openapi_form { OPENAPI_V2, OPENAPI_V3 };

/* A reference to a type, or its schema. Trees may lack parts once the arena has failed: look there.
 */
struct json *openapi_ref(struct arena *a, const struct schema_type *t, enum openapi_form form);
struct json *openapi_schema(struct arena *a, const struct schema_type *t, enum openapi_form form);
struct json *openapi_gvk(struct arena *a, const char *group, const char *version, const char *kind);

/* Calls each() for each path of a group version with its item; the arena is cleared after each
 * call. */
typedef void openapi_each(void *ctx, const char *path, const struct json *item);
int openapi_paths(struct arena *a, struct str group, struct str version, enum openapi_form form,
                  openapi_each *each, void *ctx) MUST_CHECK;

int openapi_resource_paths(struct arena *a, const struct schema_resource *r,
                           enum openapi_form form, openapi_each *each, void *ctx) MUST_CHECK;
/* What resources that clients defined refer to. */
void openapi_mark_meta(uint8_t *marks);

/* Marks a type and all it refers to; marks has schema_type_count() places. */
void openapi_mark(const struct schema_type *t, uint8_t *marks);
/* Types that the paths of a group version speak. */
void openapi_mark_group(struct str group, struct str version, uint8_t *marks);

/* gnostic's messages for a path item and a schema, appended to out. */
void openapi_proto_path_item(struct buf *out, const struct json *item);
void openapi_proto_schema(struct buf *out, const struct json *schema);
/* A length-delimited field. */
void openapi_proto_bytes(struct buf *out, unsigned field, struct str bytes);

#endif
