/* Messages between roles: fields and descriptors arrive as sent; every mutilated one is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/prng.h"
#include "wire/imsg.h"

static void fields_and_descriptors_arrive(void **state)
{
    unsigned char out[256], in[256];
    int pair[2], pipes[2];
    struct imsg_out m;
    struct imsg_in got;
    struct str bytes;
    uint64_t v;
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    assert_int_equal(pipe(pipes), 0);
    imsg_begin(&m, out, sizeof out, 7, 99);
    imsg_put_cstr(&m, 1, "one");
    imsg_put_u64(&m, 2, UINT64_MAX - 1);
    imsg_put_cstr(&m, 1, "two");
    imsg_put_fd(&m, pipes[1]);
    assert_int_equal(imsg_send(pair[0], &m), 0);
    assert_int_equal(imsg_recv(pair[1], in, sizeof in, &got), 0);
    assert_int_equal(got.type, 7);
    assert_int_equal(got.id, 99);
    assert_true(imsg_get(&got, 1, &bytes) && str_is(bytes, "one"));
    assert_true(imsg_get_u64(&got, 2, &v) && v == UINT64_MAX - 1);
    assert_false(imsg_get_u64(&got, 1, &v)); /* wrong size */
    assert_false(imsg_get(&got, 3, &bytes));
    int fd = imsg_take_fd(&got);
    assert_int_equal(write(fd, "x", 1), 1);
    char c;
    assert_int_equal(read(pipes[0], &c, 1), 1);
    assert_int_equal(imsg_take_fd(&got), -1);
    assert_int_equal(imsg_recv(pair[1], in, sizeof in, &got), -E_AGAIN);
    close(pair[0]);
    assert_int_equal(imsg_recv(pair[1], in, sizeof in, &got), -E_CLOSED);
    close(pair[1]);
    close(fd);
    close(pipes[0]);
    close(pipes[1]);
}

static void too_much_is_an_error_not_a_cut(void **state)
{
    unsigned char out[32];
    struct imsg_out m;
    (void)state;
    imsg_begin(&m, out, sizeof out, 1, 1);
    imsg_put(&m, 1, STR("0123456789012345678901234567890"));
    assert_true(m.failed);
    assert_int_equal(imsg_send(-1, &m), -E_TOO_LARGE);
}

static void mutilated_messages_are_refused_or_read_within_bounds(void **state)
{
    unsigned char out[128];
    struct imsg_out m;
    struct imsg_in in;
    struct prng r;
    (void)state;
    imsg_begin(&m, out, sizeof out, 1, 1);
    imsg_put_cstr(&m, 1, "hello");
    imsg_put_u64(&m, 2, 5);
    for (size_t n = 0; n < m.n; n++)
        if (n != 8 && n != 8 + 10) /* cut exactly between fields it is a shorter message */
            assert_int_equal(imsg_parse(&in, out, n), -E_SYNTAX);
    prng_init(&r, 5);
    for (int i = 0; i < 20000; i++) {
        unsigned char copy[128];
        memcpy(copy, out, m.n);
        copy[prng_below(&r, m.n)] = (unsigned char)prng_next(&r);
        if (imsg_parse(&in, copy, m.n) < 0)
            continue;
        struct imsg_cursor at = {0};
        uint8_t tag;
        struct str bytes;
        while (imsg_next(&in, &at, &tag, &bytes))
            assert_true(bytes.p >= (char *)copy && bytes.p + bytes.n <= (char *)copy + m.n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_and_descriptors_arrive),
        cmocka_unit_test(too_much_is_an_error_not_a_cut),
        cmocka_unit_test(mutilated_messages_are_refused_or_read_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
