/*
 * What follows when definitions change or go: watches of what is not served any more end, the
 * objects of a deleted definition are deleted before it, and names that became free are given to
 * who asked for them. The store tells of changes; a tick each second finds objects that their
 * finalizers let go of.
 */
#include "api/crd/crd.h"

#include "api/local.h"
#include "base/mem.h"
#include "codec/time.h"

enum { BATCH = 128, OBJECT_ARENA = 64 * 1024 * 1024 };

struct crd_cleanup {
    struct api *api; /* NULL: gone while the store works */
    struct store_watch *watch;
    struct loop_timer timer;
    bool changed, in_store, more, has_client;
    struct client client;
    struct arena arena; /* of one command */
    struct store_compare compares[BATCH];
    struct store_op ops[BATCH];
    size_t count;
    size_t left; /* objects that are still there */
};

static void done(struct crd_cleanup *c)
{
    arena_done(&c->arena);
    mem_free(c);
}

static void soon(struct crd_cleanup *c)
{
    loop_timer_set(c->api->loop, &c->timer, 0);
}

static void on_definition(void *ctx, const struct store_event *e)
{
    struct crd_cleanup *c = ctx;
    (void)e;
    c->changed = true;
    soon(c);
}

/* ---- watches ---- */

static void end_stale_watches(struct api *api)
{
    struct api_request *r, *next;
    LIST_EACH_SAFE(r, next, &api->requests, link)
    {
        if (!r->watch || !r->crd)
            continue;
        struct crd *now = crd_get(api, str_of(r->crd->group), r->url.resource);
        if (now != r->crd) {
            request_enter(r);
            request_end(r);
            request_leave(r);
        }
        crd_unref(now);
    }
}

/* ---- objects of a deleted definition ---- */

static void on_stored(void *ctx, const struct store_result *result)
{
    struct crd_cleanup *c = ctx;
    c->in_store = false;
    arena_clear(&c->arena);
    if (!c->api)
        done(c);
    else if (result->rc == 0 || result->rc == -E_CONFLICT)
        soon(c);
}

static void put(struct crd_cleanup *c, struct store_value *v, struct str value)
{
    struct str key = arena_str(&c->arena, store_value_key(v));
    if (!key.p)
        return;
    c->compares[c->count] =
        (struct store_compare){STORE_COMPARE_MOD_REVISION, key, v->mod_revision};
    c->ops[c->count++] = (struct store_op){.is_delete = !value.p, .key = key, .value = value};
}

static struct str encoded(struct crd_cleanup *c, const struct json *object)
{
    struct buf out CLEANUP_BUF;
    buf_init(&out, LIMIT_OBJECT_BYTES);
    json_write(&out, object);
    return out.failed ? (struct str){NULL, 0} : arena_str(&c->arena, buf_str(&out));
}

/* Something holds it: it is only marked, once. */
static void mark(struct crd_cleanup *c, struct store_value *v, struct json *object)
{
    struct json *meta = json_get(object, "metadata");
    char now[TIME_TEXT];
    if (!json_absent(json_get(meta, "deletionTimestamp")))
        return;
    time_format(api_now_us(c->api), now);
    json_set_cstr(&c->arena, meta, "deletionTimestamp", now);
    json_set_i64(&c->arena, meta, "deletionGracePeriodSeconds", 0);
    json_set_i64(&c->arena, meta, "generation", json_path_i64(meta, "generation", 0) + 1);
    struct str text = encoded(c, object);
    if (text.p)
        put(c, v, text);
}

static bool delete_object(void *ctx, struct store_value *v)
{
    struct crd_cleanup *c = ctx;
    struct json *object;
    c->left++;
    if (c->count == BATCH || json_parse(&c->arena, store_value_bytes(v), NULL, &object, NULL) < 0) {
        c->more = true;
        return false;
    }
    if (json_count(json_path(object, "metadata.finalizers")))
        mark(c, v, object);
    else
        put(c, v, (struct str){NULL, 0});
    return true;
}

/* The definition itself, once nothing is left of it. */
static void release(struct crd_cleanup *c, struct store_value *v, struct json *definition)
{
    struct json *meta = json_get(definition, "metadata"), *list = json_get(meta, "finalizers");
    uint32_t i = 0;
    for (struct json *m = json_first(list); m; m = m->next, i++)
        if (str_is(json_str(m), CRD_FINALIZER)) {
            json_remove_at(list, i);
            break;
        }
    if (!json_count(list)) {
        put(c, v, (struct str){NULL, 0});
        return;
    }
    struct str text = encoded(c, definition);
    if (text.p)
        put(c, v, text);
}

static bool is_ours(const struct json *definition)
{
    const struct json *list = json_path(definition, "metadata.finalizers");
    if (json_absent(json_path(definition, "metadata.deletionTimestamp")))
        return false;
    for (const struct json *m = json_first(list); m; m = m->next)
        if (str_is(json_str(m), CRD_FINALIZER))
            return true;
    return false;
}

