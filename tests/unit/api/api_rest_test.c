/* Verbs, conflicts, selectors, patches, deletion, chunks: what every resource does. */
#include "api_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAPS "/api/v1/namespaces/default/configmaps"
#define PODS "/api/v1/namespaces/default/pods"

static void make_map(struct fixture *f, const char *name, const char *labels)
{
    char body[300];
    snprintf(body, sizeof body,
             "{\"metadata\":{\"name\":\"%s\",\"labels\":%s},\"data\":{\"k\":\"v\"}}", name, labels);
    expect(ask(f, "POST", MAPS, body), 201);
}

static void object_is_created_read_changed_and_deleted(void **state)
{
    struct fixture *f = *state;
    struct answer *a = ask(f, "POST", MAPS,
                           "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":"
                           "\"a\"},\"data\":{\"x\":\"1\"}}");
    expect(a, 201);
    assert_string_equal(at(a, "kind"), "ConfigMap");
    assert_string_equal(at(a, "apiVersion"), "v1");
    assert_string_equal(at(a, "metadata.namespace"), "default");
    assert_int_equal(strlen(at(a, "metadata.uid")), 36);
    assert_true(at(a, "metadata.creationTimestamp")[0]);
    char revision[40];
    snprintf(revision, sizeof revision, "%s", at(a, "metadata.resourceVersion"));
    a = ask(f, "GET", MAPS "/a", NULL);
    expect(a, 200);
    assert_string_equal(at(a, "data.x"), "1");
    assert_string_equal(at(a, "metadata.resourceVersion"), revision);
    a = ask(f, "PUT", MAPS "/a", "{\"metadata\":{\"name\":\"a\"},\"data\":{\"x\":\"2\"}}");
    expect(a, 200);
    assert_string_not_equal(at(a, "metadata.resourceVersion"), revision);
    a = ask(f, "GET", MAPS "/a", NULL);
    assert_string_equal(at(a, "data.x"), "2");
    a = ask(f, "DELETE", MAPS "/a", NULL);
    expect(a, 200);
    assert_string_equal(at(a, "status"), "Success");
    expect_message(ask(f, "GET", MAPS "/a", NULL), 404, "configmaps \"a\" not found");
}

static void an_update_that_changes_nothing_makes_no_revision(void **state)
{
    struct fixture *f = *state;
    make_map(f, "same", "{}");
    int64_t before = store_revision(f->node.store);
    expect(ask(f, "PUT", MAPS "/same", "{\"metadata\":{\"name\":\"same\"},\"data\":{\"k\":\"v\"}}"),
           200);
    assert_int_equal(store_revision(f->node.store), before);
}

static void conflicts_are_told_as_upstream_does(void **state)
{
    struct fixture *f = *state;
    make_map(f, "c", "{}");
    expect_message(ask(f, "POST", MAPS, "{\"metadata\":{\"name\":\"c\"}}"), 409,
                   "configmaps \"c\" already exists");
    struct answer *a =
        ask(f, "PUT", MAPS "/c", "{\"metadata\":{\"name\":\"c\",\"resourceVersion\":\"1\"}}");
    expect_message(a, 409,
                   "Operation cannot be fulfilled on configmaps \"c\": the object has been "
                   "modified; please apply your changes to the latest version and try again");
    assert_string_equal(at(a, "reason"), "Conflict");
    assert_string_equal(at(a, "details.kind"), "configmaps");
    expect(ask(f, "PUT", MAPS "/c", "{\"metadata\":{\"name\":\"c\",\"uid\":\"other\"}}"), 409);
    expect(ask(f, "PUT", MAPS "/nope", "{\"metadata\":{\"name\":\"nope\"}}"), 404);
    expect(ask(f, "PUT", MAPS "/c", "{\"metadata\":{\"name\":\"d\"}}"), 400);
}

static void generated_names_differ(void **state)
{
    struct fixture *f = *state;
    char first[80];
    struct answer *a = ask(f, "POST", MAPS, "{\"metadata\":{\"generateName\":\"web-\"}}");
    expect(a, 201);
    snprintf(first, sizeof first, "%s", at(a, "metadata.name"));
    assert_int_equal(strlen(first), 9);
    a = ask(f, "POST", MAPS, "{\"metadata\":{\"generateName\":\"web-\"}}");
    expect(a, 201);
    assert_string_not_equal(at(a, "metadata.name"), first);
}

