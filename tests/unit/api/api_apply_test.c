/* Field managers and server-side apply, as clients see them. */
#include <stdio.h>

#include "api_fixture.h"

#define MAPS  "/api/v1/namespaces/default/configmaps"
#define DEPLS "/apis/apps/v1/namespaces/default/deployments"
#define APPLY "application/apply-patch+yaml"

static struct answer *apply(struct fixture *f, const char *target, const char *config)
{
    return ask_with(f, NULL, "PATCH", target, APPLY, NULL, config);
}

static struct answer *patch(struct fixture *f, const char *target, const char *type,
                            const char *body)
{
    return ask_with(f, NULL, "PATCH", target, type, NULL, body);
}

static const char *text_of(struct fixture *f, const struct json *j)
{
    struct buf b CLEANUP_BUF;
    buf_init(&b, 1 << 20);
    json_write(&b, j);
    return arena_strdup(&f->arena, buf_cstr(&b));
}

/* The fields of the entry of a manager; "" when it has none. */
static const char *owned(struct fixture *f, const struct answer *a, const char *manager,
                         const char *operation, const char *subresource)
{
    for (const struct json *e = json_first(json_path(a->json, "metadata.managedFields")); e;
         e = e->next)
        if (!strcmp(json_path_cstr(e, "manager"), manager) &&
            !strcmp(json_path_cstr(e, "operation"), operation) &&
            !strcmp(json_path_cstr(e, "subresource"), subresource))
            return text_of(f, json_get(e, "fieldsV1"));
    return "";
}

#define CONFIG(data) \
    "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"m\"}" data "}"

static void what_is_applied_is_created_and_owned(void **state)
{
    struct fixture *f = *state;
    struct answer *a = apply(f, MAPS "/m?fieldManager=one",
                             "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: "
                             "m\n  labels: {a: b}\ndata:\n  x: z\n");
    expect(a, 201);
    assert_string_equal(at(a, "data.x"), "z");
    assert_string_equal(owned(f, a, "one", "Apply", ""),
                        "{\"f:data\":{\"f:x\":{}},\"f:metadata\":{\"f:labels\":{\"f:a\":{}}}}");
    const struct json *e = json_first(json_path(a->json, "metadata.managedFields"));
    assert_string_equal(json_path_cstr(e, "apiVersion"), "v1");
    assert_string_equal(json_path_cstr(e, "fieldsType"), "FieldsV1");
    assert_int_equal(strlen(json_path_cstr(e, "time")), 20);
}

static void applying_the_same_again_changes_nothing(void **state)
{
    struct fixture *f = *state;
    const char *config = CONFIG(",\"data\":{\"a\":\"b\"}");
    const char *revision = arena_strdup(
        &f->arena, at(apply(f, MAPS "/m?fieldManager=one", config), "metadata.resourceVersion"));
    fixture_pass(f, 5000);
    struct answer *a = apply(f, MAPS "/m?fieldManager=one", config);
    expect(a, 200);
    assert_string_equal(at(a, "metadata.resourceVersion"), revision);
}

static void what_is_no_longer_applied_goes(void **state)
{
    struct fixture *f = *state;
    expect(apply(f, MAPS "/m?fieldManager=one", CONFIG(",\"data\":{\"a\":\"1\",\"b\":\"2\"}")),
           201);
    struct answer *a = apply(f, MAPS "/m?fieldManager=one", CONFIG(",\"data\":{\"b\":\"2\"}"));
    expect(a, 200);
    assert_null(json_path(a->json, "data.a"));
    assert_string_equal(at(a, "data.b"), "2");
    /* Not what somebody else put there. */
    expect(patch(f, MAPS "/m?fieldManager=two", "application/merge-patch+json",
                 "{\"data\":{\"c\":\"3\"}}"),
           200);
    a = apply(f, MAPS "/m?fieldManager=one", CONFIG(""));
    expect(a, 200);
    assert_null(json_path(a->json, "data.b"));
    assert_string_equal(at(a, "data.c"), "3");
    assert_string_equal(owned(f, a, "one", "Apply", ""), "");
}

