/*
 * YAML read into the same tree as JSON, as sigs.k8s.io/yaml does: YAML 1.1 scalars (yes, on, 0x1f,
 * 010 ...), keys of any scalar type become strings, `<<` merges. One document.
 *
 * Bounds: depth, and the number of values and bytes of text after aliases are expanded
 * (LIMIT_YAML_NODES, LIMIT_BODY_BYTES), so an alias bomb ends early. Anchors inside themselves are
 * refused.
 */
#ifndef CODEC_YAML_H
#define CODEC_YAML_H

#include "codec/json.h"

/* Where each value of a small document (a configuration file) stands: lines and columns from 1. */
struct yaml_mark {
    const struct json *node;
    uint32_t line, column; /* of its key when it is a member */
};
struct yaml_marks { /* in the arena; at most 10,000 are kept */
    struct yaml_mark *list;
    size_t count, room;
};
const struct yaml_mark *yaml_mark_of(const struct yaml_marks *marks,
                                     const struct json *node); /* or NULL */

/* options as for json_parse (NULL: a duplicate key is an error); marks may be NULL. An empty
 * document is null. -E_SYNTAX, -E_LIMIT, -E_NOMEM; messages name line and column. */
int yaml_parse(struct arena *a, struct str text, const struct json_options *options,
               struct json **ret_root, struct yaml_marks *marks, struct err *err) MUST_CHECK;

/* Block style; strings that could be read as something else are put in double quotes. */
void yaml_write(struct buf *out, const struct json *j);

#endif
