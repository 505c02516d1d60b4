/* List and watch: chunks, resuming, 410, indexes, late listeners; controllers that see their writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "client/controller.h"
#include "script.h"

struct seen {
    char text[1024];
};

static void changed(void *ctx, struct object *old, struct object *new)
{
    struct seen *s = ctx;
    size_t n = strlen(s->text);
    snprintf(s->text + n, sizeof s->text - n, "%s%s ", !old ? "+" : !new ? "-" : "=", new ? new->name : old->name);
}

static void synced(void *ctx)
{
    struct seen *s = ctx;
    size_t n = strlen(s->text);
    snprintf(s->text + n, sizeof s->text - n, "synced ");
}

static const struct cache_handlers handlers = {changed, synced};

#define POD(name, rv, label) \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"ns\",\"uid\":\"u-" name "\",\"resourceVersion\":\"" rv "\",\"labels\":{\"l\":\"" label "\"}}}"
#define LIST(rv, token, items) \
    "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"" rv "\",\"continue\":\"" token "\"},\"items\":[" items "]}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"

static void by_label(const struct json *tree, void (*emit)(void *, const char *), void *arg)
{
    emit(arg, json_path_cstr(tree, "metadata.labels.l"));
}

static bool count_one(void *ctx, struct object *o)
{
    (void)o;
    ++*(int *)ctx;
    return true;
}

static int count(struct cache *c, const char *label)
{
    int n = 0;
    cache_index_each(c, "label", label, count_one, &n);
    return n;
}

static void a_cache_lists_in_chunks_watches_and_resumes(void **state)
{
    struct script s;
    struct cache *c;
    struct seen seen = {""};
    (void)state;
    script_init(&s);
    assert_int_equal(cache_new(&s.client, "/api/v1/pods", "spec.nodeName=a b", NULL, &c), 0);
    assert_int_equal(cache_index_add(c, "label", by_label), 0);
    assert_int_equal(cache_listen(c, &handlers, &seen, NULL), 0);
    script_turn(&s, 1);
    struct script_call *list = script_find(&s, "GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Da%20b&limit=500");
    assert_non_null(list);
    script_answer(list, 200, LIST("10", "tok/1", POD("a", "3", "x")));
    assert_false(cache_synced(c));
    script_turn(&s, 1);
    list = script_find(&s, "GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Da%20b&limit=500&continue=tok%2F1");
    assert_non_null(list);
    script_answer(list, 200, LIST("10", "", POD("b", "9", "x")));
    assert_true(cache_synced(c));
    assert_string_equal(seen.text, "+a +b synced ");
    struct object *b = cache_get(c, "ns", "b");
    assert_non_null(strstr(b->json.p, "\"kind\":\"Pod\""));
    assert_int_equal(count(c, "x"), 2);

    script_turn(&s, 1);
    struct script_call *watch = script_find(&s, "GET", "/api/v1/pods?");
    assert_non_null(strstr(watch->path, "watch=1") ? watch : NULL);
    assert_non_null(strstr(watch->path, "resourceVersion=10"));
    script_head(watch, 200);
    script_data(watch, EVENT("MODIFIED", POD("a", "11", "y")) "{\"type\":\"ADDED\",\"obj");
    script_data(watch, "ect\":" POD("c", "12", "y") "}\n" EVENT("DELETED", POD("b", "13", "x")));
    assert_string_equal(seen.text, "+a +b synced =a +c -b ");
    assert_int_equal(count(c, "x"), 0);
    assert_int_equal(count(c, "y"), 2);
    script_data(watch, EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"50\"}}"));
    assert_int_equal(cache_revision(c), 50);

    script_end(watch, -E_CLOSED); /* lost: goes on from the last revision after a back-off */
    script_turn(&s, 1);
    assert_null(script_find(&s, "GET", "/api/v1/pods?"));
    script_turn(&s, 300);
    watch = script_find(&s, "GET", "/api/v1/pods?");
    assert_non_null(strstr(watch->path, "resourceVersion=50"));

    script_head(watch, 200); /* gone: lists again, and what vanished meanwhile is deleted */
    seen.text[0] = 0;
    script_data(watch, EVENT("ERROR", "{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\"}"));
    script_turn(&s, 30000);
    list = script_find(&s, "GET", "/api/v1/pods?");
    assert_null(strstr(list->path, "watch=1"));
    script_answer(list, 200, LIST("99", "", POD("a", "11", "y")));
    assert_string_equal(seen.text, "-c synced ");
    assert_int_equal(cache_revision(c), 99);
    cache_free(c);
    script_done(&s);
}

static void a_failing_list_is_tried_again_with_patience(void **state)
{
    struct script s;
    struct cache *c;
    (void)state;
    script_init(&s);
    assert_int_equal(cache_new(&s.client, "/api/v1/pods", NULL, NULL, &c), 0);
    int64_t wait = 200;
    for (int i = 0; i < 5; i++, wait *= 2) {
        script_turn(&s, wait);
        struct script_call *list = script_find(&s, "GET", "/api/v1/pods?");
        assert_non_null(list);
        script_answer(list, i % 2 ? 200 : 500, i % 2 ? "not json" : "{}");
        script_turn(&s, wait / 2);
        assert_null(script_find(&s, "GET", "/api/v1/pods?"));
    }
    cache_free(c);
    script_done(&s);
}

static void a_late_listener_is_told_what_is_there(void **state)
{
    struct script s;
    struct cache *c;
    struct seen seen = {""};
    (void)state;
    script_init(&s);
    assert_int_equal(cache_new(&s.client, "/api/v1/pods", NULL, NULL, &c), 0);
    script_turn(&s, 1);
    script_answer(script_find(&s, "GET", "/api/v1/pods?"), 200, LIST("10", "", POD("a", "3", "x")));
    assert_int_equal(cache_listen(c, &handlers, &seen, NULL), 0);
    assert_string_equal(seen.text, "");
    script_turn(&s, 1);
    assert_string_equal(seen.text, "+a synced ");
    cache_free(c);
    script_done(&s);
}

