/*
 * The WebSocket subprotocols of exec, attach, port-forward and logs: many streams in one
 * connection, each message beginning with its stream's number. The base64 forms carry text: a digit,
 * then the bytes in base64.
 *
 *   exec, attach   v5.channel.k8s.io, v4.channel.k8s.io, v4.base64.channel.k8s.io: Status at the end
 *                  channel.k8s.io, base64.channel.k8s.io, none: only an error's message
 *   port-forward   v4.channel.k8s.io, v4.base64.channel.k8s.io, none; SPDY/3.1+portforward.k8s.io
 *   logs           binary.k8s.io, base64.binary.k8s.io, none: one stream, without a number
 */
#ifndef NODE_CHANNELS_H
#define NODE_CHANNELS_H

#include "base/str.h"
#include "wire/websocket.h"

enum channels_use { CHANNELS_EXEC, CHANNELS_FORWARD, CHANNELS_LOGS };

/* The first of the client's protocols (comma-separated) that is known, as static text: "" when it
 * names none, NULL when it knows none of ours. */
const char *channels_choose(enum channels_use use, struct str offered);

struct channels {
    struct websocket *ws;
    bool base64;
    bool begun; /* a message is under way */
    uint8_t channel;
    struct buf text; /* base64: the message under way */
};

void channels_init(struct channels *c, struct websocket *ws, const char *protocol);
void channels_done(struct channels *c);

/* One message: a stream's number and bytes. */
void channels_send(struct channels *c, uint8_t channel, struct str bytes);
/* Without a number: logs. */
void channels_send_plain(struct channels *c, struct str bytes);

/* Takes what websocket_feed delivers; fn gets bytes with their stream's number, as they come, and
 * once without bytes for a message that has none. False: not of the protocol. */
bool channels_take(struct channels *c, struct str payload, bool end,
                   void (*fn)(void *ctx, uint8_t channel, struct str bytes), void *ctx);

#endif
