/* The server's connections: shared by http_server.c (accepting, reading) and http_reply.c. */
#ifndef WIRE_HTTP_SERVER_INT_H
#define WIRE_HTTP_SERVER_INT_H

#include "base/list.h"
#include "wire/http_server.h"

struct http_request { /* a connection, and the one request that it carries now */
    struct list link;
    struct http_server *server;
    struct conn *conn;  /* NULL once handed over */
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
    bool close;   /* after this answer */
    bool reading; /* inside on_data: it cleans up */
};

/* Its answer is complete (or given up): next request, or the end of the connection. */
void http_request_over(struct http_request *r, bool give_up);
void http_request_detach(struct http_request *r);
struct loop *http_server_loop(const struct http_server *s);

#endif
