/* Addresses: text in, the same text out; what is no address is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "port/net.h"

static void canonical_text_survives(void **state)
{
    static const char *const plain[] = {"10.0.0.1", "::", "::1", "fe80::1%3", "2001:db8::1:0:0:1",
                                        "2001:db8:0:1:1:1:1:1", "255.255.255.255", "1::8"};
    static const char *const ports[] = {"10.0.0.1:80", "[::1]:6443", "[2001:db8::1]:1"};
    char text[NET_ADDR_TEXT];
    struct net_addr a;
    (void)state;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        assert_int_equal(net_addr_parse(str_of(plain[i]), false, &a), 0);
        assert_string_equal(net_addr_format(&a, false, text), plain[i]);
    }
    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) {
        assert_int_equal(net_addr_parse(str_of(ports[i]), true, &a), 0);
        assert_string_equal(net_addr_format(&a, true, text), ports[i]);
    }
    assert_int_equal(net_addr_parse(STR("::ffff:1.2.3.4"), false, &a), 0);
    assert_string_equal(net_addr_format(&a, false, text), "::ffff:102:304");
}

static void nonsense_is_refused(void **state)
{
    static const char *const bad[] = {"", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", "1.2.3.x",
                                      ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "12345::", "::1%x",
                                      "1:2:3:4:5:6:7:8:9", "1.2.3.4:80", "[::1]", "::1.2.3"};
    static const char *const bad_ports[] = {"1.2.3.4:65536", "1.2.3.4:", "[::1", "[1.2.3.4]:1", "[::1]x"};
    struct net_addr a;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(net_addr_parse(str_of(bad[i]), false, &a), -E_SYNTAX);
    for (size_t i = 0; i < sizeof bad_ports / sizeof *bad_ports; i++)
        assert_int_equal(net_addr_parse(str_of(bad_ports[i]), true, &a), -E_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_text_survives),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
