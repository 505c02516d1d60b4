/* Bearer tokens: which are good and which are not. */
#include "api_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ISSUER  "https://kubernetes.default.svc.cluster.local"
#define WHO     "/apis/authentication.k8s.io/v1/selfsubjectreviews"
#define TOKEN   "/api/v1/namespaces/default/serviceaccounts/default/token"
#define SECRETS "/api/v1/namespaces/kube-system/secrets"

static struct answer *who(struct fixture *f, const char *token)
{
    static char header[6000];
    snprintf(header, sizeof header, "Bearer %s", token);
    struct api_peer peer = {.authorization = header, .address = "192.0.2.1"};
    return ask_with(f, &peer, "POST", WHO, NULL, NULL, "{}");
}

static void sign(struct fixture *f, char *token, const char *head, const char *claims)
{
    uint8_t sig[64];
    size_t n = base64url_encode(token, head, strlen(head));
    token[n++] = '.';
    n += base64url_encode(token + n, claims, strlen(claims));
    assert_int_equal(crypto_sign(f->key, str_make(token, n), sig), 0);
    token[n++] = '.';
    n += base64url_encode(token + n, sig, 64);
    token[n] = 0;
}

/* CVE-2015-9235, CVE-2020-26160: every combination, and only the one right one is let in. */
static void algorithm_audience_issuer_and_times_must_all_be_right(void **state)
{
    struct fixture *f = *state;
    static const char *const algs[] = {"ES256", "none", "None", "HS256", "RS256", "ES384", ""};
    static const char *const audiences[] = {"[\"" ISSUER "\"]", "\"" ISSUER "\"", "[\"vault\"]",
                                            "[]", "\"\"", "null"};
    static const char *const issuers[] = {ISSUER, "https://other", ""};
    static const char *const times[] = {"\"exp\":4000000000,\"nbf\":0", "\"exp\":1000,\"nbf\":0",
                                        "\"exp\":4000000000,\"nbf\":3900000000", "\"nbf\":0",
                                        "\"exp\":\"4000000000\""};
    char head[200], claims[1000], token[3000], uid[40];
    struct answer *a = ask(f, "GET", "/api/v1/namespaces/default/serviceaccounts/default", NULL);
    unsigned let_in = 0;
    snprintf(uid, sizeof uid, "%s", at(a, "metadata.uid"));
    for (size_t g = 0; g < 7; g++)
        for (size_t u = 0; u < 6; u++)
            for (size_t i = 0; i < 3; i++)
                for (size_t t = 0; t < 5; t++) {
                    snprintf(head, sizeof head, "{\"alg\":\"%s\",\"typ\":\"JWT\"}", algs[g]);
                    snprintf(claims, sizeof claims,
                             "{\"iss\":\"%s\",\"aud\":%s,\"sub\":\"system:serviceaccount:default:"
                             "default\",%s,\"kubernetes.io\":{\"namespace\":\"default\","
                             "\"serviceaccount\":{\"name\":\"default\",\"uid\":\"%s\"}}}",
                             issuers[i], audiences[u], times[t], uid);
                    sign(f, token, head, claims);
                    bool right = g == 0 && u < 2 && i == 0 && t == 0;
                    if (who(f, token)->status != (right ? 201 : 401))
                        fail_msg("%s %s", head, claims);
                    let_in += right;
                }
    assert_int_equal(let_in, 2);
}

static void a_token_names_a_key_that_is_known(void **state)
{
    struct fixture *f = *state;
    char token[3000], other[3000], header[400];
    struct answer *a = ask(f, "POST", TOKEN, "{\"spec\":{\"audiences\":[]}}");
    expect(a, 201);
    snprintf(token, sizeof token, "%s", at(a, "status.token"));
    expect(who(f, token), 201);
    /* The same claims under another key's id, under none, and without a signature. */
    const char *claims = strchr(token, '.') + 1;
    char *text = arena_alloc(&f->arena, 3000);
    size_t n;
    assert_int_equal(base64url_decode(text, &n, str_make(claims, strcspn(claims, "."))), 0);
    text[n] = 0;
    snprintf(header, sizeof header, "{\"alg\":\"ES256\",\"kid\":\"another\"}");
    sign(f, other, header, text);
    expect(who(f, other), 401);
    sign(f, other, "{\"alg\":\"ES256\"}", text);
    expect(who(f, other), 201);
    *(strrchr(other, '.') + 1) = 0;
    expect(who(f, other), 401);
    *strrchr(other, '.') = 0;
    expect(who(f, other), 401);
}

