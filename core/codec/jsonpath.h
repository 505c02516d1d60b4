/*
 * JSONPath as Kubernetes uses it for the columns and selectable fields of custom resources
 * (k8s.io/client-go/util/jsonpath): `.spec.replicas`, `.items[0].name`, `.a['b.c']`, `.a[*].b`,
 * `.a[-1]`, `.a[1:3]`, `.a..b` and filters `.conditions[?(@.type=="Ready")].status` with == != < <=
 * > >= on literals. The braces around are optional.
 */
#ifndef CODEC_JSONPATH_H
#define CODEC_JSONPATH_H

#include "codec/json.h"

/* Calls found for each match, in order, until it returns false. -E_SYNTAX: the path is malformed;
 * then nothing was found. */
int jsonpath_each(struct str path, const struct json *root,
                  bool (*found)(void *ctx, const struct json *value), void *ctx,
                  struct err *err) MUST_CHECK;
/* Whether it is well formed. */
int jsonpath_check(struct str path, struct err *err) MUST_CHECK;
/* The first match, or NULL. */
const struct json *jsonpath_first(struct str path, const struct json *root);

#endif
