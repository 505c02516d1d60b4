/*
 * One question:  ask resolver over UDP --answer--> done
 *                   |  timeout: next resolver     \--truncated, asker is on TCP--> ask over TCP
 * See forward.h.
 */
#include "dns/forward.h"

#include <stdio.h>

#include "base/limits.h"
#include "base/map.h"
#include "port/crypto.h"

enum {
    MAX_CALLS = 512,
    TRY_MS = 2000,
    TRIES = 3,
    CACHE_ENTRIES = 1024,
    CACHE_MAX_TTL_S = 30,
    CACHE_MAX_BYTES = 1232,
    TCP_BYTES = 65535,
};

struct cached {
    struct list link; /* oldest first */
    int64_t until_ms;
    size_t size;
    char *key;
    char bytes[];
};

struct forward {
    struct forward_options o;
    struct net_addr resolvers[DNS_MAX_RESOLVERS];
    size_t resolver_count;
    struct list calls;
    size_t call_count;
    struct map cache;
    struct list cache_order;
};

struct forward_call {
    struct list link;
    struct forward *forward;
    void (*done)(void *ctx, int rc, struct str answer);
    void *ctx;
    struct loop_fd fd;
    struct loop_timer timer;
    struct buf query, answer; /* over TCP both with the length in front */
    size_t sent;
    struct net_addr to;
    unsigned tries;
    uint16_t client_id;
    bool over_tcp, tcp;
    char key[DNS_NAME_TEXT + 32];
};

/* ---- cache ---- */

static void cached_free(struct forward *f, struct cached *c)
{
    map_remove(&f->cache, str_of(c->key));
    list_remove(&c->link);
    mem_free(c->key);
    mem_free(c);
}

static struct cached *cached_get(struct forward *f, const char *key)
{
    struct cached *c = map_get(&f->cache, str_of(key));
    if (c && c->until_ms <= loop_now_ms(f->o.loop)) {
        cached_free(f, c);
        return NULL;
    }
    return c;
}

static void cached_put(struct forward *f, const char *key, struct str answer,
                       const struct dns_summary *s)
{
    if (s->truncated || answer.n > CACHE_MAX_BYTES || s->ttl_s == 0 ||
        (s->rcode != DNS_NOERROR && s->rcode != DNS_NXDOMAIN))
        return;
    struct cached *old = map_get(&f->cache, str_of(key));
    if (old)
        cached_free(f, old);
    if (f->cache.count >= CACHE_ENTRIES)
        cached_free(f, LIST_FIRST(&f->cache_order, struct cached, link));
    struct cached *c = mem_alloc(sizeof *c + answer.n);
    char *copy = c ? mem_strdup(key) : NULL;
    if (!copy || map_set(&f->cache, str_of(key), c, NULL) < 0) {
        mem_free(copy);
        mem_free(c);
        return;
    }
    uint32_t ttl = s->ttl_s < CACHE_MAX_TTL_S ? s->ttl_s : CACHE_MAX_TTL_S;
    c->until_ms = loop_now_ms(f->o.loop) + (int64_t)ttl * 1000;
    c->size = answer.n;
    c->key = copy;
    memcpy(c->bytes, answer.p, answer.n);
    list_push_back(&f->cache_order, &c->link);
}

static void set_id(char *message, uint16_t id)
{
    message[0] = (char)(id >> 8);
    message[1] = (char)id;
}

/* ---- one question ---- */

static void close_socket(struct forward_call *c)
{
    struct forward *f = c->forward;
    int fd = c->fd.fd;
    loop_fd_remove(f->o.loop, &c->fd);
    if (fd >= 0)
        f->o.net.ops->close(f->o.net.ctx, fd);
}

void forward_cancel(struct forward_call *c)
{
    if (!c)
        return;
    close_socket(c);
    loop_timer_cancel(c->forward->o.loop, &c->timer);
    list_remove(&c->link);
    c->forward->call_count--;
    buf_done(&c->query);
    buf_done(&c->answer);
    mem_free(c);
}

