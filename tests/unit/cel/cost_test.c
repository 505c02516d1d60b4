/*
 * What an evaluation costs. The figures are upstream's (cel-go, interpreter/runtimecost_test.go),
 * where constants are not made values first; here they are, as the API server does it, so that
 * literal lists cost nothing.
 */
#include "cel_table.h"

static const struct cel_variable declared[] = {
    {"list", &cel_list_of_dyn}, {"map", &cel_map_of_dyn}, {"text", &cel_string},
    {"a", &cel_bool},           {"b", &cel_bool},         {"x", &cel_int},
};
static const struct cel_env env = {.variables = declared,
                                   .variable_count = sizeof declared / sizeof *declared};

struct cost_case {
    const char *expression;
    uint64_t cost;
};

static void make_values(struct cel_value values[6])
{
    struct cel_run run = {.arena = &table_arena};
    struct json *list, *map;
    char text[501] = "";
    memset(text, 'z', 500);
    assert_int_equal(json_parse(&table_arena, STR("[1, 2, 3]"), NULL, &list, NULL), 0);
    assert_int_equal(json_parse(&table_arena, STR("{\"k\": {\"n\": 1}}"), NULL, &map, NULL), 0);
    assert_int_equal(cel_from_json(&run, list, &cel_list_of_dyn, &values[0], NULL), 0);
    assert_int_equal(cel_from_json(&run, map, &cel_map_of_dyn, &values[1], NULL), 0);
    values[2] = cel_of_str(str_of(arena_strdup(&table_arena, text)));
    values[3] = cel_of_bool(false);
    values[4] = cel_of_bool(true);
    values[5] = (struct cel_value){.kind = CEL_INT, .i64 = 1};
}

static void each_step_is_charged_as_upstream(void **state)
{
    (void)state;
    static const struct cost_case cases[] = {
        {"'Hello'", 0},
        {"list", 1},
        {"map.k", 2},
        {"map['k']", 2},
        {"map.k.n", 3},
        {"map['k' + '']", 3},
        {"list[3 - 3]", 3},
        {"list[x]", 2},
        {"has(map.k)", 1},
        {"has(map.k.n)", 2},
        {"[1, 2, 3]", 0},
        {"[x]", 11},
        {"{'a': x}", 31},
        {"{'a': x}.a", 33},
        {"list.filter(e, false).all(e, true)", 1 + 1 + 1},
        {"[1, 2, 3].all(e, true)", 10},
        {"a || a || b || a", 3},
        {"b && a && b", 2},
        {"true ? 1 : 2", 0},
        {"b ? x : 2", 1},
        {"(x > 2 ? list : list).all(e, true)", 2 + 9 + 1},
        {"1 < 2", 1},
        {"1 == 2", 1},
        {"'12345678901234567890' == '123456789012345678901234567890'", 2},
        {"2 in [1, 2, 3]", 0},
        {"x in [1, 2, 3]", 1},
        {"2 in list", 1 + 3},
        {"text.contains(text)", 2502},
        {"text.matches('[0-9]')", 103},
        {"text.matches('\\\\d+a\\\\d+b')", 103},
        {"text.startsWith(text)", 2 + 50},
        {"bytes(text)", 51},
        {"text.size()", 2},
        {"'abcdefg'.contains(text + 'x')", 1 + 51 + 51},
        {"map.all(k, map[k].n > 3)", 9},
        {"[1, 2, 3, 4, 5].filter(e, e % 2 == 0)", 42},
        {"[1, 2, 3, 4, 5].map(e, e)", 66},
        {"[1, 2, 3].all(i, i in [1, 2, 3].map(j, j + j))", 56},
        {"list.isSorted()", 4},
        {"list.sum()", 4},
        {"text.lowerAscii()", 51},
        {"text.replace('z', 'y')", 101},
        {"quantity('1').sign()", 2},
        {"sets.contains(list, list)", 2 + 10},
    };
    struct cel_value values[6];
    size_t failed = 0;
    make_values(values);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t cost = UINT64_MAX;
        const char *got = table_eval(&env, values, cases[i].expression, &cost);
        if (cost == cases[i].cost && *got != '?' && *got != '!')
            continue;
        print_error("%s cost %llu, not %llu (%s)\n", cases[i].expression, (unsigned long long)cost,
                    (unsigned long long)cases[i].cost, got);
        failed++;
    }
    assert_int_equal(failed, 0);
}

static int limited(const char *expression, uint64_t limit)
{
    struct cel_program *p;
    struct cel_value values[6], v;
    struct err err = {0};
    make_values(values);
    struct cel_run run = {.arena = &table_arena, .variables = values, .limit = limit};
    assert_int_equal(cel_compile(&table_arena, &env, str_of(expression), NULL, &p, NULL, &err), 0);
    int rc = cel_eval(p, &run, &v, &err);
    if (rc == -E_LIMIT)
        assert_string_equal(err.text, "operation cancelled: actual cost limit exceeded");
    return rc;
}

static void a_limit_ends_the_evaluation(void **state)
{
    (void)state;
    assert_int_equal(limited("text.contains(text)", 2502), 0);
    assert_int_equal(limited("text.contains(text)", 2501), -E_LIMIT);
    /* Nothing absorbs it. */
    assert_int_equal(limited("text.contains(text) || true", 2501), -E_LIMIT);
    assert_int_equal(limited("[1].exists(e, text.contains(text)) || true", 2501), -E_LIMIT);
    /* What takes long ends in good time. */
    assert_int_equal(
        limited("lists.range(1000).all(i, lists.range(1000).all(j, i + j >= 0))", CEL_LIMIT_CALL),
        -E_LIMIT);
}

static void values_within_values_do_not_explode(void **state)
{
    (void)state;
    char expression[4000] = "[0]";
    for (int i = 0; i < 60; i++)
        strcat(expression, ".map(e, [e, e])");
    strcat(expression, " == [dyn(1)]");
    struct cel_program *p;
    struct err err = {0};
    assert_int_equal(cel_compile(&table_arena, &env, str_of(expression), NULL, &p, NULL, &err), 0);
    strcpy(expression, "[0]");
    for (int i = 0; i < 60; i++)
        strcat(expression, ".map(e, [e, e])");
    char twice[9000];
    snprintf(twice, sizeof twice, "dyn(%s) == dyn(%s)", expression, expression);
    assert_int_equal(limited(twice, CEL_LIMIT_CALL), -E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_step_is_charged_as_upstream, table_setup,
                                        table_teardown),
        cmocka_unit_test_setup_teardown(a_limit_ends_the_evaluation, table_setup, table_teardown),
        cmocka_unit_test_setup_teardown(values_within_values_do_not_explode, table_setup,
                                        table_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
