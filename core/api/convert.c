/*
 * Resources that exist in two versions and are stored once: Events of the core group and of
 * events.k8s.io (stored as core), HorizontalPodAutoscalers v1 and v2 (stored as v2).
 */
#include "api/crd/crd.h"
#include "api/api_int.h"

struct rename {
    const char *stored, *own;
};

/* core/v1 on the left, events.k8s.io/v1 on the right (pkg/apis/events/v1/conversion.go). */
static const struct rename event_names[] = {
    {"involvedObject", "regarding"},
    {"message", "note"},
    {"source", "deprecatedSource"},
    {"firstTimestamp", "deprecatedFirstTimestamp"},
    {"lastTimestamp", "deprecatedLastTimestamp"},
    {"count", "deprecatedCount"},
    {"reportingComponent", "reportingController"},
};

static bool is_new_event(const struct schema_resource *res)
{
    return cstr_eq(schema_resource_group(res), "events.k8s.io");
}

static bool is_old_autoscaler(const struct schema_resource *res)
{
    return cstr_eq(schema_resource_plural(res), "horizontalpodautoscalers") &&
           cstr_eq(schema_resource_version(res), "v1");
}

bool object_converted(const struct schema_resource *res)
{
    return is_new_event(res) || is_old_autoscaler(res) || crd_of(res);
}

struct str convert_field(struct arena *a, const struct schema_resource *res, struct str field)
{
    if (!is_new_event(res))
        return field;
    if (str_is(field, "reportingController"))
        return STR("reportingComponent");
    struct str part = STR("regarding.");
    if (!str_starts(field, part))
        return field;
    return str_of(arena_printf(a, "involvedObject." STR_FMT, (int)(field.n - part.n), field.p + part.n));
}

static void rename_members(struct json *object, bool to_stored)
{
    for (struct json *m = json_first(object); m; m = m->next)
        for (size_t i = 0; i < sizeof event_names / sizeof event_names[0]; i++) {
            const struct rename *n = &event_names[i];
            if (str_is(m->key, to_stored ? n->own : n->stored)) {
                m->key = str_of(to_stored ? n->stored : n->own);
                break;
            }
        }
}

/* v1 has one number where v2 has a list of metrics. */
static int autoscaler_to_stored(struct arena *a, struct json *object)
{
    struct json *spec = json_get(object, "spec"), *status = json_get(object, "status");
    struct json *percent = json_get(spec, "targetCPUUtilizationPercentage");
    if (percent) {
        struct json *target = json_new(a, JSON_OBJECT);
        json_set_cstr(a, target, "type", "Utilization");
        json_set_i64(a, target, "averageUtilization", json_i64(percent, 0));
        struct json *resource = json_new(a, JSON_OBJECT);
        json_set_cstr(a, resource, "name", "cpu");
        json_set(a, resource, "target", target);
        struct json *metric = json_new(a, JSON_OBJECT);
        json_set_cstr(a, metric, "type", "Resource");
        json_set(a, metric, "resource", resource);
        json_remove(spec, "targetCPUUtilizationPercentage");
        json_append(a, json_array_at(a, spec, "metrics"), metric);
    }
    if (status)
        json_remove(status, "currentCPUUtilizationPercentage");
    return a->failed ? -E_NOMEM : 0;
}

static int64_t cpu_utilization(const struct json *metrics, const char *path)
{
    for (const struct json *m = json_first(metrics); m; m = m->next)
        if (str_is(json_path_str(m, "type"), "Resource") &&
            str_is(json_path_str(m, "resource.name"), "cpu"))
            return json_path_i64(m, path, -1);
    return -1;
}

static int autoscaler_from_stored(struct arena *a, struct json *object)
{
    struct json *spec = json_get(object, "spec"), *status = json_get(object, "status");
    int64_t target =
        cpu_utilization(json_get(spec, "metrics"), "resource.target.averageUtilization");
    int64_t current =
        cpu_utilization(json_get(status, "currentMetrics"), "resource.current.averageUtilization");
    if (spec) {
        json_remove(spec, "metrics");
        json_remove(spec, "behavior");
        if (target >= 0)
            json_set_i64(a, spec, "targetCPUUtilizationPercentage", target);
    }
    if (status) {
        json_remove(status, "currentMetrics");
        json_remove(status, "conditions");
        if (current >= 0)
            json_set_i64(a, status, "currentCPUUtilizationPercentage", current);
    }
    return a->failed ? -E_NOMEM : 0;
}

int convert_to_stored(struct arena *a, const struct schema_resource *res, struct json *object)
{
    if (is_new_event(res))
        rename_members(object, true);
    return is_old_autoscaler(res) ? autoscaler_to_stored(a, object) : 0;
}

int convert_from_stored(struct arena *a, const struct schema_resource *res, struct json *object)
{
    if (crd_of(res))
        return crd_from_stored(a, res, object);
    if (is_new_event(res))
        rename_members(object, false);
    return is_old_autoscaler(res) ? autoscaler_from_stored(a, object) : 0;
}
