/* What nodes and secrets refuse, and of which names is warned. */
#include "cases.h"

static const struct invalid_case nodes[] = {
    {J({"metadata" : {"name" : "n"}, "spec" : {"podCIDR" : "10.1.0.0/24"}}), ""},
    {J({"metadata" : {"name" : "n"}, "spec" : {
            "podCIDRs" : [ "10.1.0.0/24", "10.2.0.0/33" ],
            "taints" : [ {"key" : "a", "effect" : "NoSchedule"}, {"key" : "a", "effect" : "NoSchedule"},
                         {"key" : "b", "effect" : "Later"} ]},
        "status" : {"capacity" : {"cpu" : "-1"}}}),
     "Duplicate metadata.taints[1]: Duplicate value: {\"key\":\"a\",\"effect\":\"NoSchedule\"}: "
     "taints must be unique by key and effect pair\n"
     "NotSupported metadata.taints[2].effect: Unsupported value: \"Later\": supported values: "
     "\"NoSchedule\", \"PreferNoSchedule\", \"NoExecute\"\n"
     "Invalid status.capacity.cpu: Invalid value: \"-1\": must be greater than or equal to 0\n"
     "Invalid spec.podCIDRs[1]: Invalid value: [\"10.1.0.0/24\",\"10.2.0.0/33\"]: must be valid "
     "CIDR\n"
     "Invalid spec.podCIDRs: Invalid value: [\"10.1.0.0/24\",\"10.2.0.0/33\"]: may specify no more "
     "than one CIDR for each IP family"},
    {NULL, NULL},
};

static void node_rules(void **state)
{
    struct fixture *f = *state;
    check_created(f, "/api/v1/nodes", nodes);
    struct answer *a = ask(f, "POST", "/api/v1/nodes",
                           J({"metadata" : {"name" : "n"}, "spec" : {"podCIDR" : "10.1.0.0/24"}}));
    expect(a, 201);
    assert_int_equal(json_count(json_path(a->json, "spec.podCIDRs")), 1);
    check_patched(f, "/api/v1/nodes/n",
                  (const struct invalid_case[]){
                      {J({"spec" : {"podCIDR" : "10.3.0.0/24", "podCIDRs" : ["10.3.0.0/24"]}}),
                       "Forbidden spec.podCIDRs: Forbidden: node updates may not change podCIDR "
                       "except from \"\" to valid"},
                      {NULL, NULL}});
}

#define SECRET(type_, ...) J({"metadata" : {"name" : "s"}, "type" : type_, "stringData" : {__VA_ARGS__}})
static const struct invalid_case secrets[] = {
    {SECRET("kubernetes.io/dockerconfigjson", ".dockerconfigjson" : "{}"), ""},
    {SECRET("kubernetes.io/dockerconfigjson", "x" : "y"),
     "Required data[.dockerconfigjson]: Required value"},
    {SECRET("kubernetes.io/dockercfg", ".dockercfg" : ""),
     "Invalid data[.dockercfg]: Invalid value: \"<secret contents redacted>\": unexpected end of "
     "JSON input"},
    {SECRET("kubernetes.io/ssh-auth", "ssh-privatekey" : ""),
     "Required data[ssh-privatekey]: Required value"},
    {SECRET("kubernetes.io/tls", "tls.crt" : "c"), "Required data[tls.key]: Required value"},
    {SECRET("kubernetes.io/basic-auth", "x" : ""),
     "Required data[username]: Required value\nRequired data[password]: Required value"},
    {NULL, NULL},
};

static void secret_rules(void **state)
{
    check_created(*state, "/api/v1/namespaces/default/secrets", secrets);
}

static const struct invalid_case ranges[] = {
    {J({"metadata" : {"name" : "l"}, "spec" : {"limits" : [
            {"type" : "Container", "min" : {"cpu" : "2"}, "max" : {"cpu" : "1"}},
            {"type" : "PersistentVolumeClaim"} ]}}),
     "Invalid spec.limits[0].min[cpu]: Invalid value: \"2\": min value 2 is greater than max value "
     "1\n"
     "Invalid spec.limits[0].defaultRequest[cpu]: Invalid value: \"1\": min value 2 is greater than "
     "default request value 1\n"
     "Invalid spec.limits[0].default[cpu]: Invalid value: \"2\": min value 2 is greater than default "
     "value 1\n"
     "Required spec.limits[1].limits: Required value: either minimum or maximum storage value is "
     "required, but neither was provided"},
    {NULL, NULL},
};

static void limit_range_rules(void **state)
{
    check_created(*state, "/api/v1/namespaces/default/limitranges", ranges);
}

static void names_that_are_no_labels_are_warned_of(void **state)
{
    struct fixture *f = *state;
    struct answer *a = ask(f, "POST", "/api/v1/namespaces/default/pods?dryRun=All",
                           J({"metadata" : {"name" : "a.b"},
                              "spec" : {"containers" : [ {"name" : "c", "image" : "i"} ]}}));
    expect(a, 201);
    assert_non_null(strstr(a->warning, "metadata.name: this is used in the Pod's hostname, which "
                                       "can result in surprising behavior"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(node_rules, fixture_setup_boot, fixture_teardown),
        cmocka_unit_test_setup_teardown(secret_rules, fixture_setup_boot, fixture_teardown),
        cmocka_unit_test_setup_teardown(limit_range_rules, fixture_setup_boot, fixture_teardown),
        cmocka_unit_test_setup_teardown(names_that_are_no_labels_are_warned_of, fixture_setup_boot,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
