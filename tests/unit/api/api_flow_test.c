/* FlowSchemas, PriorityLevelConfigurations and the default ones. */
#include "api/flow/defaults.h"
#include "cases.h"

#define API     "/apis/flowcontrol.apiserver.k8s.io/v1/"
#define SCHEMAS API "flowschemas"
#define LEVELS  API "prioritylevelconfigurations"
#define SCHEMA(...) J({"metadata":{"name":"f"},"spec":{"priorityLevelConfiguration":{"name":"p"},__VA_ARGS__}})
#define RULE(...) SCHEMA("rules":[__VA_ARGS__])
#define SUBJECT "subjects":[{"kind":"User","user":{"name":"u"}}]
#define RESOURCES "resourceRules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"],"namespaces":["*"]}]
#define LEVEL(...) J({"metadata":{"name":"p"},"spec":{__VA_ARGS__}})
#define QUEUE(...) LEVEL("type":"Limited","limited":{"limitResponse":{"type":"Queue","queuing":{__VA_ARGS__}}})

static const struct invalid_case schemas[] = {
    {RULE({SUBJECT,RESOURCES}), ""},
    {J({"metadata":{"name":"f"},"spec":{"matchingPrecedence":10001}}),
     "Invalid spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000\n"
     "Required spec.priorityLevelConfiguration.name: Required value: must reference a priority level"},
    {SCHEMA("matchingPrecedence":1),
     "Invalid spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have "
     "matchingPrecedence 1"},
    {SCHEMA("matchingPrecedence":-1),
     "Invalid spec.matchingPrecedence: Invalid value: -1: must be a positive value"},
    {SCHEMA("distinguisherMethod":{"type":"ByMood"}),
     "NotSupported spec.distinguisherMethod.type: Unsupported value: {\"Type\":\"ByMood\"}: supported "
     "values: \"ByNamespace\", \"ByUser\""},
    {RULE({RESOURCES}),
     "Required spec.rules[0].subjects: Required value: subjects must contain at least one value"},
    {RULE({SUBJECT}),
     "Required spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has "
     "to be non-empty"},
    {RULE({"subjects":[{"kind":"Cat"},{"kind":"Group","user":{"name":"u"}},{"kind":"ServiceAccount",
           "serviceAccount":{"name":"A b","namespace":""},"group":{"name":"g"}}],RESOURCES}),
     "NotSupported spec.rules[0].subjects[0].kind: Unsupported value: \"Cat\": supported values: "
     "\"Group\", \"ServiceAccount\", \"User\"\n"
     "Required spec.rules[0].subjects[1].group: Required value: group is required when subject kind "
     "is 'Group'\n"
     "Forbidden spec.rules[0].subjects[1].user: Forbidden: user is forbidden when subject kind is not "
     "'User'\n"
     "Invalid spec.rules[0].subjects[2].serviceAccount.name: Invalid value: \"A b\": a lowercase RFC "
     "1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
     "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
     "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')\n"
     "Required spec.rules[0].subjects[2].serviceAccount.namespace: Required value: must specify "
     "namespace for service account\n"
     "Forbidden spec.rules[0].subjects[2].group: Forbidden: group is forbidden when subject kind is "
     "not 'Group'"},
    {RULE({SUBJECT,"resourceRules":[{"verbs":["get","jump"],"apiGroups":["*","apps"],
           "resources":[]},{"verbs":["*","get"],"apiGroups":[""],"resources":["pods"],
           "namespaces":["*","a"]}]}),
     "NotSupported spec.rules[0].resourceRules[0].verbs: Unsupported value: [\"get\",\"jump\"]: "
     "supported values: \"create\", \"delete\", \"deletecollection\", \"get\", \"list\", \"patch\", "
     "\"proxy\", \"update\", \"watch\"\n"
     "Invalid spec.rules[0].resourceRules[0].apiGroups: Invalid value: [\"*\",\"apps\"]: if '*' is "
     "present, must not specify other api groups\n"
     "Required spec.rules[0].resourceRules[0].resources: Required value: resource rules must supply at "
     "least one resource\n"
     "Required spec.rules[0].resourceRules[0].namespaces: Required value: resource rules that are not "
     "cluster scoped must supply at least one namespace\n"
     "Invalid spec.rules[0].resourceRules[1].verbs: Invalid value: [\"*\",\"get\"]: if '*' is present, "
     "must not specify other verbs\n"
     "Invalid spec.rules[0].resourceRules[1].namespaces: Invalid value: [\"*\",\"a\"]: if '*' is "
     "present, must not specify other namespaces"},
    {RULE({SUBJECT,"nonResourceRules":[{"verbs":["get"],"nonResourceURLs":["/a/*","x","/a//b","/*/c",
           "/a b","/","/*"]}]}),
     "Invalid spec.rules[0].nonResourceRules[0].nonResourceURLs[1]: Invalid value: \"x\": must start "
     "with slash\n"
     "Invalid spec.rules[0].nonResourceRules[0].nonResourceURLs[2]: Invalid value: \"/a//b\": must not "
     "contain double slash\n"
     "Invalid spec.rules[0].nonResourceRules[0].nonResourceURLs[3]: Invalid value: \"/*/c\": wildcard "
     "can only do suffix matching\n"
     "Invalid spec.rules[0].nonResourceRules[0].nonResourceURLs[4]: Invalid value: \"/a b\": must not "
     "contain white-space"},
    {NULL, NULL},
};

