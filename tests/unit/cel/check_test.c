/* What the checker accepts and what it says, over a schema as a custom resource has it. */
#include "cel_table.h"

static const struct cel_type names = {
    .kind = CEL_T_LIST, .element = &cel_string, .list_type = CEL_LIST_SET};
static const struct cel_field port_fields[] = {{{"name", 4}, &cel_string}, {{"port", 4}, &cel_int}};
static const struct cel_type port = {
    .kind = CEL_T_OBJECT, .name = "selfType.ports.@idx", .fields = port_fields, .field_count = 2};
static const char *const port_keys[] = {"name", NULL};
static const struct cel_type ports = {
    .kind = CEL_T_LIST, .element = &port, .list_type = CEL_LIST_MAP, .list_keys = port_keys};
static const struct cel_type labels = {
    .kind = CEL_T_MAP, .key = &cel_string, .element = &cel_string};
static const struct cel_type nullable = {.kind = CEL_T_STRING, .nullable = true};
static const struct cel_type date = {.kind = CEL_T_TIMESTAMP, .bare_date = true};
static const struct cel_field fields[] = {
    {{"replicas", 8}, &cel_int},  {{"names", 5}, &names},           {{"ports", 5}, &ports},
    {{"labels", 6}, &labels},     {{"namespace", 9}, &cel_string},  {{"x-y.z", 5}, &cel_string},
    {{"any", 3}, &cel_dyn},       {{"started", 7}, &cel_timestamp}, {{"day", 3}, &date},
    {{"data", 4}, &cel_bytes},    {{"ratio", 5}, &cel_double},      {{"maybe", 5}, &nullable},
    {{"wait", 4}, &cel_duration}, {{"a__b", 4}, &cel_string},
};
static const struct cel_type self = {.kind = CEL_T_OBJECT,
                                     .name = "selfType",
                                     .fields = fields,
                                     .field_count = sizeof fields / sizeof *fields};
static const struct cel_variable declared[] = {{"self", &self},
                                               {"oldSelf", &self},
                                               {"object", &cel_dyn},
                                               {"authorizer.requestResource", &cel_bool}};
static const struct cel_env env = {.variables = declared, .variable_count = 4};

static const char object_text[] =
    "{\"replicas\": 3, \"names\": [\"a\", \"b\"], \"ports\": [{\"name\": \"http\", \"port\": 80}, "
    "{\"name\": \"dns\", \"port\": 53}], \"labels\": {\"app\": \"x\", \"a/b\": \"y\"}, "
    "\"namespace\": \"ns\", \"x-y.z\": \"dashed\", \"any\": 5, \"started\": "
    "\"2026-11-23T10:00:00Z\", \"day\": \"2026-11-23\", \"data\": \"aGk=\", \"ratio\": 2, "
    "\"maybe\": null, \"wait\": \"90s\", \"a__b\": \"u\"}";
static const char old_text[] =
    "{\"replicas\": 2, \"names\": [\"b\", \"a\"], \"ports\": [{\"name\": \"dns\", \"port\": 53}, "
    "{\"name\": \"http\", \"port\": 80}]}";

static void make_values(struct cel_value values[4])
{
    struct cel_run run = {.arena = &table_arena};
    struct json *j;
    assert_int_equal(json_parse(&table_arena, str_of(object_text), NULL, &j, NULL), 0);
    assert_int_equal(cel_from_json(&run, j, &self, &values[0], NULL), 0);
    assert_int_equal(cel_from_json(&run, j, NULL, &values[2], NULL), 0);
    assert_int_equal(json_parse(&table_arena, str_of(old_text), NULL, &j, NULL), 0);
    assert_int_equal(cel_from_json(&run, j, &self, &values[1], NULL), 0);
    values[3] = cel_of_bool(true);
}

static void check(const struct cel_case *cases, size_t count)
{
    struct cel_value values[4];
    make_values(values);
    table_check(&env, values, cases, count);
}
#define CHECK(cases) check(cases, sizeof cases / sizeof *cases)

static void values_follow_the_schema(void **state)
{
    (void)state;
    static const struct cel_case cases[] = {
        {"self.replicas + 1", "4"},
        {"self.names.exists(n, n == 'a')", "true"},
        {"self.ports.map(p, p.port).sum()", "133"},
        {"self.labels['a/b'] + self.labels.app", "\"yx\""},
        {"self.__namespace__ + self.namespace", "\"nsns\""},
        {"self.x__dash__y__dot__z", "\"dashed\""},
        {"self.a__underscores__b", "\"u\""},
        {"self.any == 5 && type(self.any) == int", "true"},
        {"self.started.getHours() + self.day.getDate()", "33"},
        {"string(self.data)", "\"hi\""},
        {"self.ratio / 4.0", "0.5"},
        {"self.wait == duration('1m30s')", "true"},
        {"has(self.maybe) && !has(oldSelf.maybe)", "true"},
        {"oldSelf.?replicas.orValue(0)", "2"},
        {"oldSelf.labels", "!no such key: labels"},
        {"object.namespace + object['x-y.z']", "\"nsdashed\""},
        {"object.started", "\"2026-11-23T10:00:00Z\""},
        {"authorizer.requestResource", "true"},
        {"[1].map(self, self + 1)", "[2]"},
        {"self.labels.exists(k, self.labels[k] == 'y')", "true"},
    };
    CHECK(cases);
}

