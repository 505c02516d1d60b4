/* One connection to a registry, plain or TLS, for code that waits. See io.h. */
#include "pull/io.h"

enum { READ_BYTES = 64 * 1024, OUTPUT_HIGH = 256 * 1024 };

struct pull_stream {
    struct pull_io *io;
    struct loop_fd watch;
    int fd;
    bool ready; /* what was waited for has happened */
    struct tls *tls;
    bool ended;
    char *in; /* READ_BYTES, for TLS */
};

static void on_ready(void *ctx, unsigned events)
{
    struct pull_stream *s = ctx;
    (void)events;
    s->ready = true;
    loop_fd_set(s->io->loop, &s->watch, 0);
}

static int64_t or_else(int64_t ms, int64_t otherwise)
{
    return ms ? ms : otherwise;
}

static int wait_for(struct pull_stream *s, unsigned events, int64_t within_ms)
{
    struct loop *l = s->io->loop;
    int64_t until = loop_now_ms(l) + within_ms;
    s->ready = false;
    loop_fd_set(l, &s->watch, events);
    while (!s->ready) {
        int64_t left = until - loop_now_ms(l);
        if (left <= 0)
            return -E_TIMEOUT;
        int rc = loop_turn(l, (int)left);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int send_all(struct pull_stream *s, struct str bytes)
{
    const struct net *net = &s->io->net;
    while (bytes.n) {
        ssize_t n = net->ops->write(net->ctx, s->fd, bytes.p, bytes.n);
        if (n == -E_AGAIN) {
            int rc = wait_for(s, POLL_OUT, or_else(s->io->stall_ms, PULL_STALL_MS));
            if (rc < 0)
                return rc;
            continue;
        }
        if (n < 0)
            return (int)n;
        bytes = str_make(bytes.p + n, bytes.n - (size_t)n);
    }
    return 0;
}

static int flush_tls(struct pull_stream *s)
{
    struct buf *out = tls_output(s->tls);
    int rc = send_all(s, buf_str(out));
    buf_consume(out, buf_len(out));
    return rc;
}

/* Raw bytes of the network; 0 at the end. */
static ssize_t read_raw(struct pull_stream *s, void *p, size_t n)
{
    const struct net *net = &s->io->net;
    for (;;) {
        ssize_t got = net->ops->read(net->ctx, s->fd, p, n);
        if (got != -E_AGAIN)
            return got;
        int rc = wait_for(s, POLL_IN, or_else(s->io->stall_ms, PULL_STALL_MS));
        if (rc < 0)
            return rc;
    }
}

static int feed_tls(struct pull_stream *s)
{
    ssize_t n = read_raw(s, s->in, READ_BYTES);
    if (n < 0)
        return (int)n;
    if (n > 0)
        return tls_feed(s->tls, str_make(s->in, (size_t)n));
    if (s->ended)
        return -E_CLOSED;
    s->ended = true;
    tls_feed_end(s->tls);
    return 0;
}

static int handshake(struct pull_stream *s, struct tls_context *ctx, const char *host, struct err *err)
{
    s->in = mem_alloc(READ_BYTES);
    if (!s->in || tls_new(ctx, host, &s->tls) < 0)
        return err_set(err, E_NOMEM, "out of memory for TLS");
    for (;;) {
        int rc = tls_handshake(s->tls, err);
        int sent = flush_tls(s);
        if (rc != -E_AGAIN)
            return rc < 0 ? err_wrap(err, rc, "TLS") : 0;
        rc = sent < 0 ? sent : feed_tls(s);
        if (rc < 0)
            return err_set(err, -rc, "TLS handshake: %s", err_text(rc));
    }
}

static int connect_to(struct pull_stream *s, const struct net_addr *addr, struct err *err)
{
    struct pull_io *io = s->io;
    char text[NET_ADDR_TEXT];
    net_addr_format(addr, true, text);
    int rc = io->net.ops->connect(io->net.ctx, addr, &s->fd);
    if (rc < 0) {
        s->fd = -1;
        return err_set(err, -rc, "cannot connect to %s: %s", text, err_text(rc));
    }
    loop_fd_init(&s->watch, on_ready, s);
    rc = loop_fd_add(io->loop, &s->watch, s->fd, POLL_OUT);
    if (rc == 0)
        rc = wait_for(s, POLL_OUT, or_else(io->connect_ms, PULL_CONNECT_MS));
    if (rc == 0)
        rc = io->net.ops->connect_result(io->net.ctx, s->fd);
    if (rc == 0)
        return 0;
    loop_fd_remove(io->loop, &s->watch);
    io->net.ops->close(io->net.ctx, s->fd);
    s->fd = -1;
    return err_set(err, -rc, "cannot connect to %s: %s", text, rc == -E_UNAVAILABLE ? "connection refused" : err_text(rc));
}

int pull_stream_open(struct pull_io *io, const struct pull_url *url, const struct net_addr *addrs,
                     size_t addr_count, struct tls_context *tls, struct pull_stream **ret_stream,
                     struct err *err)
{
    if (url->https && !tls)
        return err_set(err, E_UNSUPPORTED, "https needs certificate authorities, and this machine has none");
    struct pull_stream *s = mem_zalloc(sizeof *s);
    if (!s)
        return err_set(err, E_NOMEM, "out of memory");
    s->io = io;
    s->fd = -1;
    int rc = err_set(err, E_UNAVAILABLE, "%s has no address", url->host);
    for (size_t i = 0; i < addr_count && rc < 0; i++)
        rc = connect_to(s, &addrs[i], err);
    if (rc == 0)
        err_clear(err);
    if (rc == 0 && url->https)
        rc = handshake(s, tls, url->host, err);
    if (rc < 0) {
        pull_stream_close(s);
        return rc;
    }
    *ret_stream = s;
    return 0;
}

void pull_stream_close(struct pull_stream *s)
{
    if (!s)
        return;
    if (s->fd >= 0) {
        loop_fd_remove(s->io->loop, &s->watch);
        s->io->net.ops->close(s->io->net.ctx, s->fd);
    }
    tls_free(s->tls);
    mem_free(s->in);
    mem_free(s);
}

int pull_stream_write(struct pull_stream *s, struct str bytes, struct err *err)
{
    int rc = 0;
    if (!s->tls)
        rc = send_all(s, bytes);
    while (s->tls && rc == 0 && bytes.n) {
        ssize_t n = tls_write(s->tls, bytes.p, bytes.n);
        rc = n < 0 && n != -E_AGAIN ? (int)n : flush_tls(s);
        if (n > 0)
            bytes = str_make(bytes.p + n, bytes.n - (size_t)n);
    }
    return rc < 0 ? err_set(err, -rc, "cannot send the request: %s", err_text(rc)) : 0;
}

ssize_t pull_stream_read(struct pull_stream *s, void *p, size_t n, struct err *err)
{
    ssize_t got;
    if (!s->tls) {
        got = read_raw(s, p, n);
    } else {
        for (;;) {
            got = tls_read(s->tls, p, n);
            if (got != -E_AGAIN)
                break;
            int rc = flush_tls(s);
            if (rc == 0)
                rc = feed_tls(s);
            if (rc < 0) {
                got = rc;
                break;
            }
        }
    }
    if (got == -E_TIMEOUT)
        return err_set(err, E_TIMEOUT, "the registry stopped sending");
    if (got < 0)
        return err_set(err, (int)-got, "cannot read the answer: %s", err_text((int)got));
    return got;
}
