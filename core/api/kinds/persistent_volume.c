/* PersistentVolumes, as upstream's pkg/apis/core and pkg/registry/core/persistentvolume. */
#include "api/kinds/kinds.h"
#include "api/kinds/spec_diff.h"
#include "api/kinds/volume_source.h"
#include "codec/names.h"
#include "codec/quantity.h"

#define CLASS_ANNOTATION "volume.beta.kubernetes.io/storage-class"
#define MOUNT_ANNOTATION "volume.beta.kubernetes.io/mount-options"

static void set_defaults(struct write *w)
{
    struct json *spec = json_get(w->object, "spec");
    if (w->is_create || json_get(w->object, "status"))
        set_missing(w->a, json_object_at(w->a, w->object, "status"), "phase", "Pending");
    set_missing(w->a, spec, "persistentVolumeReclaimPolicy", "Retain");
    set_missing(w->a, spec, "volumeMode", "Filesystem");
    volume_source_default(w->a, spec);
}

static void prepare_create(struct write *w)
{
    struct json *status = json_new(w->a, JSON_OBJECT);
    json_set_cstr(w->a, status, "phase", "Pending");
    json_set_cstr(w->a, status, "lastPhaseTransitionTime", w->now);
    json_set(w->a, w->object, "status", status);
}

/* The time of the last change of phase is ours to keep, unless the client knows better. */
static void prepare_update(struct write *w)
{
    struct json *status = json_get(w->object, "status");
    const struct json *old = json_get(w->old, "status");
    const struct json *was = json_get(old, "lastPhaseTransitionTime"),
                      *is = json_get(status, "lastPhaseTransitionTime");
    if (!cstr_eq(w->subresource, "status"))
        return;
    bool same_phase = str_eq(json_path_str(status, "phase"), json_path_str(old, "phase"));
    if (same_phase && json_absent(is) && !json_absent(was))
        json_set(w->a, status, "lastPhaseTransitionTime", json_clone(w->a, was));
    else if (!same_phase && (json_absent(is) || json_equal(is, was)))
        json_set_cstr(w->a, json_object_at(w->a, w->object, "status"), "lastPhaseTransitionTime",
                      w->now);
}

void access_modes_validate(struct field_errors *e, const struct field *f, const struct json *modes)
{
    static const char *const known[] = {"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce",
                                        "ReadWriteOncePod", NULL};
    bool alone = false, others = false;
    for (const struct json *m = json_first(modes); m; m = m->next) {
        size_t i = 0;
        while (known[i] && !str_is(json_str(m), known[i]))
            i++;
        if (!known[i])
            field_unsupported(e, f, json_str(m), known);
        alone |= i == 3;
        others |= i < 3;
    }
    if (alone && others)
        field_forbidden(e, f, "may not use ReadWriteOncePod with other access modes");
}

void volume_mode_validate(struct field_errors *e, const struct field *f, const struct json *mode)
{
    static const char *const modes[] = {"Block", "Filesystem", NULL};
    if (!json_absent(mode) && !str_is(json_str(mode), "Block") &&
        !str_is(json_str(mode), "Filesystem"))
        field_unsupported(e, f, json_str(mode), modes);
}

static void check_capacity(struct field_errors *e, const struct field *f,
                           const struct json *capacity)
{
    static const char *const names[] = {"storage", NULL};
    if (!json_count(capacity))
        field_required(e, f, NULL);
    if (!json_get(capacity, "storage") || json_count(capacity) > 1)
        field_unsupported_json(e, f, json_count(capacity) ? capacity : NULL, names);
    for (const struct json *m = json_first(capacity); m; m = m->next) {
        struct quantity q, zero = quantity_from_i64(0, QUANTITY_DECIMAL_SI);
        if (quantity_parse(json_str(m), &q, NULL) < 0)
            continue;
        if (quantity_value(&q) < 0)
            field_invalid_int(e, FIELD_KEY(f, m->key), quantity_value(&q),
                              "must be a valid resource quantity");
        if (quantity_cmp(&q, &zero) <= 0)
            field_invalid(e, FIELD_KEY(f, m->key), m, "must be greater than zero");
    }
}

