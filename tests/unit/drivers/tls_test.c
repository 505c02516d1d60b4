/* Keys, certificates and TLS, both ends ours and in memory: what is trusted, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "port/tls.h"

struct identity {
    struct buf cert, key;
    struct crypto_key *pair;
};

static struct identity ca, other_ca, server, client, server_only, expired, stranger;

static void issue(struct identity *out, const char *cn, unsigned use, int64_t until_s,
                  struct identity *by)
{
    int64_t now = (int64_t)time(NULL);
    struct cert_profile p = {.common_name = cn,
                             .orgs = {"team, with + comma"},
                             .org_count = 1,
                             .dns = {"localhost"},
                             .dns_count = 1,
                             .use = use,
                             .not_before_s = now - 86400,
                             .not_after_s = now + until_s};
    struct err err = {0};
    assert_int_equal(net_addr_parse(STR("127.0.0.1"), false, &p.ips[0]), 0);
    p.ip_count = 1;
    buf_init(&out->cert, 100000);
    buf_init(&out->key, 100000);
    assert_int_equal(crypto_key_generate(&out->pair, &err), 0);
    assert_int_equal(crypto_key_private_pem(out->pair, &out->key), 0);
    struct str issuer = by ? buf_str(&by->cert) : str_make(NULL, 0);
    if (cert_issue(&p, out->pair, by ? by->pair : out->pair, issuer, &out->cert, &err) < 0)
        fail_msg("%s", err.text);
}

static int setup(void **state)
{
    (void)state;
    issue(&ca, "keelson-ca", CERT_USE_CA, 1000000, NULL);
    issue(&other_ca, "other-ca", CERT_USE_CA, 1000000, NULL);
    issue(&server, "server", CERT_USE_SERVER, 1000, &ca);
    issue(&client, "admin", CERT_USE_CLIENT, 1000, &ca);
    issue(&server_only, "pretender", CERT_USE_SERVER, 1000, &ca);
    issue(&expired, "late", CERT_USE_CLIENT, -10, &ca);
    issue(&stranger, "stranger", CERT_USE_CLIENT, 1000, &other_ca);
    return 0;
}

static int teardown(void **state)
{
    struct identity *all[] = {&ca, &other_ca, &server, &client, &server_only, &expired, &stranger};
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        buf_done(&all[i]->cert);
        buf_done(&all[i]->key);
        crypto_key_free(all[i]->pair);
    }
    return 0;
}

static struct tls_context *context_of(bool is_server, struct identity *id, struct identity *trust, bool resume)
{
    static const char *const alpn[] = {"http/1.1", NULL};
    struct tls_config c = {.server = is_server,
                           .alpn = alpn,
                           .resume = resume,
                           .peer = is_server ? TLS_PEER_OPTIONAL : TLS_PEER_REQUIRED};
    struct tls_context *ctx = NULL;
    struct err err = {0};
    if (id) {
        c.cert_chain_pem = buf_str(&id->cert);
        c.key_pem = buf_str(&id->key);
    }
    c.trust_pem = buf_str(&trust->cert);
    if (tls_context_new(&c, &ctx, &err) < 0)
        fail_msg("%s", err.text);
    return ctx;
}

static struct tls_context *context(bool is_server, struct identity *id, struct identity *trust)
{
    return context_of(is_server, id, trust, false);
}

static void move_bytes(struct tls *from, struct tls *to)
{
    struct buf *b = tls_output(from);
    if (buf_len(b))
        assert_int_equal(tls_feed(to, buf_str(b)), 0);
    buf_consume(b, buf_len(b));
}

/* Both handshakes to their end; results in rc. */
static void shake(struct tls *c, struct tls *s, int *ret_c, int *ret_s, struct err *err)
{
    *ret_c = *ret_s = -E_AGAIN;
    for (int i = 0; i < 20 && (*ret_c == -E_AGAIN || *ret_s == -E_AGAIN); i++) {
        if (*ret_c == -E_AGAIN)
            *ret_c = tls_handshake(c, err);
        move_bytes(c, s);
        if (*ret_s == -E_AGAIN)
            *ret_s = tls_handshake(s, NULL);
        move_bytes(s, c);
    }
}

struct session {
    struct tls_context *cc, *sc;
    struct tls *c, *s;
    int rc_c, rc_s;
    struct err err;
};

static void start(struct session *x, struct identity *who, struct identity *trust, const char *name)
{
    *x = (struct session){0};
    x->cc = context(false, who, trust);
    x->sc = context(true, &server, &ca);
    assert_int_equal(tls_new(x->cc, name, &x->c), 0);
    assert_int_equal(tls_new(x->sc, NULL, &x->s), 0);
    shake(x->c, x->s, &x->rc_c, &x->rc_s, &x->err);
}

