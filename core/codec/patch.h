/*
 * JSON Pointer (RFC 6901), JSON Patch (RFC 6902) and JSON merge patch (RFC 7386). The target is
 * changed in place and may be half changed on failure: work on a clone. The patch is used up
 * (its values are moved into the target).
 * Bounds: operations (10,000, as upstream), and values made by "copy" (LIMIT_JSON_NODES, and
 * LIMIT_BODY_BYTES of text), so that a patch cannot blow a document up.
 */
#ifndef CODEC_PATCH_H
#define CODEC_PATCH_H

#include "codec/json.h"

/* "" is the root; -E_NOT_FOUND when a step is not there, -E_BAD_REQUEST when malformed. */
int json_pointer_get(struct json *root, struct str pointer, struct json **ret) MUST_CHECK;

/* -E_BAD_REQUEST: the patch is malformed; -E_INVALID: it cannot be applied (also a failed test). */
int patch_json(struct arena *a, struct json *target, struct json *operations,
               struct json **ret_result, struct err *err) MUST_CHECK;

/* target may be NULL. Nulls in the patch delete. -E_NOMEM. */
int patch_merge(struct arena *a, struct json *target, struct json *patch,
                struct json **ret_result) MUST_CHECK;

#endif