static void a_field_of_another_manager_is_a_conflict(void **state)
{
    struct fixture *f = *state;
    expect(apply(f, MAPS "/m?fieldManager=one", CONFIG(",\"data\":{\"a\":\"1\",\"b\":\"2\"}")),
           201);
    struct answer *a = apply(f, MAPS "/m?fieldManager=two", CONFIG(",\"data\":{\"a\":\"9\"}"));
    expect_message(a, 409, "Apply failed with 1 conflict: conflict with \"one\": .data.a");
    assert_string_equal(at(a, "reason"), "Conflict");
    const struct json *cause = json_first(json_path(a->json, "details.causes"));
    assert_string_equal(json_path_cstr(cause, "reason"), "FieldManagerConflict");
    assert_string_equal(json_path_cstr(cause, "message"), "conflict with \"one\"");
    assert_string_equal(json_path_cstr(cause, "field"), ".data.a");
    expect(patch(f, MAPS "/m?fieldManager=editor", "application/merge-patch+json",
                 "{\"data\":{\"b\":\"7\",\"c\":\"8\"}}"),
           200);
    expect_message(
        apply(f, MAPS "/m?fieldManager=two",
              CONFIG(",\"data\":{\"a\":\"9\",\"b\":\"9\",\"c\":\"9\"}")),
        409,
        "Apply failed with 3 conflicts: conflicts with \"editor\" using v1:\n- .data.b\n- .data.c\n"
        "conflicts with \"one\":\n- .data.a");
}

static void force_takes_fields_over(void **state)
{
    struct fixture *f = *state;
    expect(apply(f, MAPS "/m?fieldManager=one", CONFIG(",\"data\":{\"a\":\"1\",\"b\":\"2\"}")),
           201);
    struct answer *a =
        apply(f, MAPS "/m?fieldManager=two&force=true", CONFIG(",\"data\":{\"a\":\"9\"}"));
    expect(a, 200);
    assert_string_equal(at(a, "data.a"), "9");
    assert_string_equal(owned(f, a, "one", "Apply", ""), "{\"f:data\":{\"f:b\":{}}}");
    assert_string_equal(owned(f, a, "two", "Apply", ""), "{\"f:data\":{\"f:a\":{}}}");
    /* What was taken over is not taken away by who lost it. */
    a = apply(f, MAPS "/m?fieldManager=one", CONFIG(",\"data\":{\"b\":\"2\"}"));
    expect(a, 200);
    assert_string_equal(at(a, "data.a"), "9");
}

static void managers_that_agree_share_a_field(void **state)
{
    struct fixture *f = *state;
    expect(apply(f, MAPS "/m?fieldManager=one", CONFIG(",\"data\":{\"a\":\"1\"}")), 201);
    struct answer *a = apply(f, MAPS "/m?fieldManager=two", CONFIG(",\"data\":{\"a\":\"1\"}"));
    expect(a, 200);
    assert_string_equal(owned(f, a, "one", "Apply", ""), "{\"f:data\":{\"f:a\":{}}}");
    assert_string_equal(owned(f, a, "two", "Apply", ""), "{\"f:data\":{\"f:a\":{}}}");
    a = apply(f, MAPS "/m?fieldManager=one", CONFIG(""));
    expect(a, 200);
    assert_string_equal(at(a, "data.a"), "1");
    a = apply(f, MAPS "/m?fieldManager=two", CONFIG(""));
    expect(a, 200);
    assert_null(json_path(a->json, "data.a"));
}

static void updates_are_tracked_by_program(void **state)
{
    struct fixture *f = *state;
    struct answer *a =
        ask(f, "POST", MAPS "?fieldManager=maker", CONFIG(",\"data\":{\"a\":\"1\"}"));
    expect(a, 201);
    assert_string_equal(owned(f, a, "maker", "Update", ""), "{\"f:data\":{\".\":{},\"f:a\":{}}}");
    a = ask(f, "PUT", MAPS "/m?fieldManager=putter", CONFIG(",\"data\":{\"a\":\"1\",\"b\":\"2\"}"));
    expect(a, 200);
    assert_string_equal(owned(f, a, "maker", "Update", ""), "{\"f:data\":{\".\":{},\"f:a\":{}}}");
    assert_string_equal(owned(f, a, "putter", "Update", ""), "{\"f:data\":{\"f:b\":{}}}");
    a = ask(f, "PUT", MAPS "/m?fieldManager=putter", CONFIG(",\"data\":{\"b\":\"2\"}"));
    assert_string_equal(owned(f, a, "maker", "Update", ""), "{\"f:data\":{}}");
    a = ask(f, "GET", MAPS "/m", NULL);
    assert_string_equal(owned(f, a, "putter", "Update", ""), "{\"f:data\":{\"f:b\":{}}}");
}