static void end(struct session *x)
{
    tls_free(x->c);
    tls_free(x->s);
    tls_context_free(x->cc);
    tls_context_free(x->sc);
}

static void bytes_cross_and_the_client_is_known(void **state)
{
    struct session x;
    struct cert_info info;
    char p[100];
    (void)state;
    start(&x, &client, &ca, "localhost");
    assert_int_equal(x.rc_c, 0);
    assert_int_equal(x.rc_s, 0);
    assert_string_equal(tls_version(x.s), "TLSv1.3");
    assert_string_equal(tls_alpn(x.s), "http/1.1");
    assert_int_equal(tls_peer_cert(x.s, &info, NULL), 0);
    assert_string_equal(info.common_name, "admin");
    assert_int_equal(info.org_count, 1);
    assert_string_equal(info.orgs[0], "team, with + comma");
    assert_int_equal(info.use, CERT_USE_CLIENT);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(tls_write(x.c, "hello", 5), 5);
        move_bytes(x.c, x.s);
        assert_int_equal(tls_read(x.s, p, sizeof p), 5);
        assert_int_equal(tls_read(x.s, p, sizeof p), -E_AGAIN);
        assert_int_equal(tls_write(x.s, "back", 4), 4);
        move_bytes(x.s, x.c);
        assert_int_equal(tls_read(x.c, p, sizeof p), 4);
    }
    tls_shutdown(x.c);
    move_bytes(x.c, x.s);
    assert_int_equal(tls_read(x.s, p, sizeof p), 0);
    end(&x);
}

/* One connection of contexts that live on; returns how many bytes the server said, which are fewer
 * when it shows no certificate. */
static size_t connect_again(struct tls_context *cc, struct tls_context *sc)
{
    struct tls *c, *s;
    struct cert_info info;
    struct err err = {0};
    size_t bytes = 0;
    int rc_c = -E_AGAIN, rc_s = -E_AGAIN;
    assert_int_equal(tls_new(cc, "localhost", &c), 0);
    assert_int_equal(tls_new(sc, NULL, &s), 0);
    for (int i = 0; i < 20 && (rc_c == -E_AGAIN || rc_s == -E_AGAIN); i++) {
        rc_c = tls_handshake(c, &err);
        move_bytes(c, s);
        rc_s = tls_handshake(s, NULL);
        bytes += buf_len(tls_output(s));
        move_bytes(s, c);
    }
    assert_int_equal(rc_c, 0);
    assert_int_equal(rc_s, 0);
    assert_string_equal(tls_version(s), "TLSv1.2");
    assert_int_equal(tls_peer_cert(s, &info, NULL), 0);
    assert_string_equal(info.common_name, "admin");
    tls_free(c);
    tls_free(s);
    return bytes;
}

static void a_client_that_comes_again_is_known_without_its_certificate(void **state)
{
    struct tls_context *cc = context_of(false, &client, &ca, true), *sc = context(true, &server, &ca),
                       *restarted = context(true, &server, &ca);
    (void)state;
    size_t first = connect_again(cc, sc);
    assert_true(connect_again(cc, sc) < first - buf_len(&server.cert) / 2);
    assert_true(connect_again(cc, sc) < first - buf_len(&server.cert) / 2);
    /* A server that knows nothing of the session is shown everything again; signatures differ by a few
     * bytes. */
    assert_true(connect_again(cc, restarted) + 32 >= first);
    tls_context_free(cc);
    tls_context_free(sc);
    tls_context_free(restarted);
}

static void a_client_without_a_certificate_is_nobody(void **state)
{
    struct session x;
    struct cert_info info;
    (void)state;
    start(&x, NULL, &ca, "127.0.0.1");
    assert_int_equal(x.rc_s, 0);
    assert_int_equal(tls_peer_cert(x.s, &info, NULL), -E_NOT_FOUND);
    end(&x);
}

static void unacceptable_certificates_are_reported_not_fatal(void **state)
{
    struct identity *bad[] = {&server_only, &expired, &stranger};
    const char *why[] = {"usage", "expired", "unknown authority"};
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct session x;
        struct cert_info info;
        struct err err = {0};
        start(&x, bad[i], &ca, "localhost");
        assert_int_equal(x.rc_s, 0);
        assert_int_equal(tls_peer_cert(x.s, &info, &err), -E_UNAUTHORIZED);
        if (!strstr(err.text, why[i]))
            fail_msg("%s", err.text);
        end(&x);
    }
}

