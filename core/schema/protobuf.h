/*
 * Request bodies in Kubernetes' protobuf (apimachinery/pkg/runtime/serializer/protobuf), which
 * client-go's typed clients send: four bytes "k8s\0", then a runtime.Unknown with apiVersion, kind
 * and the object's message. Answers are JSON: those clients accept it.
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

#endif
