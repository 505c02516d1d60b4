/* ConversionReview: what a definition's webhook is asked and what it may answer. */
#include "api/crd/conversion.h"
#include "port/crypto.h"

struct conversion_review {
    struct crd *crd;
    struct conversion_question asked;
    struct arena arena;
    struct webhook_call *call;
    char uid[37];
    conversion_done_fn *done;
    void *ctx;
};

void conversion_review_free(struct conversion_review *c)
{
    if (!c)
        return;
    webhook_call_free(c->call);
    crd_unref(c->crd);
    arena_done(&c->arena);
    mem_free(c);
}

/* ---- the answer ---- */

static int check_review(const struct conversion_question *q, const struct json *review,
                        struct err *err)
{
    const struct json *response = json_get(review, "response"),
                      *result = json_get(response, "result"),
                      *converted = json_get(response, "convertedObjects");
    const char *version = json_path_cstr(review, "apiVersion"),
               *kind = json_path_cstr(review, "kind");
    bool v1 = cstr_eq(q->version, "apiextensions.k8s.io/v1");
    if (v1 && (!str_is(json_path_str(review, "apiVersion"), q->version) ||
               !str_is(json_path_str(review, "kind"), "ConversionReview")))
        return err_set(err, E_INVALID,
                       "expected webhook response of %s, Kind=ConversionReview, got %.200s, "
                       "Kind=%.200s",
                       q->version, version, kind);
    if (!json_is(response, JSON_OBJECT))
        return err_set(err, E_INVALID, "no response provided");
    if (v1 && !str_is(json_path_str(response, "uid"), q->uid))
        return err_set(err, E_INVALID, "expected response.uid=\"%s\", got \"%.200s\"", q->uid,
                       json_path_cstr(response, "uid"));
    if (!json_absent(converted) && !json_is(converted, JSON_ARRAY))
        return err_set(err, E_INVALID, "response.convertedObjects: expected a list of objects");
    if (str_is(json_path_str(result, "status"), "Success"))
        return 0;
    if (json_path_str(result, "message").n)
        return err_set(err, E_INVALID, "%.400s", json_path_cstr(result, "message"));
    return err_set(err, E_INVALID, "response.result.status was '%.100s', not 'Success'",
                   json_path_cstr(result, "status"));
}

/* Only labels and annotations are the webhook's. */
static int take_metadata(struct arena *a, const struct json *before, struct json *object,
                         struct err *err)
{
    static const char *const theirs[] = {"labels", "annotations"};
    struct json *meta = json_clone(a, json_get(before, "metadata"));
    const struct json *given = json_get(object, "metadata");
    if (!json_is(given, JSON_OBJECT))
        return err_set(err, E_INVALID, "missing metadata in converted object");
    for (size_t i = 0; i < 2; i++) {
        const struct json *map = json_get(given, theirs[i]);
        json_remove(meta, theirs[i]);
        if (json_absent(map))
            continue;
        if (!json_is(map, JSON_OBJECT))
            return err_set(err, E_INVALID, "metadata.%s: is no object", theirs[i]);
        for (const struct json *m = json_first(map); m; m = m->next)
            if (!json_is(m, JSON_STRING))
                return err_set(err, E_INVALID, "metadata.%s: Invalid value: the value of " STR_FMT
                                               " is no string", theirs[i], STR_ARG(m->key));
        json_set(a, meta, theirs[i], json_clone(a, map));
    }
    json_set(a, object, "metadata", meta);
    return a->failed ? err_set(err, E_NOMEM, "out of memory") : 0;
}

static int check_object(const struct conversion_question *q, struct arena *a,
                        const struct json *before, struct json *object, struct err *err)
{
    static const char *const same[] = {"name", "namespace", "uid"};
    static const char *const shown[] = {"name", "namespace", "UID"};
    if (!json_is(object, JSON_OBJECT))
        return err_set(err, E_INVALID, "is no object");
    if (!str_is(json_path_str(object, "apiVersion"), q->desired))
        return err_set(err, E_INVALID, "invalid groupVersion (expected %s, received %.200s)",
                       q->desired, json_path_cstr(object, "apiVersion"));
    if (!str_eq(json_path_str(before, "kind"), json_path_str(object, "kind")))
        return err_set(err, E_INVALID, "invalid kind (expected %s, received %.200s)",
                       json_path_cstr(before, "kind"), json_path_cstr(object, "kind"));
    for (size_t i = 0; i < 3; i++) {
        struct str x = json_str(json_get(json_get(before, "metadata"), same[i])),
                   y = json_str(json_get(json_get(object, "metadata"), same[i]));
        if (!str_eq(x, y))
            return err_set(err, E_INVALID, "must have the same %s: " STR_FMT " != %.200s", shown[i],
                           STR_ARG(x), json_path_cstr(json_get(object, "metadata"), same[i]));
    }
    int rc = take_metadata(a, before, object, err);
    /* The metadata that it gets back comes on top of what the answer was bounded by. */
    return rc < 0 ? rc : json_check_limits(object, err);
}

