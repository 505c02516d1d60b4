/*
 * Service-account tokens: JWTs (RFC 7519) signed with ES256, bound to a service account and usually
 * to a pod. Only what this cluster's key signed is accepted: alg must be ES256, issuer and audience
 * ours, times valid, and the account, the pod and the node it is bound to must still be the same.
 */
#include <stdio.h>

#include "api/write.h"
#include "codec/time.h"

enum {
    TOKEN_BYTES = 8192,
    EXPIRE_LEAST_S = 600,
    EXPIRE_MOST_S = 86400 * 366,
    EXPIRE_DEFAULT_S = 3600,
    SLACK_S = 60
};

static struct json *decode_part(struct arena *a, struct str part)
{
    size_t n;
    struct json *j = NULL;
    char *text = arena_alloc(a, part.n / 4 * 3 + 3);
    if (!text || base64url_decode(text, &n, part) < 0 ||
        json_parse(a, str_make(text, n), NULL, &j, NULL) < 0)
        return NULL;
    return json_is(j, JSON_OBJECT) ? j : NULL;
}

static bool signature_valid(struct api *api, struct str jwt, struct str signature)
{
    uint8_t bytes[TOKEN_BYTES];
    size_t n;
    if (signature.n > sizeof bytes || base64url_decode(bytes, &n, signature) < 0 || n != 64)
        return false;
    struct str message = str_make(jwt.p, jwt.n - signature.n - 1);
    return crypto_verify(api->service_account_key, message, str_make(bytes, n));
}

static bool has_audience(const struct json *aud, const char *wanted)
{
    if (json_is(aud, JSON_STRING))
        return str_is(aud->string, wanted);
    for (const struct json *m = json_first(aud); m; m = m->next)
        if (str_is(json_str(m), wanted))
            return true;
    return false;
}

/* The object is there, is the same one, and is not on its way out for longer than its grace. */
static bool still_there(struct api *api, struct arena *a, const char *resource, struct str ns,
                        const struct json *ref)
{
    struct str name = json_path_str(ref, "name"), uid = json_path_str(ref, "uid");
    const struct json *o = object_load(api, a, "", resource, ns, name, NULL);
    if (!o || !str_eq(json_path_str(o, "metadata.uid"), uid))
        return false;
    struct str stamp = json_path_str(o, "metadata.deletionTimestamp");
    return !stamp.n || time_text_ms(stamp, 0) + SLACK_S * 1000 > api_now_us(api) / 1000;
}

static int check_claims(struct api *api, const struct json *claims, const char *audience,
                        struct err *err)
{
    int64_t now = api_now_us(api) / 1000000;
    if (!str_is(json_path_str(claims, "iss"), api->issuer))
        return err_set(err, E_UNAUTHORIZED, "the token has another issuer");
    if (!has_audience(json_get(claims, "aud"), audience ? audience : api->issuer))
        return err_set(err, E_UNAUTHORIZED, "the token is for another audience");
    if (json_path_i64(claims, "exp", 0) <= now)
        return err_set(err, E_UNAUTHORIZED, "the token has expired");
    if (json_path_i64(claims, "nbf", 0) > now + SLACK_S)
        return err_set(err, E_UNAUTHORIZED, "the token is not valid yet");
    return 0;
}

static void add_extra(struct user *u, const struct json *k8s)
{
    u->pod_name = json_path_cstr(k8s, "pod.name");
    u->pod_uid = json_path_cstr(k8s, "pod.uid");
    u->node_name = json_path_cstr(k8s, "node.name");
}

static int make_user(struct api *api, struct arena *a, const struct json *claims, struct user *u,
                     struct err *err)
{
    const struct json *k8s = json_get(claims, "kubernetes.io");
    struct str ns = json_path_str(k8s, "namespace");
    const struct json *account = json_get(k8s, "serviceaccount"), *pod = json_get(k8s, "pod");
    struct str name = json_path_str(account, "name");
    const char *full =
        arena_printf(a, "system:serviceaccount:" STR_FMT ":" STR_FMT, STR_ARG(ns), STR_ARG(name));
    const char *group = arena_printf(a, "system:serviceaccounts:" STR_FMT, STR_ARG(ns));
    if (!full || !group)
        return err_set(err, E_NOMEM, "out of memory");
    if (!ns.n || !name.n || !str_is(json_path_str(claims, "sub"), full))
        return err_set(err, E_UNAUTHORIZED, "the token names no service account");
    if (!still_there(api, a, "serviceaccounts", ns, account))
        return err_set(err, E_UNAUTHORIZED, "the token's service account is gone");
    if (pod && !still_there(api, a, "pods", ns, pod))
        return err_set(err, E_UNAUTHORIZED, "the token's pod is gone");
    u->name = full;
    u->uid = json_path_cstr(account, "uid");
    u->groups[0] = "system:serviceaccounts";
    u->groups[1] = group;
    u->groups[2] = "system:authenticated";
    u->group_count = 3;
    add_extra(u, k8s);
    return 0;
}

