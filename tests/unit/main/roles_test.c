/* The table of roles, what they are told at the start, and who may ask `keys` for what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "main/keys_msg.h"
#include "main/pki.h"
#include "main/start_msg.h"

static void no_two_roles_share_a_user_and_links_are_mutual(void **state)
{
    (void)state;
    for (int a = 1; a < ROLE__COUNT; a++) {
        assert_int_equal(role_find(role_get((enum role_id)a)->name), a);
        for (int b = 1; b < ROLE__COUNT; b++) {
            assert_int_equal(role_linked((enum role_id)a, (enum role_id)b), role_linked((enum role_id)b, (enum role_id)a));
            if (a != b && role_get((enum role_id)a)->uid)
                assert_int_not_equal(role_get((enum role_id)a)->uid, role_get((enum role_id)b)->uid);
        }
    }
    assert_true(role_linked(ROLE_FRONT, ROLE_CONTROL));
    assert_false(role_linked(ROLE_DNS, ROLE_CONTROL));
    assert_false(role_linked(ROLE_LEASE, ROLE_KEYS));
}

static void only_those_who_may_get_a_profile(void **state)
{
    unsigned allowed = 0;
    (void)state;
    for (int role = 1; role < ROLE__COUNT; role++)
        for (int p = -1; p <= KEYS_PROFILE__COUNT; p++)
            allowed += keys_allowed_profile((enum role_id)role, (enum keys_profile)p);
    /* Each has exactly one role; further fronts have what the first one has, which is two. */
    assert_int_equal(allowed, KEYS_PROFILE__COUNT - 1 + 2 * (ROLE_FRONTS - 1));
    assert_true(keys_allowed_profile(ROLE_FRONT3, KEYS_KUBELET_CLIENT));
    assert_true(role_linked(ROLE_FRONT4, ROLE_CONTROL) && !role_linked(ROLE_FRONT2, ROLE_FRONT));
    assert_true(keys_allowed_profile(ROLE_FRONT, KEYS_KUBELET_CLIENT));
    assert_false(keys_allowed_profile(ROLE_NODE, KEYS_KUBELET_CLIENT));
    assert_false(keys_allowed_profile(ROLE_CONTROL, KEYS_FRONT_SERVING));
    assert_true(keys_allowed_sign(ROLE_CONTROL));
    assert_false(keys_allowed_sign(ROLE_FRONT));
}

static void the_start_arrives_as_sent(void **state)
{
    static struct role_start sent = {
        .node_name = "n1", .data_dir = "/state", .endpoint = "h:6443", .registries = "[]",
        .listen = {.family = 4, .port = 6443}, .api = {.family = 6, .ip = {[15] = 1}, .port = 6443, .scope = 7},
        .appliance = true, .with_control = true, .restarts = 5,
        .net = {.addrs = {{.family = 4, .ip = {10, 0, 2, 15}}}, .addr_count = 1, .search = "a b"},
    };
    static struct role_start got;
    unsigned char buffer[LIMIT_IMSG_BYTES];
    struct imsg_out m;
    struct imsg_in in;
    (void)state;
    imsg_begin(&m, buffer, sizeof buffer, MSG_START, 0);
    start_msg_put(&m, &sent);
    assert_false(m.failed);
    assert_int_equal(imsg_parse(&in, m.p, m.n), 0);
    assert_int_equal(start_msg_get(&in, &got), 0);
    assert_memory_equal(&sent, &got, sizeof sent);
}