static void a_token_ends_with_what_it_is_bound_to(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *kind, *path, *body;
    } cases[] = {
        {"Secret", "/api/v1/namespaces/default/secrets", "{\"metadata\":{\"name\":\"x\"}}"},
        {"Node", "/api/v1/nodes", "{\"metadata\":{\"name\":\"x\"}}"},
        {"Pod", "/api/v1/namespaces/default/pods",
         "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"},
    };
    char body[300], token[3000], path[200];
    for (size_t i = 0; i < 3; i++) {
        expect(ask(f, "POST", cases[i].path, cases[i].body), 201);
        snprintf(body, sizeof body,
                 "{\"spec\":{\"audiences\":[],\"boundObjectRef\":{\"kind\":\"%s\",\"apiVersion\":"
                 "\"v1\",\"name\":\"x\"}}}",
                 cases[i].kind);
        struct answer *a = ask(f, "POST", TOKEN, body);
        expect(a, 201);
        snprintf(token, sizeof token, "%s", at(a, "status.token"));
        expect(who(f, token), 201);
        snprintf(path, sizeof path, "%s/x?gracePeriodSeconds=0", cases[i].path);
        expect(ask(f, "DELETE", path, NULL), 200);
        expect(who(f, token), 401);
        /* One of the same name is another one. */
        expect(ask(f, "POST", cases[i].path, cases[i].body), 201);
        expect(who(f, token), 401);
    }
    expect(ask(f, "POST", TOKEN,
               "{\"spec\":{\"audiences\":[],\"boundObjectRef\":{\"kind\":\"ConfigMap\","
               "\"apiVersion\":\"v1\",\"name\":\"x\"}}}"),
           400);
}

static void data(char *to, size_t size, const char *key, const char *value)
{
    char encoded[400];
    size_t n = strlen(to);
    base64_encode(encoded, value, strlen(value));
    snprintf(to + n, size - n, "%s\"%s\":\"%s\"", n ? "," : "", key, encoded);
}

static void bootstrap_tokens_are_what_their_secret_says(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *type, *id, *secret, *expires, *usage, *groups;
        int status;
    } cases[] = {
        {"bootstrap.kubernetes.io/token", "abcdef", "0123456789abcdef", NULL, "true", NULL, 201},
        {"bootstrap.kubernetes.io/token", "abcdef", "0123456789abcdef", "2999-01-01T00:00:00Z",
         "true", "system:bootstrappers:a:b,system:bootstrappers:c", 201},
        {"bootstrap.kubernetes.io/token", "abcdef", "0123456789abcdef", "1970-01-01T00:00:01Z",
         "true", NULL, 401},
        {"bootstrap.kubernetes.io/token", "abcdef", "0123456789abcdef", NULL, "false", NULL, 401},
        {"bootstrap.kubernetes.io/token", "abcdef", "0123456789abcdef", NULL, "true",
         "system:masters", 401},
        {"bootstrap.kubernetes.io/token", "abcdef", "fedcba9876543210", NULL, "true", NULL, 401},
        {"bootstrap.kubernetes.io/token", "abcdeg", "0123456789abcdef", NULL, "true", NULL, 401},
        {"Opaque", "abcdef", "0123456789abcdef", NULL, "true", NULL, 401},
    };
    char values[900], body[1200];
    expect(who(f, "abcdef.0123456789abcdef"), 401);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        values[0] = 0;
        data(values, sizeof values, "token-id", cases[i].id);
        data(values, sizeof values, "token-secret", cases[i].secret);
        data(values, sizeof values, "usage-bootstrap-authentication", cases[i].usage);
        if (cases[i].expires)
            data(values, sizeof values, "expiration", cases[i].expires);
        if (cases[i].groups)
            data(values, sizeof values, "auth-extra-groups", cases[i].groups);
        snprintf(body, sizeof body,
                 "{\"metadata\":{\"name\":\"bootstrap-token-abcdef\"},\"type\":\"%s\",\"data\":{%s}}",
                 cases[i].type, values);
        expect(ask(f, "POST", SECRETS, body), 201);
        struct answer *a = who(f, "abcdef.0123456789abcdef");
        if (a->status != cases[i].status)
            fail_msg("case %zu: %d", i, a->status);
        if (a->status == 201)
            assert_string_equal(at(a, "status.userInfo.username"), "system:bootstrap:abcdef");
        expect(who(f, "abcdef.0123456789abcdeX"), 401);
        expect(ask(f, "DELETE", SECRETS "/bootstrap-token-abcdef", NULL), 200);
    }
}

static void the_issuer_says_how_its_tokens_are_verified(void **state)
{
    struct fixture *f = *state;
    struct answer *a = ask(f, "GET", "/openid/v1/jwks", NULL);
    expect(a, 200);
    assert_string_equal(a->type, "application/jwk-set+json");
    const struct json *key = json_at(json_get(a->json, "keys"), 0);
    assert_string_equal(json_path_cstr(key, "kty"), "EC");
    assert_int_equal(strlen(json_path_cstr(key, "x")), 43);
    assert_int_equal(strlen(json_path_cstr(key, "y")), 43);
    a = ask(f, "GET", "/.well-known/openid-configuration", NULL);
    assert_string_equal(at(a, "issuer"), ISSUER);
    assert_string_equal(at(a, "jwks_uri"), "https://10.0.2.15:6443/openid/v1/jwks");
    expect(ask(f, "DELETE", "/openid/v1/jwks", NULL), 405);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fixture_setup_boot, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(algorithm_audience_issuer_and_times_must_all_be_right),
        T(a_token_names_a_key_that_is_known),
        T(a_token_ends_with_what_it_is_bound_to),
        T(bootstrap_tokens_are_what_their_secret_says),
        T(the_issuer_says_how_its_tokens_are_verified),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
