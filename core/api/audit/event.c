/* Events of audit.k8s.io/v1. */
#include "api/audit/audit.h"
#include "codec/time.h"
#include "codec/yaml.h"
#include "schema/protobuf.h"

static const char *const levels[] = {"None", "Metadata", "Request", "RequestResponse"};
static const char *const stages[] = {"RequestReceived", "ResponseStarted", "ResponseComplete"};

static void put_user(struct arena *a, struct json *event, const char *member, const struct user *u)
{
    struct json *user = json_object_at(a, event, member);
    json_set_cstr(a, user, "username", u->name ? u->name : "");
    if (u->uid && u->uid[0])
        json_set_cstr(a, user, "uid", u->uid);
    for (size_t i = 0; i < u->group_count; i++)
        json_append(a, json_array_at(a, user, "groups"), json_new_cstr(a, u->groups[i]));
    if (u->extra && json_count(u->extra))
        json_set(a, user, "extra", json_clone(a, u->extra));
}

static void put_text(struct arena *a, struct json *object, const char *member, struct str text)
{
    if (text.n)
        json_set_str(a, object, member, text);
}

static void put_reference(struct arena *a, struct json *event, const struct api_request *r)
{
    const struct url *u = &r->url;
    struct json *ref;
    if (!u->is_resource)
        return;
    ref = json_object_at(a, event, "objectRef");
    put_text(a, ref, "resource", u->resource);
    put_text(a, ref, "namespace", u->ns);
    put_text(a, ref, "name", u->name);
    put_text(a, ref, "apiGroup", u->group);
    put_text(a, ref, "apiVersion", u->version);
    put_text(a, ref, "subresource", u->subresource);
}

/* The body as the client sent it, whatever it sent it as; NULL when it is not understood. */
static struct json *read_body(struct arena *a, struct str body)
{
    struct json *o = NULL;
    struct err err = {0};
    int rc = -E_SYNTAX;
    if (!body.n)
        return NULL;
    if (str_starts(body, str_make("k8s", 4)))
        rc = protobuf_decode(a, body, &o, &err);
    else if (body.p[0] == '{' || body.p[0] == '[')
        rc = json_parse(a, body, NULL, &o, &err);
    else
        rc = yaml_parse(a, body, NULL, &o, NULL, &err);
    return rc < 0 ? NULL : o;
}

static void drop_managed(struct json *object)
{
    json_remove(json_get(object, "metadata"), "managedFields");
    for (struct json *m = json_first(json_get(object, "items")); m; m = m->next)
        json_remove(json_get(m, "metadata"), "managedFields");
}

static void put_object(struct arena *a, struct json *event, const char *member,
                       struct json *object, const struct audit_request *q)
{
    if (!json_is(object, JSON_OBJECT) && !json_is(object, JSON_ARRAY))
        return;
    if (q->decision.omits_managed_fields)
        drop_managed(object);
    json_set(a, event, member, object);
}

static void put_status(struct arena *a, struct json *event, const struct api_request *r,
                       const struct audit_request *q)
{
    static const char *const parts[] = {"status", "message", "reason"};
    struct json *status = json_object_at(a, event, "responseStatus");
    json_object_at(a, status, "metadata");
    for (size_t i = 0; i < 3 && r->status >= 400; i++)
        put_text(a, status, parts[i], json_str(json_get(q->response, parts[i])));
    json_set_i64(a, status, "code", r->status);
}

bool audit_event(const struct api_request *r, const struct audit_request *q,
                 enum audit_stage stage, struct buf *out)
{
    struct arena a CLEANUP_ARENA;
    char time[TIME_TEXT];
    arena_init(&a, LIMIT_REQUEST_ARENA);
    struct json *e = json_new(&a, JSON_OBJECT);
    enum audit_level level = q->decision.level;
    json_set_cstr(&a, e, "kind", "Event");
    json_set_cstr(&a, e, "apiVersion", "audit.k8s.io/v1");
    json_set_cstr(&a, e, "level", levels[level]);
    json_set_cstr(&a, e, "auditID", q->id);
    json_set_cstr(&a, e, "stage", stages[stage]);
    struct str uri = r->url.query.n
                         ? str_of(arena_printf(&a, STR_FMT "?" STR_FMT, STR_ARG(r->url.path),
                                               STR_ARG(r->url.query)))
                         : r->url.path;
    json_set_str(&a, e, "requestURI", uri);
    json_set_cstr(&a, e, "verb", r->url.verb);
    put_user(&a, e, "user", &q->user);
    if (r->user.name != q->user.name)
        put_user(&a, e, "impersonatedUser", &r->user);
    if (q->address[0])
        json_append(&a, json_array_at(&a, e, "sourceIPs"), json_new_cstr(&a, q->address));
    if (q->agent[0])
        json_set_cstr(&a, e, "userAgent", q->agent);
    put_reference(&a, e, r);
    if (stage != AUDIT_REQUEST_RECEIVED)
        put_status(&a, e, r, q);
    if (level >= AUDIT_REQUEST && stage != AUDIT_REQUEST_RECEIVED && r->url.is_resource)
        put_object(&a, e, "requestObject", read_body(&a, r->body), q);
    if (level >= AUDIT_REQUEST_RESPONSE && stage == AUDIT_RESPONSE_COMPLETE && q->response)
        put_object(&a, e, "responseObject", json_clone(&a, q->response), q);
    time_format_micro(r->began_us, time);
    json_set_cstr(&a, e, "requestReceivedTimestamp", time);
    time_format_micro(api_now_us(r->api), time);
    json_set_cstr(&a, e, "stageTimestamp", time);
    if (q->annotations && stage != AUDIT_REQUEST_RECEIVED)
        json_set(&a, e, "annotations", json_clone(&a, q->annotations));
    if (!a.failed)
        json_write(out, e);
    buf_putc(out, '\n');
    return !a.failed && !out->failed;
}
