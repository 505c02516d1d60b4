#include "api/audit/audit.h"
#include "api/metrics.h"
#include "port/crypto.h"
#include "schema/protobuf.h"

enum { EVENT_BYTES = 2 * LIMIT_BODY_BYTES, ANNOTATIONS_MOST = 64, LOG_BYTES = 8 * 1024 * 1024 };

struct audit {
    struct audit_policy *policy;
    struct metric *events, *dropped;
};

int audit_new(struct api *api, const struct json *policy, struct err *err)
{
    static const struct metric_spec events = {"apiserver_audit_event_total",
                                              "Audit events given to the log.", METRIC_COUNTER, NULL,
                                              NULL},
                                    dropped = {"apiserver_audit_error_total",
                                               "Audit events that the log could not take.",
                                               METRIC_COUNTER, NULL, NULL};
    struct audit *a = mem_zalloc(sizeof *a);
    if (!a)
        return err_set(err, E_NOMEM, "out of memory");
    int rc = audit_policy_new(policy, &a->policy, err);
    if (rc < 0) {
        mem_free(a);
        return rc;
    }
    a->events = metrics_add(api_metrics_registry(api), &events);
    a->dropped = metrics_add(api_metrics_registry(api), &dropped);
    metric_set(a->events, NULL, 0);
    metric_set(a->dropped, NULL, 0);
    api->audit = a;
    return 0;
}

void audit_free(struct api *api)
{
    if (!api->audit)
        return;
    audit_policy_free(api->audit->policy);
    mem_free(api->audit);
    api->audit = NULL;
}

static void tell(struct api_request *r, enum audit_stage stage)
{
    struct audit_request *q = r->audit;
    struct audit *a = r->api ? r->api->audit : NULL;
    struct buf line CLEANUP_BUF;
    buf_init(&line, EVENT_BYTES);
    if (!a || !q || q->decision.omits[stage])
        return;
    bool told = audit_event(r, q, stage, &line) &&
                r->api->audit_sink.write(r->api->audit_sink.ctx, buf_str(&line));
    metric_add(told ? a->events : a->dropped, NULL, 1);
}

/* ---- the stages ---- */

static bool good_id(struct str id)
{
    for (size_t i = 0; i < id.n; i++)
        if (id.p[i] <= ' ' || id.p[i] > '~')
            return false;
    return id.n > 0;
}

/* Without its port: "192.0.2.1:80", "[2001:db8::1]:80". */
static const char *address_of(struct arena *a, const char *text)
{
    struct str s = str_of(text ? text : "");
    const char *colon = s.n ? strrchr(text, ':') : NULL;
    if (colon && (s.p[0] == '[' || memchr(s.p, ':', s.n) == colon))
        s.n = (size_t)(colon - s.p);
    if (s.n > 1 && s.p[0] == '[')
        s = str_make(s.p + 1, s.n - 1 - (s.p[s.n - 1] == ']'));
    return arena_strndup(a, s.p, s.n);
}

void audit_begin(struct api_request *r, const struct api_peer *peer)
{
    struct audit *a = r->api->audit;
    if (!a)
        return;
    struct audit_decision d = audit_policy_decide(a->policy, r);
    struct audit_request *q =
        d.level == AUDIT_NONE ? NULL : arena_zalloc(&r->arena, sizeof *q);
    if (!q)
        return;
    q->decision = d;
    q->user = r->user;
    q->address = address_of(&r->arena, peer->address);
    q->agent = arena_strndup(&r->arena, r->user_agent.p, r->user_agent.n);
    if (!q->address || !q->agent)
        return;
    if (!good_id(r->audit_header) || !str_copy(q->id, sizeof q->id, r->audit_header)) {
        char id[37];
        crypto_uuid(id);
        str_copy(q->id, sizeof q->id, str_of(id));
    }
    r->audit = q;
    tell(r, AUDIT_REQUEST_RECEIVED);
}

static bool long_running(const struct api_request *r)
{
    return r->watch || (r->resource && (schema_resource_verbs(r->resource) & SCHEMA_CONNECT));
}

void audit_head(struct api_request *r)
{
    if (r->audit && !r->audit->begun && long_running(r)) {
        r->audit->begun = true;
        tell(r, AUDIT_RESPONSE_STARTED);
    }
}

void audit_answer(struct api_request *r, const char *content_type, struct str bytes)
{
    struct audit_request *q = r->audit;
    struct json *o = NULL;
    if (!q || (q->decision.level < AUDIT_REQUEST_RESPONSE && r->status < 400))
        return;
    int rc = str_starts(bytes, str_make("k8s", 4))
                 ? protobuf_decode(&r->arena, bytes, &o, NULL)
             : strncmp(content_type, "application/json", 16) == 0
                 ? json_parse(&r->arena, bytes, NULL, &o, NULL)
                 : -E_UNSUPPORTED;
    if (rc == 0)
        q->response = o;
}

void audit_end(struct api_request *r)
{
    if (r->audit && r->status)
        tell(r, AUDIT_RESPONSE_COMPLETE);
}

void audit_annotate(struct api_request *r, const char *key, const char *value)
{
    struct audit_request *q = r->audit;
    struct arena *a = &r->arena;
    if (!q)
        return;
    if (!q->annotations)
        q->annotations = json_new(a, JSON_OBJECT);
    struct str copy = arena_str(a, str_of(key));
    if (copy.p && json_count(q->annotations) < ANNOTATIONS_MOST)
        json_set_key(a, q->annotations, copy, json_new_cstr(a, value));
}

const char *audit_id(const struct api_request *r)
{
    return r->audit ? r->audit->id : NULL;
}

void audit_log_handle(struct api_request *r)
{
    struct buf out CLEANUP_BUF;
    buf_init(&out, LOG_BYTES);
    if (!r->api->audit) {
        fail_no_route(r);
        return;
    }
    int rc = cstr_eq(r->url.verb, "get") ? r->api->audit_sink.read(r->api->audit_sink.ctx, &out) : 1;
    if (rc > 0)
        fail_method(r);
    else if (rc < 0)
        fail_code(r, rc, NULL);
    else
        reply_bytes(r, 200, "text/plain; charset=utf-8", buf_str(&out));
}
