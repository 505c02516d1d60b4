/*
 * The garbage collector: an object all of whose owners are gone is deleted; a foreground deletion
 * waits for the dependents that block it; an orphaning deletion cuts the dependents loose.
 *
 * That an owner is missing from a cache proves nothing (the cache may lag): it is asked for by
 * name, and only a 404 or another uid counts.
 *
 * Source: kubernetes.io, "Garbage Collection", "Owners and Dependents".
 */
#include "base/map.h"
#include "ctl/graph.h"

enum { CONFIRM_MAX = 32, RETRY_MS = 500, ABSENT_MAX = 10 * 1000 };

#define FOREGROUND "foregroundDeletion"
#define ORPHAN "orphan"

struct garbage {
    struct ctl_unit unit; /* its controller performs plans; absent owners are confirmed first */
    struct graph graph;
    struct map absent;  /* uids of owners that the API has confirmed to be gone; bounded */
    struct map waiting; /* uids of owners whose deletion waits for dependents */
    struct list confirms;
};

/* ---- confirming that an owner is gone ---- */

struct confirm {
    struct list link;
    struct garbage *garbage;
    struct client_call *call;
    char *uid, *key;
};

static void confirm_free(struct confirm *c)
{
    list_remove(&c->link);
    mem_free(c->uid);
    mem_free(c->key);
    mem_free(c);
}

static void on_owner(void *ctx, const struct client_reply *r)
{
    struct confirm *c = ctx;
    struct garbage *g = c->garbage;
    struct arena a CLEANUP_ARENA;
    struct json *tree = NULL;
    bool gone = r->rc == -E_NOT_FOUND;

    arena_init(&a, (size_t)64 * 1024 * 1024);
    if (r->rc == 0 && json_parse(&a, r->body, NULL, &tree, NULL) == 0)
        gone = !cstr_eq(json_path_cstr(tree, "metadata.uid"), c->uid);
    if (g->absent.count >= ABSENT_MAX)
        map_done(&g->absent, NULL);
    if (gone && map_set(&g->absent, str_of(c->uid), g, NULL) == 0)
        controller_enqueue(g->unit.controller, c->key);
    else
        controller_enqueue_after(g->unit.controller, c->key, RETRY_MS);
    confirm_free(c);
}

static int confirm(struct garbage *g, const char *key, const char *path, const char *uid)
{
    struct client_request q = {.method = "GET", .path = path};
    struct confirm *c = mem_zalloc(sizeof *c);
    if (!c)
        return -E_NOMEM;
    list_push_back(&g->confirms, &c->link);
    c->garbage = g;
    c->uid = mem_strdup(uid);
    c->key = mem_strdup(key);
    int rc = c->uid && c->key ? client_do(&g->unit.client, &q, on_owner, c, &c->call) : -E_NOMEM;
    if (rc < 0)
        confirm_free(c);
    return rc;
}

/* ---- one object ---- */

static bool has_finalizer(const struct json *tree, const char *name)
{
    for (struct json *f = json_first(json_path(tree, "metadata.finalizers")); f; f = f->next)
        if (cstr_eq(json_cstr(f), name))
            return true;
    return false;
}

enum owner_state { OWNER_THERE, OWNER_WAITS, OWNER_GONE, OWNER_UNSURE };

static enum owner_state owner_state(struct garbage *g, struct arena *a, const char *key,
                                    const char *ns, const struct json *ref)
{
    const char *uid = json_path_cstr(ref, "uid"), *name = json_path_cstr(ref, "name");
    struct graph_resource *r =
        graph_find(&g->graph, json_path_cstr(ref, "apiVersion"), json_path_cstr(ref, "kind"));
    if (!r)
        return OWNER_THERE; /* a kind that we do not know: never delete because of it */
    const char *owner_ns = r->namespaced ? ns : "";
    struct object *o = cache_get(r->cache, owner_ns, name);
    if (o && cstr_eq(o->uid, uid)) {
        struct json *tree = o->deleting ? object_json(o, a) : NULL;
        return tree && has_finalizer(tree, FOREGROUND) ? OWNER_WAITS : OWNER_THERE;
    }
    if (map_has(&g->absent, str_of(uid)))
        return OWNER_GONE;
    char *path = graph_path(a, r, owner_ns, name);
    if (!path || confirm(g, key, path, uid) < 0)
        controller_enqueue_after(g->unit.controller, key, RETRY_MS);
    return OWNER_UNSURE;
}