int token_verify(struct api *api, struct arena *a, struct str jwt, const char *audience,
                 struct user *ret, struct err *err)
{
    struct str rest = jwt, header, payload, signature, more;
    if (!api->service_account_key || jwt.n > TOKEN_BYTES)
        return err_set(err, E_UNAUTHORIZED, "no such token");
    if (!str_split(&rest, '.', &header) || !str_split(&rest, '.', &payload) ||
        !str_split(&rest, '.', &signature) || str_split(&rest, '.', &more))
        return err_set(err, E_UNAUTHORIZED, "the token is no JWT");
    const struct json *head = decode_part(a, header), *claims = decode_part(a, payload);
    if (!head || !claims || !str_is(json_path_str(head, "alg"), "ES256") || json_get(head, "crit"))
        return err_set(err, E_UNAUTHORIZED, "the token is no ES256 JWT");
    if (!signature_valid(api, jwt, signature))
        return err_set(err, E_UNAUTHORIZED, "the token's signature is wrong");
    int rc = check_claims(api, claims, audience, err);
    return rc < 0 ? rc : make_user(api, a, claims, ret, err);
}

/* ---- TokenRequest ---- */

/* What waits for the signature; the request may be gone when it comes. */
struct signing {
    struct api_request *r;
    struct buf message;
    int64_t expires_us;
};

static void put_part(struct buf *out, struct arena *a, const struct json *j)
{
    struct buf text CLEANUP_BUF;
    buf_init(&text, TOKEN_BYTES);
    json_write(&text, j);
    char *encoded = text.failed ? NULL : arena_alloc(a, base64_encoded_size(buf_len(&text)));
    if (!encoded) {
        out->failed = true;
        return;
    }
    buf_append(out, encoded, base64url_encode(encoded, buf_str(&text).p, buf_len(&text)));
}

static struct json *reference(struct arena *a, struct str name, struct str uid)
{
    struct json *j = json_new(a, JSON_OBJECT);
    json_set_str(a, j, "name", name);
    json_set_str(a, j, "uid", uid);
    return j;
}

/* The pod (or node) that the token shall be bound to; nonzero: answered. */
static int bind_object(struct write *w, const struct json *ref, struct json *k8s)
{
    struct api_request *r = w->r;
    struct str kind = json_path_str(ref, "kind"), name = json_path_str(ref, "name"),
               uid = json_path_str(ref, "uid");
    if (!ref)
        return 0;
    if (!str_is(kind, "Pod"))
        return fail_bad_request(
            r, "cannot bind token to object of kind " STR_FMT ": only Pod is served",
            STR_ARG(kind));
    const struct json *pod = object_load(w->api, w->a, "", "pods", w->ns, name, NULL);
    if (!pod)
        return fail_not_found(r, schema_resource_find(STR(""), STR("v1"), STR("pods")), name);
    struct str own = json_path_str(pod, "metadata.uid");
    if (uid.n && !str_eq(uid, own))
        return fail_conflict(
            r, schema_resource_find(STR(""), STR("v1"), STR("pods")), name,
            "the UID in the bound object reference does not match the UID in record");
    if (!str_eq(json_path_str(pod, "spec.serviceAccountName"), w->name))
        return fail_bad_request(r,
                                "cannot bind token for serviceaccount \"" STR_FMT
                                "\" to pod running with different serviceaccount name.",
                                STR_ARG(w->name));
    json_set(w->a, k8s, "pod", reference(w->a, name, own));
    struct str node = json_path_str(pod, "spec.nodeName");
    const struct json *n =
        node.n ? object_load(w->api, w->a, "", "nodes", STR(""), node, NULL) : NULL;
    if (n)
        json_set(w->a, k8s, "node", reference(w->a, node, json_path_str(n, "metadata.uid")));
    return 0;
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
    char encoded[96];
    request_enter(r);
    r->in_store = false;
    if (r->ended) {
        write_done(r);
    } else if (rc < 0) {
        fail_code(r, -E_UNAVAILABLE, "the token could not be signed");
    } else {
        buf_putc(&s->message, '.');
        buf_append(&s->message, encoded, base64url_encode(encoded, sig, 64));
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
    put_part(&s->message, w->a, head);
    buf_putc(&s->message, '.');
    put_part(&s->message, w->a, claims);
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

void token_request(struct api_request *r)
{
    struct write *w = write_new(r, resource_main(r->resource), r->url.ns, r->url.name);
    if (!w || body_read(r, w->a, r->resource, &w->object) != 0 || write_load(w) != 0)
        return;
    struct json *spec = json_object_at(w->a, w->object, "spec");
    struct json *audiences = json_array_at(w->a, spec, "audiences");
    int64_t seconds = json_path_i64(spec, "expirationSeconds", EXPIRE_DEFAULT_S);
    if (!json_count(audiences))
        json_append(w->a, audiences, json_new_cstr(w->a, w->api->issuer));
    const struct field *f = FIELD(NULL, "spec");
    if (seconds < EXPIRE_LEAST_S)
        field_invalid_int(&w->errors, FIELD(f, "expirationSeconds"), seconds,
                          "may not specify a duration less than 10 minutes");
    if (seconds > EXPIRE_MOST_S)
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
