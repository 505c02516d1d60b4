/* Image references as docker and containerd read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "pull/io.h"
#include "pull/reference.h"
#include "pull/url.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void names_are_normalised(void **state)
{
    static const char *const pairs[][2] = {
        {"nginx", "docker.io/library/nginx:latest"},
        {"nginx:1.2", "docker.io/library/nginx:1.2"},
        {"me/app", "docker.io/me/app:latest"},
        {"docker.io/nginx", "docker.io/library/nginx:latest"},
        {"index.docker.io/library/nginx", "docker.io/library/nginx:latest"},
        {"localhost/x", "localhost/x:latest"},
        {"10.0.2.2:5000/web:v1", "10.0.2.2:5000/web:v1"},
        {"[::1]:5000/web", "[::1]:5000/web:latest"},
        {"registry.example/a/b__c/d-e.f:T_1.0-x", "registry.example/a/b__c/d-e.f:T_1.0-x"},
        {"nginx@sha256:" HEX, "docker.io/library/nginx@sha256:" HEX},
        {"r.example:1/x:v1@sha256:" HEX, "r.example:1/x:v1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct pull_reference r;
        struct err err = {0};
        char name[PULL_REFERENCE_BYTES];
        if (pull_reference_parse(pairs[i][0], &r, &err) < 0)
            fail_msg("%s", err.text);
        pull_reference_name(&r, name);
        assert_string_equal(name, pairs[i][1]);
    }
}

static void malformed_names_are_refused(void **state)
{
    static const char *const bad[] = {"", "/", "a//b", "UPPER", "a/UPPER", "a:", "a:-x", "a:b:c", "-a", "a-", "a..b",
                                      "a___b", "a@sha256:12", "a@md5:" HEX, "r.example:/x", "r.example/", "a b", "../x",
                                      "r.example/../x", "r.example/%2e%2e/x", "a?b", "a#b", "r.exa mple/x",
                                      "a@sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct pull_reference r;
        if (pull_reference_parse(bad[i], &r, NULL) != -E_BAD_REQUEST)
            fail_msg("\"%s\" was taken", bad[i]);
    }
}

static void urls_are_read_and_resolved(void **state)
{
    struct pull_url u, v;
    char host[PULL_HOST_BYTES + 16];
    (void)state;
    assert_int_equal(pull_url_parse(STR("https://Reg.example"), &u, NULL), 0);
    assert_int_equal(u.port, 443);
    assert_string_equal(u.target, "/");
    assert_int_equal(pull_url_parse(STR("http://[::1]:5000/v2/?a=b#c"), &u, NULL), 0);
    assert_string_equal(u.host, "::1");
    assert_string_equal(u.target, "/v2/?a=b");
    pull_url_host(&u, host);
    assert_string_equal(host, "[::1]:5000");
    assert_int_equal(pull_url_resolve(&u, STR("/blob"), &v, NULL), 0);
    assert_true(pull_url_same_origin(&u, &v));
    assert_int_equal(pull_url_resolve(&u, STR("//cdn.example/blob"), &v, NULL), 0);
    assert_false(pull_url_same_origin(&u, &v));
    assert_string_equal(v.host, "cdn.example");
    static const char *const bad[] = {"ftp://x", "http://", "http://u@x", "http://x:0", "http://x:70000", "http://x y",
                                      "http://x/\r\nHost: y", "http://[::1", "x", "file:///etc/passwd"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(pull_url_parse(str_of(bad[i]), &v, NULL), -E_SYNTAX);
}

static void addresses_of_this_machine_are_known(void **state)
{
    static const char *const local[] = {"127.0.0.1", "127.9.9.9", "0.0.0.0", "169.254.169.254", "::1", "::", "fe80::1",
                                        "::ffff:127.0.0.1", "::ffff:169.254.1.1"};
    static const char *const other[] = {"10.0.2.2", "192.0.2.1", "2001:db8::1", "::ffff:10.0.0.1", "128.0.0.1"};
    struct net_addr a;
    (void)state;
    for (size_t i = 0; i < sizeof local / sizeof local[0]; i++) {
        assert_int_equal(net_addr_parse(str_of(local[i]), false, &a), 0);
        assert_true(pull_addr_is_local(&a));
    }
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        assert_int_equal(net_addr_parse(str_of(other[i]), false, &a), 0);
        assert_false(pull_addr_is_local(&a));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_normalised),
        cmocka_unit_test(malformed_names_are_refused),
        cmocka_unit_test(urls_are_read_and_resolved),
        cmocka_unit_test(addresses_of_this_machine_are_known),
    };
    return cmocka_run_group_tests_name("reference", tests, NULL, NULL);
}
