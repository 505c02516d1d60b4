/*
 * metadata.managedFields: who set which fields of an object. A manager is known by its name, by
 * whether it applies or updates, by its subresource and, when it updates, by the version it speaks.
 * Two things happen to it: an update (PUT, POST, any patch but apply) gives the fields that it
 * changed to its manager alone; an apply says which fields its manager wants, is refused when
 * another manager has one of them with another value, and takes away what the manager named before
 * and nobody names any more.
 *
 * As upstream's apimachinery/pkg/util/managedfields. Pure: objects in, objects out.
 */
#ifndef SCHEMA_MANAGED_H
#define SCHEMA_MANAGED_H

#include "schema/apply.h"

struct managed_context {
    struct arena *arena;
    struct apply_node type;
    struct str version;      /* of the objects: "apps/v1" */
    struct str subresource;  /* or empty */
    struct str manager;      /* empty: "unknown" */
    const char *now;         /* metav1.Time as text */
    struct fieldset ignored; /* what this resource or subresource does not write */
    /* An object in another version, and its type. -E_NOT_FOUND: there is no such version; then
     * managers that speak it are forgotten. NULL: there is only one. */
    int (*convert)(void *ctx, struct str from, struct str to, const struct json *object,
                   struct apply_node *ret_type, struct json **ret_object);
    void *ctx;
};

/*
 * Sets object's metadata.managedFields after an update. live is NULL on create; its own entries are
 * used unless sent, what the request held, is a valid list (subresources: never). A list of one
 * empty entry resets. Objects that are not tracked stay so until something is applied. live is
 * changed only in the order of its metadata. -E_NOMEM.
 */
int managed_update(const struct managed_context *c, struct json *live, struct json *object,
                   const struct json *sent) MUST_CHECK;

struct managed_conflict {
    const char *manager; /* "kubectl-edit" using apps/v1 */
    const char *path;
    struct managed_conflict *next;
};

struct managed_result {
    struct json *object;                /* with its managedFields */
    struct managed_conflict *conflicts; /* then there is no object */
    uint32_t conflict_count;
    const char *problems; /* config does not fit its type */
};

/*
 * Applies config. live NULL: the object does not exist. The result is to be checked and defaulted
 * by the caller. -E_CONFLICT: conflicts, by manager; -E_INVALID: problems; -E_CORRUPT: the live
 * object's entries cannot be read; -E_NOMEM. err names the last three.
 */
int managed_apply(const struct managed_context *c, struct json *live, const struct json *config,
                  bool force, struct managed_result *ret, struct err *err) MUST_CHECK;

/* "Apply failed with 1 conflict: conflict with ..."; NULL: out of memory. */
const char *managed_conflict_message(struct arena *a, const struct managed_result *r);

/* The entries, taken out of an object's metadata; and put back (NULL: there are none). */
struct json *managed_detach(struct json *object);
void managed_attach(struct json *object, struct json *list);

/* Are they the same but for the times in them? */
bool managed_same_but_times(const struct json *x, const struct json *y);

#endif
