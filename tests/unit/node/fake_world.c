/* Time, ports and the node of fake_world.h. */
#include "fake_world.h"

#include <poll.h>
#include <stdlib.h>

void fake_api_init(struct fake_api *api, struct loop *loop);
void fake_api_done(struct fake_api *api);
void fake_runtime_init(struct fake_runtime *rt, struct loop *loop);
void fake_runtime_done(struct fake_runtime *rt);
void fake_runtime_forget_callers(struct fake_runtime *rt);

enum { START_S = 1767225600 }; /* 2026-01-01T00:00:00Z */

static int64_t monotonic(void *ctx)
{
    return ((struct fake_clock *)ctx)->now_ns;
}

static int64_t realtime(void *ctx)
{
    return ((struct fake_clock *)ctx)->now_ns + START_S * 1000000000LL;
}

static int set_fd(void *ctx, int fd, unsigned events, void *tag)
{
    (void)ctx, (void)fd, (void)events, (void)tag;
    return 0;
}

/* Nothing ever is ready but time: it jumps to where the loop would have waited. */
static int wait_time(void *ctx, int timeout_ms, struct poll_event *events, int max)
{
    struct fake_clock *c = ctx;
    (void)events, (void)max;
    if (timeout_ms > 0)
        c->now_ns += timeout_ms * 1000000LL;
    return 0;
}

static void close_poll(void *ctx)
{
    (void)ctx;
}

static const struct poll_ops poll_ops = {monotonic, realtime, set_fd, wait_time, close_poll};

/* The ports that the node links and these tests do not reach. */
void crypto_random(void *p, size_t n)
{
    static uint64_t counter;
    unsigned char *bytes = p;
    counter++;
    for (size_t i = 0; i < n; i++)
        bytes[i] = (unsigned char)(counter >> (i % 8 * 8));
}

static int refuse_connect(void *ctx, const struct net_addr *to, int *ret_fd)
{
    (void)ctx, (void)to, (void)ret_fd;
    return -E_UNAVAILABLE;
}

void world_init(struct world *w)
{
    *w = (struct world){0};
    w->clock.now_ns = 1000000000;
    if (loop_new((struct poll){&poll_ops, &w->clock}, &w->clock.loop) < 0)
        abort();
    fake_api_init(&w->api, w->clock.loop);
    fake_runtime_init(&w->rt, w->clock.loop);
}

void world_start_node(struct world *w)
{
    static const struct net_ops net_ops = {.connect = refuse_connect};
    struct node_options o = {
        .loop = w->clock.loop, .net = {&net_ops, NULL}, .client = &w->api.client, .runtime = &w->rt.runtime,
        .node_name = "n1", .addr_count = 1, .pod_prefix_len = 24, .cluster_domain = "cluster.local",
        .listen_fd = -1, .cpu_milli = 4000, .memory_bytes = 8LL << 30, .storage_bytes = 100LL << 30};
    if (net_addr_parse(STR("192.168.1.5"), false, &o.addrs[0]) < 0 ||
        net_addr_parse(STR("10.244.0.0"), false, &o.pod_cidr) < 0 ||
        net_addr_parse(STR("10.96.0.10"), false, &o.cluster_dns) < 0 || node_new(&o, &w->node, NULL) < 0)
        abort();
}

void world_restart_node(struct world *w)
{
    node_free(w->node);
    fake_runtime_forget_callers(&w->rt);
    world_start_node(w);
}

void world_done(struct world *w)
{
    node_free(w->node);
    fake_runtime_done(&w->rt);
    fake_api_done(&w->api);
    loop_free(w->clock.loop);
}

void world_run(struct world *w, int64_t ms)
{
    int64_t until = w->clock.now_ns + ms * 1000000;
    while (w->clock.now_ns < until) {
        int64_t left = (until - w->clock.now_ns + 999999) / 1000000;
        if (loop_turn(w->clock.loop, (int)left) < 0)
            abort();
    }
}
