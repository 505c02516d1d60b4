/*
 * HTTP/1.1 messages (RFC 9110, 9112), read strictly and written plainly; sans-I/O. Refused, not
 * repaired: Content-Length beside Transfer-Encoding, bare LF, space before a colon, folded lines,
 * too many or too large headers.
 */
#ifndef WIRE_HTTP1_H
#define WIRE_HTTP1_H

#include "base/buf.h"
#include "base/limits.h"

struct http_header {
    struct str name, value; /* name in lower case */
};

struct http_head { /* views, valid while the message's head is being handled */
    bool is_request;
    int minor;          /* HTTP/1.minor: 0 or 1 */
    const char *method; /* request: "GET" */
    struct str target;  /* request: as sent */
    int status;         /* answer */
    struct http_header headers[LIMIT_HEADER_COUNT];
    size_t header_count;
    bool keep_alive, expect_continue;
    bool upgrade; /* request: to a protocol of ours (WebSocket, SPDY/3.1); answer: 101 */
    bool has_body;
    int64_t content_length; /* -1: not said */
};

/* First value of a header; {NULL, 0} when absent. name in lower case. */
struct str http_header_get(const struct http_head *h, const char *name);
/* Is token in the comma-separated values of the header (no case)? */
bool http_header_has(const struct http_head *h, const char *name, const char *token);

struct http1;
struct http1_handlers {
    void (*head)(void *ctx, const struct http_head *head);
    void (*body)(void *ctx, struct str bytes);
    void (*end)(void *ctx); /* the message is complete */
};
/* kind: request, or answer (head_request: to a HEAD, which has no body). */
int http1_new(bool requests, const struct http1_handlers *handlers, void *ctx,
              struct http1 **ret_http1) MUST_CHECK;
void http1_free(struct http1 *h); /* also from inside a handler: then the feed returns -E_CLOSED */
void http1_expect_no_body(struct http1 *h); /* the next answer is to a HEAD request */
/*
 * Takes bytes; *ret_taken of them (set in every case). Stops after a complete message (call again
 * for the next one) and at an upgrade (then *ret_upgraded, the rest belongs to the new protocol).
 * -E_SYNTAX, -E_TOO_LARGE (headers) with a message; -E_UNSUPPORTED: CONNECT or another HTTP
 * version.
 */
int http1_feed(struct http1 *h, struct str bytes, size_t *ret_taken, bool *ret_upgraded,
               struct err *err) MUST_CHECK;
/* The peer closed. 0: between messages, or an answer that ends so; else -E_CLOSED. */
int http1_finish(struct http1 *h) MUST_CHECK;

const char *http_status_text(int status);

#endif
