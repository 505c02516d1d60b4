/* A client of another make, BearSSL (TLS 1.2), against our engine: handshake, data, close. */
#include <bearssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "port/tls.h"

struct fixture {
    struct buf ca_pem, cert_pem, key_pem;
    struct buf ca_key_point, ca_name; /* BearSSL's trust anchor: public point and subject */
};

static struct fixture fx;

static void issue(struct buf *out, const char *cn, unsigned use, struct crypto_key *key,
                  struct crypto_key *by)
{
    int64_t now = (int64_t)time(NULL);
    struct cert_profile p = {.common_name = cn,
                             .dns = {"front.test"},
                             .dns_count = 1,
                             .use = use,
                             .not_before_s = now - 86400,
                             .not_after_s = now + 86400};
    struct err err = {0};
    if (cert_issue(&p, key, by ? by : key, by ? buf_str(&fx.ca_pem) : str_make(NULL, 0), out,
                   &err) < 0)
        fail_msg("%s", err.text);
}

static void append(void *ctx, const void *p, size_t n)
{
    buf_append(ctx, p, n);
}

/* The DER inside one PEM block. */
static void unpem(struct str pem, struct buf *out)
{
    br_pem_decoder_context pc;
    br_pem_decoder_init(&pc);
    while (pem.n) {
        size_t n = br_pem_decoder_push(&pc, pem.p, pem.n);
        pem = str_make(pem.p + n, pem.n - n);
        switch (br_pem_decoder_event(&pc)) {
        case BR_PEM_BEGIN_OBJ:
            br_pem_decoder_setdest(&pc, append, out);
            break;
        case BR_PEM_END_OBJ:
            return;
        default:
            break;
        }
    }
}

static int setup(void **state)
{
    struct crypto_key *ca, *server;
    struct buf der CLEANUP_BUF;
    br_x509_decoder_context dc;
    (void)state;
    buf_init(&der, 10000);
    buf_init(&fx.ca_pem, 10000);
    buf_init(&fx.cert_pem, 10000);
    buf_init(&fx.key_pem, 10000);
    buf_init(&fx.ca_name, 1000);
    buf_init(&fx.ca_key_point, 1000);
    assert_int_equal(crypto_key_generate(&ca, NULL), 0);
    assert_int_equal(crypto_key_generate(&server, NULL), 0);
    issue(&fx.ca_pem, "interop-ca", CERT_USE_CA, ca, NULL);
    issue(&fx.cert_pem, "front", CERT_USE_SERVER, server, ca);
    assert_int_equal(crypto_key_private_pem(server, &fx.key_pem), 0);
    crypto_key_free(ca);
    crypto_key_free(server);
    unpem(buf_str(&fx.ca_pem), &der);
    br_x509_decoder_init(&dc, append, &fx.ca_name);
    br_x509_decoder_push(&dc, buf_str(&der).p, buf_len(&der));
    br_x509_pkey *pk = br_x509_decoder_get_pkey(&dc);
    assert_non_null(pk);
    assert_int_equal(pk->key_type, BR_KEYTYPE_EC);
    assert_true(br_x509_decoder_isCA(&dc));
    buf_append(&fx.ca_key_point, pk->key.ec.q, pk->key.ec.qlen);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_done(&fx.ca_pem);
    buf_done(&fx.cert_pem);
    buf_done(&fx.key_pem);
    buf_done(&fx.ca_name);
    buf_done(&fx.ca_key_point);
    return 0;
}

struct pair {
    br_ssl_client_context c;
    br_x509_minimal_context x;
    unsigned char io[BR_SSL_BUFSIZE_BIDI];
    struct tls_context *ctx;
    struct tls *s;
    bool server_ready;
};

/* Moves records both ways until neither side has any. */
static void pump(struct pair *p)
{
    for (bool moved = true; moved;) {
        size_t n;
        unsigned char *b = br_ssl_engine_sendrec_buf(&p->c.eng, &n);
        moved = false;
        if (b && n) {
            assert_int_equal(tls_feed(p->s, str_make(b, n)), 0);
            br_ssl_engine_sendrec_ack(&p->c.eng, n);
            moved = true;
        }
        if (!p->server_ready)
            p->server_ready = tls_handshake(p->s, NULL) == 0;
        struct buf *out = tls_output(p->s);
        b = br_ssl_engine_recvrec_buf(&p->c.eng, &n);
        if (b && n && buf_len(out)) {
            n = n < buf_len(out) ? n : buf_len(out);
            memcpy(b, buf_str(out).p, n);
            buf_consume(out, n);
            br_ssl_engine_recvrec_ack(&p->c.eng, n);
            moved = true;
        }
    }
}

