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
 * The object as a tree with apiVersion and kind; run schema_check over it. -E_BAD_REQUEST when it
 * is malformed, of an unknown kind, or holds what has no form here; -E_LIMIT: nested too deep;
 * -E_NOMEM. Unknown field numbers are skipped, as upstream does.
 */
int protobuf_decode(struct arena *a, struct str body, struct json **ret_object,
                    struct err *err) MUST_CHECK;

#endif
