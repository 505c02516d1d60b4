/* WATCH: resuming, selectors, bookmarks, expiry, bounds; and the in-process client. */
#include "api_fixture.h"

#include <stdio.h>
#include <string.h>

#define MAPS "/api/v1/namespaces/default/configmaps"

static void make_map(struct fixture *f, const char *name, const char *labels)
{
    char body[300];
    snprintf(body, sizeof body,
             "{\"metadata\":{\"name\":\"%s\",\"labels\":%s},\"data\":{\"k\":\"v\"}}", name, labels);
    expect(ask(f, "POST", MAPS, body), 201);
}

static void expect_event(struct fixture *f, struct answer *a, int n, const char *type,
                         const char *name)
{
    struct json *e = event(f, a, n);
    if (!e)
        fail_msg("no event %d in: %.*s", n, (int)buf_len(&a->body), buf_str(&a->body).p);
    assert_string_equal(json_path_cstr(e, "type"), type);
    assert_string_equal(json_path_cstr(e, "object.metadata.name"), name);
}

static void a_watch_resumes_at_a_revision_without_a_gap(void **state)
{
    struct fixture *f = *state;
    char target[200];
    snprintf(target, sizeof target, MAPS "?watch=1&resourceVersion=%lld",
             (long long)store_revision(f->node.store));
    make_map(f, "a", "{}");
    expect(ask(f, "PUT", MAPS "/a", "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"w\"}}"), 200);
    struct answer *w = open_stream(f, target, NULL);
    expect(w, 200);
    expect_event(f, w, 0, "ADDED", "a");
    expect_event(f, w, 1, "MODIFIED", "a");
    expect(ask(f, "DELETE", MAPS "/a", NULL), 200);
    fixture_turn(f, 5);
    expect_event(f, w, 2, "DELETED", "a");
    /* A deleted object carries the revision of its deletion, so that a watch can go on from there.
     */
    char now[30];
    snprintf(now, sizeof now, "%lld", (long long)store_revision(f->node.store));
    assert_string_equal(json_path_cstr(event(f, w, 2), "object.metadata.resourceVersion"), now);
    assert_string_equal(json_path_cstr(event(f, w, 0), "object.kind"), "ConfigMap");
    assert_null(event(f, w, 3));
    answer_free(w);
}

static void without_a_revision_a_watch_begins_with_what_there_is(void **state)
{
    struct fixture *f = *state;
    make_map(f, "there", "{}");
    struct answer *w = open_stream(f, MAPS "?watch=true", NULL);
    expect_event(f, w, 0, "ADDED", "kube-root-ca.crt");
    expect_event(f, w, 1, "ADDED", "there");
    make_map(f, "zlater", "{}");
    fixture_turn(f, 5);
    expect_event(f, w, 2, "ADDED", "zlater");
    answer_free(w);
}

static void initial_events_end_with_a_bookmark(void **state)
{
    struct fixture *f = *state;
    struct answer *w = open_stream(f,
                                   MAPS "?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&"
                                        "resourceVersionMatch=NotOlderThan",
                                   NULL);
    expect_event(f, w, 0, "ADDED", "kube-root-ca.crt");
    struct json *e = event(f, w, 1);
    assert_string_equal(json_path_cstr(e, "type"), "BOOKMARK");
    assert_string_equal(json_cstr(json_get(json_path(e, "object.metadata.annotations"),
                                           "k8s.io/initial-events-end")),
                        "true");
    assert_true(json_path_cstr(e, "object.metadata.resourceVersion")[0]);
    answer_free(w);
}

static void selectors_turn_changes_into_arrivals_and_departures(void **state)
{
    struct fixture *f = *state;
    char target[200];
    snprintf(target, sizeof target, MAPS "?watch=1&labelSelector=on%%3Dyes&resourceVersion=%lld",
             (long long)store_revision(f->node.store));
    struct answer *w = open_stream(f, target, NULL);
    make_map(f, "s", "{}");
    expect(ask(f, "PATCH", MAPS "/s", "{\"metadata\":{\"labels\":{\"on\":\"yes\"}}}"), 200);
    expect(ask(f, "PATCH", MAPS "/s", "{\"data\":{\"k\":\"2\"}}"), 200);
    expect(ask(f, "PATCH", MAPS "/s", "{\"metadata\":{\"labels\":{\"on\":\"no\"}}}"), 200);
    expect(ask(f, "PATCH", MAPS "/s", "{\"data\":{\"k\":\"3\"}}"), 200);
    fixture_turn(f, 5);
    expect_event(f, w, 0, "ADDED", "s");
    expect_event(f, w, 1, "MODIFIED", "s");
    expect_event(f, w, 2, "DELETED", "s");
    assert_null(event(f, w, 3));
    answer_free(w);
}

