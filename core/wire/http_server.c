/*
 * The server. See http_server.h.
 *
 * A session is one connection:  WAITING --head--> ANSWERING --answer ended and request read--> WAITING
 * A request lives inside its session. Reading goes on while it is answered, so that a client that
 * leaves is noticed; what it sends ahead waits in `unread`, and past UNREAD_HIGH in the kernel.
 */
#include "wire/http_server.h"

#include <stdio.h>
#include <time.h>

#include "base/log.h"

enum {
    HEAD_MS = 10 * 1000,
    KEEP_ALIVE_MS = 90 * 1000,
    BODY_MS = 30 * 1000, /* without a byte of a body that is wanted */
    ACCEPTS_A_TURN = 32,
    ACCEPT_PAUSE_MS = 100,
    UNREAD_HIGH = 16 * 1024,
};

struct http_request {
    struct session *session;
    void *ctx;
    bool active, replied, request_done, answer_done, chunked, keep_alive, head_only, wants_100;
    int64_t left; /* of a fixed-length answer */
};

struct session {
    struct list link;
    struct http_server *server;
    struct conn *conn;
    struct http1 *http1;
    struct net_addr peer;
    struct http_request request;
    struct buf unread; /* bytes behind a complete request */
    struct conn *handed; /* the connection, taken while we were feeding */
    bool feeding, gone, closing;
};

struct http_server {
    struct http_server_options o;
    struct loop_fd listener;
    struct loop_timer pause;
    struct list sessions;
    size_t count;
};

/* ---- sessions ---- */

static void session_free(struct session *s)
{
    if (s->feeding) { /* we are inside http1_feed: the caller ends it */
        s->gone = true;
        return;
    }
    list_remove(&s->link);
    s->server->count--;
    conn_free(s->conn);
    http1_free(s->http1);
    buf_done(&s->unread);
    mem_free(s);
}

/* The client went away: tell the request's owner, once. */
static void session_abort(struct session *s)
{
    struct http_request *r = &s->request;
    if (r->active && !r->answer_done) {
        r->active = false;
        s->server->o.handlers->aborted(r->ctx, r);
    }
    session_free(s);
}

static int refusal_status(int rc)
{
    return rc == -E_TOO_LARGE ? 431 : 400;
}

/* An answer to what could not be read as a request; the connection ends with it. */
static void refuse(struct session *s, int rc, const char *why)
{
    char text[700];
    int status = refusal_status(rc);
    int n = snprintf(text, sizeof text,
                     "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
                     "Content-Length: %zu\r\n\r\n%s",
                     status, http_status_text(status), strlen(why), why);
    s->closing = true;
    if (conn_write(s->conn, str_make(text, (size_t)n)) < 0) {
        session_abort(s);
        return;
    }
    conn_finish(s->conn);
}

/* Both halves are done: the next request, or the end. */
static void request_over(struct session *s)
{
    struct http_request *r = &s->request;
    r->active = false;
    if (!r->keep_alive) {
        s->closing = true;
        conn_pause(s->conn, false);
        conn_finish(s->conn);
        return;
    }
    *r = (struct http_request){.session = s};
    conn_deadline(s->conn, KEEP_ALIVE_MS);
    if (buf_len(&s->unread)) {
        size_t n;
        char *bytes = buf_take(&s->unread, &n);
        int rc = bytes ? conn_unread(s->conn, str_make(bytes, n)) : -E_NOMEM;
        mem_free(bytes);
        if (rc < 0) {
            session_free(s);
            return;
        }
    }
    conn_pause(s->conn, false);
}

static void maybe_over(struct session *s)
{
    if (s->request.request_done && s->request.answer_done)
        request_over(s);
}

/* ---- input ---- */

static void on_head(void *ctx, const struct http_head *head)
{
    struct session *s = ctx;
    struct http_request *r = &s->request;
    *r = (struct http_request){.session = s, .active = true, .keep_alive = head->keep_alive,
                               .head_only = cstr_eq(head->method, "HEAD"),
                               .wants_100 = head->expect_continue && head->has_body};
    conn_deadline(s->conn, head->has_body ? BODY_MS : 0);
    s->server->o.handlers->begin(s->server->o.ctx, r, head);
    if (r->active && r->wants_100 && !r->replied)
        (void)!conn_write(s->conn, STR("HTTP/1.1 100 Continue\r\n\r\n"));
}

static void on_body(void *ctx, struct str bytes)
{
    struct session *s = ctx;
    struct http_request *r = &s->request;
    if (!r->active || s->gone || r->answer_done)
        return;
    conn_deadline(s->conn, BODY_MS);
    s->server->o.handlers->body(r->ctx, r, bytes);
}

static void on_complete(void *ctx)
{
    struct session *s = ctx;
    struct http_request *r = &s->request;
    r->request_done = true;
    if (s->gone || s->closing || !s->conn)
        return;
    conn_deadline(s->conn, 0);
    if (r->active && !r->answer_done)
        s->server->o.handlers->complete(r->ctx, r);
}

