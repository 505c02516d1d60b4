/*
 * DaemonSets (pkg/apis/apps, pkg/registry/apps/daemonset). spec.templateGeneration left the API
 * with apps/v1 but is still counted, in an annotation.
 */
#include "api/kinds/workload.h"

static const char generation[] = "deprecated.daemonset.template.generation";

static void set_defaults(struct write *w)
{
    struct arena *a = w->a;
    struct json *spec = json_object_at(a, w->object, "spec");
    template_default(a, spec);
    set_missing_i64(a, spec, "revisionHistoryLimit", 10);
    struct json *strategy = json_object_at(a, spec, "updateStrategy");
    set_missing(a, strategy, "type", "RollingUpdate");
    if (!str_is(json_path_str(strategy, "type"), "RollingUpdate"))
        return;
    struct json *rolling = json_object_at(a, strategy, "rollingUpdate");
    set_missing_i64(a, rolling, "maxUnavailable", 1);
    set_missing_i64(a, rolling, "maxSurge", 0);
}

static uint64_t generation_of(const struct json *object)
{
    uint64_t n;
    const struct json *annotations = json_path(object, "metadata.annotations");
    return str_to_u64(json_str(json_get(annotations, generation)), &n) < 0 ? 0 : n;
}

static void set_generation(struct write *w, uint64_t n)
{
    struct json *meta = json_object_at(w->a, w->object, "metadata");
    const char *text = arena_printf(w->a, "%llu", (unsigned long long)n);
    json_set_cstr(w->a, json_object_at(w->a, meta, "annotations"), generation, text ? text : "");
}

static void prepare_create(struct write *w)
{
    uint64_t n = generation_of(w->object);
    set_generation(w, n < 1 ? 1 : n);
}

static void prepare_update(struct write *w)
{
    bool same =
        json_equal(json_path(w->object, "spec.template"), json_path(w->old, "spec.template"));
    set_generation(w, generation_of(w->old) + (same ? 0 : 1));
}

static void check_rolling(struct field_errors *e, const struct field *f, const struct json *rolling)
{
    const struct json *unavailable = json_get(rolling, "maxUnavailable"),
                      *surge = json_get(rolling, "maxSurge");
    field_check_int_or_percent(e, FIELD(f, "maxUnavailable"), unavailable);
    field_check_int_or_percent(e, FIELD(f, "maxSurge"), surge);
    percent_validate(e, FIELD(f, "maxUnavailable"), unavailable);
    percent_validate(e, FIELD(f, "maxSurge"), surge);
    if (int_or_percent(unavailable) && int_or_percent(surge))
        field_invalid(e, FIELD(f, "maxSurge"), surge,
                      "may not be set when maxUnavailable is non-zero");
    else if (!int_or_percent(unavailable) && !int_or_percent(surge))
        field_required(e, FIELD(f, "maxUnavailable"), "cannot be 0 when maxSurge is 0");
}

static void check_strategy(struct field_errors *e, const struct field *f,
                           const struct json *strategy)
{
    struct str type = json_path_str(strategy, "type");
    const struct json *rolling = json_get(strategy, "rollingUpdate");
    if (str_is(type, "OnDelete"))
        return;
    if (!str_is(type, "RollingUpdate"))
        field_unsupported_json(e, f, strategy,
                               (const char *const[]){"RollingUpdate", "OnDelete", NULL});
    else if (json_absent(rolling))
        field_required(e, FIELD(f, "rollingUpdate"), NULL);
    else
        check_rolling(e, FIELD(f, "rollingUpdate"), rolling);
}

static void validate(struct write *w)
{
    struct field_errors *e = &w->errors;
    const struct field *f = FIELD(NULL, "spec");
    const struct json *spec = json_get(w->object, "spec"), *selector = json_get(spec, "selector");
    if (!json_absent(selector))
        field_check_label_selector(e, FIELD(f, "selector"), selector);
    selector_match_validate(e, f, spec);
    if (!json_absent(selector) && selector_empty(selector))
        field_invalid(e, FIELD(f, "selector"), selector, "empty selector is invalid for daemonset");
    template_validate(e, FIELD(f, "template"), json_get(spec, "template"));
    template_policy_validate(e, f, spec, "DaemonSet");
    field_check_not_negative(e, FIELD(f, "minReadySeconds"), json_get(spec, "minReadySeconds"));
    check_strategy(e, FIELD(f, "updateStrategy"), json_get(spec, "updateStrategy"));
    field_check_not_negative(e, FIELD(f, "revisionHistoryLimit"),
                             json_get(spec, "revisionHistoryLimit"));
}

static void validate_update(struct write *w)
{
    static const char *const counts[] = {"currentNumberScheduled", "numberMisscheduled",
                                         "desiredNumberScheduled", "numberReady",
                                         "observedGeneration",     "updatedNumberScheduled",
                                         "numberAvailable",        "numberUnavailable",
                                         "collisionCount",         NULL};
    if (cstr_eq(w->subresource, "status")) {
        numbers_validate(&w->errors, FIELD(NULL, "status"), json_get(w->object, "status"), counts);
        collisions_validate(w);
        return;
    }
    field_check_immutable(&w->errors, FIELD(FIELD(NULL, "spec"), "selector"),
                          json_path(w->object, "spec.selector"),
                          json_path(w->old, "spec.selector"));
}

const struct kind kind_daemon_set = {
    .group = "apps",
    .resource = "daemonsets",
    .flags = KIND_STATUS | KIND_GENERATION,
    .set_defaults = set_defaults,
    .prepare_create = prepare_create,
    .prepare_update = prepare_update,
    .validate = validate,
    .validate_update = validate_update,
};