static void sets_and_keyed_lists_have_no_order(void **state)
{
    (void)state;
    static const struct cel_case cases[] = {
        {"self.names == oldSelf.names", "true"},
        {"self.ports == oldSelf.ports", "true"},
        {"self.names == ['b', 'a']", "true"},
        {"['b', 'a'] == self.names", "false"},
        {"object.names == ['b', 'a']", "false"},
        {"self.names + ['c', 'a']", "[\"a\",\"b\",\"c\"]"},
        {"(self.ports + oldSelf.ports).size()", "2"},
    };
    CHECK(cases);
}

#define BEGINNING                                                                            \
    "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, " \
    "STRING, BYTES, IDENTIFIER}"

static void what_is_wrong_is_said_as_upstream(void **state)
{
    (void)state;
    static const struct cel_case cases[] = {
        {"self.x", "?ERROR: <input>:1:5: undefined field 'x'\n | self.x\n | ....^"},
        {"foo",
         "?ERROR: <input>:1:1: undeclared reference to 'foo' (in container '')\n | foo\n | ^"},
        {"foo(1)", "?ERROR: <input>:1:4: undeclared reference to 'foo' (in container '')\n | "
                   "foo(1)\n | ...^"},
        {"self.replicas + 'a'", "?ERROR: <input>:1:15: found no matching overload for '_+_' "
                                "applied to '(int, string)'\n | "
                                "self.replicas + 'a'\n | ..............^"},
        {"'a'.contains(1)",
         "?ERROR: <input>:1:13: found no matching overload for 'contains' applied to "
         "'string.(int)'\n | 'a'.contains(1)\n | ............^"},
        {"[1, 'a']",
         "?ERROR: <input>:1:5: expected type 'int' but found 'string'\n | [1, 'a']\n | ....^"},
        {"self.replicas.all(x, true)",
         "?ERROR: <input>:1:5: expression of type 'int' cannot be range of a comprehension (must "
         "be "
         "list, map, or dynamic)\n | self.replicas.all(x, true)\n | ....^"},
        {"self.replicas.x", "?ERROR: <input>:1:14: type 'int' does not support field selection\n | "
                            "self.replicas.x\n | "
                            ".............^"},
        {"1 && true",
         "?ERROR: <input>:1:1: expected type 'bool' but found 'int'\n | 1 && true\n | ^"},
        {"'\u00e9' +\n self.q", "?ERROR: <input>:2:6: undefined field 'q'\n |  self.q\n | .....^"},
        {"self.maybe == null", "?ERROR: <input>:1:12: found no matching overload for '_==_' "
                               "applied to '(string, null)'\n "
                               "| self.maybe == null\n | ...........^"},
        {"has(self)",
         "?ERROR: <input>:1:5: invalid argument to has() macro\n | has(self)\n | ....^"},
        {"[1].all(1, true)",
         "?ERROR: <input>:1:9: argument must be a simple name\n | [1].all(1, true)\n | ........^"},
        {"for", "?ERROR: <input>:1:1: reserved identifier: for\n | for\n | ^"},
        {"1 +", "?ERROR: <input>:1:4: Syntax error: mismatched input '<EOF>' expecting " BEGINNING
                "\n | 1 +\n | ...^"},
        {"1 + +", "?ERROR: <input>:1:5: Syntax error: mismatched input '+' expecting " BEGINNING
                  "\n | 1 + +\n | ....^"},
        {"*self", "?ERROR: <input>:1:1: Syntax error: extraneous input '*' expecting " BEGINNING
                  "\n | *self\n | ^"},
        {"1 2",
         "?ERROR: <input>:1:3: Syntax error: extraneous input '2' expecting <EOF>\n | 1 2\n | "
         "..^"},
        {"1 2 +", "?ERROR: <input>:1:3: Syntax error: mismatched input '2' expecting <EOF>\n | 1 2 "
                  "+\n | ..^"},
        {"{1}",
         "?ERROR: <input>:1:3: Syntax error: mismatched input '}' expecting ':'\n | {1}\n | ..^"},
        {"1 + $",
         "?ERROR: <input>:1:5: Syntax error: token recognition error at: '$'\n | 1 + $\n | "
         "....^"},
        {"duration('x')",
         "?ERROR: <input>:1:10: invalid duration argument\n | duration('x')\n | .........^"},
        {"Foo{a: 1}",
         "?ERROR: <input>:1:4: undeclared reference to 'Foo' (in container '')\n | Foo{a: 1}\n | "
         "...^"},
        {"99999999999999999999",
         "?ERROR: <input>:1:1: invalid int literal\n | 99999999999999999999\n | ^"},
    };
    CHECK(cases);
}

