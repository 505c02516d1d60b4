/* Rules of a Service: which addresses, which backends, which policy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proxy/table.h"

static struct arena arena;
static struct table_input in;

static struct json *tree(const char *text)
{
    struct json *j = NULL;
    struct err err = {0};
    if (json_parse(&arena, str_of(text), NULL, &j, &err) < 0)
        fail_msg("%s in %s", err.text, text);
    return j;
}

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    in = (struct table_input){.arena = &arena, .node_name = "n1"};
    return net_addr_parse(STR("10.96.0.10"), false, &in.dns_addr);
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static const char slice[] =
    "{\"ports\":[{\"name\":\"http\",\"port\":8080,\"protocol\":\"TCP\"}],\"endpoints\":["
    "{\"addresses\":[\"10.244.0.5\"],\"nodeName\":\"n1\",\"conditions\":{\"ready\":true}},"
    "{\"addresses\":[\"10.244.1.6\"],\"nodeName\":\"n2\",\"conditions\":{\"ready\":true}},"
    "{\"addresses\":[\"10.244.0.7\"],\"nodeName\":\"n1\",\"conditions\":{\"ready\":false,\"serving\":true,\"terminating\":true}}]}";

static void add(const char *service, const char *slice_text)
{
    const struct json *slices[] = {tree(slice_text)};
    assert_int_equal(table_add(&in, tree(service), slices, 1), 0);
}

static void a_node_port_service_has_two_rules(void **state)
{
    (void)state;
    add("{\"spec\":{\"type\":\"NodePort\",\"clusterIPs\":[\"10.96.3.4\"],\"ports\":[{\"name\":\"http\",\"port\":80,\"nodePort\":30080,\"protocol\":\"TCP\"}]}}", slice);
    assert_int_equal(in.service_count, 2);
    assert_int_equal(in.services[0].vip.port, 80);
    assert_int_equal(in.services[0].backend_count, 2);
    assert_int_equal(in.services[0].backends[0].port, 8080);
    assert_false(in.services[0].masquerade);
    assert_true(in.services[1].node_port && in.services[1].masquerade);
    assert_int_equal(in.services[1].vip.port, 30080);
}

static void local_policy_keeps_to_this_node_and_the_client_s_address(void **state)
{
    (void)state;
    add("{\"spec\":{\"externalTrafficPolicy\":\"Local\",\"clusterIPs\":[\"10.96.3.4\"],\"ports\":[{\"name\":\"http\",\"port\":80,\"nodePort\":30080,\"protocol\":\"TCP\"}]}}", slice);
    assert_int_equal(in.services[0].backend_count, 2);
    assert_int_equal(in.services[1].backend_count, 1);
    assert_false(in.services[1].masquerade);
    assert_int_equal(in.services[1].backends[0].ip[3], 5);
}

static void serving_endpoints_that_terminate_are_the_last_resort(void **state)
{
    (void)state;
    add("{\"spec\":{\"clusterIPs\":[\"10.96.3.4\"],\"ports\":[{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\"}]}}",
        "{\"ports\":[{\"name\":\"http\",\"port\":8080,\"protocol\":\"TCP\"}],\"endpoints\":["
        "{\"addresses\":[\"10.244.0.7\"],\"conditions\":{\"ready\":false,\"serving\":true,\"terminating\":true}},"
        "{\"addresses\":[\"10.244.0.8\"],\"conditions\":{\"ready\":false,\"serving\":false,\"terminating\":false}}]}");
    assert_int_equal(in.services[0].backend_count, 1);
    assert_int_equal(in.services[0].backends[0].ip[3], 7);
}

static void what_has_no_rules_gets_none(void **state)
{
    (void)state;
    add("{\"spec\":{\"clusterIP\":\"None\",\"ports\":[{\"port\":80}]}}", slice);
    add("{\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"x.y\",\"ports\":[{\"port\":80}]}}", slice);
    add("{\"spec\":{\"clusterIPs\":[\"10.96.0.10\"],\"ports\":[{\"name\":\"http\",\"port\":53,\"protocol\":\"UDP\"}]}}", slice); /* served here */
    assert_int_equal(in.service_count, 0);
    add("{\"spec\":{\"clusterIPs\":[\"10.96.0.1\"],\"sessionAffinity\":\"ClientIP\",\"ports\":[{\"name\":\"other\",\"port\":1,\"protocol\":\"TCP\"}]}}", slice);
    assert_int_equal(in.service_count, 1); /* no backends: rejected, not dropped */
    assert_int_equal(in.services[0].backend_count, 0);
    assert_int_equal(in.services[0].affinity_s, 10800);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_node_port_service_has_two_rules),
        T(local_policy_keeps_to_this_node_and_the_client_s_address),
        T(serving_endpoints_that_terminate_are_the_last_resort),
        T(what_has_no_rules_gets_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
