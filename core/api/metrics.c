#include "api/metrics.h"
#include "api/flow/flow.h"

#include <stdio.h>
#include <sys/resource.h>


#define REQUEST_LABELS "component", "dry_run", "group", "resource", "scope", "subresource", "verb", "version"

static const double seconds[] = {0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1,  1.25, 1.5, 2,
                                 3,     4,     5,    6,   8,   10,  15,  20,  30, 45,   60,  0};
static const double sizes[] = {1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 0};
static const double hook_seconds[] = {0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 25, 0};

static const char *const request_labels[] = {"code", REQUEST_LABELS, NULL};
static const char *const duration_labels[] = {REQUEST_LABELS, NULL};
static const char *const size_labels[] = {"component", "group", "resource", "scope", "subresource",
                                          "verb", "version", NULL};
static const char *const kind_labels[] = {"request_kind", NULL};
static const char *const resource_labels[] = {"resource", NULL};
static const char *const result_labels[] = {"result", NULL};
static const char *const hook_labels[] = {"name", "operation", "rejected", "type", NULL};
static const char *const refusal_labels[] = {"error_type", "name", "operation", "rejection_code",
                                             "type", NULL};
static const char *const build_labels[] = {"git_version", "major", "minor", "platform", NULL};

enum {
    REQUESTS,
    DURATIONS,
    SIZES,
    INFLIGHT,
    LONGRUNNING,
    OBJECTS,
    AUTHENTICATIONS,
    AUTHORIZATIONS,
    HOOK_DURATIONS,
    HOOK_REFUSALS,
    STORE_KEYS,
    STORE_BYTES,
    STORE_HISTORY,
    STORE_LOG,
    STORE_FREE,
    STORE_COMMITS,
    STORE_SYNCS,
    STORE_REVISION,
    CPU,
    STARTED,
    BUILD,
    METRIC_COUNT
};

static const struct metric_spec specs[METRIC_COUNT] = {
    [REQUESTS] = {"apiserver_request_total",
                  "Requests by what they asked for and the HTTP status of the answer.",
                  METRIC_COUNTER, request_labels, NULL},
    [DURATIONS] = {"apiserver_request_duration_seconds",
                   "How long requests took, from their arrival to the end of the answer.",
                   METRIC_HISTOGRAM, duration_labels, seconds},
    [SIZES] = {"apiserver_response_sizes", "Bytes of answers that were sent in one piece.",
               METRIC_HISTOGRAM, size_labels, sizes},
    [INFLIGHT] = {"apiserver_current_inflight_requests",
                  "Requests under way now, watches and streams left out.", METRIC_GAUGE, kind_labels,
                  NULL},
    [LONGRUNNING] = {"apiserver_longrunning_requests", "Watches under way now.", METRIC_GAUGE,
                     size_labels, NULL},
    [OBJECTS] = {"apiserver_storage_objects", "Stored objects by resource.", METRIC_GAUGE,
                 resource_labels, NULL},
    [AUTHENTICATIONS] = {"authentication_attempts", "Authentications by their result.",
                         METRIC_COUNTER, result_labels, NULL},
    [AUTHORIZATIONS] = {"authorization_attempts_total", "Authorizations by their result.",
                        METRIC_COUNTER, result_labels, NULL},
    [HOOK_DURATIONS] = {"apiserver_admission_webhook_admission_duration_seconds",
                        "How long admission webhooks took to answer.", METRIC_HISTOGRAM, hook_labels,
                        hook_seconds},
    [HOOK_REFUSALS] = {"apiserver_admission_webhook_rejection_count",
                       "Writes that were refused because of an admission webhook.", METRIC_COUNTER,
                       refusal_labels, NULL},
    [STORE_KEYS] = {"keelson_store_keys", "Keys of the store.", METRIC_GAUGE, NULL, NULL},
    [STORE_BYTES] = {"apiserver_storage_size_bytes", "Bytes of all stored values.", METRIC_GAUGE,
                     NULL, NULL},
    [STORE_HISTORY] = {"keelson_store_history_bytes", "Bytes of history kept for watches.",
                       METRIC_GAUGE, NULL, NULL},
    [STORE_LOG] = {"keelson_store_log_bytes", "Bytes of the log on disk.", METRIC_GAUGE, NULL, NULL},
    [STORE_FREE] = {"keelson_store_free_bytes", "Free bytes of the store's file system.",
                    METRIC_GAUGE, NULL, NULL},
    [STORE_COMMITS] = {"keelson_store_commits_total", "Commands committed.", METRIC_COUNTER, NULL,
                       NULL},
    [STORE_SYNCS] = {"keelson_store_syncs_total", "Times the log was synced to disk.",
                     METRIC_COUNTER, NULL, NULL},
    [STORE_REVISION] = {"keelson_store_revision", "The newest revision.", METRIC_GAUGE, NULL, NULL},
    [CPU] = {"process_cpu_seconds_total", "CPU time of the control role.", METRIC_COUNTER, NULL,
             NULL},
    [STARTED] = {"process_start_time_seconds", "When the API server started, since the epoch.",
                 METRIC_GAUGE, NULL, NULL},
    [BUILD] = {"kubernetes_build_info", "Which version this is, as a constant 1.", METRIC_GAUGE,
               build_labels, NULL},
};