static struct json *policy(struct arena *a, const char *propagation)
{
    struct json *o = json_new(a, JSON_OBJECT);
    json_set_cstr(a, o, "kind", "DeleteOptions");
    json_set_cstr(a, o, "apiVersion", "v1");
    json_set_cstr(a, o, "propagationPolicy", propagation);
    return o;
}

static const char *propagation_of(const struct json *tree)
{
    if (has_finalizer(tree, ORPHAN))
        return "Orphan";
    return has_finalizer(tree, FOREGROUND) ? "Foreground" : "Background";
}

static bool among(const char *uid, const char *const *uids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (cstr_eq(uid, uids[i]))
            return true;
    return false;
}

/* Custom resources know no strategic merge: the whole list, of the revision that we saw. */
static void drop_custom(struct arena *a, struct plan *p, struct graph_resource *r,
                        const struct object *o, const struct json *tree, const char *const *uids,
                        size_t count)
{
    struct json *patch = json_new(a, JSON_OBJECT), *meta = json_object_at(a, patch, "metadata");
    struct json *list = json_array_at(a, meta, "ownerReferences");
    char *path = graph_path(a, r, o->namespace, o->name);
    json_set_cstr(a, meta, "uid", o->uid);
    json_set_str(a, meta, "resourceVersion", json_path_str(tree, "metadata.resourceVersion"));
    for (struct json *ref = json_first(json_path(tree, "metadata.ownerReferences")); ref;
         ref = ref->next)
        if (!among(json_path_cstr(ref, "uid"), uids, count))
            json_append(a, list, json_clone(a, ref));
    if (path && count)
        plan_patch(p, path, "application/merge-patch+json", patch, r->cache,
                   PLAN_TOLERATE_NOT_FOUND);
}

static void drop_references(struct arena *a, struct plan *p, struct graph_resource *r,
                            const struct object *o, const struct json *tree,
                            const char *const *uids, size_t count)
{
    if (r->definition) {
        drop_custom(a, p, r, o, tree, uids, count);
        return;
    }
    struct json *patch = json_new(a, JSON_OBJECT), *meta = json_object_at(a, patch, "metadata");
    struct json *list = json_array_at(a, meta, "ownerReferences");
    char *path = graph_path(a, r, o->namespace, o->name);
    json_set_cstr(a, meta, "uid", o->uid);
    for (size_t i = 0; i < count; i++) {
        struct json *gone = json_append(a, list, json_new(a, JSON_OBJECT));
        json_set_cstr(a, gone, "$patch", "delete");
        json_set_cstr(a, gone, "uid", uids[i]);
    }
    if (path && count)
        plan_patch(p, path, "application/strategic-merge-patch+json", patch, r->cache,
                   PLAN_TOLERATE_NOT_FOUND);
}

struct dependents {
    struct garbage *garbage;
    struct arena *arena;
    struct plan *plan;
    struct graph_resource *resource;
    const char *owner_uid;
    bool orphan;
    size_t blocking;
};

static bool on_dependent(void *ctx, struct object *o)
{
    struct dependents *d = ctx;
    struct json *tree = object_json(o, d->arena);
    char *key = graph_key(d->arena, &d->garbage->graph, d->resource, o);
    if (!tree || !key)
        return false;
    if (d->orphan) {
        drop_references(d->arena, d->plan, d->resource, o, tree, &d->owner_uid, 1);
        return true;
    }
    for (struct json *ref = json_first(json_path(tree, "metadata.ownerReferences")); ref; ref = ref->next)
        if (cstr_eq(json_path_cstr(ref, "uid"), d->owner_uid) &&
            json_path_bool(ref, "blockOwnerDeletion", false))
            d->blocking++;
    if (!o->deleting)
        controller_enqueue(d->garbage->unit.controller, key);
    return true;
}

static void each_dependent(struct dependents *d, bool (*fn)(void *ctx, struct object *o))
{
    struct graph *g = &d->garbage->graph;
    for (size_t i = 0; i < g->count; i++) {
        d->resource = &g->at[i];
        if (g->at[i].cache)
            cache_index_each(g->at[i].cache, "owner", d->owner_uid, fn, d);
    }
}

static bool on_waiting(void *ctx, struct object *o)
{
    struct dependents *d = ctx;
    struct json *tree = o->deleting ? object_json(o, d->arena) : NULL;
    if (tree && has_finalizer(tree, FOREGROUND))
        d->blocking++;
    return true;
}

