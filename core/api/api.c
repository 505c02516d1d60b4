/* Creation, dispatch, and the life of a request. See api_int.h. */
#include <stdio.h>

#include "api/api_int.h"
#include "api/admission/quota_flight.h"
#include "api/admission/webhook.h"
#include "api/crd/conversion.h"
#include "api/aggregate/aggregate.h"
#include "api/audit/audit.h"
#include "api/metrics.h"
#include "api/auth/auth.h"
#include "api/flow/dangling.h"
#include "api/flow/ensure.h"
#include "api/flow/flow.h"
#include "codec/time.h"
#include "api/write.h"

enum {
    TICK_MS = 1000,
    REQUEST_MOST_MS = 60 * 1000, /* upstream's request-timeout */
};

static void on_tick(void *ctx)
{
    struct api *api = ctx;
    snapshots_expire(api, false);
    watch_tick(api);
    aggregates_tick(api);
    flow_tick(api);
    expiry_tick(api);
    crd_cleanup_tick(api);
    loop_timer_set(api->loop, &api->watch_timer, TICK_MS);
}

static int start_audit(struct api *api, const struct api_options *o, struct err *err)
{
    struct arena a CLEANUP_ARENA;
    struct json *policy;
    arena_init(&a, LIMIT_REQUEST_ARENA);
    api->audit_sink = o->audit_sink;
    int rc = json_parse(&a, str_of(o->audit_policy), NULL, &policy, err);
    return rc < 0 ? rc : audit_new(api, policy, err);
}

int api_new(const struct api_options *o, struct api **ret_api, struct err *err)
{
    struct api *api = mem_zalloc(sizeof *api);
    uint64_t seed;
    if (!api)
        return err_set(err, E_NOMEM, "out of memory");
    api->loop = o->loop;
    api->store = o->store;
    api->port = o->port;
    api->net = o->net;
    api->sign = o->sign;
    api->sign_ctx = o->ctx;
    list_init(&api->requests);
    list_init(&api->snapshots);
    loop_timer_init(&api->watch_timer, on_tick, api);
    crypto_random(&seed, sizeof seed);
    prng_init(&api->prng, seed);
    buf_init(&api->proxy_cert_pem, 64 * 1024);
    buf_init(&api->proxy_key_pem, 64 * 1024);
    api->node_name = mem_strdup(o->node_name ? o->node_name : "");
    api->node_addr = mem_strdup(o->node_addr ? o->node_addr : "");
    api->ca_pem = mem_strndup(o->ca_pem.p ? o->ca_pem.p : "", o->ca_pem.n);
    api->issuer = mem_strdup(o->service_account_issuer && o->service_account_issuer[0]
                                 ? o->service_account_issuer
                                 : "https://kubernetes.default.svc.cluster.local");
    int rc = api->node_name && api->node_addr && api->ca_pem && api->issuer ? 0 : -E_NOMEM;
    if (rc < 0)
        err_set(err, E_NOMEM, "out of memory");
    else
        rc = auth_new(api, o, err);
    if (rc == 0 && ((rc = crds_new(api)) < 0 || (rc = crd_cleanup_new(api)) < 0 ||
                    (rc = hooks_new(api)) < 0 || (rc = conversions_new(api)) < 0 || (rc = api_metrics_new(api)) < 0 ||
                    (rc = aggregates_new(api)) < 0 ||
                    (rc = flow_new(api)) < 0))
        err_set(err, E_NOMEM, "out of memory");
    if (rc == 0 && o->audit_policy && o->audit_policy[0])
        rc = start_audit(api, o, err);
    if (rc < 0) {
        api_free(api);
        return rc;
    }
    loop_timer_set(api->loop, &api->watch_timer, TICK_MS);
    *ret_api = api;
    return 0;
}

void api_free(struct api *api)
{
    if (!api)
        return;
    struct api_request *r, *next;
    crd_cleanup_free(api);
    LIST_EACH_SAFE(r, next, &api->requests, link)
    request_gone(r);
    loop_timer_cancel(api->loop, &api->watch_timer);
    snapshots_expire(api, true);
    frames_free(api);
    expiry_free(api->expiry);
    quota_flights_free(api);
    discovery_free(api->discovery);
    aggregates_free(api);
    crds_free(api);
    conversions_free(api);
    hooks_free(api);
    buf_done(&api->proxy_cert_pem);
    buf_done(&api->proxy_key_pem);
    flow_free(api);
    audit_free(api);
    api_metrics_free(api);
    bootstrap_free(api->bootstrap);
    flow_ensure_free(api->flow_ensure);
    flow_dangling_free(api->flow_dangling);
    auth_free(api);
    mem_free(api->node_name);
    mem_free(api->node_addr);
    mem_free(api->ca_pem);
    mem_free(api->issuer);
    mem_free(api);
}

