/* Nothing here reaches a network: what speaks TLS only has to link. */
#include "port/tls.h"

int tls_context_new(const struct tls_config *c, struct tls_context **ret_ctx, struct err *err)
{
    (void)c, (void)ret_ctx;
    return err_set(err, E_UNSUPPORTED, "no TLS in these tests");
}

void tls_context_free(struct tls_context *ctx)
{
    (void)ctx;
}

int tls_new(struct tls_context *ctx, const char *server_name, struct tls **ret_tls)
{
    (void)ctx, (void)server_name, (void)ret_tls;
    return -E_UNSUPPORTED;
}

void tls_free(struct tls *t)
{
    (void)t;
}

int tls_feed(struct tls *t, struct str from_network)
{
    (void)t, (void)from_network;
    return -E_UNSUPPORTED;
}

void tls_feed_end(struct tls *t)
{
    (void)t;
}

struct buf *tls_output(struct tls *t)
{
    (void)t;
    return NULL;
}

int tls_handshake(struct tls *t, struct err *err)
{
    (void)t;
    return err_set(err, E_UNSUPPORTED, "no TLS in these tests");
}

ssize_t tls_read(struct tls *t, void *p, size_t n)
{
    (void)t, (void)p, (void)n;
    return -E_UNSUPPORTED;
}

ssize_t tls_write(struct tls *t, const void *p, size_t n)
{
    (void)t, (void)p, (void)n;
    return -E_UNSUPPORTED;
}

void tls_shutdown(struct tls *t)
{
    (void)t;
}