/* Is the path nothing but the root, however it is spelled? */
static bool is_root(struct str path)
{
    struct str rest = path, part;
    size_t depth = 0;
    if (!path.n || path.p[0] != '/')
        return false;
    while (str_split(&rest, '/', &part)) {
        if (str_is(part, ".."))
            depth -= depth > 0;
        else
            depth += part.n && !str_is(part, ".");
    }
    return depth == 0;
}

static void check_affinity(struct write *w, const struct field *f, const struct json *affinity)
{
    const struct json *required = json_get(affinity, "required");
    const struct field *terms = FIELD(FIELD(f, "required"), "nodeSelectorTerms");
    uint32_t i = 0;
    if (json_absent(required))
        field_required(&w->errors, FIELD(f, "required"), "must specify required node constraints");
    else
        node_selector_validate(&w->errors, FIELD(f, "required"), required);
    for (const struct json *t = json_first(json_get(required, "nodeSelectorTerms")); t;
         t = t->next, i++) {
        uint32_t k = 0;
        for (const struct json *x = json_first(json_get(t, "matchExpressions")); x; x = x->next, k++) {
            const char *why = node_label_deprecated(json_path_str(x, "key"));
            const struct field *list = FIELD(FIELD_AT(terms, i), "matchExpressions");
            if (why)
                request_warn(w->r, "%s: %s is %s", field_text(w->a, FIELD(FIELD_AT(list, k), "key")),
                             json_path_cstr(x, "key"), why);
        }
    }
}

/* What an inline volume must not say. */
static void check_inline(struct field_errors *e, const struct field *f, const struct json *spec)
{
    static const char not_here[] = "may not be specified in the context of inline volumes";
    if (!json_absent(json_get(spec, "claimRef")))
        field_forbidden(e, FIELD(f, "claimRef"), not_here);
    if (json_count(json_get(spec, "capacity")))
        field_forbidden(e, FIELD(f, "capacity"), not_here);
    if (json_absent(json_get(spec, "csi")))
        field_required(e, FIELD(f, "csi"), "has to be specified in the context of inline volumes");
    struct str policy = json_path_str(spec, "persistentVolumeReclaimPolicy"),
               mode = json_path_str(spec, "volumeMode");
    if (policy.n && !str_is(policy, "Retain"))
        field_forbidden(e, FIELD(f, "persistentVolumeReclaimPolicy"),
                        "may only be Retain in the context of inline volumes");
    if (!json_absent(json_get(spec, "nodeAffinity")))
        field_forbidden(e, FIELD(f, "nodeAffinity"), not_here);
    if (json_path_str(spec, "storageClassName").n)
        field_forbidden(e, FIELD(f, "storageClassName"), not_here);
    if (mode.n && !str_is(mode, "Filesystem"))
        field_forbidden(e, FIELD(f, "volumeMode"),
                        "may not specify volumeMode other than Filesystem in the context of inline "
                        "volumes");
}

void inline_volume_validate(struct field_errors *e, const struct field *f, const struct json *spec)
{
    check_inline(e, f, spec);
    if (!json_count(json_get(spec, "accessModes")))
        field_required(e, FIELD(f, "accessModes"), NULL);
    access_modes_validate(e, FIELD(f, "accessModes"), json_get(spec, "accessModes"));
    volume_source_validate(e, f, spec, STR(""));
}

static void check_names(struct field_errors *e, const struct field *f, const struct json *spec)
{
    static const char *const names[] = {"storageClassName", "volumeAttributesClassName"};
    for (size_t i = 0; i < 2; i++)
        if (json_path_str(spec, names[i]).n)
            field_check_name(e, FIELD(f, names[i]), json_path_str(spec, names[i]),
                             names_dns1123_subdomain);
}