void api_proxy_identity(struct api *api, struct str cert_pem, struct str key_pem)
{
    buf_clear(&api->proxy_cert_pem);
    buf_clear(&api->proxy_key_pem);
    buf_append_str(&api->proxy_cert_pem, cert_pem);
    buf_append_str(&api->proxy_key_pem, key_pem);
}

int64_t api_now_us(struct api *api)
{
    return loop_realtime_ns(api->loop) / 1000;
}

/* ---- life of a request ---- */

static void request_free(struct api_request *r)
{
    crd_unref(r->crd);
    list_remove(&r->link);
    arena_done(&r->work);
    arena_done(&r->arena);
    mem_free(r);
}

/* Lets go of all that the verb holds; the request itself lives on while it is entered. */
static void request_release(struct api_request *r)
{
    r->ended = true;
    loop_timer_cancel(r->api->loop, &r->deadline);
    flow_end(r);
    api_metrics_request(r);
    audit_end(r);
    list_remove(&r->link);
    if (r->on_cancel) {
        void (*release)(struct api_request *) = r->on_cancel;
        r->on_cancel = NULL;
        release(r);
    }
    conversion_release(r);
    /* Nobody waits for its charges, and the store may answer after the api has gone. */
    if (r->write)
        quota_flight_end(r->write, false);
    if (!r->in_store)
        write_done(r);
}

void request_enter(struct api_request *r)
{
    r->entered++;
}

void request_leave(struct api_request *r)
{
    if (--r->entered == 0 && r->ended && !r->in_store)
        request_free(r);
}

void request_end(struct api_request *r)
{
    if (r->ended)
        return;
    request_release(r);
    r->ops->end(r->ctx);
}

void request_gone(struct api_request *r)
{
    if (r->ended)
        return;
    request_enter(r);
    request_release(r);
    request_leave(r);
}

void api_request_cancel(struct api_request *r)
{
    request_gone(r);
}

void api_request_drained(struct api_request *r)
{
    if (r->ended || !r->on_drained)
        return;
    request_enter(r);
    r->on_drained(r);
    request_leave(r);
}

void request_warn(struct api_request *r, const char *fmt, ...)
{
    char text[4096];
    va_list ap;
    if (r->warning_count == WARNINGS_MOST)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    for (size_t i = 0; i < r->warning_count; i++)
        if (cstr_eq(r->warnings[i], text))
            return; /* of an attempt before */
    const char *copy = arena_strdup(&r->arena, text);
    if (copy)
        r->warnings[r->warning_count++] = copy;
}

static void on_store_done(void *ctx, const struct store_result *result)
{
    struct api_request *r = ctx;
    request_enter(r);
    r->in_store = false;
    if (r->ended)
        write_done(r);
    else
        r->on_stored(r, result);
    request_leave(r);
}

int request_txn(struct api_request *r, const struct store_compare *compares, size_t compare_count,
                const struct store_op *ops, size_t op_count,
                void (*on_stored)(struct api_request *r, const struct store_result *result))
{
    r->on_stored = on_stored;
    r->in_store = true;
    int rc = store_txn(r->api->store, compares, compare_count, ops, op_count, on_store_done, r);
    if (rc == 0)
        return 0;
    r->in_store = false;
    for (size_t i = 0; i < op_count; i++)
        api_attached_free(ops[i].attached);
    return fail_code(r, rc,
                     rc == -E_NO_SPACE ? "the disk of the store is full: the change was not stored"
                     : rc == -E_TOO_LARGE ? "Request entity too large: limit is 1572864"
                                          : NULL);
}

/* ---- dispatch ---- */

static void read_headers(struct api_request *r, const struct api_call *call)
{
    for (size_t i = 0; i < call->header_count; i++) {
        const struct api_header *h = &call->headers[i];
        if (str_is(h->name, "accept"))
            r->accept_header = arena_str(&r->arena, h->value);
        else if (str_is(h->name, "content-type"))
            r->content_type = arena_str(&r->arena, h->value);
        else if (str_is(h->name, "if-none-match"))
            r->if_none_match = arena_str(&r->arena, h->value);
        else if (str_is(h->name, "user-agent"))
            r->user_agent = arena_str(&r->arena, h->value);
        else if (str_is(h->name, "audit-id"))
            r->audit_header = arena_str(&r->arena, h->value);
        else if (str_starts(h->name, STR("impersonate-")))
            auth_read_impersonation(r, h);
    }
}

static unsigned verb_bit(const char *verb)
{
    for (unsigned bit = SCHEMA_CREATE; bit <= SCHEMA_CONNECT; bit <<= 1)
        if (cstr_eq(schema_verb_name(bit), verb))
            return bit;
    return 0;
}

