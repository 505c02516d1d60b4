/*
 * Expressions as Kubernetes' documentation gives them: validation rules of custom resources,
 * policies, match conditions.
 */
#include "cel_table.h"

/* ---- rules ---- */

static const char rule_schema[] =
    "{\"type\": \"object\", \"properties\": {"
    "\"minReplicas\": {\"type\": \"integer\"}, \"replicas\": {\"type\": \"integer\"}, "
    "\"maxReplicas\": {\"type\": \"integer\"},"
    "\"stateCounts\": {\"type\": \"object\", \"additionalProperties\": {\"type\": \"integer\"}},"
    "\"list1\": {\"type\": \"array\", \"items\": {\"type\": \"string\"}}, "
    "\"list2\": {\"type\": \"array\", \"items\": {\"type\": \"string\"}},"
    "\"created\": {\"type\": \"string\", \"format\": \"date-time\"}, "
    "\"expired\": {\"type\": \"string\", \"format\": \"date-time\"}, "
    "\"ttl\": {\"type\": \"string\", \"format\": \"duration\"},"
    "\"health\": {\"type\": \"string\"}, \"prefix\": {\"type\": \"string\"},"
    "\"widgets\": {\"type\": \"array\", \"items\": {\"type\": \"object\", \"properties\": "
    "{\"key\": "
    "{\"type\": \"string\"}, \"foo\": {\"type\": \"integer\"}}}},"
    "\"percent\": {\"x-kubernetes-int-or-string\": true},"
    "\"set1\": {\"type\": \"array\", \"x-kubernetes-list-type\": \"set\", \"items\": {\"type\": "
    "\"string\"}}, \"set2\": {\"type\": \"array\", \"x-kubernetes-list-type\": \"set\", \"items\": "
    "{\"type\": \"string\"}},"
    "\"names\": {\"type\": \"array\", \"items\": {\"type\": \"string\"}}, "
    "\"details\": {\"type\": \"object\", \"additionalProperties\": {\"type\": \"string\"}},"
    "\"clusters\": {\"type\": \"array\", \"items\": {\"type\": \"object\", \"properties\": "
    "{\"name\": {\"type\": \"string\"}}}}, \"primary\": {\"type\": \"string\"},"
    "\"x-prop\": {\"type\": \"integer\"}, \"redact__d\": {\"type\": \"integer\"}, "
    "\"import\": {\"type\": \"string\"}}}";
static const char rule_object[] =
    "{\"metadata\": {\"name\": \"my-thing\"}, \"minReplicas\": 1, \"replicas\": 3, "
    "\"maxReplicas\": 5, \"stateCounts\": {\"Available\": 2}, \"list1\": [\"a\"], \"list2\": [], "
    "\"created\": \"2026-01-01T00:00:00Z\", \"expired\": \"2026-01-03T00:00:00Z\", "
    "\"ttl\": \"24h\", \"health\": \"ok: fine\", \"prefix\": \"my-\", \"widgets\": [{\"key\": "
    "\"x\", \"foo\": 5}], \"percent\": \"99%\", \"set1\": [\"a\", \"b\"], \"set2\": [\"c\"], "
    "\"names\": [\"n\"], \"details\": {\"n\": \"d\"}, \"clusters\": [{\"name\": \"c1\"}, "
    "{\"name\": "
    "\"c2\"}], \"primary\": \"c2\", \"x-prop\": 1, \"redact__d\": 2, \"import\": \"i\"}";

