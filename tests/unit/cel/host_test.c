/* What a caller gives: an authorizer, objects computed on demand, long JSON. */
#include "cel_table.h"

/* ---- an authorizer that allows `get` and fails for the namespace "broken" ---- */

static struct cel_check last;

static int decide(void *ctx, const struct cel_check *check, bool *ret_allowed,
                  struct str *ret_reason, struct err *err)
{
    (*(int *)ctx)++;
    last = *check;
    if (str_is(check->namespace, "broken"))
        return err_set(err, E_INTERNAL, "no answer");
    *ret_allowed = str_is(check->verb, "get");
    *ret_reason = *ret_allowed ? STR("because") : STR("");
    return 0;
}

static void the_authorizer_is_asked(void **state)
{
    (void)state;
    static const struct cel_variable declared[] = {
        {"authorizer", &cel_authorizer}, {"authorizer.requestResource", &cel_resource_check}};
    static const struct cel_env env = {.variables = declared, .variable_count = 2};
    static const struct cel_case cases[] = {
        {"authorizer.path('/healthz').check('get').allowed()", "true"},
        {"authorizer.path(' ').check('get').allowed()", "!path must not be empty"},
        {"authorizer.group('apps').resource('deployments').namespace('ns').name('web')"
         ".check('update').allowed()",
         "false"},
        {"authorizer.group('').resource('pods').check('get').reason()", "\"because\""},
        {"authorizer.group('').resource('pods').namespace('broken').check('get').errored()",
         "true"},
        {"authorizer.group('').resource('pods').namespace('broken').check('get').error()",
         "\"no answer\""},
        {"authorizer.serviceAccount('ns', 'sa').group('').resource('pods').check('get').allowed()",
         "true"},
        {"authorizer.serviceAccount('ns', 'S A').path('/').check('get').allowed()",
         "!Invalid service account name"},
        {"authorizer.requestResource.check('get').allowed()", "true"},
        {"[1, 2].all(i, authorizer.path('/a').check('get').allowed())", "true"},
        {"[1, 2, 3].all(i, authorizer.path('/a').check('get').allowed())",
         "!operation cancelled: actual cost limit exceeded"},
        {"authorizer.group('').resource('pods').subresource('log').fieldSelector('a=b')"
         ".labelSelector('c').check('list').allowed()",
         "false"},
    };
    int asked = 0;
    const struct cel_authorizer authorizer = {decide, &asked};
    const struct cel_check resource = {.is_resource = true, .resource = STR("pods")};
    struct cel_run run = {.arena = &table_arena};
    struct cel_value values[2];
    assert_int_equal(cel_authorizer_value(&run, &authorizer, &values[0]), 0);
    assert_int_equal(cel_resource_check_value(&run, &authorizer, &resource, &values[1]), 0);
    table_check(&env, values, cases, sizeof cases / sizeof *cases);
    assert_true(str_is(last.subresource, "log") && str_is(last.field_selector, "a=b") &&
                str_is(last.label_selector, "c") && last.is_resource);
    assert_int_equal(asked, 12);
}

/* ---- variables of a policy ---- */

static int get_variable(void *ctx, struct str field, struct cel_value *ret, struct err *err)
{
    (*(int *)ctx)++;
    if (str_is(field, "bad"))
        return err_set(err, E_INTERNAL, "composed expression failed");
    if (str_is(field, "long"))
        return err_set(err, E_LIMIT, "too long");
    if (!str_is(field, "n"))
        return -E_NOT_FOUND;
    *ret = (struct cel_value){.kind = CEL_INT, .i64 = 7};
    return 0;
}

static void host_objects_are_asked_when_read(void **state)
{
    (void)state;
    static const struct cel_variable declared[] = {{"variables", &cel_map_of_dyn},
                                                   {"gone", &cel_dyn}};
    static const struct cel_env env = {.variables = declared, .variable_count = 2};
    int asked = 0;
    const struct cel_host host = {get_variable, &asked};
    const struct cel_value values[2] = {{.kind = CEL_HOST, .host = &host}, {.kind = CEL_UNSET}};
    static const struct cel_case cases[] = {
        {"false && variables.n == 7", "false"},
        {"variables.n + 1", "8"},
        {"variables['n'] + 1", "8"},
        {"has(variables.n) && !has(variables.m)", "true"},
        {"variables.m", "!no such key: m"},
        {"variables.bad || true", "true"},
        {"variables.bad", "!composed expression failed"},
        {"variables.long || true", "!too long"},
        {"gone", "!no such attribute(s): gone"},
    };
    table_check(&env, values, cases, 1);
    assert_int_equal(asked, 0);
    table_check(&env, values, cases, sizeof cases / sizeof *cases);
}

static void long_json_is_looked_into_quickly(void **state)
{
    (void)state;
    static const struct cel_variable declared[] = {{"list", &cel_list_of_dyn},
                                                   {"map", &cel_map_of_dyn}};
    static const struct cel_env env = {.variables = declared, .variable_count = 2};
    struct cel_run run = {.arena = &table_arena};
    struct json *list = json_new(&table_arena, JSON_ARRAY);
    struct json *map = json_new(&table_arena, JSON_OBJECT);
    struct cel_value values[2];
    for (int i = 0; i < 16000; i++) {
        json_append(&table_arena, list, json_new_i64(&table_arena, i));
        struct json *last_member = json_new_i64(&table_arena, i);
        assert_non_null(last_member);
        last_member->key = str_of(arena_printf(&table_arena, "k%d", i));
        if (map->list.last)
            map->list.last->next = last_member;
        else
            map->list.first = last_member;
        map->list.last = last_member;
        map->list.count++;
    }
    assert_int_equal(cel_from_json(&run, list, &cel_list_of_dyn, &values[0], NULL), 0);
    assert_int_equal(cel_from_json(&run, map, &cel_map_of_dyn, &values[1], NULL), 0);
    static const struct cel_case cases[] = {
        {"list.all(i, list[i] == i)", "true"},
        {"list.all(i, map['k' + string(i)] == i)", "true"},
        {"map.all(k, has(map.k5) && map[k] >= 0)", "true"},
        {"list[15999] + map.k15999", "31998"},
        {"map.k16000", "!no such key: k16000"},
        {"list[16000]", "!index out of bounds: 16000"},
    };
    table_check(&env, values, cases, sizeof cases / sizeof *cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_authorizer_is_asked, table_setup, table_teardown),
        cmocka_unit_test_setup_teardown(host_objects_are_asked_when_read, table_setup,
                                        table_teardown),
        cmocka_unit_test_setup_teardown(long_json_is_looked_into_quickly, table_setup,
                                        table_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