static void feed(struct session *s, struct str bytes)
{
    struct err err = {0};
    size_t taken = 0;
    bool upgraded = false;
    int rc = 0;

    if (!s->request.active && !s->closing && buf_len(&s->unread) == 0)
        conn_deadline(s->conn, HEAD_MS);
    s->feeding = true;
    if (!s->request.request_done && !s->closing)
        rc = http1_feed(s->http1, bytes, &taken, &upgraded, &err);
    s->feeding = false;
    if (s->gone) { /* answered for good, or handed over: then the rest goes along */
        if (s->handed && rc == 0)
            (void)!conn_unread(s->handed, str_make(bytes.p + taken, bytes.n - taken));
        session_free(s);
        return;
    }
    if (rc < 0) {
        if (s->request.active && !s->request.answer_done)
            session_abort(s);
        else
            refuse(s, rc, err.text);
        return;
    }
    if (taken < bytes.n && !s->closing)
        buf_append(&s->unread, bytes.p + taken, bytes.n - taken);
    if (s->unread.failed) {
        session_abort(s);
        return;
    }
    if (buf_len(&s->unread) > UNREAD_HIGH)
        conn_pause(s->conn, true);
    maybe_over(s);
}

static void on_data(void *ctx, struct str bytes)
{
    feed(ctx, bytes);
}

static void on_drained(void *ctx)
{
    struct session *s = ctx;
    struct http_request *r = &s->request;
    if (r->active && !r->answer_done && s->server->o.handlers->drained)
        s->server->o.handlers->drained(r->ctx, r);
}

static void on_closed(void *ctx, int rc, const char *message)
{
    (void)rc;
    (void)message;
    session_abort(ctx);
}

static void on_opened(void *ctx)
{
    struct session *s = ctx;
    conn_deadline(s->conn, HEAD_MS);
}

static const struct conn_handlers session_handlers = {on_opened, on_data, on_drained, on_closed};

/* ---- answers ---- */

void http_request_set_ctx(struct http_request *r, void *ctx)
{
    r->ctx = ctx;
}

int http_request_peer_cert(struct http_request *r, struct cert_info *ret_info, struct err *err)
{
    struct tls *tls = conn_tls(r->session->conn);
    return tls ? tls_peer_cert(tls, ret_info, err) : -E_NOT_FOUND;
}

const struct net_addr *http_request_peer(const struct http_request *r)
{
    return &r->session->peer;
}

static void put_head(struct buf *b, int status, const struct http_header *headers, size_t count)
{
    char date[40];
    struct tm tm;
    time_t now = time(NULL);
    gmtime_r(&now, &tm);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    buf_printf(b, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, http_status_text(status), date);
    for (size_t i = 0; i < count; i++) {
        buf_append_str(b, headers[i].name);
        buf_puts(b, ": ");
        buf_append_str(b, headers[i].value);
        buf_puts(b, "\r\n");
    }
}

/* A failed write shows later as `closed`; until then the answer goes nowhere. */
static void send_bytes(struct http_request *r, struct str bytes)
{
    (void)!conn_write(r->session->conn, bytes);
}

static bool bodiless(int status)
{
    return status < 200 || status == 204 || status == 304;
}

void http_reply(struct http_request *r, int status, const struct http_header *headers,
                size_t header_count, int64_t length)
{
    struct buf head CLEANUP_BUF;
    buf_init(&head, 2 * LIMIT_HEADER_BYTES);
    r->replied = true;
    if (r->wants_100 && !r->request_done)
        r->keep_alive = false; /* the body was refused; the client may or may not send it */
    put_head(&head, status, headers, header_count);
    if (bodiless(status)) {
        length = 0;
    } else if (length >= 0) {
        buf_printf(&head, "Content-Length: %lld\r\n", (long long)length);
    } else {
        r->chunked = !r->head_only;
        buf_puts(&head, "Transfer-Encoding: chunked\r\n");
    }
    if (!r->keep_alive)
        buf_puts(&head, "Connection: close\r\n");
    buf_puts(&head, "\r\n");
    r->left = length;
    if (!head.failed)
        send_bytes(r, buf_str(&head));
}

void http_reply_write(struct http_request *r, struct str bytes)
{
    char size[24];
    if (r->head_only || bytes.n == 0)
        return;
    if (!r->chunked) {
        if ((int64_t)bytes.n > r->left)
            bytes.n = (size_t)r->left; /* more than was promised would corrupt the next answer */
        r->left -= (int64_t)bytes.n;
        send_bytes(r, bytes);
        return;
    }
    int n = snprintf(size, sizeof size, "%zx\r\n", bytes.n);
    send_bytes(r, str_make(size, (size_t)n));
    send_bytes(r, bytes);
    send_bytes(r, STR("\r\n"));
}

void http_reply_end(struct http_request *r)
{
    struct session *s = r->session;
    if (r->chunked)
        send_bytes(r, STR("0\r\n\r\n"));
    else if (r->left > 0 && !r->head_only)
        r->keep_alive = false;
    r->answer_done = true;
    if (!r->request_done)
        r->keep_alive = false; /* the rest of the request is not waited for */
    if (!r->keep_alive)
        r->request_done = true;
    if (!s->feeding)
        maybe_over(s);
}

