/*
 * List-watch into a local cache with indexes: what client-go calls a shared informer. Lists in
 * chunks, watches from the list's revision with bookmarks, resumes after a lost connection from
 * the last revision seen, lists again after 410, backs off 0.2 s doubling to 30 s.
 */
#ifndef CLIENT_CACHE_H
#define CLIENT_CACHE_H

#include "client/client.h"
#include "client/object.h"

struct cache;
struct cache_listener;

struct cache_handlers { /* any may be NULL */
    /* old NULL: added; new NULL: deleted. */
    void (*changed)(void *ctx, struct object *old, struct object *new);
    void (*synced)(void *ctx); /* first list complete, and again after each relist */
};

/* path "/api/v1/pods"; selectors "spec.nodeName=n1" / "app=x", unencoded, or NULL. Starts at once. */
int cache_new(struct client *c, const char *path, const char *field_selector,
              const char *label_selector, struct cache **ret_cache) MUST_CHECK;
/* The same with objects cut down to apiVersion, kind and metadata (PartialObjectMetadata). */
int cache_new_metadata(struct client *c, const char *path, struct cache **ret_cache) MUST_CHECK;
void cache_free(struct cache *c);

/* A late listener is told of what is there by `changed` calls in the next turn of the loop. */
int cache_listen(struct cache *c, const struct cache_handlers *h, void *ctx,
                 struct cache_listener **ret_listener) MUST_CHECK;
void cache_unlisten(struct cache_listener *l);

bool cache_synced(const struct cache *c);
int64_t cache_revision(const struct cache *c); /* everything up to here has been seen */

/* Borrowed: ref to keep beyond the turn. namespace "" for cluster scope. */
struct object *cache_get(const struct cache *c, const char *namespace, const char *name);
size_t cache_count(const struct cache *c);
/* In no order; fn returns false to stop; must not free the cache. */
void cache_each(const struct cache *c, bool (*fn)(void *ctx, struct object *o), void *ctx);

/* An index: fn calls emit for each value under which the object is found. Added before the first
 * list arrives or later; computed once for each version of an object. */
typedef void cache_index_fn(const struct json *tree, void (*emit)(void *arg, const char *value), void *arg);
int cache_index_add(struct cache *c, const char *index, cache_index_fn *fn) MUST_CHECK;
void cache_index_each(const struct cache *c, const char *index, const char *value,
                      bool (*fn)(void *ctx, struct object *o), void *ctx);
/* Ready-made index functions. */
void cache_index_namespace(const struct json *tree, void (*emit)(void *, const char *), void *arg);
void cache_index_controller(const struct json *tree, void (*emit)(void *, const char *), void *arg); /* owner uid */

/* Caches shared by several users of one client: the same path gives the same cache. */
struct cache_set;
int cache_set_new(struct client *c, struct cache_set **ret_set) MUST_CHECK;
void cache_set_free(struct cache_set *s);
int cache_set_get(struct cache_set *s, const char *path, struct cache **ret_cache) MUST_CHECK;
/* At least the metadata: the whole-object cache when there is one already. */
int cache_set_get_metadata(struct cache_set *s, const char *path, struct cache **ret_cache) MUST_CHECK;

#endif