static void finish(struct forward_call *c, int rc, struct str answer)
{
    void (*done)(void *, int, struct str) = c->done;
    void *ctx = c->ctx;
    CLEANUP_FREE char *copy = rc == 0 ? mem_dup(answer.p, answer.n) : NULL;
    if (rc == 0 && !copy)
        rc = -E_NOMEM;
    if (rc == 0)
        set_id(copy, c->client_id);
    forward_cancel(c);
    done(ctx, rc, str_make(copy, rc == 0 ? answer.n : 0));
}

static void next_try(struct forward_call *c);

/* The right answer to the question: hand it on, or ask again over TCP for the rest of it. */
static void answered(struct forward_call *c, struct str answer)
{
    struct dns_summary s;
    if (dns_summary(answer, &s) < 0) {
        next_try(c);
        return;
    }
    if (s.truncated && c->over_tcp && !c->tcp) {
        c->tcp = true;
        c->tries--;
        next_try(c);
        return;
    }
    if ((s.rcode == DNS_SERVFAIL || s.rcode == DNS_REFUSED) && c->tries < TRIES &&
        c->forward->resolver_count > 1) {
        next_try(c);
        return;
    }
    cached_put(c->forward, c->key, answer, &s);
    finish(c, 0, answer);
}

static void on_datagram(struct forward_call *c)
{
    char bytes[LIMIT_DNS_MESSAGE];
    struct net_addr from;
    const struct net *net = &c->forward->o.net;
    for (int i = 0; i < 8; i++) { /* a forged answer must not shut the real one out */
        ssize_t n = net->ops->recv_from(net->ctx, c->fd.fd, bytes, sizeof bytes, &from);
        if (n == -E_AGAIN)
            return;
        if (n < 0) {
            next_try(c);
            return;
        }
        struct str answer = str_make(bytes, (size_t)n);
        if (net_addr_same_ip(&from, &c->to) && from.port == c->to.port &&
            dns_answers(answer, buf_str(&c->query))) {
            answered(c, answer);
            return;
        }
    }
}

static void on_stream(struct forward_call *c, unsigned events)
{
    const struct net *net = &c->forward->o.net;
    if (events & POLL_OUT && c->sent < buf_len(&c->query) + 2) {
        char head[2] = {(char)(buf_len(&c->query) >> 8), (char)buf_len(&c->query)};
        struct buf all CLEANUP_BUF;
        buf_init(&all, TCP_BYTES);
        buf_append(&all, head, 2);
        buf_append_str(&all, buf_str(&c->query));
        struct str left = buf_str(&all);
        ssize_t n = all.failed ? -E_NOMEM
                               : net->ops->write(net->ctx, c->fd.fd, left.p + c->sent, left.n - c->sent);
        if (n < 0 && n != -E_AGAIN) {
            next_try(c);
            return;
        }
        c->sent += n > 0 ? (size_t)n : 0;
        if (c->sent == left.n)
            loop_fd_set(c->forward->o.loop, &c->fd, POLL_IN);
    }
    if (!(events & POLL_IN))
        return;
    char *to = buf_reserve(&c->answer, 4096);
    ssize_t n = to ? net->ops->read(net->ctx, c->fd.fd, to, 4096) : -E_NOMEM;
    if (n == -E_AGAIN)
        return;
    if (n <= 0) {
        next_try(c);
        return;
    }
    buf_commit(&c->answer, (size_t)n);
    struct str have = buf_str(&c->answer);
    if (have.n < 2)
        return;
    size_t size = (size_t)(unsigned char)have.p[0] << 8 | (unsigned char)have.p[1];
    if (have.n - 2 < size)
        return;
    struct str answer = str_make(have.p + 2, size);
    if (dns_answers(answer, buf_str(&c->query)))
        answered(c, answer);
    else
        next_try(c);
}

static void on_fd(void *ctx, unsigned events)
{
    struct forward_call *c = ctx;
    if (c->tcp)
        on_stream(c, events);
    else
        on_datagram(c);
}

static void on_timeout(void *ctx)
{
    next_try(ctx);
}

