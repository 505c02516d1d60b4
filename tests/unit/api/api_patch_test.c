/* Patches as clients see them: field validation by path, tests, preconditions, directives. */
#include <stdio.h>

#include "api_fixture.h"

#define PODS   "/api/v1/namespaces/default/pods"
#define JSON   "application/json-patch+json"
#define MERGE  "application/merge-patch+json"
#define SMP    "application/strategic-merge-patch+json"
#define APPLY  "application/apply-patch+yaml"
#define STRICT "?fieldValidation=Strict"

static const char pod[] = "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\","
                          "\"labels\":{\"a\":\"1\"}},"
                          "\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"i\"},{\"name\":"
                          "\"b\",\"image\":\"i\"}]}}";

static struct answer *patch(struct fixture *f, const char *query, const char *type,
                            const char *body)
{
    char target[300];
    snprintf(target, sizeof target, PODS "/p%s", query);
    return ask_with(f, NULL, "PATCH", target, type, NULL, body);
}

static int setup(void **state)
{
    int rc = fixture_setup_boot(state);
    struct answer *a = ask(*state, "POST", PODS, pod);
    expect(a, 201);
    return rc;
}

static void expect_within(const struct answer *a, int status, const char *part)
{
    expect(a, status);
    if (!strstr(at(a, "message"), part))
        fail_msg("%s: not in: %s", part, at(a, "message"));
}

