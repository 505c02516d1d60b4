/*
 * Service-account tokens: JWTs (RFC 7519) signed with ES256, bound to a service account and perhaps
 * to a pod, a secret or a node. Only what one of this cluster's keys signed is accepted: alg must be
 * ES256, issuer and audience ours, times valid, and what it is bound to must still be the same.
 */
#include "api/auth/account_token.h"

#include "api/auth/auth.h"
#include "api/auth/seen.h"
#include "codec/jwt.h"
#include "codec/time.h"

#define CLAIM "kubernetes.io/serviceaccount/"

enum { TOKEN_BYTES = 8192, SLACK_S = 60 };

static bool signature_valid(struct api *api, const struct jwt *t, struct str text)
{
    uint8_t digest[SHA256_BYTES];
    sha256_of(text, digest);
    if (seen_has(api->seen, digest))
        return true;
    struct str kid = json_str(json_get(t->header, "kid"));
    for (size_t i = 0; i < api->account_key_count; i++) {
        const struct account_key *k = &api->account_keys[i];
        /* Tokens signed before keys had ids name none: then each is tried. */
        if ((!kid.n || str_is(kid, k->id)) && t->signature.n == 64 &&
            crypto_verify(k->key, t->signed_part, t->signature)) {
            seen_add(api->seen, digest);
            return true;
        }
    }
    return false;
}

/* Narrows to those that the token names; false: none. */
static bool meet_audiences(struct api *api, const struct jwt *t, struct audiences *wanted)
{
    size_t kept = 0;
    if (!wanted || !wanted->count) {
        if (wanted)
            wanted->at[wanted->count++] = str_of(api->issuer);
        return jwt_claim_has(t, "aud", str_of(api->issuer));
    }
    for (size_t i = 0; i < wanted->count; i++)
        if (jwt_claim_has(t, "aud", wanted->at[i]))
            wanted->at[kept++] = wanted->at[i];
    wanted->count = kept;
    return kept > 0;
}

/* The object is there, is the same one, and is not on its way out for longer than its grace. */
static bool still_there(struct api *api, struct arena *a, const char *resource, struct str ns,
                        const struct json *ref)
{
    struct str name = json_path_str(ref, "name"), uid = json_path_str(ref, "uid");
    const struct json *o = object_load(api, a, "", resource, ns, name, NULL);
    if (!o || !uid.n || !str_eq(json_path_str(o, "metadata.uid"), uid))
        return false;
    struct str stamp = json_path_str(o, "metadata.deletionTimestamp");
    return !stamp.n || time_text_ms(stamp, 0) + SLACK_S * 1000 > api_now_us(api) / 1000;
}

static int check_claims(struct api *api, const struct jwt *t, struct audiences *audiences,
                        struct err *err)
{
    int64_t now = api_now_us(api) / 1000000;
    if (!str_is(json_path_str(t->payload, "iss"), api->issuer))
        return err_set(err, E_UNAUTHORIZED, "the token has another issuer");
    if (!meet_audiences(api, t, audiences))
        return err_set(err, E_UNAUTHORIZED, "the token is for another audience");
    if (json_path_i64(t->payload, "exp", 0) <= now)
        return err_set(err, E_UNAUTHORIZED, "the token has expired");
    if (json_path_i64(t->payload, "nbf", 0) > now + SLACK_S)
        return err_set(err, E_UNAUTHORIZED, "the token is not valid yet");
    return 0;
}

static void put_extra(struct arena *a, struct json *extra, const char *key, struct str value)
{
    if (value.n)
        json_append(a, json_array_at(a, extra, key), json_new_str(a, value));
}

static struct json *make_extra(struct arena *a, const struct jwt *t, const struct json *k8s)
{
    struct json *extra = json_new(a, JSON_OBJECT);
    struct str id = json_path_str(t->payload, "jti");
    if (id.n)
        put_extra(a, extra, "authentication.kubernetes.io/credential-id",
                  str_of(arena_printf(a, "JTI=" STR_FMT, STR_ARG(id))));
    put_extra(a, extra, "authentication.kubernetes.io/node-name", json_path_str(k8s, "node.name"));
    put_extra(a, extra, "authentication.kubernetes.io/node-uid", json_path_str(k8s, "node.uid"));
    put_extra(a, extra, "authentication.kubernetes.io/pod-name", json_path_str(k8s, "pod.name"));
    put_extra(a, extra, "authentication.kubernetes.io/pod-uid", json_path_str(k8s, "pod.uid"));
    return extra;
}