static const struct invalid_case levels[] = {
    {LEVEL("type":"Limited","limited":{"limitResponse":{"type":"Reject"}}), ""},
    {QUEUE("queues":0), ""},
    {LEVEL("type":"Exempt"),
     "Invalid spec.type: Invalid value: \"Exempt\": type must be 'Exempt' if and only if name is 'exempt'"},
    {LEVEL("type":"Big"),
     "NotSupported spec.type: Unsupported value: \"Big\": supported values: \"Exempt\", \"Limited\""},
    {LEVEL("type":"Limited"),
     "Required spec.limited: Required value: must not be empty when type is Limited"},
    {LEVEL("type":"Limited","exempt":{},"limited":{"nominalConcurrencyShares":-1,"lendablePercent":101,
           "borrowingLimitPercent":-2,"limitResponse":{"type":"Reject","queuing":{}}}),
     "Forbidden spec.exempt: Forbidden: must be nil if the type is Limited\n"
     "Invalid spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer\n"
     "Forbidden spec.limited.limitResponse.queuing: Forbidden: must be nil if limited.limitResponse.type "
     "is not Limited\n"
     "Invalid spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive\n"
     "Invalid spec.limited.borrowingLimitPercent: Invalid value: -2: if specified, must be a "
     "non-negative integer"},
    {LEVEL("type":"Limited","limited":{"limitResponse":{"type":"Queue"}}),
     "Required spec.limited.limitResponse.queuing: Required value: must not be empty if "
     "limited.limitResponse.type is Limited"},
    {LEVEL("type":"Limited","limited":{"limitResponse":{"type":"Hm"}}),
     "NotSupported spec.limited.limitResponse.type: Unsupported value: \"Hm\": supported values: "
     "\"Queue\", \"Reject\""},
    {QUEUE("queues":4,"handSize":5,"queueLengthLimit":-1),
     "Invalid spec.limited.limitResponse.queuing.queueLengthLimit: Invalid value: -1: must be positive\n"
     "Invalid spec.limited.limitResponse.queuing.handSize: Invalid value: 5: should not be greater than "
     "queues (4)"},
    {QUEUE("queues":10000000,"handSize":3),
     "Invalid spec.limited.limitResponse.queuing.handSize: Invalid value: 3: required entropy bits of "
     "deckSize 10000000 and handSize 3 should not be greater than 60"},
    {NULL, NULL},
};

static void what_they_refuse(void **state)
{
    struct fixture *f = *state;
    check_created(f, SCHEMAS, schemas);
    check_created(f, LEVELS, levels);
}

static void defaults_are_filled_in(void **state)
{
    struct fixture *f = *state;
    struct answer *a = ask(f, "POST", SCHEMAS, SCHEMA("rules":[]));
    expect(a, 201);
    assert_int_equal(int_at(a, "spec.matchingPrecedence"), 1000);
    assert_int_equal(int_at(a, "metadata.generation"), 1);
    a = ask(f, "POST", LEVELS, QUEUE("queues":32));
    expect(a, 201);
    assert_int_equal(int_at(a, "spec.limited.nominalConcurrencyShares"), 30);
    assert_int_equal(int_at(a, "spec.limited.lendablePercent"), 0);
    assert_int_equal(int_at(a, "spec.limited.limitResponse.queuing.handSize"), 8);
    assert_int_equal(int_at(a, "spec.limited.limitResponse.queuing.queues"), 32);
    assert_int_equal(int_at(a, "spec.limited.limitResponse.queuing.queueLengthLimit"), 50);
    check_patched(f, SCHEMAS "/f/status",
                  (const struct invalid_case[]){
                      {J({"status":{"conditions":[{"type":"D","status":"True"},{"status":"True"}]}}),
                       "Required status.conditions[1].type: Required value: must not be empty"},
                      {NULL, NULL}});
}

