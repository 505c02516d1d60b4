/*
 * Keeps the rules in step with the objects. Changes are gathered for a moment, so that a rollout
 * costs a few transactions and not one for each event; while the runtime works on one table the
 * next one waits. See proxy.h.
 */
#include "proxy/proxy.h"

#include "base/log.h"
#include "proxy/table.h"

enum { GATHER_MS = 20, APART_MS = 100, RETRY_MS = 1000, TABLE_BYTES = 256 * 1024 * 1024 };

struct proxy {
    struct proxy_options o;
    struct cache *services, *slices;
    struct cache_listener *service_listener, *slice_listener;
    struct loop_timer timer;
    struct arena arena; /* of the table being applied */
    bool dirty, applying;
    int64_t last_ms;
};

#define LABEL_SERVICE "kubernetes.io/service-name"

static void schedule(struct proxy *p)
{
    int64_t since = loop_now_ms(p->o.client->loop) - p->last_ms;
    p->dirty = true;
    if (!p->applying && !loop_timer_armed(&p->timer))
        loop_timer_set(p->o.client->loop, &p->timer, since > APART_MS ? GATHER_MS : APART_MS - since);
}

static void changed(void *ctx, struct object *old, struct object *new)
{
    (void)old;
    (void)new;
    schedule(ctx);
}

static void synced(void *ctx)
{
    schedule(ctx);
}

/* "ns/service" */
static void index_service(const struct json *tree, void (*emit)(void *, const char *), void *arg)
{
    struct buf key CLEANUP_BUF;
    struct str service = json_str(json_get(json_path(tree, "metadata.labels"), LABEL_SERVICE));
    buf_init(&key, 1024);
    buf_append_str(&key, json_path_str(tree, "metadata.namespace"));
    buf_putc(&key, '/');
    buf_append_str(&key, service);
    if (service.n && !key.failed)
        emit(arg, buf_cstr(&key));
}

enum { MAX_SLICES = 1000 };

struct build {
    struct proxy *proxy;
    struct table_input in;
    const struct json *slices[MAX_SLICES];
    size_t slice_count;
    int rc;
};

static bool take_slice(void *ctx, struct object *o)
{
    struct build *b = ctx;
    struct json *tree = object_json(o, &b->proxy->arena);
    if (!tree)
        b->rc = -E_NOMEM;
    else if (b->slice_count < MAX_SLICES)
        b->slices[b->slice_count++] = tree;
    return tree != NULL;
}

static bool take_service(void *ctx, struct object *o)
{
    struct build *b = ctx;
    struct json *service = object_json(o, &b->proxy->arena);
    char *key = arena_printf(&b->proxy->arena, "%s/%s", o->namespace, o->name);
    if (!service || !key) {
        b->rc = -E_NOMEM;
        return false;
    }
    b->slice_count = 0;
    cache_index_each(b->proxy->slices, "service", key, take_slice, b);
    if (b->rc == 0)
        b->rc = table_add(&b->in, service, b->slices, b->slice_count);
    return b->rc == 0;
}

static void on_applied(void *ctx, const struct runtime_result *r)
{
    struct proxy *p = ctx;
    p->applying = false;
    arena_clear(&p->arena);
    if (r->rc < 0) {
        log_err("service rules: %s", r->message);
        p->dirty = true;
        loop_timer_set(p->o.client->loop, &p->timer, RETRY_MS);
    } else if (p->dirty) {
        schedule(p);
    }
}

static void apply(void *ctx)
{
    struct proxy *p = ctx;
    if (!cache_synced(p->services) || !cache_synced(p->slices) || p->applying)
        return; /* synced and on_applied come back here */
    CLEANUP_FREE struct build *b = mem_zalloc(sizeof *b);
    if (!b) {
        loop_timer_set(p->o.client->loop, &p->timer, RETRY_MS);
        return;
    }
    b->proxy = p;
    b->in = (struct table_input){
        .arena = &p->arena, .node_name = p->o.node_name, .dns_addr = p->o.dns_addr};
    cache_each(p->services, take_service, b);
    if (b->rc < 0) {
        log_err("service rules: %s", err_text(b->rc));
        arena_clear(&p->arena);
        loop_timer_set(p->o.client->loop, &p->timer, RETRY_MS);
        return;
    }
    struct rules_table t = {.services = b->in.services,
                            .service_count = b->in.service_count,
                            .pod_cidr = p->o.pod_cidr,
                            .pod_prefix_len = p->o.pod_prefix_len};
    p->dirty = false;
    p->applying = true;
    p->last_ms = loop_now_ms(p->o.client->loop);
    p->o.runtime->ops->rules_apply(p->o.runtime->self, &t, on_applied, p);
}

void proxy_resync(struct proxy *p)
{
    p->applying = false;
    schedule(p);
}

int proxy_new(const struct proxy_options *o, struct proxy **ret_proxy)
{
    struct proxy *p = mem_zalloc(sizeof *p);
    struct cache_handlers h = {changed, synced};
    if (!p)
        return -E_NOMEM;
    p->o = *o;
    arena_init(&p->arena, TABLE_BYTES);
    loop_timer_init(&p->timer, apply, p);
    int rc = cache_new(o->client, "/api/v1/services", NULL, NULL, &p->services);
    if (rc == 0)
        rc = cache_new(o->client, "/apis/discovery.k8s.io/v1/endpointslices", NULL, NULL, &p->slices);
    if (rc == 0)
        rc = cache_index_add(p->slices, "service", index_service);
    if (rc == 0)
        rc = cache_listen(p->services, &h, p, &p->service_listener);
    if (rc == 0)
        rc = cache_listen(p->slices, &h, p, &p->slice_listener);
    if (rc < 0) {
        proxy_free(p);
        return rc;
    }
    *ret_proxy = p;
    return 0;
}

void proxy_free(struct proxy *p)
{
    if (!p)
        return;
    loop_timer_cancel(p->o.client->loop, &p->timer);
    cache_free(p->services);
    cache_free(p->slices);
    arena_done(&p->arena);
    mem_free(p);
}
