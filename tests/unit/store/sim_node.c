/* See sim_node.h. */
#include "sim_node.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FDS_MAX = 16 };

struct poller {
    struct pollfd fds[FDS_MAX];
    void *tags[FDS_MAX];
    int count;
};

static int64_t clock_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static int64_t poller_monotonic(void *ctx)
{
    (void)ctx;
    return clock_ns(CLOCK_MONOTONIC);
}

static int64_t poller_realtime(void *ctx)
{
    (void)ctx;
    return clock_ns(CLOCK_REALTIME);
}

static int poller_set(void *ctx, int fd, unsigned events, void *tag)
{
    struct poller *p = ctx;
    int i = 0;
    while (i < p->count && p->fds[i].fd != fd)
        i++;
    if (events == 0) {
        if (i < p->count) {
            p->count--;
            p->fds[i] = p->fds[p->count];
            p->tags[i] = p->tags[p->count];
        }
        return 0;
    }
    if (i == FDS_MAX)
        return -E_LIMIT;
    if (i == p->count)
        p->count++;
    p->fds[i] = (struct pollfd){
        .fd = fd,
        .events = (short)((events & POLL_IN ? POLLIN : 0) | (events & POLL_OUT ? POLLOUT : 0))};
    p->tags[i] = tag;
    return 0;
}

static int poller_wait(void *ctx, int timeout_ms, struct poll_event *ret_events, int max)
{
    struct poller *p = ctx;
    int n = 0;
    if (poll(p->fds, (nfds_t)p->count, timeout_ms) <= 0)
        return 0;
    for (int i = 0; i < p->count && n < max; i++) {
        short got = p->fds[i].revents;
        if (got)
            ret_events[n++] =
                (struct poll_event){p->tags[i], (got & POLLIN ? POLL_IN : 0u) |
                                                    (got & POLLOUT ? POLL_OUT : 0u) |
                                                    (got & (POLLERR | POLLHUP) ? POLL_ERR : 0u)};
    }
    return n;
}

static void poller_close(void *ctx)
{
    free(ctx);
}

static const struct poll_ops poller_ops = {
    .monotonic_ns = poller_monotonic,
    .realtime_ns = poller_realtime,
    .set = poller_set,
    .wait = poller_wait,
    .close = poller_close,
};

static void on_fatal(void *ctx, const char *message)
{
    struct sim_node *node = ctx;
    node->fatal_count++;
    snprintf(node->fatal, sizeof(node->fatal), "%s", message);
}

void node_init(struct sim_node *node)
{
    memset(node, 0, sizeof(*node));
    struct poller *p = calloc(1, sizeof(*p));
    assert(p);
    int rc = loop_new((struct poll){&poller_ops, p}, &node->loop);
    assert(rc == 0);
    node->options = (struct store_options){
        .loop = node->loop,
        .on_fatal = on_fatal,
        .ctx = node,
        .segment_bytes = 12 * 1024,
        .snapshot_after_bytes = 8 * 1024,
        .seed = 42,
        .synchronous = true,
    };
}

void node_done(struct sim_node *node)
{
    node_close(node);
    loop_free(node->loop);
}

int node_open(struct sim_node *node, struct disk disk)
{
    assert(!node->store);
    node->options.disk = disk;
    err_clear(&node->err);
    return store_open(&node->options, &node->store, &node->err);
}

void node_close(struct sim_node *node)
{
    store_close(node->store);
    node->store = NULL;
}

static void on_done(void *ctx, const struct store_result *r)
{
    struct sim_node *node = ctx;
    node->result = *r;
    node->waiting--;
}

void node_settle(struct sim_node *node)
{
    for (int i = 0; i < 1000; i++) {
        int rc = loop_turn(node->loop, node->waiting > 0 ? 1 : 0);
        assert(rc == 0);
        if (node->fatal_count || (node->waiting == 0 && i > 2))
            return;
    }
}

int node_txn(struct sim_node *node, const struct store_compare *c, size_t cn,
             const struct store_op *o, size_t on)
{
    node->waiting++;
    int rc = store_txn(node->store, c, cn, o, on, on_done, node);
    if (rc) {
        node->waiting--;
        return rc;
    }
    node_settle(node);
    return node->waiting ? -E_TIMEOUT : node->result.rc;
}

int node_put(struct sim_node *node, const char *key, const char *value)
{
    struct store_op op = {.key = str_of(key), .value = str_of(value)};
    return node_txn(node, NULL, 0, &op, 1);
}

int node_delete(struct sim_node *node, const char *key)
{
    struct store_op op = {.is_delete = true, .key = str_of(key)};
    return node_txn(node, NULL, 0, &op, 1);
}

const char *node_get(struct sim_node *node, const char *key)
{
    static char text[4096];
    struct store_value *v = store_get(node->store, str_of(key));
    if (!v)
        return NULL;
    assert(v->size < sizeof(text));
    memcpy(text, store_value_bytes(v).p, v->size);
    text[v->size] = 0;
    return text;
}