static void delete_objects(struct crd_cleanup *c, struct store_snapshot *snap,
                           struct store_value *v, struct json *definition)
{
    const char *group = json_path_cstr(definition, "spec.group"),
               *plural = json_path_cstr(definition, "spec.names.plural");
    const char *from = arena_printf(&c->arena, "/%s/%s/", group, plural),
               *to = arena_printf(&c->arena, "/%s/%s0", group, plural);
    c->left = 0;
    if (!from || !to)
        return;
    store_snapshot_range(snap, str_of(from), str_of(to), delete_object, c);
    if (!c->left)
        release(c, v, definition);
}

/* ---- names ---- */

static void ignore_reply(void *ctx, const struct client_reply *r)
{
    (void)ctx;
    (void)r;
}

/* An empty patch makes the definition be looked at again. */
static void ask_again(struct crd_cleanup *c, const char *name)
{
    static const char *const groups[] = {"system:masters", NULL};
    struct client_call *call;
    const char *path = arena_printf(&c->arena, "/apis/" CRD_GROUP "/v1/" CRD_RESOURCE "/%s", name);
    if (!c->has_client &&
        api_local_client(c->api, "system:apiserver", groups, &c->client) < 0)
        return;
    c->has_client = true;
    struct client_request q = {.method = "PATCH",
                               .path = path,
                               .content_type = "application/merge-patch+json",
                               .body = STR("{}")};
    if (path && client_do(&c->client, &q, ignore_reply, c, &call) < 0)
        c->changed = true;
}

static bool names_refused(const struct json *definition)
{
    const struct json *list = json_path(definition, "status.conditions");
    for (const struct json *m = json_first(list); m; m = m->next)
        if (str_is(json_path_str(m, "type"), "NamesAccepted"))
            return str_is(json_path_str(m, "status"), "False");
    return json_absent(json_path(definition, "metadata.deletionTimestamp"));
}

/* ---- all of them ---- */

struct round {
    struct crd_cleanup *c;
    struct store_snapshot *snap;
    bool names;
};

static bool look_at(void *ctx, struct store_value *v)
{
    struct round *x = ctx;
    struct json *definition;
    if (x->c->count >= BATCH - 1)
        return false;
    if (json_parse(&x->c->arena, store_value_bytes(v), NULL, &definition, NULL) < 0)
        return true;
    if (is_ours(definition))
        delete_objects(x->c, x->snap, v, definition);
    else if (x->names && names_refused(definition))
        ask_again(x->c, json_path_cstr(definition, "metadata.name"));
    return true;
}

static void work(struct crd_cleanup *c, bool names)
{
    struct round x = {.c = c, .names = names};
    if (c->in_store || store_snapshot_take(c->api->store, &x.snap) < 0)
        return;
    c->count = 0;
    c->more = false;
    store_snapshot_range(x.snap, STR("/" CRD_GROUP "/" CRD_RESOURCE "/"),
                         STR("/" CRD_GROUP "/" CRD_RESOURCE "0"), look_at, &x);
    store_snapshot_release(x.snap);
    if (!c->count) {
        arena_clear(&c->arena);
        return;
    }
    c->in_store = true;
    if (store_txn(c->api->store, c->compares, c->count, c->ops, c->count, on_stored, c) < 0) {
        c->in_store = false;
        arena_clear(&c->arena);
    }
}

static void on_timer(void *ctx)
{
    struct crd_cleanup *c = ctx;
    bool changed = c->changed;
    if (c->in_store)
        return; /* its answer comes back here */
    c->changed = false;
    if (changed)
        end_stale_watches(c->api);
    work(c, changed);
}

void crd_cleanup_tick(struct api *api)
{
    struct crd_cleanup *c = api->crd_cleanup;
    if (!c->watch && store_watch_new(api->store, STR("/" CRD_GROUP "/" CRD_RESOURCE "/"),
                                     store_revision(api->store), on_definition, c, &c->watch) == 0)
        c->changed = true;
    on_timer(c);
}

int crd_cleanup_new(struct api *api)
{
    struct crd_cleanup *c = mem_zalloc(sizeof *c);
    if (!c)
        return -E_NOMEM;
    api->crd_cleanup = c;
    c->api = api;
    loop_timer_init(&c->timer, on_timer, c);
    arena_init(&c->arena, OBJECT_ARENA);
    return 0;
}

void crd_cleanup_free(struct api *api)
{
    struct crd_cleanup *c = api->crd_cleanup;
    if (!c)
        return;
    api->crd_cleanup = NULL;
    loop_timer_cancel(api->loop, &c->timer);
    if (c->watch)
        store_watch_free(c->watch);
    if (c->has_client)
        c->client.ops->close(c->client.self);
    c->api = NULL;
    if (!c->in_store)
        done(c);
}
