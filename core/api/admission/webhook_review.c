/* AdmissionReview: what webhooks are asked and what they answer. */
#include "api/admission/webhook.h"
#include "api/audit/audit.h"

struct str review_write(const struct webhook *h, const struct hook_request *q,
                        const struct schema_resource *as, struct json *object, struct json *old,
                        const char *uid)
{
    struct arena *a = q->w->a;
    struct buf out CLEANUP_BUF;
    struct json *review = json_new(a, JSON_OBJECT), *request = json_new(a, JSON_OBJECT);
    struct json *rest = match_request(q, as);
    buf_init(&out, 4 * (size_t)LIMIT_BODY_BYTES);
    if (!rest)
        return (struct str){NULL, 0};
    json_set_cstr(a, review, "kind", "AdmissionReview");
    json_set_cstr(a, review, "apiVersion",
                  cstr_eq(h->review_version, "v1") ? "admission.k8s.io/v1"
                                                   : "admission.k8s.io/v1beta1");
    json_set_cstr(a, request, "uid", uid);
    for (const struct json *m = json_first(rest); m; m = m->next)
        json_set_key(a, request, m->key, json_clone(a, m));
    json_set(a, request, "object", object ? json_clone(a, object) : json_new(a, JSON_NULL));
    json_set(a, request, "oldObject", old ? json_clone(a, old) : json_new(a, JSON_NULL));
    json_set(a, review, "request", request);
    if (!a->failed)
        json_write(&out, review);
    return a->failed || out.failed ? (struct str){NULL, 0} : arena_str(a, buf_str(&out));
}

/* ---- answers ---- */

static int check_patch(struct arena *a, const struct json *response, bool mutating, bool v1,
                       struct json **ret, struct err *err)
{
    struct str patch = json_path_str(response, "patch"), type = json_path_str(response, "patchType");
    struct buf plain CLEANUP_BUF;
    buf_init(&plain, LIMIT_BODY_BYTES);
    *ret = NULL;
    if (!mutating && v1 && patch.n)
        return err_set(err, E_INVALID, "webhook may not return response.patch");
    if (!mutating && v1 && type.n)
        return err_set(err, E_INVALID, "webhook may not return response.patchType");
    if (!mutating || (!patch.n && !type.n))
        return 0;
    if (v1 && !type.n)
        return err_set(err, E_INVALID, "webhook returned response.patch but not response.patchType");
    if (!patch.n)
        return err_set(err, E_INVALID, "webhook returned response.patchType but not response.patch");
    if (type.n && !str_is(type, "JSONPatch"))
        return err_set(err, E_INVALID, "webhook returned invalid response.patchType of \"" STR_FMT "\"",
                       STR_ARG(type));
    char *bytes = arena_alloc(a, patch.n + 4);
    size_t n = 0;
    if (!bytes)
        return err_set(err, E_NOMEM, "out of memory");
    if (base64_decode(bytes, &n, patch) < 0)
        return err_set(err, E_INVALID, "response.patch is not base64");
    return json_parse(a, str_make(bytes, n), NULL, ret, err);
}

static void refuse(const struct webhook *h, struct arena *a, const struct json *status,
                   struct hook_verdict *v)
{
    const char *why = json_path_cstr(status, "message"), *reason = json_path_cstr(status, "reason");
    int64_t code = json_path_i64(status, "code", 0);
    v->http = code < 400 || code > 599 ? 400 : (int)code;
    v->reason = reason;
    v->details = json_get(status, "details") ? json_clone(a, json_get(status, "details")) : NULL;
    why = why[0] ? why : reason;
    v->message = why[0] ? arena_printf(a, "admission webhook \"%s\" denied the request: %s", h->name,
                                       why)
                        : arena_printf(a,
                                       "admission webhook \"%s\" denied the request without "
                                       "explanation",
                                       h->name);
}

int review_read(const struct webhook *h, struct write *w, struct str body, bool mutating,
                const char *uid, struct hook_verdict *ret, struct err *err)
{
    bool v1 = cstr_eq(h->review_version, "v1");
    const char *wanted = v1 ? "admission.k8s.io/v1" : "admission.k8s.io/v1beta1";
    struct json *review;
    *ret = (struct hook_verdict){0};
    int rc = json_parse(w->a, body, NULL, &review, err);
    if (rc < 0)
        return rc;
    const struct json *response = json_get(review, "response");
    const char *version = json_path_cstr(review, "apiVersion"),
               *kind = json_path_cstr(review, "kind");
    if (!json_is(response, JSON_OBJECT))
        return err_set(err, E_INVALID, "webhook response was absent");
    if (v1 && !str_is(json_path_str(response, "uid"), uid))
        return err_set(err, E_INVALID, "expected response.uid=\"%s\", got \"%.200s\"", uid,
                       json_path_cstr(response, "uid"));
    if (v1 && (!cstr_eq(version, wanted) || !cstr_eq(kind, "AdmissionReview")))
        return err_set(err, E_INVALID,
                       "expected webhook response of %s, Kind=AdmissionReview, got %.200s, Kind=%.200s",
                       wanted, version, kind);
    if ((rc = check_patch(w->a, response, mutating, v1, &ret->patch, err)) < 0)
        return rc;
    for (const struct json *m = json_first(json_get(response, "warnings")); m; m = m->next)
        request_warn(w->r, "%s", json_cstr(m));
    for (const struct json *m = json_first(json_get(response, "auditAnnotations")); m; m = m->next) {
        const char *key = arena_printf(w->a, "%s/" STR_FMT, h->name, STR_ARG(m->key));
        if (key)
            audit_annotate(w->r, key, json_cstr(m));
    }
    if (!json_path_bool(response, "allowed", false))
        refuse(h, w->a, json_get(response, "status"), ret);
    return w->a->failed ? err_set(err, E_NOMEM, "out of memory") : 0;
}
