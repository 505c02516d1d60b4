/*
 * HorizontalPodAutoscalers (pkg/apis/autoscaling, pkg/registry/autoscaling). Both versions are
 * judged as v2.
 */
#include "api/convert_autoscaler.h"
#include "api/kinds/workload.h"

#include "codec/names.h"
#include "codec/quantity.h"

enum { PERIOD_MOST = 1800, WINDOW_MOST = 3600 };

static bool is_v1(const struct write *w)
{
    return cstr_eq(schema_resource_version(w->resource), "v1");
}

static void add_policy(struct arena *a, struct json *list, const char *type, int64_t value)
{
    struct json *p = json_append(a, list, json_new(a, JSON_OBJECT));
    json_set_cstr(a, p, "type", type);
    json_set_i64(a, p, "value", value);
    json_set_i64(a, p, "periodSeconds", 15);
}

static void default_rules(struct arena *a, struct json *behavior, const char *name)
{
    struct json *rules = json_object_at(a, behavior, name);
    bool up = cstr_eq(name, "scaleUp");
    if (up)
        set_missing_i64(a, rules, "stabilizationWindowSeconds", 0);
    set_missing(a, rules, "selectPolicy", "Max");
    if (!json_absent(json_get(rules, "policies")))
        return;
    struct json *list = json_array_at(a, rules, "policies");
    if (up)
        add_policy(a, list, "Pods", 4);
    add_policy(a, list, "Percent", 100);
}

static void set_defaults(struct write *w)
{
    struct json *spec = json_object_at(w->a, w->object, "spec");
    struct json *behavior = json_get(spec, "behavior");
    set_missing_i64(w->a, spec, "minReplicas", 1);
    if (is_v1(w))
        return; /* v2's come with the conversion */
    autoscaler_default_metrics(w->a, spec);
    if (json_absent(behavior))
        return;
    default_rules(w->a, behavior, "scaleUp");
    default_rules(w->a, behavior, "scaleDown");
}

/* ---- validation ---- */

static void check_segment(struct field_errors *e, const struct field *f, struct str s,
                          const char *missing)
{
    if (!s.n)
        field_required(e, f, missing);
    else
        field_check_name(e, f, s, names_path_segment);
}

static void check_reference(struct field_errors *e, const struct field *f, const struct json *ref)
{
    check_segment(e, FIELD(f, "kind"), json_path_str(ref, "kind"), NULL);
    check_segment(e, FIELD(f, "name"), json_path_str(ref, "name"), NULL);
}

static void check_positive(struct field_errors *e, const struct field *f, const struct json *value)
{
    struct quantity q;
    if (!json_absent(value) && quantity_parse(json_str(value), &q, NULL) == 0 && q.nano <= 0)
        field_invalid(e, f, value, "must be positive");
}

static void check_target(struct field_errors *e, const struct field *f, const struct json *target)
{
    const struct json *utilization = json_get(target, "averageUtilization");
    struct str type = json_path_str(target, "type");
    if (!type.n)
        field_required(e, FIELD(f, "type"), "must specify a metric target type");
    if (!str_is(type, "Utilization") && !str_is(type, "Value") && !str_is(type, "AverageValue"))
        field_invalid_str(e, FIELD(f, "type"), type,
                          "must be either Utilization, Value, or AverageValue");
    check_positive(e, FIELD(f, "value"), json_get(target, "value"));
    check_positive(e, FIELD(f, "averageValue"), json_get(target, "averageValue"));
    if (!json_absent(utilization) && json_i64(utilization, 0) < 1)
        field_invalid(e, FIELD(f, "averageUtilization"), utilization, "must be greater than 0");
}

