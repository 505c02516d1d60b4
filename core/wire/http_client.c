/*
 * One request over a connection. See http_client.h.
 *
 * The call owns the connection until it is taken back. A connection can carry another request only
 * if the answer was complete, allowed it, and nothing came behind it.
 */
#include "wire/http_client.h"

#include <stdio.h>

#include "base/mem.h"

enum { HEAD_MAX = 64 * 1024 };

struct http_call {
    struct loop *loop;
    struct conn *conn;
    struct http1 *parser;
    const struct http_call_handlers *handlers;
    void *ctx;
    struct loop_timer timer;
    struct conn *moved; /* handed over while reading: the rest of what was read is its */
    bool chunked;       /* the request's body */
    bool sent;          /* the request is complete */
    bool reading, freed, ended;
    bool answered, complete; /* a final head has come; its body too */
    bool keep_alive, upgraded;
};

static void destroy(struct http_call *h)
{
    loop_timer_cancel(h->loop, &h->timer);
    http1_free(h->parser);
    conn_free(h->conn);
    mem_free(h);
}

void http_call_free(struct http_call *h)
{
    if (!h || h->freed)
        return;
    h->freed = h->ended = true;
    loop_timer_cancel(h->loop, &h->timer);
    if (!h->reading)
        destroy(h);
}

static void end(struct http_call *h, int rc, const char *message)
{
    if (h->ended)
        return;
    h->ended = true;
    loop_timer_cancel(h->loop, &h->timer);
    h->handlers->end(h->ctx, rc, message ? message : err_text(rc));
}

/* ---- the parser's events ---- */

static void on_head(void *ctx, const struct http_head *head)
{
    struct http_call *h = ctx;
    if (h->ended || (head->status < 200 && head->status != 101))
        return; /* 100 Continue and its like */
    h->answered = true;
    h->keep_alive = head->keep_alive;
    h->upgraded = head->upgrade;
    if (h->handlers->head)
        h->handlers->head(h->ctx, head);
}

static void on_body(void *ctx, struct str bytes)
{
    struct http_call *h = ctx;
    if (!h->ended && h->handlers->body)
        h->handlers->body(h->ctx, bytes);
}

static void on_end(void *ctx)
{
    struct http_call *h = ctx;
    h->complete = h->answered;
}

static const struct http1_handlers parser_handlers = {on_head, on_body, on_end};

/* ---- the connection's events ---- */

static void read_answer(struct http_call *h, struct str bytes)
{
    struct err err = {0};
    while (bytes.n && !h->ended && h->conn) {
        size_t taken;
        bool upgraded;
        int rc = http1_feed(h->parser, bytes, &taken, &upgraded, &err);
        bytes = str_make(bytes.p + taken, bytes.n - taken);
        if (h->freed || !h->conn)
            break;
        if (rc < 0) {
            end(h, rc, err.text);
        } else if (upgraded && h->upgraded) { /* kept for when it is taken */
            conn_pause(h->conn, true);
            if (conn_unread(h->conn, bytes) < 0)
                end(h, -E_NOMEM, NULL);
            return;
        } else if (h->complete) {
            h->keep_alive = h->keep_alive && h->sent && bytes.n == 0;
            end(h, 0, "");
        }
    }
    if (h->moved && conn_unread(h->moved, bytes) < 0)
        conn_deadline(h->moved, 1);
}

static void leave(struct http_call *h)
{
    h->reading = false;
    if (h->freed)
        destroy(h);
}

static void on_data(void *ctx, struct str bytes)
{
    struct http_call *h = ctx;
    h->reading = true;
    read_answer(h, bytes);
    leave(h);
}

static void on_closed(void *ctx, int rc, const char *message)
{
    struct http_call *h = ctx;
    h->reading = true;
    h->keep_alive = false;
    if (rc == 0 && http1_finish(h->parser) == 0 && h->complete)
        end(h, 0, "");
    else if (rc == 0)
        end(h, -E_CLOSED, "the server closed the connection before its answer was complete");
    else
        end(h, rc, message);
    leave(h);
}

static void on_drained(void *ctx)
{
    struct http_call *h = ctx;
    if (!h->ended && h->handlers->drained)
        h->handlers->drained(h->ctx);
}

static const struct conn_handlers conn_handlers = {
    .data = on_data, .drained = on_drained, .closed = on_closed};

static void on_timer(void *ctx)
{
    struct http_call *h = ctx;
    h->reading = true;
    h->keep_alive = false;
    end(h, -E_TIMEOUT, "no complete answer within the time limit");
    leave(h);
}

/* ---- the request ---- */

