/* CRC32C by its published values, and both ways of computing it against each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/prng.h"
#include "store/crc32c.h"

static void published_values(void **state)
{
    (void)state;
    unsigned char b[32] = {0};
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u);
    assert_int_equal(crc32c(0, b, 32), 0x8a9136aau); /* RFC 3720 B.4 */
    memset(b, 0xff, 32);
    assert_int_equal(crc32c(0, b, 32), 0x62a8ab43u);
    for (int i = 0; i < 32; i++)
        b[i] = (unsigned char)i;
    assert_int_equal(crc32c(0, b, 32), 0x46dd794eu);
    assert_int_equal(crc32c(0, "", 0), 0);
}

static void in_pieces_and_by_table_it_is_the_same(void **state)
{
    (void)state;
    unsigned char b[300];
    struct prng prng;
    prng_init(&prng, 1);
    prng_fill(&prng, b, sizeof(b));
    for (size_t n = 0; n <= sizeof(b); n++) {
        uint32_t whole = crc32c(0, b, n);
        assert_int_equal(crc32c_portable(0, b, n), whole);
        assert_int_equal(crc32c(crc32c(0, b, n / 3), b + n / 3, n - n / 3), whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_values),
        cmocka_unit_test(in_pieces_and_by_table_it_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
