#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "port/net_prefix.h"

static void what_is_read(void **state)
{
    static const char *const wrong[] = {"",           "10.0.0.0",     "10.0.0.0/",    "10.0.0.0/33", "10.0.0.0/08",
                                        "10.0.0/8",   "fd00::/129",   "fe80::1%2/64", "/8",          "10.0.0.0/-1",
                                        "10.0.0.0/8x"};
    struct net_prefix p;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(net_prefix_parse(str_of(wrong[i]), &p), -E_SYNTAX);
    assert_int_equal(net_prefix_parse(STR("10.1.2.3/12"), &p), 0);
    assert_int_equal(p.bits, 12);
    struct net_addr base = net_prefix_base(&p);
    char text[NET_ADDR_TEXT];
    assert_string_equal(net_addr_format(&base, false, text), "10.0.0.0");
}

static void what_they_contain(void **state)
{
    static const struct {
        const char *prefix, *addr;
        bool in;
    } cases[] = {
        {"10.0.0.0/8", "10.255.0.1", true},   {"10.0.0.0/8", "11.0.0.0", false},
        {"0.0.0.0/0", "255.1.2.3", true},     {"10.0.0.7/32", "10.0.0.7", true},
        {"10.0.0.7/32", "10.0.0.6", false},   {"fd00::/112", "fd00::ffff", true},
        {"fd00::/112", "fd00::1:0", false},   {"::/0", "10.0.0.1", false},
        {"10.0.0.128/25", "10.0.0.200", true}, {"10.0.0.128/25", "10.0.0.100", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct net_prefix p;
        struct net_addr a;
        assert_int_equal(net_prefix_parse(str_of(cases[i].prefix), &p), 0);
        assert_int_equal(net_addr_parse(str_of(cases[i].addr), false, &a), 0);
        assert_int_equal(net_prefix_contains(&p, &a), cases[i].in);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read),
        cmocka_unit_test(what_they_contain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
