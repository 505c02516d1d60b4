/* What the tests of the language share: evaluate an expression over JSON variables, as text. */
#ifndef TESTS_CEL_TABLE_H
#define TESTS_CEL_TABLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "cel/cel.h"

struct cel_case {
    const char *expression, *result; /* JSON text; "!..." : the error that evaluating gives */
};

static struct arena table_arena;

static int table_setup(void **state)
{
    (void)state;
    arena_init(&table_arena, 64 << 20);
    return 0;
}

static int table_teardown(void **state)
{
    (void)state;
    arena_done(&table_arena);
    return 0;
}

/* The result as JSON, "!error", or "?" and the problem of compiling; cost as it was. */
static inline const char *table_eval(const struct cel_env *env, const struct cel_value *values,
                                     const char *expression, uint64_t *ret_cost)
{
    struct cel_program *p;
    struct cel_problem problem;
    struct err err = {0};
    struct cel_run run = {.arena = &table_arena, .variables = values};
    struct cel_value v;
    struct json *j;
    CLEANUP_BUF struct buf b;
    buf_init(&b, 1 << 20);
    int rc = cel_compile(&table_arena, env, str_of(expression), NULL, &p, &problem, &err);
    if (rc < 0)
        return arena_printf(&table_arena, "?%s", rc == -E_INVALID ? problem.text.p : err.text);
    rc = cel_eval(p, &run, &v, &err);
    if (ret_cost)
        *ret_cost = run.cost;
    if (rc < 0 || cel_to_json(&table_arena, &run, &v, &j, &err) < 0)
        return arena_printf(&table_arena, "!%s", err.text);
    json_write(&b, j);
    return arena_strdup(&table_arena, buf_cstr(&b));
}

static inline void table_check(const struct cel_env *env, const struct cel_value *values,
                               const struct cel_case *cases, size_t count)
{
    size_t failed = 0;
    for (size_t i = 0; i < count; i++) {
        const char *got = table_eval(env, values, cases[i].expression, NULL);
        if (!cstr_eq(got, cases[i].result)) {
            print_error("%s\n  gave   %s\n  wanted %s\n", cases[i].expression, got,
                        cases[i].result);
            failed++;
        }
    }
    assert_int_equal(failed, 0);
}

#endif
