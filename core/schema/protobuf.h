/*
 * Kubernetes' protobuf (apimachinery/pkg/runtime/serializer/protobuf), which client-go's typed
 * clients speak: four bytes "k8s\0", then a runtime.Unknown with apiVersion, kind and the object's
 * message.
 *
 * Fields follow the tables (schema_field's protobuf number). Messages that Go embeds, and whose
 * fields therefore lie flat in JSON, are listed in protobuf.c.
 */
#ifndef SCHEMA_PROTOBUF_H
#define SCHEMA_PROTOBUF_H

#include "schema/schema.h"

/*
 * The object as a tree with apiVersion and kind; run schema_check over it. -E_SYNTAX, with
 * the path of the field ("spec.containers[0].env[1]: malformed protobuf: ..."), when it is
 * malformed or holds what JSON has not; -E_BAD_REQUEST when the kind is unknown; -E_LIMIT: nested
 * too deep, or too many members; -E_NOMEM. Unknown field numbers are skipped, as upstream does.
 */
int protobuf_decode(struct arena *a, struct str body, struct json **ret_object,
                    struct err *err) MUST_CHECK;

/*
 * The other way, byte for byte as upstream writes it. The object is a stored one (schema_check has
 * passed), with apiVersion and kind. type NULL: a PartialObjectMetadata. Appends to out. -E_NOMEM.
 */
int protobuf_encode(const struct schema_type *type, const struct json *object,
                    struct buf *out) MUST_CHECK;
/* One of a list's items; protobuf_encode_list puts them all into their list. */
int protobuf_encode_item(const struct schema_type *type, const struct json *object,
                         struct buf *out) MUST_CHECK;
/* metadata: the list's, a ListMeta. */
int protobuf_encode_list(struct str version, struct str kind, const struct json *metadata,
                         struct str items, struct buf *out) MUST_CHECK;
/* A frame of a watch: a length of four bytes and a meta.v1.WatchEvent. object: as protobuf_encode
 * wrote it. */
int protobuf_encode_event(const char *type, struct str object, struct buf *out) MUST_CHECK;

#endif
