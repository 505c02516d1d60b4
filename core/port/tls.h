/*
 * TLS as an engine without I/O: bytes of the network go in and come out through two buffers,
 * plain text through two calls. drivers/tls/mbedtls implements it.
 *
 * A context holds what connections share (certificate, key, trust, ALPN) and must outlive them.
 */
#ifndef PORT_TLS_H
#define PORT_TLS_H

#include "base/buf.h"
#include "port/crypto.h"

struct tls_context;
struct tls;

enum tls_peer_auth {
    TLS_PEER_NONE,     /* client: do not verify the server (tests); server: ask for none */
    TLS_PEER_OPTIONAL, /* server: ask; a presented certificate that fails is reported, not fatal */
    TLS_PEER_REQUIRED, /* must chain to `trust`; client: and match the name */
};

struct tls_config {
    bool server;
    struct str cert_chain_pem, key_pem; /* may be empty for a client without identity */
    struct str trust_pem;               /* CA certificates; a system bundle is fine */
    enum tls_peer_auth peer;
    /* Of a client: a connection takes up the session of one before it, without the costly arithmetic
     * of keys, if the server still knows it. All connections must be to one server; they speak
     * TLS 1.2, in which a session keeps the client's certificate. */
    bool resume;
    const char *const *alpn; /* NULL-terminated, in order of preference, or NULL; kept */
};

int tls_context_new(const struct tls_config *c, struct tls_context **ret_ctx, struct err *err) MUST_CHECK;
void tls_context_free(struct tls_context *ctx); /* refused by assertion while connections live */

/* server_name: for a client, what is verified and sent as SNI (a name or an IP); with TLS_PEER_NONE
 * it may be "", and nothing is sent. */
int tls_new(struct tls_context *ctx, const char *server_name, struct tls **ret_tls) MUST_CHECK;
void tls_free(struct tls *t);

/*
 * Feed what came from the network (buffered inside, bounded), then call tls_handshake until it
 * returns 0, then tls_read/tls_write. After every call send what tls_output holds (and
 * buf_consume it). -E_AGAIN: more network input is needed.
 */
int tls_feed(struct tls *t, struct str from_network) MUST_CHECK;
void tls_feed_end(struct tls *t); /* the peer closed the transport */
struct buf *tls_output(struct tls *t);
int tls_handshake(struct tls *t, struct err *err) MUST_CHECK;
ssize_t tls_read(struct tls *t, void *p, size_t n);        /* bytes, 0 at close_notify, -E_* */
ssize_t tls_write(struct tls *t, const void *p, size_t n); /* takes all while output has room */
void tls_shutdown(struct tls *t);                          /* queues close_notify */

const char *tls_alpn(const struct tls *t);    /* chosen protocol or NULL */
const char *tls_version(const struct tls *t); /* "TLSv1.3" */
/* 0 and the peer's certificate when it presented a valid one; -E_NOT_FOUND: none presented;
 * -E_UNAUTHORIZED with the reason in err: presented but not acceptable. */
int tls_peer_cert(const struct tls *t, struct cert_info *ret_info, struct err *err) MUST_CHECK;

#endif
