/*
 * Are they there: each server is asked for its discovery document, as upstream's availability
 * controller does, by the API server itself. What came of it is the condition Available of its
 * APIService, and what it serves goes into discovery here.
 */
#include "api/aggregate/aggregate.h"
#include "api/local.h"
#include "codec/time.h"
#include "schema/runtime.h"

#include <stdio.h>

enum { FINE_MS = 10000, AGAIN_MS = 1000, PROBE_MS = 5000, STATUS_BYTES = 16384 };

struct probe {
    struct aggregate *of;
    struct outbound *out;
    int status;
    struct buf body;
};

void check_stop(struct aggregate *g)
{
    struct probe *p = g->probe;
    g->probe = NULL;
    if (!p)
        return;
    outbound_free(p->out);
    buf_done(&p->body);
    mem_free(p);
}

/* ---- the condition ---- */

static void patched(void *ctx, const struct client_reply *r)
{
    (void)ctx;
    (void)r; /* it is looked at again soon */
}

static const struct json *condition_of(const struct json *object)
{
    for (const struct json *c = json_first(json_path(object, "status.conditions")); c; c = c->next)
        if (str_is(json_path_str(c, "type"), "Available"))
            return c;
    return NULL;
}

static void write_condition(struct aggregate *g)
{
    struct api *api = aggregate_api(g);
    struct arena a CLEANUP_ARENA;
    char now[TIME_TEXT];
    arena_init(&a, LIMIT_REQUEST_ARENA);
    const char *status = g->available ? "True" : "False";
    const struct json *object = object_load(api, &a, "apiregistration.k8s.io", "apiservices",
                                            STR(""), str_of(g->name), NULL),
                      *was = condition_of(object);
    bool same = str_is(json_path_str(was, "status"), status);
    if (!object || (same && str_is(json_path_str(was, "reason"), g->reason) &&
                    str_is(json_path_str(was, "message"), g->message)))
        return;
    struct json *patch = json_new(&a, JSON_OBJECT), *c = json_new(&a, JSON_OBJECT);
    time_format(api_now_us(api), now);
    json_set_cstr(&a, c, "type", "Available");
    json_set_cstr(&a, c, "status", status);
    json_set_cstr(&a, c, "reason", g->reason);
    json_set_cstr(&a, c, "message", g->message);
    json_set_cstr(&a, c, "lastTransitionTime",
                  same ? json_path_cstr(was, "lastTransitionTime") : now);
    struct json *list = json_array_at(&a, json_object_at(&a, patch, "status"), "conditions");
    for (const struct json *m = json_first(json_path(object, "status.conditions")); m; m = m->next)
        json_append(&a, list, m == was ? c : json_clone(&a, m));
    if (!was)
        json_append(&a, list, c);
    const char *path =
        arena_printf(&a, "/apis/apiregistration.k8s.io/v1/apiservices/%s/status", g->name);
    struct client *client = aggregates_client(api);
    if (path && client && !a.failed)
        (void)!client_send_json(client, "PATCH", path, "application/merge-patch+json", patch,
                                patched, NULL);
}

static void conclude(struct aggregate *g, bool available, const char *reason, const char *message)
{
    g->checked = true;
    g->available = available;
    g->next_ms = loop_now_ms(aggregate_api(g)->loop) + (available ? FINE_MS : AGAIN_MS);
    snprintf(g->reason, sizeof g->reason, "%s", reason);
    snprintf(g->message, sizeof g->message, "%s", message);
    write_condition(g);
}

/* ---- what it serves ---- */

static const char *const *texts_of(struct arena *a, const struct json *list)
{
    const char **out = arena_alloc(a, (json_count(list) + 1) * sizeof *out);
    size_t n = 0;
    for (const struct json *m = json_first(list); m && out; m = m->next)
        out[n++] = json_cstr(m);
    if (out)
        out[n] = NULL;
    return out;
}

static unsigned verbs_of(const struct json *list)
{
    unsigned verbs = 0;
    for (const struct json *m = json_first(list); m; m = m->next)
        for (unsigned bit = SCHEMA_CREATE; bit <= SCHEMA_CONNECT; bit <<= 1)
            if (str_is(json_str(m), schema_verb_name(bit)))
                verbs |= bit;
    return verbs;
}

