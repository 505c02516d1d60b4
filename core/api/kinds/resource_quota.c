/* ResourceQuota (pkg/apis/core/validation, pkg/registry/core/resourcequota). */
#include "api/kinds/kinds.h"
#include "codec/names.h"
#include "quota/quota.h"

/* ---- hard, used ---- */

static void check_name(struct field_errors *e, const struct field *f, struct str name)
{
    const char *why = names_qualified(name);
    if (why) {
        field_invalid_str(e, f, name, why);
    } else if (str_find_byte(name, '/') < 0) {
        if (!quota_name_resource(name))
            field_invalid_str(e, f, name, "must be a standard resource type or fully qualified");
        if (!quota_name_standard(name))
            field_invalid_str(e, f, name, "must be a standard resource for quota");
    }
}

static void check_quantity(struct field_errors *e, const struct field *f, struct str name,
                           const struct json *value)
{
    struct quantity q;
    if (quantity_parse(json_str(value), &q, NULL) < 0)
        return; /* the schema has said so */
    if (q.nano < 0)
        field_invalid(e, f, value, "must be greater than or equal to 0");
    if (quota_name_whole(name) && q.nano % (1000 * 1000 * 1000) != 0)
        field_invalid(e, f, value, "must be an integer");
}

static void check_list(struct field_errors *e, const struct field *f, const struct json *list)
{
    for (const struct json *m = json_first(list); m; m = m->next) {
        check_name(e, FIELD_KEY(f, m->key), m->key);
        check_quantity(e, FIELD_KEY(f, m->key), m->key, m);
    }
}

/* ---- scopes ---- */

/* Each bounded name that the scope cannot have is one error. */
static void check_fits(struct write *w, const struct field *f, struct str scope,
                       const struct json *shown)
{
    const struct json *hard = json_path(w->object, "spec.hard");
    for (const struct json *m = json_first(hard); m; m = m->next)
        if (quota_name_standard(m->key) && !quota_scope_fits(scope, m->key))
            field_invalid(&w->errors, f, shown, "unsupported scope applied to resource");
}

struct seen {
    bool best_effort, not_best_effort, terminating, not_terminating;
};

static void see(struct seen *s, struct str scope)
{
    s->best_effort |= str_is(scope, "BestEffort");
    s->not_best_effort |= str_is(scope, "NotBestEffort");
    s->terminating |= str_is(scope, "Terminating");
    s->not_terminating |= str_is(scope, "NotTerminating");
}

static void check_conflicts(struct write *w, const struct field *f, const struct seen *s)
{
    const struct json *scopes = json_path(w->object, "spec.scopes");
    if (s->best_effort && s->not_best_effort)
        field_invalid(&w->errors, f, scopes, "conflicting scopes");
    if (s->terminating && s->not_terminating)
        field_invalid(&w->errors, f, scopes, "conflicting scopes");
}

static void check_scopes(struct write *w, const struct field *spec)
{
    const struct field *f = FIELD(spec, "scopes");
    const struct json *scopes = json_path(w->object, "spec.scopes");
    struct seen seen = {0};
    for (const struct json *s = json_first(scopes); s; s = s->next) {
        if (!quota_scope_standard(json_str(s)))
            field_invalid(&w->errors, f, scopes, "unsupported scope");
        check_fits(w, f, json_str(s), scopes);
        see(&seen, json_str(s));
    }
    check_conflicts(w, f, &seen);
}

static void check_operator(struct write *w, const struct field *f, const struct json *m)
{
    static const char *const plain[] = {"BestEffort", "NotBestEffort", "Terminating",
                                        "NotTerminating", "CrossNamespacePodAffinity"};
    struct str scope = json_path_str(m, "scopeName"), op = json_path_str(m, "operator");
    const struct json *values = json_get(m, "values");
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        if (str_is(scope, plain[i]) && !str_is(op, "Exists"))
            field_invalid_str(&w->errors, FIELD(f, "operator"), op,
                              "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, "
                              "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
                              "ResourceQuotaScopeNotBestEffort or "
                              "ResourceQuotaScopeCrossNamespacePodAffinity");
    if (str_is(op, "In") || str_is(op, "NotIn")) {
        if (!json_count(values))
            field_required(&w->errors, FIELD(f, "values"),
                           "must be at least one value when `operator` is 'In' or 'NotIn' for "
                           "scope selector");
    } else if (str_is(op, "Exists") || str_is(op, "DoesNotExist")) {
        if (json_count(values))
            field_invalid(&w->errors, FIELD(f, "values"), values,
                          "must be no value when `operator` is 'Exist' or 'DoesNotExist' for "
                          "scope selector");
    } else {
        field_invalid_str(&w->errors, FIELD(f, "operator"), op, "not a valid selector operator");
    }
}

static void check_selector(struct write *w, const struct field *spec)
{
    const struct json *selector = json_path(w->object, "spec.scopeSelector");
    const struct field *f = FIELD(FIELD(spec, "scopeSelector"), "matchExpressions");
    const struct json *m = json_first(json_get(selector, "matchExpressions"));
    struct seen seen = {0};
    for (; m; m = m->next) {
        struct str scope = json_path_str(m, "scopeName");
        if (!quota_scope_standard(scope))
            field_invalid_str(&w->errors, FIELD(f, "scopeName"), scope, "unsupported scope");
        check_fits(w, f, scope, selector);
        check_operator(w, f, m);
        see(&seen, scope);
    }
    check_conflicts(w, f, &seen);
}

static void validate(struct write *w)
{
    const struct field *spec = FIELD(NULL, "spec");
    check_list(&w->errors, FIELD(spec, "hard"), json_path(w->object, "spec.hard"));
    check_scopes(w, spec);
    check_selector(w, spec);
}

/* ---- updates ---- */

/* As sets: order and repetition do not matter. */
static bool same_scopes(const struct json *a, const struct json *b)
{
    for (size_t turn = 0; turn < 2; turn++) {
        for (const struct json *m = json_first(turn ? b : a); m; m = m->next) {
            const struct json *n = json_first(turn ? a : b);
            while (n && !str_eq(json_str(m), json_str(n)))
                n = n->next;
            if (!n)
                return false;
        }
    }
    return true;
}

static void validate_update(struct write *w)
{
    const struct json *now = json_path(w->object, "spec.scopes"),
                      *was = json_path(w->old, "spec.scopes");
    if (cstr_eq(w->subresource, "status")) {
        const struct field *status = FIELD(NULL, "status");
        check_list(&w->errors, FIELD(status, "hard"), json_path(w->object, "status.hard"));
        check_list(&w->errors, FIELD(status, "used"), json_path(w->object, "status.used"));
    } else if (!same_scopes(now, was)) {
        field_invalid(&w->errors, FIELD(FIELD(NULL, "spec"), "scopes"), now, "field is immutable");
    }
}

const struct kind kind_resource_quota = {
    .group = "",
    .resource = "resourcequotas",
    .flags = KIND_STATUS | KIND_RETURN_DELETED,
    .validate = validate,
    .validate_update = validate_update,
};
