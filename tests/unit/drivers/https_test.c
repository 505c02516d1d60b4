/*
 * The HTTP server and the HTTPS client over real sockets and TLS, in one loop: answers of every
 * framing, kept connections, slow readers, slow clients, upgrades; curl and raw bytes as strangers.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/https.h"
#include "drivers/loop/epoll.h"
#include "drivers/net/socket/socket.h"
#include "wire/http_client.h"
#include "wire/http_server.h"

enum { BIG = 3 * 1000 * 1000, CHUNK = 10 * 1000 };

struct fixture {
    struct loop *loop;
    struct tls_context *server_tls, *client_tls;
    struct http_server *server, *plain;
    struct net_addr at, plain_at;
    struct client client;
    size_t begun, aborted;
    struct conn *upgraded;
    char seen_upgraded[100];
};

static struct fixture fx;
static struct buf ca_cert, server_cert, server_key, client_cert, client_key;
static char dir[] = "/tmp/keelson-https-XXXXXX";

/* ---- what the server answers ---- */

struct exchange {
    char path[64];
    struct buf body;
    size_t left;
};

static void more(struct exchange *x, struct http_request *r)
{
    static char bytes[CHUNK];
    memset(bytes, 'x', sizeof bytes);
    while (x->left && http_reply_unsent(r) <= CONN_HIGH) {
        size_t n = x->left < CHUNK ? x->left : CHUNK;
        http_reply_write(r, str_make(bytes, n));
        x->left -= n;
    }
    if (x->left == 0) {
        buf_done(&x->body);
        mem_free(x);
        http_reply_end(r);
    }
}

static void up_data(void *ctx, struct str bytes)
{
    (void)ctx;
    size_t have = strlen(fx.seen_upgraded);
    assert_true(have + bytes.n < sizeof fx.seen_upgraded);
    memcpy(fx.seen_upgraded + have, bytes.p, bytes.n);
    if (conn_write(fx.upgraded, bytes) < 0)
        fail_msg("echo");
}

static void up_closed(void *ctx, int rc, const char *message)
{
    (void)ctx;
    (void)rc;
    (void)message;
    conn_free(fx.upgraded);
    fx.upgraded = NULL;
}

static const struct conn_handlers up_handlers = {.data = up_data, .closed = up_closed};

static void begin(void *server_ctx, struct http_request *r, const struct http_head *head)
{
    (void)server_ctx;
    fx.begun++;
    struct exchange *x = mem_zalloc(sizeof *x);
    assert_non_null(x);
    buf_init(&x->body, 10 * 1000 * 1000);
    str_copy(x->path, sizeof x->path, head->target);
    http_request_set_ctx(r, x);
}

static void body(void *ctx, struct http_request *r, struct str bytes)
{
    struct exchange *x = ctx;
    (void)r;
    buf_append_str(&x->body, bytes);
}

static void complete(void *ctx, struct http_request *r)
{
    struct exchange *x = ctx;
    struct cert_info who;
    if (cstr_eq(x->path, "/big") || cstr_eq(x->path, "/chunked")) {
        x->left = BIG;
        http_reply(r, 200, NULL, 0, cstr_eq(x->path, "/big") ? BIG : -1);
        more(x, r);
        return;
    }
    if (cstr_eq(x->path, "/wait"))
        return;
    if (cstr_eq(x->path, "/upgrade")) {
        struct http_header h[] = {{STR("Connection"), STR("Upgrade")},
                                  {STR("Upgrade"), STR("SPDY/3.1")}};
        fx.upgraded = http_request_upgrade(r, h, 2, &up_handlers, NULL);
    } else if (cstr_eq(x->path, "/me")) {
        int rc = http_request_peer_cert(r, &who, NULL);
        http_reply_whole(r, 200, "text/plain", rc == 0 ? str_of(who.common_name) : STR("nobody"));
    } else if (cstr_eq(x->path, "/none")) {
        http_reply(r, 204, NULL, 0, 0);
        http_reply_end(r);
    } else {
        http_reply_whole(r, 200, "text/plain", buf_str(&x->body));
    }
    buf_done(&x->body);
    mem_free(x);
}

static void aborted(void *ctx, struct http_request *r)
{
    struct exchange *x = ctx;
    (void)r;
    fx.aborted++;
    buf_done(&x->body);
    mem_free(x);
}

