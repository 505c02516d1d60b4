/* RuntimeClasses and what they add to pods. */
#include "cases.h"

#define CLASSES "/apis/node.k8s.io/v1/runtimeclasses"
#define PODS    "/api/v1/namespaces/default/pods"
#define CLASS(...) J({"metadata":{"name":"r"},__VA_ARGS__})
#define POD(...) J({"metadata":{"name":"p"},"spec":{"automountServiceAccountToken":false,"containers":[{"name":"c","image":"i"}],__VA_ARGS__}})

static const struct invalid_case classes[] = {
    {CLASS("handler":"runc"), ""},
    {CLASS("handler":"a.b","overhead":{"podFixed":{"cpu":"-1"}}),
     "Invalid handler: Invalid value: \"a.b\": a lowercase RFC 1123 label must consist of lower case alphanumeric "
     "characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', "
     "regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')\n"
     "Invalid overhead.limits[cpu]: Invalid value: \"-1\": must be greater than or equal to 0"},
    {CLASS("handler":"a","scheduling":{"tolerations":[{"operator":"Equal"},{"key":"a","operator":"Exists","value":"b"},
           {"key":"b","effect":"X","tolerationSeconds":1},{"key":"c","operator":"Is"}]}),
     "Invalid scheduling.tolerations.tolerations[0].operator: Invalid value: \"Equal\": operator must be Exists when "
     "`key` is empty, which means \"match all values and all keys\"\n"
     "Invalid scheduling.tolerations.tolerations[1].operator: Invalid value: "
     "{\"key\":\"a\",\"operator\":\"Exists\",\"value\":\"b\"}: value must be empty when `operator` is 'Exists'\n"
     "Invalid scheduling.tolerations.tolerations[2].effect: Invalid value: \"X\": effect must be 'NoExecute' when "
     "`tolerationSeconds` is set\n"
     "NotSupported scheduling.tolerations.tolerations[2].effect: Unsupported value: \"X\": supported values: "
     "\"NoSchedule\", \"PreferNoSchedule\", \"NoExecute\"\n"
     "NotSupported scheduling.tolerations.tolerations[3].operator: Unsupported value: \"Is\": supported values: "
     "\"Equal\", \"Exists\""},
    {CLASS("handler":"a","scheduling":{"tolerations":[{"key":"a","operator":"Exists"},{"key":"a","operator":"Exists"}]}),
     "Duplicate scheduling.tolerations[1]: Duplicate value: {\"key\":\"a\",\"operator\":\"Exists\"}"},
    {NULL, NULL},
};

static void what_they_refuse(void **state)
{
    struct fixture *f = *state;
    check_created(f, CLASSES, classes);
    expect(ask(f, "POST", CLASSES, CLASS("handler":"a")), 201);
    check_patched(f, CLASSES "/r",
                  (const struct invalid_case[]){
                      {J({"handler":"b"}), "Invalid handler: Invalid value: \"b\": field is immutable"},
                      {NULL, NULL}});
}

static void what_pods_get(void **state)
{
    struct fixture *f = *state;
    expect(ask(f, "POST", CLASSES,
               CLASS("handler":"a","overhead":{"podFixed":{"cpu":"100m"}},
                     "scheduling":{"nodeSelector":{"a":"b"},"tolerations":[{"key":"k","operator":"Exists"}]})),
           201);
    struct answer *a = ask(f, "POST", PODS,
                           POD("runtimeClassName":"r","nodeSelector":{"c":"d"},
                               "tolerations":[{"key":"k","operator":"Equal","value":"v","effect":"NoSchedule"}]));
    expect(a, 201);
    assert_string_equal(at(a, "spec.overhead.cpu"), "100m");
    assert_string_equal(at(a, "spec.nodeSelector.a"), "b");
    assert_string_equal(at(a, "spec.nodeSelector.c"), "d");
    const struct json *first = json_at(json_path(a->json, "spec.tolerations"), 0);
    unsigned of_class = 0;
    for (const struct json *t = first; t; t = t->next)
        if (!strcmp(json_path_cstr(t, "key"), "k")) {
            assert_string_equal(json_path_cstr(t, "operator"), "Exists");
            of_class++;
        }
    assert_int_equal(of_class, 1);
    expect(ask(f, "DELETE", PODS "/p?gracePeriodSeconds=0", NULL), 200);
    expect_message(ask(f, "POST", PODS, POD("runtimeClassName":"none")), 403,
                   "pods \"p\" is forbidden: pod rejected: RuntimeClass \"none\" not found");
    expect_message(ask(f, "POST", PODS, POD("overhead":{"cpu":"1"})), 403,
                   "pods \"p\" is forbidden: pod rejected: Pod Overhead set without corresponding RuntimeClass "
                   "defined Overhead");
    expect_message(ask(f, "POST", PODS, POD("runtimeClassName":"r","overhead":{"cpu":"1"})), 403,
                   "pods \"p\" is forbidden: pod rejected: Pod's Overhead doesn't match RuntimeClass's defined "
                   "Overhead");
    expect_message(ask(f, "POST", PODS, POD("runtimeClassName":"r","nodeSelector":{"a":"c"})), 403,
                   "pods \"p\" is forbidden: conflict: runtimeClass.scheduling.nodeSelector[a] = b; "
                   "pod.spec.nodeSelector[a] = c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_they_refuse, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_pods_get, fixture_setup_boot, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
