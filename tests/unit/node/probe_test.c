/* Probes over the network: HTTP, HTTPS, TCP, and what they make of odd servers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>

#include "fake_world.h"

static struct world w;
static struct arena a;

static int setup(void **state)
{
    (void)state;
    world_init(&w);
    arena_init(&a, 1 << 26);
    world_start_node(&w);
    world_run(&w, 2000);
    w.accepts = true;
    w.connected = -1;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (w.connected >= 0)
        close(w.connected);
    world_done(&w);
    arena_done(&a);
    return mem_live_count() == 0 ? 0 : -1;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define READY api_text(&w, &a, "pods", "default", "p1", "status.containerStatuses.0.ready")

static void run_pod(const char *probe)
{
    char spec[1024];
    snprintf(spec, sizeof spec, "\"containers\":[{\"name\":\"app\",\"image\":\"i\",\"ports\":[{\"name\":\"web\",\"containerPort\":8080}],"
                                "\"readinessProbe\":{%s,\"periodSeconds\":5,\"failureThreshold\":1}}]", probe);
    api_put_pod(&w, "p1", spec);
    world_run(&w, 300);
}

/* What the node asked; then answers and lets time pass. */
static const char *answer(const char *text)
{
    static char asked[4096];
    ssize_t n = read(w.connected, asked, sizeof asked - 1);
    asked[n > 0 ? n : 0] = 0;
    if (text)
        assert_int_equal(write(w.connected, text, strlen(text)), strlen(text));
    world_run(&w, 500);
    return asked;
}

static void a_good_status_is_ready(void **state)
{
    (void)state;
    run_pod("\"httpGet\":{\"path\":\"/ok\",\"port\":\"web\",\"httpHeaders\":[{\"name\":\"X-A\",\"value\":\"b\"}]}");
    assert_string_equal(w.connected_to, "10.244.0.2:8080");
    assert_string_equal(READY, "false");
    const char *asked = answer("HTTP/1.1 204 No Content\r\n\r\n");
    assert_non_null(strstr(asked, "GET /ok HTTP/1.1\r\nX-A: b\r\nHost: 10.244.0.2:8080\r\n"));
    assert_non_null(strstr(asked, "User-Agent: kube-probe/"));
    assert_string_equal(READY, "true");
}

static void a_bad_status_is_a_failure(void **state)
{
    (void)state;
    run_pod("\"httpGet\":{\"port\":8080}");
    answer("HTTP/1.0 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
    assert_string_equal(READY, "false");
    assert_true(api_has_event(&w, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 500"));
}

static void an_answer_in_pieces_is_waited_for(void **state)
{
    (void)state;
    run_pod("\"httpGet\":{\"port\":8080},\"timeoutSeconds\":4");
    answer("HTTP/1.");
    assert_string_equal(READY, "false");
    answer("1 200 OK\r\n");
    assert_string_equal(READY, "true");
}

static void silence_times_out(void **state)
{
    (void)state;
    run_pod("\"httpGet\":{\"port\":8080},\"timeoutSeconds\":2");
    answer(NULL);
    world_run(&w, 2000);
    assert_true(api_has_event(&w, "Unhealthy", "deadline exceeded"));
}

static void what_is_no_http_fails(void **state)
{
    (void)state;
    run_pod("\"httpGet\":{\"port\":8080}");
    answer("SSH-2.0-OpenSSH_9.2 Debian\r\n");
    assert_true(api_has_event(&w, "Unhealthy", "malformed HTTP response"));
}

static void a_server_that_hangs_up_fails(void **state)
{
    (void)state;
    run_pod("\"httpGet\":{\"port\":8080}");
    close(w.connected);
    w.connected = -1;
    world_run(&w, 500);
    assert_true(api_has_event(&w, "Unhealthy", "closed the connection"));
}

static void https_is_spoken_too(void **state)
{
    (void)state;
    run_pod("\"httpGet\":{\"port\":8080,\"scheme\":\"HTTPS\"}");
    assert_non_null(strstr(answer("HTTP/1.1 200 OK\r\n\r\n"), "GET / HTTP/1.1\r\n"));
    assert_string_equal(READY, "true");
}

static void tcp_only_connects(void **state)
{
    (void)state;
    run_pod("\"tcpSocket\":{\"port\":8080}");
    assert_string_equal(READY, "true");
    w.accepts = false;
    world_run(&w, 6000);
    assert_string_equal(READY, "false");
}

static void grpc_is_refused_clearly(void **state)
{
    (void)state;
    run_pod("\"grpc\":{\"port\":8080}");
    assert_true(api_has_event(&w, "Unhealthy", "gRPC handlers are not supported"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_good_status_is_ready),   T(a_bad_status_is_a_failure), T(an_answer_in_pieces_is_waited_for),
        T(silence_times_out),        T(what_is_no_http_fails),     T(a_server_that_hangs_up_fails),
        T(https_is_spoken_too),      T(tcp_only_connects),         T(grpc_is_refused_clearly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
