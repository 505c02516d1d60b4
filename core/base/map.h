/*
 * A hash map from byte strings to pointers. Keys are copied; values are the caller's. Order of
 * iteration is unspecified; entries may be removed (also the current one) while iterating, but
 * none added.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>

#include "base/str.h"

struct map_entry;

struct map {
    struct map_entry **slots;
    size_t slot_count; /* a power of two, or 0 */
    size_t count;
};

struct map_iter {
    size_t slot;
    struct map_entry *next;
};

void map_init(struct map *m); /* allocates nothing yet; all-zero is a valid empty map */
/* Frees entries and keys; calls free_value for each value unless NULL. */
void map_done(struct map *m, void (*free_value)(void *));

void *map_get(const struct map *m, struct str key); /* NULL when absent */
bool map_has(const struct map *m, struct str key);
/* Sets; *ret_old (may be NULL) gets the value replaced or NULL. -E_NOMEM leaves m unchanged. */
int map_set(struct map *m, struct str key, void *value, void **ret_old) MUST_CHECK;
void *map_remove(struct map *m, struct str key); /* the value removed, or NULL */

void map_iter_init(const struct map *m, struct map_iter *it);
/* ret_key is valid until that entry is removed. */
bool map_iter_next(const struct map *m, struct map_iter *it, struct str *ret_key, void **ret_value);

#endif
