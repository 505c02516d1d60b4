/*
 * Exec, attach and port-forward over an upgraded connection, without I/O of its own: bytes are fed
 * in, bytes to send are appended to `out`.
 *
 *   exec, attach   WebSocket (channels.h); SPDY/3.1 v4.channel.k8s.io to v1 (channel.k8s.io)
 *   port-forward   WebSocket SPDY/3.1+portforward.k8s.io (SPDY inside binary messages) and channels,
 *                  two for each port that the request names; SPDY/3.1 portforward.k8s.io
 */
#ifndef NODE_STREAMS_H
#define NODE_STREAMS_H

#include "node/node_int.h"
#include "node/session.h"

struct stream; /* one upgraded connection */

enum { STREAM_PORTS = 64 }; /* of one port-forward over numbered streams */

enum stream_framing { STREAM_WEBSOCKET, STREAM_SPDY };

struct stream_conn { /* of whoever owns the socket */
    struct buf *out;
    void (*flush)(void *ctx);               /* out has grown: take it */
    size_t (*unsent)(void *ctx);            /* taken from out and not sent yet */
    void (*pause)(void *ctx, bool paused);  /* feed no more, or again */
    void (*finish)(void *ctx);              /* send what is in out, then close; may free the stream later */
    void *ctx;
};

struct stream_options {
    struct node *node;
    struct pod *pod; /* port-forward */
    const char *container_id;
    bool port_forward;
    enum stream_framing framing;
    const char *protocol; /* as chosen by stream_choose */
    struct session_options session; /* exec and attach */
    const uint16_t *ports; /* port-forward over channels */
    size_t port_count;
};

/* Of the protocols that the client offers (comma-separated) the first that is spoken here, as static
 * text; NULL: none. "" when it offers none over WebSocket: the oldest form. */
const char *stream_choose(enum stream_framing framing, bool port_forward, struct str offered);

/* args in options are copied. */
int stream_new(const struct stream_options *o, const struct stream_conn *conn, struct stream **ret_stream) MUST_CHECK;
void stream_free(struct stream *s); /* accepts NULL */
int stream_feed(struct stream *s, struct str bytes) MUST_CHECK; /* negative: the peer broke the protocol */
void stream_drained(struct stream *s); /* what was unsent has gone */
bool stream_exec_exited(struct stream *s, uint64_t id, const struct runtime_exit *e);

#endif