static void the_default_ones_are_kept(void **state)
{
    struct fixture *f = *state;
    struct answer *a = ask(f, "GET", SCHEMAS, NULL);
    assert_int_equal(json_count(json_get(a->json, "items")), 11);
    a = ask(f, "GET", LEVELS, NULL);
    assert_int_equal(json_count(json_get(a->json, "items")), 8);
    a = ask(f, "GET", LEVELS "/workload-low", NULL);
    assert_int_equal(int_at(a, "spec.limited.lendablePercent"), 90);
    assert_string_equal(json_cstr(json_get(json_path(a->json, "metadata.annotations"), FLOW_AUTOUPDATE)),
                        "true");
    /* Deleted, changed, taken over, no longer suggested. */
    expect(ask(f, "DELETE", SCHEMAS "/catch-all", NULL), 200);
    expect(ask(f, "PATCH", LEVELS "/system", J({"spec":{"limited":{"nominalConcurrencyShares":7}}})), 200);
    expect(ask(f, "PATCH", LEVELS "/node-high",
               J({"metadata":{"annotations":{"apf.kubernetes.io/autoupdate-spec":"false"}},
                  "spec":{"limited":{"nominalConcurrencyShares":8}}})),
           200);
    expect(ask(f, "PATCH", LEVELS "/exempt", J({"spec":{"exempt":{"lendablePercent":9}}})), 200);
    expect(ask(f, "POST", SCHEMAS,
               J({"metadata":{"name":"old","annotations":{"apf.kubernetes.io/autoupdate-spec":"true"}},
                  "spec":{"priorityLevelConfiguration":{"name":"system"}}})),
           201);
    fixture_pass(f, 61000);
    fixture_turn(f, 300);
    expect(ask(f, "GET", SCHEMAS "/catch-all", NULL), 200);
    expect(ask(f, "GET", SCHEMAS "/old", NULL), 404);
    a = ask(f, "GET", LEVELS "/system", NULL);
    assert_int_equal(int_at(a, "spec.limited.nominalConcurrencyShares"), 30);
    assert_int_equal(int_at(a, "metadata.generation"), 3);
    a = ask(f, "GET", LEVELS "/node-high", NULL);
    assert_int_equal(int_at(a, "spec.limited.nominalConcurrencyShares"), 8);
    a = ask(f, "GET", LEVELS "/exempt", NULL);
    assert_int_equal(int_at(a, "spec.exempt.lendablePercent"), 9);
}

static const struct json *dangling(const struct answer *a)
{
    const struct json *c = json_at(json_path(a->json, "status.conditions"), 0);
    assert_string_equal(json_path_cstr(c, "type"), "Dangling");
    return c;
}

static void schemas_tell_whether_their_level_is_there(void **state)
{
    struct fixture *f = *state;
    fixture_turn(f, 500);
    struct answer *a = ask(f, "GET", SCHEMAS "/global-default", NULL);
    assert_string_equal(json_path_cstr(dangling(a), "status"), "False");
    assert_string_equal(json_path_cstr(dangling(a), "message"),
                        "This FlowSchema references the PriorityLevelConfiguration object named "
                        "\"global-default\" and it exists");
    expect(ask(f, "POST", SCHEMAS, SCHEMA("rules":[])), 201);
    fixture_turn(f, 100);
    a = ask(f, "GET", SCHEMAS "/f", NULL);
    assert_string_equal(json_path_cstr(dangling(a), "status"), "True");
    assert_string_equal(json_path_cstr(dangling(a), "reason"), "NotFound");
    expect(ask(f, "POST", LEVELS, QUEUE("queues":32)), 201);
    fixture_turn(f, 100);
    a = ask(f, "GET", SCHEMAS "/f", NULL);
    assert_string_equal(json_path_cstr(dangling(a), "reason"), "Found");
    assert_int_equal(int_at(a, "metadata.generation"), 1);
}

static void mandatory_ones_cannot_change(void **state)
{
    struct fixture *f = *state;
    struct answer *a = ask(f, "PATCH", LEVELS "/catch-all",
                           J({"spec":{"limited":{"nominalConcurrencyShares":6}}}));
    expect(a, 422);
    assert_non_null(strstr(at(a, "message"), ": spec of 'catch-all' must equal the fixed value"));
    a = ask(f, "PATCH", SCHEMAS "/exempt", J({"spec":{"matchingPrecedence":3}}));
    expect(a, 422);
    assert_non_null(strstr(at(a, "message"), ": spec of 'exempt' must equal the fixed value"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_they_refuse, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(defaults_are_filled_in, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(the_default_ones_are_kept, fixture_setup_boot, fixture_teardown),
        cmocka_unit_test_setup_teardown(schemas_tell_whether_their_level_is_there, fixture_setup_boot,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(mandatory_ones_cannot_change, fixture_setup_boot,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
