/*
 * The server: questions from UDP and TCP, answers from the zone or through the forwarder. A
 * question of the zone that comes before the caches have synced is answered SERVFAIL, so that
 * nobody caches a wrong "no such name". See dns.h.
 */
#include "dns/dns.h"

#include "base/limits.h"
#include "base/log.h"
#include "dns/forward.h"
#include "dns/zone.h"

enum { UDP_BATCH = 32, MAX_STREAMS = 128, STREAM_IDLE_MS = 10 * 1000, MAX_WAITING = 1024, TCP_ANSWER = 65535 };

struct dns {
    struct dns_options o;
    struct zone zone;
    struct forward *forward;
    struct loop_fd udp, tcp;
    struct list streams, waiting;
    size_t stream_count, waiting_count;
    char domain[DNS_NAME_TEXT];
};

/* A TCP client: one question at a time. */
struct stream {
    struct list link;
    struct dns *dns;
    struct loop_fd fd;
    struct loop_timer idle;
    struct buf in, out;
    struct waiting *waiting;
};

/* A question given to the forwarder. */
struct waiting {
    struct list link;
    struct dns *dns;
    struct stream *stream; /* NULL: from UDP */
    struct net_addr from;
    struct forward_call *call;
    struct dns_query query; /* question bytes are in bytes */
    size_t udp_size;
    char question[DNS_NAME_TEXT + 8];
};

static void stream_free(struct stream *s);
static void stream_flush(struct stream *s);
static void stream_read(struct stream *s);

/* ---- answering ---- */

static void send_answer(struct dns *d, struct stream *s, const struct net_addr *to, struct str bytes)
{
    if (!s) {
        d->o.net.ops->send_to(d->o.net.ctx, d->udp.fd, bytes.p, bytes.n, to);
        return;
    }
    char head[2] = {(char)(bytes.n >> 8), (char)bytes.n};
    buf_append(&s->out, head, 2);
    buf_append_str(&s->out, bytes);
    stream_flush(s);
}

static void send_rcode(struct dns *d, struct stream *s, const struct net_addr *to,
                       const struct dns_query *q, enum dns_rcode rcode)
{
    struct buf out CLEANUP_BUF;
    struct dns_answer a = {.rcode = rcode, .recursion_available = true};
    buf_init(&out, LIMIT_DNS_MESSAGE);
    dns_answer_write(&out, q, &a, LIMIT_DNS_MESSAGE);
    if (!out.failed)
        send_answer(d, s, to, buf_str(&out));
}

static void from_zone(struct dns *d, struct stream *s, const struct net_addr *to,
                      const struct dns_query *q)
{
    struct arena a CLEANUP_ARENA;
    struct buf out CLEANUP_BUF;
    struct dns_answer answer;
    size_t max = s ? TCP_ANSWER : q->udp_size;

    arena_init(&a, (size_t)64 * 1024 * 1024);
    buf_init(&out, TCP_ANSWER + 1024);
    if (!cache_synced(d->zone.services) || !cache_synced(d->zone.slices) ||
        !cache_synced(d->zone.namespaces) || zone_answer(&d->zone, &a, q, &answer) < 0) {
        send_rcode(d, s, to, q, DNS_SERVFAIL);
        return;
    }
    dns_answer_write(&out, q, &answer, max);
    if (out.failed)
        send_rcode(d, s, to, q, DNS_SERVFAIL);
    else
        send_answer(d, s, to, buf_str(&out));
}

static void waiting_free(struct waiting *w)
{
    list_remove(&w->link);
    w->dns->waiting_count--;
    if (w->stream)
        w->stream->waiting = NULL;
    mem_free(w);
}

static void on_forwarded(void *ctx, int rc, struct str answer)
{
    struct waiting *w = ctx;
    struct dns *d = w->dns;
    struct stream *s = w->stream;
    struct net_addr to = w->from;
    struct dns_query q = w->query;
    char question[sizeof w->question];

    memcpy(question, w->question, sizeof question);
    q.question.p = question;
    waiting_free(w);
    if (rc < 0) {
        send_rcode(d, s, &to, &q, DNS_SERVFAIL);
    } else if (!s && answer.n > q.udp_size) {
        struct buf out CLEANUP_BUF; /* does not fit: the asker comes again over TCP */
        struct dns_record none = {.type = DNS_TXT, .text = ""};
        struct dns_answer cut = {.recursion_available = true, .records = &none, .record_count = 1};
        buf_init(&out, LIMIT_DNS_MESSAGE);
        dns_answer_write(&out, &q, &cut, 12 + q.question.n + (q.edns ? 11 : 0));
        if (!out.failed)
            send_answer(d, s, &to, buf_str(&out));
    } else {
        send_answer(d, s, &to, answer);
    }
}