static void a_client_refuses_the_wrong_server(void **state)
{
    struct session x;
    (void)state;
    start(&x, NULL, &other_ca, "localhost");
    assert_int_equal(x.rc_c, -E_UNAUTHORIZED);
    assert_non_null(strstr(x.err.text, "unknown authority"));
    end(&x);
    start(&x, NULL, &ca, "elsewhere.example");
    assert_int_equal(x.rc_c, -E_UNAUTHORIZED);
    assert_non_null(strstr(x.err.text, "another name"));
    end(&x);
}

/* Servers refuse to read a hello whose server_name extension holds an empty name. */
static void a_client_that_trusts_anyone_names_nobody(void **state)
{
    static const char empty_name[] = {0, 0, 0, 5, 0, 3, 0, 0, 0};
    struct session x = {0};
    struct tls_config c = {.peer = TLS_PEER_NONE};
    (void)state;
    assert_int_equal(tls_context_new(&c, &x.cc, &x.err), 0);
    x.sc = context(true, &server, &ca);
    assert_int_equal(tls_new(x.cc, "", &x.c), 0);
    assert_int_equal(tls_new(x.sc, NULL, &x.s), 0);
    assert_int_equal(tls_handshake(x.c, NULL), -E_AGAIN);
    struct str hello = buf_str(tls_output(x.c));
    assert_true(hello.n > 0);
    assert_int_equal(str_find(hello, str_make(empty_name, sizeof empty_name)), -1);
    shake(x.c, x.s, &x.rc_c, &x.rc_s, &x.err);
    assert_int_equal(x.rc_c, 0);
    assert_int_equal(x.rc_s, 0);
    end(&x);
}

static void signatures_verify_only_what_was_signed(void **state)
{
    uint8_t sig[64];
    struct crypto_key *public_half;
    struct buf pem CLEANUP_BUF, der CLEANUP_BUF;
    (void)state;
    buf_init(&pem, 10000);
    buf_init(&der, 10000);
    assert_int_equal(crypto_sign(ca.pair, STR("a.b"), sig), 0);
    assert_int_equal(crypto_key_public_pem(ca.pair, &pem), 0);
    assert_int_equal(crypto_key_parse(buf_str(&pem), &public_half, NULL), 0);
    assert_true(crypto_verify(public_half, STR("a.b"), str_make(sig, 64)));
    assert_false(crypto_verify(public_half, STR("a.c"), str_make(sig, 64)));
    assert_false(crypto_verify(server.pair, STR("a.b"), str_make(sig, 64)));
    assert_false(crypto_verify(public_half, STR("a.b"), str_make(sig, 63)));
    sig[5] ^= 1;
    assert_false(crypto_verify(public_half, STR("a.b"), str_make(sig, 64)));
    crypto_key_free(public_half);
    assert_int_equal(crypto_key_public_der(ca.pair, &der), 0);
    assert_int_equal(crypto_key_public_parse_der(buf_str(&der), &public_half, NULL), 0);
    crypto_key_free(public_half);
}

static void garbage_certificates_are_refused(void **state)
{
    struct cert_info info;
    struct crypto_key *k;
    (void)state;
    assert_true(cert_parse(STR("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
                           &info, NULL) < 0);
    assert_true(cert_parse(STR(""), &info, NULL) < 0);
    assert_true(crypto_key_parse(STR("nonsense"), &k, NULL) < 0);
    assert_int_equal(cert_parse(buf_str(&ca.cert), &info, NULL), 0);
    assert_true(info.is_ca);
}

static void digests_are_the_standard_ones(void **state)
{
    uint8_t d[32];
    char hex[65];
    (void)state;
    sha256_of(STR("abc"), d);
    hex_encode(hex, d, 32);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha1_of(STR("abc"), d);
    hex_encode(hex, d, 20);
    assert_string_equal(hex, "a9993e364706816aba3e25717850c26c9cd0d89d");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_cross_and_the_client_is_known),
        cmocka_unit_test(a_client_that_comes_again_is_known_without_its_certificate),
        cmocka_unit_test(a_client_without_a_certificate_is_nobody),
        cmocka_unit_test(unacceptable_certificates_are_reported_not_fatal),
        cmocka_unit_test(a_client_refuses_the_wrong_server),
        cmocka_unit_test(a_client_that_trusts_anyone_names_nobody),
        cmocka_unit_test(signatures_verify_only_what_was_signed),
        cmocka_unit_test(garbage_certificates_are_refused),
        cmocka_unit_test(digests_are_the_standard_ones),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
