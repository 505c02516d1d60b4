/*
 * TokenRequest: a service account's token, for an audience and a time, perhaps bound to a pod, a
 * secret or a node. The role keys signs it; auth/account_token.c verifies it.
 */
#include <stdio.h>

#include "api/admission/webhook.h"
#include "api/write.h"
#include "codec/jwt.h"
#include "codec/time.h"

enum {
    TOKEN_BYTES = 8192,
    EXPIRE_LEAST_S = 600,
    EXPIRE_DEFAULT_S = 3600,
};
static const int64_t expire_most_s = (int64_t)1 << 32;

/* What waits for the signature; the request may be gone when it comes. */
struct signing {
    struct api_request *r;
    struct buf message;
    int64_t expires_us;
};

static struct json *reference(struct arena *a, struct str name, struct str uid)
{
    struct json *j = json_new(a, JSON_OBJECT);
    json_set_str(a, j, "name", name);
    json_set_str(a, j, "uid", uid);
    return j;
}

static const struct bindable {
    const char *kind, *resource, *claim;
    bool namespaced;
} bindable[] = {{"Pod", "pods", "pod", true},
                {"Secret", "secrets", "secret", true},
                {"Node", "nodes", "node", false}};

/* A pod's token says on which node it runs. */
static int bind_pod(struct write *w, const struct json *pod, struct json *k8s)
{
    if (!str_eq(json_path_str(pod, "spec.serviceAccountName"), w->name))
        return fail_bad_request(w->r,
                                "cannot bind token for serviceaccount \"" STR_FMT
                                "\" to pod running with different serviceaccount name.",
                                STR_ARG(w->name));
    struct str node = json_path_str(pod, "spec.nodeName");
    const struct json *n =
        node.n ? object_load(w->api, w->a, "", "nodes", STR(""), node, NULL) : NULL;
    if (n)
        json_set(w->a, k8s, "node", reference(w->a, node, json_path_str(n, "metadata.uid")));
    return 0;
}

/* What the token shall be bound to; nonzero: answered. */
static int bind_object(struct write *w, const struct json *ref, struct json *k8s)
{
    struct api_request *r = w->r;
    struct str kind = json_path_str(ref, "kind"), name = json_path_str(ref, "name"),
               uid = json_path_str(ref, "uid");
    const struct bindable *b = NULL;
    if (!ref)
        return 0;
    for (size_t i = 0; i < sizeof bindable / sizeof bindable[0]; i++)
        if (str_is(kind, bindable[i].kind) && str_is(json_path_str(ref, "apiVersion"), "v1"))
            b = &bindable[i];
    if (!b)
        return fail_bad_request(r, "cannot bind token to object of type " STR_FMT ", Kind=" STR_FMT,
                                STR_ARG(json_path_str(ref, "apiVersion")), STR_ARG(kind));
    const struct schema_resource *res =
        schema_resource_find(STR(""), STR("v1"), str_of(b->resource));
    const struct json *o = object_load(w->api, w->a, "", b->resource, b->namespaced ? w->ns : STR(""),
                                       name, NULL);
    if (!o)
        return fail_not_found(r, res, name);
    struct str own = json_path_str(o, "metadata.uid");
    if (uid.n && !str_eq(uid, own))
        return fail_conflict(r, res, name,
                             arena_printf(w->a, "the UID in the bound object reference (" STR_FMT
                                                ") does not match the UID in record. The object "
                                                "might have been deleted and then recreated",
                                          STR_ARG(uid)));
    json_set(w->a, k8s, b->claim, reference(w->a, name, own));
    return cstr_eq(b->claim, "pod") ? bind_pod(w, o, k8s) : 0;
}

static struct json *make_claims(struct write *w, const struct json *audiences, int64_t seconds,
                                struct json *k8s)
{
    struct arena *a = w->a;
    struct json *c = json_new(a, JSON_OBJECT);
    char id[37];
    int64_t now = w->now_us / 1000000;
    json_set(a, c, "aud", json_clone(a, audiences));
    json_set_i64(a, c, "exp", now + seconds);
    json_set_i64(a, c, "iat", now);
    json_set_cstr(a, c, "iss", w->api->issuer);
    crypto_uuid(id);
    json_set_cstr(a, c, "jti", id);
    json_set(a, c, "kubernetes.io", k8s);
    json_set_i64(a, c, "nbf", now);
    json_set_cstr(a, c, "sub",
                  arena_printf(a, "system:serviceaccount:" STR_FMT ":" STR_FMT, STR_ARG(w->ns),
                               STR_ARG(w->name)));
    return c;
}