struct api_metrics {
    struct metrics *registry;
    struct metric *of[METRIC_COUNT];
};

int api_metrics_new(struct api *api)
{
    struct api_metrics *m = mem_zalloc(sizeof *m);
    if (!m || metrics_new(&m->registry) < 0) {
        mem_free(m);
        return -E_NOMEM;
    }
    for (size_t i = 0; i < METRIC_COUNT; i++)
        m->of[i] = metrics_add(m->registry, &specs[i]);
    struct str build[] = {STR("v1.35.0+keelson"), STR("1"), STR("35"), STR("linux")};
    metric_set(m->of[BUILD], build, 1);
    metric_set(m->of[STARTED], NULL, (double)(api_now_us(api) / 1000000));
    api->metrics = m;
    return 0;
}

void api_metrics_free(struct api *api)
{
    if (!api->metrics)
        return;
    metrics_free(api->metrics->registry);
    mem_free(api->metrics);
    api->metrics = NULL;
}

struct metrics *api_metrics_registry(struct api *api)
{
    return api->metrics->registry;
}

/* ---- requests ---- */

static struct str verb_of(const struct api_request *r)
{
    static const char *const names[][2] = {
        {"get", "GET"},   {"list", "LIST"},   {"watch", "WATCH"},   {"create", "POST"},
        {"update", "PUT"}, {"patch", "PATCH"}, {"delete", "DELETE"}, {"deletecollection", "DELETECOLLECTION"}};
    const char *verb = r->url.verb ? r->url.verb : "";
    if (r->resource && (schema_resource_verbs(r->resource) & SCHEMA_CONNECT))
        return STR("CONNECT");
    if (cstr_eq(verb, "patch") && str_starts(r->content_type, STR("application/apply-patch")))
        return STR("APPLY");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (cstr_eq(verb, names[i][0]))
            return str_of(names[i][1]);
    return STR("other");
}

static struct str scope_of(const struct api_request *r)
{
    if (!r->resource)
        return STR("");
    return r->url.name.n ? STR("resource") : r->url.ns.n ? STR("namespace") : STR("cluster");
}

/* Only paths that are there become labels: clients could make up any number of others. */
static struct str path_of(const struct api_request *r)
{
    static const char *const known[] = {"/healthz", "/livez", "/readyz", "/metrics", "/version",
                                        "/openapi/v2", "/openapi/v3", "/api", "/apis"};
    for (size_t i = 0; !r->url.is_resource && i < sizeof known / sizeof known[0]; i++)
        if (str_is(r->url.path, known[i]))
            return str_of(known[i]);
    return STR("");
}

void api_metrics_request(struct api_request *r)
{
    struct api_metrics *m = r->api ? r->api->metrics : NULL;
    const struct schema_resource *res = r->resource;
    char code[12];
    if (!m || !r->status)
        return;
    snprintf(code, sizeof code, "%d", r->status);
    struct str group = res ? str_of(schema_resource_group(res)) : STR("");
    struct str plural = res ? str_of(schema_resource_plural(res)) : STR("");
    struct str sub = res ? str_of(schema_resource_subresource(res)) : path_of(r);
    struct str version = res ? str_of(schema_resource_version(res)) : STR("");
    struct str values[] = {str_of(code), STR("apiserver"), r->dry_run ? STR("All") : STR(""),
                           group, plural, scope_of(r), sub, verb_of(r), version};
    struct str plain[] = {STR("apiserver"), group, plural, scope_of(r), sub, verb_of(r), version};
    metric_add(m->of[REQUESTS], values, 1);
    metric_observe(m->of[DURATIONS], values + 1, (double)(api_now_us(r->api) - r->began_us) / 1e6);
    if (r->sent_bytes && res)
        metric_observe(m->of[SIZES], plain, (double)r->sent_bytes);
}

/* ---- admission and access ---- */

void api_metrics_webhook(struct api *api, const struct api_metrics_hook *h)
{
    char code[12];
    struct str type = h->mutating ? STR("admit") : STR("validating");
    struct str values[] = {str_of(h->name), str_of(h->operation),
                           h->rejected ? STR("true") : STR("false"), type};
    metric_observe(api->metrics->of[HOOK_DURATIONS], values,
                   (double)(api_now_us(api) - h->began_us) / 1e6);
    if (!h->rejected)
        return;
    snprintf(code, sizeof code, "%d", h->code);
    struct str refusal[] = {str_of(h->error_type), str_of(h->name), str_of(h->operation),
                            str_of(code), type};
    metric_add(api->metrics->of[HOOK_REFUSALS], refusal, 1);
}