static void check_source(struct field_errors *e, const struct field *f, const char *type,
                         const struct json *source)
{
    const struct json *target = json_get(source, "target");
    const struct field *at = FIELD(f, "target");
    bool value = !json_absent(json_get(target, "value")),
         average = !json_absent(json_get(target, "averageValue")),
         utilization = !json_absent(json_get(target, "averageUtilization"));
    bool object = cstr_eq(type, "object"), external = cstr_eq(type, "external"),
         pods = cstr_eq(type, "pods"), container = cstr_eq(type, "containerResource");
    if (object)
        check_reference(e, FIELD(f, "describedObject"), json_get(source, "describedObject"));
    if (object || external || pods)
        check_segment(e, FIELD(FIELD(f, "metric"), "name"), json_path_str(source, "metric.name"),
                      "must specify a metric name");
    else if (!json_path_str(source, "name").n)
        field_required(e, FIELD(f, "name"), "must specify a resource name");
    struct str name = json_path_str(source, "container");
    if (container && !name.n)
        field_required(e, FIELD(f, "container"), "must specify a container");
    else if (container)
        field_check_name(e, FIELD(f, "container"), name, names_dns1123_label);
    check_target(e, at, target);
    if (object && !value && !average)
        field_required(e, FIELD(at, "averageValue"),
                       "must set either a target value or averageValue");
    if (external && !value && !average)
        field_required(e, FIELD(at, "averageValue"),
                       "must set either a target value for metric or a per-pod target");
    if (external && value && average)
        field_forbidden(e, FIELD(at, "value"),
                        "may not set both a target value for metric and a per-pod target");
    if (pods && !average)
        field_required(e, FIELD(at, "averageValue"), "must specify a positive target averageValue");
    if (object || external || pods)
        return;
    if (!utilization && !average)
        field_required(e, FIELD(at, "averageUtilization"),
                       "must set either a target raw value or a target utilization");
    if (utilization && average)
        field_forbidden(e, FIELD(at, "averageValue"),
                        "may not set both a target raw value and a target utilization");
}

static void check_metric(struct field_errors *e, const struct field *f, const struct json *metric)
{
    static const char *const names[] = {"object", "external", "pods", "resource",
                                        "containerResource"};
    static const char *const of_type[] = {"Object", "External", "Pods", "Resource",
                                          "ContainerResource"};
    static const char *const sorted[] = {"ContainerResource", "External", "Object", "Pods",
                                         "Resource",          NULL};
    struct str type = json_path_str(metric, "type");
    size_t expected = 0, present = 0;
    while (expected < 5 && !str_is(type, of_type[expected]))
        expected++;
    if (!type.n)
        field_required(e, FIELD(f, "type"), "must specify a metric source type");
    if (expected == 5)
        field_unsupported(e, FIELD(f, "type"), type, sorted);
    for (size_t i = 0; i < 5; i++)
        if (!json_absent(json_get(metric, names[i])) && ++present == 1)
            check_source(e, FIELD(f, names[i]), names[i], json_get(metric, names[i]));
    if (expected == 5)
        field_unsupported(e, FIELD(f, "type"), type, sorted);
    else if (json_absent(json_get(metric, names[expected])))
        field_required(e, FIELD(f, names[expected]),
                       "must populate information for the given metric source");
    for (size_t i = 0; i < 5 && present != 1; i++)
        if (i != expected && !json_absent(json_get(metric, names[i])))
            field_forbidden(e, FIELD(f, names[i]), "must populate the given metric source only");
}

static void check_policy(struct field_errors *e, const struct field *f, const struct json *policy)
{
    struct str type = json_path_str(policy, "type");
    int64_t value = json_path_i64(policy, "value", 0),
            period = json_path_i64(policy, "periodSeconds", 0);
    if (!str_is(type, "Pods") && !str_is(type, "Percent"))
        field_unsupported(e, FIELD(f, "type"), type,
                          (const char *const[]){"Percent", "Pods", NULL});
    if (value <= 0)
        field_invalid_int(e, FIELD(f, "value"), value, "must be greater than zero");
    if (period <= 0)
        field_invalid_int(e, FIELD(f, "periodSeconds"), period, "must be greater than zero");
    if (period > PERIOD_MOST)
        field_invalid_int(e, FIELD(f, "periodSeconds"), period,
                          "must be less than or equal to 1800");
}

