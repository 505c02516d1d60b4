/*
 * ResourceQuotas: status.hard follows spec.hard, and status.used is counted anew when spec changes
 * and when something counted goes or shrinks (what comes or grows is charged by admission).
 *
 * Counting asks the API itself, not the caches: a list is at least as new as the quota that was
 * read before it, and the status is written only if the quota is still the same. Every charge
 * changes the quota, so a count that misses an object is never written. One count of a quota is
 * under way at a time.
 *
 * Source: kubernetes.io, "Resource Quotas".
 */
#include "base/limits.h"
#include "ctl/graph.h"
#include "quota/quota.h"

#define METADATA "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

enum {
    COUNTS_MOST = 16,
    LATER_MS = 50,
    RESYNC_MS = 5 * 60 * 1000,
    WHOLE = 4,
    COUNTED_A_MS = 20,
    CHUNK = 500
};

struct quota_unit {
    struct ctl_unit unit;
    struct cache *quotas;
    struct cache *whole[WHOLE]; /* caches of resources whose objects are looked into */
    struct graph graph;
    struct list counts;
    unsigned count_count;
    int64_t pace_ms; /* how long to wait for more changes: longer when the last count was long */
};

struct count { /* of one quota: its resources are listed one after the other */
    struct list link;
    struct quota_unit *owner;
    struct client_call *call;
    struct arena arena;
    char *key;
    const char *ns;
    struct json *spec;
    int64_t revision; /* of the quota that it is for */
    size_t at;        /* in the graph */
    struct amounts hard, used;
    size_t objects;   /* looked at */
    const char *what; /* is listed: its count/ name */
    const char *more; /* of the resource at `at`: where its list goes on; NULL: from its start */
    bool done, again; /* again: something changed meanwhile */
    int rc;
};

static void next_list(struct count *c);

static int64_t now_s(const struct quota_unit *q)
{
    return loop_realtime_ns(q->unit.client.loop) / 1000000000;
}

/* ---- counting ---- */

static void count_free(struct count *c)
{
    list_remove(&c->link);
    c->owner->count_count--;
    if (c->call)
        client_cancel(&c->owner->unit.client, c->call);
    arena_done(&c->arena);
    mem_free(c->key);
    mem_free(c);
}

static struct count *count_find(struct quota_unit *q, const char *key)
{
    struct count *c;
    LIST_EACH(c, &q->counts, link)
    if (cstr_eq(c->key, key))
        return c;
    return NULL;
}

static void count_end(struct count *c, int rc)
{
    c->owner->pace_ms = LATER_MS + (int64_t)c->objects / COUNTED_A_MS;
    c->rc = rc;
    c->done = true;
    controller_enqueue(c->owner->unit.controller, c->key);
}

static bool is_counted(const struct graph_resource *r, const struct amounts *hard)
{
    for (size_t i = 0; i < hard->count; i++)
        if (quota_counts(r->group, r->plural, hard->at[i].name))
            return true;
    return false;
}

/* What is listed without its objects' contents: only their number matters. */
static void add_number(struct count *c, const struct graph_resource *r, const struct json *list,
                       struct arena *a)
{
    struct quota_item item = {r->group, r->plural, NULL, 0};
    struct amounts one;
    amounts_init(&one, a);
    if (json_count(json_path(c->spec, "scopes")) ||
        json_count(json_path(c->spec, "scopeSelector.matchExpressions")))
        return; /* only some resources have scopes */
    quota_usage(&item, &one);
    for (size_t i = 0; i < one.count; i++)
        one.at[i].quantity =
            quantity_from_i64(json_count(json_get(list, "items")), QUANTITY_DECIMAL_SI);
    amounts_add(&c->used, &one);
}