static void what_the_server_makes_is_its_own(void **state)
{
    struct fixture *f = *state;
    struct answer *a = ask(f, "GET", "/api/v1/namespaces/kube-public", NULL);
    expect(a, 200);
    assert_non_null(strstr(owned(f, a, "kube-apiserver", "Update", ""), "f:metadata"));
}

static void managed_fields_can_be_reset(void **state)
{
    struct fixture *f = *state;
    expect(ask(f, "POST", MAPS "?fieldManager=maker", CONFIG(",\"data\":{\"a\":\"1\"}")), 201);
    struct answer *a = patch(f, MAPS "/m", "application/merge-patch+json",
                             "{\"metadata\":{\"managedFields\":[{}]}}");
    expect(a, 200);
    assert_null(json_path(a->json, "metadata.managedFields"));
    a = patch(f, MAPS "/m", "application/merge-patch+json", "{\"data\":{\"b\":\"2\"}}");
    assert_null(json_path(a->json, "metadata.managedFields"));
    /* What was there before the first apply has a name. */
    a = apply(f, MAPS "/m?fieldManager=one", CONFIG(",\"data\":{\"a\":\"1\"}"));
    expect(a, 200);
    assert_string_equal(owned(f, a, "before-first-apply", "Update", ""),
                        "{\"f:data\":{\".\":{},\"f:a\":{},\"f:b\":{}}}");
    assert_string_equal(owned(f, a, "one", "Apply", ""), "{\"f:data\":{\"f:a\":{}}}");
    a = patch(f, MAPS "/m", "application/json-patch+json",
              "[{\"op\":\"replace\",\"path\":\"/metadata/managedFields\",\"value\":[]}]");
    expect(a, 200);
    assert_null(json_path(a->json, "metadata.managedFields"));
}

static void old_updates_are_put_together(void **state)
{
    struct fixture *f = *state;
    char target[200], body[100];
    struct answer *a =
        ask(f, "POST", MAPS "?fieldManager=maker", CONFIG(",\"data\":{\"a\":\"1\"}"));
    expect(a, 201);
    for (int i = 0; i < 14; i++) {
        fixture_pass(f, 1000);
        snprintf(target, sizeof target, MAPS "/m?fieldManager=m%02d", i);
        snprintf(body, sizeof body, "{\"data\":{\"k%02d\":\"v\"}}", i);
        a = patch(f, target, "application/merge-patch+json", body);
        expect(a, 200);
    }
    assert_int_equal(json_count(json_path(a->json, "metadata.managedFields")), 10);
    assert_string_equal(owned(f, a, "ancient-changes", "Update", ""),
                        "{\"f:data\":{\".\":{},\"f:a\":{},\"f:k00\":{},\"f:k01\":{},\"f:k02\":{},"
                        "\"f:k03\":{},\"f:k04\":{}}}");
    assert_string_equal(owned(f, a, "m13", "Update", ""), "{\"f:data\":{\"f:k13\":{}}}");
}

static void options_are_checked(void **state)
{
    struct fixture *f = *state;
    expect_message(apply(f, MAPS "/m", CONFIG("")), 422,
                   "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is "
                   "required for apply patch");
    expect_message(patch(f, MAPS "/m?force=true", "application/merge-patch+json", "{}"), 422,
                   "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be "
                   "specified for non-apply patch");
    expect(ask(f, "POST",
               MAPS
               "?fieldManager=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
               "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
               CONFIG("")),
           422);
    expect_message(
        apply(f, MAPS "/m?fieldManager=x",
              "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"m\"}}"),
        400, "invalid object type: /v1, Kind=Secret");
    expect_message(
        apply(f, MAPS "/m?fieldManager=x",
              "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"m\","
              "\"managedFields\":[{}]}}"),
        400, "metadata.managedFields must be nil");
    expect_message(apply(f, MAPS "/n?fieldManager=x", CONFIG("")), 400,
                   "the name of the object (m) does not match the name on the URL (n)");
    struct answer *a = apply(f, MAPS "/m?fieldManager=x", CONFIG(",\"dta\":{}"));
    expect_message(a, 500,
                   "failed to create typed patch object (/m; /v1, Kind=ConfigMap): .dta: field not "
                   "declared in schema");
}

static const char deployment[] =
    "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"d\"},\"spec\":{"
    "\"replicas\":2,\"selector\":{\"matchLabels\":{\"a\":\"b\"}},\"template\":{\"metadata\":{"
    "\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i:1\","
    "\"ports\":[{\"containerPort\":80}],\"resources\":{\"limits\":{\"cpu\":\"1000m\"}}}]}}}}";

