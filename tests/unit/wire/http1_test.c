/* HTTP/1.1 messages: what is read, and what is refused because two readers could differ about it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "wire/http1.h"
#include "wire/url.h"

struct seen {
    int heads, ends;
    int status;
    bool keep_alive, upgrade, has_body;
    int64_t length;
    char target[256], method[32], x[256];
    char body[4096];
    size_t body_n;
};

static void on_head(void *ctx, const struct http_head *h)
{
    struct seen *s = ctx;
    s->heads++;
    s->status = h->status;
    s->keep_alive = h->keep_alive;
    s->upgrade = h->upgrade;
    s->has_body = h->has_body;
    s->length = h->content_length;
    str_copy(s->target, sizeof s->target, h->target);
    str_copy(s->method, sizeof s->method, str_of(h->method ? h->method : ""));
    str_copy(s->x, sizeof s->x, http_header_get(h, "x-test"));
}

static void on_body(void *ctx, struct str b)
{
    struct seen *s = ctx;
    assert_true(s->body_n + b.n <= sizeof s->body);
    memcpy(s->body + s->body_n, b.p, b.n);
    s->body_n += b.n;
}

static void on_end(void *ctx)
{
    struct seen *s = ctx;
    s->ends++;
}

static const struct http1_handlers handlers = {on_head, on_body, on_end};

/* Feeds in pieces of `step` bytes; returns the first error, or 0. *ret_rest: bytes not taken. */
static int feed(bool requests, struct str bytes, size_t step, struct seen *s, size_t *ret_rest)
{
    struct http1 *h;
    int rc = 0;
    bool upgraded = false;
    memset(s, 0, sizeof *s);
    assert_int_equal(http1_new(requests, &handlers, s, &h), 0);
    while (bytes.n && rc == 0 && !upgraded) {
        size_t taken;
        struct err err = {0};
        rc = http1_feed(h, str_make(bytes.p, bytes.n < step ? bytes.n : step), &taken, &upgraded,
                        &err);
        bytes = str_make(bytes.p + taken, bytes.n - taken);
        if (rc < 0)
            assert_true(err.code == -rc && err.text[0]);
    }
    if (rc == 0 && !upgraded)
        rc = http1_finish(h);
    if (ret_rest)
        *ret_rest = bytes.n;
    http1_free(h);
    return rc;
}

#define HEAD "POST /a?b=c HTTP/1.1\r\nHost: h\r\n"

static void requests_are_read_whole_and_byte_by_byte(void **state)
{
    (void)state;
    struct seen s;
    struct str two = STR(HEAD "X-Test:  some value \r\nContent-Length: 5\r\n\r\nhello"
                              "GET /second HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    for (size_t step = 1; step < 200; step += 7) {
        assert_int_equal(feed(true, two, step, &s, NULL), 0);
        assert_int_equal(s.heads, 2);
        assert_int_equal(s.ends, 2);
        assert_string_equal(s.target, "/second");
        assert_false(s.keep_alive);
        assert_int_equal(s.body_n, 5);
        assert_memory_equal(s.body, "hello", 5);
    }
    assert_int_equal(feed(true, STR(HEAD "x-TEST: some value \r\n\r\n"), 3, &s, NULL), 0);
    assert_string_equal(s.x, "some value");
    assert_string_equal(s.method, "POST");
    assert_true(s.keep_alive);
}

static void chunked_bodies_are_put_together(void **state)
{
    (void)state;
    struct seen s;
    struct str m =
        STR(HEAD
            "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nT: x\r\n\r\n");
    for (size_t step = 1; step < 120; step += 5) {
        assert_int_equal(feed(true, m, step, &s, NULL), 0);
        assert_int_equal(s.body_n, 11);
        assert_memory_equal(s.body, "hello world", 11);
        assert_int_equal(s.length, -1);
        assert_int_equal(s.ends, 1);
    }
}

