/* See convert_autoscaler.h. */
#include "api/convert_autoscaler.h"

#include "schema/schema.h"

#define PREFIX "autoscaling.alpha.kubernetes.io/"

static const char metrics_note[] = PREFIX "metrics", current_note[] = PREFIX "current-metrics",
                  conditions_note[] = PREFIX "conditions", behavior_note[] = PREFIX "behavior";

enum { DEFAULT_UTILIZATION = 80 };

/* One member of a metric: where v2 has it, and its name in v1; %s is "target" and "current". */
struct member {
    const char *type, *v2, *v1;
};
static const struct member members[] = {
    {"object", "describedObject", "target"},
    {"object", "metric.name", "metricName"},
    {"object", "metric.selector", "selector"},
    {"object", "*.value", "*Value"},
    {"object", "*.averageValue", "averageValue"},
    {"pods", "metric.name", "metricName"},
    {"pods", "metric.selector", "selector"},
    {"pods", "*.averageValue", "*AverageValue"},
    {"resource", "name", "name"},
    {"resource", "*.averageUtilization", "*AverageUtilization"},
    {"resource", "*.averageValue", "*AverageValue"},
    {"containerResource", "name", "name"},
    {"containerResource", "container", "container"},
    {"containerResource", "*.averageUtilization", "*AverageUtilization"},
    {"containerResource", "*.averageValue", "*AverageValue"},
    {"external", "metric.name", "metricName"},
    {"external", "metric.selector", "metricSelector"},
    {"external", "*.value", "*Value"},
    {"external", "*.averageValue", "*AverageValue"},
};
static const char *const types[] = {"object", "pods", "resource", "containerResource", "external"};
enum { MEMBERS = sizeof members / sizeof members[0], TYPES = sizeof types / sizeof types[0] };

/* The name with its star replaced. */
static const char *spell(struct arena *a, const char *name, const char *star)
{
    const char *text = name[0] == '*' ? arena_printf(a, "%s%s", star, name + 1) : name;
    return text ? text : "";
}

static struct json *metric_to_v1(struct arena *a, const struct json *m, const char *star)
{
    struct json *out = json_new(a, JSON_OBJECT);
    json_set_str(a, out, "type", json_path_str(m, "type"));
    for (size_t i = 0; i < MEMBERS; i++) {
        const struct json *source = json_get(m, members[i].type);
        const struct json *value = json_path(source, spell(a, members[i].v2, star));
        if (!json_absent(value))
            json_set(a, json_object_at(a, out, members[i].type), spell(a, members[i].v1, star),
                     json_clone(a, value));
    }
    return out;
}

/* v1 does not say of what type a target is. */
static void set_target_type(struct arena *a, struct json *metric, const char *type)
{
    struct json *source = json_get(metric, type);
    if (!json_is(source, JSON_OBJECT))
        return;
    struct json *target = json_object_at(a, source, "target");
    bool value = !json_absent(json_get(target, "value")),
         average = !json_absent(json_get(target, "averageValue")),
         utilization = !json_absent(json_get(target, "averageUtilization"));
    const char *name = "AverageValue";
    if (utilization)
        name = "Utilization";
    else if (cstr_eq(type, "object") ? !average : value)
        name = "Value";
    json_set_cstr(a, target, "type", name);
}

static struct json *metric_to_v2(struct arena *a, const struct json *m, const char *star)
{
    struct json *out = json_new(a, JSON_OBJECT);
    json_set_str(a, out, "type", json_path_str(m, "type"));
    for (size_t i = 0; i < MEMBERS; i++) {
        const struct json *value =
            json_get(json_get(m, members[i].type), spell(a, members[i].v1, star));
        if (!json_absent(value))
            json_set_path(a, json_object_at(a, out, members[i].type), spell(a, members[i].v2, star),
                          json_clone(a, value));
    }
    for (size_t i = 0; i < TYPES && cstr_eq(star, "target"); i++)
        set_target_type(a, out, types[i]);
    return out;
}

