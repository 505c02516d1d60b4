/* Service rules with real packets: a pod whose server is reached through a service. */
#include "engine_fixture.h"
#include "port/rules.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int setup(void **state)
{
    static struct fixture f;
    fixture_open(&f);
    if (fixture_pod(&f) < 0)
        fail_msg("pod_create: %s", f.message);
    *state = &f;
    const char *process = "\"args\":[\"sh\",\"-c\",\"while true; do echo served | nc -l -p 8080 -w 2; done\"],\"cwd\":\"/\"";
    assert_int_equal(fixture_create(&f, 'a', process, "", "", false), 0);
    assert_int_equal(fixture_start(&f, 'a'), 0);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (fixture_pod_remove(f) < 0)
        fail_msg("pod_remove: %s", f->message);
    fixture_close(f);
    return 0;
}

static struct net_addr addr(const char *ip, uint16_t port)
{
    struct net_addr a;
    assert_int_equal(net_addr_parse(str_of(ip), false, &a), 0);
    a.port = port;
    return a;
}

static void apply(struct fixture *f, const struct rules_service *services, size_t count)
{
    struct rules_table t = {services, count, addr("10.244.0.0", 0), 24};
    f->answered = false;
    f->rt.ops->rules_apply(f->rt.self, &t, fixture_done, f);
    fixture_wait(f, &f->answered);
    if (f->rc < 0)
        fail_msg("rules_apply: %s", f->message);
}

/* What a client in the pod gets from address:port. */
static int ask(struct fixture *f, char digit, const char *where, char *out, size_t size)
{
    char script[128];
    snprintf(script, sizeof script, "sleep 0.2; nc -w 2 %s </dev/null", where);
    int code = fixture_run(f, digit, script, out, size);
    assert_int_equal(fixture_remove(f, digit), 0);
    return code;
}

static int from_node(const char *ip, uint16_t port, char *out, size_t size)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval limit = {3, 0};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    inet_pton(AF_INET, ip, &at.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    usleep(200000);
    ssize_t n = -1;
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
        n = recv(fd, out, size - 1, 0);
    out[n > 0 ? n : 0] = 0;
    close(fd);
    return n > 0 ? 0 : -1;
}

static void a_pod_reaches_itself_through_a_cluster_address(void **state)
{
    struct fixture *f = *state;
    char out[4096];
    struct net_addr backend = addr("10.244.0.7", 8080);
    struct rules_service s = {RULES_TCP, addr("10.96.0.50", 80), false, 0, false, &backend, 1};
    apply(f, &s, 1);
    assert_int_equal(ask(f, 'b', "10.96.0.50 80", out, sizeof out), 0);
    assert_string_equal(out, "served\n");
    s.affinity_s = 10800;
    apply(f, &s, 1);
    assert_int_equal(ask(f, 'c', "10.96.0.50 80", out, sizeof out), 0);
    assert_string_equal(out, "served\n");
}

static void the_node_port_is_open_on_the_nodes_addresses_only(void **state)
{
    struct fixture *f = *state;
    char out[4096];
    struct net_addr backend = addr("10.244.0.7", 8080);
    struct rules_service s = {RULES_TCP, {.port = 30080}, true, 0, true, &backend, 1};
    apply(f, &s, 1);
    assert_int_equal(from_node("10.244.0.1", 30080, out, sizeof out), 0);
    assert_string_equal(out, "served\n");
    assert_int_equal(from_node("10.244.0.7", 30080, out, sizeof out), -1);
}

static void a_service_without_backends_refuses_at_once(void **state)
{
    struct fixture *f = *state;
    char out[4096];
    struct rules_service s = {RULES_TCP, addr("10.244.0.1", 81), false, 0, false, NULL, 0};
    apply(f, &s, 1);
    assert_int_not_equal(ask(f, 'd', "10.244.0.1 81", out, sizeof out), 0);
    assert_non_null(strstr(out, "refused"));
}

static void ten_thousand_services_are_one_transaction(void **state)
{
    enum { COUNT = 10000 };
    struct fixture *f = *state;
    static struct rules_service s[COUNT];
    struct net_addr backends[2] = {addr("10.244.0.7", 8080), addr("10.244.0.7", 8080)};
    char out[4096];
    for (int i = 0; i < COUNT; i++) {
        s[i] = (struct rules_service){RULES_TCP, addr("10.96.0.0", 80), false, 0, false, backends, 2};
        s[i].vip.ip[2] = (uint8_t)(i >> 8);
        s[i].vip.ip[3] = (uint8_t)i;
    }
    apply(f, s, COUNT);
    assert_int_equal(ask(f, 'e', "10.96.39.15 80", out, sizeof out), 0); /* the last one */
    assert_string_equal(out, "served\n");
    apply(f, NULL, 0);
    assert_int_not_equal(ask(f, 'f', "10.96.39.15 80", out, sizeof out), 0);
}

static void port_forward_reaches_loopback_of_the_pod(void **state)
{
    struct fixture *f = *state;
    char out[64] = "";
    usleep(200000);
    f->answered = false;
    f->rt.ops->dial(f->rt.self, TEST_UID, 8080, fixture_streams, f);
    fixture_wait(f, &f->answered);
    assert_int_equal(f->rc, 0);
    for (int i = 0; i < 300 && recv(f->streams.in, out, sizeof out - 1, MSG_DONTWAIT) <= 0; i++)
        usleep(10000);
    assert_string_equal(out, "served\n");
    close(f->streams.in);
    close(f->streams.out);
    f->answered = false;
    f->rt.ops->dial(f->rt.self, TEST_UID, 9, fixture_streams, f);
    fixture_wait(f, &f->answered);
    assert_true(f->rc < 0);
    assert_non_null(strstr(f->message, "refused"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_pod_reaches_itself_through_a_cluster_address, setup, teardown),
        cmocka_unit_test_setup_teardown(the_node_port_is_open_on_the_nodes_addresses_only, setup, teardown),
        cmocka_unit_test_setup_teardown(a_service_without_backends_refuses_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(ten_thousand_services_are_one_transaction, setup, teardown),
        cmocka_unit_test_setup_teardown(port_forward_reaches_loopback_of_the_pod, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
