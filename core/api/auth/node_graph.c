/*
 * See node_graph.h. An edge is (node, kind, namespace, name) with the number of pods that make it,
 * so a question is one look-up however many pods there are. A pod's spec is fixed once it is bound,
 * except for ephemeral containers and allocated claims: only pods with those are read again.
 *
 * A pod that finds no memory makes no edges: its node is refused what it asks for.
 */
#include "api/auth/node_graph.h"

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "codec/json.h"

enum { EDGE_KEY = 1024, POD_BYTES = 8 * 1024 * 1024, EDGES_MOST = 1024 };

struct edge {
    unsigned pods;
    size_t key_size;
    char key[];
};

struct pod {
    int64_t create_revision;
    size_t count;
    struct edge *edges[];
};

struct node_graph {
    struct store_watch *watch;
    struct map pods, edges; /* by store key; by edge key */
};

static struct str edge_key(char text[EDGE_KEY], struct str node, int what, struct str ns,
                           struct str name)
{
    char *p = text;
    if (node.n + ns.n + name.n + 3 > EDGE_KEY)
        return (struct str){NULL, 0};
    *p++ = (char)what;
    memcpy(p, node.p, node.n);
    p += node.n;
    *p++ = '/';
    memcpy(p, ns.p, ns.n);
    p += ns.n;
    *p++ = '/';
    memcpy(p, name.p, name.n);
    return str_make(text, (size_t)(p - text) + name.n);
}

bool node_graph_reaches(const struct node_graph *g, struct str node, enum node_reach what,
                        struct str ns, struct str name)
{
    char text[EDGE_KEY];
    struct str key = edge_key(text, node, what, ns, name);
    return key.p && map_has(&g->edges, key);
}

/* ---- what a pod names ---- */

struct naming {
    void (*fn)(void *ctx, enum node_reach what, struct str name);
    void *ctx;
};

struct edges {
    struct node_graph *graph;
    struct str node, ns;
    struct edge *at[EDGES_MOST];
    size_t count;
};

static struct edge *edge_at(struct node_graph *g, struct str key)
{
    struct edge *e = map_get(&g->edges, key);
    if (e)
        return e;
    e = mem_zalloc(sizeof *e + key.n);
    if (!e)
        return NULL;
    e->key_size = key.n;
    memcpy(e->key, key.p, key.n);
    if (map_set(&g->edges, key, e, NULL) < 0) {
        mem_free(e);
        return NULL;
    }
    return e;
}

static void edge_drop(struct node_graph *g, struct edge *e)
{
    if (--e->pods)
        return;
    map_remove(&g->edges, str_make(e->key, e->key_size));
    mem_free(e);
}

static void add_edge(void *ctx, enum node_reach what, struct str name)
{
    struct edges *n = ctx;
    char text[EDGE_KEY];
    struct str key = edge_key(text, n->node, what, n->ns, name);
    struct edge *e = key.p && n->count < EDGES_MOST ? edge_at(n->graph, key) : NULL;
    if (!e)
        return; /* not named: refused */
    e->pods++;
    n->at[n->count++] = e;
}

static void name_it(const struct naming *n, enum node_reach what, struct str name)
{
    if (name.n)
        n->fn(n->ctx, what, name);
}

static void name_path(const struct naming *n, enum node_reach what, const struct json *from,
                      const char *path)
{
    name_it(n, what, json_path_str(from, path));
}

static void walk_containers(const struct naming *n, const struct json *list)
{
    for (const struct json *c = json_first(list); c; c = c->next) {
        for (const struct json *e = json_first(json_get(c, "env")); e; e = e->next) {
            name_path(n, NODE_SECRET, e, "valueFrom.secretKeyRef.name");
            name_path(n, NODE_CONFIG_MAP, e, "valueFrom.configMapKeyRef.name");
        }
        for (const struct json *e = json_first(json_get(c, "envFrom")); e; e = e->next) {
            name_path(n, NODE_SECRET, e, "secretRef.name");
            name_path(n, NODE_CONFIG_MAP, e, "configMapRef.name");
        }
    }
}

static void walk_volume(const struct naming *n, const struct json *v, struct str pod)
{
    static const char *const secrets[] = {
        "secret.secretName",     "azureFile.secretName", "cephfs.secretRef.name",
        "cinder.secretRef.name", "flexVolume.secretRef.name", "rbd.secretRef.name",
        "scaleIO.secretRef.name", "iscsi.secretRef.name", "storageos.secretRef.name",
        "csi.nodePublishSecretRef.name"};
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++)
        name_path(n, NODE_SECRET, v, secrets[i]);
    name_path(n, NODE_CONFIG_MAP, v, "configMap.name");
    name_path(n, NODE_CLAIM, v, "persistentVolumeClaim.claimName");
    for (const struct json *s = json_first(json_path(v, "projected.sources")); s; s = s->next) {
        name_path(n, NODE_SECRET, s, "secret.name");
        name_path(n, NODE_CONFIG_MAP, s, "configMap.name");
    }
    if (json_get(v, "ephemeral")) {
        char name[EDGE_KEY];
        struct str volume = json_path_str(v, "name");
        if (pod.n + volume.n + 1 > sizeof name)
            return;
        memcpy(name, pod.p, pod.n);
        name[pod.n] = '-';
        memcpy(name + pod.n + 1, volume.p, volume.n);
        name_it(n, NODE_CLAIM, str_make(name, pod.n + 1 + volume.n));
    }
}