static void drained(void *ctx, struct http_request *r)
{
    struct exchange *x = ctx;
    if (x->left)
        more(x, r);
}

static const struct http_server_handlers server_handlers = {begin, body, complete, aborted,
                                                            drained};

/* ---- a clock that can be put forward ---- */

static struct poll real_poll;
static int64_t skew_ns;

static int64_t skewed(void *ctx)
{
    return real_poll.ops->monotonic_ns(ctx) + skew_ns;
}

static struct poll skewed_poll(void)
{
    static struct poll_ops ops;
    assert_int_equal(poll_epoll_open(&real_poll), 0);
    ops = *real_poll.ops;
    ops.monotonic_ns = skewed;
    return (struct poll){&ops, real_poll.ctx};
}

/* ---- fixture ---- */

static void issue(struct buf *cert, struct buf *key, const char *cn, unsigned use,
                  struct crypto_key **pair, struct crypto_key *ca)
{
    int64_t now = (int64_t)time(NULL);
    struct cert_profile p = {.common_name = cn,
                             .dns = {"localhost"},
                             .dns_count = 1,
                             .use = use,
                             .not_before_s = now - 86400,
                             .not_after_s = now + 86400};
    assert_int_equal(net_addr_parse(STR("127.0.0.1"), false, &p.ips[0]), 0);
    p.ip_count = 1;
    buf_init(cert, 100000);
    buf_init(key, 100000);
    assert_int_equal(crypto_key_generate(pair, NULL), 0);
    assert_int_equal(crypto_key_private_pem(*pair, key), 0);
    assert_int_equal(cert_issue(&p, *pair, ca ? ca : *pair,
                                ca ? buf_str(&ca_cert) : str_make(NULL, 0), cert, NULL),
                     0);
}

static void save(const char *name, struct buf *b)
{
    char path[100];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fwrite(buf_str(b).p, 1, buf_len(b), f);
    fclose(f);
}

static struct http_server *serve(struct tls_context *tls, struct net_addr *ret_at)
{
    struct http_server_options o = {
        .loop = fx.loop, .net = net_socket(), .tls = tls, .handlers = &server_handlers};
    struct http_server *s;
    assert_int_equal(net_addr_parse(STR("127.0.0.1:0"), true, ret_at), 0);
    assert_int_equal(o.net.ops->listen(o.net.ctx, ret_at, 16, &o.listen_fd), 0);
    assert_int_equal(o.net.ops->local_addr(o.net.ctx, o.listen_fd, ret_at), 0);
    assert_int_equal(http_server_new(&o, &s), 0);
    return s;
}

static int setup(void **state)
{
    struct crypto_key *ca, *k1, *k2;
    struct buf unused;
    (void)state;
    assert_non_null(mkdtemp(dir));
    issue(&ca_cert, &unused, "test-ca", CERT_USE_CA, &ca, NULL);
    issue(&server_cert, &server_key, "server", CERT_USE_SERVER, &k1, ca);
    issue(&client_cert, &client_key, "admin", CERT_USE_CLIENT, &k2, ca);
    buf_done(&unused);
    crypto_key_free(ca);
    crypto_key_free(k1);
    crypto_key_free(k2);
    save("ca", &ca_cert);
    save("cert", &client_cert);
    save("key", &client_key);
    struct tls_config sc = {.server = true,
                            .cert_chain_pem = buf_str(&server_cert),
                            .key_pem = buf_str(&server_key),
                            .trust_pem = buf_str(&ca_cert),
                            .peer = TLS_PEER_OPTIONAL};
    struct tls_config cc = {.cert_chain_pem = buf_str(&client_cert),
                            .key_pem = buf_str(&client_key),
                            .trust_pem = buf_str(&ca_cert),
                            .peer = TLS_PEER_REQUIRED};
    assert_int_equal(tls_context_new(&sc, &fx.server_tls, NULL), 0);
    assert_int_equal(tls_context_new(&cc, &fx.client_tls, NULL), 0);
    assert_int_equal(loop_new(skewed_poll(), &fx.loop), 0);
    fx.server = serve(fx.server_tls, &fx.at);
    fx.plain = serve(NULL, &fx.plain_at);
    struct client_https_options o = {.loop = fx.loop,
                                     .net = net_socket(),
                                     .tls = fx.client_tls,
                                     .server = fx.at,
                                     .server_name = "localhost",
                                     .user_agent = "test"};
    assert_int_equal(client_https_new(&o, &fx.client), 0);
    return 0;
}

