/* The server's connections: shared by http_server.c (accepting, reading), http_reply.c, http2.c. */
#ifndef WIRE_HTTP_SERVER_INT_H
#define WIRE_HTTP_SERVER_INT_H

#include "base/buf.h"
#include "base/list.h"
#include "wire/http_server.h"

struct http2;

/* A connection, and the one request that it carries now; or a stream of an HTTP/2 connection. */
struct http_request {
    struct list link; /* of the server's connections, or of its connection's streams */
    struct http_server *server;
    struct http2 *h2;   /* the connection speaks HTTP/2 */
    int32_t stream;     /* 0: this is a connection */
    struct buf out;     /* stream: of the answer, not yet framed */
    size_t uncredited;  /* stream: bytes of the body that came while paused */
    struct conn *conn;  /* NULL once handed over; a stream: its connection's */
    struct conn *taken; /* handed over while reading: the rest of what was read is its */
    struct http1 *parser;
    struct net_addr peer;
    void *ctx;
    int64_t left;      /* of an answer of fixed length; -1: other */
    size_t body_since; /* bytes of the body since the deadline was set */
    bool in_head;      /* its first byte has come */
    bool active;       /* begun, and its answer has not ended */
    bool body_done;    /* the request is complete */
    bool upgrading;    /* asked for another protocol: what follows is not HTTP */
    bool paused;       /* by the application */
    bool replied, chunked, bodiless, head_only, http10;
    bool close;   /* after this answer; a stream: its answer is complete */
    bool above;   /* stream: `drained` is owed */
    bool reading; /* inside on_data: it cleans up */
};

void http_put_date(struct buf *b, struct loop *loop); /* 29 bytes, as RFC 9110 has them */
/* Its answer is complete (or given up): next request, or the end of the connection. */
void http_request_over(struct http_request *r, bool give_up);
void http_request_detach(struct http_request *r);
struct loop *http_server_loop(const struct http_server *s);
const struct http_server_handlers *http_server_handlers(const struct http_server *s,
                                                        void **ret_ctx);

#endif
