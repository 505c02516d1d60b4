/*
 * HTTP/2 connections fed by a stranger. The connection preface is given; the first byte chooses the
 * size of the pieces and whether the application answers at once, later, or pauses bodies.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "drivers/loop/epoll.h"
#include "drivers/net/socket/socket.h"
#include "wire/http2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { KEPT = 64 };

static struct http_request *kept[KEPT]; /* answered after everything was fed */
static bool at_once, pausing;

static void on_begin(void *ctx, struct http_request *r, const struct http_head *head)
{
    (void)ctx;
    if (!head->method || !head->target.n)
        abort();
    for (size_t i = 0; i < head->header_count; i++)
        if (head->headers[i].name.n + head->headers[i].value.n > LIMIT_HEADER_BYTES)
            abort();
    if (pausing)
        http_request_pause(r, true);
    for (size_t i = 0; !at_once && i < KEPT; i++)
        if (!kept[i]) {
            kept[i] = r;
            http_request_set_ctx(r, &kept[i]);
            return;
        }
    http_reply_whole(r, 200, "text/plain", STR("an answer\n"));
}

static void on_body(void *ctx, struct http_request *r, struct str bytes)
{
    (void)ctx;
    if (bytes.n > 20000)
        http_reply_abort(r);
}

static void on_complete(void *ctx, struct http_request *r)
{
    (void)ctx;
    (void)r;
}

static void on_aborted(void *ctx, struct http_request *r)
{
    struct http_request **at = ctx;
    if (at && *at == r)
        *at = NULL;
}

static const struct http_server_handlers handlers = {on_begin, on_body, on_complete, on_aborted,
                                                     NULL};

static void on_closed(void *ctx, int rc, const char *message)
{
    (void)ctx;
    (void)rc;
    (void)message;
}

static const struct conn_handlers conn_handlers = {NULL, NULL, NULL, on_closed};

static void drain(int fd)
{
    char sink[65536];
    while (recv(fd, sink, sizeof sink, MSG_DONTWAIT) > 0)
        ;
}

static void feed_all(struct loop *l, struct http2 *h, int peer, struct str all, size_t step)
{
    for (int rc = 0; all.n && rc == 0;) {
        size_t n = all.n < step ? all.n : step;
        rc = http2_feed(h, str_make(all.p, n));
        all = str_make(all.p + n, all.n - n);
        (void)!loop_turn(l, 0);
        drain(peer);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct poll poll;
    struct loop *l;
    struct http_server *server;
    struct http_request carrier = {0};
    struct http2 *h;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), pair[2];

    if (size == 0 || poll_epoll_open(&poll) < 0 || loop_new(poll, &l) < 0)
        return 0;
    struct http_server_options so = {.loop = l,
                                     .net = net_socket(),
                                     .listen_fd = listener,
                                     .handlers = &handlers};
    struct conn_options co = {.loop = l, .net = net_socket(), .handlers = &conn_handlers};
    at_once = data[0] & 1;
    pausing = data[0] & 2;
    if (http_server_new(&so, &server) < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0 ||
        conn_adopt(&co, pair[0], &carrier.conn) < 0)
        abort();
    carrier.server = server;
    if (http2_new(&carrier, &h) < 0)
        abort();
    feed_all(l, h, pair[1], STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 100);
    feed_all(l, h, pair[1], str_make((const char *)data + 1, size - 1), (size_t)(data[0] >> 2) * 16 + 1);
    for (size_t i = 0; i < KEPT; i++) {
        struct http_request *r = kept[i];
        kept[i] = NULL;
        if (!r)
            continue;
        http_request_set_ctx(r, NULL);
        if (i % 3 == 0)
            http_reply_abort(r);
        else
            http_reply_whole(r, 200, "text/plain", STR("a later answer\n"));
    }
    (void)!loop_turn(l, 0);
    drain(pair[1]);
    http2_free(h);
    conn_free(carrier.conn);
    http_server_free(server);
    loop_free(l);
    close(pair[1]);
    return 0;
}