static void validation_rules_of_the_documentation_hold(void **state)
{
    (void)state;
    static const struct cel_case cases[] = {
        {"self.minReplicas <= self.replicas && self.replicas <= self.maxReplicas", "true"},
        {"'Available' in self.stateCounts", "true"},
        {"(self.list1.size() == 0) != (self.list2.size() == 0)", "true"},
        {"!('MY_KEY' in self.details) || self.details['MY_KEY'].matches('^[a-zA-Z]*$')", "true"},
        {"self.created + self.ttl < self.expired", "true"},
        {"self.health.startsWith('ok')", "true"},
        {"self.widgets.exists(w, w.key == 'x' && w.foo < 10)", "true"},
        {"type(self.percent) == string ? self.percent == '99%' : self.percent == 42", "true"},
        {"self.metadata.name.startsWith(self.prefix)", "true"},
        {"self.set1.all(e, !(e in self.set2))", "true"},
        {"self.names.size() == self.details.size() && self.names.all(n, n in self.details)",
         "true"},
        {"self.details.all(key, key.matches('^[a-zA-Z]*$'))", "true"},
        {"self.clusters.filter(c, c.name == self.primary).size() == 1", "true"},
        {"self.x__dash__prop > 0 && self.redact__underscores__d > 0 && self.__import__ == 'i'",
         "true"},
        {"has(self.expired) && self.created < self.expired", "true"},
        {"has(self.missing)", "?ERROR: <input>:1:4: undefined field 'missing'\n | "
                              "has(self.missing)\n | ...^"},
        {"self.replicas == oldSelf.replicas", "true"},
        {"oldSelf.widgets.all(o, self.widgets.exists(n, n.key == o.key))", "true"},
        {"'replicas (' + string(self.replicas) + ') exceed ' + string(self.maxReplicas)",
         "\"replicas (3) exceed 5\""},
        {"self.set1 + ['b', 'z']", "[\"a\",\"b\",\"z\"]"},
    };
    struct json *schema, *object;
    const struct cel_type *type;
    struct cel_value values[2];
    struct cel_run run = {.arena = &table_arena};
    assert_int_equal(json_parse(&table_arena, str_of(rule_schema), NULL, &schema, NULL), 0);
    assert_int_equal(json_parse(&table_arena, str_of(rule_object), NULL, &object, NULL), 0);
    assert_int_equal(cel_type_of_schema(&table_arena, schema, "selfType", true, &type), 0);
    assert_int_equal(cel_from_json(&run, object, type, &values[0], NULL), 0);
    values[1] = values[0];
    const struct cel_variable declared[] = {{"self", type}, {"oldSelf", type}};
    const struct cel_env env = {.variables = declared, .variable_count = 2};
    table_check(&env, values, cases, sizeof cases / sizeof *cases);
}

/* ---- policies and match conditions ---- */

static const char deployment[] =
    "{\"apiVersion\": \"apps/v1\", \"kind\": \"Deployment\", \"metadata\": {\"name\": \"web\", "
    "\"namespace\": \"prod\", \"labels\": {\"environment\": \"prod\", \"app.kubernetes.io/name\": "
    "\"web\"}, \"creationTimestamp\": null}, \"spec\": {\"replicas\": 5, \"template\": {\"spec\": "
    "{\"containers\": [{\"name\": \"a\", \"image\": \"registry.example/a:1\", \"resources\": "
    "{\"limits\": {\"memory\": \"1Gi\", \"cpu\": \"500m\"}}, \"securityContext\": "
    "{\"runAsNonRoot\": true}}, {\"name\": \"b\", \"image\": \"registry.example/b:2\"}]}}}}";
static const char request_text[] =
    "{\"kind\": {\"group\": \"apps\", \"version\": \"v1\", \"kind\": \"Deployment\"}, "
    "\"resource\": "
    "{\"group\": \"apps\", \"version\": \"v1\", \"resource\": \"deployments\"}, \"name\": \"web\", "
    "\"namespace\": \"prod\", \"operation\": \"CREATE\", \"userInfo\": {\"username\": "
    "\"system:serviceaccount:ns:sa\", \"groups\": [\"system:authenticated\"]}, \"options\": "
    "{\"kind\": \"CreateOptions\"}}";