static void a_revision_that_is_too_old_is_gone(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 90; i++) {
        char name[20];
        snprintf(name, sizeof name, "n%d", i);
        make_map(f, name, "{}");
    }
    struct answer *w = open_stream(f, MAPS "?watch=1&resourceVersion=2", NULL);
    expect(w, 200);
    struct json *e = event(f, w, 0);
    assert_string_equal(json_path_cstr(e, "type"), "ERROR");
    assert_int_equal(json_path_i64(e, "object.code", 0), 410);
    assert_string_equal(json_path_cstr(e, "object.reason"), "Expired");
    assert_true(w->ended);
    answer_free(w);
    struct answer *a = ask(f, "GET", MAPS "?watch=1&resourceVersion=99999", NULL);
    expect(a, 504);
    assert_string_equal(at(a, "reason"), "Timeout");
}

static void a_watcher_that_does_not_read_is_dropped(void **state)
{
    struct fixture *f = *state;
    char target[100];
    snprintf(target, sizeof target, MAPS "?watch=1&resourceVersion=%lld",
             (long long)store_revision(f->node.store));
    struct answer *slow = open_slow_stream(f, target, 5 << 20),
                  *good = open_stream(f, target, NULL);
    make_map(f, "x", "{}");
    fixture_turn(f, 5);
    assert_true(slow->ended);
    assert_false(good->ended);
    expect_event(f, good, 0, "ADDED", "x");
    answer_free(slow);
    answer_free(good);
}

static void a_watcher_may_hang_up_in_an_event(void **state)
{
    struct fixture *f = *state;
    char target[100];
    snprintf(target, sizeof target, MAPS "?watch=1&resourceVersion=%lld",
             (long long)store_revision(f->node.store));
    struct answer *gone = open_stream(f, target, NULL), *good = open_stream(f, target, NULL);
    gone->hang_up = true;
    make_map(f, "x", "{}");
    make_map(f, "y", "{}");
    fixture_turn(f, 5);
    expect_event(f, good, 1, "ADDED", "y");
    assert_int_equal(buf_len(&gone->body), 0);
    answer_free(gone);
    answer_free(good);
}

