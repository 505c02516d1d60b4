#include "api/aggregate/aggregate.h"
#include "api/local.h"

#define PREFIX     "/apiregistration.k8s.io/apiservices/"
#define DEFINITIONS "/apiextensions.k8s.io/customresourcedefinitions/"
#define PREFIX_END "/apiregistration.k8s.io/apiservices0"

enum { AGGREGATE_BYTES = 4 * 1024 * 1024 };

struct aggregates {
    struct api *api;
    struct list all, dead;
    struct store_watch *watch, *definitions; /* APIServices; CustomResourceDefinitions */
    bool stale, unregistered, has_client;
    struct client client;
    struct loop_timer bury;
};

/* ---- life ---- */

static void destroy(struct aggregate *g)
{
    if (g->tls)
        tls_context_free(g->tls);
    arena_done(&g->served);
    arena_done(&g->arena);
    mem_free(g);
}

static void bury(void *ctx)
{
    struct aggregates *a = ctx;
    struct aggregate *g, *next;
    LIST_EACH_SAFE(g, next, &a->dead, link) {
        list_remove(&g->link);
        destroy(g);
    }
}

struct aggregate *aggregate_ref(struct aggregate *g)
{
    g->refs++;
    return g;
}

/* Maybe within a callback of one of its own connections: freed by the loop. */
void aggregate_unref(struct aggregate *g)
{
    if (!g || --g->refs)
        return;
    list_remove(&g->link);
    if (!g->owner) {
        destroy(g);
        return;
    }
    list_push_back(&g->owner->dead, &g->link);
    loop_timer_set(g->owner->api->loop, &g->owner->bury, 0);
}

static void changed(void *ctx, const struct store_event *e)
{
    struct aggregates *a = ctx;
    (void)e;
    a->stale = a->unregistered = true;
}

static void defined(void *ctx, const struct store_event *e)
{
    struct aggregates *a = ctx;
    (void)e;
    a->unregistered = true;
}

int aggregates_new(struct api *api)
{
    struct aggregates *a = mem_zalloc(sizeof *a);
    if (!a)
        return -E_NOMEM;
    a->api = api;
    a->stale = a->unregistered = true;
    list_init(&a->all);
    list_init(&a->dead);
    loop_timer_init(&a->bury, bury, a);
    api->aggregates = a;
    int rc = store_watch_new(api->store, STR(PREFIX), store_revision(api->store), changed, a,
                             &a->watch);
    return rc < 0 ? rc
                  : store_watch_new(api->store, STR(DEFINITIONS), store_revision(api->store),
                                    defined, a, &a->definitions);
}

void aggregates_free(struct api *api)
{
    struct aggregates *a = api->aggregates;
    struct aggregate *g, *next;
    if (!a)
        return;
    if (a->watch)
        store_watch_free(a->watch);
    if (a->definitions)
        store_watch_free(a->definitions);
    LIST_EACH_SAFE(g, next, &a->all, link) {
        check_stop(g);
        list_remove(&g->link);
        g->owner = NULL;
        aggregate_unref(g);
    }
    if (a->has_client)
        a->client.ops->close(a->client.self);
    loop_timer_cancel(api->loop, &a->bury);
    bury(a);
    mem_free(a);
    api->aggregates = NULL;
}

/* ---- from the store ---- */

static struct aggregate *by_name(struct aggregates *a, struct str name)
{
    struct aggregate *g;
    LIST_EACH(g, &a->all, link)
        if (str_is(name, g->name))
            return g;
    return NULL;
}

static struct str decoded(struct arena *a, struct str text)
{
    size_t n = 0;
    char *bytes = arena_alloc(a, text.n + 4);
    if (!bytes || base64_decode(bytes, &n, text) < 0)
        return STR("");
    return str_make(bytes, n);
}

