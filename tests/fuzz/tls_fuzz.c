/* A TLS server and a TLS client fed by a stranger: first byte which, and the size of the pieces. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "port/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tls_context *context(bool server)
{
    struct buf cert, key;
    struct crypto_key *pair;
    struct tls_context *ctx;
    struct cert_profile p = {.common_name = "fuzz",
                             .dns = {"fuzz"},
                             .dns_count = 1,
                             .use = CERT_USE_CA | CERT_USE_SERVER | CERT_USE_CLIENT,
                             .not_before_s = 0,
                             .not_after_s = 4000000000};
    buf_init(&cert, 10000);
    buf_init(&key, 10000);
    if (crypto_key_generate(&pair, NULL) < 0 || crypto_key_private_pem(pair, &key) < 0 ||
        cert_issue(&p, pair, pair, str_make(NULL, 0), &cert, NULL) < 0)
        abort();
    struct tls_config c = {.server = server,
                           .cert_chain_pem = buf_str(&cert),
                           .key_pem = buf_str(&key),
                           .trust_pem = buf_str(&cert),
                           .peer = server ? TLS_PEER_OPTIONAL : TLS_PEER_REQUIRED};
    if (tls_context_new(&c, &ctx, NULL) < 0)
        abort();
    crypto_key_free(pair);
    buf_done(&cert);
    buf_done(&key);
    return ctx;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tls_context *contexts[2];
    struct tls *t;
    char plain[4096];
    if (size == 0)
        return 0;
    bool server = data[0] & 1;
    size_t step = (size_t)(data[0] >> 1) * 8 + 1;
    if (!contexts[server])
        contexts[server] = context(server);
    if (tls_new(contexts[server], "fuzz", &t) < 0)
        return 0;
    int rc = -E_AGAIN;
    for (size_t at = 1; at < size && rc == -E_AGAIN; at += step) {
        if (tls_feed(t, str_make(data + at, size - at < step ? size - at : step)) < 0)
            break;
        rc = tls_handshake(t, NULL);
    }
    tls_feed_end(t);
    rc = tls_handshake(t, NULL);
    if (rc == -E_AGAIN || (rc == 0 && tls_read(t, plain, sizeof plain) == -E_AGAIN))
        abort(); /* after the end nothing more is to be waited for */
    tls_free(t);
    return 0;
}
