/* Custom resources: definitions, their objects, and what happens to both. */
#include <stdio.h>

#include "api_fixture.h"

#define CRDS    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
#define WIDGETS "/apis/example.com/v1/namespaces/default/widgets"

static const char schema[] =
    "{\"type\":\"object\",\"properties\":{\"spec\":{\"type\":\"object\",\"required\":[\"size\"],"
    "\"x-kubernetes-validations\":[{\"rule\":\"self.size < 50\",\"message\":\"too large\"}],"
    "\"properties\":{\"size\":{\"type\":\"integer\",\"minimum\":1},\"color\":{\"type\":\"string\","
    "\"default\":\"red\",\"enum\":[\"red\",\"blue\"]},\"tags\":{\"type\":\"array\",\"items\":{"
    "\"type\":\"string\",\"pattern\":\"^[a-z]+$\"}},\"any\":{\"type\":\"object\","
    "\"x-kubernetes-preserve-unknown-fields\":true}}},\"status\":{\"type\":\"object\","
    "\"properties\":{\"ready\":{\"type\":\"boolean\"}}}}}";

static void define(struct fixture *f, const char *of, int status)
{
    CLEANUP_BUF struct buf body;
    buf_init(&body, 16 * 1024);
    buf_printf(&body,
               "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"CustomResourceDefinition\","
               "\"metadata\":{\"name\":\"widgets.example.com\"},\"spec\":{\"group\":\"example.com\","
               "\"scope\":\"Namespaced\",\"names\":{\"plural\":\"widgets\",\"kind\":\"Widget\"},"
               "\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,\"subresources\":{"
               "\"status\":{}},\"selectableFields\":[{\"jsonPath\":\".spec.color\"}],"
               "\"additionalPrinterColumns\":[{\"name\":\"Size\",\"type\":\"integer\",\"jsonPath\":"
               "\".spec.size\"}],\"schema\":{\"openAPIV3Schema\":%s}}]}}",
               of);
    expect(ask(f, "POST", CRDS, buf_cstr(&body)), status);
}

static struct answer *make(struct fixture *f, const char *name, const char *spec)
{
    char body[500];
    snprintf(body, sizeof body,
             "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"%s\"},"
             "\"spec\":%s}",
             name, spec);
    return ask(f, "POST", WIDGETS, body);
}

static void a_definition_serves_its_objects(void **state)
{
    struct fixture *f = *state;
    expect(ask(f, "GET", WIDGETS, NULL), 404);
    define(f, schema, 201);
    expect(ask(f, "GET", WIDGETS, NULL), 200);
    struct answer *a = make(f, "a", "{\"size\":3,\"extra\":1,\"any\":{\"k\":[null]}}");
    expect(a, 201);
    assert_string_equal(at(a, "spec.color"), "red");
    assert_null(json_path(a->json, "spec.extra"));
    assert_non_null(json_path(a->json, "spec.any.k"));
    a = ask(f, "GET", WIDGETS "?fieldSelector=spec.color%3Dred", NULL);
    expect(a, 200);
    assert_string_equal(at(a, "kind"), "WidgetList");
    assert_int_equal(json_count(json_get(a->json, "items")), 1);
    a = ask(f, "GET", WIDGETS "?fieldSelector=spec.color%3Dblue", NULL);
    assert_int_equal(json_count(json_get(a->json, "items")), 0);
    expect(ask(f, "GET", "/apis/example.com/v2/namespaces/default/widgets", NULL), 404);
    expect(ask(f, "GET", "/apis/example.com/v1/widgets/a", NULL), 404);
    expect(ask(f, "DELETE", WIDGETS "/a", NULL), 200);
    expect(ask(f, "DELETE", WIDGETS, NULL), 200);
}

static void objects_are_held_against_the_schema(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *spec, *message;
    } wrong[] = {
        {"{}", "Widget.example.com \"w\" is invalid: [spec.size: Required value, <nil>: Invalid "
               "value: \"null\": some validation rules were not checked because the object was "
               "invalid; correct the existing errors to complete validation]"},
        {"{\"size\":0}", "Widget.example.com \"w\" is invalid: spec.size: Invalid value: 0: "
                         "spec.size in body should be greater than or equal to 1"},
        {"{\"size\":50}", "Widget.example.com \"w\" is invalid: spec: Invalid value: \"object\": "
                          "too large"},
        {"{\"size\":5,\"tags\":[\"a\",\"B\"]}",
         "Widget.example.com \"w\" is invalid: spec.tags[1]: Invalid value: \"B\": spec.tags[1] in "
         "body should match '^[a-z]+$'"},
    };
    define(f, schema, 201);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        expect_message(make(f, "w", wrong[i].spec), 422, wrong[i].message);
    expect(make(f, "w", "{\"size\":49}"), 201);
}

