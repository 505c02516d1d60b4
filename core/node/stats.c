/*
 * /pods, /stats/summary and /metrics/resource: what runs here and what it uses. Usage is asked of
 * the runtime pod by pod, side by side; the answer goes out when the last one is known.
 */
#include "base/limits.h"
#include "codec/time.h"
#include "node/server_int.h"

/* ---- /pods ---- */

static bool put_pod(void *ctx, struct object *o)
{
    struct buf *b = ctx;
    buf_printf(b, "%s", buf_str(b).p[buf_len(b) - 1] == '[' ? "" : ",");
    buf_append_str(b, o->json);
    return true;
}

void stats_pods(struct request *q)
{
    struct buf b CLEANUP_BUF = {0};
    buf_init(&b, LIMIT_REQUEST_ARENA);
    buf_puts(&b, "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{},\"items\":[");
    cache_each(q->server->node->pods_cache, put_pod, &b);
    buf_puts(&b, "]}");
    if (b.failed) {
        request_fail(q, 500, "out of memory");
        return;
    }
    http_reply_whole(q->http, 200, "application/json", buf_str(&b));
    q->http = NULL;
    request_free(q);
}

/* ---- usage ---- */

struct gather {
    struct request *request;
    bool metrics; /* Prometheus text instead of the summary */
    unsigned waiting;
    unsigned written;
    int64_t cpu_ns, memory_bytes;
    struct buf text;
};

struct asked { /* one pod */
    struct gather *gather;
    struct pod *pod;
};

static const char *now_text(struct gather *g, char text[TIME_TEXT])
{
    time_format(loop_realtime_ns(g->request->server->node->loop) / 1000, text);
    return text;
}

static void put_node_summary(struct gather *g, struct buf *out)
{
    char now[TIME_TEXT];
    struct node *n = g->request->server->node;
    now_text(g, now);
    buf_printf(out, "{\"node\":{\"nodeName\":\"%s\",\"startTime\":\"%s\",\"cpu\":{\"time\":\"%s\",\"usageCoreNanoSeconds\":%lld},"
                    "\"memory\":{\"time\":\"%s\",\"usageBytes\":%lld,\"workingSetBytes\":%lld}},\"pods\":[",
               n->o.node_name, now, now, (long long)g->cpu_ns, now, (long long)g->memory_bytes, (long long)g->memory_bytes);
    buf_append_str(out, buf_str(&g->text));
    buf_puts(out, "]}");
}

static void finish(struct gather *g)
{
    struct request *q = g->request;
    struct buf out CLEANUP_BUF = {0};
    buf_init(&out, LIMIT_REQUEST_ARENA);
    if (g->metrics)
        buf_append_str(&out, buf_str(&g->text));
    else
        put_node_summary(g, &out);
    q->busy = false;
    if (q->http) {
        http_reply_whole(q->http, 200, g->metrics ? "text/plain; version=0.0.4" : "application/json", buf_str(&out));
        q->http = NULL;
    }
    buf_done(&g->text);
    mem_free(g);
    request_free(q);
}

static void put_summary(struct gather *g, const struct pod *p, const struct runtime_usage *u)
{
    char now[TIME_TEXT];
    now_text(g, now);
    buf_printf(&g->text, "%s{\"podRef\":{\"name\":\"%s\",\"namespace\":\"%s\",\"uid\":\"%s\"}", g->written++ ? "," : "",
               p->name, p->namespace, p->uid);
    if (u->cpu_ns >= 0)
        buf_printf(&g->text, ",\"cpu\":{\"time\":\"%s\",\"usageCoreNanoSeconds\":%lld}", now, (long long)u->cpu_ns);
    if (u->memory_bytes >= 0)
        buf_printf(&g->text, ",\"memory\":{\"time\":\"%s\",\"usageBytes\":%lld,\"workingSetBytes\":%lld}", now,
                   (long long)u->memory_bytes,
                   (long long)(u->working_set_bytes >= 0 ? u->working_set_bytes : u->memory_bytes));
    if (u->fs_bytes >= 0)
        buf_printf(&g->text, ",\"ephemeral-storage\":{\"time\":\"%s\",\"usedBytes\":%lld}", now, (long long)u->fs_bytes);
    buf_puts(&g->text, "}");
}

static void put_metrics(struct gather *g, const struct pod *p, const struct runtime_usage *u)
{
    if (u->cpu_ns >= 0)
        buf_printf(&g->text, "pod_cpu_usage_seconds_total{namespace=\"%s\",pod=\"%s\"} %lld.%09lld\n", p->namespace,
                   p->name, (long long)u->cpu_ns / 1000000000, (long long)u->cpu_ns % 1000000000);
    if (u->working_set_bytes >= 0)
        buf_printf(&g->text, "pod_memory_working_set_bytes{namespace=\"%s\",pod=\"%s\"} %lld\n", p->namespace, p->name,
                   (long long)u->working_set_bytes);
}

static void used(void *ctx, const struct runtime_result *r, const struct runtime_usage *u)
{
    struct asked *a = ctx;
    struct gather *g = a->gather;
    const struct runtime_usage unknown = {-1, -1, -1, -1};
    if (r->rc < 0 || !u)
        u = &unknown;
    if (u->cpu_ns > 0)
        g->cpu_ns += u->cpu_ns;
    if (u->working_set_bytes > 0)
        g->memory_bytes += u->working_set_bytes;
    if (g->metrics)
        put_metrics(g, a->pod, u);
    else
        put_summary(g, a->pod, u);
    pod_unref(a->pod);
    mem_free(a);
    if (--g->waiting == 0)
        finish(g);
}

static void ask(struct gather *g, struct pod *p)
{
    struct runtime *rt = p->node->runtime;
    struct asked *a = mem_zalloc(sizeof *a);
    if (!a)
        return;
    a->gather = g;
    a->pod = p;
    pod_ref(p);
    g->waiting++;
    rt->ops->usage(rt->self, p->uid, used, a);
}

static void gather(struct request *q, bool metrics)
{
    struct node *n = q->server->node;
    struct gather *g = mem_zalloc(sizeof *g);
    struct map_iter it;
    struct str key;
    void *value;
    if (!g) {
        request_fail(q, 500, "out of memory");
        return;
    }
    g->request = q;
    g->metrics = metrics;
    g->waiting = 1; /* this function's own */
    buf_init(&g->text, LIMIT_REQUEST_ARENA);
    q->busy = true;
    map_iter_init(&n->pods, &it);
    while (map_iter_next(&n->pods, &it, &key, &value))
        if (((struct pod *)value)->sandbox)
            ask(g, value);
    if (--g->waiting == 0)
        finish(g);
}

void stats_summary(struct request *q)
{
    gather(q, false);
}

void stats_metrics(struct request *q)
{
    gather(q, true);
}