static void policies_of_the_documentation_hold(void **state)
{
    (void)state;
    static const struct cel_case cases[] = {
        {"object.spec.replicas <= 5", "true"},
        {"object.spec.replicas <= params.maxReplicas", "false"},
        {"params != null && has(params.maxReplicas)", "true"},
        {"object.metadata.labels['environment'] == 'prod'", "true"},
        {"object.metadata.namespace == request.namespace", "true"},
        {"object.spec.template.spec.containers.all(c, has(c.readinessProbe))", "false"},
        {"object.spec.template.spec.containers.all(c, !has(c.securityContext) || "
         "c.securityContext.runAsNonRoot == true)",
         "true"},
        {"object.spec.template.spec.containers.filter(c, has(c.resources)).all(c, "
         "quantity(c.resources.limits.memory).compareTo(quantity('2Gi')) < 0)",
         "true"},
        {"object.?spec.?template.?metadata.?labels.orValue({}).size() == 0", "true"},
        {"object.spec.template.spec.containers.map(c, c.image.split(':')[1]).join(',')", "\"1,2\""},
        {"oldObject == null", "true"},
        {"oldObject == null || object.spec.replicas == oldObject.spec.replicas", "true"},
        {"!('system:nodes' in request.userInfo.groups)", "true"},
        {"request.userInfo.username.startsWith('system:serviceaccount:')", "true"},
        {"!(request.resource.group == 'coordination.k8s.io' && request.resource.resource == "
         "'leases')",
         "true"},
        {"request.resource.group != 'rbac.authorization.k8s.io'", "true"},
        {"has(request.options) && request.options.kind == 'CreateOptions'", "true"},
        {"has(request.dryRun)", "false"},
        {"'object.spec.replicas must be no greater than ' + string(params.maxReplicas)",
         "\"object.spec.replicas must be no greater than 3\""},
        {"object.spec.replicas * 2 + params.maxReplicas", "13"},
        {"object.kind.lowerAscii() + '/' + object.apiVersion", "\"deployment/apps/v1\""},
        {"object.metadata.labels.all(k, k.find('[a-z.]+') != '')", "true"},
        {"object.spec.missing.deeper == 1", "!no such key: missing"},
        {"object.metadata.creationTimestamp == null", "true"},
        {"variables", "?ERROR: <input>:1:1: undeclared reference to 'variables' (in container "
                      "'')\n | variables\n | ^"},
        {"request.uid", "?ERROR: <input>:1:8: undefined field 'uid'\n | request.uid\n | .......^"},
    };
    static const struct cel_variable declared[] = {{"object", &cel_dyn},
                                                   {"oldObject", &cel_dyn},
                                                   {"params", &cel_dyn},
                                                   {"request", &cel_admission_request}};
    static const struct cel_env env = {.variables = declared, .variable_count = 4};
    struct json *object, *request, *params;
    struct cel_run run = {.arena = &table_arena};
    struct cel_value v[4];
    assert_int_equal(json_parse(&table_arena, str_of(deployment), NULL, &object, NULL), 0);
    assert_int_equal(json_parse(&table_arena, str_of(request_text), NULL, &request, NULL), 0);
    assert_int_equal(json_parse(&table_arena, STR("{\"maxReplicas\": 3}"), NULL, &params, NULL), 0);
    assert_int_equal(cel_from_json(&run, object, NULL, &v[0], NULL), 0);
    assert_int_equal(cel_from_json(&run, NULL, NULL, &v[1], NULL), 0);
    assert_int_equal(cel_from_json(&run, params, NULL, &v[2], NULL), 0);
    assert_int_equal(cel_from_json(&run, request, &cel_admission_request, &v[3], NULL), 0);
    table_check(&env, v, cases, sizeof cases / sizeof *cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(validation_rules_of_the_documentation_hold, table_setup,
                                        table_teardown),
        cmocka_unit_test_setup_teardown(policies_of_the_documentation_hold, table_setup,
                                        table_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
