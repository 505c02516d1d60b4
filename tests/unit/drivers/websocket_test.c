/* WebSocket frames between both ends of ours, in pieces of every size; and what must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/websocket.h"

struct seen {
    struct buf bytes;
    size_t frames, ends;
    enum websocket_opcode opcode;
};

static bool take(void *ctx, enum websocket_opcode opcode, struct str payload, bool end)
{
    struct seen *s = ctx;
    buf_append_str(&s->bytes, payload);
    s->frames++;
    s->ends += end;
    s->opcode = opcode;
    return true;
}

static int feed(struct websocket *w, struct str bytes, size_t step, struct seen *s)
{
    int rc = 0;
    while (bytes.n && rc == 0) {
        size_t n = bytes.n < step ? bytes.n : step;
        rc = websocket_feed(w, str_make(bytes.p, n), take, s);
        bytes = str_make(bytes.p + n, bytes.n - n);
    }
    return rc;
}

static void the_accept_key_is_the_rfcs_example(void **state)
{
    char accept[WEBSOCKET_ACCEPT_TEXT];
    (void)state;
    websocket_accept(STR("dGhlIHNhbXBsZSBub25jZQ=="), accept);
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void messages_of_every_size_cross_both_ways(void **state)
{
    static const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, 300000, WEBSOCKET_FRAME_MAX};
    (void)state;
    for (int client = 0; client < 2; client++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            struct buf wire, back, payload;
            struct websocket from, to;
            struct seen s = {0};
            buf_init(&wire, 4 << 20);
            buf_init(&back, 4 << 20);
            buf_init(&payload, 4 << 20);
            buf_init(&s.bytes, 4 << 20);
            for (size_t k = 0; k < sizes[i]; k++)
                buf_putc(&payload, (char)(k * 31));
            websocket_init(&from, client, &wire);
            websocket_init(&to, !client, &back);
            websocket_send(&from, WEBSOCKET_BINARY, buf_str(&payload));
            websocket_send(&from, WEBSOCKET_TEXT, STR("tail"));
            assert_int_equal(feed(&to, buf_str(&wire), sizes[i] < 1000 ? 1 : 16384, &s), 0);
            assert_int_equal(s.frames, 2);
            assert_int_equal(s.opcode, WEBSOCKET_TEXT);
            buf_puts(&payload, "tail");
            assert_true(str_eq(buf_str(&payload), buf_str(&s.bytes)));
            websocket_done(&from);
            websocket_done(&to);
            buf_done(&wire);
            buf_done(&back);
            buf_done(&payload);
            buf_done(&s.bytes);
        }
}

static void pings_are_answered_and_closes_returned(void **state)
{
    (void)state;
    struct buf wire, back;
    struct websocket c, s;
    struct seen seen = {0};
    buf_init(&wire, 10000);
    buf_init(&back, 10000);
    buf_init(&seen.bytes, 10000);
    websocket_init(&c, true, &wire);
    websocket_init(&s, false, &back);
    websocket_send(&c, WEBSOCKET_PING, STR("are you there"));
    websocket_close(&c, 1000, "bye");
    websocket_send(&c, WEBSOCKET_TEXT, STR("after the close"));
    assert_int_equal(feed(&s, buf_str(&wire), 3, &seen), 0);
    assert_int_equal(seen.frames, 0);
    assert_true(s.closed && s.close_sent);
    assert_int_equal(s.close_code, 1000);
    assert_memory_equal(buf_str(&back).p,
                        "\x8a\x0d"
                        "are you there\x88\x02\x03\xe8",
                        19);
    assert_int_equal(buf_len(&back), 19);
    websocket_done(&c);
    websocket_done(&s);
    buf_done(&wire);
    buf_done(&back);
    buf_done(&seen.bytes);
}

#define FRAME(bytes)             \
    {                            \
        bytes, sizeof(bytes) - 1 \
    }

static void broken_frames_end_the_connection(void **state)
{
    static const struct {
        const char *p;
        size_t n;
    } bad[] = {
        FRAME("\x82\x01x"), /* not masked */
        FRAME("\xc2\x81mask"
              "x"), /* a reserved bit */
        FRAME("\x83\x81mask"
              "x"), /* an opcode nobody defined */
        FRAME("\x80\x81mask"
              "x"), /* continues nothing */
        FRAME("\x02\x81mask"
              "x"
              "\x82\x81mask"
              "x"), /* begins within a message */
        FRAME("\x09\x81mask"
              "x"),                                            /* a ping in fragments */
        FRAME("\x89\xfe\x00\x7emask"),                         /* a ping of 126 bytes */
        FRAME("\x82\xff\x00\x00\x00\x00\x00\x10\x00\x01mask"), /* larger than allowed */
        FRAME("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xffmask"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        for (size_t step = 1; step < 40; step += 13) {
            struct buf back;
            struct websocket s;
            struct seen seen = {0};
            buf_init(&back, 10000);
            buf_init(&seen.bytes, 10000);
            websocket_init(&s, false, &back);
            assert_true(feed(&s, str_make(bad[i].p, bad[i].n), step, &seen) < 0);
            assert_true(s.close_sent);
            assert_int_equal((unsigned char)buf_str(&back).p[0], 0x88);
            websocket_done(&s);
            buf_done(&back);
            buf_done(&seen.bytes);
        }
}

static void fragments_keep_their_messages_kind(void **state)
{
    (void)state;
    struct buf back;
    struct websocket s;
    struct seen seen = {0};
    buf_init(&back, 10000);
    buf_init(&seen.bytes, 10000);
    websocket_init(&s, false, &back);
    struct str m =
        str_make("\x01\x81\0\0\0\0a\x89\x80\0\0\0\0\x00\x81\0\0\0\0b\x80\x81\0\0\0\0c", 27);
    assert_int_equal(feed(&s, m, 2, &seen), 0);
    assert_int_equal(seen.frames, 3);
    assert_int_equal(seen.ends, 1);
    assert_int_equal(seen.opcode, WEBSOCKET_TEXT);
    assert_true(str_is(buf_str(&seen.bytes), "abc"));
    assert_int_equal(buf_len(&back), 2); /* the ping between them was answered */
    websocket_done(&s);
    buf_done(&back);
    buf_done(&seen.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_accept_key_is_the_rfcs_example),
        cmocka_unit_test(messages_of_every_size_cross_both_ways),
        cmocka_unit_test(pings_are_answered_and_closes_returned),
        cmocka_unit_test(broken_frames_end_the_connection),
        cmocka_unit_test(fragments_keep_their_messages_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
