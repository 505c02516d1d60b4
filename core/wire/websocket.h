/*
 * WebSocket frames (RFC 6455), sans-I/O, for the server's and the client's end. Fragments are
 * delivered as they come (a stream needs no whole messages); control frames are handled inside.
 */
#ifndef WIRE_WEBSOCKET_H
#define WIRE_WEBSOCKET_H

#include "base/buf.h"

enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10,
};

enum { WEBSOCKET_ACCEPT_TEXT = 29, WEBSOCKET_KEY_TEXT = 25, WEBSOCKET_FRAME_MAX = 1024 * 1024 };

/* Sec-WebSocket-Accept for a Sec-WebSocket-Key. */
void websocket_accept(struct str key, char ret_accept[WEBSOCKET_ACCEPT_TEXT]);
void websocket_key(char ret_key[WEBSOCKET_KEY_TEXT]); /* a fresh client key */

struct websocket {
    bool client;     /* frames that we send are masked; those that come must not be */
    struct buf in;   /* an unfinished frame */
    struct buf *out; /* the caller's: frames to send, pongs and closes too */
    bool fragmented; /* a message is under way */
    uint8_t opcode;  /* of the message under way */
    bool closed;     /* a close frame has come; nothing is delivered after */
    bool close_sent;
    uint16_t close_code; /* of the peer's close; 1005 when it gave none */
};

void websocket_init(struct websocket *w, bool client, struct buf *out);
void websocket_done(struct websocket *w);

/*
 * Takes bytes from the network. fn gets each data frame's payload: opcode of its message, whether
 * the message ends here; false stops reading (the rest of bytes is kept). Answers pings and closes.
 * -E_SYNTAX: protocol error (a close is queued); -E_TOO_LARGE: frame above WEBSOCKET_FRAME_MAX.
 */
int websocket_feed(struct websocket *w, struct str bytes,
                   bool (*fn)(void *ctx, enum websocket_opcode opcode, struct str payload,
                              bool end),
                   void *ctx) MUST_CHECK;

/* Queues one whole message. */
void websocket_send(struct websocket *w, enum websocket_opcode opcode, struct str payload);
void websocket_close(struct websocket *w, uint16_t code, const char *reason); /* once */

#endif
