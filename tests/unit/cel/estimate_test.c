/* Estimated costs: figures of upstream's tests (cel-go, checker/cost_test.go), and the complaint.
 */
#include "cel_table.h"

#include "cel/cost.h"

static const struct cel_type text500 = {.kind = CEL_T_STRING, .max_size = 500};
static const struct cel_type bytes500 = {.kind = CEL_T_BYTES, .max_size = 500};
static const struct cel_type list100 = {.kind = CEL_T_LIST, .element = &cel_int, .max_size = 100};
static const struct cel_type list10 = {.kind = CEL_T_LIST, .element = &cel_int, .max_size = 10};
static const struct cel_type nested50 = {.kind = CEL_T_LIST, .element = &list10, .max_size = 50};
static const struct cel_field number_fields[] = {{{"n", 1}, &cel_int}};
static const struct cel_type number = {
    .kind = CEL_T_OBJECT, .name = "number", .fields = number_fields, .field_count = 1};
static const struct cel_type key10 = {.kind = CEL_T_STRING, .max_size = 10};
static const struct cel_type map10 = {
    .kind = CEL_T_MAP, .key = &key10, .element = &number, .max_size = 10};
static const struct cel_type texts10 = {.kind = CEL_T_LIST, .element = &text500, .max_size = 10};
static const struct cel_type root = {.kind = CEL_T_OBJECT, .name = "root"};
static const struct cel_variable declared[] = {
    {"self", &root},       {"text", &text500},  {"bytes500", &bytes500}, {"list", &list100},
    {"nested", &nested50}, {"map", &map10},     {"a", &cel_bool},        {"x", &cel_int},
    {"short", &list10},    {"texts", &texts10}, {"any", &cel_dyn}};
static const struct cel_env env = {
    .variables = declared, .variable_count = sizeof declared / sizeof *declared, .estimate = true};

static struct cel_cost estimate(const char *expression)
{
    struct cel_program *p;
    struct err err = {0};
    if (cel_compile(&table_arena, &env, str_of(expression), NULL, &p, NULL, &err) < 0)
        fail_msg("%s: %s", expression, err.text);
    return cel_program_cost(p);
}

static void estimates_are_those_of_upstream(void **state)
{
    (void)state;
    static const struct {
        const char *expression;
        uint64_t min, max;
    } cases[] = {
        {"'a'", 0, 0},
        {"list", 1, 1},
        {"map['k']", 2, 2},
        {"map.k.n", 3, 3},
        {"has(map.k.n)", 2, 2},
        {"[1, 2, 3]", 10, 10},
        {"{'a': 1, 'b': 2}", 30, 30},
        {"list.all(e, true)", 2, 302},
        {"nested.all(e, e.all(f, true))", 2, 1752},
        {"[1, 2, 3].all(e, true)", 20, 20},
        {"text.matches('[0-9]')", 3, 103},
        {"'123'.matches('[0-9]')", 2, 2},
        {"a || a || a || a", 1, 4},
        {"a && a && a && a", 1, 4},
        {"1 < 2", 1, 1},
        {"2 in [1, 2, 3]", 13, 13},
        {"true ? 1 : 2", 0, 0},
        {"string(bytes500)", 1, 51},
        {"string(bytes500) == string(bytes500)", 3, 152},
        {"bytes(text)", 1, 51},
        {"bytes(text) == bytes(text)", 3, 302},
        {"text.contains(text)", 2, 2502},
        {"text.startsWith(text)", 2, 52},
        {"text.size()", 2, 2},
        {"(x > 2 ? short : short).all(e, true)", 4, 34},
        {"map.all(k, map[k].n > 3)", 2, 82},
        {"(short + short).all(e, true)", 4, 64},
        {"[1, 2, 3, 4, 5].map(e, e)", 86, 86},
        {"[1, 2, 3, 4, 5].map(e, e).map(e, e)", 162, 162},
        {"[1, 2, 3, 4, 5].map(e, e)[4]", 87, 87},
        {"[1, 2, 3].all(i, i in [1, 2, 3].map(j, j + j))", 20, 230},
        {"{'hello': 'hi'}['hello'] != {'hello': 'bye'}['hello']", 63, 63},
        {"['hello', 'hi'][0] != ['hello', 'bye'][1]", 23, 23},
        {"type(1)", 1, 1},
        {"texts.isSorted()", 1, 1 + 10 * 51},
        {"texts.all(t, t.contains('a'))", 2, 2 + 10 * (2 + 1 + 51)},
        {"texts.join(',')", 1, 1 + 501},
        {"any == 'a'", 1, 1},
        {"texts.exists(t, texts.exists(u, t == u))", 2, 2 + 10 * (4 + 2 + 10 * (4 + 52))},
    };
    size_t failed = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cel_cost c = estimate(cases[i].expression);
        if (c.min == cases[i].min && c.max == cases[i].max)
            continue;
        print_error("%s: {%llu, %llu}, not {%llu, %llu}\n", cases[i].expression,
                    (unsigned long long)c.min, (unsigned long long)c.max,
                    (unsigned long long)cases[i].min, (unsigned long long)cases[i].max);
        failed++;
    }
    assert_int_equal(failed, 0);
}

