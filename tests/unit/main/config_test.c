/* keelson.yaml: what is right is taken, what is wrong is named with line and column, and nothing of
 * a wrong file is used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "main/config.h"

static void every_key_is_read(void **state)
{
    static const char text[] = "name: node1\n"
                               "endpoint: cluster.example:6443\n"
                               "ca:\n"
                               "  cert: |\n    -----BEGIN CERTIFICATE-----\n    AA==\n    -----END CERTIFICATE-----\n"
                               "  key: |\n    -----BEGIN PRIVATE KEY-----\n    AA==\n    -----END PRIVATE KEY-----\n"
                               "network:\n"
                               "  interface: eth1\n"
                               "  addresses: [192.0.2.10/24, \"2001:db8::1/64\"]\n"
                               "  gateway: 192.0.2.1\n"
                               "  dns: [192.0.2.53]\n"
                               "  search: [example.org, example.net]\n"
                               "  ntp: [192.0.2.123]\n"
                               "registries:\n"
                               "  - host: \"10.0.2.2:5000\"\n    plain_http: true\n";
    struct config c;
    struct err err = {0};
    (void)state;
    assert_int_equal(config_parse("keelson.yaml", str_of(text), &c, &err), 0);
    assert_string_equal(c.name, "node1");
    assert_true(c.named);
    assert_string_equal(c.endpoint, "cluster.example:6443");
    assert_non_null(strstr(c.ca_pem, "BEGIN CERTIFICATE"));
    assert_non_null(strstr(c.ca_pem, "BEGIN PRIVATE KEY"));
    assert_string_equal(c.network.interface, "eth1");
    assert_int_equal(c.network.addr_count, 2);
    assert_int_equal(c.network.addrs[0].ip[3], 10);
    assert_int_equal(c.network.prefix_lens[1], 64);
    assert_int_equal(c.network.gateway.ip[3], 1);
    assert_int_equal(c.network.dns_count, 1);
    assert_int_equal(c.network.ntp_count, 1);
    assert_string_equal(c.network.search, "example.org example.net");
    assert_string_equal(c.registries, "[{\"host\":\"10.0.2.2:5000\",\"plain_http\":true}]");
}

static void an_empty_file_means_defaults(void **state)
{
    struct config c;
    struct err err = {0};
    (void)state;
    assert_int_equal(config_parse("keelson.yaml", STR("# nothing\n"), &c, &err), 0);
    assert_string_equal(c.name, "keelson");
    assert_false(c.named);
    assert_string_equal(c.registries, "[]");
    assert_int_equal(c.network.addr_count, 0);
}

static void what_is_wrong_is_named_with_its_place(void **state)
{
    static const struct {
        const char *text, *place, *expected;
    } cases[] = {
        {"name: node1\nnmae: x\n", "line 2, column 1", "'nmae': expected one of name, endpoint"},
        {"name: Node_1\n", "line 1, column 1", "lower-case"},
        {"endpoint: nowhere\n", "line 1, column 1", "HOST:PORT"},
        {"endpoint: host:99999\n", "line 1, column 1", "HOST:PORT"},
        {"network:\n  addresses: [10.0.0.1]\n", "line 2", "prefix length"},
        {"network:\n  addresses: [10.0.0.1/33]\n", "line 2", "prefix length"},
        {"network:\n  gateway: here\n", "line 2, column 3", "an IP address"},
        {"network:\n  dns: [1.1.1.1, 2.2.2.2, 3.3.3.3, 4.4.4.4, 5.5.5.5]\n", "line 2", "at most 4"},
        {"network: eth0\n", "line 1, column 1", "keys with values"},
        {"registries:\n  - mirrors: [a]\n", "line 2", "a host"},
        {"registries:\n  - host: a\n    insecure: true\n", "line 3, column 5", "skip_verify"},
        {"registries:\n  - host: a\n    plain_http: maybe\n", "line 3, column 5", "true or false"},
        {"ca:\n  cert: nonsense\n", "line 2, column 3", "PEM"},
        {"- a\n- b\n", "line 1", "keys with values"},
        {"name: a\nname: b\n", "line 2", ""},
        {"name: [\n", "line 2", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct config c;
        struct err err = {0};
        memset(&c, 0x5a, sizeof c);
        int rc = config_parse("keelson.yaml", str_of(cases[i].text), &c, &err);
        if (rc >= 0 || !strstr(err.text, cases[i].place) || !strstr(err.text, cases[i].expected) ||
            !strstr(err.text, "keelson.yaml"))
            fail_msg("case %zu: %d '%s', wanted '%s' and '%s'", i, rc, err.text, cases[i].place, cases[i].expected);
        assert_int_equal(((unsigned char *)&c)[0], 0x5a); /* untouched */
    }
}

static void a_certificate_without_its_key_is_refused(void **state)
{
    struct config c;
    struct err err = {0};
    (void)state;
    assert_int_equal(config_parse("f", STR("ca:\n  cert: |\n    -----BEGIN CERTIFICATE-----\n"), &c, &err), -E_INVALID);
    assert_non_null(strstr(err.text, "both cert and key"));
}

static void it_survives_the_way_to_init(void **state)
{
    static const char text[] = "name: a\nnetwork:\n  addresses: [192.0.2.10/24]\n  gateway: 192.0.2.1\n  ntp: [192.0.2.9]\n";
    unsigned char buffer[LIMIT_IMSG_BYTES];
    struct config c, got;
    struct err err = {0};
    struct imsg_out m;
    struct imsg_in in;
    (void)state;
    assert_int_equal(config_parse("f", str_of(text), &c, &err), 0);
    imsg_begin(&m, buffer, sizeof buffer, MSG_DONE, 0);
    config_put(&m, &c, -1);
    assert_false(m.failed);
    assert_int_equal(imsg_parse(&in, m.p, m.n), 0);
    config_default(&got);
    assert_int_equal(config_get(&in, &got), 0);
    assert_string_equal(got.name, "a");
    assert_int_equal(got.network.addr_count, 1);
    assert_int_equal(got.network.prefix_lens[0], 24);
    assert_memory_equal(got.network.gateway.ip, c.network.gateway.ip, 4);
    assert_int_equal(got.network.ntp_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(an_empty_file_means_defaults),
        cmocka_unit_test(what_is_wrong_is_named_with_its_place),
        cmocka_unit_test(a_certificate_without_its_key_is_refused),
        cmocka_unit_test(it_survives_the_way_to_init),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