static int add_list(struct count *c, const struct graph_resource *r, struct str body)
{
    struct arena a CLEANUP_ARENA;
    struct json *list;
    arena_init(&a, (size_t)256 * 1024 * 1024);
    int rc = json_parse(&a, body, &json_options_trusted, &list, NULL);
    if (rc < 0)
        return rc;
    const char *more = json_path_cstr(list, "metadata.continue");
    c->more = more[0] ? arena_strdup(&c->arena, more) : NULL;
    c->objects += json_count(json_get(list, "items"));
    if (!quota_needs_object(r->group, r->plural)) {
        add_number(c, r, list, &a);
        return a.failed ? -E_NOMEM : 0;
    }
    for (const struct json *o = json_first(json_get(list, "items")); o; o = o->next) {
        struct quota_item item = {r->group, r->plural, o, now_s(c->owner)};
        struct amounts one;
        amounts_init(&one, &a);
        if (!quota_in_scope(c->spec, &item))
            continue;
        quota_usage(&item, &one);
        amounts_add(&c->used, &one);
    }
    return a.failed || c->arena.failed ? -E_NOMEM : 0;
}

static void on_list(void *ctx, const struct client_reply *reply)
{
    struct count *c = ctx;
    const struct graph_resource *r = &c->owner->graph.at[c->at];
    c->call = NULL;
    int rc = reply->rc == -E_NOT_FOUND ? 0 : reply->rc; /* no longer served: nothing is there */
    /* Definitions may have come and gone since it was asked. */
    c->more = NULL;
    const char *now = r->cache ? quota_count_name(&c->arena, r->group, r->plural) : "";
    if (reply->rc == 0)
        rc = now && cstr_eq(now, c->what) ? add_list(c, r, reply->body) : -E_CONFLICT;
    if (rc < 0) {
        count_end(c, rc);
        return;
    }
    if (!c->more)
        c->at++;
    next_list(c);
}

static void next_list(struct count *c)
{
    struct graph *g = &c->owner->graph;
    while (!c->more && c->at < g->count &&
           !(g->at[c->at].cache && g->at[c->at].namespaced && is_counted(&g->at[c->at], &c->hard)))
        c->at++;
    if (c->at == g->count) {
        count_end(c, c->arena.failed ? -E_NOMEM : 0);
        return;
    }
    const struct graph_resource *r = &g->at[c->at];
    bool whole = quota_needs_object(r->group, r->plural);
    char *path = client_path(&c->arena, r->group, r->version, c->ns, r->plural, NULL, NULL);
    c->what = quota_count_name(&c->arena, r->group, r->plural);
    if (path) /* metadata is some twenty times smaller */
        path = arena_printf(&c->arena, "%s?limit=%d%s%s", path, whole ? CHUNK : 20 * CHUNK,
                            c->more ? "&continue=" : "", c->more ? c->more : "");
    struct client_request q = {.method = "GET", .path = path, .accept = whole ? NULL : METADATA};
    int rc = path ? client_do(&c->owner->unit.client, &q, on_list, c, &c->call) : -E_NOMEM;
    if (rc < 0)
        count_end(c, rc);
}

static int count_new(struct quota_unit *q, const char *key, const struct object *o)
{
    struct count *c = mem_zalloc(sizeof *c);
    if (!c)
        return -E_NOMEM;
    list_push_back(&q->counts, &c->link);
    q->count_count++;
    c->owner = q;
    c->key = mem_strdup(key);
    c->revision = o->resource_version;
    arena_init(&c->arena, LIMIT_RECONCILE_ARENA);
    struct json *tree = object_json(o, &c->arena);
    c->spec = json_get(tree, "spec");
    c->ns = arena_strdup(&c->arena, o->namespace);
    amounts_init(&c->hard, &c->arena);
    amounts_init(&c->used, &c->arena);
    amounts_read(&c->hard, json_get(c->spec, "hard"));
    if (!c->key || c->arena.failed) {
        count_free(c);
        return -E_NOMEM;
    }
    next_list(c);
    return 0;
}

/* ---- the status ---- */

/* What is bounded and counted by some resource, at least as 0. */
static struct amounts used_of(struct count *c, struct arena *a)
{
    struct amounts used;
    amounts_init(&used, a);
    for (size_t i = 0; i < c->hard.count; i++) {
        struct str name = c->hard.at[i].name;
        const struct amount *have = amounts_get(&c->used, name);
        struct quantity none = quantity_from_i64(0, QUANTITY_DECIMAL_SI);
        bool counted = have != NULL;
        for (size_t k = 0; k < c->owner->graph.count && !counted; k++)
            counted = c->owner->graph.at[k].cache &&
                      quota_counts(c->owner->graph.at[k].group, c->owner->graph.at[k].plural, name);
        if (counted)
            amounts_set(&used, name, have ? &have->quantity : &none);
    }
    return used;
}