static void to_forwarder(struct dns *d, struct stream *s, const struct net_addr *from,
                         struct str message, const struct dns_query *q)
{
    struct waiting *w = d->waiting_count < MAX_WAITING ? mem_zalloc(sizeof *w) : NULL;
    if (!w || q->question.n > sizeof w->question) {
        mem_free(w);
        send_rcode(d, s, from, q, DNS_SERVFAIL);
        return;
    }
    w->dns = d;
    w->stream = s;
    w->query = *q;
    memcpy(w->question, q->question.p, q->question.n);
    w->query.question.p = w->question;
    if (from)
        w->from = *from;
    if (s)
        s->waiting = w;
    list_push_back(&d->waiting, &w->link);
    d->waiting_count++;
    struct forward_call *call = forward_ask(d->forward, message, q, s != NULL, on_forwarded, w);
    if (call)
        w->call = call; /* else w is gone already */
}

static void question(struct dns *d, struct stream *s, const struct net_addr *from, struct str message)
{
    struct dns_query q;
    int rc = dns_query_parse(message, &q);
    if (rc == -E_BAD_REQUEST || message.n < 12)
        return; /* an answer, or noise: answering it could make a loop */
    if (rc < 0)
        send_rcode(d, s, from, &q, DNS_FORMERR);
    else if (q.opcode != 0)
        send_rcode(d, s, from, &q, DNS_NOTIMP);
    else if (q.class != 1)
        send_rcode(d, s, from, &q, DNS_REFUSED);
    else if (zone_owns(&d->zone, &q))
        from_zone(d, s, from, &q);
    else
        to_forwarder(d, s, from, message, &q);
}

static void on_udp(void *ctx, unsigned events)
{
    struct dns *d = ctx;
    char bytes[LIMIT_DNS_MESSAGE];
    struct net_addr from;
    (void)events;
    for (int i = 0; i < UDP_BATCH; i++) {
        ssize_t n = d->o.net.ops->recv_from(d->o.net.ctx, d->udp.fd, bytes, sizeof bytes, &from);
        if (n == -E_AGAIN)
            return;
        if (n > 0)
            question(d, NULL, &from, str_make(bytes, (size_t)n));
    }
}

/* ---- TCP ---- */

static void stream_free(struct stream *s)
{
    struct dns *d = s->dns;
    int fd = s->fd.fd;
    if (s->waiting) {
        forward_cancel(s->waiting->call);
        waiting_free(s->waiting);
    }
    loop_fd_remove(d->o.client->loop, &s->fd);
    d->o.net.ops->close(d->o.net.ctx, fd);
    loop_timer_cancel(d->o.client->loop, &s->idle);
    list_remove(&s->link);
    d->stream_count--;
    buf_done(&s->in);
    buf_done(&s->out);
    mem_free(s);
}

/* Writes what it can; an error shows at the next event of the descriptor. */
static void stream_flush(struct stream *s)
{
    struct dns *d = s->dns;
    while (buf_len(&s->out)) {
        struct str left = buf_str(&s->out);
        ssize_t n = d->o.net.ops->write(d->o.net.ctx, s->fd.fd, left.p, left.n);
        if (n <= 0)
            break;
        buf_consume(&s->out, (size_t)n);
    }
    loop_fd_set(d->o.client->loop, &s->fd, buf_len(&s->out) ? POLL_IN | POLL_OUT : POLL_IN);
}

/* One question at a time: the next one is read when this one is answered. */
static void stream_read(struct stream *s)
{
    struct str have = buf_str(&s->in);
    if (s->waiting || have.n < 2)
        return;
    size_t size = (size_t)(unsigned char)have.p[0] << 8 | (unsigned char)have.p[1];
    if (have.n - 2 < size)
        return;
    char message[LIMIT_DNS_MESSAGE];
    bool fits = size <= sizeof message;
    if (fits)
        memcpy(message, have.p + 2, size);
    buf_consume(&s->in, size + 2);
    loop_timer_set(s->dns->o.client->loop, &s->idle, STREAM_IDLE_MS);
    if (fits)
        question(s->dns, s, NULL, str_make(message, size));
}

