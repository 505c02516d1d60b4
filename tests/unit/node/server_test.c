/* Port 10250 as the API server and kubectl use it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>

#include "fake_tls.h"
#include "fake_world.h"
#include "wire/spdy_int.h"
#include "wire/websocket.h"

static struct world w;
static struct arena a;
static int client;
static struct buf got; /* from the server, not yet looked at */

static int setup(void **state)
{
    (void)state;
    world_init(&w);
    arena_init(&a, 1 << 26);
    buf_init(&got, 1 << 24);
    fake_tls_peer = (struct cert_info){.common_name = "kube-apiserver-kubelet-client", .use = CERT_USE_CLIENT};
    fake_tls_peer_rc = 0;
    world_start_node(&w);
    world_run(&w, 2000);
    api_put_pod(&w, "p1", "\"containers\":[{\"name\":\"app\",\"image\":\"i\"}]");
    world_run(&w, 1000);
    client = world_connect(&w);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close(client);
    world_run(&w, 100);
    world_done(&w);
    arena_done(&a);
    buf_done(&got);
    return mem_live_count() == 0 ? 0 : -1;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void send_bytes(struct str s)
{
    assert_int_equal(write(client, s.p, s.n), s.n);
}

static void receive(int64_t ms)
{
    char chunk[65536];
    ssize_t n;
    world_run(&w, ms);
    while ((n = read(client, chunk, sizeof chunk)) > 0)
        buf_append(&got, chunk, (size_t)n);
}

static const char *ask(const char *method, const char *target, const char *headers)
{
    char text[4096];
    snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: n1:10250\r\n%s\r\n", method, target, headers);
    send_bytes(str_of(text));
    receive(500);
    const char *answer = arena_strdup(&a, buf_cstr(&got));
    buf_clear(&got);
    return answer;
}

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

/* ---- who may ask ---- */

static void nobody_without_a_certificate_is_answered(void **state)
{
    (void)state;
    fake_tls_peer_rc = -E_NOT_FOUND;
    assert_true(has(ask("GET", "/healthz", ""), "HTTP/1.1 401 "));
}

static void other_clients_are_forbidden(void **state)
{
    (void)state;
    fake_tls_peer = (struct cert_info){.common_name = "system:node:n1", .orgs = {"system:nodes"}, .org_count = 1, .use = CERT_USE_CLIENT};
    assert_true(has(ask("GET", "/containerLogs/default/p1/app", ""), "HTTP/1.1 403 "));
    assert_int_equal(rt_count(&w, "log_open"), 0);
}

static void a_server_certificate_is_no_client(void **state)
{
    (void)state;
    fake_tls_peer.use = CERT_USE_SERVER;
    assert_true(has(ask("GET", "/healthz", ""), "HTTP/1.1 401 "));
}

static void masters_may_ask(void **state)
{
    (void)state;
    fake_tls_peer = (struct cert_info){.common_name = "admin", .orgs = {"system:masters"}, .org_count = 1, .use = CERT_USE_CLIENT};
    assert_true(has(ask("GET", "/healthz", ""), "HTTP/1.1 200 "));
    assert_true(has(ask("GET", "/nothing", ""), "HTTP/1.1 404 "));
    assert_true(has(ask("GET", "/pods", ""), "\"uid\":\"uid-p1\""));
    assert_true(has(ask("GET", "/stats/summary", ""), "\"podRef\":{\"name\":\"p1\""));
}

/* ---- logs ---- */

static void logs_are_given_without_their_times(void **state)
{
    (void)state;
    const char *answer = ask("GET", "/containerLogs/default/p1/app", "");
    assert_true(has(answer, "HTTP/1.1 200 "));
    assert_true(has(answer, "first\nlast words\n"));
    assert_false(has(answer, "stderr F"));
    assert_int_equal(rt_count(&w, "log_open default_p1_uid-p1/app/0.log"), 1);
}

static void logs_can_be_cut(void **state)
{
    (void)state;
    const char *answer = ask("GET", "/containerLogs/default/p1/app?tailLines=1&timestamps=true", "");
    assert_true(has(answer, "2026-01-01T00:00:01.000000000Z last words\n"));
    assert_false(has(answer, "first"));
    answer = ask("GET", "/containerLogs/default/p1/app?limitBytes=3", "");
    assert_true(has(answer, "\r\nfir\r\n"));
    assert_false(has(answer, "first"));
    answer = ask("GET", "/containerLogs/default/p1/app?sinceTime=2026-01-01T00:00:01Z", "");
    assert_false(has(answer, "first"));
    assert_true(has(answer, "last words"));
    answer = ask("GET", "/containerLogs/default/p1/app?tailLines=0", "");
    assert_false(has(answer, "last words"));
}

static void followed_logs_end_with_the_container(void **state)
{
    (void)state;
    send_bytes(STR("GET /containerLogs/default/p1/app?follow=true HTTP/1.1\r\nHost: n\r\n\r\n"));
    receive(5000);
    assert_true(has(buf_cstr(&got), "last words"));
    assert_false(has(buf_cstr(&got), "\r\n0\r\n"));
    rt_exit(&w, "app", 0);
    receive(2000);
    assert_true(has(buf_cstr(&got), "\r\n0\r\n"));
}

static void previous_logs_are_those_of_the_run_before(void **state)
{
    (void)state;
    assert_true(has(ask("GET", "/containerLogs/default/p1/app?previous=true", ""), "HTTP/1.1 400 "));
    rt_exit(&w, "app", 1);
    world_run(&w, 1000);
    assert_true(has(ask("GET", "/containerLogs/default/p1/app?previous=true", ""), "HTTP/1.1 200 "));
    assert_int_equal(rt_count(&w, "log_open default_p1_uid-p1/app/0.log"), 1);
}

static void what_is_not_there_is_said(void **state)
{
    (void)state;
    assert_true(has(ask("GET", "/containerLogs/default/p9/app", ""), "HTTP/1.1 404 "));
    assert_true(has(ask("GET", "/containerLogs/default/p1/none", ""), "container none not found in pod p1_default"));
}

static void a_client_that_leaves_while_following_leaves_nothing(void **state)
{
    (void)state;
    send_bytes(STR("GET /containerLogs/default/p1/app?follow=true HTTP/1.1\r\nHost: n\r\n\r\n"));
    receive(1500);
    close(client);
    world_run(&w, 3000);
    client = world_connect(&w);
}

/* ---- exec over WebSocket ---- */

#define WS_HEADERS(protocol)                                                                       \
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"                   \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: " protocol "\r\n"

static struct websocket ws;
static struct buf ws_out;
static struct buf channels[5]; /* what came on each */

static void ws_begin(void)
{
    buf_init(&ws_out, 1 << 20);
    websocket_init(&ws, true, &ws_out);
    for (int i = 0; i < 5; i++)
        buf_init(&channels[i], 1 << 24);
}

static void ws_end(void)
{
    websocket_done(&ws);
    buf_done(&ws_out);
    for (int i = 0; i < 5; i++)
        buf_done(&channels[i]);
}

static bool on_message(void *ctx, enum websocket_opcode opcode, struct str payload, bool end)
{
    (void)ctx, (void)opcode, (void)end;
    assert_true(payload.n >= 1 && payload.p[0] >= 0 && payload.p[0] < 5);
    buf_append(&channels[(int)payload.p[0]], payload.p + 1, payload.n - 1);
    return true;
}

static void ws_receive(int64_t ms)
{
    receive(ms);
    assert_int_equal(websocket_feed(&ws, buf_str(&got), on_message, NULL), 0);
    buf_clear(&got);
}

static void ws_send(unsigned char channel, const char *text)
{
    char message[256];
    message[0] = (char)channel;
    memcpy(message + 1, text, strlen(text));
    websocket_send(&ws, WEBSOCKET_BINARY, str_make(message, strlen(text) + 1));
    send_bytes(buf_str(&ws_out));
    buf_clear(&ws_out);
}

static void ws_open(const char *target, const char *protocol)
{
    char headers[512];
    snprintf(headers, sizeof headers, WS_HEADERS("%s"), protocol);
    char text[1024];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: n\r\n%s\r\n", target, headers);
    send_bytes(str_of(text));
    receive(200);
    struct str all = buf_str(&got);
    ptrdiff_t end = str_find(all, STR("\r\n\r\n"));
    assert_true(str_starts(all, STR("HTTP/1.1 101 ")) && end > 0);
    buf_consume(&got, (size_t)end + 4);
}

static void exec_carries_input_output_and_the_exit_code(void **state)
{
    char text[64];
    (void)state;
    ws_begin();
    w.rt.keep_execs = true;
    ws_open("/exec/default/p1/app?command=sh&command=-c&command=x%20y&input=1&output=1&error=1", "v5.channel.k8s.io, v4.channel.k8s.io");
    ws_receive(100);
    ws_send(0, "hello");
    world_run(&w, 100);
    assert_int_equal(read(w.rt.session_in, text, sizeof text), 5);
    assert_memory_equal(text, "hello", 5);
    assert_int_equal(write(w.rt.session_out, "world", 5), 5);
    assert_int_equal(write(w.rt.session_error, "oops", 4), 4);
    ws_receive(100);
    assert_string_equal(buf_cstr(&channels[1]), "world");
    assert_string_equal(buf_cstr(&channels[2]), "oops");
    websocket_send(&ws, WEBSOCKET_BINARY, str_make("\xff\0", 2)); /* v5: standard input ends */
    send_bytes(buf_str(&ws_out));
    buf_clear(&ws_out);
    world_run(&w, 100);
    assert_int_equal(read(w.rt.session_in, text, sizeof text), 0);
    rt_exec_exit(&w, 3);
    ws_receive(1000);
    assert_true(has(buf_cstr(&channels[3]), "\"status\":\"Failure\""));
    assert_true(has(buf_cstr(&channels[3]), "\"reason\":\"ExitCode\",\"message\":\"3\""));
    assert_true(ws.closed);
    ws_end();
}

static void a_successful_exec_says_so_and_a_terminal_is_resized(void **state)
{
    (void)state;
    ws_begin();
    w.rt.keep_execs = true;
    ws_open("/exec/default/p1/app?command=top&stdin=true&stdout=true&tty=true", "v4.channel.k8s.io");
    ws_receive(100);
    ws_send(4, "{\"Width\":120,\"Height\":40}");
    world_run(&w, 100);
    assert_int_equal(rt_count(&w, "120x40"), 1);
    rt_exec_exit(&w, 0);
    ws_receive(1000);
    assert_string_equal(buf_cstr(&channels[3]), "{\"metadata\":{},\"status\":\"Success\"}");
    ws_end();
}

static void output_without_end_to_a_client_that_does_not_read_is_held_back(void **state)
{
    char block[8192];
    size_t written = 0;
    (void)state;
    ws_begin();
    memset(block, 'x', sizeof block);
    w.rt.keep_execs = true;
    ws_open("/exec/default/p1/app?command=yes&output=1", "v5.channel.k8s.io");
    for (int i = 0; i < 4000; i++) {
        ssize_t n = write(w.rt.session_out, block, sizeof block);
        if (n > 0)
            written += (size_t)n;
        world_run(&w, 1);
    }
    assert_true(written < 4 << 20); /* of 32 MB */
    size_t before = written;
    while (buf_len(&channels[1]) < before)
        ws_receive(10);
    assert_true(write(w.rt.session_out, block, sizeof block) > 0);
    rt_exec_exit(&w, 0);
    ws_receive(1000);
    assert_string_equal(buf_cstr(&channels[3]), "{\"metadata\":{},\"status\":\"Success\"}");
    ws_end();
}

static void a_client_that_leaves_ends_its_exec(void **state)
{
    (void)state;
    ws_begin();
    w.rt.keep_execs = true;
    ws_open("/exec/default/p1/app?command=sleep&output=1", "v5.channel.k8s.io");
    close(client);
    world_run(&w, 500);
    assert_int_equal(rt_count(&w, "session_close"), 1);
    client = world_connect(&w);
    close(w.rt.session_in);
    close(w.rt.session_out);
    ws_end();
}

static void reconnect(void)
{
    close(client);
    world_run(&w, 100);
    client = world_connect(&w);
}

static void exec_is_refused_before_it_is_upgraded(void **state)
{
    (void)state;
    assert_true(has(ask("GET", "/exec/default/p1/app?command=x&output=1", WS_HEADERS("v1.channel.k8s.io")), "HTTP/1.1 403 "));
    reconnect(); /* nothing follows a refused upgrade on its connection */
    assert_true(has(ask("GET", "/exec/default/p1/app?output=1", WS_HEADERS("v5.channel.k8s.io")), "HTTP/1.1 400 "));
    reconnect();
    assert_true(has(ask("POST", "/exec/default/p1/app?command=x&output=1", "Content-Length: 0\r\n"), "missing upgrade headers"));
    assert_int_equal(rt_count(&w, "exec "), 0);
}

/* ---- port-forward: SPDY inside a WebSocket ---- */

static struct buf tunnelled;

static bool on_tunnelled(void *ctx, enum websocket_opcode opcode, struct str payload, bool end)
{
    (void)ctx, (void)opcode, (void)end;
    buf_append_str(&tunnelled, payload);
    return true;
}

static void put32(struct buf *b, uint32_t v)
{
    const char p[4] = {(char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v};
    buf_append(b, p, 4);
}

static void tunnel(struct buf *frame)
{
    websocket_send(&ws, WEBSOCKET_BINARY, buf_str(frame));
    send_bytes(buf_str(&ws_out));
    buf_clear(&ws_out);
    buf_clear(frame);
}

static void open_stream(struct spdy_headers *h, uint32_t id, const char *type, const char *port, struct buf *frame)
{
    struct buf block;
    const struct spdy_header headers[] = {{STR("streamtype"), str_of(type)}, {STR("port"), str_of(port)}, {STR("requestid"), STR("0")}};
    buf_init(&block, 4096);
    assert_int_equal(spdy_headers_encode(h, headers, 3, &block), 0);
    put32(frame, 0x80030001);
    put32(frame, (uint32_t)buf_len(&block) + 10);
    put32(frame, id);
    put32(frame, 0);
    buf_append(frame, "\0\0", 2);
    buf_append_str(frame, buf_str(&block));
    buf_done(&block);
    tunnel(frame);
}

static void put_data(struct buf *frame, uint32_t id, const char *text, bool fin)
{
    put32(frame, id);
    put32(frame, (fin ? 1u << 24 : 0) | (uint32_t)strlen(text));
    buf_puts(frame, text);
    tunnel(frame);
}

static void tunnel_receive(int64_t ms)
{
    receive(ms);
    assert_int_equal(websocket_feed(&ws, buf_str(&got), on_tunnelled, NULL), 0);
    buf_clear(&got);
}

static void port_forward_copies_both_ways(void **state)
{
    struct spdy_headers h;
    struct buf frame;
    char text[64];
    (void)state;
    ws_begin();
    buf_init(&tunnelled, 1 << 24);
    buf_init(&frame, 1 << 20);
    assert_int_equal(spdy_headers_init(&h), 0);
    w.rt.dial_works = true;
    ws_open("/portForward/default/p1", "SPDY/3.1+portforward.k8s.io");
    open_stream(&h, 1, "error", "8080", &frame);
    open_stream(&h, 3, "data", "8080", &frame);
    put_data(&frame, 3, "GET /", false);
    world_run(&w, 100);
    assert_int_equal(rt_count(&w, "dial uid-p1 8080"), 1);
    assert_int_equal(read(w.rt.dialled, text, sizeof text), 5);
    for (int i = 0; i < 40; i++) { /* past any window: kubectl's library never opens one */
        char block[4096];
        memset(block, 'y', sizeof block);
        assert_int_equal(write(w.rt.dialled, block, sizeof block), sizeof block);
        tunnel_receive(20);
    }
    close(w.rt.dialled);
    tunnel_receive(200);
    assert_true(buf_len(&tunnelled) > 40 * 4096);
    struct str all = buf_str(&tunnelled);
    assert_true(str_find(all, str_make("\0\0\0\3\1\0\0\0", 8)) > 0); /* data ends */
    assert_true(str_find(all, str_make("\0\0\0\1\1\0\0\0", 8)) > 0); /* error ends, empty */
    spdy_headers_done(&h);
    buf_done(&tunnelled);
    buf_done(&frame);
    ws_end();
}

static void a_refused_port_is_said_on_the_error_stream(void **state)
{
    struct spdy_headers h;
    struct buf frame;
    (void)state;
    ws_begin();
    buf_init(&tunnelled, 1 << 24);
    buf_init(&frame, 1 << 20);
    assert_int_equal(spdy_headers_init(&h), 0);
    ws_open("/portForward/default/p1", "SPDY/3.1+portforward.k8s.io");
    open_stream(&h, 1, "error", "81", &frame);
    open_stream(&h, 3, "data", "81", &frame);
    tunnel_receive(200);
    assert_true(str_find(buf_str(&tunnelled), STR("error forwarding port 81 to pod uid-p1: connection refused")) > 0);
    spdy_headers_done(&h);
    buf_done(&tunnelled);
    buf_done(&frame);
    ws_end();
}

/* ---- exec over plain SPDY ---- */

static void open_plain(struct spdy_headers *h, uint32_t id, const char *type, struct buf *out)
{
    struct buf block;
    const struct spdy_header header = {STR("streamtype"), str_of(type)};
    buf_init(&block, 4096);
    assert_int_equal(spdy_headers_encode(h, &header, 1, &block), 0);
    put32(out, 0x80030001);
    put32(out, (uint32_t)buf_len(&block) + 10);
    put32(out, id);
    put32(out, 0);
    buf_append(out, "\0\0", 2);
    buf_append_str(out, buf_str(&block));
    buf_done(&block);
}

static void exec_is_spoken_over_spdy_too(void **state)
{
    struct spdy_headers h;
    struct buf out;
    char text[64];
    (void)state;
    w.rt.keep_execs = true;
    buf_init(&out, 1 << 20);
    assert_int_equal(spdy_headers_init(&h), 0);
    const char *answer = ask("POST", "/exec/default/p1/app?command=cat&input=1&output=1",
                             "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\n"
                             "X-Stream-Protocol-Version: v4.channel.k8s.io\r\nX-Stream-Protocol-Version: channel.k8s.io\r\n");
    assert_true(has(answer, "HTTP/1.1 101 "));
    assert_true(has(answer, "x-stream-protocol-version: v4.channel.k8s.io"));
    open_plain(&h, 1, "error", &out);
    open_plain(&h, 3, "stdin", &out);
    send_bytes(buf_str(&out));
    world_run(&w, 100);
    assert_int_equal(rt_count(&w, "exec cat"), 0); /* not before all streams are there */
    buf_clear(&out);
    open_plain(&h, 5, "stdout", &out);
    put32(&out, 3);
    put32(&out, 1u << 24 | 3);
    buf_puts(&out, "abc");
    send_bytes(buf_str(&out));
    world_run(&w, 100);
    assert_int_equal(rt_count(&w, "exec cat"), 1);
    assert_int_equal(read(w.rt.session_in, text, sizeof text), 3);
    assert_int_equal(read(w.rt.session_in, text, sizeof text), 0); /* FIN ends standard input */
    assert_int_equal(write(w.rt.session_out, "xyz", 3), 3);
    receive(100);
    rt_exec_exit(&w, 0);
    receive(1000);
    assert_true(str_find(buf_str(&got), str_make("\0\0\0\5\0\0\0\3xyz", 11)) > 0);
    assert_true(str_find(buf_str(&got), STR("{\"metadata\":{},\"status\":\"Success\"}")) > 0);
    buf_clear(&got);
    spdy_headers_done(&h);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(nobody_without_a_certificate_is_answered),
        T(other_clients_are_forbidden),
        T(a_server_certificate_is_no_client),
        T(masters_may_ask),
        T(logs_are_given_without_their_times),
        T(logs_can_be_cut),
        T(followed_logs_end_with_the_container),
        T(previous_logs_are_those_of_the_run_before),
        T(what_is_not_there_is_said),
        T(a_client_that_leaves_while_following_leaves_nothing),
        T(exec_carries_input_output_and_the_exit_code),
        T(a_successful_exec_says_so_and_a_terminal_is_resized),
        T(output_without_end_to_a_client_that_does_not_read_is_held_back),
        T(a_client_that_leaves_ends_its_exec),
        T(exec_is_refused_before_it_is_upgraded),
        T(exec_is_spoken_over_spdy_too),
        T(port_forward_copies_both_ways),
        T(a_refused_port_is_said_on_the_error_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
