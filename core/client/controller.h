/*
 * A controller: keys from caches, one reconcile at a time for each key, writes through the API.
 *
 * reconcile is a decision, not an act: it reads caches and adds the writes that it wants to a
 * plan. The controller performs the plan in order (independent writes of one batch side by side)
 * and stops at the first failure; a conflict or any other failure brings the key back with
 * back-off. A key is not reconciled again before the caches show the key's own last writes, so no
 * reconcile acts on a state older than its own doing. (Upstream needs "expectations" for that; one
 * revision for the whole store makes it exact.)
 */
#ifndef CLIENT_CONTROLLER_H
#define CLIENT_CONTROLLER_H

#include "client/cache.h"
#include "client/queue.h"

struct plan;      /* writes in the order added; lives for one reconcile */
struct controller;

/* Return 0, or -E_* with err: logged, and the key comes back with back-off. The plan made so far
 * is performed only when 0 is returned. Everything in the plan may live in the arena. */
typedef int controller_reconcile_fn(void *ctx, const char *key, struct arena *a, struct plan *p,
                                    struct err *err);

struct controller_options {
    struct client *client;
    const char *name; /* for the log; kept */
    unsigned workers; /* keys at once; 0: 4 */
    controller_reconcile_fn *reconcile;
    void *ctx;
};

int controller_new(const struct controller_options *o, struct controller **ret_controller) MUST_CHECK;
void controller_free(struct controller *c);
void controller_enqueue(struct controller *c, const char *key);
void controller_enqueue_after(struct controller *c, const char *key, int64_t delay_ms);
/* "namespace/name" of an object, the usual key. */
void controller_enqueue_object(struct controller *c, const struct object *o);
/* Reconciling begins only when all of these have synced; call before the first turn. */
int controller_await(struct controller *c, const struct cache *cache) MUST_CHECK;
/* Splits "ns/name" into the arena. */
int controller_key(struct arena *a, const char *key, const char **ret_ns, const char **ret_name) MUST_CHECK;

enum plan_tolerate {
    PLAN_TOLERATE_NOTHING = 0,
    PLAN_TOLERATE_EXISTS = 1,    /* a create that finds it there is fine */
    PLAN_TOLERATE_NOT_FOUND = 2, /* a delete or patch that finds it gone is fine */
    PLAN_TOLERATE_ANY = 4,       /* its failure is logged and the plan goes on (events) */
};

/* seen: the cache in which the write will show, or NULL. Paths are copied; bodies are encoded at
 * once. A failure to add is remembered and fails the reconcile. */
void plan_create(struct plan *p, const char *path, const struct json *body, const struct cache *seen,
                 unsigned tolerate);
void plan_update(struct plan *p, const char *path, const struct json *body, const struct cache *seen);
/* type: "application/merge-patch+json", "application/strategic-merge-patch+json", ... */
void plan_patch(struct plan *p, const char *path, const char *type, const struct json *body,
                const struct cache *seen, unsigned tolerate);
/* Deletes exactly the object o (precondition: its uid). body of DeleteOptions, or NULL. */
void plan_delete(struct plan *p, const char *path, const struct object *o, struct json *options,
                 const struct cache *seen);
void plan_delete_collection(struct plan *p, const char *path);
/* The key comes back after a delay even though nothing failed. */
void plan_requeue(struct plan *p, int64_t delay_ms);
/* Writes added from now on wait until those before have succeeded. */
void plan_barrier(struct plan *p);
/* An Event about object `about` (a tree with apiVersion, kind, metadata): type "Normal" or
 * "Warning". Sent after all writes of the plan have succeeded; never fails the plan. */
void plan_event(struct plan *p, const struct json *about, const char *type, const char *reason,
                const char *component, const char *message);

/* What the API answered to the write of this method ("POST") that ended the key's last plan; NULL:
 * none did. Conflicts are none. Valid for this reconcile. */
const char *plan_failure(const struct plan *p, const char *method);
/* The arena of the reconcile, for helpers that get only the plan. */
struct arena *plan_arena(struct plan *p);
/* Real time of this reconcile: seconds, and RFC 3339 text in the arena. */
int64_t plan_now_s(const struct plan *p);
const char *plan_now_text(struct plan *p);

#endif
