/* Policies over a write: every one with every binding and parameter, then the first refusal. */
#include "api/admission/policy.h"

struct judging {
    const struct hook_request *q;
    const struct policy *p;
    const struct policy_binding *b;
    const struct schema_resource *as;
    struct json *object, *old;
    int rc;
    const char *message; /* of the first that denies */
    const char *reason;
    bool denied;
};

static bool has_action(const struct policy_binding *b, const char *action)
{
    for (const struct json *m = json_first(json_get(b->spec, "validationActions")); m; m = m->next)
        if (str_is(json_str(m), action))
            return true;
    return false;
}

static void deny(struct judging *j, const char *why, struct str reason)
{
    struct arena *a = &j->q->w->r->arena;
    const char *what = why ? why : "out of memory";
    if (j->denied)
        return;
    j->denied = true;
    j->reason = reason.n ? arena_strndup(a, reason.p, reason.n) : "Invalid";
    j->message = j->b ? arena_printf(a,
                                     "ValidatingAdmissionPolicy '%s' with binding '%s' denied "
                                     "request: %s",
                                     j->p->name, j->b->name, what)
                      : arena_printf(a, "ValidatingAdmissionPolicy '%s' denied request: %s",
                                     j->p->name, what);
}

static void refused(void *ctx, const struct policy_refusal *why)
{
    struct judging *j = ctx;
    if (has_action(j->b, "Deny"))
        deny(j, why->message, why->reason);
    if (has_action(j->b, "Warn"))
        request_warn(j->q->w->r,
                     "Validation failed for ValidatingAdmissionPolicy '%s' with binding '%s': %s",
                     j->p->name, j->b->name, why->message ? why->message : "");
}

static void with_param(void *ctx, const struct json *param)
{
    struct judging *j = ctx;
    if (j->rc == 0)
        j->rc = policy_eval(j->p, j->q, j->as, j->object, j->old, param, refused, j);
}

static void judge_binding(struct judging *j)
{
    const struct json *match = json_get(j->b->spec, "matchResources");
    const struct schema_resource *as;
    struct err err = {0};
    int rc = match ? match_resources(j->q, match, "resourceRules", &as) : 1;
    if (rc == -E_NOT_FOUND)
        err_set(&err, E_NOT_FOUND, "namespaces \"" STR_FMT "\" not found", STR_ARG(j->q->ns));
    else if (rc == 1)
        rc = policy_params(j->p, j->b, j->q, with_param, j, &err);
    if (rc == -E_NOMEM)
        j->rc = rc;
    else if (rc < 0 && !j->p->ignores_failure) {
        const char *why = arena_printf(&j->q->w->r->arena, "failed to configure binding: %s", err.text);
        deny(j, why, STR(""));
    }
}

static void judge_policy(struct judging *j)
{
    const struct hook_request *q = j->q;
    int rc = match_resources(q, json_get(j->p->spec, "matchConstraints"), "resourceRules", &j->as);
    j->b = NULL;
    if (rc == 0)
        return;
    if (rc == 1)
        rc = match_convert(q, q->resource, j->as, q->object, &j->object);
    if (rc == 0)
        rc = match_convert(q, q->resource, j->as, q->old, &j->old);
    if (rc < 0) {
        if (!j->p->ignores_failure)
            deny(j, rc == -E_NOT_FOUND ? "failed to configure policy: the namespace is not found"
                                       : "failed to configure policy: the object cannot be converted",
                 STR(""));
        return;
    }
    for (size_t i = 0; i < j->p->binding_count && j->rc == 0; i++) {
        j->b = &j->p->bindings[i];
        judge_binding(j);
    }
}

static int http_of(const char *reason)
{
    return cstr_eq(reason, "Forbidden")               ? 403
           : cstr_eq(reason, "Unauthorized")          ? 401
           : cstr_eq(reason, "RequestEntityTooLarge") ? 413
                                                      : 422;
}

/* As upstream's admission.NewForbidden, with the reason of the policy. */
static int answer(const struct judging *j)
{
    const struct hook_request *q = j->q;
    struct arena *a = &q->w->r->arena;
    const char *group = schema_resource_group(q->resource), *reason = j->reason ? j->reason : "Invalid";
    struct json *details = json_new(a, JSON_OBJECT), *cause = json_new(a, JSON_OBJECT);
    if (q->name.n)
        json_set_str(a, details, "name", q->name);
    if (group[0])
        json_set_cstr(a, details, "group", group);
    json_set_cstr(a, details, "kind", schema_resource_plural(q->resource));
    json_set_cstr(a, cause, "message", j->message ? j->message : "");
    json_append(a, json_array_at(a, details, "causes"), cause);
    return fail_status(q->w->r, http_of(reason), reason, details,
                       "%s%s%s \"" STR_FMT "\" is forbidden: %s",
                       schema_resource_plural(q->resource), group[0] ? "." : "", group,
                       STR_ARG(q->name), j->message ? j->message : "out of memory");
}

int policies_judge(const struct hook_index *x, const struct hook_request *q)
{
    struct judging j = {.q = q};
    for (size_t i = 0; i < x->policy_count && j.rc == 0; i++) {
        j.p = &x->policies[i];
        judge_policy(&j);
    }
    if (j.rc == -E_NOMEM)
        return fail_memory(q->w->r);
    if (j.rc < 0)
        return fail_code(q->w->r, j.rc, "policies could not be evaluated");
    return j.denied ? answer(&j) : 0;
}
