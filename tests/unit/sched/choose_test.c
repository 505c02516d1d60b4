/* Placement: what filters refuse and why, what scores prefer, what an assumed pod holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "sched/plugin.h"
#include "sched/queue.h"

static struct arena arena;

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
    static struct sched_state s;
    arena_init(&arena, 1 << 20);
    sched_state_init(&s);
    sched_state_node(&s, tree("{\"metadata\":{\"name\":\"small\",\"labels\":{\"disk\":\"ssd\",\"size\":\"2\"}},"
                              "\"status\":{\"allocatable\":{\"cpu\":\"1\",\"memory\":\"1Gi\",\"pods\":\"3\"}}}"), false);
    sched_state_node(&s, tree("{\"metadata\":{\"name\":\"big\",\"labels\":{\"disk\":\"hdd\",\"size\":\"8\"}},"
                              "\"status\":{\"allocatable\":{\"cpu\":\"4\",\"memory\":\"8Gi\",\"pods\":\"3\",\"example.com/gpu\":\"1\"}}}"), false);
    *state = &s;
    return 0;
}

static int teardown(void **state)
{
    sched_state_done(*state);
    arena_done(&arena);
    return 0;
}

static const char *choose(struct sched_state *s, const char *spec, char *why)
{
    char pod[2048], unused[1024];
    snprintf(pod, sizeof pod, "{\"metadata\":{\"name\":\"p\",\"uid\":\"u\"},\"spec\":%s}", spec);
    struct sched_node *n = sched_choose(s, tree(pod), why ? why : unused, 1024);
    return n ? n->name : NULL;
}

static void the_emptier_node_is_preferred(void **state)
{
    assert_string_equal(choose(*state, "{\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"500m\"}}}]}", NULL), "big");
}

static void what_does_not_fit_is_refused_with_the_reason(void **state)
{
    char why[1024];
    assert_null(choose(*state, "{\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"5\"}}}]}", why));
    assert_string_equal(why, "0/2 nodes are available: 2 Insufficient cpu.");
    assert_null(choose(*state, "{\"nodeSelector\":{\"disk\":\"tape\"}}", why));
    assert_string_equal(why, "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.");
    assert_string_equal(choose(*state, "{\"containers\":[{\"resources\":{\"requests\":{\"example.com/gpu\":\"1\"}}}]}", NULL), "big");
}

static void an_init_container_counts_by_its_peak(void **state)
{
    assert_string_equal(choose(*state, "{\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"100m\"}}}],"
                                       "\"initContainers\":[{\"resources\":{\"requests\":{\"cpu\":\"3\"}}}]}", NULL), "big");
    assert_null(choose(*state, "{\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"2\"}}}],"
                               "\"initContainers\":[{\"restartPolicy\":\"Always\",\"resources\":{\"requests\":{\"cpu\":\"3\"}}}]}", NULL));
}

static void selectors_and_affinity_choose(void **state)
{
    assert_string_equal(choose(*state, "{\"nodeSelector\":{\"disk\":\"ssd\"}}", NULL), "small");
    assert_string_equal(choose(*state,
        "{\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{\"nodeSelectorTerms\":"
        "[{\"matchExpressions\":[{\"key\":\"size\",\"operator\":\"Lt\",\"values\":[\"5\"]}]}]}}}}", NULL), "small");
    assert_string_equal(choose(*state,
        "{\"affinity\":{\"nodeAffinity\":{\"preferredDuringSchedulingIgnoredDuringExecution\":[{\"weight\":100,\"preference\":"
        "{\"matchExpressions\":[{\"key\":\"disk\",\"operator\":\"In\",\"values\":[\"ssd\"]}]}}]}}}", NULL), "small");
}

static void taints_repel_unless_tolerated(void **state)
{
    char why[1024];
    sched_state_node(*state, tree("{\"metadata\":{\"name\":\"big\"},\"spec\":{\"taints\":[{\"key\":\"k\",\"value\":\"v\",\"effect\":\"NoSchedule\"}]},"
                                  "\"status\":{\"allocatable\":{\"cpu\":\"4\",\"memory\":\"8Gi\",\"pods\":\"3\"}}}"), false);
    sched_state_node(*state, tree("{\"metadata\":{\"name\":\"small\"},\"spec\":{\"unschedulable\":true},"
                                  "\"status\":{\"allocatable\":{\"cpu\":\"1\",\"memory\":\"1Gi\",\"pods\":\"3\"}}}"), false);
    assert_null(choose(*state, "{}", why));
    assert_non_null(strstr(why, "1 node(s) had untolerated taint {k: v}"));
    assert_non_null(strstr(why, "1 node(s) were unschedulable"));
    assert_string_equal(choose(*state, "{\"tolerations\":[{\"key\":\"k\",\"operator\":\"Exists\"}]}", NULL), "big");
    assert_string_equal(choose(*state, "{\"tolerations\":[{\"key\":\"node.kubernetes.io/unschedulable\",\"operator\":\"Exists\"}]}", NULL), "small");
}

static void an_assumed_pod_holds_its_place_until_it_expires(void **state)
{
    struct json *big = tree("{\"metadata\":{\"uid\":\"a\"},\"spec\":{\"containers\":[{\"ports\":[{\"hostPort\":80}],\"resources\":{\"requests\":{\"cpu\":\"4\"}}}]}}");
    const char *needs = "{\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"2\"}}}]}";
    assert_int_equal(sched_state_assume(*state, big, "big", 1000), 0);
    assert_null(choose(*state, needs, NULL));
    sched_state_pod(*state, tree("{\"metadata\":{\"uid\":\"a\"},\"spec\":{}}"), false); /* an older state of it */
    assert_null(choose(*state, needs, NULL));
    sched_state_expire(*state, 999);
    assert_null(choose(*state, needs, NULL));
    sched_state_expire(*state, 1000);
    assert_string_equal(choose(*state, needs, NULL), "big");
}