static bool same(const struct amounts *a, const struct amounts *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!str_eq(a->at[i].name, b->at[i].name) ||
            quantity_cmp(&a->at[i].quantity, &b->at[i].quantity) != 0)
            return false;
    return true;
}

static void write_status(struct quota_unit *q, struct count *c, struct arena *a, struct plan *p,
                         struct json *tree)
{
    struct amounts hard, used, now = used_of(c, a);
    const struct json *status = json_get(tree, "status");
    amounts_init(&hard, a);
    amounts_init(&used, a);
    amounts_read(&hard, json_get(status, "hard"));
    amounts_read(&used, json_get(status, "used"));
    bool bounds_same = json_get(status, "hard") && same(&hard, &c->hard);
    if (bounds_same && json_get(status, "used") && same(&used, &now))
        return;
    struct json *fresh = json_new(a, JSON_OBJECT);
    json_set(a, fresh, "hard", amounts_write(&c->hard, a));
    json_set(a, fresh, "used", amounts_write(&now, a));
    json_set(a, tree, "status", fresh);
    char *path = ctl_object_path(a, NULL, "v1", "resourcequotas", tree, "status");
    if (path)
        plan_update(p, path, tree, q->quotas);
    /* Until the new bounds stand nothing is charged to them: what came since is counted now. */
    if (!bounds_same)
        plan_requeue(p, LATER_MS);
}

static int reconcile(void *ctx, const char *key, struct arena *a, struct plan *p, struct err *err)
{
    struct quota_unit *q = ctx;
    struct count *c = count_find(q, key);
    const char *ns, *name;
    int rc = controller_key(a, key, &ns, &name);
    if (rc < 0)
        return err_set(err, -rc, "key: %s", err_text(rc));
    struct object *o = cache_get(q->quotas, ns, name);
    if (c && !c->done) {
        c->again = true;
        return 0;
    }
    if (!o || !graph_synced(&q->graph)) {
        if (c)
            count_free(c);
        if (o)
            plan_requeue(p, LATER_MS * 4);
        return 0;
    }
    if (!c || c->rc < 0 || c->revision != o->resource_version) {
        rc = c ? c->rc : 0;
        if (c)
            count_free(c);
        if (rc < 0)
            return err_set(err, -rc, "counting: %s", err_text(rc));
        if (q->count_count < COUNTS_MOST)
            return count_new(q, key, o);
        plan_requeue(p, LATER_MS * 4);
        return 0;
    }
    struct json *tree = object_json(o, a);
    if (!tree)
        return -E_NOMEM;
    write_status(q, c, a, p, tree);
    if (c->again)
        plan_requeue(p, q->pace_ms);
    count_free(c);
    plan_requeue(p, RESYNC_MS);
    return 0;
}

/* ---- what makes a quota be counted anew ---- */

static void quota_changed(void *unit, struct object *old, struct object *new)
{
    struct quota_unit *q = unit;
    struct arena a CLEANUP_ARENA;
    arena_init(&a, LIMIT_RECONCILE_ARENA);
    if (old && new) {
        struct json *was = object_json(old, &a), *now = object_json(new, &a);
        /* Charges change what is used, and nothing else. */
        if (was && now && json_equal(json_get(was, "spec"), json_get(now, "spec")) &&
            json_equal(json_path(now, "spec.hard"), json_path(now, "status.hard")))
            return;
    }
    controller_enqueue_object(q->unit.controller, new ? new : old);
}

struct replenish {
    struct quota_unit *unit;
    const char *group, *plural;
    const struct json *old, *new; /* NULL: all quotas that count it */
    struct arena *arena;
};

