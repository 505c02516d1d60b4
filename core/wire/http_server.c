/*
 * The HTTP server: accepting and reading; HTTP/1.1 here, HTTP/2 in http2.c. See http_server.h.
 *
 *   idle --first byte--> head --begin--> body --complete--> answering --end--> idle
 *
 * The body and the answer may overlap. Bytes of the next request that come while one is being
 * answered are given back to the connection, which pauses (conn_unread): one request at a time.
 */
#include <stdio.h>

#include "base/assert.h"
#include "base/log.h"
#include "wire/http2.h"

enum {
    HEAD_MS = 10 * 1000,  /* for a whole head */
    IDLE_MS = 180 * 1000, /* between requests; Go's clients drop theirs after 90 s */
    BODY_MS = 10 * 1000,  /* for each BODY_STEP */
    BODY_STEP = 4096,
    ACCEPTS_A_TURN = 16,
    RETRY_MS = 100,
};

struct http_server {
    struct loop *loop;
    struct net net;
    struct tls_context *tls;
    const struct http_server_handlers *handlers;
    void *ctx;
    struct loop_fd listener;
    struct loop_timer retry;
    struct list requests;
    size_t count;
    bool full;
};

static void destroy(struct http_request *r)
{
    struct http_server *s = r->server;
    list_remove(&r->link);
    s->count--;
    http1_free(r->parser);
    http2_free(r->h2);
    conn_free(r->conn);
    mem_free(r);
    if (s->full) {
        s->full = false;
        loop_fd_set(s->loop, &s->listener, POLL_IN);
    }
}

static void drop(struct http_request *r)
{
    if (r->active) {
        r->active = false;
        r->server->handlers->aborted(r->ctx, r);
    }
    if (r->reading) {
        conn_free(r->conn);
        r->conn = NULL;
    } else {
        destroy(r);
    }
}

/* ---- the parser's events ---- */

static void on_head(void *ctx, const struct http_head *head)
{
    struct http_request *r = ctx;
    r->active = true;
    r->in_head = false;
    r->ctx = NULL;
    r->body_done = r->replied = r->chunked = r->bodiless = r->paused = false;
    r->body_since = 0;
    r->upgrading = head->upgrade;
    r->head_only = cstr_eq(head->method, "HEAD");
    r->http10 = head->minor == 0;
    r->close = !head->keep_alive || head->upgrade;
    conn_deadline(r->conn, head->has_body ? BODY_MS : 0);
    if (head->expect_continue && head->has_body &&
        conn_write(r->conn, STR("HTTP/1.1 100 Continue\r\n\r\n")) < 0)
        r->close = true;
    r->server->handlers->begin(r->server->ctx, r, head);
}

static void on_body(void *ctx, struct str bytes)
{
    struct http_request *r = ctx;
    if (!r->active || !r->conn)
        return;
    r->body_since += bytes.n;
    if (r->body_since >= BODY_STEP && !r->paused) {
        r->body_since = 0;
        conn_deadline(r->conn, BODY_MS);
    }
    if (r->server->handlers->body)
        r->server->handlers->body(r->ctx, r, bytes);
}

static void on_end(void *ctx)
{
    struct http_request *r = ctx;
    r->body_done = true;
    if (!r->active || !r->conn)
        return;
    conn_deadline(r->conn, 0);
    if (r->server->handlers->complete)
        r->server->handlers->complete(r->ctx, r);
}

static const struct http1_handlers parser_handlers = {on_head, on_body, on_end};

/* ---- the connection's events ---- */

static void refuse(struct http_request *r, int rc, const char *why)
{
    char text[640];
    int status = rc == -E_TOO_LARGE ? 431 : rc == -E_UNSUPPORTED ? 501 : rc == -E_NOMEM ? 503 : 400;
    size_t n = strlen(why);
    snprintf(text, sizeof text,
             "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: "
             "close\r\n\r\n%s",
             status, http_status_text(status), n, why);
    if (r->active) { /* in the middle of a body: the answer belongs to the application */
        drop(r);
        return;
    }
    if (conn_write(r->conn, str_of(text)) < 0)
        drop(r);
    else
        conn_finish(r->conn);
}

