/*
 * SPDY/3.1 (draft-mbelshe-httpbis-spdy-00 with the session window of 3.1), the server's end,
 * sans-I/O: what kubectl speaks for port-forward (inside a WebSocket) and older clients for exec.
 *
 * The peer opens streams with headers; both sides send data; each stream half-closes by FIN.
 */
#ifndef WIRE_SPDY_H
#define WIRE_SPDY_H

#include "base/buf.h"
#include "base/map.h"

struct deflate;
struct inflate;
struct spdy;

struct spdy_header {
    struct str name, value; /* name in lower case */
};

struct spdy_handlers {
    /* The peer opened a stream. False: refuse it (RST_STREAM). */
    bool (*opened)(void *ctx, uint32_t stream, const struct spdy_header *headers, size_t count,
                   bool fin);
    /* Data; call spdy_consumed when it was passed on. fin: the peer's last. */
    void (*data)(void *ctx, uint32_t stream, struct str bytes, bool fin);
    void (*reset)(void *ctx, uint32_t stream);    /* the peer gave the stream up */
    void (*writable)(void *ctx, uint32_t stream); /* its window has opened again */
};

enum { SPDY_STREAMS_MAX = 64, SPDY_FRAME_MAX = 128 * 1024, SPDY_HEADERS_MAX = 64 };

/* out: the caller's, frames to send; handlers are kept. */
int spdy_new(struct buf *out, const struct spdy_handlers *handlers, void *ctx,
             struct spdy **ret_spdy) MUST_CHECK;
void spdy_free(struct spdy *s);

/* Handlers run from inside. -E_SYNTAX, -E_TOO_LARGE, -E_NOMEM: the session is over (GOAWAY queued).
 */
int spdy_feed(struct spdy *s, struct str bytes) MUST_CHECK;

int spdy_reply(struct spdy *s, uint32_t stream) MUST_CHECK; /* SYN_REPLY without headers */
/* Sends as much as the windows allow; bytes taken. fin only goes out with the last byte. */
size_t spdy_send(struct spdy *s, uint32_t stream, struct str bytes, bool fin);
/* The receiver of n bytes of data is done with them: the peer may send as many again. */
void spdy_consumed(struct spdy *s, uint32_t stream, size_t n);
void spdy_reset(struct spdy *s, uint32_t stream, uint32_t status); /* 5: CANCEL */
size_t spdy_window(const struct spdy *s, uint32_t stream);         /* bytes that may be sent now */

#endif