static void definitions_are_checked(void **state)
{
    struct fixture *f = *state;
    define(f, "{\"type\":\"string\"}", 422);
    define(f, "{\"type\":\"object\",\"properties\":{\"a\":{}}}", 422);
    define(f, "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"pattern\":\"(\"}}}",
           422);
    define(f,
           "{\"type\":\"object\",\"x-kubernetes-validations\":[{\"rule\":\"self.x == 1\"}],"
           "\"properties\":{\"a\":{\"type\":\"string\"}}}",
           422);
    expect(ask(f, "GET", CRDS "/widgets.example.com", NULL), 404);
}

static void a_schema_that_changes_prunes_what_is_read(void **state)
{
    struct fixture *f = *state;
    define(f, schema, 201);
    expect(make(f, "a", "{\"size\":3,\"tags\":[\"x\"]}"), 201);
    struct answer *a = ask_with(
        f, NULL, "PATCH", CRDS "/widgets.example.com", "application/json-patch+json", NULL,
        "[{\"op\":\"remove\",\"path\":\"/spec/versions/0/schema/openAPIV3Schema/properties/spec/"
        "properties/tags\"}]");
    expect(a, 200);
    a = ask(f, "GET", WIDGETS "/a", NULL);
    expect(a, 200);
    assert_null(json_path(a->json, "spec.tags"));
    assert_int_equal(int_at(a, "spec.size"), 3);
}

static void status_has_a_path_of_its_own(void **state)
{
    struct fixture *f = *state;
    define(f, schema, 201);
    expect(make(f, "a", "{\"size\":3}"), 201);
    struct answer *a = ask_with(f, NULL, "PATCH", WIDGETS "/a/status",
                                "application/merge-patch+json", NULL,
                                "{\"spec\":{\"size\":4},\"status\":{\"ready\":true}}");
    expect(a, 200);
    assert_int_equal(int_at(a, "spec.size"), 3);
    assert_int_equal(int_at(a, "metadata.generation"), 1);
    expect(ask_with(f, NULL, "PATCH", WIDGETS "/a/status", "application/merge-patch+json", NULL,
                    "{\"status\":{\"ready\":1}}"),
           422);
    expect(ask_with(f, NULL, "PATCH", WIDGETS "/a", "application/strategic-merge-patch+json", NULL,
                    "{}"),
           415);
    a = ask_with(f, NULL, "PATCH", WIDGETS "/b?fieldManager=m", "application/apply-patch+yaml", NULL,
                 "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Widget\",\"spec\":{\"size\":7}}");
    expect(a, 201);
    assert_string_equal(at(a, "metadata.name"), "b");
}

static void columns_come_by_their_paths(void **state)
{
    struct fixture *f = *state;
    define(f, schema, 201);
    expect(make(f, "a", "{\"size\":3}"), 201);
    struct answer *a =
        ask_with(f, NULL, "GET", WIDGETS, NULL, "application/json;as=Table;v=v1;g=meta.k8s.io", NULL);
    expect(a, 200);
    const struct json *cells = json_get(json_at(json_get(a->json, "rows"), 0), "cells");
    assert_string_equal(json_cstr(json_at(cells, 0)), "a");
    assert_int_equal(json_i64(json_at(cells, 1), 0), 3);
}

static void documents_name_the_resource(void **state)
{
    struct fixture *f = *state;
    define(f, schema, 201);
    struct answer *a = ask(f, "GET", "/apis/example.com/v1", NULL);
    expect(a, 200);
    assert_int_equal(json_count(json_get(a->json, "resources")), 2);
    a = ask(f, "GET", "/openapi/v3/apis/example.com/v1", NULL);
    expect(a, 200);
    const struct json *schemas = json_path(a->json, "components.schemas");
    assert_non_null(json_get(schemas, "com.example.v1.Widget"));
    assert_non_null(json_get(schemas, "com.example.v1.WidgetList"));
    expect(ask(f, "GET", "/openapi/v2", NULL), 200);
}

static void objects_go_with_their_definition(void **state)
{
    struct fixture *f = *state;
    define(f, schema, 201);
    expect(make(f, "a", "{\"size\":3}"), 201);
    struct answer *watch = open_stream(f, WIDGETS "?watch=1", NULL);
    expect(ask(f, "DELETE", CRDS "/widgets.example.com", NULL), 200);
    fixture_pass(f, 3000);
    fixture_turn(f, 50);
    expect(ask(f, "GET", CRDS "/widgets.example.com", NULL), 404);
    expect(ask(f, "GET", WIDGETS, NULL), 404);
    assert_true(watch->ended);
    answer_free(watch);
    define(f, schema, 201);
    struct answer *a = ask(f, "GET", WIDGETS, NULL);
    assert_int_equal(json_count(json_get(a->json, "items")), 0);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, fixture_setup_boot, fixture_teardown)
    const struct CMUnitTest tests[] = {
        WITH(a_definition_serves_its_objects),
        WITH(objects_are_held_against_the_schema),
        WITH(definitions_are_checked),
        WITH(a_schema_that_changes_prunes_what_is_read),
        WITH(status_has_a_path_of_its_own),
        WITH(columns_come_by_their_paths),
        WITH(documents_name_the_resource),
        WITH(objects_go_with_their_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
