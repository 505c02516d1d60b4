/* ReplicaSets, and their ancestors the ReplicationControllers. */
#include "api/kinds/kinds.h"

static const struct kind_field fields[] = {
    {SELECTABLE("status.replicas"), .absent = "0"}, {.selector = NULL}};

static void set_defaults(struct write *w)
{
    struct json *spec = json_get(w->object, "spec");
    if (!spec)
        return;
    template_default(w->a, spec);
    set_missing_i64(w->a, spec, "replicas", 1);
}

static void set_controller_defaults(struct write *w)
{
    struct json *spec = json_get(w->object, "spec");
    const struct json *labels = json_path(spec, "template.metadata.labels");
    set_defaults(w);
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
    struct field_errors *e = &w->errors;
    const struct field *f = FIELD(NULL, "spec");
    const struct json *spec = json_get(w->object, "spec"), *selector = json_get(spec, "selector");
    field_check_not_negative(e, FIELD(f, "replicas"), json_get(spec, "replicas"));
    field_check_not_negative(e, FIELD(f, "minReadySeconds"), json_get(spec, "minReadySeconds"));
    if (json_absent(selector))
        field_required(e, FIELD(f, "selector"), NULL);
    else if (!json_count(json_get(selector, "matchLabels")) &&
             !json_count(json_get(selector, "matchExpressions")))
        field_invalid(e, FIELD(f, "selector"), selector,
                      "empty selector is invalid for deployment");
    else
        field_check_label_selector(e, FIELD(f, "selector"), selector);
    template_validate(e, f, spec, "Always");
}

static void validate_controller(struct write *w)
{
    struct field_errors *e = &w->errors;
    const struct field *f = FIELD(NULL, "spec");
    const struct json *spec = json_get(w->object, "spec"), *selector = json_get(spec, "selector");
    struct selector s;
    field_check_not_negative(e, FIELD(f, "replicas"), json_get(spec, "replicas"));
    if (!json_count(selector))
        field_required(e, FIELD(f, "selector"), NULL);
    else if (selector_from_map(e->arena, selector, &s) == 0 &&
             !selector_matches(&s, json_path(spec, "template.metadata.labels")))
        field_invalid(e, FIELD(FIELD(FIELD(f, "template"), "metadata"), "labels"),
                      json_path(spec, "template.metadata.labels"),
                      "`selector` does not match template `labels`");
    const struct json *pod = json_path(spec, "template.spec");
    if (pod)
        pod_spec_validate(e, FIELD(FIELD(f, "template"), "spec"), pod);
    else
        field_required(e, FIELD(f, "template"), NULL);
}

static void validate_update(struct write *w)
{
    field_check_immutable(&w->errors, FIELD(FIELD(NULL, "spec"), "selector"),
                          json_path(w->object, "spec.selector"),
                          json_path(w->old, "spec.selector"));
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
};
