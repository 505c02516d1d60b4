/* The language as cel-spec describes it: literals, operators, macros, conversions. */
#include "cel_table.h"

static const struct cel_env no_variables;
#define CHECK(cases) table_check(&no_variables, NULL, cases, sizeof cases / sizeof *cases)

static void literals_have_values(void **state)
{
    (void)state;
    static const struct cel_case cases[] = {
        {"1", "1"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"0x1F", "31"},
        {"-0x1f", "-31"},
        {"42u", "42"},
        {"1.5", "1.5"},
        {".5", "0.5"},
        {"1e3", "1000"},
        {"true", "true"},
        {"null", "null"},
        {"'a' + \"b\"", "\"ab\""},
        {"'\\u00e9\\n\\x41\\101\\U0001F600'", "\"\u00e9\\nAA\U0001F600\""},
        {"r'\\n'", "\"\\\\n\""},
        {"'''a'b\n'''", "\"a'b\\n\""},
        {"b'\\xff\\000'", "\"/wA=\""},
        {"rb'a\\n'", "\"YVxu\""},
        {"[1, 2, 3]", "[1,2,3]"},
        {"[1, 2,]", "[1,2]"},
        {"{'a': 1, 'b': 2}", "{\"a\":1,\"b\":2}"},
        {"{'a': [1], }", "{\"a\":[1]}"},
        {"// a remark\n1", "1"},
    };
    CHECK(cases);
}

static void operators_follow_precedence(void **state)
{
    (void)state;
    static const struct cel_case cases[] = {
        {"1 + 2 * 3", "7"},
        {"(1 + 2) * 3", "9"},
        {"10 - 2 - 3", "5"},
        {"7 / 2", "3"},
        {"-7 / 2", "-3"},
        {"-7 % 3", "-1"},
        {"1 + 1 == 2 && 2 > 1", "true"},
        {"true || false && false", "true"},
        {"!true || true", "true"},
        {"!!true", "true"},
        {"- - 1", "1"},
        {"1 < 2 ? 'yes' : 'no'", "\"yes\""},
        {"false ? 1 : false ? 2 : 3", "3"},
        {"1 in [1, 2]", "true"},
        {"'a' in {'a': 1}", "true"},
        {"3 in [1, 2]", "false"},
        {"[1, 2][1]", "2"},
        {"{'a': {'b': 3}}.a.b", "3"},
        {"{'a b': 1}['a b']", "1"},
        {"{1: 'x'}[1]", "\"x\""},
        {"[1] + [2]", "[1,2]"},
        {"b'a' + b'b'", "\"YWI=\""},
        {"1.5 * 2.0", "3"},
        {"3u - 1u", "2"},
    };
    CHECK(cases);
}

static void arithmetic_never_wraps(void **state)
{
    (void)state;
    static const struct cel_case cases[] = {
        {"9223372036854775807 + 1", "!integer overflow"},
        {"-9223372036854775808 - 1", "!integer overflow"},
        {"9223372036854775807 * 2", "!integer overflow"},
        {"-9223372036854775808 / -1", "!integer overflow"},
        {"-(-9223372036854775808)", "!integer overflow"},
        {"0u - 1u", "!unsigned integer overflow"},
        {"18446744073709551615u + 1u", "!unsigned integer overflow"},
        {"1 / 0", "!division by zero"},
        {"1 % 0", "!modulus by zero"},
        {"1u / 0u", "!division by zero"},
        {"1.0 / 0.0 > 0.0", "true"},
        {"int(1e19)", "?ERROR: <input>:1:4: integer overflow\n | int(1e19)\n | ...^"},
        {"[1e19].map(x, int(x))", "!integer overflow"},
        {"[-1].map(x, uint(x))", "!unsigned integer overflow"},
        {"duration('2562047h') + duration('2562047h')", "!duration overflow"},
        {"timestamp('9999-12-31T23:59:59Z') + duration('1s')", "!timestamp overflow"},
    };
    CHECK(cases);
}

static void numbers_compare_across_types(void **state)
{
    (void)state;
    static const struct cel_case cases[] = {
        {"1 < 2.5", "true"},
        {"1u < 2", "true"},
        {"-1 < 1u", "true"},
        {"9223372036854775807 < 9223372036854775808u", "true"},
        {"9007199254740993 > 9007199254740992.0", "true"},
        {"dyn(1) == 1u", "true"},
        {"dyn(1) == 1.0", "true"},
        {"dyn(1) == '1'", "false"},
        {"dyn(1.5) == 1", "false"},
        {"1.0 / 0.0 == 1.0 / 0.0", "true"},
        {"(0.0 / 0.0) == (0.0 / 0.0)", "false"},
        {"{1: 'a'}[dyn(1.0)]", "\"a\""},
        {"dyn([1, 2]) == [1.0, 2.0]", "true"},
        {"'a' < 'b' && b'a' < b'b' && false < true", "true"},
        {"[1, 2] == [2, 1]", "false"},
        {"{'a': 1, 'b': 2} == {'b': 2, 'a': 1}", "true"},
        {"null == null", "true"},
        {"dyn(null) == 1", "false"},
        {"type(1) == int && type('') == string && type(type(1)) == type", "true"},
        {"type(null) == null_type && type([]) == list && type({}) == map", "true"},
        {"type(duration('1s')) == google.protobuf.Duration", "true"},
    };
    CHECK(cases);
}

