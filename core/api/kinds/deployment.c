/* Deployments (pkg/apis/apps). */
#include "api/kinds/kinds.h"

static void set_defaults(struct write *w)
{
    struct arena *a = w->a;
    struct json *spec = json_get(w->object, "spec");
    if (!spec)
        return;
    template_default(a, spec);
    set_missing_i64(a, spec, "replicas", 1);
    set_missing_i64(a, spec, "revisionHistoryLimit", 10);
    set_missing_i64(a, spec, "progressDeadlineSeconds", 600);
    struct json *strategy = json_object_at(a, spec, "strategy");
    set_missing(a, strategy, "type", "RollingUpdate");
    if (!str_is(json_path_str(strategy, "type"), "RollingUpdate"))
        return;
    struct json *rolling = json_object_at(a, strategy, "rollingUpdate");
    set_missing(a, rolling, "maxUnavailable", "25%");
    set_missing(a, rolling, "maxSurge", "25%");
}

static bool is_zero(const struct json *v)
{
    return json_is(v, JSON_INT) ? v->i64 == 0 : str_is(json_str(v), "0%");
}

static void validate_strategy(struct field_errors *e, const struct field *f,
                              const struct json *strategy)
{
    const struct json *rolling = json_get(strategy, "rollingUpdate");
    const struct field *at = FIELD(f, "rollingUpdate");
    struct str type = json_path_str(strategy, "type");
    field_check_enum(e, FIELD(f, "type"), json_get(strategy, "type"),
                     (const char *const[]){"Recreate", "RollingUpdate", NULL});
    if (str_is(type, "Recreate") && rolling)
        field_forbidden(e, at, "may not be specified when strategy `type` is 'Recreate'");
    if (!str_is(type, "RollingUpdate"))
        return;
    const struct json *unavailable = json_get(rolling, "maxUnavailable"),
                      *surge = json_get(rolling, "maxSurge");
    field_check_int_or_percent(e, FIELD(at, "maxUnavailable"), unavailable);
    field_check_int_or_percent(e, FIELD(at, "maxSurge"), surge);
    if (is_zero(unavailable) && is_zero(surge))
        field_invalid(e, FIELD(at, "maxUnavailable"), unavailable,
                      "may not be 0 when `maxSurge` is 0");
}

static void validate(struct write *w)
{
    struct field_errors *e = &w->errors;
    const struct field *f = FIELD(NULL, "spec");
    const struct json *spec = json_get(w->object, "spec"), *selector = json_get(spec, "selector");
    static const char *const numbers[] = {"replicas", "minReadySeconds", "revisionHistoryLimit",
                                          "progressDeadlineSeconds"};
    for (size_t i = 0; i < 4; i++)
        field_check_not_negative(e, FIELD(f, numbers[i]), json_get(spec, numbers[i]));
    if (json_absent(selector))
        field_required(e, FIELD(f, "selector"), NULL);
    else if (!json_count(json_get(selector, "matchLabels")) &&
             !json_count(json_get(selector, "matchExpressions")))
        field_invalid(e, FIELD(f, "selector"), selector,
                      "empty selector is invalid for deployment");
    else
        field_check_label_selector(e, FIELD(f, "selector"), selector);
    template_validate(e, f, spec, "Always");
    validate_strategy(e, FIELD(f, "strategy"), json_get(spec, "strategy"));
    if (json_path_i64(spec, "progressDeadlineSeconds", 600) <=
        json_path_i64(spec, "minReadySeconds", 0))
        field_invalid(e, FIELD(f, "progressDeadlineSeconds"),
                      json_get(spec, "progressDeadlineSeconds"),
                      "must be greater than minReadySeconds");
}

static void validate_update(struct write *w)
{
    field_check_immutable(&w->errors, FIELD(FIELD(NULL, "spec"), "selector"),
                          json_path(w->object, "spec.selector"),
                          json_path(w->old, "spec.selector"));
}

const struct kind kind_deployment = {
    .group = "apps",
    .resource = "deployments",
    .flags = KIND_STATUS | KIND_GENERATION,
    .set_defaults = set_defaults,
    .validate = validate,
    .validate_update = validate_update,
};
