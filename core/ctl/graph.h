/*
 * Every resource that can be listed, watched and deleted, with a metadata cache of each, those that
 * clients defined as long as they are served: what the garbage collector and the namespace
 * controller walk. Events are left out, as upstream
 * leaves them out of garbage collection.
 */
#ifndef CTL_GRAPH_H
#define CTL_GRAPH_H

#include "ctl/ctl_int.h"

enum { GRAPH_MAX = 1024 };

struct graph_resource {
    const char *group, *version, *plural, *kind;
    bool namespaced;
    struct cache *cache; /* NULL: nothing is here any more */
    char *definition;    /* its name, when a client defined it; then all texts are its own */
    struct cache_listener *listener;
    struct graph *graph;
};

struct graph {
    struct graph_resource at[GRAPH_MAX];
    size_t count, fixed; /* fixed: of the tables */
    struct ctl_unit *unit;
    struct cache *definitions; /* CustomResourceDefinitions */
    struct cache_listener *definitions_listener;
    void (*changed)(void *ctx, struct graph_resource *r, struct object *old, struct object *new);
    void *ctx;
};

/* Begins to listen; the unit waits for all caches. Indexes "owner" (uid of each owner reference)
 * and "namespace" are there on each cache. */
int graph_init(struct graph *g, struct ctl_unit *u,
               void (*changed)(void *ctx, struct graph_resource *r, struct object *old,
                               struct object *new),
               void *ctx) MUST_CHECK;
void graph_done(struct graph *g);
bool graph_synced(const struct graph *g);
/* By what an owner reference says; the version need not match. NULL: unknown. */
struct graph_resource *graph_find(struct graph *g, const char *api_version, const char *kind);

/* Keys: "<index>/<namespace>/<name>". */
char *graph_key(struct arena *a, const struct graph *g, const struct graph_resource *r,
                const struct object *o) MUST_CHECK;
int graph_key_parse(struct graph *g, struct arena *a, const char *key,
                    struct graph_resource **ret_resource, const char **ret_ns,
                    const char **ret_name) MUST_CHECK;
char *graph_path(struct arena *a, const struct graph_resource *r, const char *ns, const char *name) MUST_CHECK;

#endif
