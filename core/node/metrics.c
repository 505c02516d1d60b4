/*
 * NodeMetrics and PodMetrics of metrics.k8s.io/v1beta1: what each container uses now, for
 * `kubectl top` and autoscalers. Processor time is a rate over the time since the reading before, at
 * least ten seconds of it, or since the container's start when there is none.
 */
#include "base/limits.h"
#include "codec/selector.h"
#include "codec/time.h"
#include "node/server_int.h"

enum { SHORTEST_S = 10, DEFAULT_WINDOW_S = SHORTEST_S };
#define SECOND_NS 1000000000LL

struct reading {
    struct request *request;
    bool nodes; /* NodeMetrics, not PodMetrics */
    bool memory_known;
    bool one; /* one object, not a list */
    unsigned waiting;
    struct arena a;
    struct json *items;
    struct selector selector;
    int64_t cpu_nano, memory_bytes, window_s; /* of all */
};

struct question { /* about one container */
    struct reading *reading;
    struct pod *pod;
    char name[256], id[CONTAINER_ID_TEXT];
    struct json *item; /* the pod's */
};

static struct json *new_item(struct reading *m, const char *kind, const char *name, const struct json *metadata)
{
    char now[TIME_TEXT];
    struct json *o = json_new(&m->a, JSON_OBJECT);
    time_format(loop_realtime_ns(m->request->server->node->loop) / 1000, now);
    json_set_cstr(&m->a, o, "kind", kind);
    json_set_cstr(&m->a, o, "apiVersion", "metrics.k8s.io/v1beta1");
    json_set_path(&m->a, o, "metadata.name", json_new_cstr(&m->a, name));
    if (json_get(metadata, "namespace"))
        json_set_path(&m->a, o, "metadata.namespace", json_new_cstr(&m->a, json_path_cstr(metadata, "namespace")));
    json_set_path(&m->a, o, "metadata.creationTimestamp", json_new_cstr(&m->a, now));
    if (json_get(metadata, "labels"))
        json_set_path(&m->a, o, "metadata.labels", json_clone(&m->a, json_get(metadata, "labels")));
    json_set_cstr(&m->a, o, "timestamp", now);
    return o;
}

static void put_usage(struct reading *m, struct json *o, int64_t cpu_nano, int64_t memory_bytes)
{
    struct json *usage = json_object_at(&m->a, o, "usage");
    if (cpu_nano >= 0)
        json_set_cstr(&m->a, usage, "cpu", arena_printf(&m->a, "%lldn", (long long)cpu_nano));
    if (memory_bytes >= 0)
        json_set_cstr(&m->a, usage, "memory", arena_printf(&m->a, "%lldKi", (long long)memory_bytes / 1024));
}

static void put_window(struct reading *m, struct json *o, int64_t window_s)
{
    json_set_cstr(&m->a, o, "window", arena_printf(&m->a, "%llds", (long long)window_s));
}

static void answer(struct reading *m)
{
    struct request *q = m->request;
    struct buf out CLEANUP_BUF = {0};
    const struct json *only = json_first(m->items);
    buf_init(&out, LIMIT_REQUEST_ARENA);
    if (m->one && only) {
        json_write(&out, only);
    } else {
        buf_printf(&out, "{\"kind\":\"%s\",\"apiVersion\":\"metrics.k8s.io/v1beta1\",\"metadata\":{},\"items\":",
                   m->nodes ? "NodeMetricsList" : "PodMetricsList");
        json_write(&out, m->items);
        buf_puts(&out, "}");
    }
    if (m->a.failed || out.failed)
        request_fail(q, 500, "out of memory");
    else if (m->one && !only)
        request_fail(q, 404, "nothing is known of what it uses");
    else {
        http_reply_whole(q->http, 200, "application/json", buf_str(&out));
        q->http = NULL;
        request_free(q);
    }
}

static void finish(struct reading *m)
{
    struct request *q = m->request;
    if (m->nodes) {
        struct json *o = new_item(m, "NodeMetrics", q->server->node->o.node_name, NULL);
        put_window(m, o, m->window_s ? m->window_s : DEFAULT_WINDOW_S);
        put_usage(m, o, m->cpu_nano, m->memory_known ? m->memory_bytes : -1);
        json_append(&m->a, m->items, o);
    }
    q->busy = false;
    if (q->http)
        answer(m);
    else
        request_free(q);
    arena_done(&m->a);
    mem_free(m);
}