static void labels_and_fields_select(void **state)
{
    struct fixture *f = *state;
    make_map(f, "one", "{\"app\":\"web\",\"tier\":\"front\"}");
    make_map(f, "two", "{\"app\":\"web\"}");
    make_map(f, "three", "{}");
    struct answer *a = ask(f, "GET", MAPS "?labelSelector=app%3Dweb", NULL);
    expect(a, 200);
    assert_int_equal(json_count(json_get(a->json, "items")), 2);
    a = ask(f, "GET", MAPS "?labelSelector=app%3Dweb%2C%21tier", NULL);
    assert_int_equal(json_count(json_get(a->json, "items")), 1);
    a = ask(f, "GET", "/api/v1/configmaps?fieldSelector=metadata.name%3Dthree", NULL);
    assert_int_equal(json_count(json_get(a->json, "items")), 1);
    expect_message(ask(f, "GET", MAPS "?fieldSelector=data.k%3Dv", NULL), 400,
                   "field label not supported: data.k");
    fixture_restart(f); /* companions are made anew from what is stored */
    a = ask(f, "GET", MAPS "?labelSelector=tier+in+(front)", NULL);
    assert_int_equal(json_count(json_get(a->json, "items")), 1);
}

static void a_list_comes_in_chunks_of_one_revision(void **state)
{
    struct fixture *f = *state;
    char name[20], target[600];
    for (int i = 0; i < 7; i++) {
        snprintf(name, sizeof name, "m%d", i);
        make_map(f, name, "{}");
    }
    struct answer *a = ask(f, "GET", MAPS "?limit=3&labelSelector=", NULL);
    expect(a, 200);
    assert_int_equal(json_count(json_get(a->json, "items")), 3);
    assert_int_equal(int_at(a, "metadata.remainingItemCount"), 5); /* and kube-root-ca.crt */
    char revision[30];
    snprintf(revision, sizeof revision, "%s", at(a, "metadata.resourceVersion"));
    int seen = 3;
    while (at(a, "metadata.continue")[0]) {
        snprintf(target, sizeof target, MAPS "?limit=3&continue=%s", at(a, "metadata.continue"));
        make_map(f, seen == 3 ? "zz1" : "zz2", "{}"); /* must not show up */
        a = ask(f, "GET", target, NULL);
        expect(a, 200);
        assert_string_equal(at(a, "metadata.resourceVersion"), revision);
        seen += (int)json_count(json_get(a->json, "items"));
    }
    assert_int_equal(seen, 8);
    a = ask(f, "GET", MAPS "?limit=1&continue=bm9wZQ", NULL);
    expect_message(a, 400, "continue key is not valid");
}

static void a_slow_reader_gets_a_large_list_in_pieces(void **state)
{
    struct fixture *f = *state;
    char body[9000];
    memset(body, 0, sizeof body);
    for (int i = 0; i < 200; i++) {
        int n =
            snprintf(body, sizeof body, "{\"metadata\":{\"name\":\"big%d\"},\"data\":{\"x\":\"", i);
        memset(body + n, 'y', 8000);
        snprintf(body + n + 8000, 10, "\"}}");
        expect(ask(f, "POST", MAPS, body), 201);
    }
    struct answer *a = open_slow_stream(f, MAPS, 1 << 20);
    size_t before = 0;
    unsigned pieces = 0;
    while (!a->ended) {
        assert_true(buf_len(&a->body) > before); /* each time some, never all */
        before = buf_len(&a->body);
        pieces++;
        api_request_drained(a->request);
    }
    size_t whole = buf_len(&a->body);
    answer_free(a);
    assert_true(pieces > 10);
    assert_true(whole > 200 * 8000);
}

