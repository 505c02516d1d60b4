/* HorizontalPodAutoscalers in both versions, PodDisruptionBudgets, revisions, pod templates. */
#include "cases.h"

#define V1     "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers"
#define V2     "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
#define PDBS   "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
#define TARGET "scaleTargetRef" : {"kind" : "Deployment", "name" : "d", "apiVersion" : "apps/v1"}
#define HPA(...) J({"metadata" : {"name" : "h"}, "spec" : {TARGET, "maxReplicas" : 3 __VA_OPT__(, ) \
                                                           __VA_ARGS__}})

static const struct invalid_case autoscalers[] = {
    {HPA(), ""},
    {J({"metadata" : {"name" : "h"}, "spec" : {"minReplicas" : 0}}),
     "Invalid spec.minReplicas: Invalid value: 0: must be greater than or equal to 1\n"
     "Invalid spec.maxReplicas: Invalid value: 0: must be greater than 0\n"
     "Required spec.scaleTargetRef.kind: Required value\n"
     "Required spec.scaleTargetRef.name: Required value\n"
     "Forbidden spec.metrics: Forbidden: must specify at least one Object or External metric to "
     "support scaling to zero replicas"},
    {HPA("minReplicas" : 5, "metrics" : [
         {"type" : "Pods", "resource" : {"name" : "cpu", "target" : {"type" : "Utilization"}}},
         {"type" : "External", "external" : {"metric" : {"name" : "q"},
                                             "target" : {"type" : "Value", "value" : "0"}}},
         {"type" : "Other"} ]),
     "Invalid spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`\n"
     "Required spec.metrics[0].resource.target.averageUtilization: Required value: must set either "
     "a target raw value or a target utilization\n"
     "Required spec.metrics[0].pods: Required value: must populate information for the given "
     "metric source\n"
     "Invalid spec.metrics[1].external.target.value: Invalid value: \"0\": must be positive\n"
     "NotSupported spec.metrics[2].type: Unsupported value: \"Other\": supported values: "
     "\"ContainerResource\", \"External\", \"Object\", \"Pods\", \"Resource\"\n"
     "NotSupported spec.metrics[2].type: Unsupported value: \"Other\": supported values: "
     "\"ContainerResource\", \"External\", \"Object\", \"Pods\", \"Resource\""},
    {HPA("behavior" : {"scaleUp" : {"selectPolicy" : "Any", "stabilizationWindowSeconds" : 3601},
                       "scaleDown" : {"policies" : [ {"type" : "Pod", "value" : 0,
                                                      "periodSeconds" : 1801} ]}}),
     "Invalid spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: 3601: must be less "
     "than or equal to 3600\n"
     "NotSupported spec.behavior.scaleUp.selectPolicy: Unsupported value: \"Any\": supported "
     "values: \"Disabled\", \"Max\", \"Min\"\n"
     "NotSupported spec.behavior.scaleDown.policies[0].type: Unsupported value: \"Pod\": supported "
     "values: \"Percent\", \"Pods\"\n"
     "Invalid spec.behavior.scaleDown.policies[0].value: Invalid value: 0: must be greater than "
     "zero\n"
     "Invalid spec.behavior.scaleDown.policies[0].periodSeconds: Invalid value: 1801: must be less "
     "than or equal to 1800"},
    {NULL, NULL},
};

static const struct json *metric(const struct answer *a, uint32_t i)
{
    return json_at(json_path(a->json, "spec.metrics"), i);
}

static const char *note(const struct answer *a, const char *name)
{
    return json_cstr(json_get(json_path(a->json, "metadata.annotations"), name));
}

static void autoscalers_are_one_in_two_versions(void **state)
{
    struct fixture *f = *state;
    check_created(f, V2, autoscalers);
    expect(ask(f, "POST", V2,
               HPA("behavior" : {"scaleUp" : {"selectPolicy" : "Min"}}, "metrics" : [
                   {"type" : "Pods", "pods" : {"metric" : {"name" : "q"},
                                               "target" : {"type" : "AverageValue",
                                                           "averageValue" : "5"}}},
                   {"type" : "Resource", "resource" : {
                        "name" : "cpu", "target" : {"type" : "Utilization",
                                                    "averageUtilization" : 60}}} ])),
           201);
    struct answer *a = ask(f, "GET", V1 "/h", NULL);
    assert_int_equal(int_at(a, "spec.targetCPUUtilizationPercentage"), 60);
    assert_true(json_absent(json_path(a->json, "spec.metrics")));
    assert_string_equal(
        note(a, "autoscaling.alpha.kubernetes.io/metrics"),
        "[{\"type\":\"Pods\",\"pods\":{\"metricName\":\"q\",\"targetAverageValue\":\"5\"}}]");
    assert_non_null(strstr(note(a, "autoscaling.alpha.kubernetes.io/behavior"),
                           "\"ScaleUp\":{\"SelectPolicy\":\"Min\""));
    /* A write through v1 keeps what v1 cannot say. */
    expect(ask(f, "PATCH", V1 "/h", J({"spec" : {"targetCPUUtilizationPercentage" : 70}})), 200);
    a = ask(f, "GET", V2 "/h", NULL);
    assert_int_equal(json_count(json_path(a->json, "spec.metrics")), 2);
    assert_string_equal(json_path_cstr(metric(a, 0), "pods.target.averageValue"), "5");
    assert_string_equal(json_path_cstr(metric(a, 0), "pods.target.type"), "AverageValue");
    assert_int_equal(json_path_i64(metric(a, 1), "resource.target.averageUtilization", 0), 70);
    assert_string_equal(at(a, "spec.behavior.scaleUp.selectPolicy"), "Min");
    assert_int_equal(json_count(json_path(a->json, "spec.behavior.scaleUp.policies")), 2);
    assert_true(json_absent(json_path(a->json, "metadata.annotations")));
}

