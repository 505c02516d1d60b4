/* What objects cost a quota, and which of them are in its scopes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "quota/quota.h"

static struct json *parse(struct arena *a, const char *text)
{
    struct json *j = NULL;
    assert_int_equal(json_parse(a, str_of(text), NULL, &j, NULL), 0);
    return j;
}

struct row {
    const char *group, *plural, *object, *usage;
};

static const struct row rows[] = {
    {"", "configmaps", "{}", "configmaps=1,count/configmaps=1"},
    {"", "serviceaccounts", "{}", "count/serviceaccounts=1"},
    {"apps", "replicasets", "{}", "count/replicasets.apps=1"},
    {"", "services", "{\"spec\":{\"type\":\"ClusterIP\",\"ports\":[{}]}}",
     "count/services=1,services=1,services.loadbalancers=0,services.nodeports=0"},
    {"", "services", "{\"spec\":{\"type\":\"NodePort\",\"ports\":[{},{}]}}",
     "count/services=1,services=1,services.loadbalancers=0,services.nodeports=2"},
    {"", "services", "{\"spec\":{\"type\":\"LoadBalancer\",\"ports\":[{},{}]}}",
     "count/services=1,services=1,services.loadbalancers=1,services.nodeports=2"},
    {"", "services",
     "{\"spec\":{\"type\":\"LoadBalancer\",\"allocateLoadBalancerNodePorts\":false,\"ports\":[{\"nodePort\":30000},{}]}}",
     "count/services=1,services=1,services.loadbalancers=1,services.nodeports=1"},
    {"", "persistentvolumeclaims",
     "{\"spec\":{\"storageClassName\":\"gold\",\"resources\":{\"requests\":{\"storage\":\"1500m\"}}},"
     "\"status\":{\"allocatedResources\":{\"storage\":\"3\"}}}",
     "count/persistentvolumeclaims=1,gold.storageclass.storage.k8s.io/persistentvolumeclaims=1,"
     "gold.storageclass.storage.k8s.io/requests.storage=3,persistentvolumeclaims=1,requests.storage=3"},
    {"", "persistentvolumeclaims", "{\"spec\":{\"resources\":{\"requests\":{\"storage\":\"1500m\"}}}}",
     "count/persistentvolumeclaims=1,persistentvolumeclaims=1,requests.storage=2"},
    {"resource.k8s.io", "resourceclaims",
     "{\"spec\":{\"devices\":{\"requests\":[{\"exactly\":{\"deviceClassName\":\"gpu\",\"count\":3}},"
     "{\"exactly\":{\"deviceClassName\":\"nic\",\"allocationMode\":\"All\"}},"
     "{\"firstAvailable\":[{\"deviceClassName\":\"gpu\",\"count\":1},{\"deviceClassName\":\"gpu\",\"count\":2}]}]}}}",
     "count/resourceclaims.resource.k8s.io=1,gpu.deviceclass.resource.k8s.io/devices=5,"
     "nic.deviceclass.resource.k8s.io/devices=32"},
    {"", "pods", "{\"spec\":{\"containers\":[{}]}}", "count/pods=1,pods=1"},
    {"", "pods", "{\"spec\":{\"containers\":[{}]},\"status\":{\"phase\":\"Failed\"}}", "count/pods=1"},
    {"", "pods",
     "{\"metadata\":{\"deletionTimestamp\":\"1970-01-01T00:10:00Z\",\"deletionGracePeriodSeconds\":30}}",
     "count/pods=1"}, /* now is 1000 s after the epoch */
    {"", "pods",
     "{\"metadata\":{\"deletionTimestamp\":\"1970-01-01T00:16:30Z\",\"deletionGracePeriodSeconds\":30}}",
     "count/pods=1,pods=1"},
    {"", "pods",
     "{\"spec\":{\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"1\",\"memory\":\"1Gi\",\"hugepages-2Mi\":\"4Mi\","
     "\"example.com/dongle\":\"2\"},\"limits\":{\"cpu\":\"2\",\"ephemeral-storage\":\"1G\"}}},"
     "{\"resources\":{\"requests\":{\"cpu\":\"500m\"}}}]}}",
     "count/pods=1,cpu=1500m,hugepages-2Mi=4Mi,limits.cpu=2,limits.ephemeral-storage=1G,memory=1Gi,pods=1,"
     "requests.cpu=1500m,requests.example.com/dongle=2,requests.hugepages-2Mi=4Mi,requests.memory=1Gi"},
    /* init containers run before the others, sidecars beside all that comes after them */
    {"", "pods",
     "{\"spec\":{\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"1\"}}}],\"initContainers\":["
     "{\"resources\":{\"requests\":{\"cpu\":\"3\"}}}]}}",
     "count/pods=1,cpu=3,pods=1,requests.cpu=3"},
    {"", "pods",
     "{\"spec\":{\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"1\"}}}],\"initContainers\":["
     "{\"restartPolicy\":\"Always\",\"resources\":{\"requests\":{\"cpu\":\"1\"}}},{\"resources\":{\"requests\":{\"cpu\":\"3\"}}}]}}",
     "count/pods=1,cpu=4,pods=1,requests.cpu=4"},
    {"", "pods",
     "{\"spec\":{\"overhead\":{\"cpu\":\"250m\"},\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"1\"},\"limits\":{\"memory\":\"1\"}}}]}}",
     "count/pods=1,cpu=1250m,limits.memory=1,pods=1,requests.cpu=1250m"},
    {"", "pods",
     "{\"spec\":{\"resources\":{\"requests\":{\"cpu\":\"5\"}},\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"1\",\"memory\":\"1\"}}}]}}",
     "count/pods=1,cpu=5,memory=1,pods=1,requests.cpu=5,requests.memory=1"},
    /* while it is resized: the larger */
    {"", "pods",
     "{\"spec\":{\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"1\"}}}]},"
     "\"status\":{\"containerStatuses\":[{\"name\":\"c\",\"allocatedResources\":{\"cpu\":\"2\"}}]}}",
     "count/pods=1,cpu=2,pods=1,requests.cpu=2"},
};

