/* DeviceClasses, ResourceClaims, ResourceClaimTemplates, ResourceSlices. */
#include "cases.h"

#define API       "/apis/resource.k8s.io/v1/"
#define CLASSES   API "deviceclasses"
#define CLAIMS    API "namespaces/default/resourceclaims"
#define TEMPLATES API "namespaces/default/resourceclaimtemplates"
#define SLICES    API "resourceslices"
#define SPEC(...) J({"metadata":{"name":"n"},"spec":{__VA_ARGS__}})
#define CLAIM(...) SPEC("devices":{__VA_ARGS__})
#define EXACT(...) CLAIM("requests":[{"name":"r","exactly":{__VA_ARGS__}}])
#define GOOD      "requests":[{"name":"r","exactly":{"deviceClassName":"c"}}]
#define POOL      "driver":"d.example.com","pool":{"name":"p","generation":1,"resourceSliceCount":1}
#define DEVICE(...) SPEC(POOL,"nodeName":"n","devices":[{"name":"d",__VA_ARGS__}])
#define REFERENCE "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
#define LABEL "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start " \
    "and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is " \
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
#define IDENTIFIER "a valid C identifier must start with alphabetic character or '_', followed by a string of " \
    "alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is " \
    "'[A-Za-z_][A-Za-z0-9_]*')"

static const struct invalid_case classes[] = {
    {SPEC("selectors":[{"cel":{"expression":"device.driver == 'x' && device.attributes['a.b'].model == 'y'"}}]), ""},
    {SPEC("selectors":[{},{"cel":{"expression":"noSuchVar"}},{"cel":{"expression":"1"}}]),
     "Required spec.selectors[0].cel: Required value\n"
     "Invalid spec.selectors[1].cel.expression: Invalid value: \"noSuchVar\": compilation failed: ERROR: "
     "<input>:1:1: undeclared reference to 'noSuchVar' (in container '')\n | noSuchVar\n | ^\n"
     "Invalid spec.selectors[2].cel.expression: Invalid value: \"1\": must evaluate to bool or the unknown type, not "
     "int"},
    {SPEC("config":[{},{"opaque":{"driver":""}}],"extendedResourceName":"x"),
     "Required spec.config[0].opaque: Required value\n"
     "Required spec.config[1].opaque.driver: Required value\n"
     "Invalid spec.config[1].opaque.driver: Invalid value: \"\": a lowercase RFC 1123 subdomain must consist of lower "
     "case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. "
     "'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')\n"
     "Required spec.config[1].opaque.parameters: Required value\n"
     "Invalid spec.extendedResourceName: Invalid value: \"x\": must be a valid extended resource name"},
    {NULL, NULL},
};

static const struct invalid_case claims[] = {
    {CLAIM(GOOD), ""},
    {CLAIM("requests":[{"name":"r","firstAvailable":[{"name":"a","deviceClassName":"c"}]}],
           "constraints":[{"requests":["r/a"],"matchAttribute":"a.b/c"}]), ""},
    {EXACT("allocationMode":"All","count":2),
     "Required spec.devices.requests[0].exactly.deviceClassName: Required value\n"
     "Invalid spec.devices.requests[0].exactly.count: Invalid value: 2: must not be specified when allocationMode is "
     "'All'"},
    {EXACT("deviceClassName":"c","allocationMode":"Some"),
     "NotSupported spec.devices.requests[0].exactly.allocationMode: Unsupported value: \"Some\": supported values: "
     "\"All\", \"ExactCount\""},
    {EXACT("deviceClassName":"c","count":-1,"tolerations":[{"operator":"Exists","value":"v"},{"effect":"X"}]),
     "Invalid spec.devices.requests[0].exactly.count: Invalid value: -1: must be greater than zero\n"
     "Invalid spec.devices.requests[0].exactly.tolerations[0].value: Invalid value: \"v\": must be empty for operator "
     "`Exists`\n"
     "NotSupported spec.devices.requests[0].exactly.tolerations[1].effect: Unsupported value: \"X\": supported values: "
     "\"NoExecute\", \"NoSchedule\", \"None\""},
    {CLAIM("requests":[{"name":"A"},{"name":"r","exactly":{"deviceClassName":"c"}},{"name":"r",
           "exactly":{"deviceClassName":"c"}}]),
     "Invalid spec.devices.requests[0].name: Invalid value: \"A\": " LABEL "\n"
     "Required spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required\n"
     "Duplicate spec.devices.requests[2]: Duplicate value: \"r\""},
    {CLAIM(GOOD,"constraints":[{"requests":["x","a/b/c"]},{"matchAttribute":"1a"}],"config":[{"requests":["r"]}]),
     "Invalid spec.devices.constraints[0].requests[0]: Invalid value: \"x\": " REFERENCE "\n"
     "Invalid spec.devices.constraints[0].requests[1]: Invalid value: \"a/b/c\": " REFERENCE "\n"
     "Required spec.devices.constraints[0].matchAttribute: Required value\n"
     "Invalid spec.devices.constraints[1].matchAttribute: Invalid value: \"1a\": " IDENTIFIER "\n"
     "Invalid spec.devices.constraints[1].matchAttribute: Invalid value: \"1a\": a fully qualified name must be a domain "
     "and a name separated by a slash\n"
     "Required spec.devices.config[0].opaque: Required value"},
    {EXACT("deviceClassName":"c","adminAccess":true),
     "Forbidden spec.devices.requests[0].adminAccess: Forbidden: admin access to devices requires the "
     "`resource.kubernetes.io/admin-access: true` label on the containing namespace"},
    {NULL, NULL},
};

