/* SPDY/3.1 as kubectl speaks it: a client's frames, written by hand, against our server's end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/spdy_int.h"

struct peer {
    struct spdy *spdy;
    struct spdy_headers headers; /* the client's compressor: the same dictionary */
    struct buf out, in;          /* of the server: frames sent; frames to feed */
    uint32_t opened, reset, writable;
    bool fin, refuse;
    char type[32];
    struct buf data;
};

static bool on_opened(void *ctx, uint32_t stream, const struct spdy_header *h, size_t count,
                      bool fin)
{
    struct peer *p = ctx;
    p->opened = stream;
    p->fin = fin;
    for (size_t i = 0; i < count; i++)
        if (str_is(h[i].name, "streamtype"))
            str_copy(p->type, sizeof p->type, h[i].value);
    return !p->refuse;
}

static void on_data(void *ctx, uint32_t stream, struct str bytes, bool fin)
{
    struct peer *p = ctx;
    (void)stream;
    buf_append_str(&p->data, bytes);
    p->fin |= fin;
}

static void on_reset(void *ctx, uint32_t stream)
{
    ((struct peer *)ctx)->reset = stream;
}

static void on_writable(void *ctx, uint32_t stream)
{
    ((struct peer *)ctx)->writable = stream;
}

static int setup(void **state)
{
    static const struct spdy_handlers handlers = {on_opened, on_data, on_reset, on_writable};
    struct peer *p = calloc(1, sizeof *p);
    assert_non_null(p);
    buf_init(&p->out, 1 << 20);
    buf_init(&p->in, 1 << 20);
    buf_init(&p->data, 1 << 20);
    assert_int_equal(spdy_headers_init(&p->headers), 0);
    assert_int_equal(spdy_new(&p->out, &handlers, p, &p->spdy), 0);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct peer *p = *state;
    spdy_free(p->spdy);
    spdy_headers_done(&p->headers);
    buf_done(&p->out);
    buf_done(&p->in);
    buf_done(&p->data);
    free(p);
    return 0;
}

static void put32(struct buf *b, uint32_t v)
{
    for (int i = 3; i >= 0; i--)
        buf_putc(b, (char)(v >> (8 * i)));
}