static void lists_by_key_are_owned_by_element(void **state)
{
    struct fixture *f = *state;
    struct answer *a = apply(f, DEPLS "/d?fieldManager=one", deployment);
    expect(a, 201);
    assert_string_equal(
        owned(f, a, "one", "Apply", ""),
        "{\"f:spec\":{\"f:replicas\":{},\"f:selector\":{},\"f:template\":{\"f:metadata\":{"
        "\"f:labels\":{\"f:a\":{}}},\"f:spec\":{\"f:containers\":{\"k:{\\\"name\\\":\\\"c\\\"}\":{"
        "\".\":{},\"f:image\":{},\"f:name\":{},\"f:ports\":{\"k:{\\\"containerPort\\\":80,"
        "\\\"protocol\\\":\\\"TCP\\\"}\":{\".\":{},\"f:containerPort\":{}}},\"f:resources\":{"
        "\"f:limits\":{\"f:cpu\":{}}}}}}}}}");
    const char *revision = arena_strdup(&f->arena, at(a, "metadata.resourceVersion"));
    fixture_pass(f, 5000);
    a = apply(f, DEPLS "/d?fieldManager=one", deployment);
    assert_string_equal(at(a, "metadata.resourceVersion"), revision);
    a = apply(
        f, DEPLS "/d?fieldManager=two",
        "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"spec\":{\"template\":{\"spec\":{"
        "\"containers\":[{\"name\":\"side\",\"image\":\"s\"}]}}}}");
    expect(a, 200);
    assert_int_equal(json_count(json_path(a->json, "spec.template.spec.containers")), 2);
    assert_int_equal(int_at(a, "metadata.generation"), 2);
}

static void a_key_left_out_is_refused_by_its_path(void **state)
{
    expect_message(
        apply(*state, DEPLS "/d?fieldManager=one",
              "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n  selector:"
              " {matchLabels: {a: b}}\n  template: {metadata: {labels: {a: b}}, spec: "
              "{containers: [{image: i}]}}\n"),
        422,
        "Deployment.apps \"d\" is invalid: spec.template.spec.containers[0].name: Required "
        "value");
}

static void subresources_have_managers_of_their_own(void **state)
{
    struct fixture *f = *state;
    expect(apply(f, DEPLS "/d?fieldManager=one", deployment), 201);
    struct answer *a = patch(f, DEPLS "/d/status?fieldManager=ctl", "application/merge-patch+json",
                             "{\"status\":{\"replicas\":1},\"spec\":{\"replicas\":9}}");
    expect(a, 200);
    assert_int_equal(int_at(a, "spec.replicas"), 2);
    assert_string_equal(owned(f, a, "ctl", "Update", "status"),
                        "{\"f:status\":{\"f:replicas\":{}}}");
    a = apply(f, DEPLS "/d/status?fieldManager=st",
              "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"spec\":{\"replicas\":7},"
              "\"status\":{\"readyReplicas\":1}}");
    expect(a, 200);
    assert_int_equal(int_at(a, "status.readyReplicas"), 1);
    assert_int_equal(int_at(a, "spec.replicas"), 2);
    assert_string_equal(owned(f, a, "st", "Apply", "status"),
                        "{\"f:status\":{\"f:readyReplicas\":{}}}");
    expect(apply(f, DEPLS "/none/status?fieldManager=st",
                 "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\"}"),
           404);
}

static void a_scale_owns_the_replicas(void **state)
{
    struct fixture *f = *state;
    expect(apply(f, DEPLS "/d?fieldManager=one", deployment), 201);
    expect(patch(f, DEPLS "/d/scale?fieldManager=hpa", "application/merge-patch+json",
                 "{\"spec\":{\"replicas\":5}}"),
           200);
    struct answer *a = ask(f, "GET", DEPLS "/d", NULL);
    assert_int_equal(int_at(a, "spec.replicas"), 5);
    assert_string_equal(owned(f, a, "hpa", "Update", "scale"), "{\"f:spec\":{\"f:replicas\":{}}}");
    expect_message(apply(f, DEPLS "/d?fieldManager=one", deployment), 409,
                   "Apply failed with 1 conflict: conflict with \"hpa\" with subresource \"scale\" "
                   "using apps/v1: .spec.replicas");
    a = apply(f, DEPLS "/d/scale?fieldManager=person",
              "{\"apiVersion\":\"autoscaling/v1\",\"kind\":\"Scale\",\"spec\":{\"replicas\":6}}");
    expect(a, 409);
    a = apply(f, DEPLS "/d/scale?fieldManager=person&force=true",
              "{\"apiVersion\":\"autoscaling/v1\",\"kind\":\"Scale\",\"spec\":{\"replicas\":6}}");
    expect(a, 200);
    assert_int_equal(int_at(a, "spec.replicas"), 6);
    assert_string_equal(at(a, "kind"), "Scale");
    a = ask(f, "GET", DEPLS "/d", NULL);
    assert_string_equal(owned(f, a, "person", "Apply", "scale"),
                        "{\"f:spec\":{\"f:replicas\":{}}}");
}