/* Has it a dependent whose deletion waits for dependents of its own? */
static bool waited_for(struct garbage *g, struct arena *a, const struct object *o)
{
    struct dependents d = {.garbage = g, .arena = a, .owner_uid = o->uid};
    each_dependent(&d, on_waiting);
    return d.blocking != 0;
}

/* Nobody waits for it any more. */
static void unblock(struct arena *a, struct plan *p, struct graph_resource *r,
                    const struct object *o, const struct json *tree)
{
    struct json *patch = json_new(a, JSON_OBJECT), *meta = json_object_at(a, patch, "metadata");
    struct json *refs = json_clone(a, json_path(tree, "metadata.ownerReferences"));
    char *path = graph_path(a, r, o->namespace, o->name);
    json_set_cstr(a, meta, "uid", o->uid);
    json_set(a, meta, "ownerReferences", refs);
    for (struct json *ref = json_first(refs); ref; ref = ref->next)
        json_set_bool(a, ref, "blockOwnerDeletion", false);
    if (path)
        plan_patch(p, path, "application/merge-patch+json", patch, r->cache,
                   PLAN_TOLERATE_NOT_FOUND);
}

/* As a dependent: are there owners left to live for? */
static void as_dependent(struct garbage *g, struct arena *a, struct plan *p, const char *key,
                         struct graph_resource *r, struct object *o, const struct json *tree)
{
    const char *gone[CONFIRM_MAX];
    size_t there = 0, waits = 0, gone_count = 0, all = 0;
    bool blocks = false;

    struct json *refs = json_path(tree, "metadata.ownerReferences");
    for (struct json *ref = json_first(refs); ref && all < CONFIRM_MAX; ref = ref->next, all++) {
        switch (owner_state(g, a, key, o->namespace, ref)) {
        case OWNER_THERE: there++; break;
        case OWNER_WAITS:
            waits++;
            blocks |= json_path_bool(ref, "blockOwnerDeletion", false);
            gone[gone_count++] = json_path_cstr(ref, "uid");
            break;
        case OWNER_GONE: gone[gone_count++] = json_path_cstr(ref, "uid"); break;
        case OWNER_UNSURE: return;
        }
    }
    if (all == 0 || o->deleting || gone_count == 0)
        return;
    if (there) { /* who waits need not wait for this one */
        drop_references(a, p, r, o, tree, gone, gone_count);
        return;
    }
    if (blocks && waited_for(g, a, o)) { /* a circle, where each would wait for the next */
        unblock(a, p, r, o, tree);
        plan_barrier(p);
    }
    char *path = graph_path(a, r, o->namespace, o->name);
    const char *how = waits && blocks ? "Foreground" : propagation_of(tree);
    if (path)
        plan_delete(p, path, o, policy(a, how), r->cache);
}

static void remove_finalizer(struct arena *a, struct plan *p, struct graph_resource *r,
                             const struct object *o, const struct json *tree, const char *name)
{
    struct json *patch = json_new(a, JSON_OBJECT), *meta = json_object_at(a, patch, "metadata");
    struct json *keep = json_array_at(a, meta, "finalizers");
    char *path = graph_path(a, r, o->namespace, o->name);
    json_set_cstr(a, meta, "uid", o->uid);
    json_set_str(a, meta, "resourceVersion", json_path_str(tree, "metadata.resourceVersion"));
    for (struct json *f = json_first(json_path(tree, "metadata.finalizers")); f; f = f->next)
        if (!cstr_eq(json_cstr(f), name))
            json_append(a, keep, json_new_str(a, json_str(f)));
    if (!path)
        return;
    plan_barrier(p);
    plan_patch(p, path, "application/merge-patch+json", patch, r->cache, PLAN_TOLERATE_NOT_FOUND);
}

/* As an owner that is being deleted: see to the dependents, then let it go. */
static void as_owner(struct garbage *g, struct arena *a, struct plan *p, struct graph_resource *r,
                     struct object *o, const struct json *tree)
{
    struct dependents d = {.garbage = g, .arena = a, .plan = p, .owner_uid = o->uid};
    if (!o->deleting)
        return;
    if (has_finalizer(tree, ORPHAN)) {
        d.orphan = true;
        each_dependent(&d, on_dependent);
        remove_finalizer(a, p, r, o, tree, ORPHAN);
    } else if (has_finalizer(tree, FOREGROUND)) {
        each_dependent(&d, on_dependent);
        if (d.blocking == 0)
            remove_finalizer(a, p, r, o, tree, FOREGROUND);
        else if (map_set(&g->waiting, str_of(o->uid), g, NULL) < 0)
            plan_requeue(p, RETRY_MS);
    }
}