static void forms_do_not_mix_in_shared_events(void **state)
{
    struct fixture *f = *state;
    char target[100];
    snprintf(target, sizeof target, MAPS "?watch=1&resourceVersion=%lld",
             (long long)store_revision(f->node.store));
    struct answer *whole = open_stream(f, target, NULL);
    struct answer *part =
        open_stream(f, target, "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
    struct answer *table = open_stream(f, target, "application/json;as=Table;g=meta.k8s.io;v=v1");
    make_map(f, "x", "{}");
    fixture_turn(f, 5);
    assert_string_equal(json_path_cstr(event(f, whole, 0), "object.kind"), "ConfigMap");
    assert_string_equal(json_path_cstr(event(f, part, 0), "object.kind"), "PartialObjectMetadata");
    assert_string_equal(json_path_cstr(event(f, table, 0), "object.kind"), "Table");
    answer_free(whole);
    answer_free(part);
    answer_free(table);
}

static void watches_end_at_their_timeout(void **state)
{
    struct fixture *f = *state;
    struct answer *w = open_stream(f, MAPS "?watch=1&timeoutSeconds=10", NULL);
    fixture_pass(f, 9000);
    assert_false(w->ended);
    fixture_pass(f, 2000);
    assert_true(w->ended);
    answer_free(w);
}

static void quiet_watches_get_bookmarks(void **state)
{
    struct fixture *f = *state;
    char target[120], now[30];
    for (int i = 0; i < 4; i++) /* until what is made at the start is there */
        fixture_pass(f, 1000);
    snprintf(target, sizeof target, MAPS "?watch=1&allowWatchBookmarks=true&resourceVersion=%lld",
             (long long)store_revision(f->node.store));
    struct answer *w = open_stream(f, target, NULL);
    expect(ask(f, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"elsewhere\"}}"), 201);
    fixture_pass(f, 61000);
    struct json *e = event(f, w, 0);
    assert_string_equal(json_path_cstr(e, "type"), "BOOKMARK");
    snprintf(now, sizeof now, "%lld", (long long)store_revision(f->node.store));
    assert_string_equal(json_path_cstr(e, "object.metadata.resourceVersion"), now);
    assert_null(event(f, w, 1));
    answer_free(w);
}

static void old_events_go_after_an_hour(void **state)
{
#define EVENTS "/api/v1/namespaces/default/events"
    struct fixture *f = *state;
    static const char one[] = "{\"metadata\":{\"name\":\"old\"},\"involvedObject\":{\"namespace\":"
                              "\"default\"},\"count\":1}";
    fixture_pass(f, 61000);
    expect(ask(f, "POST", EVENTS, one), 201);
    make_map(f, "stays", "{}");
    for (int i = 0; i < 59; i++)
        fixture_pass(f, 61000);
    expect(ask(f, "GET", EVENTS "/old", NULL), 200);
    for (int i = 0; i < 3; i++)
        fixture_pass(f, 61000);
    expect(ask(f, "GET", EVENTS "/old", NULL), 404);
    expect(ask(f, "GET", MAPS "/stays", NULL), 200);
}

static void an_old_chunk_can_be_continued_without_its_revision(void **state)
{
    struct fixture *f = *state;
    char target[600];
    make_map(f, "a", "{}");
    make_map(f, "b", "{}");
    struct answer *a = ask(f, "GET", MAPS "?limit=1", NULL);
    snprintf(target, sizeof target, MAPS "?limit=1&continue=%s", at(a, "metadata.continue"));
    make_map(f, "c", "{}");
    for (int i = 0; i < 4; i++) { /* asking for it does not keep it */
        fixture_pass(f, 60 * 1000);
        expect(ask(f, "GET", target, NULL), 200);
    }
    fixture_pass(f, 60 * 1000);
    fixture_pass(f, 2000);
    a = ask(f, "GET", target, NULL);
    expect(a, 410);
    assert_string_equal(at(a, "reason"), "Expired");
    snprintf(target, sizeof target, MAPS "?limit=9&continue=%s", at(a, "metadata.continue"));
    a = ask(f, "GET", target, NULL);
    expect(a, 200);
    assert_int_equal(json_count(json_get(a->json, "items")), 3); /* b, c, kube-root-ca.crt */
}

/* ---- the in-process client ---- */

struct local_seen {
    int replies, rc, status;
    bool inside;
};

static void on_reply(void *ctx, const struct client_reply *r)
{
    struct local_seen *s = ctx;
    assert_false(s->inside);
    s->replies++;
    s->rc = r->rc;
    s->status = r->status;
}

static void the_local_client_answers_later_and_exactly_once(void **state)
{
    static const char *const groups[] = {"system:masters", NULL};
    struct fixture *f = *state;
    struct client c;
    struct local_seen s = {0};
    assert_int_equal(api_local_client(f->api, "system:kube-controller-manager", groups, &c), 0);
    struct client_request get = {.method = "GET", .path = MAPS "/kube-root-ca.crt"};
    s.inside = true;
    assert_int_equal(client_do(&c, &get, on_reply, &s, NULL), 0);
    s.inside = false;
    fixture_turn(f, 5);
    assert_int_equal(s.replies, 1);
    assert_int_equal(s.status, 200);
    struct client_request none = {.method = "GET", .path = MAPS "/none"};
    assert_int_equal(client_do(&c, &none, on_reply, &s, NULL), 0);
    fixture_turn(f, 5);
    assert_int_equal(s.rc, -E_NOT_FOUND);
    /* Cancelled while the store works on it: nobody is told, the object is there. */
    struct client_call *call;
    struct client_request post = {
        .method = "POST", .path = MAPS, .body = STR("{\"metadata\":{\"name\":\"late\"}}")};
    assert_int_equal(client_do(&c, &post, on_reply, &s, &call), 0);
    client_cancel(&c, call);
    fixture_turn(f, 10);
    assert_int_equal(s.replies, 2);
    expect(ask(f, "GET", MAPS "/late", NULL), 200);
    c.ops->close(c.self);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fixture_setup_boot, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(a_watch_resumes_at_a_revision_without_a_gap),
        T(without_a_revision_a_watch_begins_with_what_there_is),
        T(initial_events_end_with_a_bookmark),
        T(selectors_turn_changes_into_arrivals_and_departures),
        T(a_revision_that_is_too_old_is_gone),
        T(a_watcher_that_does_not_read_is_dropped),
        T(a_watcher_may_hang_up_in_an_event),
        T(forms_do_not_mix_in_shared_events),
        T(watches_end_at_their_timeout),
        T(quiet_watches_get_bookmarks),
        T(old_events_go_after_an_hour),
        T(an_old_chunk_can_be_continued_without_its_revision),
        T(the_local_client_answers_later_and_exactly_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