void node_graph_names(const struct json *pod,
                      void (*fn)(void *ctx, enum node_reach what, struct str name), void *ctx)
{
    const struct naming naming = {fn, ctx}, *n = &naming;
    const struct json *spec = json_get(pod, "spec");
    name_path(n, NODE_ACCOUNT, spec, "serviceAccountName");
    for (const struct json *s = json_first(json_get(spec, "imagePullSecrets")); s; s = s->next)
        name_path(n, NODE_SECRET, s, "name");
    walk_containers(n, json_get(spec, "containers"));
    walk_containers(n, json_get(spec, "initContainers"));
    walk_containers(n, json_get(spec, "ephemeralContainers"));
    for (const struct json *v = json_first(json_get(spec, "volumes")); v; v = v->next)
        walk_volume(n, v, json_path_str(pod, "metadata.name"));
    for (const struct json *c = json_first(json_get(spec, "resourceClaims")); c; c = c->next)
        name_path(n, NODE_RESOURCE_CLAIM, c, "resourceClaimName");
    for (const struct json *c = json_first(json_path(pod, "status.resourceClaimStatuses")); c;
         c = c->next)
        name_path(n, NODE_RESOURCE_CLAIM, c, "resourceClaimName");
}

/* ---- following the store ---- */

static void pod_free(struct node_graph *g, struct pod *p)
{
    for (size_t i = 0; i < p->count; i++)
        edge_drop(g, p->edges[i]);
    mem_free(p);
}

static void forget(struct node_graph *g, struct str key)
{
    struct pod *p = map_remove(&g->pods, key);
    if (p)
        pod_free(g, p);
}

static void keep(struct node_graph *g, const struct edges *n, struct store_value *v)
{
    struct pod *p = mem_zalloc(sizeof *p + n->count * sizeof p->edges[0]);
    if (p) {
        p->create_revision = v->create_revision;
        p->count = n->count;
        memcpy(p->edges, n->at, n->count * sizeof p->edges[0]);
        if (map_set(&g->pods, store_value_key(v), p, NULL) == 0)
            return;
        mem_free(p);
    }
    for (size_t i = 0; i < n->count; i++)
        edge_drop(g, n->at[i]);
    log_err("a pod finds no memory: its node may not read what it names");
}

static void read_pod(struct node_graph *g, struct store_value *v)
{
    struct arena a CLEANUP_ARENA;
    struct json *pod;
    arena_init(&a, POD_BYTES);
    if (json_parse(&a, store_value_bytes(v), &json_options_trusted, &pod, NULL) < 0)
        return;
    CLEANUP_FREE struct edges *n = mem_zalloc(sizeof *n);
    const struct json *notes = json_path(pod, "metadata.annotations");
    if (!n)
        return;
    n->graph = g;
    n->node = json_path_str(pod, "spec.nodeName");
    n->ns = json_path_str(pod, "metadata.namespace");
    /* A mirror pod stands for one that the node has from elsewhere: it opens nothing. */
    if (!n->node.n || json_get(notes, "kubernetes.io/config.mirror"))
        return;
    node_graph_names(pod, add_edge, n);
    keep(g, n, v);
}

static bool may_differ(struct str bytes)
{
    return str_find(bytes, STR("\"ephemeralContainers\"")) >= 0 ||
           str_find(bytes, STR("\"resourceClaimStatuses\"")) >= 0;
}

static void take(struct node_graph *g, struct store_value *v)
{
    const struct pod *known = map_get(&g->pods, store_value_key(v));
    struct str bytes = store_value_bytes(v);
    if (known && known->create_revision == v->create_revision && !may_differ(bytes))
        return;
    forget(g, store_value_key(v));
    if (str_find(bytes, STR("\"nodeName\":\"")) >= 0)
        read_pod(g, v);
}

static void changed(void *ctx, const struct store_event *e)
{
    if (e->value)
        take(ctx, e->value);
    else if (e->previous)
        forget(ctx, store_value_key(e->previous));
}

static bool loaded(void *ctx, struct store_value *v)
{
    take(ctx, v);
    return true;
}

int node_graph_new(struct store *store, struct node_graph **ret_graph)
{
    struct node_graph *g = mem_zalloc(sizeof *g);
    struct store_snapshot *snap;
    if (!g)
        return -E_NOMEM;
    int rc = store_snapshot_take(store, &snap);
    if (rc < 0) {
        mem_free(g);
        return rc;
    }
    store_snapshot_range(snap, STR("/core/pods/"), STR("/core/pods0"), loaded, g);
    rc = store_watch_new(store, STR("/core/pods/"), store_snapshot_revision(snap), changed, g,
                         &g->watch);
    store_snapshot_release(snap);
    if (rc < 0)
        node_graph_free(g);
    else
        *ret_graph = g;
    return rc;
}

void node_graph_free(struct node_graph *g)
{
    struct map_iter it;
    void *value;
    if (!g)
        return;
    if (g->watch)
        store_watch_free(g->watch);
    for (map_iter_init(&g->pods, &it); map_iter_next(&g->pods, &it, NULL, &value);)
        pod_free(g, value);
    map_done(&g->pods, NULL);
    map_done(&g->edges, NULL);
    mem_free(g);
}
