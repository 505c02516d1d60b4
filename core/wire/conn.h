/*
 * A stream connection over the loop: plain or TLS, buffered, with back-pressure and deadlines.
 * Callbacks run from the loop; freeing the connection from inside any of them is fine.
 *
 * Memory: an idle connection holds no buffers of its own.
 */
#ifndef WIRE_CONN_H
#define WIRE_CONN_H

#include "base/buf.h"
#include "loop/loop.h"
#include "port/net.h"
#include "port/tls.h"

struct conn;

struct conn_handlers {                         /* all but `closed` may be NULL */
    void (*opened)(void *ctx);                 /* connected, and the TLS handshake is done */
    void (*data)(void *ctx, struct str bytes); /* plain text, all of it taken */
    /* Output fell below CONN_LOW after having been above it. (A writer that waits for this may stop
     * at any mark above, CONN_HIGH being the usual one, and never waits in vain.) */
    void (*drained)(void *ctx);
    /* The end, once, never after conn_free. rc 0: the peer closed in order. */
    void (*closed)(void *ctx, int rc, const char *message);
};

enum { CONN_LOW = 32 * 1024, CONN_HIGH = 256 * 1024, CONN_OUTPUT_MAX = 16 * 1024 * 1024 };

struct conn_options {
    struct loop *loop;
    struct net net;
    struct tls_context *tls;              /* NULL: plain; outlives the connection */
    const char *server_name;              /* TLS client: verified name */
    int handshake_ms;                     /* connect and handshake together; 0: 10 s */
    const struct conn_handlers *handlers; /* kept */
    void *ctx;
};

int conn_connect(const struct conn_options *o, const struct net_addr *to,
                 struct conn **ret_conn) MUST_CHECK;
/* Takes fd over on success. */
int conn_adopt(const struct conn_options *o, int fd, struct conn **ret_conn) MUST_CHECK;
void conn_free(struct conn *c); /* closes at once; accepts NULL */

void conn_set_handlers(struct conn *c, const struct conn_handlers *handlers, void *ctx);
/* Queues bytes. -E_TOO_LARGE past CONN_OUTPUT_MAX (the caller ignored back-pressure), -E_CLOSED. */
int conn_write(struct conn *c, struct str bytes) MUST_CHECK;
size_t conn_unsent(const struct conn *c);     /* 0 once it has ended */
void conn_pause(struct conn *c, bool paused); /* stops reading: the peer feels it */
/* Bytes that were read too far: delivered again first, in a later turn of the loop. */
int conn_unread(struct conn *c, struct str bytes) MUST_CHECK;
/* Sends what is queued, then closes our side; `closed` comes when the peer has closed too, or
 * after 10 s. */
void conn_finish(struct conn *c);
/* Ends the connection with -E_TIMEOUT after ms without being set again; 0: none. */
void conn_deadline(struct conn *c, int ms);
struct tls *conn_tls(struct conn *c); /* NULL when plain; for the peer's certificate */
bool conn_is_open(const struct conn *c);

#endif
