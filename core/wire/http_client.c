/* One request and its answer. See http_client.h. */
#include "wire/http_client.h"

#include <stdio.h>

enum { HEAD_MAX = 64 * 1024 };

struct http_call {
    struct loop *loop;
    struct conn *conn;
    struct http1 *http1;
    const struct http_call_handlers *handlers;
    void *ctx;
    struct loop_timer timer;
    struct buf ahead; /* read behind the answer */
    bool chunked, feeding, freed, ended, keep_alive, upgrade, head_seen, told, spoilt;
    int status;
};

static void destroy(struct http_call *h)
{
    loop_timer_cancel(h->loop, &h->timer);
    conn_free(h->conn);
    http1_free(h->http1);
    buf_done(&h->ahead);
    mem_free(h);
}

void http_call_free(struct http_call *h)
{
    if (!h)
        return;
    h->freed = true;
    if (!h->feeding)
        destroy(h);
}

static void finish(struct http_call *h, int rc, const char *message)
{
    if (h->told || h->freed)
        return;
    h->told = true;
    loop_timer_cancel(h->loop, &h->timer);
    if (rc < 0)
        h->spoilt = true;
    h->handlers->end(h->ctx, rc, message ? message : "");
}

static void on_head(void *ctx, const struct http_head *head)
{
    struct http_call *h = ctx;
    if (h->freed || (head->status < 200 && head->status != 101))
        return; /* 100 Continue and its like */
    h->head_seen = true;
    h->status = head->status;
    h->keep_alive = head->keep_alive;
    h->upgrade = head->status == 101;
    h->handlers->head(h->ctx, head);
}

static void on_body(void *ctx, struct str bytes)
{
    struct http_call *h = ctx;
    if (!h->freed && h->head_seen)
        h->handlers->body(h->ctx, bytes);
}

static void on_complete(void *ctx)
{
    struct http_call *h = ctx;
    if (h->head_seen)
        h->ended = true;
}

static void on_data(void *ctx, struct str bytes)
{
    struct http_call *h = ctx;
    struct err err = {0};
    int rc = 0;

    h->feeding = true;
    while (bytes.n && rc == 0 && !h->freed && !h->ended) {
        size_t taken = 0;
        bool upgraded = false;
        rc = http1_feed(h->http1, bytes, &taken, &upgraded, &err);
        bytes.p += taken;
        bytes.n -= taken;
        if (upgraded)
            h->ended = true;
        if (taken == 0 && !h->ended)
            break;
    }
    h->feeding = false;
    if (h->freed) {
        destroy(h);
        return;
    }
    if (bytes.n && rc == 0) {
        buf_append_str(&h->ahead, bytes);
        h->spoilt |= !h->upgrade; /* an answer nobody asked for */
    }
    if (rc < 0)
        finish(h, rc, err.text);
    else if (h->ended && !h->upgrade)
        finish(h, 0, "");
}

static void on_drained(void *ctx)
{
    struct http_call *h = ctx;
    if (h->handlers->drained)
        h->handlers->drained(h->ctx);
}

static void on_closed(void *ctx, int rc, const char *message)
{
    struct http_call *h = ctx;
    h->keep_alive = false;
    h->feeding = true;
    if (rc == 0 && !h->ended) /* an answer may end with the connection */
        rc = h->head_seen && http1_finish(h->http1) == 0 ? 0 : -E_CLOSED;
    h->feeding = false;
    if (h->freed) {
        destroy(h);
        return;
    }
    finish(h, rc, rc == -E_CLOSED && !message[0] ? "the connection was closed before the answer was complete" : message);
}

static void on_timeout(void *ctx)
{
    finish(ctx, -E_TIMEOUT, "no complete answer within the time limit");
}

static const struct conn_handlers call_handlers = {NULL, on_data, on_drained, on_closed};

