/* Questions that are asked by creating an object: access reviews, token reviews, and who one is.
 * Nothing is stored. */
#include "api/auth/auth.h"
#include "api/auth/tokens.h"
#include "api/write.h"

enum { REASON_BYTES = 8192 };

bool reviews_owns(const struct schema_resource *res)
{
    const char *group = schema_resource_group(res);
    return cstr_eq(group, "authorization.k8s.io") || cstr_eq(group, "authentication.k8s.io");
}

static struct json *user_info(struct arena *a, const struct user *u)
{
    struct json *j = json_new(a, JSON_OBJECT), *groups = json_new(a, JSON_ARRAY);
    json_set_cstr(a, j, "username", u->name);
    if (u->uid && u->uid[0])
        json_set_cstr(a, j, "uid", u->uid);
    for (size_t i = 0; i < u->group_count; i++)
        json_append(a, groups, json_new_cstr(a, u->groups[i]));
    json_set(a, j, "groups", groups);
    if (json_count(u->extra))
        json_set(a, j, "extra", json_clone(a, u->extra));
    return j;
}

/* ---- may they ---- */

/* "a=b,c=d" of what says exactly one value; other requirements narrow nothing for us. */
static struct str selector_text(struct arena *a, const struct json *selector)
{
    struct str raw = json_path_str(selector, "rawSelector");
    if (raw.n)
        return raw;
    const char *text = "";
    for (const struct json *m = json_first(json_get(selector, "requirements")); m; m = m->next) {
        const struct json *values = json_get(m, "values");
        if (!str_is(json_path_str(m, "operator"), "In") || json_count(values) != 1)
            continue;
        text = arena_printf(a, "%s%s%s=%s", text, text[0] ? "," : "", json_path_cstr(m, "key"),
                            json_cstr(json_first(values)));
        if (!text)
            return STR("");
    }
    return str_of(text);
}

static void read_ask(struct arena *a, const struct json *spec, struct auth_ask *ask)
{
    const struct json *res = json_get(spec, "resourceAttributes"),
                      *path = json_get(spec, "nonResourceAttributes");
    ask->is_resource = res != NULL;
    ask->verb = json_path_cstr(res ? res : path, "verb");
    ask->group = json_path_cstr(res, "group");
    ask->version = json_path_cstr(res, "version");
    ask->resource = json_path_cstr(res, "resource");
    ask->subresource = json_path_cstr(res, "subresource");
    ask->ns = json_path_cstr(res, "namespace");
    ask->name = json_path_cstr(res, "name");
    ask->path = json_path_cstr(path, "path");
    ask->field_selector = selector_text(a, json_get(res, "fieldSelector"));
}

static void set_answer(struct api_request *r, struct json *o, const struct user *u)
{
    struct arena *a = &r->work;
    struct json *status = json_new(a, JSON_OBJECT);
    struct buf reason CLEANUP_BUF;
    struct auth_ask ask = {.user = u};
    buf_init(&reason, REASON_BYTES);
    read_ask(a, json_get(o, "spec"), &ask);
    json_set_bool(a, status, "allowed", auth_allows(r->api, &ask, &reason));
    if (buf_len(&reason))
        json_set_str(a, status, "reason", buf_str(&reason));
    json_set(a, o, "status", status);
}

/* Another user, as the review describes them. */
static bool other_user(struct arena *a, const struct json *spec, struct user *u)
{
    bool fits = true;
    *u = (struct user){.name = json_path_cstr(spec, "user"), .uid = json_path_cstr(spec, "uid")};
    for (const struct json *m = json_first(json_get(spec, "groups")); m; m = m->next)
        fits = user_add_group(a, u, json_cstr(m)) && fits;
    return fits;
}

static int fail_review(struct api_request *r, const char *what)
{
    return fail_status(r, 422, "Invalid", NULL, "%s.authorization.k8s.io \"\" is invalid: %s",
                       schema_resource_kind(r->resource), what);
}