static void check_annotations(struct write *w, const struct json *spec)
{
    const struct json *annotations = json_path(w->object, "metadata.annotations");
    if (json_get(annotations, MOUNT_ANNOTATION) && !volume_source_mount_options(spec))
        field_forbidden(&w->errors,
                        FIELD(FIELD(FIELD(NULL, "metadata"), "annotations"), MOUNT_ANNOTATION),
                        "may not specify mount options for this volume type");
    if (json_get(annotations, CLASS_ANNOTATION))
        request_warn(w->r, "metadata.annotations[" CLASS_ANNOTATION
                           "]: deprecated since v1.8; use \"storageClassName\" attribute instead");
}

static void validate(struct write *w)
{
    static const char *const policies[] = {"Delete", "Recycle", "Retain", NULL};
    struct field_errors *e = &w->errors;
    const struct field *f = FIELD(NULL, "spec");
    const struct json *spec = json_get(w->object, "spec"),
                      *policy = json_get(spec, "persistentVolumeReclaimPolicy");
    if (!json_count(json_get(spec, "accessModes")))
        field_required(e, FIELD(f, "accessModes"), NULL);
    access_modes_validate(e, FIELD(f, "accessModes"), json_get(spec, "accessModes"));
    check_capacity(e, FIELD(f, "capacity"), json_get(spec, "capacity"));
    if (json_str(policy).n)
        field_check_enum(e, FIELD(f, "persistentVolumeReclaimPolicy"), policy, policies);
    if (!json_absent(json_get(spec, "nodeAffinity")))
        check_affinity(w, FIELD(f, "nodeAffinity"), json_get(spec, "nodeAffinity"));
    volume_source_validate(e, f, spec, w->name);
    if (str_is(json_str(policy), "Recycle") && is_root(json_path_str(spec, "hostPath.path")))
        field_forbidden(e, FIELD(f, "persistentVolumeReclaimPolicy"),
                        "may not be 'recycle' for a hostPath mount of '/'");
    check_names(e, f, spec);
    volume_mode_validate(e, FIELD(f, "volumeMode"), json_get(spec, "volumeMode"));
    check_annotations(w, spec);
    volume_source_warn(w->r, spec);
}

static void validate_update(struct write *w)
{
    const struct json *spec = json_get(w->object, "spec"), *old = json_get(w->old, "spec");
    if (cstr_eq(w->subresource, "status"))
        return;
    struct json *now = volume_source_of(w->a, spec), *before = volume_source_of(w->a, old);
    /* May be given once. */
    if (json_get(now, "csi") &&
        json_absent(json_path(before, "csi.controllerExpandSecretRef")))
        json_remove(json_get(now, "csi"), "controllerExpandSecretRef");
    if (!json_equal(now, before))
        field_forbidden(&w->errors, FIELD(FIELD(NULL, "spec"), "persistentvolumesource"),
                        arena_printf(w->a,
                                     "spec.persistentvolumesource is immutable after creation\n%s",
                                     spec_diff(w->a, before, now)));
    field_check_immutable(&w->errors, FIELD(NULL, "volumeMode"), json_get(spec, "volumeMode"),
                          json_get(old, "volumeMode"));
    const struct json *affinity = json_get(old, "nodeAffinity");
    if (!json_absent(affinity) && !json_equal(affinity, json_get(spec, "nodeAffinity")))
        field_invalid(&w->errors, FIELD(NULL, "nodeAffinity"), json_get(spec, "nodeAffinity"),
                      "field is immutable, except for updating from beta label to GA");
}

static const struct kind_field fields[] = {{.selector = "name", .path = "metadata.name"}, {.selector = NULL}};

const struct kind kind_persistent_volume = {
    .group = "",
    .resource = "persistentvolumes",
    .flags = KIND_STATUS | KIND_RETURN_DELETED,
    .fields = fields,
    .set_defaults = set_defaults,
    .prepare_create = prepare_create,
    .prepare_update = prepare_update,
    .validate = validate,
    .validate_update = validate_update,
};
