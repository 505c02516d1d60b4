/*
 * port/tls.h on mbedTLS: the library reads from and writes to two buffers through its BIO hooks.
 *
 * Memory: record buffers shrink to what the negotiation allows (variable buffer length); our input
 * buffer is freed when it runs empty, so an idle connection costs the session and little else.
 */
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>
#include <time.h>

#include "base/assert.h"
#include "base/limits.h"
#include "drivers/crypto/crypto_int.h"
#include "port/tls.h"

enum {
    INPUT_MAX = 256 * 1024,
    OUTPUT_MAX = 1024 * 1024,
    OUTPUT_HIGH = 64 * 1024,
    TICKET_LIFE_S = 3600,
    KNOWN_CERTS = 4
};

/* What a peer's certificate says is asked for with each request. */
struct known_cert {
    struct buf der;
    struct cert_info info;
};

struct tls_context {
    mbedtls_ssl_config config;
    mbedtls_x509_crt cert, trust;
    mbedtls_pk_context key;
    mbedtls_ssl_ticket_context tickets;
    mbedtls_ssl_session session; /* of the last connection, when resume is wanted */
    bool resume, has_session;
    const char *alpn[8]; /* mbedTLS keeps a pointer to this list */
    bool server;
    enum tls_peer_auth peer;
    unsigned connections;
    struct known_cert known[KNOWN_CERTS];
    unsigned known_next;
};

struct tls {
    mbedtls_ssl_context ssl;
    struct tls_context *ctx;
    struct buf in, out;
    bool ended, done; /* peer closed the transport; handshake complete */
};

/* ---- BIO ---- */

static int bio_send(void *ctx, const unsigned char *p, size_t n)
{
    struct tls *t = ctx;
    buf_append(&t->out, p, n);
    return t->out.failed ? MBEDTLS_ERR_SSL_ALLOC_FAILED : (int)n;
}

static int bio_recv(void *ctx, unsigned char *p, size_t n)
{
    struct tls *t = ctx;
    struct str have = buf_str(&t->in);
    if (have.n == 0)
        return t->ended ? 0 : MBEDTLS_ERR_SSL_WANT_READ;
    if (n > have.n)
        n = have.n;
    memcpy(p, have.p, n);
    buf_consume(&t->in, n);
    if (buf_len(&t->in) == 0)
        buf_done(&t->in);
    return (int)n;
}

/* ---- contexts ---- */

static int load(struct tls_context *c, const struct tls_config *o, struct err *err)
{
    CLEANUP_FREE char *chain = crypto_terminated(o->cert_chain_pem);
    CLEANUP_FREE char *trust = crypto_terminated(o->trust_pem);
    char *key = crypto_terminated(o->key_pem);
    int rc = 0;

    if (!chain || !trust || !key) {
        mem_free_secret(key, o->key_pem.n);
        return err_set(err, E_NOMEM, "TLS context: out of memory");
    }
    if (o->cert_chain_pem.n) {
        rc = mbedtls_x509_crt_parse(&c->cert, (unsigned char *)chain, o->cert_chain_pem.n + 1);
        if (rc == 0)
            rc = mbedtls_pk_parse_key(&c->key, (unsigned char *)key, o->key_pem.n + 1, NULL, 0,
                                      crypto_rng, NULL);
        if (rc == 0)
            rc = mbedtls_ssl_conf_own_cert(&c->config, &c->cert, &c->key);
    }
    mem_free_secret(key, o->key_pem.n);
    if (rc)
        return crypto_failed(err, rc, "TLS certificate or key");
    if (o->trust_pem.n) { /* a positive result counts entries of a bundle that could not be read */
        rc = mbedtls_x509_crt_parse(&c->trust, (unsigned char *)trust, o->trust_pem.n + 1);
        if (rc < 0)
            return crypto_failed(err, rc, "TLS trust anchors");
        mbedtls_ssl_conf_ca_chain(&c->config, &c->trust, NULL);
    }
    return 0;
}

/* The library would begin with ChaCha20, which is right only where AES is not an instruction. */
static const int aes_first[] = {MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
                                MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
                                MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
                                MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                                MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                                MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                                MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                                MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                                MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
                                0};

static bool has_fast_aes(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#else
    return false;
#endif
}