static void answer(struct api_request *r, struct write *w, const char *token, int64_t expires_us)
{
    char text[TIME_TEXT];
    struct json *o = w->object, *status = json_new(w->a, JSON_OBJECT);
    time_format(expires_us, text);
    json_set_cstr(w->a, status, "token", token);
    json_set_cstr(w->a, status, "expirationTimestamp", text);
    json_set(w->a, o, "status", status);
    if (w->a->failed)
        fail_memory(r);
    else
        reply_tree(r, 201, o);
}

static void on_signed(void *arg, int rc, const uint8_t sig[64])
{
    struct signing *s = arg;
    struct api_request *r = s->r;
    request_enter(r);
    r->in_store = false;
    if (r->ended) {
        write_done(r);
    } else if (rc < 0) {
        fail_code(r, -E_UNAVAILABLE, "the token could not be signed");
    } else {
        jwt_write_signature(&s->message, sig, 64);
        if (s->message.failed)
            fail_memory(r);
        else
            answer(r, r->write, buf_cstr(&s->message), s->expires_us);
    }
    request_leave(r);
    buf_done(&s->message);
    mem_free(s);
}

static void sign(struct write *w, const struct json *claims, int64_t seconds)
{
    struct api_request *r = w->r;
    struct json *head = json_new(w->a, JSON_OBJECT);
    struct signing *s = mem_zalloc(sizeof *s);
    if (!s) {
        fail_memory(r);
        return;
    }
    s->r = r;
    s->expires_us = w->now_us + seconds * 1000000;
    buf_init(&s->message, TOKEN_BYTES);
    json_set_cstr(w->a, head, "alg", "ES256");
    json_set_cstr(w->a, head, "typ", "JWT");
    if (w->api->account_key_count)
        json_set_cstr(w->a, head, "kid", w->api->account_keys[0].id);
    jwt_write_signed_part(&s->message, head, claims);
    int rc = s->message.failed || w->a->failed ? -E_NOMEM : 0;
    r->in_store = true; /* the request outlives its caller until the signature comes */
    if (rc == 0)
        rc = r->api->sign ? r->api->sign(r->api->sign_ctx, buf_str(&s->message), on_signed, s)
                          : -E_UNAVAILABLE;
    if (rc == 0)
        return;
    r->in_store = false;
    buf_done(&s->message);
    mem_free(s);
    fail_code(r, rc, "the token could not be signed");
}

static void token_admitted(struct write *w)
{
    w->object = w->view;
    struct json *spec = json_object_at(w->a, w->object, "spec");
    struct json *audiences = json_array_at(w->a, spec, "audiences");
    int64_t seconds = json_path_i64(spec, "expirationSeconds", EXPIRE_DEFAULT_S);
    if (!json_count(audiences))
        json_append(w->a, audiences, json_new_cstr(w->a, w->api->issuer));
    const struct field *f = FIELD(NULL, "spec");
    if (seconds < EXPIRE_LEAST_S)
        field_invalid_int(&w->errors, FIELD(f, "expirationSeconds"), seconds,
                          "may not specify a duration less than 10 minutes");
    if (seconds > expire_most_s)
        field_invalid_int(&w->errors, FIELD(f, "expirationSeconds"), seconds,
                          "may not specify a duration larger than 2^32 seconds");
    if (w->errors.count) {
        fail_invalid(w);
        return;
    }
    json_set_i64(w->a, spec, "expirationSeconds", seconds);
    struct json *k8s = json_new(w->a, JSON_OBJECT);
    json_set_str(w->a, k8s, "namespace", w->ns);
    json_set(w->a, k8s, "serviceaccount",
             reference(w->a, w->name, json_path_str(w->old, "metadata.uid")));
    if (bind_object(w, json_get(spec, "boundObjectRef"), k8s) != 0)
        return;
    struct json *meta = json_object_at(w->a, w->object, "metadata");
    json_set_str(w->a, meta, "name", w->name);
    json_set_str(w->a, meta, "namespace", w->ns);
    json_set_cstr(w->a, meta, "creationTimestamp", w->now);
    sign(w, make_claims(w, audiences, seconds, k8s), seconds);
}

void token_request(struct api_request *r)
{
    struct write *w = write_new(r, resource_main(r->resource), r->url.ns, r->url.name);
    if (!w || body_read(r, w->a, r->resource, &w->object) != 0 || write_load(w) != 0)
        return;
    w->subresource = "token";
    if (admit_node_restriction(w) != 0)
        return;
    w->view = w->object;
    if (hooks_ask(w, "CREATE", token_admitted) == 0)
        token_admitted(w);
}
