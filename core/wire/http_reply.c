/* The server's answers: heads, bodies fixed or chunked, hand-overs. See http_server.h. The framing
 * is HTTP/1.1's here; that of a stream is in http2.c. */
#include <stdio.h>
#include <time.h>

#include "wire/http2.h"

enum { HEAD_MAX = 64 * 1024 };

static void put_header(struct buf *b, const char *name, const char *value)
{
    buf_puts(b, name);
    buf_puts(b, ": ");
    buf_puts(b, value);
    buf_puts(b, "\r\n");
}

static void put_status(struct buf *b, int status)
{
    buf_printf(b, "HTTP/1.1 %d %s\r\n", status, http_status_text(status));
}

/* A value that came from elsewhere must not end its line. */
static bool is_clean(struct str s)
{
    return str_find_byte(s, '\r') < 0 && str_find_byte(s, '\n') < 0 && str_find_byte(s, '\0') < 0;
}

static void put_headers(struct buf *b, const struct http_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_clean(headers[i].name) || !is_clean(headers[i].value))
            continue;
        buf_append_str(b, headers[i].name);
        buf_puts(b, ": ");
        buf_append_str(b, headers[i].value);
        buf_puts(b, "\r\n");
    }
}

void http_put_date(struct buf *b, struct loop *loop)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t now = (time_t)(loop_realtime_ns(loop) / 1000000000);
    struct tm t;
    if (!gmtime_r(&now, &t)) /* the C locale's names whatever strftime thinks */
        return;
    buf_printf(b, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + 3 * t.tm_wday,
               t.tm_mday, months + 3 * t.tm_mon, t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

/* A failed write ends the connection from the loop; `aborted` tells the application then. */
static void send(struct http_request *r, struct str bytes)
{
    if (conn_write(r->conn, bytes) < 0)
        r->close = true;
}

static void put_framing(struct http_request *r, struct buf *b, int status, int64_t length)
{
    r->bodiless = status == 204 || status == 304 || status < 200;
    if (r->bodiless && status != 304)
        return;
    r->left = length;
    if (length >= 0) {
        buf_printf(b, "Content-Length: %lld\r\n", (long long)length);
    } else if (r->http10) {
        r->close = true;
    } else if (!r->bodiless) {
        r->chunked = true;
        put_header(b, "Transfer-Encoding", "chunked");
    }
}

void http_reply(struct http_request *r, int status, const struct http_header *headers,
                size_t header_count, int64_t length)
{
    struct buf b CLEANUP_BUF;
    buf_init(&b, HEAD_MAX);
    if (!r->active || r->replied || !r->conn)
        return;
    r->replied = true;
    if (r->stream) {
        http2_reply(r, status, headers, header_count, length);
        return;
    }
    put_status(&b, status);
    buf_puts(&b, "Date: ");
    http_put_date(&b, http_server_loop(r->server));
    buf_puts(&b, "\r\n");
    put_headers(&b, headers, header_count);
    put_framing(r, &b, status, length);
    if (!r->body_done)
        r->close = true; /* the rest of the request would have to be read to get to the next one */
    if (r->close)
        put_header(&b, "Connection", "close");
    else if (r->http10)
        put_header(&b, "Connection", "keep-alive");
    buf_puts(&b, "\r\n");
    if (b.failed) {
        r->close = true;
        send(r, STR("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: "
                    "close\r\n\r\n"));
        r->bodiless = true;
        return;
    }
    send(r, buf_str(&b));
}

void http_reply_write(struct http_request *r, struct str bytes)
{
    char size[24];
    if (!r->active || !r->replied || !r->conn || bytes.n == 0 || r->bodiless || r->head_only)
        return;
    if (r->stream) {
        http2_write(r, bytes);
        return;
    }
    if (!r->chunked) {
        if (r->left >= 0 && (int64_t)bytes.n > r->left)
            bytes.n =
                (size_t)r->left; /* more than was promised would be taken for the next answer */
        r->left -= r->left >= 0 ? (int64_t)bytes.n : 0;
        send(r, bytes);
        return;
    }
    snprintf(size, sizeof size, "%zx\r\n", bytes.n);
    send(r, str_of(size));
    send(r, bytes);
    send(r, STR("\r\n"));
}

void http_reply_end(struct http_request *r)
{
    if (!r->active || !r->conn)
        return;
    if (!r->replied) {
        http_reply_abort(r);
        return;
    }
    if (r->stream)
        ;
    else if (r->chunked && !r->head_only)
        send(r, STR("0\r\n\r\n"));
    else if (r->left > 0 && !r->head_only && !r->bodiless)
        r->close = true; /* less than was promised: the end of the connection says so */
    http_request_over(r, false);
}

void http_reply_whole(struct http_request *r, int status, const char *content_type, struct str body)
{
    struct http_header type = {STR("Content-Type"), str_of(content_type)};
    http_reply(r, status, &type, content_type ? 1 : 0, (int64_t)body.n);
    http_reply_write(r, body);
    http_reply_end(r);
}

size_t http_reply_unsent(const struct http_request *r)
{
    if (r->stream)
        return buf_len(&r->out);
    return r->conn ? conn_unsent(r->conn) : 0;
}

void http_reply_abort(struct http_request *r)
{
    if (r->active && r->conn)
        http_request_over(r, true);
}

struct conn *http_request_take(struct http_request *r, const struct conn_handlers *handlers,
                               void *ctx)
{
    struct conn *c = r->conn;
    conn_deadline(c, 0);
    conn_set_handlers(c, handlers, ctx);
    conn_pause(c, false);
    http_request_detach(r);
    return c;
}

struct conn *http_request_upgrade(struct http_request *r, const struct http_header *headers,
                                  size_t header_count, const struct conn_handlers *handlers,
                                  void *ctx)
{
    struct buf b CLEANUP_BUF;
    buf_init(&b, HEAD_MAX);
    put_status(&b, 101);
    put_headers(&b, headers, header_count);
    buf_puts(&b, "\r\n");
    if (b.failed) {
        r->active = false; /* its owner learns it from the answer */
        http_request_over(r, true);
        return NULL;
    }
    send(r, buf_str(&b));
    return http_request_take(r, handlers, ctx);
}

void http_request_close_after(struct http_request *r)
{
    r->close = true;
}