static void each_object_costs_what_upstream_charges(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena a CLEANUP_ARENA;
        arena_init(&a, 1 << 20);
        struct quota_item item = {rows[i].group, rows[i].plural, parse(&a, rows[i].object), 1000};
        struct amounts used;
        amounts_init(&used, &a);
        quota_usage(&item, &used);
        assert_string_equal(amounts_text(&used), rows[i].usage);
        for (size_t k = 0; k < used.count; k++) /* nothing is charged that could not be bounded */
            assert_true(quota_counts(rows[i].group, rows[i].plural, used.at[k].name));
    }
}

static void a_name_counts_one_resource(void **state)
{
    (void)state;
    assert_true(quota_counts("apps", "deployments", STR("count/deployments.apps")));
    assert_false(quota_counts("", "deployments", STR("count/deployments.apps")));
    assert_false(quota_counts("apps", "deployments", STR("count/deployments")));
    assert_false(quota_counts("apps", "deployments", STR("count/deployments.apps.")));
    assert_false(quota_counts("apps", "deploy", STR("count/deployments.apps")));
    assert_false(quota_counts("", "pods", STR("requests.storage")));
    assert_false(quota_counts("", "pods", STR("example.com/dongle")));
    assert_false(quota_counts("", "pods", STR("requests.kubernetes.io/x")));
    assert_false(quota_counts("", "endpoints", STR("endpoints")));
    assert_true(quota_ignores("", "events") && quota_ignores("events.k8s.io", "events"));
    assert_false(quota_ignores("example.com", "events"));
}

struct scope_row {
    const char *spec, *pod;
    bool in;
};

#define SCOPE(s)              "{\"scopes\":[\"" s "\"]}"
#define SELECT(s, op, values) "{\"scopeSelector\":{\"matchExpressions\":[{\"scopeName\":\"" s "\",\"operator\":\"" op "\"" values "}]}}"
#define IN                    ",\"values\":[\"high\",\"low\"]"
#define POD(spec)             "{\"spec\":{" spec "}}"
#define ABROAD                "\"affinity\":{\"podAntiAffinity\":{\"preferredDuringSchedulingIgnoredDuringExecution\":[{\"podAffinityTerm\":"

static const struct scope_row scope_rows[] = {
    {"{}", POD(""), true},
    {SCOPE("Terminating"), POD(""), false},
    {SCOPE("Terminating"), POD("\"activeDeadlineSeconds\":0"), true},
    {SCOPE("NotTerminating"), POD("\"activeDeadlineSeconds\":5"), false},
    {SCOPE("NotTerminating"), POD(""), true},
    {SCOPE("BestEffort"), POD("\"containers\":[{}]"), true},
    {SCOPE("BestEffort"), POD("\"containers\":[{\"resources\":{\"limits\":{\"cpu\":\"1\"}}}]"), false},
    {SCOPE("NotBestEffort"), POD("\"initContainers\":[{\"resources\":{\"requests\":{\"memory\":\"1\"}}}]"), true},
    {SCOPE("BestEffort"), POD("\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"0\"}}}]"), true},
    {SCOPE("PriorityClass"), POD(""), false},
    {SCOPE("PriorityClass"), POD("\"priorityClassName\":\"high\""), true},
    {SELECT("PriorityClass", "In", IN), POD("\"priorityClassName\":\"low\""), true},
    {SELECT("PriorityClass", "In", IN), POD("\"priorityClassName\":\"mid\""), false},
    {SELECT("PriorityClass", "In", IN), POD(""), false},
    {SELECT("PriorityClass", "NotIn", IN), POD("\"priorityClassName\":\"mid\""), true},
    {SELECT("PriorityClass", "NotIn", IN), POD(""), true},
    {SELECT("PriorityClass", "NotIn", IN), POD("\"priorityClassName\":\"low\""), false},
    {SELECT("PriorityClass", "Exists", ""), POD("\"priorityClassName\":\"x\""), true},
    {SELECT("PriorityClass", "DoesNotExist", ""), POD("\"priorityClassName\":\"x\""), false},
    {SELECT("PriorityClass", "DoesNotExist", ""), POD(""), true},
    {SELECT("CrossNamespacePodAffinity", "Exists", ""), POD(ABROAD "{\"namespaces\":[\"x\"]}}]}}"), true},
    {SELECT("CrossNamespacePodAffinity", "Exists", ""), POD(ABROAD "{\"namespaceSelector\":{}}}]}}"), true},
    {SELECT("CrossNamespacePodAffinity", "Exists", ""), POD(ABROAD "{\"topologyKey\":\"x\"}}]}}"), false},
    {SCOPE("VolumeAttributesClass"), POD(""), false},
};