static void kubectl_takes_over_what_it_applied_itself(void **state)
{
    struct fixture *f = *state;
    const char *made =
        "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"m\","
        "\"annotations\":{"
        "\"kubectl.kubernetes.io/last-applied-configuration\":\"{\\\"apiVersion\\\":\\\"v1\\\","
        "\\\"kind\\\":\\\"ConfigMap\\\",\\\"data\\\":{\\\"a\\\":\\\"1\\\",\\\"b\\\":\\\"2\\\"},"
        "\\\"metadata\\\":{\\\"name\\\":\\\"m\\\"}}\"}},\"data\":{\"a\":\"1\",\"b\":\"2\"}}";
    expect(ask(f, "POST", MAPS "?fieldManager=kubectl-client-side-apply", made), 201);
    expect(apply(f, MAPS "/m?fieldManager=other", CONFIG(",\"data\":{\"a\":\"9\"}")), 409);
    struct answer *a = apply(f, MAPS "/m?fieldManager=kubectl", CONFIG(",\"data\":{\"a\":\"9\"}"));
    expect(a, 200);
    assert_string_equal(at(a, "data.a"), "9");
    const struct json *note = json_get(json_path(a->json, "metadata.annotations"),
                                       "kubectl.kubernetes.io/last-applied-configuration");
    assert_string_equal(json_cstr(note),
                        "{\"apiVersion\":\"v1\",\"data\":{\"a\":\"9\"},\"kind\":\"ConfigMap\","
                        "\"metadata\":{\"name\":\"m\"}}\n");
}

static void a_dry_run_of_apply_stores_nothing(void **state)
{
    struct fixture *f = *state;
    expect(apply(f, MAPS "/m?fieldManager=one&dryRun=All", CONFIG(",\"data\":{\"a\":\"1\"}")), 201);
    expect(ask(f, "GET", MAPS "/m", NULL), 404);
    expect(apply(f, MAPS "/m?fieldManager=one", CONFIG(",\"data\":{\"a\":\"1\"}")), 201);
    struct answer *a =
        apply(f, MAPS "/m?fieldManager=one&dryRun=All", CONFIG(",\"data\":{\"a\":\"2\"}"));
    expect(a, 200);
    assert_string_equal(at(a, "data.a"), "2");
    assert_string_equal(at(ask(f, "GET", MAPS "/m", NULL), "data.a"), "1");
}

static void another_version_of_a_kind_is_compared_in_its_own_terms(void **state)
{
    struct fixture *f = *state;
#define HPA(v) "/apis/autoscaling/" v "/namespaces/default/horizontalpodautoscalers/h"
    expect(apply(f, HPA("v1") "?fieldManager=one",
                 "{\"apiVersion\":\"autoscaling/v1\",\"kind\":\"HorizontalPodAutoscaler\","
                 "\"metadata\":{\"name\":\"h\"},\"spec\":{\"maxReplicas\":3,\"scaleTargetRef\":{"
                 "\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"name\":\"d\"},"
                 "\"targetCPUUtilizationPercentage\":50}}"),
           201);
    struct answer *a =
        apply(f, HPA("v2") "?fieldManager=two",
              "{\"apiVersion\":\"autoscaling/v2\",\"kind\":\"HorizontalPodAutoscaler\","
              "\"metadata\":{\"name\":\"h\"},\"spec\":{\"maxReplicas\":4}}");
    expect_message(a, 409,
                   "Apply failed with 1 conflict: conflict with \"one\": .spec.maxReplicas");
    a = apply(f, HPA("v2") "?fieldManager=two",
              "{\"apiVersion\":\"autoscaling/v2\",\"kind\":\"HorizontalPodAutoscaler\","
              "\"metadata\":{\"name\":\"h\"},\"spec\":{\"metrics\":[{\"type\":\"Resource\","
              "\"resource\":{\"name\":\"cpu\",\"target\":{\"type\":\"Utilization\","
              "\"averageUtilization\":70}}}]}}");
    expect_message(a, 409,
                   "Apply failed with 1 conflict: conflict with \"one\": "
                   ".spec.targetCPUUtilizationPercentage");
#undef HPA
}

