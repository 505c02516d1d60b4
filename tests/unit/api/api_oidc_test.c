/* ID tokens of a configured issuer. */
#include "api_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/auth/oidc.h"

#define GOOD "\"iss\":\"https://id.example\",\"aud\":\"kube\",\"exp\":4000000000,\"sub\":\"7\","

static const struct api_oidc options = {.issuer = "https://id.example",
                                        .client_id = "kube",
                                        .username_claim = "email",
                                        .groups_claim = "groups"};

static void make_jwks(struct fixture *f, const char *kid, char *to, size_t size)
{
    struct buf der;
    char x[48], y[48];
    buf_init(&der, 1000);
    assert_int_equal(crypto_key_public_der(f->key, &der), 0);
    const char *point = buf_str(&der).p + buf_len(&der) - 64;
    x[base64url_encode(x, point, 32)] = 0;
    y[base64url_encode(y, point + 32, 32)] = 0;
    snprintf(to, size,
             "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"},{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":"
             "\"%s\",\"use\":\"sig\",\"x\":\"%s\",\"y\":\"%s\"}]}",
             kid, x, y);
    buf_done(&der);
}

static int verify(struct fixture *f, struct oidc *o, const char *head, const char *claims,
                  struct user *u)
{
    return oidc_verify(o, f->api, &f->arena, str_of(forge(f, head, claims)), u, NULL);
}

static void the_right_token_makes_a_user_with_prefixed_groups(void **state)
{
    struct fixture *f = *state;
    static const char head[] = "{\"alg\":\"ES256\",\"kid\":\"k\"}";
    struct oidc *o;
    struct user u;
    char jwks[600];
    assert_int_equal(oidc_new(&options, &o), 0);
    /* Nobody before the keys are known. */
    assert_int_equal(verify(f, o, head, "{" GOOD "\"email\":\"a@b.c\"}", &u), -E_UNAUTHORIZED);
    make_jwks(f, "k", jwks, sizeof jwks);
    assert_int_equal(oidc_set_keys(o, str_of(jwks), NULL), 0);
    assert_int_equal(verify(f, o, head,
                            "{" GOOD "\"email\":\"a@b.c\",\"email_verified\":true,\"groups\":["
                            "\"system:masters\",\"dev\"]}",
                            &u),
                     0);
    assert_string_equal(u.name, "a@b.c");
    assert_int_equal(u.group_count, 3);
    assert_string_equal(u.groups[0], "oidc:system:masters");
    assert_string_equal(u.groups[1], "oidc:dev");
    assert_string_equal(u.groups[2], "system:authenticated");
    oidc_free(o);
}

static void anything_else_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char es[] = "{\"alg\":\"ES256\",\"kid\":\"k\"}";
    static const struct {
        const char *head, *claims;
    } cases[] = {
        {"{\"alg\":\"ES256\",\"kid\":\"other\"}", "{" GOOD "\"email\":\"a@b.c\"}"},
        {"{\"alg\":\"none\",\"kid\":\"k\"}", "{" GOOD "\"email\":\"a@b.c\"}"},
        {"{\"alg\":\"HS256\",\"kid\":\"k\"}", "{" GOOD "\"email\":\"a@b.c\"}"},
        {"{\"alg\":\"RS256\",\"kid\":\"k\"}", "{" GOOD "\"email\":\"a@b.c\"}"},
        {"{\"alg\":\"ES384\",\"kid\":\"k\"}", "{" GOOD "\"email\":\"a@b.c\"}"},
        {"{\"alg\":\"ES256\",\"kid\":\"k\",\"crit\":[\"x\"]}", "{" GOOD "\"email\":\"a@b.c\"}"},
        {es, "{" GOOD "\"email\":\"a@b.c\",\"email_verified\":false}"},
        {es, "{" GOOD "\"name\":\"a\"}"},
        {es, "{" GOOD "\"email\":\"a@b.c\",\"groups\":[7]}"},
        {es, "{\"iss\":\"https://id.example/\",\"aud\":\"kube\",\"exp\":4000000000,\"email\":\"a\"}"},
        {es, "{\"iss\":\"https://id.example\",\"aud\":\"other\",\"exp\":4000000000,\"email\":\"a\"}"},
        {es, "{\"iss\":\"https://id.example\",\"aud\":\"kube\",\"exp\":1000,\"email\":\"a\"}"},
        {es, "{\"iss\":\"https://id.example\",\"aud\":\"kube\",\"email\":\"a\"}"},
        {es, "{\"iss\":\"https://id.example\",\"aud\":\"kube\",\"exp\":4000000000,\"nbf\":3900000000,"
             "\"email\":\"a\"}"},
    };
    struct oidc *o;
    struct user u;
    char jwks[600];
    assert_int_equal(oidc_new(&options, &o), 0);
    make_jwks(f, "k", jwks, sizeof jwks);
    assert_int_equal(oidc_set_keys(o, str_of(jwks), NULL), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (verify(f, o, cases[i].head, cases[i].claims, &u) != -E_UNAUTHORIZED)
            fail_msg("case %zu", i);
    /* No set of keys takes the place of a good one unless it is one. */
    assert_true(oidc_set_keys(o, STR("{\"keys\":7}"), NULL) < 0);
    assert_true(oidc_set_keys(o, STR("nonsense"), NULL) < 0);
    assert_int_equal(verify(f, o, es, "{" GOOD "\"email\":\"a\"}", &u), 0);
    assert_int_equal(oidc_set_keys(o, STR("{\"keys\":[]}"), NULL), 0);
    assert_int_equal(verify(f, o, es, "{" GOOD "\"email\":\"a\"}", &u), -E_UNAUTHORIZED);
    oidc_free(o);
}

static void names_are_set_apart_by_their_issuer(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *claim, *prefix, *name;
    } cases[] = {{NULL, NULL, "https://id.example#7"}, {NULL, "-", "7"}, {NULL, "x:", "x:7"},
                 {"email", NULL, "a@b.c"}};
    char jwks[600];
    make_jwks(f, "k", jwks, sizeof jwks);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct api_oidc with = options;
        struct oidc *o;
        struct user u;
        with.username_claim = cases[i].claim;
        with.username_prefix = cases[i].prefix;
        assert_int_equal(oidc_new(&with, &o), 0);
        assert_int_equal(oidc_set_keys(o, str_of(jwks), NULL), 0);
        assert_int_equal(
            verify(f, o, "{\"alg\":\"ES256\"}", "{" GOOD "\"email\":\"a@b.c\"}", &u), 0);
        assert_string_equal(u.name, cases[i].name);
        oidc_free(o);
    }
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(the_right_token_makes_a_user_with_prefixed_groups),
        T(anything_else_is_refused),
        T(names_are_set_apart_by_their_issuer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