static int open_try(struct forward_call *c)
{
    struct forward *f = c->forward;
    const struct net *net = &f->o.net;
    struct net_addr any = {.family = c->to.family};
    uint16_t id;
    int fd = -1, rc;

    crypto_random(&id, sizeof id);
    set_id(c->query.data + c->query.head, id);
    buf_clear(&c->answer);
    c->sent = 0;
    rc = c->tcp ? net->ops->connect(net->ctx, &c->to, &fd) : net->ops->udp_open(net->ctx, &any, &fd);
    if (rc < 0)
        return rc;
    rc = loop_fd_add(f->o.loop, &c->fd, fd, c->tcp ? POLL_IN | POLL_OUT : POLL_IN);
    if (rc < 0) {
        net->ops->close(net->ctx, fd);
        return rc;
    }
    if (!c->tcp) {
        struct str q = buf_str(&c->query);
        ssize_t n = net->ops->send_to(net->ctx, fd, q.p, q.n, &c->to);
        if (n < 0 && n != -E_AGAIN)
            return (int)n;
    }
    return 0;
}

static void next_try(struct forward_call *c)
{
    struct forward *f = c->forward;
    while (c->tries < TRIES && f->resolver_count) {
        close_socket(c);
        c->to = f->resolvers[c->tries++ % f->resolver_count];
        if (open_try(c) == 0) {
            loop_timer_set(f->o.loop, &c->timer, TRY_MS);
            return;
        }
    }
    finish(c, -E_UNAVAILABLE, str_make(NULL, 0));
}

struct forward_call *forward_ask(struct forward *f, struct str message, const struct dns_query *q,
                                 bool over_tcp, void (*done)(void *ctx, int rc, struct str answer),
                                 void *ctx)
{
    char key[DNS_NAME_TEXT + 32];
    snprintf(key, sizeof key, "%u %u %d%d %s", q->type, q->class, q->dnssec_ok, q->edns, q->name);
    struct cached *hit = cached_get(f, key);
    CLEANUP_FREE char *copy = hit ? mem_dup(hit->bytes, hit->size) : NULL;
    if (copy && hit->size >= 12 + q->question.n) {
        set_id(copy, q->id);
        memcpy(copy + 12, q->question.p, q->question.n); /* the asker's spelling */
        done(ctx, 0, str_make(copy, hit->size));
        return NULL;
    }
    struct forward_call *c = f->call_count < MAX_CALLS ? mem_zalloc(sizeof *c) : NULL;
    if (!c) {
        done(ctx, -E_TOO_MANY, str_make(NULL, 0));
        return NULL;
    }
    c->forward = f;
    c->done = done;
    c->ctx = ctx;
    c->client_id = q->id;
    c->over_tcp = over_tcp;
    memcpy(c->key, key, sizeof key);
    loop_fd_init(&c->fd, on_fd, c);
    loop_timer_init(&c->timer, on_timeout, c);
    buf_init(&c->query, TCP_BYTES);
    buf_init(&c->answer, TCP_BYTES + 4096);
    buf_append_str(&c->query, message);
    list_push_back(&f->calls, &c->link);
    f->call_count++;
    if (c->query.failed || message.n < 12) {
        finish(c, -E_NOMEM, str_make(NULL, 0));
        return NULL;
    }
    loop_timer_set(f->o.loop, &c->timer, 0); /* begins with the first try, in the next turn */
    return c;
}

/* ---- life ---- */

void forward_set_resolvers(struct forward *f, const struct net_addr *resolvers, size_t count)
{
    f->resolver_count = 0;
    for (size_t i = 0; i < count && f->resolver_count < DNS_MAX_RESOLVERS; i++) {
        if (net_addr_same_ip(&resolvers[i], &f->o.self))
            continue; /* would ask ourselves for ever */
        f->resolvers[f->resolver_count] = resolvers[i];
        if (!resolvers[i].port)
            f->resolvers[f->resolver_count].port = 53;
        f->resolver_count++;
    }
}

int forward_new(const struct forward_options *o, struct forward **ret_forward)
{
    struct forward *f = mem_zalloc(sizeof *f);
    if (!f)
        return -E_NOMEM;
    f->o = *o;
    list_init(&f->calls);
    list_init(&f->cache_order);
    *ret_forward = f;
    return 0;
}

void forward_free(struct forward *f)
{
    if (!f)
        return;
    while (!list_empty(&f->calls))
        forward_cancel(LIST_FIRST(&f->calls, struct forward_call, link));
    while (!list_empty(&f->cache_order))
        cached_free(f, LIST_FIRST(&f->cache_order, struct cached, link));
    map_done(&f->cache, NULL);
    mem_free(f);
}
