/* Questions that are asked by creating an object: access reviews, token reviews. Nothing is stored.
 */
#include "api/write.h"

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
    if (u->pod_name && u->pod_name[0]) {
        struct json *extra = json_new(a, JSON_OBJECT);
        json_append(a, json_array_at(a, extra, "authentication.kubernetes.io/pod-name"),
                    json_new_cstr(a, u->pod_name));
        json_append(a, json_array_at(a, extra, "authentication.kubernetes.io/pod-uid"),
                    json_new_cstr(a, u->pod_uid));
        json_set(a, j, "extra", extra);
    }
    return j;
}

static void set_answer(struct arena *a, struct json *o, const struct user *u, bool known)
{
    const struct json *spec = json_get(o, "spec");
    const struct json *attributes = json_get(spec, "resourceAttributes"),
                      *path = json_get(spec, "nonResourceAttributes");
    struct json *status = json_new(a, JSON_OBJECT);
    const char *reason = "";
    bool allowed = false;
    if (known && attributes)
        allowed =
            auth_allows(u, json_path_cstr(attributes, "verb"), json_path_cstr(attributes, "group"),
                        json_path_cstr(attributes, "resource"), NULL, &reason);
    else if (known && path)
        allowed = auth_allows(u, json_path_cstr(path, "verb"), "", "", json_path_cstr(path, "path"),
                              &reason);
    json_set_bool(a, status, "allowed", allowed);
    if (reason[0])
        json_set_cstr(a, status, "reason", reason);
    json_set(a, o, "status", status);
}

/* Another user, as the review describes them: only groups say something until RBAC is served. */
static void other_user(struct arena *a, const struct json *spec, struct user *u)
{
    *u = (struct user){.name = json_path_cstr(spec, "user"), .uid = json_path_cstr(spec, "uid")};
    for (const struct json *m = json_first(json_get(spec, "groups"));
         m && u->group_count < USER_GROUPS; m = m->next)
        u->groups[u->group_count++] = json_cstr(m);
    u->trusted = user_in(u, "system:masters") || user_in(u, "system:nodes");
    (void)a;
}

static int access_review(struct api_request *r, struct json *o, const char *plural)
{
    const struct json *spec = json_get(o, "spec");
    struct user other;
    if (!json_get(spec, "resourceAttributes") == !json_get(spec, "nonResourceAttributes"))
        return fail_status(
            r, 422, "Invalid", NULL,
            "%s.authorization.k8s.io \"\" is invalid: spec.resourceAttributes: Invalid value: "
            "null: "
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
            schema_resource_kind(r->resource));
    if (cstr_eq(plural, "selfsubjectaccessreviews")) {
        set_answer(&r->work, o, &r->user, true);
        return 0;
    }
    other_user(&r->work, spec, &other);
    set_answer(&r->work, o, &other, true);
    return 0;
}

static struct json *star_rule(struct arena *a, const char *const *names)
{
    struct json *rule = json_new(a, JSON_OBJECT);
    for (; *names; names++)
        json_append(a, json_array_at(a, rule, *names), json_new_cstr(a, "*"));
    return rule;
}

static void rules_review(struct arena *a, const struct user *u, struct json *o)
{
    struct json *status = json_new(a, JSON_OBJECT);
    struct json *resources = json_array_at(a, status, "resourceRules");
    struct json *paths = json_array_at(a, status, "nonResourceRules");
    if (u->trusted) {
        json_append(a, resources,
                    star_rule(a, (const char *const[]){"verbs", "apiGroups", "resources", NULL}));
        json_append(a, paths,
                    star_rule(a, (const char *const[]){"verbs", "nonResourceURLs", NULL}));
    }
    json_set_bool(a, status, "incomplete", false);
    json_set(a, o, "status", status);
}

static int token_review(struct api_request *r, struct json *o)
{
    struct arena *a = &r->work;
    struct json *status = json_new(a, JSON_OBJECT);
    const struct json *audiences = json_path(o, "spec.audiences");
    struct str token = json_path_str(o, "spec.token");
    struct user u = {.name = ""};
    struct err err = {0};
    const char *audience = json_count(audiences) ? json_cstr(json_first(audiences)) : NULL;
    if (!token.n)
        return fail_bad_request(r, "token is required for TokenReview in authentication");
    int rc = token_verify(r->api, a, token, audience, &u, &err);
    json_set_bool(a, status, "authenticated", rc == 0);
    if (rc == 0) {
        json_set(a, status, "user", user_info(a, &u));
        json_append(a, json_array_at(a, status, "audiences"),
                    json_new_cstr(a, audience ? audience : r->api->issuer));
    } else {
        json_set_cstr(a, status, "error", err.text);
    }
    json_remove(json_get(o, "spec"), "token");
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
    if (cstr_eq(plural, "tokenreviews")) {
        rc = token_review(r, o);
    } else if (cstr_eq(plural, "selfsubjectreviews")) {
        json_set_path(&r->work, o, "status.userInfo", user_info(&r->work, &r->user));
    } else if (cstr_eq(plural, "selfsubjectrulesreviews")) {
        rules_review(&r->work, &r->user, o);
    } else {
        rc = access_review(r, o, plural);
    }
    if (rc != 0)
        return;
    if (r->work.failed)
        fail_memory(r);
    else
        reply_tree(r, 201, o);
}