static void start(struct pair *p, const char *name)
{
    struct tls_config c = {.server = true,
                           .cert_chain_pem = buf_str(&fx.cert_pem),
                           .key_pem = buf_str(&fx.key_pem),
                           .trust_pem = buf_str(&fx.ca_pem),
                           .peer = TLS_PEER_OPTIONAL};
    br_x509_trust_anchor ta = {
        .dn = {(unsigned char *)(uintptr_t)buf_str(&fx.ca_name).p, buf_len(&fx.ca_name)},
        .flags = BR_X509_TA_CA,
        .pkey = {.key_type = BR_KEYTYPE_EC,
                 .key.ec = {BR_EC_secp256r1,
                            (unsigned char *)(uintptr_t)buf_str(&fx.ca_key_point).p,
                            buf_len(&fx.ca_key_point)}},
    };
    unsigned char seed[32];
    assert_int_equal(tls_context_new(&c, &p->ctx, NULL), 0);
    assert_int_equal(tls_new(p->ctx, NULL, &p->s), 0);
    br_ssl_client_init_full(&p->c, &p->x, &ta, 1);
    crypto_random(seed, sizeof seed);
    br_ssl_engine_inject_entropy(&p->c.eng, seed, sizeof seed);
    br_ssl_engine_set_buffer(&p->c.eng, p->io, sizeof p->io, 1);
    assert_int_equal(br_ssl_client_reset(&p->c, name, 0), 1);
    pump(p);
}

static void end(struct pair *p)
{
    tls_free(p->s);
    tls_context_free(p->ctx);
}

static void a_bearssl_client_shakes_hands_and_talks(void **state)
{
    (void)state;
    static struct pair p;
    memset(&p, 0, sizeof p);
    char text[20000];
    size_t n, total = 0;
    start(&p, "front.test");
    assert_int_equal(br_ssl_engine_last_error(&p.c.eng), BR_ERR_OK);
    assert_true(p.server_ready);
    assert_string_equal(tls_version(p.s), "TLSv1.2");
    struct cert_info info;
    assert_int_equal(tls_peer_cert(p.s, &info, NULL), -E_NOT_FOUND);

    unsigned char *b = br_ssl_engine_sendapp_buf(&p.c.eng, &n);
    assert_true(b && n >= 5);
    memcpy(b, "hello", 5);
    br_ssl_engine_sendapp_ack(&p.c.eng, 5);
    br_ssl_engine_flush(&p.c.eng, 0);
    pump(&p);
    assert_int_equal(tls_read(p.s, text, sizeof text), 5);
    assert_memory_equal(text, "hello", 5);

    memset(text, 'y', sizeof text); /* more than one record */
    assert_int_equal(tls_write(p.s, text, sizeof text), sizeof text);
    for (int i = 0; i < 100 && total < sizeof text; i++) {
        pump(&p);
        b = br_ssl_engine_recvapp_buf(&p.c.eng, &n);
        for (size_t k = 0; b && k < n; k++)
            assert_int_equal(b[k], 'y');
        if (b)
            br_ssl_engine_recvapp_ack(&p.c.eng, n);
        total += b ? n : 0;
    }
    assert_int_equal(total, sizeof text);
    br_ssl_engine_close(&p.c.eng);
    pump(&p);
    assert_int_equal(tls_read(p.s, text, sizeof text), 0);
    end(&p);
}

static void a_bearssl_client_refuses_another_name(void **state)
{
    (void)state;
    static struct pair p;
    memset(&p, 0, sizeof p);
    start(&p, "elsewhere.test");
    assert_int_equal(br_ssl_engine_last_error(&p.c.eng), BR_ERR_X509_BAD_SERVER_NAME);
    assert_false(p.server_ready);
    end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bearssl_client_shakes_hands_and_talks),
        cmocka_unit_test(a_bearssl_client_refuses_another_name),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