static int teardown(void **state)
{
    char path[100];
    (void)state;
    client_https_free(&fx.client);
    http_server_free(fx.server);
    http_server_free(fx.plain);
    tls_context_free(fx.server_tls);
    tls_context_free(fx.client_tls);
    loop_free(fx.loop);
    buf_done(&ca_cert);
    buf_done(&server_cert);
    buf_done(&server_key);
    buf_done(&client_cert);
    buf_done(&client_key);
    for (const char *const *name = (const char *const[]){"ca", "cert", "key", NULL}; *name;
         name++) {
        snprintf(path, sizeof path, "%s/%s", dir, *name);
        unlink(path);
    }
    rmdir(dir);
    return 0;
}

static void turn_until(bool *done, int most_ms)
{
    int64_t end = loop_now_ms(fx.loop) + most_ms;
    while (!*done && loop_now_ms(fx.loop) < end)
        assert_int_equal(loop_turn(fx.loop, 20), 0);
    assert_true(*done);
}

/* ---- our own client ---- */

struct reply {
    bool done;
    int rc, status;
    size_t bytes;
    char text[200];
};

static void on_reply(void *ctx, const struct client_reply *r)
{
    struct reply *to = ctx;
    to->done = true;
    to->rc = r->rc;
    to->status = r->status;
    to->bytes = r->body.n;
    str_copy(to->text, sizeof to->text, r->rc ? str_of(r->message) : r->body);
}

static struct reply ask(const char *method, const char *path, struct str content)
{
    struct client_request q = {.method = method, .path = path, .body = content, .timeout_ms = 5000};
    struct reply r = {0};
    assert_int_equal(client_do(&fx.client, &q, on_reply, &r, NULL), 0);
    turn_until(&r.done, 10000);
    return r;
}

static void answers_come_whole_in_every_framing(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct reply r = ask("POST", "/echo", STR("some text"));
        assert_int_equal(r.status, 200);
        assert_string_equal(r.text, "some text");
        assert_int_equal(ask("GET", "/big", STR("")).bytes, BIG);
        assert_int_equal(ask("GET", "/chunked", STR("")).bytes, BIG);
        assert_int_equal(ask("DELETE", "/none", STR("")).status, 204);
        assert_string_equal(ask("GET", "/me", STR("")).text, "admin");
    }
    assert_int_equal(http_server_connections(fx.server), 1); /* one kept connection did all that */
}

static void a_call_that_takes_too_long_ends(void **state)
{
    (void)state;
    struct client_request q = {.method = "GET", .path = "/wait", .timeout_ms = 200};
    struct reply r = {0};
    size_t before = fx.aborted;
    assert_int_equal(client_do(&fx.client, &q, on_reply, &r, NULL), 0);
    turn_until(&r.done, 5000);
    assert_int_equal(r.rc, -E_TIMEOUT);
    for (int i = 0; i < 100 && fx.aborted == before; i++)
        assert_int_equal(loop_turn(fx.loop, 10), 0);
    assert_int_equal(fx.aborted, before + 1);
}

static void a_cancelled_call_is_silent_and_the_server_hears_of_it(void **state)
{
    (void)state;
    struct client_request q = {.method = "GET", .path = "/wait", .timeout_ms = -1};
    struct client_call *call;
    struct reply r = {0};
    size_t begun = fx.begun, before = fx.aborted;
    assert_int_equal(client_do(&fx.client, &q, on_reply, &r, &call), 0);
    for (int i = 0; i < 100 && fx.begun == begun; i++)
        assert_int_equal(loop_turn(fx.loop, 10), 0);
    client_cancel(&fx.client, call);
    for (int i = 0; i < 100 && fx.aborted == before; i++)
        assert_int_equal(loop_turn(fx.loop, 10), 0);
    assert_int_equal(fx.aborted, before + 1);
    assert_false(r.done);
}

