/* What streams.c (framing, exec and attach) and forward.c (port-forward) share. */
#ifndef NODE_STREAMS_INT_H
#define NODE_STREAMS_INT_H

#include "node/channels.h"
#include "node/streams.h"
#include "wire/conn.h"
#include "wire/spdy.h"
#include "wire/websocket.h"

enum { STREAM_OUT_BYTES = 4 * 1024 * 1024, STREAM_OUT_ENOUGH = CONN_HIGH }; /* past it the connection says when it has drained */

struct channel { /* SPDY: a stream that the client has opened for it */
    uint32_t id; /* 0: none */
    struct buf pending;
    bool end, ended;
};

struct stream {
    struct node *node;
    struct stream_conn conn;
    bool port_forward, v5;
    unsigned version; /* of the protocol: 1 to 5 */
    enum stream_framing framing;
    struct websocket ws;
    struct channels numbered; /* WebSocket without SPDY inside */
    bool ws_ready, tunnel, over;
    struct spdy *spdy;
    struct buf spdy_out; /* tunnelled: wrapped into messages by stream_flush */
    /* exec and attach */
    struct session *session;
    struct session_options session_options;
    struct arena strings;
    char container_id[CONTAINER_ID_TEXT];
    struct channel channels[SESSION_CHANNELS];
    /* port-forward */
    struct pod *pod;
    struct list forwards;
    unsigned forward_count;
    bool paused;
};

/* Streams of one connection, whatever frames them: SPDY ids, or numbers in messages. */
size_t stream_send(struct stream *s, uint32_t id, struct str bytes, bool fin); /* bytes taken */
void stream_flush(struct stream *s);
bool stream_full(const struct stream *s); /* enough waits to be sent */

/* forward.c */
extern const struct spdy_handlers forward_handlers; /* ctx: struct stream */
/* Numbered streams: 2i carries the data of port i, 2i + 1 its errors. */
int forward_ports(struct stream *s, const uint16_t *ports, size_t count) MUST_CHECK;
void forward_input(struct stream *s, uint8_t channel, struct str bytes);
void forward_free_all(struct stream *s);
void forward_drained(struct stream *s);

#endif