static void on_stream(void *ctx, unsigned events)
{
    struct stream *s = ctx;
    struct dns *d = s->dns;
    if (events & POLL_OUT)
        stream_flush(s);
    if (events & (POLL_IN | POLL_ERR)) {
        char *to = buf_reserve(&s->in, 2048);
        ssize_t n = to ? d->o.net.ops->read(d->o.net.ctx, s->fd.fd, to, 2048) : -E_TOO_LARGE;
        if (n == 0 || (n < 0 && n != -E_AGAIN)) {
            stream_free(s);
            return;
        }
        if (n > 0)
            buf_commit(&s->in, (size_t)n);
    }
    stream_read(s);
}

static void on_idle(void *ctx)
{
    stream_free(ctx);
}

static void on_tcp(void *ctx, unsigned events)
{
    struct dns *d = ctx;
    struct net_addr peer;
    int fd;
    (void)events;
    if (d->o.net.ops->accept(d->o.net.ctx, d->tcp.fd, &fd, &peer) < 0)
        return;
    if (d->stream_count >= MAX_STREAMS) /* the oldest gives way */
        stream_free(LIST_FIRST(&d->streams, struct stream, link));
    struct stream *s = mem_zalloc(sizeof *s);
    if (!s) {
        d->o.net.ops->close(d->o.net.ctx, fd);
        return;
    }
    s->dns = d;
    buf_init(&s->in, 2 * LIMIT_DNS_MESSAGE + 4096);
    buf_init(&s->out, 2 * TCP_ANSWER);
    loop_fd_init(&s->fd, on_stream, s);
    loop_timer_init(&s->idle, on_idle, s);
    if (loop_fd_add(d->o.client->loop, &s->fd, fd, POLL_IN) < 0) {
        d->o.net.ops->close(d->o.net.ctx, fd);
        mem_free(s);
        return;
    }
    list_push_back(&d->streams, &s->link);
    d->stream_count++;
    loop_timer_set(d->o.client->loop, &s->idle, STREAM_IDLE_MS);
}

/* ---- life ---- */

void dns_set_resolvers(struct dns *d, const struct net_addr *resolvers, size_t count)
{
    forward_set_resolvers(d->forward, resolvers, count);
}

static int open_caches(struct dns *d)
{
    struct client *c = d->o.client;
    int rc = cache_new(c, "/api/v1/services", NULL, NULL, &d->zone.services);
    if (rc == 0)
        rc = cache_new(c, "/apis/discovery.k8s.io/v1/endpointslices", NULL, NULL, &d->zone.slices);
    if (rc == 0)
        rc = cache_new_metadata(c, "/api/v1/namespaces", &d->zone.namespaces);
    return rc < 0 ? rc : zone_init(&d->zone);
}

static void release(struct dns *d)
{
    struct loop *l = d->o.client->loop;
    while (!list_empty(&d->streams))
        stream_free(LIST_FIRST(&d->streams, struct stream, link));
    forward_free(d->forward);
    while (!list_empty(&d->waiting))
        waiting_free(LIST_FIRST(&d->waiting, struct waiting, link));
    loop_fd_remove(l, &d->udp);
    loop_fd_remove(l, &d->tcp);
    cache_free(d->zone.services);
    cache_free(d->zone.slices);
    cache_free(d->zone.namespaces);
    mem_free(d);
}

int dns_new(const struct dns_options *o, struct dns **ret_dns)
{
    struct dns *d = mem_zalloc(sizeof *d);
    struct forward_options f = {.loop = o->client->loop, .net = o->net, .self = o->self};
    if (!d)
        return -E_NOMEM;
    d->o = *o;
    list_init(&d->streams);
    list_init(&d->waiting);
    str_copy(d->domain, sizeof d->domain, str_of(o->domain));
    d->zone.domain = d->domain;
    loop_fd_init(&d->udp, on_udp, d);
    loop_fd_init(&d->tcp, on_tcp, d);
    int rc = forward_new(&f, &d->forward);
    if (rc == 0)
        rc = open_caches(d);
    if (rc == 0)
        rc = loop_fd_add(o->client->loop, &d->udp, o->udp_fd, POLL_IN);
    if (rc == 0)
        rc = loop_fd_add(o->client->loop, &d->tcp, o->tcp_fd, POLL_IN);
    if (rc < 0) {
        release(d);
        return rc;
    }
    forward_set_resolvers(d->forward, o->resolvers, o->resolver_count);
    log_info("answering %s", d->domain);
    *ret_dns = d;
    return 0;
}

void dns_free(struct dns *d)
{
    if (!d)
        return;
    int udp = d->udp.fd, tcp = d->tcp.fd;
    struct net net = d->o.net;
    release(d);
    net.ops->close(net.ctx, udp);
    net.ops->close(net.ctx, tcp);
}