static void scopes_select_pods(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof scope_rows / sizeof scope_rows[0]; i++) {
        struct arena a CLEANUP_ARENA;
        arena_init(&a, 1 << 20);
        const struct scope_row *row = &scope_rows[i];
        struct quota_item pod = {"", "pods", parse(&a, row->pod), 0};
        if (quota_in_scope(parse(&a, row->spec), &pod) != row->in)
            fail_msg("%s of %s", row->spec, row->pod);
        struct quota_item map = {"", "configmaps", pod.object, 0};
        assert_int_equal(quota_in_scope(parse(&a, row->spec), &map), i == 0);
    }
}

static void a_claim_is_in_the_scopes_of_all_its_attributes_classes(void **state)
{
    (void)state;
    struct arena a CLEANUP_ARENA;
    arena_init(&a, 1 << 20);
    struct quota_item claim = {"", "persistentvolumeclaims", NULL, 0};
    claim.object = parse(&a, "{\"spec\":{\"volumeAttributesClassName\":\"mid\"},"
                             "\"status\":{\"currentVolumeAttributesClassName\":\"low\"}}");
    assert_true(quota_in_scope(parse(&a, SELECT("VolumeAttributesClass", "In", IN)), &claim));
    claim.object = parse(&a, "{\"spec\":{\"volumeAttributesClassName\":\"mid\"}}");
    assert_false(quota_in_scope(parse(&a, SELECT("VolumeAttributesClass", "In", IN)), &claim));
    assert_true(quota_in_scope(parse(&a, SELECT("VolumeAttributesClass", "Exists", "")), &claim));
    claim.object = parse(&a, "{}");
    assert_true(quota_in_scope(parse(&a, SELECT("VolumeAttributesClass", "DoesNotExist", "")), &claim));
    assert_false(quota_in_scope(parse(&a, SCOPE("BestEffort")), &claim));
}

static void containers_must_say_what_is_bounded(void **state)
{
    (void)state;
    struct arena a CLEANUP_ARENA;
    arena_init(&a, 1 << 20);
    struct amounts bounded;
    amounts_init(&bounded, &a);
    amounts_read(&bounded, parse(&a, "{\"cpu\":\"1\",\"limits.memory\":\"1\",\"pods\":\"1\",\"ephemeral-storage\":\"1\"}"));
    struct quota_item pod = {"", "pods", NULL, 0};
    pod.object = parse(&a, POD("\"containers\":[{\"name\":\"b\"},{\"name\":\"a\",\"resources\":{\"requests\":{\"cpu\":\"1\"}}}],"
                               "\"initContainers\":[{\"name\":\"i\",\"resources\":{\"limits\":{\"memory\":\"1\"}}}]"));
    assert_string_equal(quota_missing(&pod, &bounded), "must specify cpu for: b,i; limits.memory for: a,b");
    pod.object = parse(&a, POD("\"containers\":[{\"name\":\"a\",\"resources\":{\"requests\":{\"cpu\":\"1\"},\"limits\":{\"memory\":\"1\"}}}]"));
    assert_null(quota_missing(&pod, &bounded));
}

static void amounts_add_up(void **state)
{
    (void)state;
    struct arena a CLEANUP_ARENA;
    arena_init(&a, 1 << 20);
    struct amounts x, y;
    amounts_init(&x, &a);
    amounts_init(&y, &a);
    amounts_read(&x, parse(&a, "{\"b\":\"1\",\"a\":\"500m\",\"wrong\":\"one\"}"));
    amounts_read(&y, parse(&a, "{\"c\":\"1Gi\",\"a\":\"600m\"}"));
    amounts_add(&x, &y);
    assert_string_equal(amounts_text(&x), "a=1100m,b=1,c=1Gi");
    assert_string_equal(amounts_names(&x), "a,b,c");
    amounts_less(&y, &x);
    assert_string_equal(amounts_text(&y), "a=0,c=0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_object_costs_what_upstream_charges),
        cmocka_unit_test(a_name_counts_one_resource),
        cmocka_unit_test(scopes_select_pods),
        cmocka_unit_test(a_claim_is_in_the_scopes_of_all_its_attributes_classes),
        cmocka_unit_test(containers_must_say_what_is_bounded),
        cmocka_unit_test(amounts_add_up),
    };
    return cmocka_run_group_tests_name("usage", tests, NULL, NULL);
}