void http_reply_whole(struct http_request *r, int status, const char *content_type, struct str body)
{
    struct http_header h = {STR("Content-Type"), str_of(content_type)};
    http_reply(r, status, &h, 1, (int64_t)body.n);
    http_reply_write(r, body);
    http_reply_end(r);
}

size_t http_reply_unsent(const struct http_request *r)
{
    return conn_unsent(r->session->conn);
}

void http_request_pause(struct http_request *r, bool paused)
{
    if (r->request_done)
        return;
    conn_pause(r->session->conn, paused);
    conn_deadline(r->session->conn, paused ? 0 : BODY_MS);
}

void http_reply_abort(struct http_request *r)
{
    r->active = false;
    r->answer_done = true;
    session_free(r->session);
}

struct conn *http_request_take(struct http_request *r, const struct conn_handlers *handlers, void *ctx)
{
    struct session *s = r->session;
    struct conn *c = s->conn;
    conn_deadline(c, 0);
    conn_set_handlers(c, handlers, ctx);
    size_t n = 0;
    char *rest = buf_len(&s->unread) ? buf_take(&s->unread, &n) : NULL;
    if (rest)
        (void)!conn_unread(c, str_make(rest, n));
    mem_free(rest);
    conn_pause(c, false);
    s->conn = NULL;
    s->handed = s->feeding ? c : NULL;
    r->active = false;
    r->answer_done = true;
    session_free(s);
    return c;
}

struct conn *http_request_upgrade(struct http_request *r, const struct http_header *headers,
                                  size_t header_count, const struct conn_handlers *handlers, void *ctx)
{
    struct buf head CLEANUP_BUF;
    buf_init(&head, LIMIT_HEADER_BYTES);
    put_head(&head, 101, headers, header_count);
    buf_puts(&head, "\r\n");
    send_bytes(r, buf_str(&head));
    return http_request_take(r, handlers, ctx);
}

/* ---- accepting ---- */

static void take_connection(struct http_server *s, int fd, const struct net_addr *peer)
{
    static const struct http1_handlers handlers = {on_head, on_body, on_complete};
    struct session *n = mem_zalloc(sizeof *n);
    struct conn_options o = {.loop = s->o.loop, .net = s->o.net, .tls = s->o.tls,
                             .handlers = &session_handlers, .ctx = n};
    if (!n || http1_new(true, &handlers, n, &n->http1) < 0 || conn_adopt(&o, fd, &n->conn) < 0) {
        if (n)
            http1_free(n->http1);
        mem_free(n);
        s->o.net.ops->close(s->o.net.ctx, fd);
        return;
    }
    n->server = s;
    n->peer = *peer;
    n->request.session = n;
    buf_init(&n->unread, 2 * LIMIT_HEADER_BYTES);
    list_push_back(&s->sessions, &n->link);
    s->count++;
    conn_deadline(n->conn, HEAD_MS);
}

static void on_listener(void *ctx, unsigned events)
{
    struct http_server *s = ctx;
    (void)events;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        struct net_addr peer;
        int fd;
        if (s->count >= LIMIT_CONNECTIONS) {
            loop_fd_set(s->o.loop, &s->listener, 0);
            loop_timer_set(s->o.loop, &s->pause, ACCEPT_PAUSE_MS);
            return;
        }
        int rc = s->o.net.ops->accept(s->o.net.ctx, s->listener.fd, &fd, &peer);
        if (rc == -E_AGAIN)
            return;
        if (rc < 0) { /* out of descriptors: neither spin nor die */
            log_warn("accept: %s", err_text(rc));
            loop_fd_set(s->o.loop, &s->listener, 0);
            loop_timer_set(s->o.loop, &s->pause, ACCEPT_PAUSE_MS);
            return;
        }
        take_connection(s, fd, &peer);
    }
}

static void on_pause_over(void *ctx)
{
    struct http_server *s = ctx;
    loop_fd_set(s->o.loop, &s->listener, POLL_IN);
}

int http_server_new(const struct http_server_options *o, struct http_server **ret_server)
{
    struct http_server *s = mem_zalloc(sizeof *s);
    if (!s)
        return -E_NOMEM;
    s->o = *o;
    list_init(&s->sessions);
    loop_fd_init(&s->listener, on_listener, s);
    loop_timer_init(&s->pause, on_pause_over, s);
    int rc = loop_fd_add(o->loop, &s->listener, o->listen_fd, POLL_IN);
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
    loop_fd_remove(s->o.loop, &s->listener);
    loop_timer_cancel(s->o.loop, &s->pause);
    while (!list_empty(&s->sessions))
        session_abort(LIST_FIRST(&s->sessions, struct session, link));
    s->o.net.ops->close(s->o.net.ctx, fd);
    mem_free(s);
}

size_t http_server_connections(const struct http_server *s)
{
    return s->count;
}