static void what_two_readers_could_take_differently_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        HEAD "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        HEAD "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        HEAD "Content-Length: 5, 5\r\n\r\nhello",
        HEAD "Content-Length: +5\r\n\r\nhello",
        HEAD "Content-Length: -5\r\n\r\nhello",
        HEAD "Content-Length: 0x5\r\n\r\nhello",
        HEAD "Content-Length: 99999999999999999999999\r\n\r\n",
        HEAD "Content-Length : 5\r\n\r\nhello",
        HEAD "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        HEAD "Transfer-Encoding: identity\r\n\r\nhello",
        HEAD "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        HEAD "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        HEAD "Transfer-Encoding:\x0b"
             "chunked\r\n\r\n0\r\n\r\n",
        HEAD "X-Folded: a\r\n b\r\n\r\n",
        HEAD " X-Leading: a\r\n\r\n",
        HEAD "X-Bare: a\nContent-Length: 5\r\n\r\nhello",
        HEAD "X-Cr: a\rb\r\n\r\n",
        HEAD "X Space: a\r\n\r\n",
        HEAD "X(Paren): a\r\n\r\n",
        HEAD ": empty\r\n\r\n",
        HEAD "Host: other\r\n\r\n",
        "GET / HTTP/1.1\nHost: h\n\n",
        "GET / HTTP/1.1\r\nHost: h\r\n\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.2\r\nHost: h\r\n\r\n",
        "GET / HTTP/0.9\r\nHost: h\r\n\r\n",
        "GET /\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
        "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n",
        "BREW / HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
        HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n",
        HEAD "Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n",
        HEAD "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
        HEAD "Transfer-Encoding: chunked\r\n\r\n5;a\nb\r\nhello\r\n0\r\n\r\n",
        HEAD "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        HEAD "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello",
        HEAD "Content-Length: 5\r\n\r\nhel",
        "GET / HT",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        for (size_t step = 1; step < 300; step = step * 3 + 1) {
            struct seen s;
            if (feed(true, str_of(bad[i]), step, &s, NULL) == 0)
                fail_msg("accepted (step %zu): %s", step, bad[i]);
        }
    struct seen s; /* a NUL in a value */
    assert_int_not_equal(feed(true, STR(HEAD "X-Nul: a\0b\r\n\r\n"), 1000, &s, NULL), 0);
    assert_int_not_equal(
        feed(false,
             STR("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
             1000, &s, NULL),
        0);
}

static void heads_are_bounded(void **state)
{
    (void)state;
    struct seen s;
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_puts(&b, HEAD);
    for (int i = 0; i < LIMIT_HEADER_COUNT; i++)
        buf_printf(&b, "H%d: v\r\n", i);
    buf_puts(&b, "\r\n");
    assert_int_equal(feed(true, buf_str(&b), 100, &s, NULL), -E_TOO_LARGE);
    buf_clear(&b);
    buf_puts(&b, HEAD "X-Long: ");
    for (int i = 0; i < LIMIT_HEADER_BYTES; i++)
        buf_putc(&b, 'x');
    buf_puts(&b, "\r\n\r\n");
    assert_int_equal(feed(true, buf_str(&b), 1000, &s, NULL), -E_TOO_LARGE);
    buf_clear(&b);
    buf_puts(&b, HEAD "X-Blank:"); /* never seen by the header callbacks */
    for (int i = 0; i < 2 * LIMIT_HEADER_BYTES; i++)
        buf_putc(&b, ' ');
    buf_puts(&b, "\r\n\r\n");
    assert_int_equal(feed(true, buf_str(&b), 1000, &s, NULL), -E_TOO_LARGE);
    buf_clear(&b);
    buf_puts(&b, HEAD "Transfer-Encoding: chunked\r\n\r\n1;");
    for (int i = 0; i < LIMIT_HEADER_BYTES + 10; i++)
        buf_putc(&b, 'x');
    buf_puts(&b, "\r\nx\r\n0\r\n\r\n");
    assert_int_equal(feed(true, buf_str(&b), 1000, &s, NULL), -E_TOO_LARGE);
    buf_done(&b);
}

