/*
 * One HTTP/1.1 request over a connection and its streamed answer. Redirects are the caller's
 * business.
 */
#ifndef WIRE_HTTP_CLIENT_H
#define WIRE_HTTP_CLIENT_H

#include "wire/conn.h"
#include "wire/http1.h"

struct http_call;

struct http_call_handlers {
    void (*head)(void *ctx, const struct http_head *head);
    void (*body)(void *ctx, struct str bytes);
    /* Once, last, unless freed before. rc 0: the answer is complete. The call still has to be
     * freed. */
    void (*end)(void *ctx, int rc, const char *message);
    void (*drained)(void *ctx); /* more of a streamed request body may be written; may be NULL */
};

struct http_call_options {
    struct loop *loop;
    const char *method, *target;
    const char *host; /* Host header */
    const struct http_header *headers;
    size_t header_count;
    struct str body;       /* whole; copied */
    bool streamed;         /* the body follows by http_call_write, then http_call_write_end */
    int64_t stream_length; /* when streamed: its length; -1: chunked */
    int timeout_ms;        /* for the whole answer; 0: none */
    const struct http_call_handlers *handlers; /* kept */
    void *ctx;
};

/* Sends on c, which must be open or opening and idle; c's handlers are the call's until it is
 * freed. Takes c over on success; after a failure free it. -E_BAD_REQUEST: a text that does not fit
 * into a head. */
int http_call_new(const struct http_call_options *o, struct conn *c,
                  struct http_call **ret_call) MUST_CHECK;
int http_call_write(struct http_call *h, struct str bytes) MUST_CHECK; /* of a streamed body */
int http_call_write_end(struct http_call *h) MUST_CHECK;
size_t http_call_unsent(const struct http_call *h);     /* of the request */
void http_call_pause(struct http_call *h, bool paused); /* of the answer's body */
/* After `end` with 0: the connection when it can carry another request, else NULL. */
struct conn *http_call_take_conn(struct http_call *h);
/* After head with status 101: the connection; bytes already read come to its handlers later. */
struct conn *http_call_upgrade(struct http_call *h, const struct conn_handlers *handlers,
                               void *ctx);
void http_call_free(struct http_call *h); /* closes the connection unless it was taken */

#endif