static void annotations_that_mean_nothing_are_dropped(void **state)
{
    struct fixture *f = *state;
    expect(ask(f, "POST", V1,
               J({"metadata" : {"name" : "h", "annotations" : {
                                    "autoscaling.alpha.kubernetes.io/metrics" : "[{\"pods\":5}]",
                                    "autoscaling.alpha.kubernetes.io/behavior" : "{\"ScaleUp\":3}"}},
                  "spec" : {"scaleTargetRef" : {"kind" : "D", "name" : "d"}, "maxReplicas" : 2,
                            "targetCPUUtilizationPercentage" : 5}})),
           201);
    struct answer *a = ask(f, "GET", V2 "/h", NULL);
    assert_true(json_absent(json_path(a->json, "spec.behavior")));
    assert_true(json_absent(json_path(a->json, "metadata.annotations")));
    check_patched(f, V1 "/h",
                  (const struct invalid_case[]){
                      {J({"spec" : {"maxReplicas" : 0}}),
                       "Invalid spec.maxReplicas: Invalid value: 0: must be greater than 0\n"
                       "Invalid spec.maxReplicas: Invalid value: 0: must be greater than or equal "
                       "to `minReplicas`"},
                      {NULL, NULL}});
}

#define PDB(...) J({"metadata" : {"name" : "p"}, "spec" : {__VA_ARGS__}})
static const struct invalid_case budgets[] = {
    {PDB("minAvailable" : 1, "selector" : {"matchLabels" : {"a" : "b"}}), ""},
    {PDB("minAvailable" : "101%", "maxUnavailable" : -1),
     "Invalid spec: Invalid value: {\"minAvailable\":\"101%\",\"maxUnavailable\":-1}: minAvailable "
     "and maxUnavailable cannot be both set\n"
     "Invalid spec.minAvailable: Invalid value: \"101%\": must not be greater than 100%\n"
     "Invalid spec.maxUnavailable: Invalid value: -1: must be greater than or equal to 0"},
    {PDB("unhealthyPodEvictionPolicy" : "Never"),
     "NotSupported spec.unhealthyPodEvictionPolicy: Unsupported value: \"Never\": supported values: "
     "\"AlwaysAllow\", \"IfHealthyBudget\""},
    {NULL, NULL},
};
static const struct invalid_case budget_status[] = {
    {J({"status" : {"disruptionsAllowed" : -1, "conditions" : [ {"type" : "A", "status" : "X"} ]}}),
     "NotSupported status.conditions[0].status: Unsupported value: \"X\": supported values: "
     "\"False\", \"True\", \"Unknown\"\n"
     "Required status.conditions[0].lastTransitionTime: Required value: must be set\n"
     "Required status.conditions[0].reason: Required value: must be set\n"
     "Invalid status.disruptionsAllowed: Invalid value: -1: must be greater than or equal to 0"},
    {NULL, NULL},
};

static void disruption_budgets(void **state)
{
    struct fixture *f = *state;
    check_created(f, PDBS, budgets);
    expect(ask(f, "POST", PDBS, PDB("maxUnavailable" : "10%")), 201);
    check_patched(f, PDBS "/p/status", budget_status);
}

static void revisions_and_templates(void **state)
{
    struct fixture *f = *state;
    const char *revisions = "/apis/apps/v1/namespaces/default/controllerrevisions";
    const char *templates = "/api/v1/namespaces/default/podtemplates";
    check_created(f, revisions,
                  (const struct invalid_case[]){
                      {J({"metadata" : {"name" : "r"}, "revision" : -1}),
                       "Required data: Required value: data is mandatory\n"
                       "Invalid revision: Invalid value: -1: must be greater than or equal to 0"},
                      {NULL, NULL}});
    expect(ask(f, "POST", revisions, J({"metadata" : {"name" : "r"}, "revision" : 1, "data" : {"a" : 1}})),
           201);
    check_patched(f, "/apis/apps/v1/namespaces/default/controllerrevisions/r",
                  (const struct invalid_case[]){
                      {J({"revision" : 2}), ""},
                      {J({"data" : {"a" : 2}}),
                       "Invalid data: Invalid value: {\"a\":2}: field is immutable"},
                      {NULL, NULL}});
    check_created(f, templates,
                  (const struct invalid_case[]){
                      {J({"metadata" : {"name" : "t"}, "template" : {}}),
                       "Required template.spec.containers: Required value"},
                      {NULL, NULL}});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(autoscalers_are_one_in_two_versions, fixture_setup_boot,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(annotations_that_mean_nothing_are_dropped,
                                        fixture_setup_boot, fixture_teardown),
        cmocka_unit_test_setup_teardown(disruption_budgets, fixture_setup_boot, fixture_teardown),
        cmocka_unit_test_setup_teardown(revisions_and_templates, fixture_setup_boot,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