static void a_host_port_is_taken_once(void **state)
{
    char why[1024];
    const char *spec = "{\"nodeName\":\"%s\",\"containers\":[{\"ports\":[{\"hostPort\":80,\"protocol\":\"TCP\"}]}]}";
    const char *nodes[] = {"small", "big"};
    for (int i = 0; i < 2; i++) {
        char s[512], pod[1024];
        snprintf(s, sizeof s, spec, nodes[i]);
        snprintf(pod, sizeof pod, "{\"metadata\":{\"uid\":\"u%d\"},\"spec\":%s}", i, s);
        sched_state_pod(*state, tree(pod), false);
    }
    assert_null(choose(*state, "{\"containers\":[{\"ports\":[{\"hostPort\":80}]}]}", why));
    assert_string_equal(why, "0/2 nodes are available: 2 node(s) didn't have free ports for the requested pod ports.");
    assert_non_null(choose(*state, "{\"containers\":[{\"ports\":[{\"hostPort\":80,\"protocol\":\"UDP\"}]}]}", NULL));
}

static void pods_beyond_the_node_s_number_wait(void **state)
{
    char pod[256], why[1024];
    for (int i = 0; i < 6; i++) {
        snprintf(pod, sizeof pod, "{\"metadata\":{\"uid\":\"u%d\"},\"spec\":{\"nodeName\":\"%s\"}}", i, i < 3 ? "small" : "big");
        sched_state_pod(*state, tree(pod), false);
    }
    assert_null(choose(*state, "{}", why));
    assert_string_equal(why, "0/2 nodes are available: 2 Too many pods.");
    sched_state_pod(*state, tree("{\"metadata\":{\"uid\":\"u0\"},\"spec\":{\"nodeName\":\"small\"},\"status\":{\"phase\":\"Succeeded\"}}"), false);
    assert_string_equal(choose(*state, "{}", NULL), "small");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_emptier_node_is_preferred),
        T(what_does_not_fit_is_refused_with_the_reason),
        T(an_init_container_counts_by_its_peak),
        T(selectors_and_affinity_choose),
        T(taints_repel_unless_tolerated),
        T(an_assumed_pod_holds_its_place_until_it_expires),
        T(a_host_port_is_taken_once),
        T(pods_beyond_the_node_s_number_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