static void put_request(struct buf *b, const struct http_call_options *o)
{
    buf_printf(b, "%s %s HTTP/1.1\r\nHost: %s\r\n", o->method, o->target, o->host);
    for (size_t i = 0; i < o->header_count; i++) {
        buf_append_str(b, o->headers[i].name);
        buf_puts(b, ": ");
        buf_append_str(b, o->headers[i].value);
        buf_puts(b, "\r\n");
    }
    bool bodiless = !o->streamed && o->body.n == 0;
    bool none = bodiless && (cstr_eq(o->method, "GET") || cstr_eq(o->method, "HEAD"));
    if (o->streamed && o->stream_length < 0)
        buf_puts(b, "Transfer-Encoding: chunked\r\n");
    else if (o->streamed)
        buf_printf(b, "Content-Length: %lld\r\n", (long long)o->stream_length);
    else if (!none)
        buf_printf(b, "Content-Length: %zu\r\n", o->body.n);
    buf_puts(b, "\r\n");
}

/* Nothing of the head may end a line early: the caller's texts come from elsewhere. */
static bool is_clean(const struct http_call_options *o)
{
    for (const char *p = o->target; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f)
            return false;
    if (strpbrk(o->host, "\r\n ") || o->target[0] != '/')
        return false;
    for (size_t i = 0; i < o->header_count; i++) {
        struct str v = o->headers[i].value, n = o->headers[i].name;
        if (str_find_byte(v, '\r') >= 0 || str_find_byte(v, '\n') >= 0 ||
            str_find_byte(v, '\0') >= 0 || str_find_byte(n, '\r') >= 0 ||
            str_find_byte(n, '\n') >= 0 || str_find_byte(n, ':') >= 0)
            return false;
    }
    return true;
}

static int send_request(struct http_call *h, const struct http_call_options *o)
{
    struct buf b CLEANUP_BUF;
    buf_init(&b, HEAD_MAX);
    if (!is_clean(o))
        return -E_BAD_REQUEST;
    put_request(&b, o);
    if (b.failed)
        return -E_TOO_LARGE;
    int rc = conn_write(h->conn, buf_str(&b));
    if (rc == 0 && o->body.n)
        rc = conn_write(h->conn, o->body);
    return rc;
}

int http_call_new(const struct http_call_options *o, struct conn *c, struct http_call **ret_call)
{
    struct http_call *h = mem_zalloc(sizeof *h);
    int rc = h ? http1_new(false, &parser_handlers, h, &h->parser) : -E_NOMEM;
    if (rc < 0) {
        mem_free(h);
        return rc;
    }
    h->loop = o->loop;
    h->conn = c;
    h->handlers = o->handlers;
    h->ctx = o->ctx;
    h->chunked = o->streamed && o->stream_length < 0;
    h->sent = !o->streamed;
    loop_timer_init(&h->timer, on_timer, h);
    if (cstr_eq(o->method, "HEAD"))
        http1_expect_no_body(h->parser);
    conn_set_handlers(c, &conn_handlers, h);
    conn_deadline(c, 0);
    rc = send_request(h, o);
    if (rc < 0) {
        h->conn = NULL; /* still the caller's */
        destroy(h);
        return rc;
    }
    if (o->timeout_ms > 0)
        loop_timer_set(h->loop, &h->timer, o->timeout_ms);
    *ret_call = h;
    return 0;
}

int http_call_write(struct http_call *h, struct str bytes)
{
    char size[24];
    if (!h->conn || h->sent || h->ended)
        return -E_CLOSED;
    if (bytes.n == 0)
        return 0;
    if (!h->chunked)
        return conn_write(h->conn, bytes);
    snprintf(size, sizeof size, "%zx\r\n", bytes.n);
    int rc = conn_write(h->conn, str_of(size));
    if (rc == 0)
        rc = conn_write(h->conn, bytes);
    return rc < 0 ? rc : conn_write(h->conn, STR("\r\n"));
}

int http_call_write_end(struct http_call *h)
{
    if (!h->conn || h->sent || h->ended)
        return -E_CLOSED;
    h->sent = true;
    return h->chunked ? conn_write(h->conn, STR("0\r\n\r\n")) : 0;
}

size_t http_call_unsent(const struct http_call *h)
{
    return h->conn ? conn_unsent(h->conn) : 0;
}

void http_call_pause(struct http_call *h, bool paused)
{
    if (h->conn && !h->ended)
        conn_pause(h->conn, paused);
}

struct conn *http_call_take_conn(struct http_call *h)
{
    struct conn *c = h->conn;
    if (!c || !h->complete || !h->keep_alive || !conn_is_open(c))
        return NULL;
    h->conn = NULL;
    return c;
}

struct conn *http_call_upgrade(struct http_call *h, const struct conn_handlers *handlers, void *ctx)
{
    struct conn *c = h->conn;
    if (!c || !h->upgraded)
        return NULL;
    h->conn = NULL;
    h->ended = true;
    loop_timer_cancel(h->loop, &h->timer);
    if (h->reading)
        h->moved = c;
    conn_set_handlers(c, handlers, ctx);
    conn_pause(c, false);
    return c;
}