static const struct invalid_case templates[] = {
    {SPEC("spec":{"devices":{GOOD}}), ""},
    {SPEC("spec":{"devices":{"requests":[{"name":"r"}]}}),
     "Required spec.spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required"},
    {NULL, NULL},
};

static const struct invalid_case slices[] = {
    {DEVICE("attributes":{"model":{"string":"m"},"a.b/v":{"version":"1.2.3-rc.1+b"}},"capacity":{"memory":{"value":"1Gi"}}),
     ""},
    {SPEC("driver":"d","pool":{"name":"","generation":-1,"resourceSliceCount":0}),
     "Required spec.pool.name: Required value\n"
     "Invalid spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero\n"
     "Invalid spec.pool.generation: Invalid value: -1: must be greater than or equal to zero\n"
     "Required spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is "
     "required"},
    {SPEC(POOL,"nodeName":"n","allNodes":true),
     "Invalid spec: Invalid value: \"{`nodeName`, `allNodes`}\": exactly one of `nodeName`, `nodeSelector`, `allNodes`, "
     "`perDeviceNodeSelection` is required, but multiple fields are set"},
    {SPEC(POOL,"allNodes":false,"nodeName":"n"),
     "Invalid spec.allNodes: Invalid value: false: must be either unset or set to true"},
    {DEVICE("attributes":{"1":{"int":1},"v":{"version":"1.2"},"w":{},"x":{"int":1,"bool":true}}),
     "Invalid spec.devices[0].attributes[1]: Invalid value: \"1\": " IDENTIFIER "\n"
     "Invalid spec.devices[0].attributes[v].version: Invalid value: \"1.2\": must be a string compatible with semver.org "
     "spec 2.0.0\n"
     "Invalid spec.devices[0].attributes[w]: Invalid value: \"\": exactly one value must be specified\n"
     "Invalid spec.devices[0].attributes[x]: Invalid value: {\"IntValue\":1,\"BoolValue\":true,\"StringValue\":null,"
     "\"VersionValue\":null}: exactly one value must be specified"},
    {DEVICE("nodeName":"n"),
     "Invalid spec.devices[0]: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set if "
     "`perDeviceNodeSelection` is set to true in the ResourceSlice spec"},
    {DEVICE("bindingConditions":["a","a"],"capacity":{"m":{"value":"1","requestPolicy":{"default":"1"}}}),
     "Forbidden spec.devices[0].capacity[m].requestPolicy: Forbidden: allowMultipleAllocations must be true\n"
     "Duplicate spec.devices[0].bindingConditions[1]: Duplicate value: \"a\"\n"
     "Invalid spec.devices[0].bindingFailureConditions: Invalid value: null: bindingFailureConditions are required to use "
     "bindingConditions"},
    {DEVICE("allowMultipleAllocations":true,"capacity":{"m":{"value":"4","requestPolicy":{"default":"1",
            "validRange":{"min":"2","max":"8","step":"4"}}}}),
     "Invalid spec.devices[0].capacity[m].requestPolicy.validRange.min: Invalid value: \"1\": default is less than min: 2\n"
     "Invalid spec.devices[0].capacity[m].requestPolicy.validRange.max: Invalid value: \"8\": max is larger than capacity "
     "value: 4\n"
     "Invalid spec.devices[0].capacity[m].requestPolicy.validRange.step: Invalid value: \"4\": one step 6 is larger than "
     "capacity value: 4\n"
     "Invalid spec.devices[0].capacity[m].requestPolicy.validRange.step: Invalid value: \"1\": value is not a multiple of a "
     "given step (4) from (2)\n"
     "Invalid spec.devices[0].capacity[m].requestPolicy.validRange.step: Invalid value: \"8\": value is not a multiple of a "
     "given step (4) from (2)"},
    {DEVICE("taints":[{"key":"","effect":""}]),
     "Invalid spec.devices[0].taints[0].key: Invalid value: \"\": name part must be non-empty\n"
     "Required spec.devices[0].taints[0].effect: Required value"},
    {SPEC(POOL,"allNodes":true,"sharedCounters":[{"name":"","counters":{}}]),
     "Required spec.sharedCounters[0].name: Required value\n"
     "Required spec.sharedCounters[0].counters: Required value"},
    {NULL, NULL},
};

static void what_they_refuse(void **state)
{
    struct fixture *f = *state;
    check_created(f, CLASSES, classes);
    check_created(f, CLAIMS, claims);
    check_created(f, TEMPLATES, templates);
    check_created(f, SLICES, slices);
}

