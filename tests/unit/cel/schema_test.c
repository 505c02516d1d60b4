/* Types from schemas as custom resources have them. */
#include "cel_table.h"
#include "schema/schema.h"

static const char schema_text[] =
    "{\"type\": \"object\", \"required\": [\"spec\"], \"properties\": {\"spec\": {\"type\": "
    "\"object\", \"required\": [\"replicas\"], \"properties\": {"
    "\"replicas\": {\"type\": \"integer\"}, \"ratio\": {\"type\": \"number\"},"
    "\"names\": {\"type\": \"array\", \"maxItems\": 5, \"x-kubernetes-list-type\": \"set\", "
    "\"items\": {\"type\": \"string\", \"maxLength\": 10}},"
    "\"ports\": {\"type\": \"array\", \"x-kubernetes-list-type\": \"map\", "
    "\"x-kubernetes-list-map-keys\": [\"name\"], \"items\": {\"type\": \"object\", \"properties\": "
    "{\"name\": {\"type\": \"string\"}, \"port\": {\"x-kubernetes-int-or-string\": true}}}},"
    "\"labels\": {\"type\": \"object\", \"additionalProperties\": {\"type\": \"string\"}},"
    "\"when\": {\"type\": \"string\", \"format\": \"date-time\", \"nullable\": true},"
    "\"mode\": {\"type\": \"string\", \"enum\": [\"a\", \"long\"]},"
    "\"free\": {\"type\": \"object\", \"x-kubernetes-preserve-unknown-fields\": true},"
    "\"odd key\": {\"type\": \"string\"}, \"untyped\": {}, \"list\": {\"type\": \"array\"}}}}}";

static const struct cel_type *load(void)
{
    struct json *j;
    const struct cel_type *t = NULL;
    assert_int_equal(json_parse(&table_arena, str_of(schema_text), NULL, &j, NULL), 0);
    assert_int_equal(cel_type_of_schema(&table_arena, j, "selfType", true, &t), 0);
    assert_non_null(t);
    return t;
}

static void each_field_has_its_type(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"self", "selfType"},
        {"self.kind + self.metadata.name", "string"},
        {"self.spec", "selfType.spec"},
        {"self.spec.replicas", "int"},
        {"self.spec.ratio", "double"},
        {"self.spec.names", "list(string)"},
        {"self.spec.ports", "list(selfType.spec.ports.@idx)"},
        {"self.spec.ports[0].port", "dyn"},
        {"self.spec.labels", "map(string, string)"},
        {"self.spec.when", "timestamp"},
        {"self.spec.free", "selfType.spec.free"},
        {"self.spec.free.x", "undefined field 'x'"},
        {"self.spec.untyped", "undefined field 'untyped'"},
        {"self.spec.list", "undefined field 'list'"},
        {"self.metadata.labels", "undefined field 'labels'"},
    };
    const struct cel_variable declared = {"self", load()};
    const struct cel_env env = {.variables = &declared, .variable_count = 1};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cel_program *p;
        struct err err = {0};
        CLEANUP_BUF struct buf b;
        buf_init(&b, 1000);
        if (cel_compile(&table_arena, &env, str_of(cases[i][0]), NULL, &p, NULL, &err) == 0)
            cel_type_write(&b, cel_program_type(p));
        else
            buf_puts(&b, strstr(err.text, "undefined"));
        assert_string_equal(buf_cstr(&b), cases[i][1]);
    }
}

static const struct cel_type *field(const struct cel_type *t, const char *name)
{
    for (size_t i = 0; i < t->field_count; i++)
        if (str_is(t->fields[i].name, name))
            return t->fields[i].type;
    fail_msg("no field %s", name);
    return NULL;
}

static void sizes_are_bounded_as_upstream(void **state)
{
    (void)state;
    const struct cel_type *spec = field(load(), "spec");
    assert_int_equal(field(spec, "names")->max_size, 5);
    assert_int_equal(field(spec, "names")->element->max_size, 40);
    assert_int_equal(field(spec, "mode")->max_size, 4);
    assert_int_equal(field(spec, "when")->max_size, 32);
    assert_true(field(spec, "when")->nullable);
    assert_int_equal(field(spec, "ports")->max_size, (3145728 - 2) / (2 + 1));
    assert_int_equal(field(spec, "labels")->max_size, (3145728 - 2) / (2 + 6));
    assert_int_equal(field(spec, "labels")->element->max_size, 3145726);
    assert_int_equal(field(spec, "ports")->list_type, CEL_LIST_MAP);
    assert_string_equal(field(spec, "ports")->list_keys[0], "name");
    assert_int_equal(spec->min_json_bytes, 2 + 8 + 1 + 4);
}

static const char *kind_problem(const struct cel_type *type, const char *expression)
{
    const struct cel_variable declared = {"object", type};
    const struct cel_env env = {.variables = &declared, .variable_count = 1};
    struct cel_program *p;
    struct err err = {0};
    int rc = cel_compile(&table_arena, &env, str_of(expression), NULL, &p, NULL, &err);
    return rc == 0 ? "" : arena_strdup(&table_arena, err.text);
}

static void built_in_kinds_have_types(void **state)
{
    (void)state;
    const struct cel_type *pod, *definition;
    assert_int_equal(
        cel_type_of_kind(&table_arena, schema_type_of_kind(STR(""), STR("v1"), STR("Pod")), &pod),
        0);
    assert_string_equal(
        kind_problem(pod, "object.spec.containers.all(c, c.image.startsWith('r/') && "
                          "c.resources.limits['cpu'] == '1' && object.metadata.labels.a == 'b' && "
                          "object.metadata.creationTimestamp < timestamp('2026-01-01T00:00:00Z'))"),
        "");
    assert_string_equal(kind_problem(pod, "object.spec.contaners"),
                        "ERROR: <input>:1:12: undefined field 'contaners'");
    assert_string_equal(kind_problem(pod, "object.spec.hostNetwork == 'x'"),
                        "ERROR: <input>:1:25: found no matching overload for '_==_' applied to "
                        "'(bool, string)'");
    assert_int_equal(cel_type_of_kind(&table_arena,
                                      schema_type_of_kind(STR("apiextensions.k8s.io"), STR("v1"),
                                                          STR("CustomResourceDefinition")),
                                      &definition),
                     0);
    assert_string_equal(
        kind_problem(definition, "object.spec.versions[0].schema.openAPIV3Schema.properties['a']"
                                 ".properties['b'].type == 'object'"),
        "");
}

static void admission_variables_have_types(void **state)
{
    (void)state;
    assert_string_equal(kind_problem(&cel_admission_request,
                                     "object.namespace == 'a' && object.userInfo.extra['k'][0] == "
                                     "'v' && object.resource.resource == 'pods' && !object.dryRun"),
                        "");
    assert_string_equal(kind_problem(&cel_admission_request, "object.uid"),
                        "ERROR: <input>:1:7: undefined field 'uid'");
    assert_string_equal(
        kind_problem(&cel_namespace_object, "object.metadata.labels.a + object.status.phase"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_field_has_its_type, table_setup, table_teardown),
        cmocka_unit_test_setup_teardown(built_in_kinds_have_types, table_setup, table_teardown),
        cmocka_unit_test_setup_teardown(admission_variables_have_types, table_setup,
                                        table_teardown),
        cmocka_unit_test_setup_teardown(sizes_are_bounded_as_upstream, table_setup, table_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
