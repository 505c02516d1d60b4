/*
 * An HTTP/1.1 server on a listening socket: keep-alive connections, one request at a time on each,
 * answers streamed with back-pressure, upgrades handed over.
 *
 * Defences: 10 s for the head, a least rate for bodies, LIMIT_CONNECTIONS, and a pause of the
 * accept loop when descriptors run out.
 */
#ifndef WIRE_HTTP_SERVER_H
#define WIRE_HTTP_SERVER_H

#include "wire/conn.h"
#include "wire/http1.h"

struct http_server;
struct http_request; /* one request on one connection; lives until its answer ends or `aborted` */

struct http_server_handlers {
    /* A request begins. Keep `ctx` with http_request_set_ctx. The head is valid during the call. */
    void (*begin)(void *server_ctx, struct http_request *r, const struct http_head *head);
    void (*body)(void *request_ctx, struct http_request *r, struct str bytes);
    void (*complete)(void *request_ctx, struct http_request *r); /* the body is complete */
    /* The client went away before the answer ended: r is gone after this call. */
    void (*aborted)(void *request_ctx, struct http_request *r);
    void (*drained)(void *request_ctx, struct http_request *r); /* may be NULL */
};

struct http_server_options {
    struct loop *loop;
    struct net net;
    struct tls_context *tls;                     /* NULL: plain */
    int listen_fd;                               /* taken over on success; non-blocking */
    const struct http_server_handlers *handlers; /* kept */
    void *ctx;
};

int http_server_new(const struct http_server_options *o,
                    struct http_server **ret_server) MUST_CHECK;
void http_server_free(struct http_server *s); /* aborts what is under way */
/* Connections accepted from now on use this context. */
void http_server_set_tls(struct http_server *s, struct tls_context *tls);
size_t http_server_connections(const struct http_server *s);

void http_request_set_ctx(struct http_request *r, void *ctx);
/* The client's certificate: as tls_peer_cert; -E_NOT_FOUND on a plain connection. */
int http_request_peer_cert(struct http_request *r, struct cert_info *ret_info,
                           struct err *err) MUST_CHECK;
const struct net_addr *http_request_peer(const struct http_request *r);

/*
 * The answer: reply, then write*, then end. length -1: chunked (or until close for HTTP/1.0).
 * Headers Date, Content-Length, Transfer-Encoding and Connection are added. What is written to a
 * client that has gone is dropped: `aborted` follows. Once http_reply_unsent was above CONN_LOW,
 * `drained` tells when it has fallen below.
 */
void http_reply(struct http_request *r, int status, const struct http_header *headers,
                size_t header_count, int64_t length);
void http_reply_write(struct http_request *r, struct str bytes);
void http_reply_end(struct http_request *r); /* r is gone after this call */
/* All at once, with a content type. r is gone after. */
void http_reply_whole(struct http_request *r, int status, const char *content_type,
                      struct str body);
/* The connection is closed after this answer. Before http_reply. */
void http_request_close_after(struct http_request *r);
size_t http_reply_unsent(const struct http_request *r);
void http_request_pause(struct http_request *r, bool paused); /* stops reading the body */
/* Gives the answer up in the middle: the connection is closed. r is gone after. */
void http_reply_abort(struct http_request *r);
/*
 * Answers 101 with these headers (Connection and Upgrade among them) and hands the connection over;
 * r is gone after. What the client has sent already arrives through the connection's new handlers,
 * in a later turn of the loop. NULL: out of memory; the connection is closed.
 */
struct conn *http_request_upgrade(struct http_request *r, const struct http_header *headers,
                                  size_t header_count, const struct conn_handlers *handlers,
                                  void *ctx);
/* As upgrade, but nothing is answered: for tunnels that pass on somebody else's answer. */
struct conn *http_request_take(struct http_request *r, const struct conn_handlers *handlers,
                               void *ctx);

#endif