static void patches_change_what_they_name(void **state)
{
    struct fixture *f = *state;
    make_map(f, "p", "{\"a\":\"1\"}");
    struct answer *a = ask_with(f, NULL, "PATCH", MAPS "/p", "application/merge-patch+json", NULL,
                                "{\"data\":{\"k\":null,\"n\":\"new\"}}");
    expect(a, 200);
    assert_string_equal(at(a, "data.n"), "new");
    assert_string_equal(at(a, "data.k"), "");
    a = ask_with(
        f, NULL, "PATCH", MAPS "/p", "application/json-patch+json", NULL,
        "[{\"op\":\"test\",\"path\":\"/data/n\",\"value\":\"new\"},{\"op\":\"replace\",\"path\":\"/"
        "data/n\",\"value\":\"newer\"}]");
    expect(a, 200);
    assert_string_equal(at(a, "data.n"), "newer");
    a = ask_with(f, NULL, "PATCH", MAPS "/p", "application/json-patch+json", NULL,
                 "[{\"op\":\"test\",\"path\":\"/data/n\",\"value\":\"old\"}]");
    expect(a, 422);
    a = ask_with(f, NULL, "PATCH", MAPS "/p", "application/strategic-merge-patch+json", NULL,
                 "{\"metadata\":{\"labels\":{\"b\":\"2\"}}}");
    expect(a, 200);
    assert_string_equal(at(a, "metadata.labels.a"), "1");
    assert_string_equal(at(a, "metadata.labels.b"), "2");
    expect(ask_with(f, NULL, "PATCH", MAPS "/p", "application/x-patch", NULL, "{}"), 415);
    expect(ask_with(f, NULL, "PATCH", MAPS "/p", "application/merge-patch+json", NULL,
                    "{\"metadata\":{\"resourceVersion\":\"1\"}}"),
           409);
}

static void concurrent_patches_all_take_effect(void **state)
{
    struct fixture *f = *state;
    struct answer *a[5];
    char body[100];
    make_map(f, "busy", "{}");
    for (int i = 0; i < 5; i++) {
        snprintf(body, sizeof body, "{\"metadata\":{\"labels\":{\"l%d\":\"x\"}}}", i);
        a[i] = begin(f, "PATCH", MAPS "/busy", body);
        assert_false(a[i]->ended);
    }
    fixture_turn(f, 60);
    struct answer *get = ask(f, "GET", MAPS "/busy", NULL);
    assert_int_equal(json_count(json_path(get->json, "metadata.labels")), 5);
    for (int i = 0; i < 5; i++) {
        assert_true(a[i]->ended);
        expect(a[i], 200);
        answer_free(a[i]);
    }
    struct answer *one = begin(f, "POST", MAPS, "{\"metadata\":{\"name\":\"twin\"}}");
    struct answer *two = begin(f, "POST", MAPS, "{\"metadata\":{\"name\":\"twin\"}}");
    fixture_turn(f, 20);
    expect(one, 201);
    expect(two, 409);
    answer_free(one);
    answer_free(two);
    /* Services that ask for an address at the same time never get the same. */
    one = begin(f, "POST", "/api/v1/namespaces/default/services",
                "{\"metadata\":{\"name\":\"s1\"},\"spec\":{\"clusterIP\":\"10.96.0.60\",\"ports\":["
                "{\"port\":1}]}}");
    two = begin(f, "POST", "/api/v1/namespaces/default/services",
                "{\"metadata\":{\"name\":\"s2\"},\"spec\":{\"clusterIP\":\"10.96.0.60\",\"ports\":["
                "{\"port\":1}]}}");
    fixture_turn(f, 20);
    expect(one, 201);
    expect(two, 422);
    answer_free(one);
    answer_free(two);
}

