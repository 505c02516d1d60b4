/*
 * Events: one storage, two groups. What comes through events.k8s.io is held to more than what comes
 * through core (pkg/apis/core/validation/events.go); errors name core's fields either way.
 */
#include "api/kinds/kinds.h"
#include "codec/names.h"

enum { TEXT_MOST = 128, NOTE_MOST = 1024 };

static const struct kind_field event_fields[] = {
    {SELECTABLE("involvedObject.kind")},
    {SELECTABLE("involvedObject.namespace")},
    {SELECTABLE("involvedObject.name")},
    {SELECTABLE("involvedObject.uid")},
    {SELECTABLE("involvedObject.apiVersion")},
    {SELECTABLE("involvedObject.resourceVersion")},
    {SELECTABLE("involvedObject.fieldPath")},
    {SELECTABLE("reason")},
    {SELECTABLE("reportingComponent")},
    {.selector = "source", .path = "source.component", .other = "reportingComponent"},
    {SELECTABLE("type")},
    {.selector = NULL},
};

/* core's name, that of events.k8s.io, and the one that errors use */
static const struct names {
    const char *old, *new;
} names[] = {
    {"involvedObject", "regarding"},
    {"message", "note"},
    {"source", "deprecatedSource"},
    {"firstTimestamp", "deprecatedFirstTimestamp"},
    {"lastTimestamp", "deprecatedLastTimestamp"},
    {"count", "deprecatedCount"},
    {"reportingComponent", "reportingController"},
};

static bool is_new(const struct write *w)
{
    return cstr_eq(schema_resource_group(w->resource), "events.k8s.io");
}

/* A member by core's name. */
static const struct json *part(const struct write *w, const struct json *event, const char *name)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0] && is_new(w); i++)
        if (cstr_eq(name, names[i].old))
            return json_get(event, names[i].new);
    return json_get(event, name);
}

static void check_length(struct write *w, const char *name, size_t most, bool required)
{
    struct str text = json_str(part(w, w->object, name));
    if (required && !text.n)
        field_required(&w->errors, FIELD(NULL, name), "");
    if (text.n > most)
        field_invalid_str(&w->errors, FIELD(NULL, name), STR(""),
                          most == NOTE_MOST ? "can have at most 1024 characters"
                                            : "can have at most 128 characters");
}

static void check_namespace(struct write *w, bool timed)
{
    struct str ns = json_path_str(part(w, w->object, "involvedObject"), "namespace");
    bool fits = str_is(w->ns, "default") || (timed && str_is(w->ns, "kube-system"));
    if (ns.n)
        fits = timed || str_eq(ns, w->ns);
    if (!fits)
        field_invalid_str(&w->errors, FIELD(FIELD(NULL, "involvedObject"), "namespace"), ns,
                          "does not match event.namespace");
}

static void check_controller(struct write *w)
{
    const struct field *f = FIELD(NULL, is_new(w) ? "reportingController" : "reportingComponent");
    struct str name = json_str(part(w, w->object, "reportingComponent"));
    const char *why = names_qualified(name);
    if (!name.n)
        field_required(&w->errors, f, "");
    if (why)
        field_invalid_str(&w->errors, f, name, why);
}

static void check_series(struct write *w)
{
    const struct json *series = json_get(w->object, "series");
    const struct field *f = FIELD(NULL, "series");
    if (json_absent(series))
        return;
    if (json_path_i64(series, "count", 0) < 2)
        field_invalid_str(&w->errors, FIELD(f, "count"), STR(""), "should be at least 2");
    if (!json_path_str(series, "lastObservedTime").n)
        field_required(&w->errors, FIELD(f, "lastObservedTime"), "");
}

static void must_be_unset(struct write *w, const char *name)
{
    const struct json *value = part(w, w->object, name);
    bool set = json_is(value, JSON_OBJECT)
                   ? json_path_str(value, "component").n || json_path_str(value, "host").n
                   : json_str(value).n || json_i64(value, 0);
    if (set)
        field_invalid_str(&w->errors, FIELD(NULL, name), STR(""), "needs to be unset");
}

static void check_new(struct write *w)
{
    static const char *const old[] = {"firstTimestamp", "lastTimestamp", "count", "source"};
    struct str type = json_path_str(w->object, "type");
    check_series(w);
    if (!json_path_str(w->object, "eventTime").n)
        field_required(&w->errors, FIELD(NULL, "eventTime"), "");
    if (!str_is(type, "Normal") && !str_is(type, "Warning")) {
        const char *why = arena_printf(w->a, "has invalid value: " STR_FMT, STR_ARG(type));
        field_invalid_str(&w->errors, FIELD(NULL, "type"), STR(""), why ? why : "");
    }
    for (size_t i = 0; i < sizeof old / sizeof old[0]; i++)
        must_be_unset(w, old[i]);
}

static void validate(struct write *w)
{
    bool timed = json_path_str(w->object, "eventTime").n != 0;
    check_namespace(w, timed);
    if (timed) {
        check_controller(w);
        check_length(w, "reportingInstance", TEXT_MOST, true);
        check_length(w, "action", TEXT_MOST, true);
        check_length(w, "reason", TEXT_MOST, true);
        check_length(w, "message", NOTE_MOST, false);
    }
    if (w->is_create && is_new(w))
        check_new(w);
}

static void validate_update(struct write *w)
{
    static const char *const kept[] = {
        "involvedObject",   "reason",        "message", "source",
        "firstTimestamp",   "lastTimestamp", "count",   "type",
        "eventTime",        "action",        "related", "reportingComponent",
        "reportingInstance"};
    if (!is_new(w))
        return;
    if (!json_equal(json_get(w->object, "series"), json_get(w->old, "series")))
        check_series(w);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        const char *shown =
            cstr_eq(kept[i], "reportingComponent") ? "reportingController" : kept[i];
        field_check_immutable(&w->errors, FIELD(NULL, shown), part(w, w->object, kept[i]),
                              part(w, w->old, kept[i]));
    }
}

const struct kind kind_event = {
    .group = "",
    .resource = "events",
    .flags = KIND_CREATE_ON_UPDATE,
    .fields = event_fields,
    .validate = validate,
    .validate_update = validate_update,
};
