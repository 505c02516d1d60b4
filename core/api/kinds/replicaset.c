/* ReplicaSets, and their ancestors the ReplicationControllers. */
#include "api/kinds/workload.h"

static const struct kind_field fields[] = {{SELECTABLE("status.replicas"), .absent = "0"},
                                           {.selector = NULL}};

static void set_defaults(struct write *w)
{
    struct json *spec = json_object_at(w->a, w->object, "spec");
    template_default(w->a, spec);
    set_missing_i64(w->a, spec, "replicas", 1);
}

static void set_controller_defaults(struct write *w)
{
    struct json *spec = json_object_at(w->a, w->object, "spec"), *labels;
    set_missing_i64(w->a, spec, "replicas", 1);
    if (json_absent(json_get(spec, "template")))
        return; /* that it is missing is for validation to say */
    template_default(w->a, spec);
    labels = json_path(spec, "template.metadata.labels");
    if (!json_count(labels))
        return;
    if (!json_count(json_get(spec, "selector")))
        json_set(w->a, spec, "selector", json_clone(w->a, labels));
    struct json *meta = json_object_at(w->a, w->object, "metadata");
    if (!json_count(json_get(meta, "labels")))
        json_set(w->a, meta, "labels", json_clone(w->a, labels));
}

static void prepare_create(struct write *w)
{
    json_set_path(w->a, w->object, "status.replicas", json_new_i64(w->a, 0));
}

static void validate(struct write *w)
{
    const struct field *f = FIELD(NULL, "spec");
    const struct json *spec = json_get(w->object, "spec");
    name_warn(w, "Pod names and hostnames");
    numbers_validate(&w->errors, f, spec,
                     (const char *const[]){"replicas", "minReadySeconds", NULL});
    replica_template_validate(&w->errors, f, spec);
}

static void check_controller_template(struct field_errors *e, const struct field *f,
                                      const struct json *spec)
{
    const struct json *template = json_get(spec, "template"),
                      *selector = json_get(spec, "selector");
    const struct json *labels = json_path(template, "metadata.labels");
    struct selector s;
    if (json_count(selector) && selector_from_map(e->arena, selector, &s) == 0 &&
        !selector_matches(&s, labels))
        field_invalid(e, FIELD(FIELD(FIELD(f, "template"), "metadata"), "labels"), labels,
                      "`selector` does not match template `labels`");
    template_validate(e, FIELD(f, "template"), template);
    template_policy_validate(e, f, spec, "ReplicationController");
}

static void validate_controller(struct write *w)
{
    struct field_errors *e = &w->errors;
    const struct field *f = FIELD(NULL, "spec");
    const struct json *spec = json_get(w->object, "spec");
    field_check_not_negative(e, FIELD(f, "minReadySeconds"), json_get(spec, "minReadySeconds"));
    if (!json_count(json_get(spec, "selector")))
        field_required(e, FIELD(f, "selector"), NULL);
    field_check_not_negative(e, FIELD(f, "replicas"), json_get(spec, "replicas"));
    if (json_absent(json_get(spec, "template")))
        field_required(e, FIELD(f, "template"), NULL);
    else
        check_controller_template(e, f, spec);
}

/* Of both kinds. */
static void validate_status(struct write *w)
{
    const struct field *f = FIELD(NULL, "status");
    const struct json *status = json_get(w->object, "status");
    counts_validate(
        &w->errors, f, status,
        (const char *const[]){"replicas", "fullyLabeledReplicas", "readyReplicas",
                              "availableReplicas", "observedGeneration", NULL},
        (const char *const[]){"fullyLabeledReplicas", "readyReplicas", "availableReplicas", NULL});
    available_validate(&w->errors, f, status, "cannot be greater than readyReplicas");
}

static void validate_update(struct write *w)
{
    if (cstr_eq(w->subresource, "status"))
        validate_status(w);
    else
        field_check_immutable(&w->errors, FIELD(FIELD(NULL, "spec"), "selector"),
                              json_path(w->object, "spec.selector"),
                              json_path(w->old, "spec.selector"));
}

static void validate_controller_update(struct write *w)
{
    if (cstr_eq(w->subresource, "status"))
        validate_status(w);
}

const struct kind kind_replicaset = {
    .group = "apps",
    .resource = "replicasets",
    .flags = KIND_STATUS | KIND_GENERATION,
    .fields = fields,
    .set_defaults = set_defaults,
    .prepare_create = prepare_create,
    .validate = validate,
    .validate_update = validate_update,
};

const struct kind kind_replication_controller = {
    .group = "",
    .resource = "replicationcontrollers",
    .flags = KIND_STATUS | KIND_GENERATION | KIND_ORPHANS,
    .fields = fields,
    .set_defaults = set_controller_defaults,
    .prepare_create = prepare_create,
    .validate = validate_controller,
    .validate_update = validate_controller_update,
};