static void malformed_bodies_are_refused_and_nothing_is_stored(void **state)
{
    struct fixture *f = *state;
    int64_t before = store_revision(f->node.store);
    expect(ask(f, "POST", MAPS, "{\"metadata\":{\"name\":\"x\"},"), 400);
    expect(ask(f, "POST", MAPS, "[]"), 400);
    expect(ask(f, "POST", MAPS, ""), 400);
    expect_message(ask(f, "POST", MAPS "?fieldValidation=Strict",
                       "{\"metadata\":{\"name\":\"x\"},\"dta\":{}}"),
                   400,
                   "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding "
                   "error: unknown field \"dta\"");
    expect_message(
        ask(f, "POST", MAPS, "{\"apiVersion\":\"apps/v1\",\"kind\":\"ConfigMap\"}"), 400,
        "the API version in the data (apps/v1) does not match the expected API version (v1)");
    expect(ask_with(f, NULL, "POST", MAPS, "text/plain", NULL, "x"), 415);
    expect(ask_with(f, NULL, "POST", MAPS, "application/vnd.kubernetes.protobuf", NULL, "x"), 400);
    expect(ask(f, "POST", MAPS, "{\"metadata\":{\"name\":\"x\",\"namespace\":\"other\"}}"), 400);
    struct answer *a = ask(f, "POST", MAPS, "{\"metadata\":{\"name\":\"Not_A_Name\"}}");
    expect(a, 422);
    assert_string_equal(json_path_cstr(json_at(json_path(a->json, "details.causes"), 0), "field"),
                        "metadata.name");
    assert_int_equal(store_revision(f->node.store), before);
    a = ask(f, "POST", MAPS "?fieldValidation=Warn",
            "{\"metadata\":{\"name\":\"warned\"},\"dta\":{}}");
    expect(a, 201);
    assert_string_equal(a->warning, "299 - \"unknown field \\\"dta\\\"\"");
    a = ask_with(f, NULL, "POST", MAPS, "application/yaml", NULL,
                 "metadata:\n  name: yaml\ndata:\n  a: b\n");
    expect(a, 201);
    assert_string_equal(at(a, "data.a"), "b");
}

static void bombs_are_refused_with_bounded_memory(void **state)
{
    struct fixture *f = *state;
    size_t n = 1000 * 1000;
    char *deep = calloc(1, 4 << 20);
    int64_t before = store_revision(f->node.store);
    memset(deep, '[', n);
    expect(ask(f, "POST", MAPS, deep), 400);
    memset(deep, ' ', (3 << 20) + 1);
    struct answer *a = ask(f, "POST", MAPS, deep);
    expect(a, 413);
    assert_string_equal(at(a, "reason"), "RequestEntityTooLarge");
    n = (size_t)snprintf(deep, 4 << 20, "{\"metadata\":{\"name\":\"big\"},\"data\":{\"x\":\"");
    memset(deep + n, 'y', 2 << 20);
    snprintf(deep + n + (2 << 20), 10, "\"}}");
    a = ask(f, "POST", MAPS, deep);
    assert_true(a->status == 413 || a->status == 422);
    static const char bomb[] =
        "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
        "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\n"
        "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e]\n"
        "g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: [*g,*g,*g,*g,*g,*g,*g,*g,*g]\n";
    expect(ask_with(f, NULL, "POST", MAPS, "application/yaml", NULL, bomb), 400);
    assert_int_equal(store_revision(f->node.store), before);
    free(deep);
}

static void a_full_disk_refuses_writes_and_goes_on_reading(void **state)
{
    struct fixture *f = *state;
    char body[21000];
    int n =
        snprintf(body, sizeof body, "{\"metadata\":{\"generateName\":\"x-\"},\"data\":{\"x\":\"");
    memset(body + n, 'z', 20000);
    snprintf(body + n + 20000, 10, "\"}}");
    sim_disk_capacity(f->disk, 14 << 20);
    struct answer *a = NULL;
    for (int i = 0; i < 2000; i++) {
        a = ask(f, "POST", MAPS, body);
        if (a->status != 201)
            break;
    }
    expect(a, 507);
    assert_non_null(strstr(at(a, "message"), "disk"));
    expect(ask(f, "GET", MAPS "/kube-root-ca.crt", NULL), 200);
    expect(ask(f, "GET", MAPS "?limit=10", NULL), 200);
    assert_int_equal(f->node.fatal_count, 0);
}

