/*
 * The HTTP/2 side of the server (RFC 9113), over nghttp2. Used by http_server.c and http_reply.c
 * alone: for the application a stream is a struct http_request like any other, without upgrades.
 *
 * Defences: a cap on streams, header bytes and CONTINUATION frames, a rate limit on resets (all
 * refused with GOAWAY), and body and answer windows for each stream, so that one that is not read
 * holds up itself only.
 */
#ifndef WIRE_HTTP2_H
#define WIRE_HTTP2_H

#include "wire/http_server_int.h"

struct http2;

/* The connection of `carrier` speaks HTTP/2 from its first byte on. */
int http2_new(struct http_request *carrier, struct http2 **ret_http2) MUST_CHECK;
/* Tells every stream's owner `aborted`. Not from within http2_feed. Accepts NULL. */
void http2_free(struct http2 *h);
/* < 0: the connection is to end. */
int http2_feed(struct http2 *h, struct str bytes) MUST_CHECK;
void http2_drained(struct http2 *h); /* the connection has room again */

void http2_reply(struct http_request *r, int status, const struct http_header *headers,
                 size_t header_count, int64_t length);
void http2_write(struct http_request *r, struct str bytes);
void http2_end(struct http_request *r, bool give_up); /* r may live on until the peer has it all */
void http2_pause(struct http_request *r, bool paused);

#endif
