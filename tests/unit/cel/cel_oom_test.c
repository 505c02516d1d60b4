/* Fails the Nth allocation of compiling and evaluating, until none fails: an error each time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cel/cel.h"

static const char *const everything[] = {
    "[1, 2].map(x, string(x) + 'a').filter(x, x.matches('1.*')) + ['b']",
    "{'a': 1, 'b': [2]}.transformMap(k, v, {k: v})",
    "'%s %d'.format([{'a': [1]}, 5]) + 'a,b'.split(',').join('-').replace('a', 'c')",
    "[3, 1, 2].sortBy(x, -x) + [[1], [2]].flatten() + lists.range(20)",
    "ip('::1') == cidr('::1/64').ip() && quantity('1').add(quantity('2')).asInteger() == 3",
    "url('https://a b.c/x y?q=1').getQuery()",
    "url('https://a/x y?q=1&q=2').getQuery()",
    "optional.of(1).optMap(x, x + 1).or(optional.none()).hasValue()",
    "self.list.map(x, self.list[x]).all(y, y > 0) || self.data == b'a' || 1 / 0 == 1",
    "foo + bar(1, 'a')",
    "[1, 'a', true].all(x, y, z, x)",
    "semver('v1.2', true).isLessThan(semver('1.2.3-a.1')) && "
    "format.uuid().validate('a').hasValue()",
    "'abc'.findAll('[a-c]') == ['a', 'b', 'c'] && timestamp('2020-01-01T00:00:00Z').getHours() == "
    "0",
};

static int compile_and_run(struct arena *a, const char *expression, struct cel_run *run)
{
    static const char schema_text[] =
        "{\"type\": \"object\", \"properties\": {\"list\": {\"type\": \"array\", \"items\": "
        "{\"type\": \"integer\"}}, \"data\": {\"type\": \"string\", \"format\": \"byte\"}}}";
    struct cel_variable declared = {"self", NULL};
    const struct cel_env env = {.variables = &declared, .variable_count = 1, .estimate = true};
    struct json *schema;
    struct cel_program *p;
    struct cel_problem problem;
    struct cel_value self_value, v;
    struct json *j;
    struct err err;
    int rc = json_parse(a, STR("{\"list\": [0, 1], \"data\": \"aGk=\"}"), NULL, &j, NULL);
    *run = (struct cel_run){.arena = a, .variables = &self_value};
    rc = rc ? rc : json_parse(a, str_of(schema_text), NULL, &schema, NULL);
    rc = rc ? rc : cel_type_of_schema(a, schema, "selfType", true, &declared.type);
    rc = rc ? rc : cel_from_json(run, j, declared.type, &self_value, NULL);
    rc = rc ? rc : cel_compile(a, &env, str_of(expression), NULL, &p, &problem, &err);
    rc = rc ? rc : cel_eval(p, run, &v, &err);
    rc = rc ? rc : cel_to_json(a, run, &v, &j, &err);
    return rc;
}

static void every_failed_allocation_is_an_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof everything / sizeof *everything; i++) {
        int rc = -E_NOMEM;
        for (uint64_t n = 1; rc == -E_NOMEM; n++) {
            struct arena a;
            struct cel_run run;
            arena_init(&a, 1 << 20);
            mem_fail_nth(n);
            rc = compile_and_run(&a, everything[i], &run);
            mem_fail_nth(0);
            arena_done(&a);
            assert_int_equal(mem_live_count(), 0);
            assert_true(n < 1000);
        }
        assert_true(rc == 0 || rc == -E_INVALID);
    }
}

/* An arena's chunks hide single allocations, so its cap is swept too. */
static void every_cap_of_the_arena_is_an_error_or_enough(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof everything / sizeof *everything; i++) {
        int rc = -E_NOMEM;
        for (size_t cap = 64; rc == -E_NOMEM; cap += 48) {
            struct arena a;
            struct cel_run run;
            arena_init(&a, cap);
            rc = compile_and_run(&a, everything[i], &run);
            arena_done(&a);
            assert_true(cap < 1 << 20);
        }
        assert_true(rc == 0 || rc == -E_INVALID);
    }
    assert_int_equal(mem_live_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failed_allocation_is_an_error),
        cmocka_unit_test(every_cap_of_the_arena_is_an_error_or_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