static void errors_are_absorbed_by_what_decides(void **state)
{
    (void)state;
    static const struct cel_case cases[] = {
        {"true || 1 / 0 == 1", "true"},
        {"1 / 0 == 1 || true", "true"},
        {"false && 1 / 0 == 1", "false"},
        {"1 / 0 == 1 && false", "false"},
        {"1 / 0 == 1 || false", "!division by zero"},
        {"true && 1 / 0 == 1", "!division by zero"},
        {"true ? 1 : 1 / 0", "1"},
        {"[1, 0].exists(x, 2 / x == 2)", "true"},
        {"[0, 1].exists(x, 2 / x == 2)", "true"},
        {"[0, 1].all(x, 2 / x == 3)", "false"},
        {"[0].all(x, 2 / x == 2)", "!division by zero"},
        {"[0, 1].exists_one(x, 2 / x == 2)", "!division by zero"},
        {"[1][5]", "!index out of bounds: 5"},
        {"[1][-1]", "!index out of bounds: -1"},
        {"{'a': 1}.b", "!no such key: b"},
        {"{'a': 1}['b']", "!no such key: b"},
        {"dyn('a') + 1", "!no such overload"},
        {"dyn(1) && true", "!no such overload"},
    };
    CHECK(cases);
}

static void macros_walk_lists_and_maps(void **state)
{
    (void)state;
    static const struct cel_case cases[] = {
        {"[1, 2, 3].all(x, x > 0)", "true"},
        {"[].all(x, x > 0)", "true"},
        {"[].exists(x, x > 0)", "false"},
        {"[1, 2, 2].exists_one(x, x == 2)", "false"},
        {"[1, 2, 2].existsOne(x, x == 1)", "true"},
        {"[1, 2, 3].map(x, x * 2)", "[2,4,6]"},
        {"[1, 2, 3].map(x, x > 1, x * 2)", "[4,6]"},
        {"[1, 2, 3].filter(x, x % 2 == 1)", "[1,3]"},
        {"{'a': 1, 'b': 2}.all(k, k < 'c')", "true"},
        {"{'a': 1, 'b': 2}.map(k, k)", "[\"a\",\"b\"]"},
        {"[[1, 2], [3]].map(x, x.map(y, y + 1))", "[[2,3],[4]]"},
        {"[1, 2].map(x, [3, 4].map(y, x * y))", "[[3,4],[6,8]]"},
        {"[1, 2].map(x, [x].map(x, x + 1))", "[[2],[3]]"},
        {"has({'a': 1}.a)", "true"},
        {"has({'a': 1}.b)", "false"},
        {"has({'a': {'b': 1}}.a.b)", "true"},
        {"[1, 2].all(i, v, i < v)", "true"},
        {"{'a': 'b'}.exists(k, v, k < v)", "true"},
        {"[5, 6].transformList(i, v, i + v)", "[5,7]"},
        {"[5, 6].transformList(i, v, i > 0, v)", "[6]"},
        {"{'a': 1, 'b': 2}.transformMap(k, v, v * 10)", "{\"a\":10,\"b\":20}"},
        {"{'a': 1, 'b': 2}.transformMap(k, v, v > 1, v)", "{\"b\":2}"},
        {"{'a': 'x', 'b': 'y'}.transformMapEntry(k, v, {v: k})", "{\"x\":\"a\",\"y\":\"b\"}"},
        {"['a', 'a'].transformMapEntry(i, v, {v: i})", "!insert failed: key a already exists"},
    };
    CHECK(cases);
}

static void optionals_carry_what_may_be_missing(void **state)
{
    (void)state;
    static const struct cel_case cases[] = {
        {"{'a': 1}.?a.orValue(5)", "1"},
        {"{'a': 1}.?b.orValue(5)", "5"},
        {"{'a': {'b': 2}}.?a.b.orValue(5)", "2"},
        {"{'a': {'b': 2}}.?a.?c.orValue(5)", "5"},
        {"[1, 2][?1].value()", "2"},
        {"[1, 2][?5].hasValue()", "false"},
        {"{'a': 1}[?'a'].orValue(0)", "1"},
        {"optional.of(1).or(optional.of(2)).value()", "1"},
        {"optional.none().or(optional.of(2)).value()", "2"},
        {"optional.none().value()", "!optional.none() dereference"},
        {"optional.ofNonZeroValue('').hasValue()", "false"},
        {"optional.of(2).optMap(x, x * 2).value()", "4"},
        {"optional.none().optMap(x, x).hasValue()", "false"},
        {"{'a': {'b': 3}}.?a.optFlatMap(x, x.?b).value()", "3"},
        {"[?optional.of(1), ?optional.none(), 2]", "[1,2]"},
        {"{?'a': optional.none(), ?'b': optional.of(1)}", "{\"b\":1}"},
        {"optional.of(1) == optional.of(1)", "true"},
        {"[1, 2].first().value() + [1, 2].last().value()", "3"},
        {"optional.unwrap([optional.of(1), optional.none()])", "[1]"},
        {"[[1]][?0][0].orValue(7)", "1"},
    };
    CHECK(cases);
}

