/*
 * Control's half of the link to front: whole requests in, streamed answers out.
 */
#ifndef WIRE_FRONT_LINK_H
#define WIRE_FRONT_LINK_H

#include "wire/front_msg.h"
#include "wire/http1.h"
#include "wire/role_link.h"

struct front_link;
struct front_stream; /* one request; lives until its answer ended or `cancelled` */

struct front_request { /* views, valid during the callback */
    const char *method;
    struct str target;
    struct http_header headers[FRONT_HEADERS];
    size_t header_count;
    const char *user;                     /* NULL: no acceptable client certificate */
    const char *groups[FRONT_GROUPS + 1]; /* NULL-terminated */
    const char *fingerprint;              /* of the certificate, hex; NULL: none */
    const char *problem;                  /* NULL: none */
    const char *authorization;            /* the header's value, or NULL; not among headers */
    const char *address;
    struct str body; /* whole; at most LIMIT_BODY_BYTES, front refuses more */
};

struct front_link_handlers {
    void (*request)(void *ctx, struct front_stream *s, const struct front_request *r);
    /* The client went away: s is gone after this call. Not told once the answer has ended. */
    void (*cancelled)(void *stream_ctx, struct front_stream *s);
    /* What waited has been sent. */
    void (*drained)(void *stream_ctx, struct front_stream *s);
    /* The link ended; all streams have been cancelled. rc -E_CLOSED: front is gone. Free the link
     * here or later. */
    void (*closed)(void *ctx, int rc);
};

/* Takes fd over on success. */
int front_link_new(struct loop *l, int fd, const struct front_link_handlers *handlers, void *ctx,
                   struct front_link **ret_link) MUST_CHECK;
void front_link_free(struct front_link *k); /* cancels what is under way; accepts NULL */

void front_stream_set_ctx(struct front_stream *s, void *stream_ctx);
void front_stream_head(struct front_stream *s, int status, const struct http_header *headers,
                       size_t count);
/* Bytes now waiting or on their way to this client; -1: out of memory, the stream was aborted. */
int64_t front_stream_body(struct front_stream *s, struct str bytes);
void front_stream_end(struct front_stream *s);   /* s is gone after */
void front_stream_abort(struct front_stream *s); /* s is gone after */
struct front_place { /* as struct api_proxy_target */
    const char *host;
    uint16_t port;
    const char *server_name, *target, *prefix;
};
void front_stream_proxy(struct front_stream *s, const struct front_place *at); /* s is gone after */

#endif