/* As upstream's tests write it: JSON that is YAML, with tabs and a comma too many. */
static void flow_style_with_tabs_is_read(void **state)
{
    struct fixture *f = *state;
    struct answer *a = apply(f, "/api/v1/namespaces/default/pods/p?fieldManager=apply_test",
                             "{\n\t\t\"apiVersion\": \"v1\",\n\t\t\"kind\": "
                             "\"Pod\",\n\t\t\"metadata\": {\n\t\t\t\"name\": "
                             "\"p\"\n\t\t},\n\t\t\"spec\": {\n\t\t\t\"containers\": "
                             "[{\n\t\t\t\t\"name\":  \"nginx\",\n\t\t\t\t"
                             "\"image\": \"registry/nginx:1\",\n\t\t\t}]\n\t\t}\n\t}");
    expect(a, 201);
    assert_string_equal(
        owned(f, a, "apply_test", "Apply", ""),
        "{\"f:spec\":{\"f:containers\":{\"k:{\\\"name\\\":\\\"nginx\\\"}\":{\".\":{},"
        "\"f:image\":{},\"f:name\":{}}}}}");
    const char *status =
        "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"},\"status\":{"
        "\"conditions\":[{\"type\":\"MyStatus\",\"status\":\"True\"}]}}";
    a = apply(f, "/api/v1/namespaces/default/pods/p?fieldManager=apply_test2", status);
    expect(a, 200);
    assert_null(json_path(a->json, "status.conditions"));
    a = apply(f, "/api/v1/namespaces/default/pods/p/status?fieldManager=apply_test2", status);
    expect(a, 200);
    assert_string_equal(json_path_cstr(json_first(json_path(a->json, "status.conditions")), "type"),
                        "MyStatus");
}

/* 20,000 elements fit an object, but not one object of managed fields. */
static void what_has_too_many_fields_is_kept_untracked(void **state)
{
    struct fixture *f = *state;
    struct buf b CLEANUP_BUF;
    buf_init(&b, 3 << 20);
    buf_puts(&b,
             "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"big\"},\"spec\":{"
             "\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"env\":[");
    for (int i = 0; i < 20000; i++)
        buf_printf(&b, "%s{\"name\":\"E%d\"}", i ? "," : "", i);
    buf_puts(&b, "]}]}}");
    struct answer *a = ask(f, "POST", "/api/v1/namespaces/default/pods", buf_cstr(&b));
    expect(a, 201);
    assert_null(json_path(a->json, "metadata.managedFields"));
    expect(ask(f, "GET", "/api/v1/namespaces/default/pods/big", NULL), 200);
    expect(ask(f, "PATCH", "/api/v1/namespaces/default/pods/big",
               "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}"),
           200);
    buf_clear(&b);
    buf_puts(&b, "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"big\"}}");
    expect(apply(f, "/api/v1/namespaces/default/pods/big?fieldManager=x", buf_cstr(&b)), 400);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup_boot, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(what_is_applied_is_created_and_owned),
        T(applying_the_same_again_changes_nothing),
        T(what_is_no_longer_applied_goes),
        T(a_field_of_another_manager_is_a_conflict),
        T(force_takes_fields_over),
        T(managers_that_agree_share_a_field),
        T(updates_are_tracked_by_program),
        T(what_the_server_makes_is_its_own),
        T(managed_fields_can_be_reset),
        T(old_updates_are_put_together),
        T(options_are_checked),
        T(lists_by_key_are_owned_by_element),
        T(a_key_left_out_is_refused_by_its_path),
        T(subresources_have_managers_of_their_own),
        T(a_scale_owns_the_replicas),
        T(kubectl_takes_over_what_it_applied_itself),
        T(a_dry_run_of_apply_stores_nothing),
        T(flow_style_with_tabs_is_read),
        T(what_has_too_many_fields_is_kept_untracked),
        T(another_version_of_a_kind_is_compared_in_its_own_terms),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