/* behavior is written as Go names its fields: with a capital. */
static struct json *spell_keys(struct arena *a, const struct json *j, bool capital)
{
    struct json *out = json_new(a, j->type);
    if (j->type != JSON_OBJECT && j->type != JSON_ARRAY)
        return json_clone(a, j);
    for (const struct json *m = json_first(j); m; m = m->next) {
        struct json *value = spell_keys(a, m, capital);
        char *key = j->type == JSON_OBJECT ? arena_strdup(a, m->key.p) : NULL;
        if (j->type == JSON_ARRAY) {
            json_append(a, out, value);
        } else if (key && key[0] && m->type != JSON_NULL) {
            key[0] = (char)(capital ? key[0] & ~0x20 : key[0] | 0x20);
            json_set(a, out, key, value);
        }
    }
    return out;
}

static bool is_cpu_utilization(const struct json *m, const char *path)
{
    return str_is(json_path_str(m, "type"), "Resource") &&
           str_is(json_path_str(m, "resource.name"), "cpu") && !json_absent(json_path(m, path));
}

static struct json *cpu_metric(struct arena *a, int64_t utilization)
{
    struct json *m = json_new(a, JSON_OBJECT);
    json_set_cstr(a, m, "type", "Resource");
    struct json *resource = json_object_at(a, m, "resource");
    json_set_cstr(a, resource, "name", "cpu");
    struct json *target = json_object_at(a, resource, "target");
    json_set_cstr(a, target, "type", "Utilization");
    json_set_i64(a, target, "averageUtilization", utilization);
    return m;
}

void autoscaler_default_metrics(struct arena *a, struct json *spec)
{
    if (!json_count(json_get(spec, "metrics")))
        json_append(a, json_array_at(a, spec, "metrics"), cpu_metric(a, DEFAULT_UTILIZATION));
}

/* ---- annotations ---- */

static void write_note(struct arena *a, struct json *object, const char *name,
                       const struct json *value)
{
    struct buf text CLEANUP_BUF;
    buf_init(&text, 1 << 20);
    json_write(&text, value);
    struct json *meta = json_object_at(a, object, "metadata");
    if (!text.failed)
        json_set_str(a, json_object_at(a, meta, "annotations"), name, buf_str(&text));
}

/* The annotation's value, or NULL when there is none or it is no JSON of that type. */
static struct json *read_note(struct arena *a, const struct json *object, const char *name,
                              enum json_type type)
{
    const struct json *note = json_get(json_path(object, "metadata.annotations"), name);
    struct json *value;
    if (!json_str(note).n || json_parse(a, json_str(note), NULL, &value, NULL) < 0)
        return NULL;
    return json_is(value, type) ? value : NULL;
}

static void drop_notes(struct json *object)
{
    struct json *meta = json_get(object, "metadata"), *notes = json_get(meta, "annotations");
    bool any = json_remove(notes, metrics_note);
    any = json_remove(notes, current_note) || any;
    any = json_remove(notes, conditions_note) || any;
    any = json_remove(notes, behavior_note) || any;
    if (any && !json_count(notes))
        json_remove(meta, "annotations");
}

/* Annotations are anybody's text: only what has v2's types is taken from them. */
static void take_checked(struct arena *a, struct json *object, const char *part, const char *name,
                         struct json *value)
{
    const struct schema_type *type =
        schema_type_of_kind(STR("autoscaling"), STR("v2"), STR("HorizontalPodAutoscaler"));
    struct json *probe = json_new(a, JSON_OBJECT);
    struct json *to = json_object_at(a, probe, part);
    struct schema_problems problems = {0};
    if (!value)
        return;
    json_set(a, to, name, value);
    if (!type || schema_check(a, type, probe, SCHEMA_IGNORE, &problems, NULL) < 0)
        return;
    json_set(a, json_object_at(a, object, part), name, json_clone(a, json_get(to, name)));
}

static bool is_metric(const struct json *m)
{
    bool good = json_is(m, JSON_OBJECT);
    for (size_t i = 0; i < TYPES; i++) {
        const struct json *source = json_get(m, types[i]);
        good = good && (json_absent(source) || json_is(source, JSON_OBJECT));
    }
    return good;
}