static int add_resource(struct aggregate *g, const struct json *r)
{
    struct arena *a = &g->served;
    struct schema_runtime_names *n = arena_zalloc(a, sizeof *n);
    const char *name = json_path_cstr(r, "name"), *slash = strchr(name, '/');
    const struct schema_resource *main = NULL;
    if (!n)
        return -E_NOMEM;
    *n = (struct schema_runtime_names){
        .group = g->group,
        .version = g->version,
        .plural = slash ? arena_strndup(a, name, (size_t)(slash - name)) : name,
        .singular = json_path_cstr(r, "singularName"),
        .kind = json_path_cstr(r, "kind"),
        .list_kind = arena_printf(a, "%sList", json_path_cstr(r, "kind")),
        .short_names = texts_of(a, json_get(r, "shortNames")),
        .categories = texts_of(a, json_get(r, "categories")),
        .namespaced = json_path_bool(r, "namespaced", false),
        .type_name = "",
        .verbs = verbs_of(json_get(r, "verbs")),
    };
    for (size_t i = 0; slash && i < g->resource_count; i++)
        if (cstr_eq(schema_resource_name(g->resources[i]), n->plural))
            main = g->resources[i];
    if (a->failed)
        return -E_NOMEM;
    if (slash && !main)
        return 0;
    int rc = schema_runtime_new(a, n, main, slash ? slash + 1 : NULL,
                                &g->resources[g->resource_count]);
    g->resource_count += rc == 0;
    return rc;
}

/* Keeps what was there when the document is no good. */
static int take_document(struct aggregate *g, struct str body, struct err *err)
{
    struct arena fresh;
    struct json *list;
    size_t count = g->resource_count;
    const struct schema_resource **resources = g->resources;
    struct arena served = g->served;
    arena_init(&fresh, 4 * (size_t)AGGREGATE_DOCUMENT_BYTES);
    int rc = json_parse(&fresh, body, NULL, &list, err);
    g->served = fresh;
    g->resource_count = 0;
    g->resources = arena_alloc(&g->served, AGGREGATE_RESOURCES * sizeof *g->resources);
    if (rc == 0 && (!json_is(list, JSON_OBJECT) || !g->resources))
        rc = err_set(err, E_SYNTAX, "it is no APIResourceList");
    for (const struct json *r = json_first(json_get(list, "resources"));
         rc == 0 && r && g->resource_count < AGGREGATE_RESOURCES; r = r->next)
        rc = add_resource(g, r);
    struct arena *drop = rc < 0 ? &g->served : &served;
    arena_done(drop);
    if (rc < 0) {
        g->served = served;
        g->resources = resources;
        g->resource_count = count;
    }
    return rc;
}

/* ---- the question ---- */

static void on_head(void *ctx, const struct http_head *head)
{
    struct probe *p = ctx;
    p->status = head->status;
}

static void on_body(void *ctx, struct str bytes)
{
    struct probe *p = ctx;
    buf_append_str(&p->body, bytes);
}

static void fail(struct aggregate *g, const char *why)
{
    char text[AGGREGATE_TEXT];
    snprintf(text, sizeof text,
             "failing or missing response from https://" STR_FMT "." STR_FMT
             ".svc:%lld/apis/%s/%s: %.300s",
             STR_ARG(g->service), STR_ARG(g->ns), (long long)g->port, g->group, g->version, why);
    conclude(g, false, "FailedDiscoveryCheck", text);
}

static void on_end(void *ctx, int rc, const char *message)
{
    struct probe *p = ctx;
    struct aggregate *g = p->of;
    struct err err = {0};
    char why[120];
    if (rc == 0 && p->status / 100 != 2) {
        snprintf(why, sizeof why, "bad status from the server: %d", p->status);
        fail(g, why);
    } else if (rc < 0 || p->body.failed) {
        fail(g, rc < 0 ? message[0] ? message : err_text(rc) : "the document is too large");
    } else if (take_document(g, buf_str(&p->body), &err) < 0) {
        fail(g, err.text);
    } else {
        conclude(g, true, "Passed", "all checks passed");
    }
    check_stop(g);
}

static void ask(struct aggregate *g)
{
    static const struct outbound_handlers handlers = {on_head, on_body, on_end};
    static const char *const groups[] = {"system:masters"};
    const struct user user = {.name = "system:kube-aggregator", .groups = (const char **)groups, .group_count = 1};
    char target[700];
    struct err err = {0};
    struct probe *p = mem_zalloc(sizeof *p);
    if (!p)
        return;
    p->of = g;
    buf_init(&p->body, AGGREGATE_DOCUMENT_BYTES);
    snprintf(target, sizeof target, "/apis/%s/%s", g->group, g->version);
    struct outbound_options o = {.method = "GET",
                                 .target = target,
                                 .user = &user,
                                 .accept = STR("application/json"),
                                 .user_agent = STR("kube-aggregator"),
                                 .timeout_ms = PROBE_MS,
                                 .handlers = &handlers,
                                 .ctx = p};
    g->probe = p;
    if (outbound_new(g, &o, &p->out, &err) < 0) {
        fail(g, err.text);
        check_stop(g);
    }
}

void check_due(struct aggregate *g, int64_t now_ms)
{
    struct net_addr at;
    const char *reason;
    struct err err = {0};
    if (g->probe || now_ms < g->next_ms || !buf_len(&aggregate_api(g)->proxy_cert_pem))
        return;
    if (aggregate_place(g, &at, &reason, &err) < 0)
        conclude(g, false, reason, err.text);
    else
        ask(g);
}
