/*
 * Memory runs out at the Nth allocation, for every N: the request is answered (or was refused
 * before it began), nothing leaks, and the next request finds everything as it was.
 */
#include "api_fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define PODS     "/api/v1/namespaces/default/pods"
#define SERVICES "/api/v1/namespaces/default/services"
#define MAPS     "/api/v1/namespaces/default/configmaps"

enum { NTH_MOST = 4000 };

struct caller { /* allocates nothing, so that every fault hits the server */
    int status;
    bool ended;
    struct api_request *request;
};

static bool on_head(void *ctx, int status, const struct api_header *headers, size_t count)
{
    struct caller *c = ctx;
    (void)headers;
    (void)count;
    c->status = status;
    return true;
}

static int64_t on_body(void *ctx, struct str bytes)
{
    (void)ctx;
    (void)bytes;
    return 0;
}

static void on_end(void *ctx)
{
    struct caller *c = ctx;
    c->ended = true;
    c->request = NULL;
}

static void on_proxy(void *ctx, const struct api_proxy_target *to)
{
    (void)to;
    on_end(ctx);
}

/* True when the fault planted at the nth allocation has not been reached. */
static bool still_armed(uint64_t nth)
{
    bool armed = false;
    for (uint64_t i = 0; i < nth && !armed; i++) {
        void *p = mem_alloc(1);
        armed = !p;
        mem_free(p);
    }
    mem_fail_nth(0);
    return armed;
}

static bool try_one(struct fixture *f, uint64_t nth, const char *method, const char *target,
                    const char *body)
{
    static const struct api_reply_ops ops = {on_head, on_body, on_end, on_proxy};
    static const char *const masters[] = {"system:masters", NULL};
    const char *type =
        strcmp(method, "PATCH") ? "application/json" : "application/strategic-merge-patch+json";
    struct api_header header = {STR("content-type"), str_of(type)};
    struct api_call call = {.method = method,
                            .target = str_of(target),
                            .headers = &header,
                            .header_count = 1,
                            .peer = {.has_cert = true, .cert_user = "a", .cert_groups = masters},
                            .body = str_of(body)};
    struct caller c = {0};
    struct api_request *request = NULL;
    mem_fail_nth(nth);
    int rc = api_handle(f->api, &call, &ops, &c, &request);
    c.request = c.ended ? NULL : request;
    bool endless = strstr(target, "watch=1") != NULL;
    for (int i = 0; rc == 0 && !c.ended && i < (endless ? 5 : 3000); i++)
        assert_int_equal(loop_turn(f->node.loop, i > 50 && !endless ? 1 : 0), 0);
    bool armed = still_armed(nth);
    assert_int_equal(f->node.fatal_count, 0);
    assert_true(rc < 0 || c.ended || endless);
    if (c.request)
        api_request_cancel(c.request);
    return !armed;
}

/* Each time from the same state: undo, when given, is a DELETE. */
static void sweep(struct fixture *f, const char *method, const char *target, const char *body,
                  const char *undo)
{
    uint64_t nth = 1;
    while (nth < NTH_MOST && try_one(f, nth, method, target, body)) {
        struct answer *a = undo ? ask(f, "DELETE", undo, NULL) : NULL;
        if (a && a->status != 200)
            expect(a, 404); /* refused: nothing is left of it either */
        arena_clear(&f->arena);
        nth++;
    }
    assert_true(nth < NTH_MOST && nth > 3);
}

static void every_verb_survives(void **state)
{
    struct fixture *f = *state;
    static const char pod[] = "{\"metadata\":{\"name\":\"p\",\"labels\":{\"a\":\"b\"}},\"spec\":{"
                              "\"containers\":[{\"name\":"
                              "\"c\",\"image\":\"i\",\"volumeMounts\":[{\"name\":\"v\","
                              "\"mountPath\":\"/v\"}]}],\"volumes\":[{"
                              "\"name\":\"v\"}]}}";
    sweep(f, "POST", PODS, pod, PODS "/p");
    expect(ask(f, "DELETE", PODS "/p", NULL), 200);
    expect(ask(f, "POST", PODS, pod), 201);
    sweep(f, "GET", PODS "/p", "", NULL);
    sweep(f, "GET", PODS "?labelSelector=a%3Db&limit=1", "", NULL);
    sweep(f, "GET", PODS "?watch=1", "", NULL);
    sweep(f, "PATCH", PODS "/p", "{\"metadata\":{\"labels\":{\"c\":\"d\"}}}", NULL);
    sweep(f, "DELETE", PODS "?labelSelector=a%3Dnone", "", NULL);
    expect(ask(f, "GET", PODS "/p", NULL), 200);
}

static void refused_services_keep_no_address(void **state)
{
    struct fixture *f = *state;
    static const char service[] = "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"type\":\"NodePort\","
                                  "\"clusterIP\":\"10.96.0.50\","
                                  "\"ports\":[{\"port\":80,\"nodePort\":30050}]}}";
    sweep(f, "POST", SERVICES, service, SERVICES "/s");
    expect(ask(f, "DELETE", SERVICES "/s", NULL), 200);
    expect(ask(f, "POST", SERVICES, service), 201);
}

static void what_is_charged_is_stored(void **state)
{
    struct fixture *f = *state;
    expect(ask(f, "POST", "/api/v1/namespaces/default/resourcequotas",
               "{\"metadata\":{\"name\":\"q\"},\"spec\":{\"hard\":{\"count/configmaps\":\"5k\"}}}"),
           201);
    expect(ask_with(f, NULL, "PATCH", "/api/v1/namespaces/default/resourcequotas/q/status",
                    "application/merge-patch+json", NULL,
                    "{\"status\":{\"hard\":{\"count/configmaps\":\"5k\"},\"used\":{\"count/configmaps\":\"0\"}}}"),
           200);
    uint32_t before = json_count(json_get(ask(f, "GET", MAPS, NULL)->json, "items"));
    sweep(f, "POST", MAPS, "{\"metadata\":{\"generateName\":\"m-\"}}", NULL);
    uint32_t stored = json_count(json_get(ask(f, "GET", MAPS, NULL)->json, "items")) - before;
    const struct json *q = ask(f, "GET", "/api/v1/namespaces/default/resourcequotas/q", NULL)->json;
    char text[24];
    snprintf(text, sizeof text, "%u", stored);
    assert_string_equal(json_cstr(json_get(json_path(q, "status.used"), "count/configmaps")), text);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fixture_setup_boot, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(every_verb_survives),
        T(refused_services_keep_no_address),
        T(what_is_charged_is_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