static const char *complaint(uint64_t cost, uint64_t limit)
{
    CLEANUP_BUF struct buf b;
    buf_init(&b, 1000);
    cel_cost_complain(&b, "estimated rule cost", cost, limit);
    return arena_strdup(&table_arena, buf_cstr(&b));
}

static void too_much_is_complained_about(void **state)
{
    (void)state;
#define ADVICE                                                                                    \
    " (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, " \
    "maps, and strings are declared)"
    assert_string_equal(complaint(10, 10), "");
    assert_string_equal(complaint(25, 10),
                        "estimated rule cost exceeds budget by factor of 2.5x" ADVICE);
    assert_string_equal(complaint(11, 10),
                        "estimated rule cost exceeds budget by factor of 1.100000x" ADVICE);
    assert_string_equal(complaint(UINT64_MAX, 10),
                        "estimated rule cost exceeds budget by factor of more than 100x" ADVICE);
}

static void unbounded_schemas_are_expensive(void **state)
{
    (void)state;
    static const char schema[] =
        "{\"type\": \"object\", \"properties\": {\"l\": {\"type\": \"array\", \"items\": "
        "{\"type\": "
        "\"string\"}}, \"m\": {\"type\": \"array\", \"maxItems\": 10, \"items\": {\"type\": "
        "\"string\", \"maxLength\": 20}}}}";
    struct json *j;
    const struct cel_type *self = NULL;
    assert_int_equal(json_parse(&table_arena, str_of(schema), NULL, &j, NULL), 0);
    assert_int_equal(cel_type_of_schema(&table_arena, j, "selfType", false, &self), 0);
    const struct cel_variable variable = {"self", self};
    const struct cel_env schema_env = {&variable, 1, true};
    struct cel_program *p;
    assert_int_equal(cel_compile(&table_arena, &schema_env,
                                 STR("self.l.all(x, self.l.all(y, x == y))"), &cel_bool, &p, NULL,
                                 NULL),
                     0);
    assert_true(cel_program_cost(p).max > 100 * CEL_ESTIMATE_RULE);
    assert_int_equal(cel_compile(&table_arena, &schema_env,
                                 STR("self.m.all(x, self.m.all(y, x == y))"), &cel_bool, &p, NULL,
                                 NULL),
                     0);
    assert_true(cel_program_cost(p).max < 2000);
    assert_true(cel_cost_times(UINT64_MAX, 2) == UINT64_MAX && cel_cost_times(3, 4) == 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(estimates_are_those_of_upstream, table_setup,
                                        table_teardown),
        cmocka_unit_test_setup_teardown(too_much_is_complained_about, table_setup, table_teardown),
        cmocka_unit_test_setup_teardown(unbounded_schemas_are_expensive, table_setup,
                                        table_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