static int configure(struct tls_context *c, const struct tls_config *o)
{
    static const int modes[] = {[TLS_PEER_NONE] = MBEDTLS_SSL_VERIFY_NONE,
                                [TLS_PEER_OPTIONAL] = MBEDTLS_SSL_VERIFY_OPTIONAL,
                                [TLS_PEER_REQUIRED] = MBEDTLS_SSL_VERIFY_REQUIRED};
    int rc = mbedtls_ssl_config_defaults(&c->config,
                                         o->server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT,
                                         MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    if (rc)
        return rc;
    mbedtls_ssl_conf_rng(&c->config, crypto_rng, NULL);
    mbedtls_ssl_conf_authmode(&c->config, modes[o->peer]);
    if (has_fast_aes())
        mbedtls_ssl_conf_ciphersuites(&c->config, aes_first);
    mbedtls_ssl_conf_min_tls_version(&c->config, MBEDTLS_SSL_VERSION_TLS1_2);
    for (size_t i = 0; o->alpn && o->alpn[i] && i + 1 < sizeof c->alpn / sizeof c->alpn[0]; i++)
        c->alpn[i] = o->alpn[i];
    if (c->alpn[0])
        rc = mbedtls_ssl_conf_alpn_protocols(&c->config, c->alpn);
    if (o->resume)
        mbedtls_ssl_conf_max_tls_version(&c->config, MBEDTLS_SSL_VERSION_TLS1_2);
    if (rc || !o->server)
        return rc;
    mbedtls_ssl_conf_cert_req_ca_list(&c->config, MBEDTLS_SSL_CERT_REQ_CA_LIST_DISABLED);
    rc = mbedtls_ssl_ticket_setup(&c->tickets, crypto_rng, NULL, MBEDTLS_CIPHER_AES_256_GCM,
                                  TICKET_LIFE_S);
    if (rc == 0)
        mbedtls_ssl_conf_session_tickets_cb(&c->config, mbedtls_ssl_ticket_write,
                                            mbedtls_ssl_ticket_parse, &c->tickets);
    return rc;
}

int tls_context_new(const struct tls_config *o, struct tls_context **ret_ctx, struct err *err)
{
    crypto_setup();
    struct tls_context *c = mem_zalloc(sizeof *c);
    if (!c)
        return err_set(err, E_NOMEM, "TLS context: out of memory");
    mbedtls_ssl_config_init(&c->config);
    mbedtls_x509_crt_init(&c->cert);
    mbedtls_x509_crt_init(&c->trust);
    mbedtls_pk_init(&c->key);
    mbedtls_ssl_ticket_init(&c->tickets);
    mbedtls_ssl_session_init(&c->session);
    c->server = o->server;
    c->resume = o->resume && !o->server;
    c->peer = o->peer;
    int rc = configure(c, o);
    rc = rc ? crypto_failed(err, rc, "TLS context") : load(c, o, err);
    if (rc < 0) {
        tls_context_free(c);
        return rc;
    }
    *ret_ctx = c;
    return 0;
}

void tls_context_free(struct tls_context *c)
{
    if (!c)
        return;
    ASSERT(c->connections == 0);
    mbedtls_ssl_session_free(&c->session);
    mbedtls_ssl_config_free(&c->config);
    mbedtls_x509_crt_free(&c->cert);
    mbedtls_x509_crt_free(&c->trust);
    mbedtls_pk_free(&c->key);
    mbedtls_ssl_ticket_free(&c->tickets);
    for (size_t i = 0; i < KNOWN_CERTS; i++)
        buf_done(&c->known[i].der);
    mem_free(c);
}

/* ---- connections ---- */

int tls_new(struct tls_context *ctx, const char *server_name, struct tls **ret_tls)
{
    struct tls *t = mem_zalloc(sizeof *t);
    if (!t)
        return -E_NOMEM;
    t->ctx = ctx;
    ctx->connections++;
    buf_init(&t->in, INPUT_MAX);
    buf_init(&t->out, OUTPUT_MAX);
    mbedtls_ssl_init(&t->ssl);
    int rc = mbedtls_ssl_setup(&t->ssl, &ctx->config);
    /* An empty name would go out as one, which servers refuse to read. */
    bool anyone = ctx->peer == TLS_PEER_NONE && (!server_name || !server_name[0]);
    if (rc == 0 && !ctx->server)
        rc = mbedtls_ssl_set_hostname(&t->ssl, anyone ? NULL : server_name);
    if (rc == 0 && ctx->has_session)
        rc = mbedtls_ssl_set_session(&t->ssl, &ctx->session);
    if (rc) {
        tls_free(t);
        return -E_NOMEM;
    }
    mbedtls_ssl_set_bio(&t->ssl, t, bio_send, bio_recv, NULL);
    *ret_tls = t;
    return 0;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    mbedtls_ssl_free(&t->ssl);
    buf_done(&t->in);
    buf_done(&t->out);
    t->ctx->connections--;
    mem_free(t);
}

int tls_feed(struct tls *t, struct str from_network)
{
    buf_append_str(&t->in, from_network);
    return t->in.failed ? -E_TOO_LARGE : 0;
}

void tls_feed_end(struct tls *t)
{
    t->ended = true;
}

struct buf *tls_output(struct tls *t)
{
    return &t->out;
}

static const char *verify_problem(uint32_t flags)
{
    if (flags & MBEDTLS_X509_BADCERT_EXPIRED)
        return "it has expired";
    if (flags & MBEDTLS_X509_BADCERT_FUTURE)
        return "it is not valid yet";
    if (flags & MBEDTLS_X509_BADCERT_CN_MISMATCH)
        return "it is for another name";
    if (flags & (MBEDTLS_X509_BADCERT_EXT_KEY_USAGE | MBEDTLS_X509_BADCERT_KEY_USAGE))
        return "it is not for this usage";
    if (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED)
        return "it is signed by an unknown authority";
    return "it could not be verified";
}

/* Without one the next connection agrees on everything anew. */
static void remember(struct tls *t)
{
    struct tls_context *c = t->ctx;
    mbedtls_ssl_session_free(&c->session);
    mbedtls_ssl_session_init(&c->session);
    c->has_session = mbedtls_ssl_get_session(&t->ssl, &c->session) == 0;
}

int tls_handshake(struct tls *t, struct err *err)
{
    if (t->done)
        return 0;
    int rc = mbedtls_ssl_handshake(&t->ssl);
    if (rc == MBEDTLS_ERR_SSL_WANT_READ || rc == MBEDTLS_ERR_SSL_WANT_WRITE)
        return -E_AGAIN;
    if (rc == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED)
        return err_set(err, E_UNAUTHORIZED, "the peer's certificate is refused: %s",
                       verify_problem(mbedtls_ssl_get_verify_result(&t->ssl)));
    if (rc == MBEDTLS_ERR_SSL_CONN_EOF)
        return err_set(err, E_CLOSED, "the peer closed the connection during the TLS handshake");
    if (rc == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE)
        return err_set(err, E_CLOSED, "the peer refused the TLS handshake with an alert");
    if (rc)
        return err_set(err, E_SYNTAX, "TLS handshake: mbedTLS error -0x%04x", (unsigned)-rc);
    t->done = true;
    if (t->ctx->resume)
        remember(t);
    return 0;
}

static bool once_more(int rc)
{
    return rc == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET;
}

ssize_t tls_read(struct tls *t, void *p, size_t n)
{
    int rc;
    do
        rc = mbedtls_ssl_read(&t->ssl, p, n);
    while (once_more(rc));
    if (rc >= 0)
        return rc;
    if (rc == MBEDTLS_ERR_SSL_WANT_READ || rc == MBEDTLS_ERR_SSL_WANT_WRITE)
        return -E_AGAIN;
    if (rc == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
        return 0;
    return rc == MBEDTLS_ERR_SSL_CONN_EOF ? -E_CLOSED : -E_SYNTAX;
}

ssize_t tls_write(struct tls *t, const void *p, size_t n)
{
    size_t done = 0;
    while (done < n && buf_len(&t->out) < OUTPUT_HIGH) {
        int rc = mbedtls_ssl_write(&t->ssl, (const unsigned char *)p + done, n - done);
        if (once_more(rc))
            continue;
        if (rc < 0)
            return done ? (ssize_t)done : -E_CLOSED;
        done += (size_t)rc;
    }
    return done || n == 0 ? (ssize_t)done : -E_AGAIN;
}

void tls_shutdown(struct tls *t)
{
    if (t->done)
        (void)mbedtls_ssl_close_notify(&t->ssl);
}

const char *tls_alpn(const struct tls *t)
{
    return mbedtls_ssl_get_alpn_protocol(&t->ssl);
}

const char *tls_version(const struct tls *t)
{
    return mbedtls_ssl_get_version(&t->ssl);
}

static int read_known(struct tls_context *c, struct str der, const mbedtls_x509_crt *cert,
                      struct cert_info *ret_info, struct err *err)
{
    struct known_cert *k;
    for (k = c->known; k < c->known + KNOWN_CERTS; k++)
        if (der.n && str_eq(buf_str(&k->der), der)) {
            *ret_info = k->info;
            return 0;
        }
    int rc = cert_read(cert, ret_info, err);
    if (rc < 0)
        return rc;
    k = &c->known[c->known_next++ % KNOWN_CERTS];
    buf_done(&k->der);
    buf_init(&k->der, LIMIT_HEADER_BYTES);
    buf_append_str(&k->der, der);
    k->info = *ret_info;
    if (k->der.failed) /* not kept */
        buf_clear(&k->der);
    return 0;
}

int tls_peer_cert(const struct tls *t, struct cert_info *ret_info, struct err *err)
{
    const mbedtls_x509_crt *c = mbedtls_ssl_get_peer_cert(&t->ssl);
    if (!c)
        return -E_NOT_FOUND;
    uint32_t flags = mbedtls_ssl_get_verify_result(&t->ssl);
    if (flags)
        return err_set(err, E_UNAUTHORIZED, "the certificate is not acceptable: %s",
                       verify_problem(flags));
    return read_known(t->ctx, str_make(c->raw.p, c->raw.len), c, ret_info, err);
}