/* Does the resource answer to this verb? Connect subresources take any method. */
static bool verb_served(const struct api_request *r)
{
    unsigned verbs = schema_resource_verbs(r->resource);
    if (verbs & SCHEMA_CONNECT)
        return true;
    if (cstr_eq(r->url.verb, "watch"))
        return (verbs & SCHEMA_WATCH) != 0;
    return (verbs & verb_bit(r->url.verb)) != 0;
}

static bool find_resource(struct api_request *r)
{
    const struct url *u = &r->url;
    const char *name = u->subresource.n
                           ? arena_printf(&r->arena, STR_FMT "/" STR_FMT, STR_ARG(u->resource),
                                          STR_ARG(u->subresource))
                           : arena_strndup(&r->arena, u->resource.p, u->resource.n);
    r->resource = name ? schema_resource_find(u->group, u->version, str_of(name)) : NULL;
    if (!r->resource)
        crd_find_resource(r);
    if (!r->resource)
        return false;
    bool namespaced = schema_resource_namespaced(r->resource);
    if (!namespaced && u->ns.n) {
        /* "namespaces/x" is itself; a namespace before a cluster resource names nothing. */
        if (!str_is(u->resource, "namespaces"))
            return false;
        r->url.ns = STR("");
    }
    /* Without a namespace there is no single object of a namespaced kind. */
    if (namespaced && !u->ns.n && u->name.n && !cstr_eq(u->verb, "watch"))
        return false;
    r->kind = kind_find(r->resource);
    return true;
}

static void dispatch_verb(struct api_request *r)
{
    const char *verb = r->url.verb;
    const char *sub = schema_resource_subresource(r->resource);
    unsigned verbs = schema_resource_verbs(r->resource);
    if (verbs & SCHEMA_CONNECT || cstr_eq(sub, "log"))
        connect_handle(r);
    else if (cstr_eq(schema_resource_group(r->resource), "metrics.k8s.io"))
        connect_metrics(r);
    else if (reviews_owns(r->resource))
        reviews_handle(r);
    else if (cstr_eq(schema_resource_name(r->resource), "componentstatuses"))
        component_status_handle(r);
    else if (cstr_eq(sub, "binding") || cstr_eq(sub, "eviction") || cstr_eq(sub, "scale") ||
             cstr_eq(sub, "token") || cstr_eq(schema_resource_name(r->resource), "bindings"))
        subresource_handle(r);
    else if (cstr_eq(verb, "get"))
        rest_get(r);
    else if (cstr_eq(verb, "list"))
        rest_list(r);
    else if (cstr_eq(verb, "watch"))
        rest_watch(r);
    else if (cstr_eq(verb, "delete"))
        rest_delete(r);
    else if (cstr_eq(verb, "deletecollection"))
        rest_delete_collection(r);
    else
        rest_write(r);
}

/* As upstream warns about them, whatever the verb. */
static void warn_deprecated(struct api_request *r)
{
    static const struct {
        const char *group, *plural, *warning;
    } old[] = {
        {"", "endpoints",
         "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"},
        {"", "componentstatuses", "v1 ComponentStatus is deprecated in v1.19+"},
    };
    for (size_t i = 0; i < sizeof old / sizeof old[0]; i++)
        if (cstr_eq(schema_resource_plural(r->resource), old[i].plural) &&
            cstr_eq(schema_resource_group(r->resource), old[i].group))
            request_warn(r, "%s", old[i].warning);
}

static void dispatch_resource(struct api_request *r)
{
    warn_deprecated(r);
    if (!verb_served(r) ||
        (cstr_eq(r->url.verb, "create") && r->url.name.n && !r->url.subresource.n) ||
        ((cstr_eq(r->url.verb, "update") || cstr_eq(r->url.verb, "patch")) && !r->url.name.n)) {
        fail_method(r);
        return;
    }
    struct str dry = url_param(&r->url, "dryRun");
    if (dry.n && !str_is(dry, "All")) {
        fail_part(r, "dryRun", "FieldValueNotSupported",
                    "Unsupported value: \"" STR_FMT "\": supported values: \"All\"",
                    STR_ARG(dry));
        return;
    }
    r->dry_run = dry.n != 0;
    dispatch_verb(r);
}

