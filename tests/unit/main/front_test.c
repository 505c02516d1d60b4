/*
 * The role front between three others that the test plays: a client (raw bytes), control (its half
 * of the link), and a kubelet. What reaches whom, and what must not.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "drivers/loop/epoll.h"
#include "drivers/net/socket/socket.h"
#include "main/front_int.h"
#include "wire/front_link.h"

enum { LONG = 12 * 1000 * 1000 };

struct fixture {
    struct role_env env;
    struct front front;
    struct net_addr at, kubelet_at;
    struct front_link *control;
    struct http_server *kubelet;
    int control_fd;
    /* control's side */
    struct front_stream *waiting; /* "/wait" */
    size_t requests, cancelled, still;
    char target[200], authorization[100], content[100];
    size_t body_bytes;
    /* the kubelet's side */
    size_t fetched;
    char seen[2000]; /* head of the last request */
    struct conn *tunnel;
};

static struct fixture fx;

/* ---- control ---- */

static void feed_long(struct front_stream *s)
{
    static const char bytes[10000];
    while (fx.still) {
        size_t n = fx.still < sizeof bytes ? fx.still : sizeof bytes;
        int64_t waiting = front_stream_body(s, str_make(bytes, n));
        assert_true(waiting >= 0);
        fx.still -= n;
        if (waiting > 100000 && fx.still)
            return; /* goes on when drained */
    }
    front_stream_end(s);
}

static void on_request(void *ctx, struct front_stream *s, const struct front_request *r)
{
    (void)ctx;
    fx.requests++;
    str_copy(fx.target, sizeof fx.target, r->target);
    str_copy(fx.authorization, sizeof fx.authorization,
             str_of(r->authorization ? r->authorization : ""));
    str_copy(fx.content, sizeof fx.content, r->body);
    fx.body_bytes = r->body.n;
    if (str_starts(r->target, STR("/wait"))) {
        fx.waiting = s;
    } else if (str_starts(r->target, STR("/long"))) {
        front_stream_head(s, 200, NULL, 0);
        fx.still = LONG;
        feed_long(s);
    } else if (str_starts(r->target, STR("/to/proxy/")) || str_starts(r->target, STR("/log"))) {
        const char *at = r->target.p[1] == 't' ? "/at/kubelet" : "/logs";
        front_stream_proxy(s, &(struct front_place){"127.0.0.1", fx.kubelet_at.port, NULL, at, NULL});
    } else if (str_is(r->target, "/x/exec") || str_is(r->target, "/deny/exec") ||
               str_is(r->target, "/redirect/exec")) {
        const char *at = r->target.p[1] == 'x' ? "/x" : r->target.p[1] == 'd' ? "/d" : "/r";
        front_stream_proxy(s, &(struct front_place){"127.0.0.1", fx.kubelet_at.port, NULL, at, NULL});
    } else {
        struct http_header h = {STR("x-from"), STR("control")};
        front_stream_head(s, 201, &h, 1);
        (void)!front_stream_body(s, STR("made"));
        front_stream_end(s);
    }
}

static void on_cancelled(void *stream_ctx, struct front_stream *s)
{
    (void)stream_ctx;
    fx.cancelled++;
    if (s == fx.waiting)
        fx.waiting = NULL;
}

static void on_drained(void *stream_ctx, struct front_stream *s)
{
    (void)stream_ctx;
    if (fx.still)
        feed_long(s);
}

static void on_link_closed(void *ctx, int rc)
{
    (void)ctx, (void)rc;
}

/* ---- kubelet ---- */

static void tunnel_data(void *ctx, struct str bytes)
{
    (void)ctx;
    if (conn_write(fx.tunnel, bytes) < 0)
        fail_msg("tunnel");
}

static void tunnel_closed(void *ctx, int rc, const char *message)
{
    (void)ctx;
    (void)rc;
    (void)message;
    conn_free(fx.tunnel);
    fx.tunnel = NULL;
}