static void types_are_inferred(void **state)
{
    (void)state;
    static const struct {
        const char *expression, *type;
    } cases[] = {
        {"[]", "list(dyn)"},
        {"[1]", "list(int)"},
        {"{'a': [1.0]}", "map(string, list(double))"},
        {"self", "selfType"},
        {"self.ports[0]", "selfType.ports.@idx"},
        {"self.names.map(x, x.size())", "list(int)"},
        {"[[], [1]]", "list(list(int))"},
        {"true ? [] : ['a']", "list(string)"},
        {"object.x", "dyn"},
        {"self.?replicas", "optional_type(int)"},
        {"optional.none()", "optional_type(dyn)"},
        {"{'a': 1}.transformMap(k, v, string(v))", "map(string, string)"},
        {"url('/').getQuery()", "map(string, list(string))"},
        {"self.any + 1", "int"},
        {"timestamp('2020-01-01T00:00:00Z') - self.started", "duration"},
        {"cidr('::/0').ip()", "net.IP"},
        {"[3, 1].sort()", "list(int)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cel_program *p;
        struct err err = {0};
        CLEANUP_BUF struct buf b;
        buf_init(&b, 1000);
        int rc = cel_compile(&table_arena, &env, str_of(cases[i].expression), NULL, &p, NULL, &err);
        if (rc < 0)
            fail_msg("%s: %s", cases[i].expression, err.text);
        cel_type_write(&b, cel_program_type(p));
        assert_string_equal(buf_cstr(&b), cases[i].type);
    }
}

static void a_wanted_type_is_demanded(void **state)
{
    (void)state;
    struct cel_program *p;
    struct cel_problem problem;
    struct err err;
    assert_int_equal(
        cel_compile(&table_arena, &env, STR("self.replicas"), &cel_bool, &p, &problem, &err),
        -E_INVALID);
    assert_string_equal(err.text, "must evaluate to bool but got int");
    assert_int_equal(
        cel_compile(&table_arena, &env, STR("object.x"), &cel_bool, &p, &problem, &err),
        -E_INVALID);
    assert_string_equal(problem.text.p, "must evaluate to bool but got dyn");
    assert_int_equal(
        cel_compile(&table_arena, &env, STR("object.x == 1"), &cel_bool, &p, &problem, &err), 0);
    assert_false(cel_program_uses(p, 0));
    assert_true(cel_program_uses(p, 2));
    assert_int_equal(
        cel_compile(&table_arena, &env, STR("oldSelf.replicas > 1"), &cel_bool, &p, NULL, NULL), 0);
    assert_true(cel_program_uses(p, 1));
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    struct cel_program *p;
    struct err err;
    static char text[90000];
    memset(text, '(', 40000);
    assert_int_equal(cel_compile(&table_arena, &env, str_of(text), NULL, &p, NULL, &err),
                     -E_INVALID);
    assert_string_equal(err.text, "ERROR: <input>:-1:0: expression recursion limit exceeded: 250");
    for (size_t i = 0; i < 80000; i++)
        text[i] = "1+"[i % 2];
    strcpy(text + 80000, "1");
    assert_int_equal(cel_compile(&table_arena, &env, str_of(text), NULL, &p, NULL, &err),
                     -E_INVALID);
    for (size_t i = 0; i < 80000; i++)
        text[i] = "true&&"[i % 6];
    strcpy(text + 79998, "true");
    assert_int_equal(cel_compile(&table_arena, &env, str_of(text), NULL, &p, NULL, &err), 0);
    memset(text, '!', 80000);
    strcpy(text + 80000, "true");
    assert_int_equal(cel_compile(&table_arena, &env, str_of(text), NULL, &p, NULL, &err), 0);
    memset(text, 'a', sizeof text - 1);
    assert_int_equal(cel_compile(&table_arena, &env, str_make(text, 200000), NULL, &p, NULL, &err),
                     -E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_follow_the_schema, table_setup, table_teardown),
        cmocka_unit_test_setup_teardown(sets_and_keyed_lists_have_no_order, table_setup,
                                        table_teardown),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_said_as_upstream, table_setup,
                                        table_teardown),
        cmocka_unit_test_setup_teardown(types_are_inferred, table_setup, table_teardown),
        cmocka_unit_test_setup_teardown(a_wanted_type_is_demanded, table_setup, table_teardown),
        cmocka_unit_test_setup_teardown(nesting_is_bounded, table_setup, table_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