/* Feeds the parser message by message as long as none is being answered. */
static void read_messages(struct http_request *r, struct str bytes)
{
    struct err err = {0};
    bool upgraded;
    while (bytes.n && r->conn && conn_is_open(r->conn)) {
        if (r->active && r->body_done) {
            if (conn_unread(r->conn, bytes) < 0)
                drop(r);
            else
                conn_pause(r->conn, true);
            return;
        }
        if (!r->active && !r->in_head) { /* once: a trickle does not prolong it */
            r->in_head = true;
            conn_deadline(r->conn, HEAD_MS);
        }
        size_t taken;
        int rc = http1_feed(r->parser, bytes, &taken, &upgraded, &err);
        bytes = str_make(bytes.p + taken, bytes.n - taken);
        if (r->taken && conn_unread(r->taken, bytes) < 0)
            log_warn("out of memory: a connection was handed over without its first bytes");
        if (!r->conn)
            return;
        if (rc < 0) {
            refuse(r, rc, err.text);
            return;
        }
    }
}

static void on_data(void *ctx, struct str bytes)
{
    struct http_request *r = ctx;
    if (!r->conn || !conn_is_open(r->conn))
        return;
    r->reading = true;
    if (r->h2 && http2_feed(r->h2, bytes) < 0)
        drop(r);
    else if (!r->h2)
        read_messages(r, bytes);
    r->reading = false;
    if (!r->conn)
        destroy(r);
}

static void on_closed(void *ctx, int rc, const char *message)
{
    (void)rc;
    (void)message;
    drop(ctx);
}

static void on_opened(void *ctx)
{
    struct http_request *r = ctx;
    const char *protocol = conn_tls(r->conn) ? tls_alpn(conn_tls(r->conn)) : NULL;
    conn_deadline(r->conn, HEAD_MS);
    if (protocol && cstr_eq(protocol, "h2") && http2_new(r, &r->h2) < 0)
        drop(r);
}

static void on_drained(void *ctx)
{
    struct http_request *r = ctx;
    if (r->h2)
        http2_drained(r->h2);
    else if (r->active && r->server->handlers->drained)
        r->server->handlers->drained(r->ctx, r);
}

static const struct conn_handlers handlers = {on_opened, on_data, on_drained, on_closed};

/* ---- the end of a request ---- */

void http_request_over(struct http_request *r, bool give_up)
{
    bool again = !give_up && !r->close && r->body_done;
    r->active = false;
    if (!r->conn)
        return;
    if (r->stream) {
        http2_end(r, give_up);
        return;
    }
    if (give_up) {
        drop(r);
    } else if (again) {
        conn_deadline(r->conn, IDLE_MS);
        conn_pause(r->conn, false);
    } else {
        conn_finish(r->conn);
    }
}

void http_request_detach(struct http_request *r)
{
    r->active = false;
    if (r->reading)
        r->taken = r->conn;
    r->conn = NULL;
    if (!r->reading)
        destroy(r);
}

void http_request_set_ctx(struct http_request *r, void *ctx)
{
    r->ctx = ctx;
}

int http_request_peer_cert(struct http_request *r, struct cert_info *ret_info, struct err *err)
{
    struct tls *t = conn_tls(r->conn);
    return t ? tls_peer_cert(t, ret_info, err) : -E_NOT_FOUND;
}

const struct net_addr *http_request_peer(const struct http_request *r)
{
    return &r->peer;
}

void http_request_pause(struct http_request *r, bool paused)
{
    if (!r->active || r->paused == paused || (paused && r->body_done))
        return;
    r->paused = paused;
    if (r->stream) {
        http2_pause(r, paused);
        return;
    }
    conn_deadline(r->conn, paused || r->body_done ? 0 : BODY_MS);
    conn_pause(r->conn, paused);
}