static void too_many_or_malformed_addresses_are_refused(void **state)
{
    unsigned char buffer[4096];
    struct imsg_out m;
    struct imsg_in in;
    struct machine_net net;
    struct net_addr a = {.family = 4};
    (void)state;
    imsg_begin(&m, buffer, sizeof buffer, MSG_ADDRS, 0);
    for (int i = 0; i <= MACHINE_MAX_ADDRS; i++)
        start_msg_put_addr(&m, TAG_ADDR, &a);
    assert_int_equal(imsg_parse(&in, m.p, m.n), 0);
    assert_int_equal(machine_net_get(&in, &net), -E_SYNTAX);
    imsg_begin(&m, buffer, sizeof buffer, MSG_ADDRS, 0);
    imsg_put(&m, TAG_ADDR, STR("\x06short"));
    assert_int_equal(imsg_parse(&in, m.p, m.n), 0);
    assert_int_equal(machine_net_get(&in, &net), -E_SYNTAX);
}

static void a_certificate_says_what_its_profile_allows(void **state)
{
    struct machine_net net = {.addrs = {{.family = 4, .ip = {192, 0, 2, 2}}}, .addr_count = 1};
    struct pki_subject subject = {"n1", &net, "cluster.example:6443"};
    struct pki_ca ca;
    struct crypto_key *key;
    struct cert_info info;
    struct buf pem;
    struct err err = {0};
    int64_t until, now = 1795000000;
    (void)state;
    buf_init(&pem, 65536);
    assert_int_equal(pki_ca_make("test", now, &ca, &err), 0);
    assert_int_equal(crypto_key_generate(&key, &err), 0);
    assert_int_equal(pki_issue(&ca, KEYS_NODE_CLIENT, &subject, key, now, &pem, &until, &err), 0);
    assert_int_equal(cert_parse(buf_str(&pem), &info, &err), 0);
    assert_string_equal(info.common_name, "system:node:n1");
    assert_string_equal(info.orgs[0], "system:nodes");
    assert_int_equal(info.use, CERT_USE_CLIENT);
    assert_false(info.is_ca);
    assert_true(info.not_before_s <= now - 23 * 3600); /* a clock that is behind locks nobody out */
    assert_true(until > now);
    buf_clear(&pem);
    assert_int_equal(pki_issue(&ca, KEYS_FRONT_SERVING, &subject, key, now, &pem, &until, &err), 0);
    assert_int_equal(cert_parse(buf_str(&pem), &info, &err), 0);
    assert_int_equal(info.use, CERT_USE_SERVER);
    assert_int_equal(pki_issue(&ca, KEYS_PROFILE_NONE, &subject, key, now, &pem, &until, &err), -E_INVALID);
    crypto_key_free(key);
    buf_done(&pem);
    pki_ca_done(&ca);
}

static void a_key_of_another_ca_is_refused(void **state)
{
    struct pki_ca one, two, parsed;
    struct buf text;
    struct err err = {0};
    (void)state;
    buf_init(&text, 65536);
    assert_int_equal(pki_ca_make("one", 1795000000, &one, &err), 0);
    assert_int_equal(pki_ca_make("two", 1795000000, &two, &err), 0);
    buf_append_str(&text, buf_str(&one.cert_pem));
    buf_append_str(&text, buf_str(&two.key_pem));
    assert_true(pki_ca_parse(buf_str(&text), &parsed, &err) < 0);
    assert_non_null(strstr(err.text, "belong together"));
    buf_clear(&text);
    buf_append_str(&text, buf_str(&one.cert_pem));
    assert_true(pki_ca_parse(buf_str(&text), &parsed, &err) < 0);
    buf_append_str(&text, buf_str(&one.key_pem));
    assert_int_equal(pki_ca_parse(buf_str(&text), &parsed, &err), 0);
    pki_ca_done(&parsed);
    pki_ca_done(&one);
    pki_ca_done(&two);
    buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_two_roles_share_a_user_and_links_are_mutual),
        cmocka_unit_test(only_those_who_may_get_a_profile),
        cmocka_unit_test(the_start_arrives_as_sent),
        cmocka_unit_test(too_many_or_malformed_addresses_are_refused),
        cmocka_unit_test(a_certificate_says_what_its_profile_allows),
        cmocka_unit_test(a_key_of_another_ca_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