/* Streams last as long as they like. nonzero: answered. */
static int check_timeout(struct api_request *r)
{
    struct str text = url_param(&r->url, "timeout");
    struct err err = {0};
    int64_t ns;
    if (cstr_eq(r->url.verb, "watch") || str_is(r->url.subresource, "log") ||
        (r->resource && schema_resource_verbs(r->resource) & SCHEMA_CONNECT))
        return 0;
    r->timeout_ms = REQUEST_MOST_MS;
    if (!text.n)
        return 0;
    if (duration_parse(text, &ns, &err) < 0)
        return fail_bad_request(r, "invalid timeout specified in the request URL - %s", err.text);
    if (ns > 0 && ns / 1000000 < REQUEST_MOST_MS)
        r->timeout_ms = ns < 1000000 ? 1 : ns / 1000000;
    return 0;
}

/* What has begun to be answered goes on, as fast as its client reads, but takes no seats from others
 * any longer. */
static void on_deadline(void *ctx)
{
    struct api_request *r = ctx;
    if (r->ended)
        return;
    if (r->head_sent) {
        flow_end(r);
        return;
    }
    request_enter(r);
    if (flow_waits(r))
        flow_refuse(r, "time-out");
    else
        fail_status(r, 504, "Timeout", json_new(&r->arena, JSON_OBJECT),
                    "Timeout: request did not complete within requested timeout - context "
                    "deadline exceeded");
    request_leave(r);
}

/* Once it is its turn. */
static void dispatch_admitted(struct api_request *r)
{
    static const char *const health[] = {"/healthz", "/livez", "/readyz"};
    if (!accept_parse(r, r->kind != NULL)) {
        r->accept = (struct accept){MEDIA_JSON, FORM_OBJECT, false, STR(""), STR("")};
        fail_status(
            r, 406, "NotAcceptable", NULL,
            "only the following media types are accepted: application/json, application/yaml");
        return;
    }
    int rc = auth_authorize(r);
    api_metrics_authorization(r->api, rc == 0);
    if (rc != 0)
        return;
    if (aggregate_handle(r)) {
        if (cstr_eq(r->url.verb, "watch"))
            flow_begun(r);
        return;
    }
    if (r->url.is_resource) {
        if (r->kind)
            dispatch_resource(r);
        else
            fail_no_route(r);
        return;
    }
    for (size_t i = 0; i < 3; i++)
        if (str_starts(r->url.path, str_of(health[i]))) {
            health_handle(r);
            return;
        }
    if (str_is(r->url.path, "/logs/audit.log")) {
        audit_log_handle(r);
        return;
    }
    if (str_is(r->url.path, "/metrics")) {
        metrics_handle(r);
        return;
    }
    if (!issuer_handle(r) && !discovery_handle(r))
        fail_no_route(r);
}

static void dispatch(struct api_request *r, const struct api_peer *peer)
{
    if (r->url.is_resource)
        find_resource(r);
    if (check_timeout(r) != 0)
        return;
    int rc = auth_authenticate(r, peer);
    api_metrics_authentication(r->api, rc == 0);
    if (rc != 0)
        return;
    audit_begin(r, peer);
    if (auth_impersonate(r) != 0)
        return;
    if (flow_admit(r, dispatch_admitted) == 1)
        dispatch_admitted(r);
}

static bool copy_body(struct api_request *r, const struct api_call *call)
{
    if (!call->body.n)
        return true;
    r->body = arena_str(&r->arena, call->body);
    return r->body.p != NULL;
}

int api_handle(struct api *api, const struct api_call *call, const struct api_reply_ops *ops,
               void *ctx, struct api_request **ret_request)
{
    struct api_request *r = mem_zalloc(sizeof *r);
    struct err err = {0};
    if (!r)
        return -E_NOMEM;
    r->api = api;
    r->ops = ops;
    r->ctx = ctx;
    r->began_us = api_now_us(api);
    loop_timer_init(&r->deadline, on_deadline, r);
    arena_init(&r->arena, LIMIT_REQUEST_ARENA);
    arena_init(&r->work, LIMIT_REQUEST_ARENA);
    list_push_back(&api->requests, &r->link);
    request_enter(r);
    r->method = arena_strdup(&r->arena, call->method);
    read_headers(r, call);
    if (!r->method || call->body.n > LIMIT_BODY_BYTES || !copy_body(r, call)) {
        if (call->body.n > LIMIT_BODY_BYTES)
            fail_status(r, 413, "RequestEntityTooLarge", NULL,
                        "Request entity too large: limit is %d", (int)LIMIT_BODY_BYTES);
        else
            fail_memory(r);
    } else {
        int rc = url_parse(&r->arena, r->method, call->target, &r->url, &err);
        if (rc < 0)
            fail_code(r, rc, err.text);
        else
            dispatch(r, &call->peer);
    }
    *ret_request = r->ended ? NULL : r;
    if (!r->ended && r->timeout_ms)
        loop_timer_set(api->loop, &r->deadline, r->timeout_ms);
    request_leave(r);
    return 0;
}