static int send_head(struct http_call *h, const struct http_call_options *o)
{
    struct buf b CLEANUP_BUF;
    buf_init(&b, HEAD_MAX);
    buf_printf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", o->method, o->target, o->host);
    for (size_t i = 0; i < o->header_count; i++) {
        if (str_find_byte(o->headers[i].value, '\n') >= 0 || str_find_byte(o->headers[i].value, '\r') >= 0)
            return -E_BAD_REQUEST;
        buf_append_str(&b, o->headers[i].name);
        buf_puts(&b, ": ");
        buf_append_str(&b, o->headers[i].value);
        buf_puts(&b, "\r\n");
    }
    bool bodiless = cstr_eq(o->method, "GET") || cstr_eq(o->method, "HEAD") || cstr_eq(o->method, "DELETE");
    if (o->streamed && o->stream_length < 0) {
        h->chunked = true;
        buf_puts(&b, "Transfer-Encoding: chunked\r\n");
    } else if (o->streamed) {
        buf_printf(&b, "Content-Length: %lld\r\n", (long long)o->stream_length);
    } else if (o->body.n || !bodiless) {
        buf_printf(&b, "Content-Length: %zu\r\n", o->body.n);
    }
    buf_puts(&b, "\r\n");
    if (b.failed)
        return -E_TOO_LARGE;
    int rc = conn_write(h->conn, buf_str(&b));
    return rc < 0 || o->streamed || !o->body.n ? rc : conn_write(h->conn, o->body);
}

int http_call_new(const struct http_call_options *o, struct conn *c, struct http_call **ret_call)
{
    static const struct http1_handlers handlers = {on_head, on_body, on_complete};
    struct http_call *h = mem_zalloc(sizeof *h);
    if (!h)
        return -E_NOMEM;
    h->loop = o->loop;
    h->handlers = o->handlers;
    h->ctx = o->ctx;
    loop_timer_init(&h->timer, on_timeout, h);
    buf_init(&h->ahead, 256 * 1024);
    int rc = http1_new(false, &handlers, h, &h->http1);
    if (rc == 0) {
        if (cstr_eq(o->method, "HEAD"))
            http1_expect_no_body(h->http1);
        h->conn = c;
        conn_set_handlers(c, &call_handlers, h);
        rc = send_head(h, o);
    }
    if (rc < 0) {
        h->conn = NULL; /* still the caller's */
        destroy(h);
        return rc;
    }
    conn_deadline(c, 0);
    if (o->timeout_ms > 0)
        loop_timer_set(h->loop, &h->timer, o->timeout_ms);
    *ret_call = h;
    return 0;
}

int http_call_write(struct http_call *h, struct str bytes)
{
    char size[24];
    if (!h->chunked)
        return conn_write(h->conn, bytes);
    if (bytes.n == 0)
        return 0;
    int n = snprintf(size, sizeof size, "%zx\r\n", bytes.n);
    int rc = conn_write(h->conn, str_make(size, (size_t)n));
    if (rc == 0)
        rc = conn_write(h->conn, bytes);
    return rc == 0 ? conn_write(h->conn, STR("\r\n")) : rc;
}

int http_call_write_end(struct http_call *h)
{
    return h->chunked ? conn_write(h->conn, STR("0\r\n\r\n")) : 0;
}

void http_call_pause(struct http_call *h, bool paused)
{
    if (h->conn)
        conn_pause(h->conn, paused);
}

struct conn *http_call_take_conn(struct http_call *h)
{
    struct conn *c = h->conn;
    if (!h->ended || h->spoilt || !h->keep_alive || !c || !conn_is_open(c))
        return NULL;
    h->conn = NULL;
    return c;
}

struct conn *http_call_upgrade(struct http_call *h, const struct conn_handlers *handlers, void *ctx)
{
    struct conn *c = h->conn;
    if (!c || !h->upgrade)
        return NULL;
    loop_timer_cancel(h->loop, &h->timer);
    h->told = true;
    h->conn = NULL;
    conn_set_handlers(c, handlers, ctx);
    if (buf_len(&h->ahead) && conn_unread(c, buf_str(&h->ahead)) < 0) {
        conn_free(c);
        return NULL;
    }
    return c;
}
