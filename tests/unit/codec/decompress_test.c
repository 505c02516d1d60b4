/* gzip, zstd and plain streams: detected, joined, bounded; damage is noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "codec/decompress.h"

/* printf 'hello\nhello\nhello\n' | gzip -n, and printf 'hello\n' | zstd */
static const unsigned char gzip_hello[] = {0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 0x03, 0xcb, 0x48, 0xcd, 0xc9,
                                           0xc9, 0xe7, 0xca, 0x40, 0x22, 0x01, 0x3a, 0x37, 0x66, 0x3d, 0x12, 0, 0, 0};
static const unsigned char zstd_hello[] = {0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58, 0x31, 0, 0, 'h',
                                           'e',  'l',  'l',  'o',  '\n', 0x53, 0x88, 0xbd, 0x91};

static int collect(void *ctx, struct str plain, struct err *err)
{
    (void)err;
    buf_append_str(ctx, plain);
    return 0;
}

static int run(struct str in, size_t step, uint64_t max, struct buf *out, const char **ret_kind, struct err *err)
{
    struct decompress *d;
    int rc = 0;
    buf_init(out, 1 << 24);
    assert_int_equal(decompress_new(max, collect, out, &d), 0);
    while (rc == 0 && in.n) {
        size_t n = in.n < step ? in.n : step;
        rc = decompress_feed(d, str_make(in.p, n), err);
        in = str_make(in.p + n, in.n - n);
    }
    if (rc == 0)
        rc = decompress_finish(d, err);
    *ret_kind = decompress_kind(d);
    decompress_free(d);
    return rc;
}

static void is(struct str in, const char *kind, const char *expected)
{
    for (size_t step = 1; step < 40; step++) {
        struct buf out;
        struct err err = {0};
        const char *got;
        assert_int_equal(run(in, step, 1000, &out, &got, &err), 0);
        assert_string_equal(got, kind);
        assert_string_equal(buf_cstr(&out), expected);
        buf_done(&out);
    }
}

static void each_kind_shows_in_its_first_bytes(void **state)
{
    (void)state;
    is(str_make(gzip_hello, sizeof gzip_hello), "gzip", "hello\nhello\nhello\n");
    is(str_make(zstd_hello, sizeof zstd_hello), "zstd", "hello\n");
    is(STR("plain text"), "plain", "plain text");
    is(STR("ab"), "plain", "ab");
    is(STR(""), "plain", "");
}

static void members_and_frames_in_a_row_are_one_stream(void **state)
{
    char two[sizeof gzip_hello * 2];
    (void)state;
    memcpy(two, gzip_hello, sizeof gzip_hello);
    memcpy(two + sizeof gzip_hello, gzip_hello, sizeof gzip_hello);
    is(str_make(two, sizeof two), "gzip", "hello\nhello\nhello\nhello\nhello\nhello\n");
    memcpy(two, zstd_hello, sizeof zstd_hello);
    memcpy(two + sizeof zstd_hello, zstd_hello, sizeof zstd_hello);
    is(str_make(two, 2 * sizeof zstd_hello), "zstd", "hello\nhello\n");
}

static void a_stream_that_is_cut_or_damaged_is_refused(void **state)
{
    struct buf out;
    const char *kind;
    (void)state;
    for (size_t n = 4; n < sizeof gzip_hello; n++) {
        struct err err = {0};
        assert_int_equal(run(str_make(gzip_hello, n), 3, 1000, &out, &kind, &err), -E_CORRUPT);
        buf_done(&out);
    }
    for (size_t n = 4; n < sizeof zstd_hello; n++) {
        struct err err = {0};
        assert_int_equal(run(str_make(zstd_hello, n), 3, 1000, &out, &kind, &err), -E_CORRUPT);
        buf_done(&out);
    }
    char bad[sizeof gzip_hello];
    struct err err = {0};
    memcpy(bad, gzip_hello, sizeof bad);
    bad[sizeof bad - 8] ^= 1; /* its checksum */
    assert_int_equal(run(str_make(bad, sizeof bad), 100, 1000, &out, &kind, &err), -E_CORRUPT);
    buf_done(&out);
}

static void output_is_bounded(void **state)
{
    struct buf out;
    struct err err = {0};
    const char *kind;
    (void)state;
    assert_int_equal(run(str_make(gzip_hello, sizeof gzip_hello), 100, 17, &out, &kind, &err), -E_TOO_LARGE);
    assert_int_equal(buf_len(&out), 0);
    buf_done(&out);
    assert_int_equal(run(str_make(gzip_hello, sizeof gzip_hello), 100, 18, &out, &kind, &err), 0);
    buf_done(&out);
}

static void a_failed_allocation_is_an_error(void **state)
{
    int rc = -E_NOMEM;
    (void)state;
    for (uint64_t n = 1; rc != 0; n++) {
        struct decompress *d = NULL;
        struct buf out;
        struct err err = {0};
        buf_init(&out, 100);
        mem_fail_nth(n);
        rc = decompress_new(100, collect, &out, &d);
        if (rc == 0)
            rc = decompress_feed(d, str_make(zstd_hello, sizeof zstd_hello), &err);
        if (rc == 0)
            rc = out.failed ? -E_NOMEM : decompress_finish(d, &err);
        mem_fail_nth(0);
        decompress_free(d);
        buf_done(&out);
        assert_true(rc == 0 || rc == -E_NOMEM || rc == -E_CORRUPT);
        assert_int_equal(mem_live_count(), 0);
        assert_true(n < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_shows_in_its_first_bytes),
        cmocka_unit_test(members_and_frames_in_a_row_are_one_stream),
        cmocka_unit_test(a_stream_that_is_cut_or_damaged_is_refused),
        cmocka_unit_test(output_is_bounded),
        cmocka_unit_test(a_failed_allocation_is_an_error),
    };
    return cmocka_run_group_tests_name("decompress", tests, NULL, NULL);
}
