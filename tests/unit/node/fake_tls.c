/* TLS that is none: bytes pass as they are, and the peer's certificate is what the test says. */
#include "fake_tls.h"

#include <stdlib.h>

struct tls {
    struct buf in, out;
    bool ended;
};

struct cert_info fake_tls_peer;
int fake_tls_peer_rc = -E_NOT_FOUND;

int tls_context_new(const struct tls_config *c, struct tls_context **ret_ctx, struct err *err)
{
    static int context;
    (void)c, (void)err;
    *ret_ctx = (struct tls_context *)&context;
    return 0;
}

void tls_context_free(struct tls_context *ctx)
{
    (void)ctx;
}

/* Only so that handshakes have some answer: its value is wire's test to check. */
void sha1_of(struct str s, uint8_t ret_digest[20])
{
    memset(ret_digest, (int)s.n, 20);
}

int tls_new(struct tls_context *ctx, const char *server_name, struct tls **ret_tls)
{
    struct tls *t = mem_zalloc(sizeof *t);
    (void)ctx, (void)server_name;
    if (!t)
        return -E_NOMEM;
    buf_init(&t->in, 1 << 20);
    buf_init(&t->out, 1 << 20);
    *ret_tls = t;
    return 0;
}

void tls_free(struct tls *t)
{
    buf_done(&t->in);
    buf_done(&t->out);
    mem_free(t);
}

int tls_feed(struct tls *t, struct str from_network)
{
    buf_append_str(&t->in, from_network);
    return 0;
}

void tls_feed_end(struct tls *t)
{
    t->ended = true;
}

struct buf *tls_output(struct tls *t)
{
    return &t->out;
}

int tls_handshake(struct tls *t, struct err *err)
{
    (void)t, (void)err;
    return 0;
}

ssize_t tls_read(struct tls *t, void *p, size_t n)
{
    struct str s = buf_str(&t->in);
    if (s.n == 0)
        return t->ended ? 0 : -E_AGAIN;
    if (n > s.n)
        n = s.n;
    memcpy(p, s.p, n);
    buf_consume(&t->in, n);
    return (ssize_t)n;
}

ssize_t tls_write(struct tls *t, const void *p, size_t n)
{
    buf_append(&t->out, p, n);
    return (ssize_t)n;
}

void tls_shutdown(struct tls *t)
{
    (void)t;
}

const char *tls_alpn(const struct tls *t)
{
    (void)t;
    return NULL;
}

const char *tls_version(const struct tls *t)
{
    (void)t;
    return "TLSv1.3";
}

int tls_peer_cert(const struct tls *t, struct cert_info *ret_info, struct err *err)
{
    (void)t;
    if (fake_tls_peer_rc < 0)
        return err_set(err, -fake_tls_peer_rc, "%s", err_text(fake_tls_peer_rc));
    *ret_info = fake_tls_peer;
    return 0;
}
