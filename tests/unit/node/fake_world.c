/* Time, ports and the node of fake_world.h. */
#include "fake_world.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

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
    struct fake_clock *c = ctx;
    size_t i = 0;
    while (i < c->fd_count && c->fds[i] != fd)
        i++;
    if (events == 0) {
        if (i < c->fd_count) {
            c->fd_count--;
            c->fds[i] = c->fds[c->fd_count];
            c->events[i] = c->events[c->fd_count];
            c->tags[i] = c->tags[c->fd_count];
        }
        return 0;
    }
    if (i == c->fd_count && c->fd_count++ == FAKE_FDS)
        abort();
    c->fds[i] = fd;
    c->events[i] = events;
    c->tags[i] = tag;
    return 0;
}

/* When no descriptor is ready, time jumps to where the loop would have waited. */
static int wait_time(void *ctx, int timeout_ms, struct poll_event *events, int max)
{
    struct fake_clock *c = ctx;
    struct pollfd p[FAKE_FDS];
    int n = 0;
    for (size_t i = 0; i < c->fd_count; i++)
        p[i] = (struct pollfd){.fd = c->fds[i],
                               .events = (short)((c->events[i] & POLL_IN ? POLLIN : 0) | (c->events[i] & POLL_OUT ? POLLOUT : 0))};
    if (poll(p, (nfds_t)c->fd_count, 0) > 0) {
        for (size_t i = 0; i < c->fd_count && n < max; i++) {
            unsigned ready = (p[i].revents & POLLIN ? (unsigned)POLL_IN : 0) | (p[i].revents & POLLOUT ? (unsigned)POLL_OUT : 0) |
                             (p[i].revents & (POLLERR | POLLHUP) ? (unsigned)POLL_ERR : 0);
            if (ready)
                events[n++] = (struct poll_event){c->tags[i], ready};
        }
        return n;
    }
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

/* What connects reaches the test's end of a pair, or is refused. */
static int connect_pair(void *ctx, const struct net_addr *to, int *ret_fd)
{
    struct world *w = ctx;
    int pair[2];
    char text[NET_ADDR_TEXT];
    snprintf(w->connected_to, sizeof w->connected_to, "%s", net_addr_format(to, true, text));
    if (!w->accepts)
        return -E_UNAVAILABLE;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0)
        abort();
    w->connected = pair[0];
    *ret_fd = pair[1];
    return 0;
}

static int connected(void *ctx, int fd)
{
    (void)ctx, (void)fd;
    return 0;
}

static int accept_pending(void *ctx, int fd, int *ret_fd, struct net_addr *ret_peer)
{
    struct world *w = ctx;
    char byte;
    if (read(fd, &byte, 1) != 1)
        return -E_AGAIN;
    *ret_fd = w->pending_fd;
    *ret_peer = (struct net_addr){.family = 4};
    return 0;
}

static ssize_t read_fd(void *ctx, int fd, void *p, size_t n)
{
    ssize_t got = read(fd, p, n);
    (void)ctx;
    return got < 0 ? errno == EAGAIN ? -E_AGAIN : -E_CLOSED : got;
}

static ssize_t write_fd(void *ctx, int fd, const void *p, size_t n)
{
    ssize_t got = send(fd, p, n, MSG_NOSIGNAL);
    (void)ctx;
    return got < 0 ? errno == EAGAIN ? -E_AGAIN : -E_CLOSED : got;
}

static int shutdown_fd(void *ctx, int fd)
{
    (void)ctx;
    return shutdown(fd, SHUT_WR) < 0 ? -E_CLOSED : 0;
}

static void close_fd(void *ctx, int fd)
{
    (void)ctx;
    close(fd);
}

static const struct net_ops net_ops = {.connect = connect_pair, .connect_result = connected, .accept = accept_pending, .read = read_fd,
                                       .write = write_fd, .shutdown_write = shutdown_fd, .close = close_fd};

int world_connect(struct world *w)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0)
        abort();
    w->pending_fd = pair[1];
    if (write(w->listener[1], "x", 1) != 1)
        abort();
    return pair[0];
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
    static int context;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, w->listener) < 0)
        abort();
    struct node_options o = {
        .loop = w->clock.loop, .net = {&net_ops, w}, .client = &w->api.client, .runtime = &w->rt.runtime,
        .node_name = "n1", .addr_count = 1, .pod_prefix_len = 24, .cluster_domain = "cluster.local",
        .listen_fd = w->listener[0], .serving = (struct tls_context *)&context, .cpu_milli = 4000, .memory_bytes = 8LL << 30, .storage_bytes = 100LL << 30};
    if (net_addr_parse(STR("192.168.1.5"), false, &o.addrs[0]) < 0 ||
        net_addr_parse(STR("10.244.0.0"), false, &o.pod_cidr) < 0 ||
        net_addr_parse(STR("10.96.0.10"), false, &o.cluster_dns) < 0 || node_new(&o, &w->node, NULL) < 0)
        abort();
}

void world_restart_node(struct world *w)
{
    node_free(w->node);
    close(w->listener[1]);
    fake_runtime_forget_callers(&w->rt);
    world_start_node(w);
}

void world_done(struct world *w)
{
    node_free(w->node);
    close(w->listener[1]);
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
