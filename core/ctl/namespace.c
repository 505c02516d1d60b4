/*
 * Namespaces that are being deleted: everything in them is deleted, then the finalizer goes.
 * Policies that guard pods go last, so that no pod runs unguarded meanwhile (CVE-2024-7598):
 * first pods and what makes them, then all the rest.
 * Source: kubernetes.io, "Namespaces"; namespace lifecycle conditions as upstream.
 */
#include "ctl/graph.h"

enum { AGAIN_MS = 200 };

struct namespaces {
    struct ctl_unit unit;
    struct graph graph;
    struct cache *namespaces;
};

struct sweep {
    struct namespaces *ctl;
    struct arena *arena;
    struct plan *plan;
    struct graph_resource *resource;
    size_t left;
};

static bool delete_one(void *ctx, struct object *o)
{
    struct sweep *s = ctx;
    char *path = graph_path(s->arena, s->resource, o->namespace, o->name);
    s->left++;
    if (path && !o->deleting)
        plan_delete(s->plan, path, o, NULL, s->resource->cache);
    return path != NULL;
}

/* Makes or runs pods: must be gone before what protects them. */
static bool runs_pods(const struct graph_resource *r)
{
    return cstr_eq(r->plural, "pods") || cstr_eq(r->plural, "replicationcontrollers") ||
           cstr_eq(r->group, "apps") || cstr_eq(r->group, "batch");
}

static size_t sweep(struct namespaces *n, struct arena *a, struct plan *p, const char *ns, bool pods)
{
    struct sweep s = {.ctl = n, .arena = a, .plan = p};
    for (size_t i = 0; i < n->graph.count; i++) {
        s.resource = &n->graph.at[i];
        if (s.resource->cache && s.resource->namespaced && runs_pods(s.resource) == pods)
            cache_index_each(s.resource->cache, "namespace", ns, delete_one, &s);
    }
    return s.left;
}

static void delete_events(struct arena *a, struct plan *p, const char *ns)
{
    char *path = client_path(a, NULL, "v1", ns, "events", NULL, NULL);
    if (path)
        plan_delete_collection(p, path);
}

static void finalize(struct arena *a, struct plan *p, struct namespaces *n, struct json *tree)
{
    char *path = ctl_object_path(a, NULL, "v1", "namespaces", tree, "finalize");
    struct json *keep = json_new(a, JSON_ARRAY);
    for (struct json *f = json_first(json_path(tree, "spec.finalizers")); f; f = f->next)
        if (!cstr_eq(json_cstr(f), "kubernetes"))
            json_append(a, keep, json_new_str(a, json_str(f)));
    json_set(a, json_object_at(a, tree, "spec"), "finalizers", keep);
    if (path)
        plan_update(p, path, tree, n->namespaces);
}

static bool has_our_finalizer(const struct json *tree)
{
    for (struct json *f = json_first(json_path(tree, "spec.finalizers")); f; f = f->next)
        if (cstr_eq(json_cstr(f), "kubernetes"))
            return true;
    return false;
}

static int reconcile(void *ctx, const char *key, struct arena *a, struct plan *p, struct err *err)
{
    struct namespaces *n = ctx;
    const char *ns, *name;
    int rc = controller_key(a, key, &ns, &name);

    if (rc < 0)
        return err_set(err, -rc, "key: %s", err_text(rc));
    struct object *o = cache_get(n->namespaces, "", name);
    struct json *tree = object_json(o, a);
    if (!tree)
        return o ? -E_NOMEM : 0;
    if (!o->deleting || !has_our_finalizer(tree))
        return 0;
    if (!graph_synced(&n->graph)) {
        plan_requeue(p, AGAIN_MS);
        return 0;
    }
    size_t left = sweep(n, a, p, name, true);
    if (left == 0)
        left = sweep(n, a, p, name, false);
    if (left) {
        plan_requeue(p, AGAIN_MS);
        return 0;
    }
    delete_events(a, p, name);
    plan_barrier(p);
    finalize(a, p, n, tree);
    return 0;
}

static void changed(void *ctx, struct graph_resource *r, struct object *old, struct object *new)
{
    struct namespaces *n = ctx;
    struct object *o = new ? new : old;
    struct object *ns = r->namespaced ? cache_get(n->namespaces, "", o->namespace) : NULL;
    if (ns && ns->deleting)
        controller_enqueue_object(n->unit.controller, ns);
}

static void done(struct ctl_unit *u)
{
    graph_done(&((struct namespaces *)u)->graph);
}

int namespace_start(struct ctl *c)
{
    struct ctl_unit *u;
    int rc = ctl_unit_new(c, sizeof(struct namespaces), "namespace", reconcile, &u);
    if (rc < 0)
        return rc;
    struct namespaces *n = (struct namespaces *)u;
    u->done = done;
    rc = ctl_unit_listen(u, "/api/v1/namespaces", ctl_enqueue_self, &n->namespaces);
    return rc < 0 ? rc : graph_init(&n->graph, u, changed, n);
}