/* Nanoseconds of processor in a second, since a reading that is old enough, or the start. */
static int64_t rate(struct container *c, int64_t cpu_ns, int64_t now, int64_t *ret_window_s)
{
    const struct usage_reading start = {.at_ns = c->now.started_ns};
    struct usage_reading *newer = &c->usage[1], *older = &c->usage[0];
    if (newer->at_ns <= start.at_ns || newer->cpu_ns > cpu_ns) /* none of this instance */
        *newer = *older = start;
    if (now - newer->at_ns >= SHORTEST_S * SECOND_NS || newer->at_ns == start.at_ns) {
        *older = *newer;
        *newer = (struct usage_reading){now, cpu_ns};
    }
    int64_t passed = now - older->at_ns > SECOND_NS ? now - older->at_ns : SECOND_NS;
    *ret_window_s = passed / SECOND_NS;
    return (int64_t)((double)(cpu_ns - older->cpu_ns) * SECOND_NS / (double)passed);
}

static void take(struct reading *m, struct question *k, struct container *c, const struct runtime_usage *u)
{
    int64_t window_s = DEFAULT_WINDOW_S, now = loop_realtime_ns(k->pod->node->loop);
    int64_t cpu_nano = u->cpu_ns >= 0 ? rate(c, u->cpu_ns, now, &window_s) : -1;
    int64_t memory = u->working_set_bytes >= 0 ? u->working_set_bytes : u->memory_bytes;
    m->cpu_nano += cpu_nano > 0 ? cpu_nano : 0;
    m->memory_bytes += memory > 0 ? memory : 0;
    m->memory_known |= memory >= 0;
    if (window_s > m->window_s)
        m->window_s = window_s;
    if (!k->item)
        return;
    struct json *o = json_new(&m->a, JSON_OBJECT);
    json_set_cstr(&m->a, o, "name", k->name);
    put_usage(m, o, cpu_nano, memory);
    json_append(&m->a, json_array_at(&m->a, k->item, "containers"), o);
    put_window(m, k->item, window_s);
}

static void used(void *ctx, const struct runtime_result *r, const struct runtime_usage *u)
{
    struct question *k = ctx;
    struct reading *m = k->reading;
    struct container *c = pod_container(k->pod, k->name);
    if (r->rc == 0 && u && c && cstr_eq(c->now.id, k->id))
        take(m, k, c, u);
    pod_unref(k->pod);
    mem_free(k);
    if (--m->waiting == 0)
        finish(m);
}

static void ask(struct reading *m, struct container *c, struct json *item)
{
    struct runtime *rt = c->pod->node->runtime;
    struct question *k = mem_zalloc(sizeof *k);
    if (!k)
        return;
    *k = (struct question){.reading = m, .pod = c->pod, .item = item};
    str_copy(k->name, sizeof k->name, str_of(c->name));
    str_copy(k->id, sizeof k->id, str_of(c->now.id));
    pod_ref(c->pod);
    m->waiting++;
    rt->ops->usage(rt->self, k->id, used, k);
}

static void look_at(struct reading *m, struct pod *p, const char *namespace, const char *name)
{
    struct json *tree = pod_tree(p, &m->a), *item = NULL;
    if ((namespace && !cstr_eq(p->namespace, namespace)) || (name && !cstr_eq(p->name, name)) || !tree)
        return;
    if (!m->nodes) {
        const struct json *metadata = json_get(tree, "metadata");
        if (!pod_any_running(p) || !selector_matches(&m->selector, json_get(metadata, "labels")))
            return;
        item = new_item(m, "PodMetrics", p->name, metadata);
        json_append(&m->a, m->items, item);
    }
    for (size_t i = 0; i < p->container_count; i++)
        if (container_alive(p->containers[i]) && p->containers[i]->now.id[0])
            ask(m, p->containers[i], item);
}

static const char *param(struct request *q, const char *name)
{
    struct str v = url_query_get(&q->arena, q->query, name);
    return v.n ? arena_strndup(&q->arena, v.p, v.n) : NULL;
}

void metrics_read(struct request *q, bool nodes)
{
    struct node *n = q->server->node;
    struct reading *m = mem_zalloc(sizeof *m);
    struct map_iter it;
    struct str key;
    void *value;
    struct err err = {0};
    if (!m) {
        request_fail(q, 500, "out of memory");
        return;
    }
    *m = (struct reading){.request = q, .nodes = nodes, .one = param(q, "name") != NULL, .waiting = 1};
    arena_init(&m->a, LIMIT_REQUEST_ARENA);
    m->items = json_new(&m->a, JSON_ARRAY);
    if (selector_parse(&m->a, url_query_get(&q->arena, q->query, "labelSelector"), &m->selector, &err) < 0) {
        arena_done(&m->a);
        mem_free(m);
        request_fail(q, 400, "%s", err.text);
        return;
    }
    q->busy = true;
    map_iter_init(&n->pods, &it);
    while (map_iter_next(&n->pods, &it, &key, &value))
        look_at(m, value, nodes ? NULL : param(q, "namespace"), nodes ? NULL : param(q, "name"));
    if (--m->waiting == 0)
        finish(m);
}
