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

/* ---- those that clients defined ---- */

static void forget(struct graph_resource *r)
{
    if (r->listener)
        cache_unlisten(r->listener);
    cache_free(r->cache);
    mem_free(r->definition);
    mem_free((char *)r->group);
    mem_free((char *)r->version);
    mem_free((char *)r->plural);
    mem_free((char *)r->kind);
    *r = (struct graph_resource){.graph = r->graph};
}

static const struct json *served_version(const struct json *definition)
{
    const struct json *found = NULL;
    for (const struct json *v = json_first(json_path(definition, "spec.versions")); v; v = v->next)
        if (json_path_bool(v, "served", false) &&
            (!found || json_path_bool(v, "storage", false)))
            found = v;
    return found;
}

static bool established(const struct json *definition)
{
    const struct json *list = json_path(definition, "status.conditions");
    for (const struct json *c = json_first(list); c; c = c->next)
        if (str_is(json_path_str(c, "type"), "Established"))
            return str_is(json_path_str(c, "status"), "True");
    return false;
}

static int listen_to(struct graph *g, struct graph_resource *n)
{
    struct cache_handlers h = {.changed = on_changed};
    struct arena a CLEANUP_ARENA;
    arena_init(&a, 4096);
    char *path = client_path(&a, n->group, n->version, NULL, n->plural, NULL, NULL);
    int rc = path ? cache_new_metadata(&g->unit->client, path, &n->cache) : -E_NOMEM;
    if (rc == 0)
        rc = cache_index_add(n->cache, "owner", index_owner);
    if (rc == 0)
        rc = cache_index_add(n->cache, "namespace", cache_index_namespace);
    return rc ? rc : cache_listen(n->cache, &h, n, &n->listener);
}

static void add_defined(struct graph *g, const char *name, const struct json *definition)
{
    const struct json *spec = json_get(definition, "spec"), *v = served_version(definition);
    struct graph_resource *n = &g->at[g->fixed];
    while (n < &g->at[g->count] && n->cache)
        n++;
    if (!v || n == &g->at[GRAPH_MAX])
        return;
    *n = (struct graph_resource){
        .definition = mem_strdup(name),
        .group = mem_strdup(json_path_cstr(spec, "group")),
        .version = mem_strdup(json_path_cstr(v, "name")),
        .plural = mem_strdup(json_path_cstr(spec, "names.plural")),
        .kind = mem_strdup(json_path_cstr(spec, "names.kind")),
        .namespaced = str_is(json_path_str(spec, "scope"), "Namespaced"),
        .graph = g,
    };
    if (!n->definition || !n->group || !n->version || !n->plural || !n->kind ||
        listen_to(g, n) < 0) {
        forget(n);
        return;
    }
    if (n == &g->at[g->count])
        g->count++;
}

static struct graph_resource *find_defined(struct graph *g, const char *name)
{
    for (size_t i = g->fixed; i < g->count; i++)
        if (g->at[i].cache && cstr_eq(g->at[i].definition, name))
            return &g->at[i];
    return NULL;
}

static void on_definition(void *ctx, struct object *old, struct object *new)
{
    struct graph *g = ctx;
    struct arena a CLEANUP_ARENA;
    const char *name = (new ? new : old)->name;
    struct graph_resource *r = find_defined(g, name);
    arena_init(&a, (size_t)64 * 1024 * 1024);
    const struct json *definition = new ? object_json(new, &a) : NULL;
    const struct json *v = definition ? served_version(definition) : NULL;
    bool wanted_now = definition && v && established(definition);
    if (r && (!wanted_now || !cstr_eq(r->version, json_path_cstr(v, "name")))) {
        forget(r);
        r = NULL;
    }
    if (!r && wanted_now)
        add_defined(g, name, definition);
}

static int watch_definitions(struct graph *g, struct ctl_unit *u)
{
    struct cache_handlers h = {.changed = on_definition};
    int rc = cache_set_get(u->ctl->caches,
                           "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &g->definitions);
    return rc ? rc : cache_listen(g->definitions, &h, g, &g->definitions_listener);
}

int graph_init(struct graph *g, struct ctl_unit *u,
               void (*changed)(void *ctx, struct graph_resource *r, struct object *old,
                               struct object *new),
               void *ctx)
{
    *g = (struct graph){.changed = changed, .ctx = ctx, .unit = u};
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
    g->fixed = g->count;
    int rc = watch_definitions(g, u);
    if (rc < 0)
        graph_done(g);
    return rc;
}

void graph_done(struct graph *g)
{
    if (g->definitions_listener)
        cache_unlisten(g->definitions_listener);
    g->definitions_listener = NULL;
    for (size_t i = 0; i < g->count; i++)
        if (g->at[i].definition)
            forget(&g->at[i]);
        else if (g->at[i].listener)
            cache_unlisten(g->at[i].listener);
    g->count = 0;
}

bool graph_synced(const struct graph *g)
{
    if (!cache_synced(g->definitions))
        return false;
    for (size_t i = 0; i < g->count; i++)
        if (g->at[i].cache && !cache_synced(g->at[i].cache))
            return false;
    return true;
}

struct graph_resource *graph_find(struct graph *g, const char *api_version, const char *kind)
{
    struct str rest = str_of(api_version), group = {0};
    if (str_find_byte(rest, '/') >= 0)
        str_split(&rest, '/', &group);
    for (size_t i = 0; i < g->count; i++)
        if (g->at[i].cache && cstr_eq(g->at[i].kind, kind) && str_is(group, g->at[i].group))
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
    if (!str_split(&rest, '/', &index) || str_to_u64(index, &i) < 0 || i >= g->count || !g->at[i].cache || !rest.p)
        return -E_SYNTAX;
    *ret_resource = &g->at[i];
    return controller_key(a, rest.p, ret_ns, ret_name);
}

char *graph_path(struct arena *a, const struct graph_resource *r, const char *ns, const char *name)
{
    return client_path(a, r->group, r->version, ns, r->plural, name, NULL);
}