/* NULL: the list is none of metrics. */
static struct json *each_metric(struct arena *a, const struct json *list, bool to_v1,
                                const char *star)
{
    struct json *out = json_new(a, JSON_ARRAY);
    for (const struct json *m = json_first(list); m; m = m->next)
        if (!to_v1 && !is_metric(m))
            return NULL;
        else if (!to_v1)
            json_append(a, out, metric_to_v2(a, m, star));
        else if (cstr_eq(star, "current") ||
                 !is_cpu_utilization(m, "resource.target.averageUtilization"))
            json_append(a, out, metric_to_v1(a, m, star));
    return out;
}

/* ---- the two ways ---- */

static void spec_to_v2(struct arena *a, struct json *object)
{
    static const char percent_name[] = "targetCPUUtilizationPercentage";
    struct json *spec = json_object_at(a, object, "spec");
    const struct json *percent = json_get(spec, percent_name);
    const struct json *others = read_note(a, object, metrics_note, JSON_ARRAY);
    const struct json *behavior = read_note(a, object, behavior_note, JSON_OBJECT);
    if (others)
        take_checked(a, object, "spec", "metrics", each_metric(a, others, false, "target"));
    if (!json_absent(percent))
        json_append(a, json_array_at(a, spec, "metrics"), cpu_metric(a, json_i64(percent, 0)));
    json_remove(spec, percent_name);
    if (json_count(behavior))
        take_checked(a, object, "spec", "behavior", spell_keys(a, behavior, false));
    autoscaler_default_metrics(a, spec);
}

static void status_to_v2(struct arena *a, struct json *object)
{
    static const char percent_name[] = "currentCPUUtilizationPercentage";
    struct json *status = json_get(object, "status");
    const struct json *percent = json_get(status, percent_name);
    const struct json *current = read_note(a, object, current_note, JSON_ARRAY);
    struct json *conditions = read_note(a, object, conditions_note, JSON_ARRAY);
    if (!json_absent(percent)) {
        struct json *m =
            json_append(a, json_array_at(a, status, "currentMetrics"), json_new(a, JSON_OBJECT));
        json_set_cstr(a, m, "type", "Resource");
        json_set_path(a, m, "resource.name", json_new_cstr(a, "cpu"));
        json_set_path(a, m, "resource.current.averageUtilization",
                      json_new_i64(a, json_i64(percent, 0)));
    }
    if (status)
        json_remove(status, percent_name);
    if (current)
        take_checked(a, object, "status", "currentMetrics",
                     each_metric(a, current, false, "current"));
    if (conditions)
        take_checked(a, object, "status", "conditions", conditions);
}

int autoscaler_to_v2(struct arena *a, struct json *object)
{
    spec_to_v2(a, object);
    status_to_v2(a, object);
    drop_notes(object);
    return a->failed ? -E_NOMEM : 0;
}

int autoscaler_to_v1(struct arena *a, struct json *object)
{
    struct json *spec = json_get(object, "spec"), *status = json_get(object, "status");
    const struct json *metrics = json_get(spec, "metrics"), *m;
    const struct json *current = json_get(status, "currentMetrics");
    drop_notes(object);
    const struct json *others = each_metric(a, metrics, true, "target");
    if (json_count(others))
        write_note(a, object, metrics_note, others);
    if (json_count(current))
        write_note(a, object, current_note, each_metric(a, current, true, "current"));
    if (!json_absent(json_get(spec, "behavior")))
        write_note(a, object, behavior_note, spell_keys(a, json_get(spec, "behavior"), true));
    if (json_count(json_get(status, "conditions")))
        write_note(a, object, conditions_note, json_get(status, "conditions"));
    for (m = json_first(metrics); m; m = m->next)
        if (is_cpu_utilization(m, "resource.target.averageUtilization")) {
            json_set_i64(a, spec, "targetCPUUtilizationPercentage",
                         json_path_i64(m, "resource.target.averageUtilization", 0));
            break;
        }
    for (m = json_first(current); m; m = m->next)
        if (is_cpu_utilization(m, "resource.current.averageUtilization"))
            json_set_i64(a, status, "currentCPUUtilizationPercentage",
                         json_path_i64(m, "resource.current.averageUtilization", 0));
    json_remove(spec, "metrics");
    json_remove(spec, "behavior");
    json_remove(status, "currentMetrics");
    json_remove(status, "conditions");
    return a->failed ? -E_NOMEM : 0;
}