void api_metrics_authentication(struct api *api, bool good)
{
    struct str result = good ? STR("success") : STR("failure");
    metric_add(api->metrics->of[AUTHENTICATIONS], &result, 1);
}

void api_metrics_authorization(struct api *api, bool allowed)
{
    struct str result = allowed ? STR("allowed") : STR("denied");
    metric_add(api->metrics->of[AUTHORIZATIONS], &result, 1);
}

/* ---- what is so now ---- */

static void take_requests(struct api *api, struct api_metrics *m)
{
    struct str kinds[] = {STR("mutating"), STR("readOnly")};
    double count[2] = {0, 0};
    const struct api_request *r;
    metric_clear(m->of[LONGRUNNING]);
    LIST_EACH(r, &api->requests, link) {
        const struct schema_resource *res = r->resource;
        if (!r->watch || !res) {
            count[cstr_eq(r->method, "GET") || cstr_eq(r->method, "HEAD")]++;
            continue;
        }
        struct str values[] = {STR("apiserver"),
                               str_of(schema_resource_group(res)),
                               str_of(schema_resource_plural(res)),
                               scope_of(r),
                               str_of(schema_resource_subresource(res)),
                               verb_of(r),
                               str_of(schema_resource_version(res))};
        metric_add(m->of[LONGRUNNING], values, 1);
    }
    for (size_t i = 0; i < 2; i++)
        metric_set(m->of[INFLIGHT], &kinds[i], count[i]);
}

/* Keys are /GROUP/RESOURCE/..., in order: one walk counts all. */
struct count {
    struct api_metrics *m;
    struct str group, resource;
    double number;
};

static void take_count(struct count *c)
{
    char name[600];
    if (!c->resource.n)
        return;
    bool core = str_is(c->group, "core");
    snprintf(name, sizeof name, STR_FMT "%s" STR_FMT, STR_ARG(c->resource), core ? "" : ".",
             core ? 0 : (int)c->group.n, c->group.p);
    struct str value = str_of(name);
    metric_set(c->m->of[OBJECTS], &value, c->number);
}

static bool count_object(void *ctx, struct store_value *v)
{
    struct count *c = ctx;
    struct str key = store_value_key(v), group, resource;
    key = str_make(key.p + 1, key.n - 1);
    if (!str_split(&key, '/', &group) || !str_split(&key, '/', &resource))
        return true;
    if (!str_eq(group, c->group) || !str_eq(resource, c->resource)) {
        take_count(c);
        c->group = group;
        c->resource = resource;
        c->number = 0;
    }
    c->number++;
    return true;
}

static void take_store(struct api *api, struct api_metrics *m)
{
    struct store_stats s;
    struct store_snapshot *snap;
    struct count c = {.m = m, .group = STR(""), .resource = STR("")};
    store_stats(api->store, &s);
    metric_set(m->of[STORE_KEYS], NULL, (double)s.keys);
    metric_set(m->of[STORE_BYTES], NULL, (double)s.value_bytes);
    metric_set(m->of[STORE_HISTORY], NULL, (double)s.history_bytes);
    metric_set(m->of[STORE_LOG], NULL, (double)s.log_bytes);
    metric_set(m->of[STORE_FREE], NULL, (double)s.free_bytes);
    metric_set(m->of[STORE_COMMITS], NULL, (double)s.commits);
    metric_set(m->of[STORE_SYNCS], NULL, (double)s.syncs);
    metric_set(m->of[STORE_REVISION], NULL, (double)store_revision(api->store));
    metric_clear(m->of[OBJECTS]);
    if (store_snapshot_take(api->store, &snap) < 0)
        return;
    store_snapshot_range(snap, STR("/"), STR("0"), count_object, &c);
    take_count(&c);
    store_snapshot_release(snap);
}

void metrics_handle(struct api_request *r)
{
    struct api_metrics *m = r->api->metrics;
    struct buf out CLEANUP_BUF;
    struct rusage usage;
    buf_init(&out, LIMIT_REQUEST_ARENA);
    if (!cstr_eq(r->url.verb, "get")) {
        fail_method(r);
        return;
    }
    take_requests(r->api, m);
    take_store(r->api, m);
    flow_metrics_take(r->api);
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        metric_set(m->of[CPU], NULL,
                   (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    metrics_write(m->registry, &out);
    if (out.failed)
        fail_memory(r);
    else
        reply_bytes(r, 200, "text/plain; version=0.0.4; charset=utf-8", buf_str(&out));
}