static void a_server_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    struct client_https_options o = {.loop = fx.loop,
                                     .net = net_socket(),
                                     .tls = fx.client_tls,
                                     .server_name = "localhost",
                                     .user_agent = "test"};
    struct client c;
    struct reply r = {0};
    struct client_request q = {.method = "GET", .path = "/x"};
    assert_int_equal(net_addr_parse(STR("127.0.0.1:1"), true, &o.server), 0);
    assert_int_equal(client_https_new(&o, &c), 0);
    assert_int_equal(client_do(&c, &q, on_reply, &r, NULL), 0);
    assert_false(r.done); /* never from inside the call */
    turn_until(&r.done, 5000);
    assert_true(r.rc < 0 && r.text[0]);
    client_https_free(&c);
}

/* ---- raw bytes on the plain server ---- */

static int dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(fx.plain_at.port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

/* Turns the loop until fd has given at least `want` bytes or closed; returns the bytes read. */
static size_t gather(int fd, char *p, size_t want, bool *ret_closed, int turns)
{
    size_t n = 0;
    *ret_closed = false;
    for (int i = 0; i < turns && n < want && !*ret_closed; i++) {
        assert_int_equal(loop_turn(fx.loop, 5), 0);
        ssize_t got = read(fd, p + n, want - n);
        if (got > 0)
            n += (size_t)got;
        else
            *ret_closed = got == 0 || errno == ECONNRESET;
    }
    p[n] = '\0';
    return n;
}

static void put(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    char p[4001];
    bool closed;
    int fd = dial();
    put(fd, "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\none"
            "POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\ntwo"
            "HEAD /3 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    gather(fd, p, 4000, &closed, 100);
    char *one = strstr(p, "\r\n\r\none"), *two = strstr(p, "\r\n\r\ntwo");
    assert_non_null(one);
    assert_non_null(two);
    assert_true(one < two);
    assert_true(closed);
    assert_non_null(strstr(two, "Connection: close\r\n\r\n"));
    close(fd);
}

static void what_is_not_http_gets_one_answer_and_the_end(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x16\x03\x01\x02\x01\x01\x01",
        "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: "
        "chunked\r\n\r\n0\r\n\r\n"
        "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : h\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char p[4001];
        bool closed;
        size_t begun = fx.begun;
        int fd = dial();
        put(fd, bad[i]);
        gather(fd, p, 4000, &closed, 100);
        assert_int_equal(strncmp(p, "HTTP/1.1 400 ", 13), 0);
        assert_null(strstr(p + 5, "HTTP/1.1 "));
        assert_true(closed);
        assert_int_equal(fx.begun, begun);
        close(fd);
    }
}

static void a_client_that_does_not_read_stops_only_itself(void **state)
{
    (void)state;
    int slow = dial();
    size_t begun = fx.begun;
    put(slow, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
    for (int i = 0; i < 50 && fx.begun == begun; i++)
        assert_int_equal(loop_turn(fx.loop, 5), 0);
    assert_int_equal(ask("GET", "/big", STR("")).bytes, BIG);
    static char p[BIG + 1000];
    bool closed;
    size_t n = gather(slow, p, 100, &closed, 100);
    char *start = strstr(p, "\r\n\r\n");
    assert_true(n > 0 && start != NULL);
    size_t left = BIG - (n - (size_t)(start + 4 - p)); /* and once it reads, all of it comes */
    assert_int_equal(gather(slow, p, left, &closed, 3000), left);
    assert_false(closed);
    close(slow);
    for (int i = 0; i < 10; i++)
        assert_int_equal(loop_turn(fx.loop, 5), 0);
}

static void an_upgrade_hands_over_every_byte(void **state)
{
    (void)state;
    char p[1001];
    bool closed;
    int fd = dial();
    put(fd, "POST /upgrade HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
            "Content-Length: 0\r\n\r\nearly");
    size_t n = gather(fd, p, 1000, &closed, 40);
    assert_false(closed);
    assert_int_equal(strncmp(p, "HTTP/1.1 101 ", 13), 0);
    assert_string_equal(p + n - 5, "early");
    put(fd, "later");
    gather(fd, p, 5, &closed, 40);
    assert_string_equal(p, "later");
    assert_string_equal(fx.seen_upgraded, "earlylater");
    close(fd);
    for (int i = 0; i < 40 && fx.upgraded; i++)
        assert_int_equal(loop_turn(fx.loop, 5), 0);
    assert_null(fx.upgraded);
}

static void an_expected_100_comes_before_the_body(void **state)
{
    (void)state;
    char p[1001];
    bool closed;
    int fd = dial();
    put(fd, "POST /e HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: "
            "100-continue\r\nConnection: close\r\n\r\n");
    gather(fd, p, 25, &closed, 40);
    assert_string_equal(p, "HTTP/1.1 100 Continue\r\n\r\n");
    put(fd, "hi");
    gather(fd, p, 1000, &closed, 40);
    assert_int_equal(strncmp(p, "HTTP/1.1 200 OK", 15), 0);
    assert_true(closed);
    close(fd);
}

/* Sends a byte a second until the server closes; returns the seconds. */
static int trickle(const char *start)
{
    char p[1001];
    bool closed = false;
    int fd = dial(), seconds = 0;
    put(fd, start);
    gather(fd, p, 1000, &closed, 4);
    for (; !closed && seconds < 300; seconds++) {
        skew_ns += 1000000000;
        if (write(fd, "y", 1) < 0)
            break;
        gather(fd, p, 1000, &closed, 3);
    }
    close(fd);
    for (int i = 0; i < 4; i++)
        assert_int_equal(loop_turn(fx.loop, 1), 0);
    return seconds;
}

static void a_request_that_comes_byte_by_byte_is_cut_off(void **state)
{
    (void)state;
    int head = trickle("GET / HTTP/1.1\r\nX: ");
    int body = trickle("POST /e HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
    assert_in_range(head, 9, 12);
    assert_in_range(body, 9, 12);
}

/* ---- curl ---- */

static void curl(const char *url, const char *option, const char *value, char *ret_text,
                 size_t size)
{
    char path[3][100], bytes[1000];
    int pipes[2];
    size_t n = 0;
    snprintf(path[0], 100, "%s/ca", dir);
    snprintf(path[1], 100, "%s/cert", dir);
    snprintf(path[2], 100, "%s/key", dir);
    assert_int_equal(pipe2(pipes, O_NONBLOCK), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipes[1], 1);
        execlp("curl", "curl", "-sS", "--max-time", "10", "--noproxy", "*", "--cacert", path[0],
               "--cert", path[1], "--key", path[2], option, value, url, url, (char *)NULL);
        _exit(127);
    }
    close(pipes[1]);
    for (int i = 0; i < 1500; i++) {
        assert_int_equal(loop_turn(fx.loop, 10), 0);
        ssize_t got = read(pipes[0], bytes, sizeof bytes);
        if (got == 0)
            break;
        for (ssize_t k = 0; k < got; k++)
            if (n + 1 < size)
                ret_text[n++] = bytes[k];
    }
    ret_text[n] = '\0';
    close(pipes[0]);
    int status;
    waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        skip();
    assert_int_equal(status, 0);
}

static void curl_is_content_with_both_versions_of_tls(void **state)
{
    (void)state;
    char url[100], text[4000];
    snprintf(url, sizeof url, "https://localhost:%u/me", fx.at.port);
    curl(url, "--tlsv1.3", "--http1.1", text, sizeof text);
    assert_string_equal(text, "adminadmin");
    snprintf(url, sizeof url, "https://127.0.0.1:%u/me", fx.at.port);
    curl(url, "--tls-max", "1.2", text, sizeof text);
    assert_string_equal(text, "adminadmin");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_come_whole_in_every_framing),
        cmocka_unit_test(a_call_that_takes_too_long_ends),
        cmocka_unit_test(a_cancelled_call_is_silent_and_the_server_hears_of_it),
        cmocka_unit_test(a_server_that_is_not_there_is_an_error),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(what_is_not_http_gets_one_answer_and_the_end),
        cmocka_unit_test(a_client_that_does_not_read_stops_only_itself),
        cmocka_unit_test(an_upgrade_hands_over_every_byte),
        cmocka_unit_test(an_expected_100_comes_before_the_body),
        cmocka_unit_test(a_request_that_comes_byte_by_byte_is_cut_off),
        cmocka_unit_test(curl_is_content_with_both_versions_of_tls),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