static void dry_runs_store_nothing(void **state)
{
    struct fixture *f = *state;
    expect(ask(f, "POST", MAPS "?dryRun=All", "{\"metadata\":{\"name\":\"dry\"}}"), 201);
    expect(ask(f, "GET", MAPS "/dry", NULL), 404);
    make_map(f, "wet", "{}");
    expect(ask(f, "DELETE", MAPS "/wet?dryRun=All", NULL), 200);
    expect(ask(f, "GET", MAPS "/wet", NULL), 200);
}

static void finalizers_hold_an_object_until_the_last_is_gone(void **state)
{
    struct fixture *f = *state;
    expect(ask(f, "POST", MAPS,
               "{\"metadata\":{\"name\":\"held\",\"finalizers\":[\"example.com/x\"]}}"),
           201);
    struct answer *a = ask(f, "DELETE", MAPS "/held", NULL);
    expect(a, 200);
    expect(a = ask(f, "GET", MAPS "/held", NULL), 200);
    assert_true(at(a, "metadata.deletionTimestamp")[0]);
    a = ask_with(f, NULL, "PATCH", MAPS "/held", "application/merge-patch+json", NULL,
                 "{\"metadata\":{\"finalizers\":[\"example.com/x\",\"example.com/y\"]}}");
    expect(a, 422);
    expect(ask_with(f, NULL, "PATCH", MAPS "/held", "application/merge-patch+json", NULL,
                    "{\"metadata\":{\"finalizers\":null}}"),
           200);
    expect(ask(f, "GET", MAPS "/held", NULL), 404);
}

static void propagation_is_asked_for_by_finalizers(void **state)
{
    struct fixture *f = *state;
    make_map(f, "fg", "{}");
    expect(ask(f, "DELETE", MAPS "/fg", "{\"propagationPolicy\":\"Foreground\"}"), 200);
    struct answer *a = ask(f, "GET", MAPS "/fg", NULL);
    assert_string_equal(json_cstr(json_at(json_path(a->json, "metadata.finalizers"), 0)),
                        "foregroundDeletion");
    make_map(f, "or", "{}");
    expect(ask(f, "DELETE", MAPS "/or?propagationPolicy=Orphan", NULL), 200);
    a = ask(f, "GET", MAPS "/or", NULL);
    assert_string_equal(json_cstr(json_at(json_path(a->json, "metadata.finalizers"), 0)), "orphan");
    make_map(f, "pre", "{}");
    expect(ask(f, "DELETE", MAPS "/pre", "{\"preconditions\":{\"uid\":\"no\"}}"), 409);
}

static void a_collection_is_deleted_by_selector(void **state)
{
    struct fixture *f = *state;
    make_map(f, "d1", "{\"del\":\"yes\"}");
    make_map(f, "d2", "{\"del\":\"yes\"}");
    make_map(f, "d3", "{}");
    expect(ask(f, "DELETE", MAPS "?labelSelector=del%3Dyes", NULL), 200);
    expect(ask(f, "GET", MAPS "/d1", NULL), 404);
    expect(ask(f, "GET", MAPS "/d2", NULL), 404);
    expect(ask(f, "GET", MAPS "/d3", NULL), 200);
}

static size_t count(struct fixture *f, const char *target)
{
    struct answer *a = ask(f, "GET", target, NULL);
    expect(a, 200);
    return json_count(json_get(a->json, "items"));
}

static void fields_that_are_not_there_have_their_zero_value(void **state)
{
    struct fixture *f = *state;
    expect(ask(f, "POST", "/api/v1/nodes", "{\"metadata\":{\"name\":\"n1\"}}"), 201);
    expect(ask(f, "POST", "/api/v1/nodes",
               "{\"metadata\":{\"name\":\"n2\"},\"spec\":{\"unschedulable\":true}}"),
           201);
    assert_int_equal(count(f, "/api/v1/nodes?fieldSelector=spec.unschedulable%3Dfalse"), 1);
    assert_int_equal(count(f, "/api/v1/nodes?fieldSelector=spec.unschedulable%3Dtrue"), 1);
    expect(ask(f, "POST", "/api/v1/namespaces/default/events",
               "{\"metadata\":{\"name\":\"e1\"},\"reportingComponent\":\"c\","
               "\"involvedObject\":{\"kind\":\"Pod\",\"namespace\":\"default\"}}"),
           201);
    assert_int_equal(count(f, "/api/v1/events?fieldSelector=source%3Dc"), 1);
    assert_int_equal(count(f, "/apis/events.k8s.io/v1/events?fieldSelector="
                              "regarding.kind%3DPod,reportingController%3Dc"),
                     1);
}

