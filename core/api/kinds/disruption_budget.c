/* PodDisruptionBudgets (pkg/apis/policy, pkg/registry/policy/poddisruptionbudget). */
#include "api/kinds/workload.h"

#include "codec/names.h"

static void check_amount(struct field_errors *e, const struct field *f, const struct json *amount)
{
    field_check_int_or_percent(e, f, amount);
    percent_validate(e, f, amount);
}

static void validate(struct write *w)
{
    struct field_errors *e = &w->errors;
    const struct field *f = FIELD(NULL, "spec");
    const struct json *spec = json_get(w->object, "spec"), *min = json_get(spec, "minAvailable"),
                      *max = json_get(spec, "maxUnavailable"),
                      *policy = json_get(spec, "unhealthyPodEvictionPolicy");
    if (!json_absent(min) && !json_absent(max))
        field_invalid(e, f, spec, "minAvailable and maxUnavailable cannot be both set");
    check_amount(e, FIELD(f, "minAvailable"), min);
    check_amount(e, FIELD(f, "maxUnavailable"), max);
    field_check_label_selector(e, FIELD(f, "selector"), json_get(spec, "selector"));
    if (!json_absent(policy) && !str_is(json_str(policy), "AlwaysAllow") &&
        !str_is(json_str(policy), "IfHealthyBudget"))
        field_unsupported(e, FIELD(f, "unhealthyPodEvictionPolicy"), json_str(policy),
                          (const char *const[]){"AlwaysAllow", "IfHealthyBudget", NULL});
}

static const char *reason_rule(struct str s)
{
    bool good = s.n && ((s.p[0] | 0x20) >= 'a' && (s.p[0] | 0x20) <= 'z');
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool word = ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9') || c == '_';
        good = good && (word || (i + 1 < s.n && (c == ',' || c == ':')));
    }
    return good ? NULL
                : "a condition reason must start with alphabetic character, optionally followed by "
                  "a string of alphanumeric characters or '_,:', and must end with an alphanumeric "
                  "character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,"
                  "ReasonB',  or 'ReasonA:ReasonB', regex used for validation is "
                  "'[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')";
}

static void check_conditions(struct field_errors *e, const struct field *f,
                             const struct json *conditions)
{
    static const char *const states[] = {"False", "True", "Unknown", NULL};
    int64_t i = 0;
    for (const struct json *c = json_first(conditions); c; c = c->next, i++) {
        const struct field *at = FIELD_AT(f, i);
        struct str type = json_path_str(c, "type"), reason = json_path_str(c, "reason");
        if (!type.n)
            field_required(e, FIELD(at, "type"), "must be set");
        else
            field_check_name(e, FIELD(at, "type"), type, names_qualified);
        for (const struct json *o = json_first(conditions); o != c && type.n; o = o->next)
            if (str_eq(json_path_str(o, "type"), type)) {
                field_duplicate(e, FIELD(at, "type"), type);
                break;
            }
        struct str status = json_path_str(c, "status");
        if (!status.n ||
            (!str_is(status, "True") && !str_is(status, "False") && !str_is(status, "Unknown")))
            field_unsupported(e, FIELD(at, "status"), status, states);
        field_check_not_negative(e, FIELD(at, "observedGeneration"),
                                 json_get(c, "observedGeneration"));
        if (json_absent(json_get(c, "lastTransitionTime")))
            field_required(e, FIELD(at, "lastTransitionTime"), "must be set");
        if (!reason.n)
            field_required(e, FIELD(at, "reason"), "must be set");
        else
            field_check_name(e, FIELD(at, "reason"), reason, reason_rule);
    }
}

static void validate_update(struct write *w)
{
    static const char *const counts[] = {"disruptionsAllowed", "currentHealthy", "desiredHealthy",
                                         "expectedPods", NULL};
    const struct field *f = FIELD(NULL, "status");
    if (!cstr_eq(w->subresource, "status"))
        return;
    check_conditions(&w->errors, FIELD(f, "conditions"), json_path(w->object, "status.conditions"));
    numbers_validate(&w->errors, f, json_get(w->object, "status"), counts);
}

const struct kind kind_disruption_budget = {
    .group = "policy",
    .resource = "poddisruptionbudgets",
    .flags = KIND_STATUS | KIND_GENERATION | KIND_CONDITIONAL,
    .validate = validate,
    .validate_update = validate_update,
};