static int access_review(struct api_request *r, struct json *o, const char *plural)
{
    const struct json *spec = json_get(o, "spec");
    const struct json *res = json_get(spec, "resourceAttributes"),
                      *path = json_get(spec, "nonResourceAttributes");
    struct user other;
    if (res && path)
        return fail_review(r, "spec.nonResourceAttributes: Invalid value: {}: cannot be specified "
                              "in combination with resourceAttributes");
    if (!res && !path)
        return fail_review(r, "spec.resourceAttributes: Invalid value: null: exactly one of "
                              "nonResourceAttributes or resourceAttributes must be specified");
    if (cstr_eq(plural, "selfsubjectaccessreviews")) {
        set_answer(r, o, &r->user);
        return 0;
    }
    if (!json_path_str(spec, "user").n && !json_count(json_get(spec, "groups")))
        return fail_review(r, "spec.user: Invalid value: \"\": at least one of user or group must "
                              "be specified");
    if (cstr_eq(plural, "localsubjectaccessreviews") &&
        (path || !str_eq(json_path_str(res, "namespace"), r->url.ns)))
        return fail_review(r, path ? "spec.nonResourceAttributes: Invalid value: {}: disallowed "
                                     "on this kind of request"
                                   : "spec.resourceAttributes.namespace: Invalid value: \"\": "
                                     "must match metadata.namespace");
    if (!other_user(&r->work, spec, &other))
        return fail_bad_request(r, "more groups than can be looked at");
    set_answer(r, o, &other);
    return 0;
}

/* ---- what may they ---- */

struct listing {
    struct arena *arena;
    struct json *resources, *paths;
};

static void list_rule(void *ctx, const struct rule *rule)
{
    struct listing *l = ctx;
    struct json *j = rule_json(l->arena, rule);
    json_append(l->arena, rule->urls.count ? l->paths : l->resources, j);
}

static int rules_review(struct api_request *r, struct json *o)
{
    struct arena *a = &r->work;
    struct json *status = json_new(a, JSON_OBJECT);
    const char *ns = json_path_cstr(o, "spec.namespace");
    struct listing l = {a, json_array_at(a, status, "resourceRules"),
                        json_array_at(a, status, "nonResourceRules")};
    bool node = node_of_user(&r->user) != NULL;
    if (!ns[0])
        return fail_bad_request(r, "no namespace on request");
    if (r->api->rbac)
        rbac_rules_for(r->api->rbac, &r->user, ns, list_rule, &l);
    json_set_bool(a, status, "incomplete", node);
    if (node)
        json_set_cstr(a, status, "evaluationError",
                      "node authorizer does not support user rule resolution");
    json_set(a, o, "status", status);
    return 0;
}

/* ---- who are they ---- */

static int token_review(struct api_request *r, struct json *o)
{
    struct arena *a = &r->work;
    struct json *status = json_new(a, JSON_OBJECT);
    struct str token = json_path_str(o, "spec.token");
    struct audiences audiences = {.count = 0};
    struct user u = {.name = ""};
    struct err err = {0};
    if (!token.n)
        return fail_bad_request(r, "token is required for TokenReview in authentication");
    for (const struct json *m = json_first(json_path(o, "spec.audiences")); m; m = m->next) {
        if (audiences.count == sizeof audiences.at / sizeof audiences.at[0])
            return fail_bad_request(r, "more audiences than can be looked at");
        audiences.at[audiences.count++] = json_str(m);
    }
    int rc = tokens_verify(r->api, a, token, &audiences, &u, &err);
    if (rc == -E_NOMEM)
        return fail_memory(r);
    json_set_bool(a, status, "authenticated", rc == 0);
    json_set(a, status, "user", rc == 0 ? user_info(a, &u) : json_new(a, JSON_OBJECT));
    for (size_t i = 0; i < audiences.count && rc == 0; i++)
        json_append(a, json_array_at(a, status, "audiences"), json_new_str(a, audiences.at[i]));
    if (rc < 0)
        json_set_cstr(a, status, "error", err.text);
    json_set(a, o, "status", status);
    return 0;
}

void reviews_handle(struct api_request *r)
{
    struct json *o;
    const char *plural = schema_resource_plural(r->resource);
    int rc = body_read(r, &r->work, r->resource, &o);
    if (rc != 0)
        return;
    if (cstr_eq(plural, "tokenreviews"))
        rc = token_review(r, o);
    else if (cstr_eq(plural, "selfsubjectreviews"))
        json_set_path(&r->work, o, "status.userInfo", user_info(&r->work, &r->user));
    else if (cstr_eq(plural, "selfsubjectrulesreviews"))
        rc = rules_review(r, o);
    else
        rc = access_review(r, o, plural);
    if (rc != 0)
        return;
    if (r->work.failed)
        fail_memory(r);
    else
        reply_tree(r, 201, o);
}