/* ---- accepting ---- */

static int adopt(struct http_server *s, int fd, const struct net_addr *peer)
{
    struct http_request *r = mem_zalloc(sizeof *r);
    if (!r)
        return -E_NOMEM;
    r->server = s;
    r->peer = *peer;
    int rc = http1_new(true, &parser_handlers, r, &r->parser);
    struct conn_options o = {.loop = s->loop,
                             .net = s->net,
                             .tls = s->tls,
                             .handshake_ms = HEAD_MS,
                             .handlers = &handlers,
                             .ctx = r};
    if (rc == 0)
        rc = conn_adopt(&o, fd, &r->conn);
    if (rc < 0) {
        http1_free(r->parser);
        mem_free(r);
        return rc;
    }
    list_push_back(&s->requests, &r->link);
    s->count++;
    if (!s->tls)
        conn_deadline(r->conn, HEAD_MS);
    return 0;
}

/* Out of descriptors or memory: the backlog waits, and the loop does not spin. */
static void rest(struct http_server *s)
{
    loop_fd_set(s->loop, &s->listener, 0);
    loop_timer_set(s->loop, &s->retry, RETRY_MS);
}

static void on_listener(void *ctx, unsigned events)
{
    struct http_server *s = ctx;
    (void)events;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        struct net_addr peer;
        int fd;
        if (s->count >= LIMIT_CONNECTIONS) {
            s->full = true;
            loop_fd_set(s->loop, &s->listener, 0);
            return;
        }
        int rc = s->net.ops->accept(s->net.ctx, s->listener.fd, &fd, &peer);
        if (rc == -E_AGAIN)
            return;
        if (rc == -E_LIMIT || rc == -E_NOMEM) {
            rest(s);
            return;
        }
        if (rc == 0 && adopt(s, fd, &peer) < 0) {
            s->net.ops->close(s->net.ctx, fd);
            rest(s);
            return;
        }
    }
}

static void on_retry(void *ctx)
{
    struct http_server *s = ctx;
    if (!s->full)
        loop_fd_set(s->loop, &s->listener, POLL_IN);
}

int http_server_new(const struct http_server_options *o, struct http_server **ret_server)
{
    struct http_server *s = mem_zalloc(sizeof *s);
    if (!s)
        return -E_NOMEM;
    s->loop = o->loop;
    s->net = o->net;
    s->tls = o->tls;
    s->handlers = o->handlers;
    s->ctx = o->ctx;
    list_init(&s->requests);
    loop_fd_init(&s->listener, on_listener, s);
    loop_timer_init(&s->retry, on_retry, s);
    int rc = loop_fd_add(s->loop, &s->listener, o->listen_fd, POLL_IN);
    if (rc < 0) {
        mem_free(s);
        return rc;
    }
    *ret_server = s;
    return 0;
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    int fd = s->listener.fd;
    loop_fd_remove(s->loop, &s->listener);
    loop_timer_cancel(s->loop, &s->retry);
    s->net.ops->close(s->net.ctx, fd);
    s->full = false;
    while (!list_empty(&s->requests)) {
        struct http_request *r = LIST_FIRST(&s->requests, struct http_request, link);
        ASSERT(!r->reading); /* not to be freed from inside its handlers */
        drop(r);
    }
    mem_free(s);
}

void http_server_set_tls(struct http_server *s, struct tls_context *tls)
{
    s->tls = tls;
}

size_t http_server_connections(const struct http_server *s)
{
    return s->count;
}

struct loop *http_server_loop(const struct http_server *s)
{
    return s->loop;
}

const struct http_server_handlers *http_server_handlers(const struct http_server *s, void **ret_ctx)
{
    *ret_ctx = s->ctx;
    return s->handlers;
}