static void defaults_and_what_does_not_change(void **state)
{
    struct fixture *f = *state;
    struct answer *a = ask(f, "POST", CLAIMS, CLAIM(GOOD));
    expect(a, 201);
    const struct json *exact = json_path(json_at(json_path(a->json, "spec.devices.requests"), 0), "exactly");
    assert_string_equal(json_path_cstr(exact, "allocationMode"), "ExactCount");
    assert_int_equal(json_path_i64(exact, "count", 0), 1);
    expect(ask(f, "PATCH", CLAIMS "/n", J({"metadata":{"labels":{"a":"b"}}})), 200);
    a = ask_with(f, NULL, "PATCH", CLAIMS "/n", "application/merge-patch+json", NULL,
                 J({"spec":{"devices":{"requests":[]}}}));
    expect(a, 422);
    assert_non_null(strstr(at(a, "message"), "field is immutable"));
    expect(ask(f, "POST", SLICES, SPEC(POOL,"nodeName":"n")), 201);
    check_patched(f, SLICES "/n",
                  (const struct invalid_case[]){
                      {J({"spec":{"pool":{"generation":2}}}), ""},
                      {J({"spec":{"driver":"e","nodeName":"m"}}),
                       "Invalid spec.driver: Invalid value: \"e\": field is immutable\n"
                       "Invalid spec.nodeName: Invalid value: \"m\": field is immutable"},
                      {NULL, NULL}});
    a = ask(f, "GET", SLICES "?fieldSelector=spec.nodeName%3Dn,spec.driver%3Dd.example.com", NULL);
    assert_int_equal(json_count(json_get(a->json, "items")), 1);
    a = ask(f, "GET", SLICES "?fieldSelector=spec.nodeName%3Dm", NULL);
    assert_int_equal(json_count(json_get(a->json, "items")), 0);
}

#define RESULT "results":[{"request":"r","driver":"d","pool":"p","device":"x"}]
#define USER   {"resource":"pods","name":"a","uid":"1"}

static void statuses(void **state)
{
    struct fixture *f = *state;
    static const struct invalid_case before[] = {
        {J({"status":{"reservedFor":[USER,{"resource":"","name":"","uid":"1"}]}}),
         "Required status.reservedFor[1].resource: Required value\n"
         "Required status.reservedFor[1].name: Required value\n"
         "Duplicate status.reservedFor[1]: Duplicate value: \"1\"\n"
         "Forbidden status.reservedFor: Forbidden: may not be specified when `allocated` is not set"},
        {J({"status":{"allocation":{"devices":{"results":[{"request":"q","driver":"d","pool":"p","device":"X"}],
            "config":[{"source":"Air","opaque":{"driver":"d","parameters":{}}}]}}}}),
         "Invalid status.allocation.devices.results[0].request: Invalid value: \"q\": " REFERENCE "\n"
         "Invalid status.allocation.devices.results[0].device: Invalid value: \"X\": " LABEL "\n"
         "NotSupported status.allocation.devices.config[0].source: Unsupported value: \"Air\": supported values: "
         "\"FromClaim\", \"FromClass\""},
        {NULL, NULL}};
    static const struct invalid_case after[] = {
        {J({"status":{"reservedFor":[USER],"devices":[{"driver":"d","pool":"p","device":"x",
            "networkData":{"ips":["10.0.0.1/24"]}}]}}), ""},
        {J({"status":{"devices":[{"driver":"d","pool":"p","device":"y","conditions":[{"type":"T","status":"No"}],
            "networkData":{"ips":["10.0.0.1"]}}]}}),
         "Invalid status.devices[0]: Invalid value: \"d/p/y\": must be an allocated device in the claim\n"
         "NotSupported status.devices[0].conditions[0].status: Unsupported value: \"No\": supported values: \"False\", "
         "\"True\", \"Unknown\"\n"
         "Required status.devices[0].conditions[0].lastTransitionTime: Required value\n"
         "Required status.devices[0].conditions[0].reason: Required value\n"
         "Invalid status.devices[0].networkData.ips[0]: Invalid value: \"10.0.0.1\": must be a valid address in CIDR form, "
         "(e.g. 10.9.8.7/24 or 2001:db8::1/64)"},
        {NULL, NULL}};
    expect(ask(f, "POST", CLAIMS, CLAIM(GOOD)), 201);
    check_patched(f, CLAIMS "/n/status", before);
    expect(ask(f, "PATCH", CLAIMS "/n/status", J({"status":{"allocation":{"devices":{RESULT}},
               "devices":[{"driver":"d","pool":"p","device":"x"}]}})),
           200);
    check_patched(f, CLAIMS "/n/status", after);
    struct answer *a = ask_with(f, NULL, "PATCH", CLAIMS "/n/status", "application/merge-patch+json", NULL,
                                J({"status":{"allocation":null}}));
    expect(a, 200);
    assert_null(json_path(a->json, "status.devices"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_they_refuse, fixture_setup_boot, fixture_teardown),
        cmocka_unit_test_setup_teardown(defaults_and_what_does_not_change, fixture_setup_boot, fixture_teardown),
        cmocka_unit_test_setup_teardown(statuses, fixture_setup_boot, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
