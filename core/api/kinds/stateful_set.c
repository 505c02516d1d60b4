/* StatefulSets (pkg/apis/apps, pkg/registry/apps/statefulset). */
#include "api/kinds/workload.h"

#include "codec/names.h"

static void default_claims(struct arena *a, struct json *claims)
{
    for (struct json *c = json_first(claims); c; c = c->next) {
        set_missing(a, c, "apiVersion", "v1");
        set_missing(a, c, "kind", "PersistentVolumeClaim");
        set_missing(a, json_object_at(a, c, "spec"), "volumeMode", "Filesystem");
        set_missing(a, json_object_at(a, c, "status"), "phase", "Pending");
    }
}

static void set_defaults(struct write *w)
{
    struct arena *a = w->a;
    struct json *spec = json_object_at(a, w->object, "spec");
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
    default_claims(a, json_get(spec, "volumeClaimTemplates"));
}

static void check_rolling(struct field_errors *e, const struct field *f, const struct json *rolling)
{
    const struct json *unavailable = json_get(rolling, "maxUnavailable");
    field_check_not_negative(e, FIELD(f, "partition"), json_get(rolling, "partition"));
    if (json_absent(unavailable))
        return;
    f = FIELD(f, "maxUnavailable");
    field_check_int_or_percent(e, f, unavailable);
    if (int_or_percent(unavailable) == 0)
        field_invalid(e, f, unavailable, "cannot be 0");
    percent_validate(e, f, unavailable);
}

static void check_strategy(struct field_errors *e, const struct field *f,
                           const struct json *strategy)
{
    const struct json *rolling = json_get(strategy, "rollingUpdate");
    struct str type = json_path_str(strategy, "type");
    const struct field *at = FIELD(f, "rollingUpdate");
    if (!type.n)
        field_required(e, f, NULL);
    else if (str_is(type, "OnDelete") && !json_absent(rolling))
        field_invalid(e, at, rolling, "only allowed for updateStrategy 'RollingUpdate'");
    else if (str_is(type, "RollingUpdate"))
        check_rolling(e, at, rolling);
    else if (!str_is(type, "OnDelete"))
        field_invalid(e, f, strategy, "must be 'RollingUpdate' or 'OnDelete'");
}

static void check_retention(struct field_errors *e, const struct field *f,
                            const struct json *policy)
{
    static const char *const whens[] = {"whenDeleted", "whenScaled"};
    for (size_t i = 0; i < 2 && !json_absent(policy); i++) {
        struct str s = json_str(json_get(policy, whens[i]));
        if (!str_is(s, "Retain") && !str_is(s, "Delete"))
            field_unsupported(e, FIELD(f, whens[i]), s,
                              (const char *const[]){"Retain", "Delete", NULL});
    }
}

/* Pods get a volume of each claim's name, so containers may mount those. */
static void check_template(struct field_errors *e, const struct field *f, const struct json *spec)
{
    struct json *template = json_clone(e->arena, json_get(spec, "template"));
    struct json *pod = json_object_at(e->arena, template, "spec");
    for (const struct json *c = json_first(json_get(spec, "volumeClaimTemplates")); c;
         c = c->next) {
        struct str name = json_path_str(c, "metadata.name");
        struct json *volumes = json_array_at(e->arena, pod, "volumes"), *v = json_first(volumes);
        while (v && !str_eq(json_path_str(v, "name"), name))
            v = v->next;
        if (v || !name.n)
            continue; /* the claim's takes the place of the pod's own */
        v = json_append(e->arena, volumes, json_new(e->arena, JSON_OBJECT));
        json_set_str(e->arena, v, "name", name);
        json_set_str(e->arena, json_object_at(e->arena, v, "persistentVolumeClaim"), "claimName",
                     name);
    }
    template_validate(e, FIELD(f, "template"), template);
}

static void validate(struct write *w)
{
    struct field_errors *e = &w->errors;
    const struct field *f = FIELD(NULL, "spec");
    const struct json *spec = json_get(w->object, "spec");
    struct str policy = json_path_str(spec, "podManagementPolicy"),
               service = json_path_str(spec, "serviceName");
    if (!policy.n)
        field_required(e, FIELD(f, "podManagementPolicy"), NULL);
    else if (!str_is(policy, "OrderedReady") && !str_is(policy, "Parallel"))
        field_invalid_str(e, FIELD(f, "podManagementPolicy"), policy,
                          "must be 'OrderedReady' or 'Parallel'");
    check_strategy(e, FIELD(f, "updateStrategy"), json_get(spec, "updateStrategy"));
    check_retention(e, FIELD(f, "persistentVolumeClaimRetentionPolicy"),
                    json_get(spec, "persistentVolumeClaimRetentionPolicy"));
    numbers_validate(
        e, f, spec,
        (const char *const[]){"replicas", "minReadySeconds", "revisionHistoryLimit", NULL});
    field_check_not_negative(e, FIELD(FIELD(f, "ordinals"), "start"),
                             json_path(spec, "ordinals.start"));
    if (service.n && (w->is_create || !str_eq(service, json_path_str(w->old, "spec.serviceName"))))
        field_check_name(e, FIELD(f, "serviceName"), service, names_dns1123_label);
    selector_validate(e, FIELD(f, "selector"), json_get(spec, "selector"),
                      "empty selector is invalid for statefulset");
    selector_match_validate(e, f, spec);
    check_template(e, f, spec);
    template_policy_validate(e, f, spec, "StatefulSet");
}

static void validate_status(struct write *w)
{
    struct field_errors *e = &w->errors;
    const struct field *f = FIELD(NULL, "status");
    const struct json *status = json_get(w->object, "status");
    counts_validate(e, f, status,
                    (const char *const[]){"replicas", "readyReplicas", "currentReplicas",
                                          "updatedReplicas", "availableReplicas",
                                          "observedGeneration", "collisionCount", NULL},
                    (const char *const[]){"readyReplicas", "currentReplicas", "updatedReplicas",
                                          "availableReplicas", NULL});
    available_validate(e, f, status, "cannot be greater than status.readyReplicas");
    collisions_validate(w);
}

static void validate_update(struct write *w)
{
    static const char *const changeable[] = {"replicas",
                                             "template",
                                             "updateStrategy",
                                             "persistentVolumeClaimRetentionPolicy",
                                             "minReadySeconds",
                                             "ordinals",
                                             "revisionHistoryLimit"};
    if (cstr_eq(w->subresource, "status")) {
        validate_status(w);
        return;
    }
    struct json *now = json_clone(w->a, json_get(w->object, "spec")),
                *was = json_clone(w->a, json_get(w->old, "spec"));
    for (size_t i = 0; i < sizeof changeable / sizeof changeable[0]; i++) {
        json_remove(now, changeable[i]);
        json_remove(was, changeable[i]);
    }
    if (!json_equal(now, was))
        field_forbidden(&w->errors, FIELD(NULL, "spec"),
                        "updates to statefulset spec for fields other than 'replicas', 'ordinals', "
                        "'template', 'updateStrategy', 'revisionHistoryLimit', "
                        "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are "
                        "forbidden");
}

const struct kind kind_stateful_set = {
    .group = "apps",
    .resource = "statefulsets",
    .flags = KIND_STATUS | KIND_GENERATION,
    .name_rule = names_dns1123_label,
    .set_defaults = set_defaults,
    .validate = validate,
    .validate_update = validate_update,
};
