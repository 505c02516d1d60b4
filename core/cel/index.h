/*
 * Quick places in long JSON lists and objects, which are chains: an expression that looks into a
 * list by index in a loop would otherwise take quadratic time. Tables are made at the first use
 * and kept in the run's arena; trees must not change while a run's cache lives.
 */
#ifndef CEL_INDEX_H
#define CEL_INDEX_H

#include "cel/cel.h"

/* index < count. When there is no memory for a table, the chain is walked. */
const struct json *cel_index_at(struct cel_run *run, const struct json *array, uint32_t index);
const struct json *cel_index_member(struct cel_run *run, const struct json *object,
                                    struct str name);

#endif