static void check_rules(struct field_errors *e, const struct field *f, const struct json *rules)
{
    static const char *const selects[] = {"Disabled", "Max", "Min", NULL};
    const struct json *window = json_get(rules, "stabilizationWindowSeconds"),
                      *tolerance = json_get(rules, "tolerance");
    struct quantity q;
    int64_t i = 0;
    if (json_absent(rules))
        return;
    if (json_i64(window, 0) < 0)
        field_invalid(e, FIELD(f, "stabilizationWindowSeconds"), window,
                      "must be greater than or equal to zero");
    if (json_i64(window, 0) > WINDOW_MOST)
        field_invalid(e, FIELD(f, "stabilizationWindowSeconds"), window,
                      "must be less than or equal to 3600");
    if (!json_absent(json_get(rules, "selectPolicy")))
        field_check_enum(e, FIELD(f, "selectPolicy"), json_get(rules, "selectPolicy"), selects);
    if (!json_count(json_get(rules, "policies")))
        field_required(e, FIELD(f, "policies"), "must specify at least one Policy");
    for (const struct json *p = json_first(json_get(rules, "policies")); p; p = p->next)
        check_policy(e, FIELD_AT(FIELD(f, "policies"), i++), p);
    if (!json_absent(tolerance) && quantity_parse(json_str(tolerance), &q, NULL) == 0 && q.nano < 0)
        field_invalid(e, FIELD(f, "tolerance"), tolerance, "must be greater than or equal to 0");
}

static void check_replicas(struct write *w, const struct field *f, const struct json *spec)
{
    const struct json *min = json_get(spec, "minReplicas");
    int64_t max = json_path_i64(spec, "maxReplicas", 0);
    bool was_zero = json_path_i64(w->old, "spec.minReplicas", 1) == 0;
    if (!json_absent(min) && json_i64(min, 0) < (was_zero ? 0 : 1))
        field_invalid(&w->errors, FIELD(f, "minReplicas"), min,
                      was_zero ? "must be greater than or equal to 0"
                               : "must be greater than or equal to 1");
    if (max < 1)
        field_invalid_int(&w->errors, FIELD(f, "maxReplicas"), max, "must be greater than 0");
    if (!json_absent(min) && max < json_i64(min, 0))
        field_invalid_int(&w->errors, FIELD(f, "maxReplicas"), max,
                          "must be greater than or equal to `minReplicas`");
}

static void validate(struct write *w)
{
    struct field_errors *e = &w->errors;
    const struct field *f = FIELD(NULL, "spec");
    struct json *object = json_clone(w->a, w->object);
    bool outside = false;
    int64_t i = 0;
    if (is_v1(w) && autoscaler_to_v2(w->a, object) < 0) {
        field_forbidden(e, f, "out of memory");
        return;
    }
    const struct json *spec = json_get(object, "spec");
    check_replicas(w, f, spec);
    check_reference(e, FIELD(f, "scaleTargetRef"), json_get(spec, "scaleTargetRef"));
    for (const struct json *m = json_first(json_get(spec, "metrics")); m; m = m->next) {
        check_metric(e, FIELD_AT(FIELD(f, "metrics"), i++), m);
        outside = outside || str_is(json_path_str(m, "type"), "Object") ||
                  str_is(json_path_str(m, "type"), "External");
    }
    if (json_path_i64(spec, "minReplicas", 1) == 0 && !outside)
        field_forbidden(e, FIELD(f, "metrics"),
                        "must specify at least one Object or External metric to support scaling "
                        "to zero replicas");
    check_rules(e, FIELD(FIELD(f, "behavior"), "scaleUp"), json_path(spec, "behavior.scaleUp"));
    check_rules(e, FIELD(FIELD(f, "behavior"), "scaleDown"), json_path(spec, "behavior.scaleDown"));
}

static void validate_update(struct write *w)
{
    if (cstr_eq(w->subresource, "status"))
        numbers_validate(&w->errors, FIELD(NULL, "status"), json_get(w->object, "status"),
                         (const char *const[]){"currentReplicas", "desiredReplicas", NULL});
}

const struct kind kind_autoscaler = {
    .group = "autoscaling",
    .resource = "horizontalpodautoscalers",
    .flags = KIND_STATUS,
    .set_defaults = set_defaults,
    .validate = validate,
    .validate_update = validate_update,
};
