/* The entries while they are worked on. */
#ifndef SCHEMA_MANAGED_INT_H
#define SCHEMA_MANAGED_INT_H

#include "schema/managed.h"

#define MANAGED_FIELDS "managedFields"

struct managed_entry {
    struct str manager, version, subresource, time;
    bool applied;
    struct fieldset places;
    struct json *kept; /* as it stands in the object, while it is unchanged */
};

struct managed {
    struct arena *arena;
    struct managed_entry *entries;
    uint32_t count, room;
};

/* -E_SYNTAX: not a list of entries; -E_NOMEM. */
int managed_read(struct arena *a, const struct json *list, struct managed *ret,
                 struct err *err) MUST_CHECK;
/* Drops empty entries, sorts, and puts the list into the object's metadata (none: takes it out). */
int managed_write(struct managed *m, struct json *object) MUST_CHECK;
struct managed_entry *managed_find(struct managed *m, struct str manager, bool applied,
                                   struct str version, struct str subresource);
struct managed_entry *managed_add(struct managed *m, struct str manager, bool applied,
                                  struct str version, struct str subresource);
/* Sets of the context's version, brought in line with its type. */
int managed_reconcile(struct managed *m, const struct managed_context *c) MUST_CHECK;
/* Puts the oldest of too many updates together. */
int managed_cap(struct managed *m) MUST_CHECK;
void managed_set_places(struct managed_entry *e, const struct fieldset *places);

/* What changed, in each version that a manager speaks. */
struct managed_changes {
    const struct managed_context *c;
    const struct json *old, *now;
    struct managed_change {
        struct str version;
        bool known;
        struct apply_difference d;
        struct fieldset set; /* modified and added */
        struct managed_change *next;
    } * first;
};
int managed_changes_at(struct managed_changes *x, struct str version,
                       const struct managed_change **ret) MUST_CHECK;
/* Fields that no manager owns: names, what the server sets. */
int managed_strip(struct arena *a, const struct fieldset *s, struct fieldset *ret) MUST_CHECK;
/* An update of entries that are read already. */
int managed_track(const struct managed_context *c, struct managed *m, struct managed_changes *x,
                  struct str manager) MUST_CHECK;

#endif