static int reconcile(void *ctx, const char *key, struct arena *a, struct plan *p, struct err *err)
{
    struct garbage *g = ctx;
    struct graph_resource *r;
    const char *ns, *name;

    if (!graph_synced(&g->graph)) {
        plan_requeue(p, RETRY_MS);
        return 0;
    }
    int rc = graph_key_parse(&g->graph, a, key, &r, &ns, &name);
    if (rc < 0)
        return err_set(err, -rc, "key: %s", err_text(rc));
    struct object *o = cache_get(r->cache, ns, name);
    struct json *tree = object_json(o, a);
    if (!tree)
        return o ? -E_NOMEM : 0;
    as_owner(g, a, p, r, o, tree);
    as_dependent(g, a, p, key, r, o, tree);
    return 0;
}

/* ---- wiring ---- */

static void enqueue(struct garbage *g, struct graph_resource *r, struct object *o)
{
    struct arena a CLEANUP_ARENA;
    arena_init(&a, 8192);
    char *key = graph_key(&a, &g->graph, r, o);
    if (key)
        controller_enqueue(g->unit.controller, key);
}

static bool enqueue_dependent(void *ctx, struct object *o)
{
    struct dependents *d = ctx;
    enqueue(d->garbage, d->resource, o);
    return true;
}

static void enqueue_dependents(struct garbage *g, const char *uid)
{
    struct dependents d = {.garbage = g, .owner_uid = uid};
    for (size_t i = 0; i < g->graph.count; i++) {
        d.resource = &g->graph.at[i];
        if (g->graph.at[i].cache)
            cache_index_each(g->graph.at[i].cache, "owner", uid, enqueue_dependent, &d);
    }
}

static void enqueue_owners(struct garbage *g, struct object *o)
{
    struct arena a CLEANUP_ARENA;
    arena_init(&a, (size_t)64 * 1024 * 1024);
    struct json *refs = json_path(object_json(o, &a), "metadata.ownerReferences");
    for (struct json *ref = json_first(refs); ref; ref = ref->next) {
        struct graph_resource *r =
            graph_find(&g->graph, json_path_cstr(ref, "apiVersion"), json_path_cstr(ref, "kind"));
        struct object *owner = r ? cache_get(r->cache, r->namespaced ? o->namespace : "",
                                             json_path_cstr(ref, "name"))
                                 : NULL;
        if (owner && owner->deleting)
            enqueue(g, r, owner);
    }
}

static void changed(void *ctx, struct graph_resource *r, struct object *old, struct object *new)
{
    struct garbage *g = ctx;
    if (new) {
        if (old && g->waiting.count) /* it may have been what an owner waits for, and be no more */
            enqueue_owners(g, old);
        struct arena a CLEANUP_ARENA;
        arena_init(&a, (size_t)64 * 1024 * 1024);
        struct json *tree = object_json(new, &a);
        if (new->deleting || json_count(json_path(tree, "metadata.ownerReferences")))
            enqueue(g, r, new);
        return;
    }
    enqueue_dependents(g, old->uid);
    enqueue_owners(g, old); /* a foreground deletion may have waited for this one */
    map_remove(&g->absent, str_of(old->uid));
    map_remove(&g->waiting, str_of(old->uid));
}

static void done(struct ctl_unit *u)
{
    struct garbage *g = (struct garbage *)u;
    while (!list_empty(&g->confirms)) {
        struct confirm *c = LIST_FIRST(&g->confirms, struct confirm, link);
        client_cancel(&u->client, c->call);
        confirm_free(c);
    }
    graph_done(&g->graph);
    map_done(&g->absent, NULL);
    map_done(&g->waiting, NULL);
}

int garbage_start(struct ctl *c)
{
    struct ctl_unit *u;
    int rc = ctl_unit_new(c, sizeof(struct garbage), "garbage-collector", reconcile, &u);
    if (rc < 0)
        return rc;
    struct garbage *g = (struct garbage *)u;
    u->done = done;
    list_init(&g->confirms);
    return graph_init(&g->graph, u, changed, g);
}
