/* Metadata caches of all resources. See graph.h. */
#include "ctl/graph.h"

#include "schema/schema.h"

static void index_owner(const struct json *tree, void (*emit)(void *, const char *), void *arg)
{
    struct json *owners = json_path(tree, "metadata.ownerReferences");
    for (struct json *o = json_first(owners); o; o = o->next)
        emit(arg, json_path_cstr(o, "uid"));
}

static void on_changed(void *ctx, struct object *old, struct object *new)
{
    struct graph_resource *r = ctx;
    r->graph->changed(r->graph->ctx, r, old, new);
}

static bool wanted(const struct schema_resource *r)
{
    unsigned need = SCHEMA_LIST | SCHEMA_WATCH | SCHEMA_DELETE | SCHEMA_GET;
    return !schema_resource_subresource(r)[0] && (schema_resource_verbs(r) & need) == need &&
           !cstr_eq(schema_resource_plural(r), "events");
}

/* The same objects under a second version or group are one resource here: the first one. */
static bool known(const struct graph *g, const struct schema_resource *r)
{
    for (size_t i = 0; i < g->count; i++)
        if (cstr_eq(g->at[i].group, schema_resource_group(r)) &&
            cstr_eq(g->at[i].plural, schema_resource_plural(r)))
            return true;
    return false;
}

static int add(struct graph *g, struct ctl_unit *u, const struct schema_resource *r)
{
    struct cache_handlers h = {.changed = on_changed};
    struct arena a CLEANUP_ARENA;
    struct graph_resource *n = &g->at[g->count];

    arena_init(&a, 4096);
    if (g->count == GRAPH_MAX)
        return -E_LIMIT;
    *n = (struct graph_resource){.group = schema_resource_group(r),
                                 .version = schema_resource_version(r),
                                 .plural = schema_resource_plural(r),
                                 .kind = schema_resource_kind(r),
                                 .namespaced = schema_resource_namespaced(r),
                                 .graph = g};
    char *path = client_path(&a, n->group, n->version, NULL, n->plural, NULL, NULL);
    if (!path)
        return -E_NOMEM;
    int rc = cache_set_get_metadata(u->ctl->caches, path, &n->cache);
    if (rc == 0)
        rc = cache_index_add(n->cache, "owner", index_owner);
    if (rc == 0)
        rc = cache_index_add(n->cache, "namespace", cache_index_namespace);
    if (rc == 0)
        rc = cache_listen(n->cache, &h, n, &n->listener);
    if (rc == 0)
        g->count++;
    return rc;
}

int graph_init(struct graph *g, struct ctl_unit *u,
               void (*changed)(void *ctx, struct graph_resource *r, struct object *old,
                               struct object *new),
               void *ctx)
{
    *g = (struct graph){.changed = changed, .ctx = ctx};
    for (size_t i = 0; i < schema_resource_count(); i++) {
        const struct schema_resource *r = schema_resource_at(i);
        if (!wanted(r) || known(g, r))
            continue;
        int rc = add(g, u, r);
        if (rc < 0) {
            graph_done(g);
            return rc;
        }
    }
    return 0;
}

void graph_done(struct graph *g)
{
    for (size_t i = 0; i < g->count; i++)
        cache_unlisten(g->at[i].listener);
    g->count = 0;
}

bool graph_synced(const struct graph *g)
{
    for (size_t i = 0; i < g->count; i++)
        if (!cache_synced(g->at[i].cache))
            return false;
    return true;
}

struct graph_resource *graph_find(struct graph *g, const char *api_version, const char *kind)
{
    struct str rest = str_of(api_version), group = {0};
    if (str_find_byte(rest, '/') >= 0)
        str_split(&rest, '/', &group);
    for (size_t i = 0; i < g->count; i++)
        if (cstr_eq(g->at[i].kind, kind) && str_is(group, g->at[i].group))
            return &g->at[i];
    return NULL;
}

char *graph_key(struct arena *a, const struct graph *g, const struct graph_resource *r,
                const struct object *o)
{
    return arena_printf(a, "%d/%s/%s", (int)(r - g->at), o->namespace, o->name);
}

int graph_key_parse(struct graph *g, struct arena *a, const char *key,
                    struct graph_resource **ret_resource, const char **ret_ns, const char **ret_name)
{
    struct str rest = str_of(key), index = {0};
    uint64_t i;
    if (!str_split(&rest, '/', &index) || str_to_u64(index, &i) < 0 || i >= g->count || !rest.p)
        return -E_SYNTAX;
    *ret_resource = &g->at[i];
    return controller_key(a, rest.p, ret_ns, ret_name);
}

char *graph_path(struct arena *a, const struct graph_resource *r, const char *ns, const char *name)
{
    return client_path(a, r->group, r->version, ns, r->plural, name, NULL);
}