static void upgrades_stop_right_behind_the_head(void **state)
{
    (void)state;
    struct seen s;
    size_t rest;
    struct str ws = STR(
        "GET /x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05");
    assert_int_equal(feed(true, ws, 1000, &s, &rest), 0);
    assert_true(s.upgrade);
    assert_int_equal(rest, 2);
    struct str h2c = STR("GET /x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
                         "GET /y HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(feed(true, h2c, 1000, &s, &rest), 0);
    assert_false(s.upgrade);
    assert_int_equal(s.heads, 2);
    struct str answer =
        STR("HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: SPDY/3.1\r\n\r\nabc");
    assert_int_equal(feed(false, answer, 1000, &s, &rest), 0);
    assert_true(s.upgrade);
    assert_int_equal(rest, 3);
}

static void answers_end_by_length_chunks_or_close(void **state)
{
    (void)state;
    struct seen s;
    struct str three = STR(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\nHTTP/1.1 200 OK\r\n\r\ntill the end");
    for (size_t step = 1; step < 120; step += 9) {
        assert_int_equal(feed(false, three, step, &s, NULL), 0);
        assert_int_equal(s.heads, 3);
        assert_int_equal(s.ends, 3);
        assert_int_equal(s.body_n, 12);
        assert_false(s.keep_alive);
    }
    assert_int_equal(
        feed(false, STR("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"), 99, &s, NULL),
        -E_CLOSED);
}

static void paths_and_queries_decode_without_surprises(void **state)
{
    (void)state;
    struct arena a;
    struct str path, query, name, value;
    arena_init(&a, 1 << 20);
    url_split(STR("/api/v1/pods?labelSelector=a%3Db%2Cc&watch=1&x&plus=a+b"), &path, &query);
    assert_true(str_is(path, "/api/v1/pods"));
    assert_true(str_is(url_query_get(&a, query, "labelSelector"), "a=b,c"));
    assert_true(str_is(url_query_get(&a, query, "plus"), "a b"));
    assert_true(url_query_get(&a, query, "x").p != NULL);
    assert_true(url_query_get(&a, query, "y").p == NULL);
    assert_true(url_query_next(&a, &query, &name, &value));
    assert_null(url_decode(&a, STR("a%0"), false).p);
    assert_null(url_decode(&a, STR("a%zz"), false).p);
    assert_null(url_decode(&a, STR("a%00b"), false).p);
    assert_true(str_is(url_decode(&a, STR("a%41"), false), "aA"));
    static const char *const tricks[] = {"..", ".", "%2e%2e", "%2E.", "a%2fb", "a%2Fb", "%2e"};
    for (size_t i = 0; i < sizeof tricks / sizeof tricks[0]; i++)
        assert_null(url_decode_segment(&a, str_of(tricks[i])).p);
    assert_true(str_is(url_decode_segment(&a, STR("system%3Anode")), "system:node"));
    struct buf b;
    buf_init(&b, 100);
    url_encode(&b, STR("a b/ä~"));
    assert_true(str_is(buf_str(&b), "a%20b%2F%C3%A4~"));
    buf_done(&b);
    arena_done(&a);
}

static void running_out_of_memory_is_an_error(void **state)
{
    (void)state;
    struct str m = STR(HEAD "X-Test: v\r\nContent-Length: 2\r\n\r\nhi");
    for (uint64_t n = 1;; n++) {
        struct seen s = {0};
        struct http1 *h;
        size_t taken;
        bool upgraded;
        uint64_t live = mem_live_count();
        mem_fail_nth(n);
        int rc = http1_new(true, &handlers, &s, &h);
        if (rc == 0) {
            rc = http1_feed(h, m, &taken, &upgraded, NULL);
            http1_free(h);
        }
        mem_fail_nth(0);
        assert_int_equal(mem_live_count(), live);
        if (rc == 0) {
            assert_true(n > 3);
            assert_int_equal(s.ends, 1);
            return;
        }
        assert_true(rc == -E_NOMEM || rc == -E_TOO_LARGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_read_whole_and_byte_by_byte),
        cmocka_unit_test(chunked_bodies_are_put_together),
        cmocka_unit_test(what_two_readers_could_take_differently_is_refused),
        cmocka_unit_test(heads_are_bounded),
        cmocka_unit_test(upgrades_stop_right_behind_the_head),
        cmocka_unit_test(answers_end_by_length_chunks_or_close),
        cmocka_unit_test(paths_and_queries_decode_without_surprises),
        cmocka_unit_test(running_out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