static struct aggregate *make(struct aggregates *a, const struct json *object, struct str place)
{
    struct aggregate *g = mem_zalloc(sizeof *g);
    if (!g)
        return NULL;
    arena_init(&g->arena, AGGREGATE_BYTES);
    arena_init(&g->served, AGGREGATE_BYTES);
    const struct json *s = json_clone(&g->arena, json_get(object, "spec"));
    g->refs = 1;
    g->owner = a;
    g->name = arena_strdup(&g->arena, json_path_cstr(object, "metadata.name"));
    g->group = json_path_cstr(s, "group");
    g->version = json_path_cstr(s, "version");
    g->ns = json_path_str(s, "service.namespace");
    g->service = json_path_str(s, "service.name");
    g->port = json_path_i64(s, "service.port", 443);
    g->insecure = json_path_bool(s, "insecureSkipTLSVerify", false);
    g->ca_pem = decoded(&g->arena, json_path_str(s, "caBundle"));
    g->place = arena_str(&g->arena, place);
    list_init(&g->link);
    if (!g->arena.failed)
        return g;
    destroy(g);
    return NULL;
}

/* What a change of makes it another server; priorities do not. */
static void put_place(struct buf *out, const struct json *spec)
{
    static const char *const parts[] = {"service", "caBundle", "insecureSkipTLSVerify", "group",
                                        "version"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const struct json *part = json_get(spec, parts[i]);
        if (part)
            json_write(out, part);
        buf_putc(out, '\n');
    }
}

static bool read_one(void *ctx, struct store_value *v)
{
    struct aggregates *a = ctx;
    struct arena work CLEANUP_ARENA;
    struct buf place CLEANUP_BUF;
    struct json *o;
    arena_init(&work, AGGREGATE_BYTES);
    buf_init(&place, AGGREGATE_BYTES);
    if (json_parse(&work, store_value_bytes(v), NULL, &o, NULL) < 0 ||
        !json_is(json_path(o, "spec.service"), JSON_OBJECT))
        return true;
    put_place(&place, json_get(o, "spec"));
    struct aggregate *g = by_name(a, json_path_str(o, "metadata.name"));
    if (g && !str_eq(g->place, buf_str(&place))) {
        check_stop(g);
        aggregate_unref(g); /* requests under way end as they began */
        g = NULL;
    }
    if (!g && (g = make(a, o, buf_str(&place))))
        list_push_back(&a->all, &g->link);
    if (g)
        g->seen = true;
    return true;
}

static void refresh(struct aggregates *a)
{
    struct aggregate *g, *next;
    struct store_snapshot *snap;
    if (!a->stale || store_snapshot_take(a->api->store, &snap) < 0)
        return;
    a->stale = false;
    LIST_EACH(g, &a->all, link)
        g->seen = false;
    store_snapshot_range(snap, STR(PREFIX), STR(PREFIX_END), read_one, a);
    store_snapshot_release(snap);
    LIST_EACH_SAFE(g, next, &a->all, link)
        if (!g->seen) {
            check_stop(g);
            list_remove(&g->link);
            aggregate_unref(g);
        }
}

struct aggregate *aggregate_find(struct api *api, struct str group, struct str version)
{
    struct aggregate *g;
    refresh(api->aggregates);
    LIST_EACH(g, &api->aggregates->all, link)
        if (str_is(group, g->group) && str_is(version, g->version))
            return g;
    return NULL;
}

struct list *aggregates_all(struct api *api)
{
    refresh(api->aggregates);
    return &api->aggregates->all;
}

struct client *aggregates_client(struct api *api)
{
    static const char *const groups[] = {"system:masters", NULL};
    struct aggregates *a = api->aggregates;
    if (!a->has_client && api_local_client(api, "system:kube-aggregator", groups, &a->client) == 0)
        a->has_client = true;
    return a->has_client ? &a->client : NULL;
}

void aggregates_tick(struct api *api)
{
    struct aggregate *g, *next;
    int64_t now = loop_now_ms(api->loop);
    refresh(api->aggregates);
    LIST_EACH_SAFE(g, next, &api->aggregates->all, link)
        check_due(g, now);
    if (api->aggregates->unregistered && api->ready) {
        api->aggregates->unregistered = false;
        own_register(api);
    }
}

/* For the others of this folder, which know an aggregate and not its owner. */
struct api *aggregate_api(const struct aggregate *g)
{
    return g->owner ? g->owner->api : NULL;
}