static void paths_that_name_objects_twice_are_refused(void **state)
{
    struct fixture *f = *state;
    expect(ask(f, "GET", "/api/v1/namespaces/default/pods/..%2fsecrets", NULL), 400);
    expect(ask(f, "GET", "/api/v1/namespaces/%2e%2e/pods", NULL), 400);
    expect(ask(f, "GET", "/api/v1/namespaces/default/../pods", NULL), 400);
    expect(ask(f, "GET", "/api/v1/namespaces/default/nodes", NULL), 404);
    expect(ask(f, "GET", "/api/v1/pods/name", NULL), 404);
    expect(ask(f, "GET", "/api/v1/namespaces/default/nothings", NULL), 404);
    expect(ask(f, "GET", "/apis/apps/v9/deployments", NULL), 404);
    expect(ask(f, "POST", "/api/v1/namespaces/default/pods/x", "{}"), 405);
    expect(ask(f, "DELETE", "/api/v1/namespaces", NULL), 405);
    expect_message(ask(f, "GET", "/api/v1/namespaces?timeout=soon", NULL), 400,
                   "invalid timeout specified in the request URL - time: invalid duration "
                   "\"soon\"");
    expect(ask(f, "GET", "/api/v1/namespaces?timeout=3m", NULL), 200);
}

static void every_resource_can_be_listed(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = {"/api/v1/pods",
                                        "/api/v1/componentstatuses",
                                        "/apis/apps/v1/daemonsets",
                                        "/apis/autoscaling/v1/horizontalpodautoscalers",
                                        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
                                        "/apis/events.k8s.io/v1/events",
                                        "/apis/storage.k8s.io/v1/storageclasses"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        expect(ask(f, "GET", paths[i], NULL), 200);
}

static void status_updates_may_annotate(void **state)
{
    struct fixture *f = *state;
    const char *both = "{\"metadata\":{\"annotations\":{\"a\":\"1\"},\"labels\":{\"l\":\"1\"}},"
                       "\"status\":{\"conditions\":[{\"type\":\"T\",\"status\":\"True\"}]}}";
    struct answer *a = ask_with(f, NULL, "PATCH", "/api/v1/namespaces/default/status",
                                "application/merge-patch+json", NULL, both);
    expect(a, 200);
    assert_string_equal(at(a, "metadata.annotations.a"), "1");
    assert_string_equal(at(a, "metadata.labels.l"), "1");
    expect(ask(f, "POST", "/apis/apps/v1/namespaces/default/deployments",
               "{\"metadata\":{\"name\":\"d\"},\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"}},"
               "\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":["
               "{\"name\":\"c\",\"image\":\"i\"}]}}}}"),
           201);
    a = ask_with(f, NULL, "PATCH", "/apis/apps/v1/namespaces/default/deployments/d/status",
                 "application/merge-patch+json", NULL,
                 "{\"metadata\":{\"annotations\":{\"a\":\"1\"},\"labels\":{\"l\":\"1\"}}}");
    expect(a, 200);
    assert_string_equal(at(a, "metadata.annotations.a"), "1");
    assert_string_equal(at(a, "metadata.labels.l"), "");
}

static void components_tell_their_health(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(count(f, "/api/v1/componentstatuses"), 3);
    assert_int_equal(count(f, "/api/v1/componentstatuses?fieldSelector=metadata.name%3Detcd-0"), 1);
    struct answer *a = ask(f, "GET", "/api/v1/componentstatuses/etcd-0", NULL);
    expect(a, 200);
    const struct json *one = json_first(json_get(a->json, "conditions"));
    assert_string_equal(json_path_cstr(one, "status"), "True");
    expect(ask(f, "GET", "/api/v1/componentstatuses/none", NULL), 404);
    a = ask_with(f, NULL, "GET", "/api/v1/componentstatuses", NULL,
                 "application/json;as=Table;v=v1;g=meta.k8s.io", NULL);
    expect(a, 200);
    assert_int_equal(json_count(json_get(a->json, "rows")), 3);
    a = ask_with(f, NULL, "GET", "/api/v1/componentstatuses", NULL,
                 "application/vnd.kubernetes.protobuf", NULL);
    expect(a, 200);
    assert_true(str_find(buf_str(&a->body), STR("controller-manager")) > 0);
}

