/* Every cap of the arena gives either the whole answer or an error, never half of one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schema/printers.h"

static const char pod[] =
    "{\"metadata\":{\"name\":\"a\",\"labels\":{\"x\":\"y\"}},\"spec\":{\"containers\":[{\"name\":"
    "\"c\",\"image\":\"i\","
    "\"resources\":{\"limits\":{\"cpu\":0.5}},\"ports\":[{\"containerPort\":80}]}],\"nope\":1}}";
static const char patch[] =
    "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"k\"},{\"name\":\"d\"}]}}";

static int handle(struct arena *a, struct json **ret_merged, struct json **ret_table)
{
    const struct schema_resource *r = schema_resource_find(STR(""), STR("v1"), STR("pods"));
    const struct printers_options o = {.include = PRINTERS_METADATA};
    struct schema_problems problems = {0};
    struct json *j, *p;
    int rc = json_parse(a, str_of(pod), NULL, &j, NULL);
    rc = rc ? rc : json_parse(a, str_of(patch), NULL, &p, NULL);
    rc = rc ? rc : schema_default(a, schema_resource_type(r), j);
    rc = rc ? rc : schema_check(a, schema_resource_type(r), j, SCHEMA_WARN, &problems, NULL);
    rc = rc ? rc : schema_strategic_merge(a, schema_resource_type(r), j, p, ret_merged, NULL);
    if (rc)
        return rc;
    *ret_table = printers_table(a, r, *ret_merged, &o);
    return *ret_table ? 0 : -E_NOMEM;
}

static void every_cap_gives_all_or_an_error(void **state)
{
    int successes = 0;
    (void)state;
    for (size_t cap = 0; successes < 20; cap += 128) {
        struct arena a;
        struct json *merged = NULL, *table = NULL;
        arena_init(&a, cap);
        int rc = handle(&a, &merged, &table);
        if (rc != 0 && rc != -E_NOMEM)
            fail_msg("arena of %d bytes: answer %d", (int)cap, rc);
        if (rc == 0) {
            assert_int_equal(json_count(json_path(merged, "spec.containers")), 2);
            assert_int_equal(json_count(json_get(json_first(json_get(table, "rows")), "cells")), 9);
            successes++;
        }
        arena_done(&a);
        assert_int_equal(mem_live_count(), 0);
        assert_true(cap < 1 << 20);
    }
}

static void every_failed_allocation_is_an_error(void **state)
{
    int rc = -E_NOMEM;
    (void)state;
    for (uint64_t n = 1; rc != 0; n++) {
        struct arena a;
        struct json *merged, *table;
        arena_init(&a, 1 << 20);
        mem_fail_nth(n);
        rc = handle(&a, &merged, &table);
        mem_fail_nth(0);
        if (rc != 0 && rc != -E_NOMEM)
            fail_msg("allocation %d failed: answer %d", (int)n, rc);
        arena_done(&a);
        assert_int_equal(mem_live_count(), 0);
        assert_true(n < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cap_gives_all_or_an_error),
        cmocka_unit_test(every_failed_allocation_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