/* Does the quota count less, or more, of the object now? */
static bool differs(const struct replenish *w, const struct json *spec)
{
    struct quota_item old = {w->group, w->plural, w->old, now_s(w->unit)}, now = old;
    struct amounts was, is;
    now.object = w->new;
    if (quota_in_scope(spec, &old) != quota_in_scope(spec, &now))
        return true;
    amounts_init(&was, w->arena);
    amounts_init(&is, w->arena);
    quota_usage(&old, &was);
    quota_usage(&now, &is);
    return !same(&was, &is);
}

static bool replenish_one(void *ctx, struct object *o)
{
    struct replenish *w = ctx;
    const struct json *spec = json_get(object_json(o, w->arena), "spec");
    struct amounts hard;
    amounts_init(&hard, w->arena);
    amounts_read(&hard, json_get(spec, "hard"));
    for (size_t i = 0; i < hard.count; i++) {
        if (!quota_counts(w->group, w->plural, hard.at[i].name))
            continue;
        char *key = arena_printf(w->arena, "%s/%s", o->namespace, o->name);
        if (key && (!w->old || differs(w, spec)))
            controller_enqueue_after(w->unit->unit.controller, key, w->unit->pace_ms);
        break;
    }
    return true;
}

static void replenish(struct quota_unit *q, const char *group, const char *plural,
                      struct object *old, struct object *new)
{
    struct arena a CLEANUP_ARENA;
    struct replenish w = {.unit = q, .group = group, .plural = plural, .arena = &a};
    arena_init(&a, LIMIT_RECONCILE_ARENA);
    if (!cache_count(q->quotas) || !old)
        return;
    w.old = new ? object_json(old, &a) : NULL;
    w.new = new ? object_json(new, &a) : NULL;
    cache_index_each(q->quotas, "namespace", old->namespace, replenish_one, &w);
}

/* Of all that is counted by number: only that it goes matters. */
static void any_changed(void *ctx, struct graph_resource *r, struct object *old, struct object *new)
{
    if (!new && r->namespaced && !quota_needs_object(r->group, r->plural))
        replenish(ctx, r->group, r->plural, old, new);
}

static void pod_changed(void *unit, struct object *old, struct object *new)
{
    replenish(unit, "", "pods", old, new);
}

static void service_changed(void *unit, struct object *old, struct object *new)
{
    replenish(unit, "", "services", old, new);
}

static void claim_changed(void *unit, struct object *old, struct object *new)
{
    replenish(unit, "", "persistentvolumeclaims", old, new);
}

static void device_changed(void *unit, struct object *old, struct object *new)
{
    replenish(unit, "resource.k8s.io", "resourceclaims", old, new);
}

/* ---- wiring ---- */

static void done(struct ctl_unit *u)
{
    struct quota_unit *q = (struct quota_unit *)u;
    while (!list_empty(&q->counts))
        count_free(LIST_FIRST(&q->counts, struct count, link));
    graph_done(&q->graph);
}

int resource_quota_start(struct ctl *c)
{
    static const struct {
        const char *path;
        void (*changed)(void *unit, struct object *old, struct object *new);
    } whole[WHOLE] = {{"/api/v1/pods", pod_changed},
                      {"/api/v1/services", service_changed},
                      {"/api/v1/persistentvolumeclaims", claim_changed},
                      {"/apis/resource.k8s.io/v1/resourceclaims", device_changed}};
    struct ctl_unit *u;
    int rc = ctl_unit_new(c, sizeof(struct quota_unit), "resource-quota", reconcile, &u);
    if (rc < 0)
        return rc;
    struct quota_unit *q = (struct quota_unit *)u;
    list_init(&q->counts);
    q->pace_ms = LATER_MS;
    u->done = done;
    rc = ctl_unit_listen(u, "/api/v1/resourcequotas", quota_changed, &q->quotas);
    if (rc == 0)
        rc = cache_index_add(q->quotas, "namespace", cache_index_namespace);
    for (size_t i = 0; i < WHOLE && rc == 0; i++)
        rc = ctl_unit_listen(u, whole[i].path, whole[i].changed, &q->whole[i]);
    return rc < 0 ? rc : graph_init(&q->graph, u, any_changed, q);
}
