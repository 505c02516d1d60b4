/* Deployments (pkg/apis/apps). */
#include "api/kinds/workload.h"

static void set_defaults(struct write *w)
{
    struct arena *a = w->a;
    struct json *spec = json_object_at(a, w->object, "spec");
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

static void validate_strategy(struct field_errors *e, const struct field *f,
                              const struct json *strategy)
{
    const struct json *rolling = json_get(strategy, "rollingUpdate");
    const struct field *at = FIELD(f, "rollingUpdate");
    struct str type = json_path_str(strategy, "type");
    bool recreate = str_is(type, "Recreate");
    if (recreate && !json_absent(rolling))
        field_forbidden(e, at, "may not be specified when strategy `type` is 'Recreate'");
    if (!recreate && !str_is(type, "RollingUpdate"))
        field_unsupported_json(e, f, strategy,
                               (const char *const[]){"Recreate", "RollingUpdate", NULL});
    if (!str_is(type, "RollingUpdate"))
        return;
    const struct json *unavailable = json_get(rolling, "maxUnavailable"),
                      *surge = json_get(rolling, "maxSurge");
    field_check_int_or_percent(e, FIELD(at, "maxUnavailable"), unavailable);
    field_check_int_or_percent(e, FIELD(at, "maxSurge"), surge);
    if (!int_or_percent(unavailable) && !int_or_percent(surge))
        field_invalid(e, FIELD(at, "maxUnavailable"), unavailable,
                      "may not be 0 when `maxSurge` is 0");
    percent_validate(e, FIELD(at, "maxUnavailable"), unavailable);
}

static void validate(struct write *w)
{
    struct field_errors *e = &w->errors;
    const struct field *f = FIELD(NULL, "spec");
    const struct json *spec = json_get(w->object, "spec"),
                      *deadline = json_get(spec, "progressDeadlineSeconds");
    name_warn(w, "Pod names and hostnames");
    field_check_not_negative(e, FIELD(f, "replicas"), json_get(spec, "replicas"));
    replica_template_validate(e, f, spec);
    validate_strategy(e, FIELD(f, "strategy"), json_get(spec, "strategy"));
    numbers_validate(e, f, spec,
                     (const char *const[]){"minReadySeconds", "revisionHistoryLimit",
                                           "progressDeadlineSeconds", NULL});
    if (!json_absent(deadline) &&
        json_i64(deadline, 0) <= json_path_i64(spec, "minReadySeconds", 0))
        field_invalid(e, FIELD(f, "progressDeadlineSeconds"), deadline,
                      "must be greater than minReadySeconds");
}

static void validate_status(struct write *w)
{
    const struct json *status = json_get(w->object, "status");
    counts_validate(
        &w->errors, FIELD(NULL, "status"), status,
        (const char *const[]){"observedGeneration", "replicas", "updatedReplicas", "readyReplicas",
                              "availableReplicas", "unavailableReplicas", "collisionCount", NULL},
        (const char *const[]){"updatedReplicas", "readyReplicas", "availableReplicas", NULL});
    available_validate(&w->errors, FIELD(NULL, "status"), status,
                       "cannot be greater than readyReplicas");
    collisions_validate(w);
}

static void validate_update(struct write *w)
{
    if (cstr_eq(w->subresource, "status")) {
        validate_status(w);
        return;
    }
    field_check_immutable(&w->errors, FIELD(FIELD(NULL, "spec"), "selector"),
                          json_path(w->object, "spec.selector"),
                          json_path(w->old, "spec.selector"));
}

/* A status update may change annotations, but no labels. */
static void prepare_update(struct write *w)
{
    const struct json *labels = json_path(w->old, "metadata.labels");
    struct json *meta = json_get(w->object, "metadata");
    if (!cstr_eq(w->subresource, "status"))
        return;
    json_remove(meta, "labels");
    if (labels)
        json_set(w->a, meta, "labels", json_clone(w->a, labels));
}

const struct kind kind_deployment = {
    .group = "apps",
    .resource = "deployments",
    .flags = KIND_STATUS | KIND_GENERATION,
    .set_defaults = set_defaults,
    .prepare_update = prepare_update,
    .validate = validate,
    .validate_update = validate_update,
};
