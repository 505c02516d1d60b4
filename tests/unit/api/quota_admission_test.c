/* What is charged to quotas when many ask at once: exactly what is stored. */
#include "api_fixture.h"

#include <stdio.h>

#define NS     "/api/v1/namespaces/default/"
#define QUOTAS NS "resourcequotas"
#define MAPS   NS "configmaps"
enum { MANY = 40 };

/* A quota whose status is known, as the controller would have it. */
static void bound(struct fixture *f, const char *name, const char *hard, const char *used)
{
    char text[600], path[200];
    snprintf(text, sizeof text, "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"hard\":{%s}}}", name, hard);
    expect(ask(f, "POST", QUOTAS, text), 201);
    snprintf(text, sizeof text, "{\"status\":{\"hard\":{%s},\"used\":{%s}}}", hard, used);
    snprintf(path, sizeof path, QUOTAS "/%s/status", name);
    expect(ask_with(f, NULL, "PATCH", path, "application/merge-patch+json", NULL, text), 200);
}

static const char *used(struct fixture *f, const char *name, const char *what)
{
    char path[200];
    snprintf(path, sizeof path, QUOTAS "/%s", name);
    struct answer *a = ask(f, "GET", path, NULL);
    return json_cstr(json_get(json_path(a->json, "status.used"), what));
}

static struct answer *start(struct fixture *f, unsigned i)
{
    char text[200];
    snprintf(text, sizeof text, "{\"metadata\":{\"name\":\"m%u\"}}", i);
    return begin(f, "POST", MAPS, text);
}

static unsigned count_of(struct answer *const *all, int status)
{
    unsigned n = 0;
    for (size_t i = 0; i < MANY; i++)
        n += all[i]->status == status;
    return n;
}

static void free_all(struct answer **all)
{
    for (size_t i = 0; i < MANY; i++)
        answer_free(all[i]);
}

static void of_many_at_once_as_many_get_through_as_may(void **state)
{
    struct fixture *f = *state;
    struct answer *all[MANY];
    bound(f, "q", "\"count/configmaps\":\"7\"", "\"count/configmaps\":\"0\"");
    bound(f, "other", "\"configmaps\":\"100\"", "\"configmaps\":\"0\"");
    for (unsigned i = 0; i < MANY; i++)
        all[i] = start(f, i);
    fixture_turn(f, 2000);
    assert_int_equal(count_of(all, 201), 7);
    assert_int_equal(count_of(all, 403), MANY - 7);
    free_all(all);
    assert_string_equal(used(f, "q", "count/configmaps"), "7");
    assert_string_equal(used(f, "other", "configmaps"), "7");
}

/* The first of them fails; those that were charged on top of it still come in, and nobody is refused
 * for the sake of one that came to nothing. */
static void a_charge_that_fails_takes_no_place(void **state)
{
    struct fixture *f = *state;
    struct answer *all[MANY];
    bound(f, "q", "\"configmaps\":\"3\"", "\"configmaps\":\"0\"");
    all[0] = start(f, 1);
    all[1] = start(f, 1);
    all[2] = start(f, 1);
    for (unsigned i = 3; i < MANY; i++)
        all[i] = start(f, i % 2 ? i : 1);
    fixture_turn(f, 2000);
    assert_int_equal(count_of(all, 201), 3);
    assert_int_equal(all[0]->status, 201);
    assert_int_equal(all[1]->status, 409);
    free_all(all);
    assert_string_equal(used(f, "q", "configmaps"), "3");
}

static void a_quota_that_changes_meanwhile_is_charged_as_it_is(void **state)
{
    struct fixture *f = *state;
    struct answer *all[MANY];
    bound(f, "q", "\"configmaps\":\"100\"", "\"configmaps\":\"0\"");
    for (unsigned i = 0; i < MANY / 2; i++)
        all[i] = start(f, i);
    struct answer *patch = begin(f, "PUT", QUOTAS "/q/status",
                                 "{\"metadata\":{\"name\":\"q\"},\"status\":{\"hard\":{\"configmaps\":\"100\"},"
                                 "\"used\":{\"configmaps\":\"50\"}}}");
    for (unsigned i = MANY / 2; i < MANY; i++)
        all[i] = start(f, i);
    fixture_turn(f, 2000);
    assert_int_equal(count_of(all, 201), MANY);
    expect(patch, 200);
    answer_free(patch);
    free_all(all);
    int64_t n = 0;
    assert_int_equal(str_to_i64(str_of(used(f, "q", "configmaps")), &n), 0);
    assert_in_range(n, 50, 50 + MANY); /* what was charged before it was set is gone */
}

static uint32_t stored_maps(struct fixture *f)
{
    return json_count(json_get(ask(f, "GET", MAPS, NULL)->json, "items"));
}

/* Their answers are not waited for: what they charged stands or not, never half. */
static void clients_that_leave_charge_what_they_stored(void **state)
{
    struct fixture *f = *state;
    struct answer *all[MANY];
    uint32_t before = stored_maps(f);
    bound(f, "q", "\"configmaps\":\"5\"", "\"configmaps\":\"0\"");
    for (unsigned i = 0; i < MANY; i++)
        all[i] = start(f, i);
    free_all(all);
    fixture_turn(f, 2000);
    uint32_t stored = stored_maps(f) - before;
    char text[24];
    snprintf(text, sizeof text, "%u", stored);
    assert_in_range(stored, 0, 5);
    assert_string_equal(used(f, "q", "configmaps"), text);
    for (unsigned i = 0; i < MANY; i++) /* and under way when everything ends */
        all[i] = start(f, 100 + i);
    fixture_restart(f);
    free_all(all);
    stored = stored_maps(f) - before;
    snprintf(text, sizeof text, "%u", stored);
    assert_string_equal(used(f, "q", "configmaps"), text);
}

static void what_is_not_known_yet_is_refused(void **state)
{
    struct fixture *f = *state;
    expect(ask(f, "POST", QUOTAS, "{\"metadata\":{\"name\":\"q\"},\"spec\":{\"hard\":{\"configmaps\":\"1\"}}}"), 201);
    expect(ask(f, "POST", MAPS, "{\"metadata\":{\"name\":\"free\"}}"), 201); /* not before its status */
    expect(ask_with(f, NULL, "PATCH", QUOTAS "/q/status", "application/merge-patch+json", NULL,
                    "{\"status\":{\"hard\":{\"configmaps\":\"1\",\"count/configmaps\":\"1\"},\"used\":{\"configmaps\":\"0\"}}}"),
           200);
    expect_message(ask(f, "POST", MAPS, "{\"metadata\":{\"name\":\"m\"}}"), 403,
                   "configmaps \"m\" is forbidden: status unknown for quota: q, resources: configmaps,count/configmaps");
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup_boot, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(of_many_at_once_as_many_get_through_as_may),
        T(a_charge_that_fails_takes_no_place),
        T(a_quota_that_changes_meanwhile_is_charged_as_it_is),
        T(clients_that_leave_charge_what_they_stored),
        T(what_is_not_known_yet_is_refused),
    };
    return cmocka_run_group_tests_name("quota_admission", tests, NULL, NULL);
}