/* A token that lies in a Secret and lasts as long as that (upstream's legacy tokens). */
static int make_secret_user(struct api *api, struct arena *a, const struct jwt *t, struct str text,
                            struct user *u, struct err *err)
{
    struct str ns = json_str(json_get(t->payload, CLAIM "namespace")),
               name = json_str(json_get(t->payload, CLAIM "service-account.name")),
               uid = json_str(json_get(t->payload, CLAIM "service-account.uid")),
               secret_name = json_str(json_get(t->payload, CLAIM "secret.name"));
    const char *full =
        arena_printf(a, "system:serviceaccount:" STR_FMT ":" STR_FMT, STR_ARG(ns), STR_ARG(name));
    const struct json *secret = object_load(api, a, "", "secrets", ns, secret_name, NULL),
                      *account = object_load(api, a, "", "serviceaccounts", ns, name, NULL);
    struct str kept = json_str(json_get(json_get(secret, "data"), "token"));
    char *plain = arena_alloc(a, kept.n / 4 * 3 + 4);
    size_t n = 0;
    if (a->failed)
        return err_set(err, E_NOMEM, "out of memory");
    if (!secret || json_path(secret, "metadata.deletionTimestamp") ||
        base64_decode(plain, &n, kept) < 0 || n != text.n || !crypto_equal(plain, text.p, n))
        return err_set(err, E_UNAUTHORIZED, "the token's secret is gone");
    if (!account || !uid.n || !str_eq(json_path_str(account, "metadata.uid"), uid) ||
        !str_is(json_path_str(t->payload, "sub"), full))
        return err_set(err, E_UNAUTHORIZED, "the token's service account is gone");
    *u = (struct user){.name = full, .uid = arena_strndup(a, uid.p, uid.n)};
    user_add_group(a, u, "system:serviceaccounts");
    user_add_group(a, u, arena_printf(a, "system:serviceaccounts:" STR_FMT, STR_ARG(ns)));
    user_add_group(a, u, "system:authenticated");
    return a->failed ? err_set(err, E_NOMEM, "out of memory") : 0;
}

static int check_bound(struct api *api, struct arena *a, const struct json *k8s, struct str ns,
                       struct err *err)
{
    const struct json *pod = json_get(k8s, "pod"), *secret = json_get(k8s, "secret"),
                      *node = json_get(k8s, "node");
    if (pod && !still_there(api, a, "pods", ns, pod))
        return err_set(err, E_UNAUTHORIZED, "the token's pod is gone");
    if (secret && !still_there(api, a, "secrets", ns, secret))
        return err_set(err, E_UNAUTHORIZED, "the token's secret is gone");
    /* Beside a pod the node only says where that ran; alone the token is bound to it. */
    if (node && !pod && !still_there(api, a, "nodes", STR(""), node))
        return err_set(err, E_UNAUTHORIZED, "the token's node is gone");
    return 0;
}

static int make_user(struct api *api, struct arena *a, const struct jwt *t, struct user *u,
                     struct err *err)
{
    const struct json *k8s = json_get(t->payload, "kubernetes.io");
    const struct json *account = json_get(k8s, "serviceaccount");
    struct str ns = json_path_str(k8s, "namespace"), name = json_path_str(account, "name");
    const char *full =
        arena_printf(a, "system:serviceaccount:" STR_FMT ":" STR_FMT, STR_ARG(ns), STR_ARG(name));
    const char *group = arena_printf(a, "system:serviceaccounts:" STR_FMT, STR_ARG(ns));
    if (!full || !group)
        return err_set(err, E_NOMEM, "out of memory");
    if (!ns.n || !name.n || !str_is(json_path_str(t->payload, "sub"), full))
        return err_set(err, E_UNAUTHORIZED, "the token names no service account");
    if (!still_there(api, a, "serviceaccounts", ns, account))
        return err_set(err, E_UNAUTHORIZED, "the token's service account is gone");
    int rc = check_bound(api, a, k8s, ns, err);
    if (rc < 0)
        return rc;
    *u = (struct user){.name = full,
                       .uid = json_path_cstr(account, "uid"),
                       .extra = make_extra(a, t, k8s)};
    user_add_group(a, u, "system:serviceaccounts");
    user_add_group(a, u, group);
    user_add_group(a, u, "system:authenticated");
    return a->failed ? err_set(err, E_NOMEM, "out of memory") : 0;
}

int account_token_verify(struct api *api, struct arena *a, struct str text,
                         struct audiences *audiences, struct user *ret, struct err *err)
{
    struct jwt t;
    if (!api->account_key_count || text.n > TOKEN_BYTES)
        return err_set(err, E_UNAUTHORIZED, "no such token");
    int rc = jwt_parse(a, text, &t, err);
    if (rc == -E_NOMEM)
        return rc;
    if (rc < 0 || !jwt_header_is(&t, "ES256"))
        return err_set(err, E_UNAUTHORIZED, "the token is no ES256 JWT");
    if (!signature_valid(api, &t, text))
        return err_set(err, E_UNAUTHORIZED, "the token's signature is wrong");
    if (str_is(json_path_str(t.payload, "iss"), "kubernetes/serviceaccount")) {
        /* It names no audience: it is the API's only. */
        if (audiences && audiences->count)
            return err_set(err, E_UNAUTHORIZED, "the token is for another audience");
        if (audiences)
            audiences->at[audiences->count++] = str_of(api->issuer);
        return make_secret_user(api, a, &t, text, ret, err);
    }
    rc = check_claims(api, &t, audiences, err);
    return rc < 0 ? rc : make_user(api, a, &t, ret, err);
}