static uint32_t get32(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void control(struct peer *p, unsigned type, unsigned flags, struct str body)
{
    put32(&p->in, 0x80030000u | type);
    put32(&p->in, (uint32_t)flags << 24 | (uint32_t)body.n);
    buf_append_str(&p->in, body);
}

static void syn_stream(struct peer *p, uint32_t id, const char *type)
{
    struct spdy_header h[] = {{STR("streamtype"), str_of(type)}, {STR("port"), STR("80")}};
    struct buf b CLEANUP_BUF;
    buf_init(&b, 10000);
    put32(&b, id);
    put32(&b, 0);
    buf_puts(&b, "x"); /* priority and slot: any two bytes */
    buf_puts(&b, "y");
    assert_int_equal(spdy_headers_encode(&p->headers, h, 2, &b), 0);
    control(p, 1, 0, buf_str(&b));
}

static void data(struct peer *p, uint32_t id, bool fin, struct str bytes)
{
    put32(&p->in, id);
    put32(&p->in, (fin ? 1u << 24 : 0) | (uint32_t)bytes.n);
    buf_append_str(&p->in, bytes);
}

static void words(struct peer *p, unsigned type, uint32_t a, uint32_t b)
{
    struct buf body CLEANUP_BUF;
    buf_init(&body, 100);
    put32(&body, a);
    put32(&body, b);
    control(p, type, 0, buf_str(&body));
}

static int run(struct peer *p, size_t step)
{
    int rc = 0;
    while (buf_len(&p->in) && rc == 0) {
        struct str s = buf_str(&p->in);
        size_t n = s.n < step ? s.n : step;
        rc = spdy_feed(p->spdy, str_make(s.p, n));
        buf_consume(&p->in, n);
    }
    return rc;
}

/* The next frame that the server sent. */
static uint32_t next(struct peer *p, struct str *ret_body, unsigned *ret_flags)
{
    struct str s = buf_str(&p->out);
    assert_true(s.n >= 8);
    uint32_t first = get32(s.p), second = get32(s.p + 4);
    assert_true(s.n >= 8 + (second & 0xffffff));
    *ret_body = str_make(s.p + 8, second & 0xffffff);
    *ret_flags = second >> 24;
    buf_consume(&p->out, 8 + (second & 0xffffff));
    return first;
}

static void the_dictionary_is_the_drafts(void **state)
{
    struct peer *p = *state;
    struct buf b CLEANUP_BUF;
    buf_init(&b, 10000);
    assert_int_equal(spdy_headers_encode(&p->headers, NULL, 0, &b), 0);
    assert_memory_equal(buf_str(&b).p + 2, "\xe3\xc6\xa7\xc2",
                        4); /* its Adler-32, as on any SPDY/3 wire */
}

static void streams_open_carry_data_and_close(void **state)
{
    for (size_t step = 1; step < 100; step += 48) {
        struct peer *p = *state;
        struct str body;
        unsigned flags;
        uint32_t id = (uint32_t)step;
        syn_stream(p, id, "data");
        data(p, id, false, STR("to the "));
        data(p, id, true, STR("pod"));
        assert_int_equal(run(p, step), 0);
        assert_int_equal(p->opened, id);
        assert_string_equal(p->type, "data");
        assert_true(p->fin);
        assert_true(str_is(buf_str(&p->data), "to the pod"));
        assert_int_equal(spdy_reply(p->spdy, id), 0);
        assert_int_equal(next(p, &body, &flags), 0x80030002u);
        assert_int_equal(get32(body.p), id);
        assert_int_equal(spdy_send(p->spdy, id, STR("back"), true), 4);
        assert_int_equal(next(p, &body, &flags), id);
        assert_int_equal(flags, 1);
        assert_true(str_is(body, "back"));
        assert_int_equal(spdy_window(p->spdy, id), 0); /* it is gone */
        buf_clear(&p->data);
    }
}

static void a_peer_that_keeps_windows_is_not_overrun(void **state)
{
    struct peer *p = *state;
    static char bytes[100 * 1000];
    struct str body;
    unsigned flags;
    syn_stream(p, 1, "data");
    words(p, 9, 0, 1000); /* the session's window: 64 KiB and 1000 */
    assert_int_equal(run(p, 1000), 0);
    size_t n = spdy_send(p->spdy, 1, str_make(bytes, sizeof bytes), true);
    assert_int_equal(n, 65536);
    assert_int_equal(next(p, &body, &flags), 1);
    assert_int_equal(flags, 0); /* fin only goes with the last byte */
    assert_int_equal(spdy_send(p->spdy, 1, str_make(bytes, 10), true), 0);
    words(p, 9, 1, 500);
    assert_int_equal(run(p, 1000), 0);
    assert_int_equal(p->writable, 1);
    assert_int_equal(spdy_send(p->spdy, 1, str_make(bytes, 10000), true), 500);
    assert_int_equal(next(p, &body, &flags), 1);
    assert_int_equal(body.n, 500);
    spdy_consumed(p->spdy, 1, 7);
    assert_int_equal(next(p, &body, &flags), 0x80030009u);
    assert_int_equal(get32(body.p), 0);
    assert_int_equal(next(p, &body, &flags), 0x80030009u);
    assert_int_equal(get32(body.p), 1);
    assert_int_equal(get32(body.p + 4), 7);
}

static void resets_pings_and_refusals(void **state)
{
    struct peer *p = *state;
    struct str body;
    unsigned flags;
    syn_stream(p, 1, "error");
    words(p, 3, 1, 5);
    control(p, 6, 0, str_make("\0\0\0\x05", 4));
    assert_int_equal(run(p, 7), 0);
    assert_int_equal(p->reset, 1);
    assert_int_equal(next(p, &body, &flags), 0x80030006u);
    assert_int_equal(get32(body.p), 5);
    p->refuse = true;
    syn_stream(p, 3, "data");
    assert_int_equal(run(p, 7), 0);
    assert_int_equal(next(p, &body, &flags), 0x80030003u);
    assert_int_equal(get32(body.p), 3);
}

static void too_many_streams_are_refused_not_fatal(void **state)
{
    struct peer *p = *state;
    struct str body;
    unsigned flags;
    for (uint32_t i = 0; i <= SPDY_STREAMS_MAX; i++)
        syn_stream(p, 2 * i + 1, "data");
    assert_int_equal(run(p, 1000), 0);
    assert_int_equal(p->opened, 2 * SPDY_STREAMS_MAX - 1);
    assert_int_equal(next(p, &body, &flags), 0x80030003u);
    assert_int_equal(get32(body.p), 2 * SPDY_STREAMS_MAX + 1);
}

static void nonsense_ends_the_session(void **state)
{
    struct peer *p = *state;
    struct str body;
    unsigned flags;
    put32(&p->in, 0x80020001u); /* SPDY/2 */
    put32(&p->in, 0);
    assert_true(run(p, 100) < 0);
    assert_int_equal(next(p, &body, &flags), 0x80030007u);
    assert_int_equal(spdy_feed(p->spdy, STR("x")), -E_CLOSED);
}

static void an_even_stream_ends_the_session(void **state)
{
    struct peer *p = *state;
    syn_stream(p, 2, "data");
    assert_true(run(p, 100) < 0);
}

static void a_huge_frame_ends_the_session(void **state)
{
    struct peer *p = *state;
    put32(&p->in, 1);
    put32(&p->in, SPDY_FRAME_MAX + 1);
    assert_int_equal(run(p, 100), -E_TOO_LARGE);
}

static void a_header_block_that_does_not_unpack_ends_the_session(void **state)
{
    struct peer *p = *state;
    control(p, 1, 0, STR("\0\0\0\x01\0\0\0\0\0\0not a zlib stream"));
    assert_true(run(p, 100) < 0);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(the_dictionary_is_the_drafts),
        T(streams_open_carry_data_and_close),
        T(a_peer_that_keeps_windows_is_not_overrun),
        T(resets_pings_and_refusals),
        T(too_many_streams_are_refused_not_fatal),
        T(nonsense_ends_the_session),
        T(an_even_stream_ends_the_session),
        T(a_huge_frame_ends_the_session),
        T(a_header_block_that_does_not_unpack_ends_the_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