static void events_are_one_storage_for_two_groups(void **state)
{
    struct fixture *f = *state;
    expect(ask(f, "POST", "/api/v1/namespaces/default/events",
               "{\"metadata\":{\"name\":\"e1\"},\"involvedObject\":{\"kind\":\"Pod\",\"namespace\":"
               "\"default\",\"name\":\"p\"},"
               "\"reason\":\"Started\",\"message\":\"hello\",\"type\":\"Normal\",\"count\":3}"),
           201);
    struct answer *a = ask(f, "GET", "/apis/events.k8s.io/v1/namespaces/default/events/e1", NULL);
    expect(a, 200);
    assert_string_equal(at(a, "apiVersion"), "events.k8s.io/v1");
    assert_string_equal(at(a, "note"), "hello");
    assert_string_equal(at(a, "regarding.name"), "p");
    assert_int_equal(int_at(a, "deprecatedCount"), 3);
    a = ask(f, "GET", "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dp",
            NULL);
    assert_int_equal(json_count(json_get(a->json, "items")), 1);
}

static void tables_and_partial_objects_are_served(void **state)
{
    struct fixture *f = *state;
    make_map(f, "t", "{\"l\":\"1\"}");
    struct answer *a =
        ask_with(f, NULL, "GET", MAPS, NULL,
                 "application/json;as=Table;v=v1;g=meta.k8s.io,application/json", NULL);
    expect(a, 200);
    assert_string_equal(at(a, "kind"), "Table");
    assert_int_equal(json_count(json_get(a->json, "rows")), 2);
    assert_string_equal(json_path_cstr(json_at(json_get(a->json, "columnDefinitions"), 0), "name"),
                        "Name");
    a = ask_with(f, NULL, "GET", MAPS "/t", NULL,
                 "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", NULL);
    expect(a, 200);
    assert_string_equal(at(a, "kind"), "PartialObjectMetadata");
    assert_string_equal(at(a, "metadata.labels.l"), "1");
    assert_null(json_get(a->json, "data"));
    expect(ask_with(f, NULL, "GET", MAPS "/t", NULL, "text/html", NULL),
           406);
    a = ask_with(f, NULL, "GET", MAPS "/t", NULL, "application/yaml", NULL);
    expect(a, 200);
    assert_true(str_find(buf_str(&a->body), STR("kind: ConfigMap")) >= 0);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fixture_setup_boot, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(object_is_created_read_changed_and_deleted),
        T(an_update_that_changes_nothing_makes_no_revision),
        T(conflicts_are_told_as_upstream_does),
        T(generated_names_differ),
        T(labels_and_fields_select),
        T(a_list_comes_in_chunks_of_one_revision),
        T(a_slow_reader_gets_a_large_list_in_pieces),
        T(patches_change_what_they_name),
        T(concurrent_patches_all_take_effect),
        T(malformed_bodies_are_refused_and_nothing_is_stored),
        T(bombs_are_refused_with_bounded_memory),
        T(a_full_disk_refuses_writes_and_goes_on_reading),
        T(dry_runs_store_nothing),
        T(finalizers_hold_an_object_until_the_last_is_gone),
        T(propagation_is_asked_for_by_finalizers),
        T(a_collection_is_deleted_by_selector),
        T(components_tell_their_health),
        T(status_updates_may_annotate),
        T(fields_that_are_not_there_have_their_zero_value),
        T(paths_that_name_objects_twice_are_refused),
        T(every_resource_can_be_listed),
        T(events_are_one_storage_for_two_groups),
        T(tables_and_partial_objects_are_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