/* ---- controllers ---- */

struct wish {
    struct cache *cache;
    int reconciles;
};

/* Wants one pod "made" to exist. */
static int reconcile(void *ctx, const char *key, struct arena *a, struct plan *p, struct err *err)
{
    struct wish *w = ctx;
    (void)key;
    (void)err;
    w->reconciles++;
    if (cache_get(w->cache, "ns", "made"))
        return 0;
    struct json *pod = json_new(a, JSON_OBJECT);
    json_set_path(a, pod, "metadata.name", json_new_cstr(a, "made"));
    plan_create(p, "/api/v1/namespaces/ns/pods", pod, w->cache, PLAN_TOLERATE_NOTHING);
    plan_event(p, pod, "Normal", "Made", "test", "made one");
    return 0;
}

static void a_controller_waits_to_see_its_own_write(void **state)
{
    struct script s;
    struct wish w = {0};
    struct controller *c;
    (void)state;
    script_init(&s);
    assert_int_equal(cache_new(&s.client, "/api/v1/pods", NULL, NULL, &w.cache), 0);
    struct controller_options o = {.client = &s.client, .name = "test", .reconcile = reconcile, .ctx = &w};
    assert_int_equal(controller_new(&o, &c), 0);
    assert_int_equal(controller_await(c, w.cache), 0);
    controller_enqueue(c, "ns/x");
    script_turn(&s, 1);
    assert_int_equal(w.reconciles, 0); /* not before the cache has synced */
    script_answer(script_find(&s, "GET", "/api/v1/pods?"), 200, LIST("10", "", ""));
    script_turn(&s, 10);
    struct script_call *create = script_find(&s, "POST", "/api/v1/namespaces/ns/pods");
    assert_non_null(create);
    assert_null(script_find(&s, "POST", "/api/v1/namespaces/default/events"));
    script_answer(create, 201, POD("made", "12", "z"));
    struct script_call *event = script_find(&s, "POST", "/api/v1/namespaces/default/events");
    assert_non_null(event); /* only after the write succeeded */
    script_answer(event, 500, "{}"); /* and its failure costs nothing */
    controller_enqueue(c, "ns/x");
    script_turn(&s, 50);
    assert_int_equal(w.reconciles, 1); /* the cache is at 10, the write at 12 */
    struct script_call *watch = script_find(&s, "GET", "/api/v1/pods?");
    script_head(watch, 200);
    script_data(watch, EVENT("ADDED", POD("made", "12", "z")));
    script_turn(&s, 50);
    assert_int_equal(w.reconciles, 2);
    assert_null(script_find(&s, "POST", "/api/v1/namespaces/ns/pods"));
    controller_free(c);
    cache_free(w.cache);
    script_done(&s);
}

static void a_refused_write_brings_the_key_back(void **state)
{
    struct script s;
    struct wish w = {0};
    struct controller *c;
    (void)state;
    script_init(&s);
    assert_int_equal(cache_new(&s.client, "/api/v1/pods", NULL, NULL, &w.cache), 0);
    struct controller_options o = {.client = &s.client, .name = "test", .reconcile = reconcile, .ctx = &w};
    assert_int_equal(controller_new(&o, &c), 0);
    script_turn(&s, 1);
    script_answer(script_find(&s, "GET", "/api/v1/pods?"), 200, LIST("10", "", ""));
    controller_enqueue(c, "ns/x");
    script_turn(&s, 10);
    script_answer(script_find(&s, "POST", "/api/v1/namespaces/ns/pods"), 409,
                  "{\"kind\":\"Status\",\"reason\":\"Conflict\",\"message\":\"no\"}");
    script_turn(&s, 100);
    assert_int_equal(w.reconciles, 2);
    assert_non_null(script_find(&s, "POST", "/api/v1/namespaces/ns/pods"));
    controller_free(c); /* with a write under way */
    cache_free(w.cache);
    script_done(&s);
}

static void reply(void *ctx, const struct client_reply *r)
{
    char *out = ctx;
    snprintf(out, 256, "%d %s %s", r->rc, r->reason, r->message);
}

static void error_answers_carry_code_reason_and_message(void **state)
{
    struct script s;
    char out[256] = "";
    (void)state;
    script_init(&s);
    struct client_request r = {.method = "GET", .path = "/x"};
    assert_int_equal(client_do(&s.client, &r, reply, out, NULL), 0);
    script_answer(script_find(&s, "GET", "/x"), 409,
                  "{\"kind\":\"Status\",\"reason\":\"AlreadyExists\",\"message\":\"pods \\\"a\\\" already exists\"}");
    char want[256];
    snprintf(want, sizeof want, "%d AlreadyExists pods \"a\" already exists", -E_EXISTS);
    assert_string_equal(out, want);
    assert_int_equal(client_do(&s.client, &r, reply, out, NULL), 0);
    script_answer(script_find(&s, "GET", "/x"), 502, "<html>");
    assert_non_null(strstr(out, "status 502"));
    script_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cache_lists_in_chunks_watches_and_resumes),
        cmocka_unit_test(a_failing_list_is_tried_again_with_patience),
        cmocka_unit_test(a_late_listener_is_told_what_is_there),
        cmocka_unit_test(a_controller_waits_to_see_its_own_write),
        cmocka_unit_test(a_refused_write_brings_the_key_back),
        cmocka_unit_test(error_answers_carry_code_reason_and_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
