/* Buffers, arenas, maps, strings: their caps, their failures, their corners. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/prng.h"

static void error_text_is_prefixed_and_cut(void **state)
{
    struct err e = {0};
    (void)state;
    assert_int_equal(err_set(&e, E_NOT_FOUND, "file %s", "x"), -E_NOT_FOUND);
    assert_int_equal(err_wrap(&e, -E_IO, "reading %d", 7), -E_NOT_FOUND);
    assert_string_equal(e.text, "reading 7: file x");
    for (int i = 0; i < 100; i++)
        err_wrap(&e, -E_IO, "0123456789");
    assert_string_equal(e.text + sizeof e.text - 4, "...");
    assert_int_equal(err_http_status(-E_CONFLICT), 409);
    assert_string_equal(err_reason(E_EXISTS), "AlreadyExists");
}

static void buffer_refuses_beyond_its_cap_and_stays_whole(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 10);
    buf_puts(&b, "12345");
    buf_puts(&b, "678901");
    assert_true(b.failed);
    assert_int_equal(buf_len(&b), 5);
    buf_clear(&b);
    buf_puts(&b, "1234567890");
    assert_false(b.failed);
    buf_consume(&b, 4);
    buf_puts(&b, "abcd"); /* reuses the front */
    assert_false(b.failed);
    assert_true(str_is(buf_str(&b), "567890abcd"));
    buf_done(&b);
}

static void buffer_prints_numbers_exactly(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 1000);
    buf_put_i64(&b, INT64_MIN);
    buf_putc(&b, ' ');
    buf_put_u64(&b, UINT64_MAX);
    buf_printf(&b, " %s", "end");
    assert_string_equal(buf_cstr(&b), "-9223372036854775808 18446744073709551615 end");
    buf_done(&b);
}

static void arena_is_capped_and_remembers_failure(void **state)
{
    struct arena a;
    (void)state;
    arena_init(&a, 10000);
    assert_non_null(arena_alloc(&a, 5000));
    assert_null(arena_alloc(&a, 9000));
    assert_true(a.failed);
    arena_clear(&a);
    assert_false(a.failed);
    char *s = arena_printf(&a, "%0100d", 5);
    assert_int_equal(strlen(s), 100);
    arena_done(&a);
}

static void every_allocation_may_fail_without_a_leak(void **state)
{
    uint64_t before = mem_live_count();
    (void)state;
    for (uint64_t n = 1; n < 60; n++) {
        struct map m = {0};
        struct buf b;
        mem_fail_nth(n);
        buf_init(&b, 100000);
        for (int i = 0; i < 20; i++) {
            char key[16];
            snprintf(key, sizeof key, "k%d", i);
            if (map_set(&m, str_of(key), &m, NULL) < 0)
                break;
            buf_puts(&b, key);
        }
        mem_fail_nth(0);
        map_done(&m, NULL);
        buf_done(&b);
        assert_int_equal(mem_live_count(), before);
    }
}

static void map_behaves_like_a_table(void **state)
{
    struct map m = {0};
    struct prng r;
    char model[64] = {0};
    (void)state;
    prng_init(&r, 7);
    for (int i = 0; i < 20000; i++) {
        unsigned k = (unsigned)prng_below(&r, 64);
        char key[2] = {(char)(' ' + k), 0};
        if (prng_below(&r, 3)) {
            assert_int_equal(map_set(&m, str_of(key), &model[k], NULL), 0);
            model[k] = 1;
        } else {
            assert_ptr_equal(map_remove(&m, str_of(key)), model[k] ? &model[k] : NULL);
            model[k] = 0;
        }
    }
    size_t count = 0;
    struct map_iter it;
    struct str key;
    void *value;
    map_iter_init(&m, &it);
    while (map_iter_next(&m, &it, &key, &value)) {
        assert_true(model[key.p[0] - ' ']);
        map_remove(&m, key); /* the current entry may go */
        count++;
    }
    for (int i = 0; i < 64; i++)
        count -= (size_t)model[i];
    assert_int_equal(count, 0);
    assert_int_equal(m.count, 0);
    map_done(&m, NULL);
}

static void strings_split_and_parse(void **state)
{
    struct str rest = STR("a,,b"), part;
    int64_t v;
    (void)state;
    assert_true(str_split(&rest, ',', &part) && str_is(part, "a"));
    assert_true(str_split(&rest, ',', &part) && part.n == 0);
    assert_true(str_split(&rest, ',', &part) && str_is(part, "b"));
    assert_false(str_split(&rest, ',', &part));
    assert_int_equal(str_to_i64(STR("-9223372036854775808"), &v), 0);
    assert_true(v == INT64_MIN);
    assert_int_equal(str_to_i64(STR("9223372036854775808"), &v), -E_LIMIT);
    assert_int_equal(str_to_i64(STR("12x"), &v), -E_SYNTAX);
    assert_int_equal(str_to_i64(STR(""), &v), -E_SYNTAX);
    assert_int_equal(str_find(STR("abcabd"), STR("abd")), 3);
    assert_int_equal(str_find(STR("ab"), STR("abc")), -1);
}

static void base64_and_hex_return_what_went_in(void **state)
{
    char text[200], url[200];
    unsigned char in[64], out[100];
    size_t n;
    struct prng r;
    (void)state;
    prng_init(&r, 3);
    for (size_t size = 0; size < sizeof in; size++) {
        prng_fill(&r, in, size);
        size_t len = base64_encode(text, in, size);
        assert_int_equal(len + 1, base64_encoded_size(size));
        assert_int_equal(base64_decode(out, &n, str_make(text, len)), 0);
        assert_int_equal(n, size);
        assert_memory_equal(out, in, size);
        len = base64url_encode(url, in, size);
        assert_int_equal(base64url_decode(out, &n, str_make(url, len)), 0);
        assert_int_equal(n, size);
        assert_memory_equal(out, in, size);
        hex_encode(text, in, size);
        assert_int_equal(hex_decode(out, size, str_of(text)), 0);
        assert_memory_equal(out, in, size);
    }
    assert_int_equal(base64_decode(out, &n, STR("abc")), -E_SYNTAX);
    assert_int_equal(base64_decode(out, &n, STR("a*==")), -E_SYNTAX);
    assert_int_equal(base64_decode(out, &n, STR("A===")), -E_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_text_is_prefixed_and_cut),
        cmocka_unit_test(buffer_refuses_beyond_its_cap_and_stays_whole),
        cmocka_unit_test(buffer_prints_numbers_exactly),
        cmocka_unit_test(arena_is_capped_and_remembers_failure),
        cmocka_unit_test(every_allocation_may_fail_without_a_leak),
        cmocka_unit_test(map_behaves_like_a_table),
        cmocka_unit_test(strings_split_and_parse),
        cmocka_unit_test(base64_and_hex_return_what_went_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
