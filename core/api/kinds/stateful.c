/* StatefulSets and DaemonSets: their objects; the controllers that act on them come later. */
#include "api/kinds/kinds.h"

static void set_stateful(struct write *w)
{
    struct arena *a = w->a;
    struct json *spec = json_get(w->object, "spec");
    if (!spec)
        return;
    template_default(a, spec);
    set_missing_i64(a, spec, "replicas", 1);
    set_missing_i64(a, spec, "revisionHistoryLimit", 10);
    set_missing(a, spec, "podManagementPolicy", "OrderedReady");
    struct json *strategy = json_object_at(a, spec, "updateStrategy");
    set_missing(a, strategy, "type", "RollingUpdate");
    if (str_is(json_path_str(strategy, "type"), "RollingUpdate"))
        set_missing_i64(a, json_object_at(a, strategy, "rollingUpdate"), "partition", 0);
    struct json *retention = json_object_at(a, spec, "persistentVolumeClaimRetentionPolicy");
    set_missing(a, retention, "whenDeleted", "Retain");
    set_missing(a, retention, "whenScaled", "Retain");
}

static void set_daemon(struct write *w)
{
    struct arena *a = w->a;
    struct json *spec = json_get(w->object, "spec");
    if (!spec)
        return;
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

static void validate(struct write *w)
{
    const struct field *f = FIELD(NULL, "spec");
    const struct json *spec = json_get(w->object, "spec"), *selector = json_get(spec, "selector");
    field_check_not_negative(&w->errors, FIELD(f, "replicas"), json_get(spec, "replicas"));
    if (json_absent(selector))
        field_required(&w->errors, FIELD(f, "selector"), NULL);
    else
        field_check_label_selector(&w->errors, FIELD(f, "selector"), selector);
    template_validate(&w->errors, f, spec, "Always");
}

static void validate_update(struct write *w)
{
    field_check_immutable(&w->errors, FIELD(FIELD(NULL, "spec"), "selector"),
                          json_path(w->object, "spec.selector"),
                          json_path(w->old, "spec.selector"));
}

const struct kind kind_stateful_set = {
    .group = "apps",
    .resource = "statefulsets",
    .flags = KIND_STATUS | KIND_GENERATION,
    .set_defaults = set_stateful,
    .validate = validate,
    .validate_update = validate_update,
};

const struct kind kind_daemon_set = {
    .group = "apps",
    .resource = "daemonsets",
    .flags = KIND_STATUS | KIND_GENERATION,
    .set_defaults = set_daemon,
    .validate = validate,
    .validate_update = validate_update,
};