static void k_begin(void *server_ctx, struct http_request *r, const struct http_head *head)
{
    (void)server_ctx;
    size_t n = (size_t)snprintf(fx.seen, sizeof fx.seen, "%s " STR_FMT "\n", head->method,
                                STR_ARG(head->target));
    for (size_t i = 0; i < head->header_count && n < sizeof fx.seen; i++)
        n += (size_t)snprintf(fx.seen + n, sizeof fx.seen - n, STR_FMT ": " STR_FMT "\n",
                              STR_ARG(head->headers[i].name), STR_ARG(head->headers[i].value));
    fx.fetched++;
    fx.body_bytes = 0;
    http_request_set_ctx(r, (void *)(uintptr_t)head->target.p[1]);
}

static void k_body(void *ctx, struct http_request *r, struct str bytes)
{
    (void)ctx;
    (void)r;
    fx.body_bytes += bytes.n;
}

static void k_complete(void *ctx, struct http_request *r)
{
    static const struct conn_handlers handlers = {.data = tunnel_data, .closed = tunnel_closed};
    struct http_header up[] = {{STR("Connection"), STR("Upgrade")},
                               {STR("Upgrade"), STR("SPDY/3.1")}};
    struct http_header away = {STR("Location"), STR("http://127.0.0.1:1/")};
    switch ((char)(uintptr_t)ctx) {
    case 'x':
        fx.tunnel = http_request_upgrade(r, up, 2, &handlers, NULL);
        break;
    case 'd':
        http_reply_whole(r, 403, "text/plain", STR("denied"));
        break;
    case 'r':
        http_reply(r, 302, &away, 1, 0);
        http_reply_end(r);
        break;
    default:
        http_reply_whole(r, 200, "text/plain", STR("from the kubelet"));
        break;
    }
}

static void k_aborted(void *ctx, struct http_request *r)
{
    (void)ctx;
    (void)r;
}

/* ---- fixture ---- */

static struct http_server *serve(const struct http_server_handlers *handlers, void *ctx,
                                 struct net_addr *ret_at)
{
    struct http_server_options o = {
        .loop = fx.env.loop, .net = fx.env.net, .handlers = handlers, .ctx = ctx};
    struct http_server *s;
    assert_int_equal(net_addr_parse(STR("127.0.0.1:0"), true, ret_at), 0);
    assert_int_equal(o.net.ops->listen(o.net.ctx, ret_at, 16, &o.listen_fd), 0);
    assert_int_equal(o.net.ops->local_addr(o.net.ctx, o.listen_fd, ret_at), 0);
    assert_int_equal(http_server_new(&o, &s), 0);
    return s;
}

static void front_message(void *ctx, struct imsg_in *m)
{
    front_control_message(ctx, m);
}

static void front_closed(void *ctx, int rc)
{
    struct front *f = ctx;
    (void)rc;
    role_link_free(f->control);
    f->control = NULL;
    front_control_gone(f);
}

static int setup(void **state)
{
    static const struct role_link_handlers link_handlers = {front_message, front_closed, NULL};
    static const struct front_link_handlers control_handlers = {on_request, on_cancelled,
                                                                on_drained, on_link_closed};
    static const struct http_server_handlers kubelet_handlers = {k_begin, k_body, k_complete,
                                                                 k_aborted, NULL};
    struct poll poll;
    int pair[2];
    (void)state;
    fx = (struct fixture){0};
    assert_int_equal(poll_epoll_open(&poll), 0);
    assert_int_equal(loop_new(poll, &fx.env.loop), 0);
    fx.env.net = net_socket();
    fx.front.env = &fx.env;
    list_init(&fx.front.calls);
    fx.front.buffer = mem_alloc(LIMIT_IMSG_BYTES);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
                     0);
    assert_int_equal(
        role_link_new(fx.env.loop, pair[0], &link_handlers, &fx.front, &fx.front.control), 0);
    assert_int_equal(front_link_new(fx.env.loop, pair[1], &control_handlers, NULL, &fx.control), 0);
    fx.front.server = serve(&front_handlers, &fx.front, &fx.at);
    fx.kubelet = serve(&kubelet_handlers, NULL, &fx.kubelet_at);
    return 0;
}

static void turns(int n)
{
    while (n-- > 0)
        assert_int_equal(loop_turn(fx.env.loop, 3), 0);
}

static int teardown(void **state)
{
    (void)state;
    http_server_free(fx.front.server);
    turns(3);
    http_server_free(fx.kubelet);
    conn_free(fx.tunnel);
    assert_true(list_empty(&fx.front.calls)); /* no request outlives its client */
    front_link_free(fx.control);
    role_link_free(fx.front.control);
    map_done(&fx.front.streams, NULL);
    mem_free(fx.front.buffer);
    loop_free(fx.env.loop);
    assert_int_equal(mem_live_count(), 0);
    return 0;
}