static void conversions_are_exact_or_fail(void **state)
{
    (void)state;
    static const struct cel_case cases[] = {
        {"int('42') + int(3.9) + int(2u)", "47"},
        {"double('1.5') + double(1)", "2.5"},
        {"uint('3')", "3"},
        {"string(1) + string(true) + string(1.5) + string(b'x')", "\"1true1.5x\""},
        {"string(1e7)", "\"1e+07\""},
        {"string(0.0001)", "\"0.0001\""},
        {"bool('True')", "true"},
        {"bytes('a')", "\"YQ==\""},
        {"int(timestamp('1970-01-01T00:01:00Z'))", "60"},
        {"timestamp(60) == timestamp('1970-01-01T00:01:00Z')", "true"},
        {"string(timestamp('2009-02-13T23:31:30.500Z'))", "\"2009-02-13T23:31:30.5Z\""},
        {"string(timestamp('2009-02-13T23:31:30+02:00'))", "\"2009-02-13T21:31:30Z\""},
        {"string(duration('1h30m1.5s'))", "\"5401.5s\""},
        {"['x'].map(s, int(s))", "!type conversion error from 'string' to 'int'"},
        {"['x'].map(s, timestamp(s))",
         "!type conversion error from 'string' to 'google.protobuf.Timestamp'"},
        {"[b'\\xff'].map(s, string(s))", "!invalid UTF-8 in bytes, cannot convert to string"},
        {"size('h\u00e9llo') == 5 && 'h\u00e9llo'.size() == 5", "true"},
        {"size(b'h\\xff') + size([1]) + size({'a': 1})", "4"},
    };
    CHECK(cases);
}

static void times_have_parts(void **state)
{
    (void)state;
    static const struct cel_case cases[] = {
        {"timestamp('2009-02-13T23:31:30Z').getFullYear()", "2009"},
        {"timestamp('2009-02-13T23:31:30Z').getMonth()", "1"},
        {"timestamp('2009-02-13T23:31:30Z').getDate()", "13"},
        {"timestamp('2009-02-13T23:31:30Z').getDayOfMonth()", "12"},
        {"timestamp('2009-02-13T23:31:30Z').getDayOfWeek()", "5"},
        {"timestamp('2009-02-13T23:31:30Z').getDayOfYear()", "43"},
        {"timestamp('2009-02-13T23:31:30Z').getHours('+01:00')", "0"},
        {"timestamp('2009-02-13T23:31:30Z').getDate('+01:00')", "14"},
        {"timestamp('2009-02-13T23:31:30Z').getHours('-08:00')", "15"},
        {"timestamp('2009-02-13T23:31:30.123Z').getMilliseconds('UTC')", "123"},
        {"timestamp('2009-02-13T23:31:30Z').getHours('Mars/Base')", "!unknown time zone Mars/Base"},
        {"duration('3730s').getHours() + duration('3730s').getMinutes()", "63"},
        {"timestamp('2024-03-01T00:00:00Z') - timestamp('2024-02-28T00:00:00Z') == "
         "duration('48h')",
         "true"},
        {"string(timestamp('2023-02-28T00:00:00Z') + duration('24h'))", "\"2023-03-01T00:00:00Z\""},
        {"timestamp('1969-12-31T23:59:59Z').getSeconds()", "59"},
        {"duration('-1.5s') < duration('0s')", "true"},
    };
    CHECK(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(literals_have_values, table_setup, table_teardown),
        cmocka_unit_test_setup_teardown(operators_follow_precedence, table_setup, table_teardown),
        cmocka_unit_test_setup_teardown(arithmetic_never_wraps, table_setup, table_teardown),
        cmocka_unit_test_setup_teardown(numbers_compare_across_types, table_setup, table_teardown),
        cmocka_unit_test_setup_teardown(errors_are_absorbed_by_what_decides, table_setup,
                                        table_teardown),
        cmocka_unit_test_setup_teardown(macros_walk_lists_and_maps, table_setup, table_teardown),
        cmocka_unit_test_setup_teardown(optionals_carry_what_may_be_missing, table_setup,
                                        table_teardown),
        cmocka_unit_test_setup_teardown(conversions_are_exact_or_fail, table_setup, table_teardown),
        cmocka_unit_test_setup_teardown(times_have_parts, table_setup, table_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
