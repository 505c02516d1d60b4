/*
 * Resources that exist in two versions and are stored once: Events of the core group and of
 * events.k8s.io (stored as core), HorizontalPodAutoscalers v1 and v2 (stored as v2).
 */
#include "api/crd/crd.h"
#include "api/api_int.h"
#include "api/convert_autoscaler.h"

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

int convert_to_stored(struct arena *a, const struct schema_resource *res, struct json *object)
{
    if (is_new_event(res))
        rename_members(object, true);
    return is_old_autoscaler(res) ? autoscaler_to_v2(a, object) : 0;
}

int convert_from_stored(struct arena *a, const struct schema_resource *res, struct json *object)
{
    if (crd_of(res))
        return crd_from_stored(a, res, object);
    if (is_new_event(res))
        rename_members(object, false);
    return is_old_autoscaler(res) ? autoscaler_to_v1(a, object) : 0;
}