static int dial(int receive_bytes)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(fx.at.port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_bytes)
        assert_int_equal(
            setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static void put(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* Until `end` was read, or the front closed (*ret_closed). */
static size_t gather(int fd, char *p, size_t size, const char *end, bool *ret_closed)
{
    size_t n = 0;
    p[0] = '\0';
    *ret_closed = false;
    for (int i = 0; i < 5000 && n + 1 < size && !*ret_closed && !(end && strstr(p, end)); i++) {
        turns(1);
        ssize_t got = read(fd, p + n, size - 1 - n);
        if (got > 0)
            n += (size_t)got;
        else
            *ret_closed = got == 0 || errno == ECONNRESET;
        p[n] = '\0';
    }
    return n;
}

#define HEAD(method, path) \
    method " " path        \
           " HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer canary\r\nImpersonate-User: x\r\n"
#define UPGRADE "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"

/* ---- tests ---- */

static void control_answers_and_the_connection_is_kept(void **state)
{
    (void)state;
    char p[2000];
    bool closed;
    int fd = dial(0);
    for (int i = 0; i < 3; i++) {
        put(fd, HEAD("POST", "/api/v1/things?a=b") "Content-Length: 5\r\n\r\nhello");
        gather(fd, p, sizeof p, "0\r\n\r\n", &closed);
        assert_int_equal(strncmp(p, "HTTP/1.1 201 Created\r\n", 22), 0);
        assert_non_null(strstr(p, "x-from: control\r\n"));
        assert_non_null(strstr(p, "made"));
        assert_string_equal(fx.target, "/api/v1/things?a=b");
        assert_string_equal(fx.authorization, "Bearer canary");
        assert_string_equal(fx.content, "hello");
    }
    assert_false(closed);
    close(fd);
}

static void a_body_that_is_too_large_never_reaches_control(void **state)
{
    (void)state;
    char p[2000], chunk[10010];
    bool closed = false;
    int fd = dial(0);
    put(fd, HEAD("POST", "/a") "Content-Length: 3145729\r\n\r\n");
    gather(fd, p, sizeof p, "\"code\":413", &closed);
    assert_non_null(strstr(p, "\"code\":413"));
    close(fd);
    fd = dial(0);
    put(fd, HEAD("POST", "/a") "Transfer-Encoding: chunked\r\n\r\n");
    memset(chunk, 'x', sizeof chunk);
    memcpy(chunk, "2710\r\n", 6);
    memcpy(chunk + 10006, "\r\n", 2);
    for (int i = 0; i < 400 && fx.requests == 0; i++) {
        if (write(fd, chunk, 10008) < 0 && errno != EAGAIN)
            break;
        turns(1);
    }
    turns(20);
    assert_int_equal(fx.requests, 0);
    close(fd);
    turns(5);
}

static void a_client_that_leaves_cancels_its_request(void **state)
{
    (void)state;
    int fd = dial(0);
    put(fd, HEAD("GET", "/wait") "\r\n");
    for (int i = 0; i < 100 && !fx.waiting; i++)
        turns(1);
    assert_non_null(fx.waiting);
    close(fd);
    for (int i = 0; i < 100 && !fx.cancelled; i++)
        turns(1);
    assert_int_equal(fx.cancelled, 1);
}

static void a_reader_that_sleeps_gets_everything_when_it_wakes(void **state)
{
    (void)state;
    static char p[LONG + LONG / 4];
    bool closed;
    int fd = dial(64 * 1024);
    put(fd, HEAD("GET", "/long") "Connection: close\r\n\r\n");
    turns(100);
    assert_true(fx.still > 0); /* back-pressure reached control */
    int other = dial(0);       /* and nobody else is held up */
    put(other, HEAD("GET", "/b") "\r\n");
    gather(other, p, sizeof p, "made", &closed);
    assert_non_null(strstr(p, "made"));
    close(other);
    size_t n = gather(fd, p, sizeof p, NULL, &closed);
    assert_true(closed);
    assert_true(n > LONG);
    assert_memory_equal(p + n - 5, "0\r\n\r\n", 5);
    close(fd);
}

static void without_control_clients_get_a_status(void **state)
{
    (void)state;
    char p[2000];
    bool closed;
    int fd = dial(0), late = dial(0);
    put(fd, HEAD("GET", "/wait") "\r\n");
    turns(10);
    assert_non_null(fx.waiting);
    front_link_free(fx.control);
    fx.control = NULL;
    gather(fd, p, sizeof p, "\"code\":503", &closed);
    assert_non_null(strstr(p, "\"reason\":\"ServiceUnavailable\",\"code\":503"));
    put(late, HEAD("GET", "/b") "\r\n");
    gather(late, p, sizeof p, "\"code\":503", &closed);
    assert_int_equal(strncmp(p, "HTTP/1.1 503 ", 13), 0);
    close(fd);
    close(late);
    turns(5);
}

static void a_proxied_request_carries_its_body_and_no_credentials(void **state)
{
    (void)state;
    char p[2000];
    bool closed;
    int fd = dial(0);
    put(fd, HEAD("POST", "/to/proxy/a") "Cookie: c\r\nX-Own: 1\r\nContent-Length: 5\r\n\r\nhello");
    gather(fd, p, sizeof p, "from the kubelet", &closed);
    assert_int_equal(strncmp(p, "HTTP/1.1 200 OK", 15), 0);
    assert_int_equal(strncmp(fx.seen, "POST /at/kubelet\n", 17), 0);
    assert_non_null(strstr(fx.seen, "x-own: 1\n"));
    assert_int_equal(fx.body_bytes, 5);
    assert_null(strstr(fx.seen, "canary"));
    assert_null(strstr(fx.seen, "impersonate"));
    assert_null(strstr(fx.seen, "cookie"));
    put(fd, HEAD("GET", "/log") "\r\n");
    gather(fd, p, sizeof p, "from the kubelet", &closed);
    assert_int_equal(strncmp(fx.seen, "GET /logs\n", 10), 0);
    close(fd);
    turns(5);
}

static void an_upgrade_is_spliced_both_ways(void **state)
{
    (void)state;
    char p[2000];
    bool closed;
    int fd = dial(0);
    put(fd, HEAD("POST", "/x/exec") UPGRADE "early");
    gather(fd, p, sizeof p, "early", &closed);
    assert_int_equal(strncmp(p, "HTTP/1.1 101 ", 13), 0);
    assert_non_null(strstr(p, "\r\n\r\nearly"));
    assert_null(strstr(fx.seen, "canary"));
    put(fd, "later");
    gather(fd, p, sizeof p, "later", &closed);
    assert_string_equal(p, "later");
    close(fd);
    for (int i = 0; i < 100 && fx.tunnel; i++)
        turns(1);
    assert_null(fx.tunnel);
}

/* CVE-2018-1002105, CVE-2020-8559 */
static void after_a_refused_upgrade_nothing_more_gets_through(void **state)
{
    static const char *const heads[] = {HEAD("GET", "/deny/exec") UPGRADE,
                                        HEAD("GET", "/redirect/exec") UPGRADE};
    static const char *const answers[] = {"HTTP/1.1 403 ", "HTTP/1.1 502 "};
    (void)state;
    for (int i = 0; i < 2; i++) {
        char p[2000];
        bool closed;
        int fd = dial(0);
        put(fd, heads[i]);
        put(fd, HEAD("GET", "/x/exec") "\r\n");
        gather(fd, p, sizeof p, NULL, &closed);
        assert_int_equal(strncmp(p, answers[i], 13), 0);
        assert_null(strstr(p + 13, "HTTP/1.1"));
        assert_null(strstr(p, "127.0.0.1:1/"));
        assert_true(closed);
        assert_int_equal(fx.fetched, (size_t)i + 1);
        close(fd);
    }
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(control_answers_and_the_connection_is_kept),
        T(a_body_that_is_too_large_never_reaches_control),
        T(a_client_that_leaves_cancels_its_request),
        T(a_reader_that_sleeps_gets_everything_when_it_wakes),
        T(without_control_clients_get_a_status),
        T(a_proxied_request_carries_its_body_and_no_credentials),
        T(an_upgrade_is_spliced_both_ways),
        T(after_a_refused_upgrade_nothing_more_gets_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