static void strict_patches_name_what_is_unknown_or_double(void **state)
{
    static const struct {
        const char *type, *body, *part;
    } cases[] = {
        {JSON, "[{\"op\":\"add\",\"path\":\"/spec/foo\",\"value\":1}]",
         "strict decoding error: unknown field \"spec.foo\""},
        {JSON, "[{\"op\":\"add\",\"path\":\"/metadata/labels/b\",\"value\":\"1\",\"why\":1}]",
         "strict decoding error: json patch unknown field \"[0].why\""},
        {JSON, "[{\"op\":\"add\",\"op\":\"add\",\"path\":\"/metadata/labels/b\",\"value\":\"1\"}]",
         "strict decoding error: json patch duplicate field \"[0].op\""},
        {MERGE, "{\"spec\":{\"foo\":1}}", "strict decoding error: unknown field \"spec.foo\""},
        {MERGE, "{\"metadata\":{\"labels\":{\"x\":\"1\",\"x\":\"2\"}}}",
         "strict decoding error: duplicate field \"metadata.labels.x\""},
        {SMP, "{\"spec\":{\"containers\":[{\"name\":\"b\",\"foo\":1}]}}",
         " \"\" is invalid: patch: Invalid value: \"map[spec:map[containers:[map[name:b "
         "foo:1]]]]\": "
         "strict decoding error: unknown field \"spec.containers[1].foo\""},
        {SMP, "{\"spec\":{\"dnsPolicy\":\"Default\",\"dnsPolicy\":\"None\"}}",
         "strict decoding error: duplicate field \"spec.dnsPolicy\""},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct answer *a = patch(f, STRICT, cases[i].type, cases[i].body);
        expect_within(a, 422, cases[i].part);
        const struct json *cause = json_first(json_path(a->json, "details.causes"));
        assert_string_equal(json_path_cstr(cause, "field"), "patch");
        assert_string_equal(json_path_cstr(cause, "reason"), "FieldValueInvalid");
    }
    expect_within(patch(f, STRICT "&fieldManager=x", APPLY,
                        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  name: p\n"),
                  400,
                  "error strict decoding patch: error converting YAML to JSON: yaml: unmarshal "
                  "errors:\n  line 5: key \"name\" already set in map");
}

static void strict_creates_name_problems_in_the_order_of_the_document(void **state)
{
    struct fixture *f = *state;
    expect_message(
        ask(f, "POST", PODS STRICT,
            "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"q\"},\"x\":1,"
            "\"spec\":{"
            "\"dnsPolicy\":\"Default\",\"dnsPolicy\":\"Default\",\"containers\":[{\"name\":\"a\","
            "\"foo\":1,\"image\":\"i\",\"image\":\"j\"}],\"bar\":1,\"bar\":2,\"bar\":3}}"),
        400,
        "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: unknown field "
        "\"x\", duplicate field \"spec.dnsPolicy\", unknown field \"spec.containers[0].foo\", "
        "duplicate field \"spec.containers[0].image\", unknown field \"spec.bar\"");
}

static void patches_warn_unless_told_otherwise(void **state)
{
    struct fixture *f = *state;
    struct answer *a = patch(f, "", MERGE, "{\"spec\":{\"foo\":1}}");
    expect(a, 200);
    assert_non_null(strstr(a->warning, "unknown field \\\"spec.foo\\\""));
    a = patch(f, "?fieldValidation=Ignore", MERGE, "{\"spec\":{\"foo\":1}}");
    expect(a, 200);
    assert_string_equal(a->warning, "");
}

static void a_failed_test_changes_nothing(void **state)
{
    struct fixture *f = *state;
    static const char *const bodies[] = {
        "[{\"op\":\"replace\",\"path\":\"/metadata/labels/a\",\"value\":\"2\"},"
        "{\"op\":\"test\",\"path\":\"/metadata/labels/a\",\"value\":\"1\"}]",
        "[{\"op\":\"remove\",\"path\":\"/metadata/labels/none\"}]",
        "[{\"op\":\"replace\",\"path\":\"/spec/containers/7/image\",\"value\":\"x\"}]"};
    for (size_t i = 0; i < 3; i++)
        expect_message(patch(f, "", JSON, bodies[i]), 422,
                       "the server rejected our request due to an error in our request");
    assert_string_equal(at(ask(f, "GET", PODS "/p", NULL), "metadata.labels.a"), "1");
    expect_within(patch(f, "", JSON, "{\"op\":\"add\"}"), 400, "");
    expect_within(patch(f, "", MERGE, "{"), 400, "error decoding patch: ");
    expect_within(patch(f, "", MERGE, "[]"), 400, "error decoding patch: ");
}

static void too_many_operations_are_too_large(void **state)
{
    struct buf b CLEANUP_BUF;
    buf_init(&b, 2 << 20);
    for (int i = 0; i <= 10000; i++)
        buf_printf(&b, "%s{\"op\":\"test\",\"path\":\"/kind\",\"value\":\"Pod\"}", i ? "," : "[");
    buf_putc(&b, ']');
    expect_message(patch(*state, "", JSON, buf_cstr(&b)), 413,
                   "Request entity too large: The allowed maximum operations in a JSON patch is "
                   "10000, got 10001");
}

static void a_value_of_the_wrong_type_is_named(void **state)
{
    expect_within(patch(*state, "", MERGE, "{\"spec\":{\"hostNetwork\":\"yes\"}}"), 422,
                  "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of "
                  "type bool");
}

static void revision_and_uid_are_preconditions(void **state)
{
    struct fixture *f = *state;
    expect(patch(f, "", MERGE, "{\"metadata\":{\"resourceVersion\":\"1\"}}"), 409);
    expect_within(patch(f, "", MERGE, "{\"metadata\":{\"uid\":\"other\"}}"), 409,
                  "Precondition failed: UID in precondition: other");
    expect(patch(f, "?fieldManager=x", APPLY,
                 "apiVersion: v1\nkind: Pod\nmetadata: {name: p, resourceVersion: '1'}\n"),
           409);
    expect_within(
        ask_with(f, NULL, "PATCH", PODS "/none?fieldManager=x", APPLY, NULL,
                 "apiVersion: v1\nkind: Pod\nmetadata: {name: none, uid: u}\n"),
        409, "uid mismatch: the provided object specified uid u, and no existing object was found");
    expect(ask_with(f, NULL, "PATCH", PODS "/none", MERGE, NULL, "{}"), 404);
}

static void empty_patches_make_no_revision(void **state)
{
    struct fixture *f = *state;
    char revision[30];
    snprintf(revision, sizeof revision, "%s",
             at(ask(f, "GET", PODS "/p", NULL), "metadata.resourceVersion"));
    static const struct {
        const char *type, *body;
    } cases[] = {{JSON, "[]"},
                 {MERGE, "{}"},
                 {SMP, "{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"i\"}],"
                       "\"$setElementOrder/containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]}}"},
                 {MERGE, "{\"metadata\":{\"labels\":{\"a\":\"1\"},\"managedFields\":null}}"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct answer *a = patch(f, "?fieldManager=other", cases[i].type, cases[i].body);
        expect(a, 200);
        assert_string_equal(at(a, "metadata.resourceVersion"), revision);
    }
    /* Nor does an update whose members stand in another order. */
    struct answer *a = ask(f, "GET", PODS "/p", NULL);
    struct json *spec = json_get(a->json, "spec");
    struct buf b CLEANUP_BUF;
    buf_init(&b, 1 << 20);
    json_remove(a->json, "spec");
    struct json *turned = json_new(&f->arena, JSON_OBJECT);
    json_set(&f->arena, turned, "spec", json_clone(&f->arena, spec));
    for (struct json *m = json_first(a->json); m; m = m->next)
        json_set_key(&f->arena, turned, m->key, json_clone(&f->arena, m));
    json_write(&b, turned);
    a = ask(f, "PUT", PODS "/p", buf_cstr(&b));
    expect(a, 200);
    assert_string_equal(at(a, "metadata.resourceVersion"), revision);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(strict_patches_name_what_is_unknown_or_double),
        T(strict_creates_name_problems_in_the_order_of_the_document),
        T(patches_warn_unless_told_otherwise),
        T(a_failed_test_changes_nothing),
        T(too_many_operations_are_too_large),
        T(a_value_of_the_wrong_type_is_named),
        T(revision_and_uid_are_preconditions),
        T(empty_patches_make_no_revision),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