const struct json *conversion_answer(const struct conversion_question *q, struct arena *a,
                                     struct str body, const char **ret_message)
{
    struct err err = {0};
    struct json *review = NULL;
    int64_t i = 0;
    int rc = json_parse(a, body, NULL, &review, &err);
    if (rc == 0)
        rc = check_review(q, review, &err);
    if (rc < 0) {
        *ret_message = arena_printf(a, "conversion webhook for %s failed: %s", q->kind, err.text);
        return NULL;
    }
    struct json *converted = json_path(review, "response.convertedObjects");
    if (json_count(converted) != json_count(q->objects)) {
        *ret_message = arena_printf(a, "conversion webhook for %s returned %u objects, expected %u",
                                    q->kind, json_count(converted), json_count(q->objects));
        return NULL;
    }
    const struct json *before = json_first(q->objects);
    for (struct json *o = json_first(converted); o; o = o->next, before = before->next, i++)
        if (check_object(q, a, before, o, &err) < 0) {
            *ret_message = arena_printf(
                a, "conversion webhook for %s returned invalid converted object at index %lld: %s",
                q->kind, (long long)i, err.text);
            return NULL;
        }
    return converted;
}

static void answered(void *ctx, int rc, struct str body, const char *message)
{
    struct conversion_review *c = ctx;
    struct arena *a = &c->arena;
    const struct json *converted = NULL;
    if (rc == 0)
        converted = conversion_answer(&c->asked, a, body, &message);
    else
        message = arena_printf(a, "conversion webhook for %s failed: %s", c->asked.kind, message);
    c->done(c->ctx, converted, message ? message : "out of memory");
}

/* ---- the question ---- */

static struct str write_review(struct conversion_review *c)
{
    struct arena *a = &c->arena;
    struct json *review = json_new(a, JSON_OBJECT), *request = json_object_at(a, review, "request");
    struct buf out CLEANUP_BUF;
    buf_init(&out, 4 * (size_t)LIMIT_BODY_BYTES);
    json_set_cstr(a, review, "kind", "ConversionReview");
    json_set_cstr(a, review, "apiVersion", c->asked.version);
    json_set_cstr(a, request, "uid", c->uid);
    json_set_cstr(a, request, "desiredAPIVersion", c->asked.desired);
    json_set(a, request, "objects", json_clone(a, c->asked.objects));
    if (!a->failed)
        json_write(&out, review);
    return a->failed || out.failed ? str_make(NULL, 0) : arena_str(a, buf_str(&out));
}

static const char *review_version(const struct crd *crd)
{
    for (const struct json *m = json_first(json_get(crd->webhook, "conversionReviewVersions")); m;
         m = m->next)
        if (str_is(json_str(m), "v1") || str_is(json_str(m), "v1beta1"))
            return str_is(json_str(m), "v1") ? CRD_GROUP "/v1" : CRD_GROUP "/v1beta1";
    return CRD_GROUP "/v1";
}

int conversion_review_new(struct api *api, struct crd *crd, struct conversion_hook *h,
                          const struct crd_version *to, const struct json *objects,
                          conversion_done_fn *done, void *ctx, struct conversion_review **ret,
                          struct err *err)
{
    struct conversion_review *c = mem_zalloc(sizeof *c);
    struct err why = {0};
    if (!c)
        return err_set(err, E_NOMEM, "out of memory");
    arena_init(&c->arena, 2 * (size_t)LIMIT_REQUEST_ARENA);
    c->crd = crd_ref(crd);
    c->done = done;
    c->ctx = ctx;
    crypto_uuid(c->uid);
    c->asked = (struct conversion_question){
        .version = review_version(crd),
        .uid = c->uid,
        .desired = arena_printf(&c->arena, "%s/%s", crd->group, to->name),
        .kind = arena_printf(&c->arena, "%s, Kind=%s",
                             json_path_cstr(json_first(objects), "apiVersion"),
                             json_path_cstr(json_first(objects), "kind")),
        .objects = json_clone(&c->arena, objects)};
    struct str body = write_review(c);
    int rc = body.p ? webhook_call_new(api, &h->hook, body, answered, c, &c->call, &why) : -E_NOMEM;
    if (rc < 0) {
        err_set(err, -rc, "conversion webhook for %s failed: %s",
                c->asked.kind ? c->asked.kind : "", why.text[0] ? why.text : err_text(rc));
        conversion_review_free(c);
        return rc;
    }
    *ret = c;
    return 0;
}
