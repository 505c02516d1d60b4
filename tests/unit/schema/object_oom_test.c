/* Every cap of the arena gives either the whole answer or an error, never half of one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schema/managed.h"
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

/* ---- server-side apply ---- */

static const char applied[] =
    "{\"apiVersion\":\"v1\",\"metadata\":{\"labels\":{\"x\":\"z\"}},\"spec\":{\"containers\":[{"
    "\"name\":\"d\",\"image\":\"i\"},{\"name\":\"c\",\"image\":\"k\"}]}}";
static const char less[] = "{\"apiVersion\":\"v1\",\"spec\":{\"containers\":[{\"name\":\"c\"}]}}";

static int apply(struct arena *a, struct json **ret_object)
{
    const struct schema_resource *r = schema_resource_find(STR(""), STR("v1"), STR("pods"));
    struct managed_context c = {.arena = a,
                                .type = apply_node_of_type(schema_resource_type(r)),
                                .version = STR("v1"),
                                .manager = STR("kubectl"),
                                .now = "2026-01-01T00:00:00Z"};
    struct managed_result first, second;
    struct json *live, *more, *fewer, *now;
    struct err err;
    int rc = json_parse(a, str_of(pod), NULL, &live, NULL);
    rc = rc ? rc : json_parse(a, str_of(applied), NULL, &more, NULL);
    rc = rc ? rc : json_parse(a, str_of(less), NULL, &fewer, NULL);
    if (rc)
        return rc;
    json_remove(json_get(live, "spec"), "nope");
    rc = managed_update(&c, NULL, live, NULL);
    rc = rc ? rc : managed_apply(&c, live, more, true, &first, &err);
    rc = rc ? rc : managed_apply(&c, first.object, fewer, false, &second, &err);
    now = rc ? NULL : json_clone(a, second.object);
    json_remove(json_get(now, "spec"), "containers");
    c.manager = STR("other");
    rc = rc ? rc : managed_update(&c, second.object, now, NULL);
    if (rc)
        return rc;
    *ret_object = now;
    return a->failed ? -E_NOMEM : 0;
}

static void assert_applied(const struct json *object)
{
    const struct json *list = json_path(object, "metadata.managedFields");
    assert_int_equal(json_count(list), 1);
    assert_string_equal(json_path_cstr(json_first(list), "manager"), "kubectl");
    assert_null(json_path(object, "metadata.labels.x"));
}

static void an_apply_at_every_cap_is_all_or_an_error(void **state)
{
    int successes = 0;
    (void)state;
    for (size_t cap = 0; successes < 5; cap += 512) {
        struct arena a;
        struct json *object = NULL;
        arena_init(&a, cap);
        int rc = apply(&a, &object);
        if (rc != 0 && rc != -E_NOMEM)
            fail_msg("arena of %d bytes: answer %d", (int)cap, rc);
        if (rc == 0) {
            assert_applied(object);
            successes++;
        }
        arena_done(&a);
        assert_int_equal(mem_live_count(), 0);
        assert_true(cap < 1 << 20);
    }
}

static void an_apply_at_every_failed_allocation_is_an_error(void **state)
{
    int rc = -E_NOMEM;
    (void)state;
    for (uint64_t n = 1; rc != 0; n++) {
        struct arena a;
        struct json *object = NULL;
        arena_init(&a, 1 << 20);
        mem_fail_nth(n);
        rc = apply(&a, &object);
        mem_fail_nth(0);
        if (rc != 0 && rc != -E_NOMEM)
            fail_msg("allocation %d failed: answer %d", (int)n, rc);
        if (rc == 0)
            assert_applied(object);
        arena_done(&a);
        assert_int_equal(mem_live_count(), 0);
        assert_true(n < 5000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cap_gives_all_or_an_error),
        cmocka_unit_test(every_failed_allocation_is_an_error),
        cmocka_unit_test(an_apply_at_every_cap_is_all_or_an_error),
        cmocka_unit_test(an_apply_at_every_failed_allocation_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
