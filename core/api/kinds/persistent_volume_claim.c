/* PersistentVolumeClaims, as upstream's pkg/apis/core and pkg/registry/core/persistentvolumeclaim. */
#include "api/kinds/kinds.h"
#include "api/kinds/spec_diff.h"
#include "codec/names.h"
#include "codec/quantity.h"

#define CLASS_ANNOTATION "volume.beta.kubernetes.io/storage-class"

static void set_defaults(struct write *w)
{
    set_missing(w->a, json_object_at(w->a, w->object, "status"), "phase", "Pending");
    set_missing(w->a, json_get(w->object, "spec"), "volumeMode", "Filesystem");
}

/* ---- data sources: two fields that say the same, for old clients and new ---- */

static bool old_source(const struct json *source)
{
    struct str kind = json_path_str(source, "kind"), group = json_path_str(source, "apiGroup");
    return (str_is(kind, "PersistentVolumeClaim") && !group.n) ||
           (str_is(kind, "VolumeSnapshot") && str_is(group, "snapshot.storage.k8s.io"));
}

static struct json *same_source(struct arena *a, const struct json *from)
{
    static const char *const parts[] = {"apiGroup", "kind", "name"};
    struct json *to = json_new(a, JSON_OBJECT);
    for (size_t i = 0; i < 3; i++)
        if (!json_absent(json_get(from, parts[i])))
            json_set(a, to, parts[i], json_clone(a, json_get(from, parts[i])));
    return to;
}

static void normalize_sources(struct arena *a, struct json *spec)
{
    const struct json *source = json_get(spec, "dataSource"),
                      *ref = json_get(spec, "dataSourceRef");
    if (!json_absent(source) && json_absent(ref))
        json_set(a, spec, "dataSourceRef", same_source(a, source));
    else if (json_absent(source) && !json_absent(ref) && !json_path_str(ref, "namespace").n)
        json_set(a, spec, "dataSource", same_source(a, ref));
}

static void settle_sources(struct write *w)
{
    struct json *spec = json_get(w->object, "spec"), *old = json_get(w->old, "spec");
    const struct json *source = json_get(spec, "dataSource");
    bool in_use = !json_absent(json_get(old, "dataSource")) ||
                  !json_absent(json_get(old, "dataSourceRef"));
    /* Sources in other namespaces need a feature that is not on. */
    if (json_path_str(spec, "dataSourceRef.namespace").n &&
        json_absent(json_get(old, "dataSourceRef")))
        json_remove(spec, "dataSourceRef");
    if (!in_use && json_absent(json_get(spec, "dataSourceRef")) && !json_absent(source) &&
        !old_source(source))
        json_remove(spec, "dataSource");
    normalize_sources(w->a, spec);
    normalize_sources(w->a, old);
}

static void prepare_create(struct write *w)
{
    struct json *status = json_new(w->a, JSON_OBJECT);
    json_set_cstr(w->a, status, "phase", "Pending");
    json_set(w->a, w->object, "status", status);
    settle_sources(w);
}

static void prepare_update(struct write *w)
{
    if (!cstr_eq(w->subresource, "status"))
        settle_sources(w);
}

static void check_source(struct field_errors *e, const struct field *f, const struct json *source)
{
    struct str kind = json_path_str(source, "kind"), ns = json_path_str(source, "namespace");
    if (json_absent(source))
        return;
    if (!json_path_str(source, "name").n)
        field_required(e, FIELD(f, "name"), NULL);
    if (!kind.n)
        field_required(e, FIELD(f, "kind"), NULL);
    if (!json_path_str(source, "apiGroup").n && !str_is(kind, "PersistentVolumeClaim"))
        field_invalid_str(e, f, kind,
                          "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
    if (ns.n)
        field_check_name(e, FIELD(f, "namespace"), ns, names_dns1123_label);
}

static void check_sources(struct field_errors *e, const struct field *f, const struct json *spec)
{
    const struct json *source = json_get(spec, "dataSource"), *ref = json_get(spec, "dataSourceRef");
    static const struct json nothing = {.type = JSON_OBJECT}; /* as upstream's path is printed */
    check_source(e, FIELD(f, "dataSource"), source);
    check_source(e, FIELD(f, "dataSourceRef"), ref);
    if (json_absent(source) || json_absent(ref))
        return;
    if (json_path_str(ref, "namespace").n)
        field_invalid(e, f, &nothing, "may not be specified when dataSourceRef.namespace is specified");
    else if (!json_equal(json_get(source, "apiGroup"), json_get(ref, "apiGroup")) ||
             !json_equal(json_get(source, "kind"), json_get(ref, "kind")) ||
             !json_equal(json_get(source, "name"), json_get(ref, "name")))
        field_invalid(e, f, &nothing, "must match dataSourceRef");
}

/* ---- size ---- */

static bool size_of(const struct json *quantities, struct quantity *ret)
{
    const struct json *q = json_get(quantities, "storage");
    *ret = quantity_from_i64(0, QUANTITY_BINARY_SI);
    return q && quantity_parse(json_str(q), ret, NULL) == 0;
}

static bool fractional(const struct quantity *q)
{
    return q->nano % 1000000000 != 0;
}

static void check_size(struct write *w, const struct field *f, const struct json *resources)
{
    static const char *const parts[] = {"requests", "limits"};
    const struct field *at = FIELD_KEY(f, STR("storage"));
    struct quantity size, zero = quantity_from_i64(0, QUANTITY_BINARY_SI);
    const struct json *request = json_path(resources, "requests.storage");
    if (json_absent(request))
        field_required(&w->errors, at, NULL);
    else if (size_of(json_get(resources, "requests"), &size) && quantity_cmp(&size, &zero) <= 0)
        field_invalid(&w->errors, at, request, "must be greater than zero");
    else if (fractional(&size))
        field_invalid(&w->errors, at, request, "must be an integer");
    for (size_t i = 0; i < 2; i++)
        if (size_of(json_get(resources, parts[i]), &size) && fractional(&size))
            request_warn(w->r,
                         "spec.resources.%s[storage]: fractional byte value \"%s\" is invalid, must "
                         "be an integer",
                         parts[i], json_path_cstr(json_get(resources, parts[i]), "storage"));
}

void claim_spec_validate(struct write *w, const struct field *f, const struct json *spec)
{
    struct field_errors *e = &w->errors;
    struct str class = json_path_str(spec, "storageClassName"),
               attributes = json_path_str(spec, "volumeAttributesClassName");
    if (!json_count(json_get(spec, "accessModes")))
        field_required(e, FIELD(f, "accessModes"), "at least 1 access mode is required");
    field_check_label_selector(e, FIELD(f, "selector"), json_get(spec, "selector"));
    access_modes_validate(e, FIELD(f, "accessModes"), json_get(spec, "accessModes"));
    check_size(w, FIELD(f, "resources"), json_get(spec, "resources"));
    if (class.n)
        field_check_name(e, FIELD(f, "storageClassName"), class, names_dns1123_subdomain);
    volume_mode_validate(e, FIELD(f, "volumeMode"), json_get(spec, "volumeMode"));
    check_sources(e, f, spec);
    if (attributes.n)
        field_check_name(e, FIELD(f, "volumeAttributesClassName"), attributes,
                         names_dns1123_subdomain);
}

static void validate(struct write *w)
{
    claim_spec_validate(w, FIELD(NULL, "spec"), json_get(w->object, "spec"));
    if (json_get(json_path(w->object, "metadata.annotations"), CLASS_ANNOTATION))
        request_warn(w->r, "metadata.annotations[" CLASS_ANNOTATION
                           "]: deprecated since v1.8; use \"storageClassName\" attribute instead");
}

/* ---- updates ---- */

/* The spec as upstream's type is printed: all members, named as in Go. */
static struct json *as_printed(struct arena *a, const struct json *spec)
{
    static const char *const names[][2] = {
        {"accessModes", "AccessModes"},     {"selector", "Selector"},
        {"resources", "Resources"},         {"volumeName", "VolumeName"},
        {"storageClassName", "StorageClassName"},
        {"volumeMode", "VolumeMode"},       {"dataSource", "DataSource"},
        {"dataSourceRef", "DataSourceRef"}, {"volumeAttributesClassName", "VolumeAttributesClassName"},
    };
    struct json *to = json_new(a, JSON_OBJECT);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct json *m = json_get(spec, names[i][0]);
        struct json *copy = m ? json_clone(a, m) : json_new(a, JSON_NULL);
        if (i == 2) {
            copy = json_new(a, JSON_OBJECT);
            const struct json *limits = json_get(m, "limits"), *requests = json_get(m, "requests");
            json_set(a, copy, "Limits", limits ? json_clone(a, limits) : json_new(a, JSON_NULL));
            json_set(a, copy, "Requests", requests ? json_clone(a, requests) : json_new(a, JSON_NULL));
        } else if (i == 3 && !m) {
            copy = json_new_cstr(a, "");
        } else if ((i == 6 || i == 7) && m) {
            const struct json *group = json_get(m, "apiGroup"), *ns = json_get(m, "namespace");
            copy = json_new(a, JSON_OBJECT);
            json_set(a, copy, "APIGroup", group ? json_clone(a, group) : json_new(a, JSON_NULL));
            json_set_str(a, copy, "Kind", json_path_str(m, "kind"));
            json_set_str(a, copy, "Name", json_path_str(m, "name"));
            if (i == 7)
                json_set(a, copy, "Namespace", ns ? json_clone(a, ns) : json_new(a, JSON_NULL));
        }
        json_set(a, to, names[i][1], copy);
    }
    return to;
}

static void level(struct arena *a, struct json *spec, const struct json *old, const char *name)
{
    const struct json *was = json_get(old, name);
    if (was)
        json_set(a, spec, name, json_clone(a, was));
    else
        json_remove(spec, name);
}

/* A class may be given where there was none, or an annotation only. Returns whether the annotation
 * gave way to the field. */
static bool level_class(struct write *w, struct json *now, const struct json *before)
{
    const struct json *was = json_get(json_path(w->old, "metadata.annotations"), CLASS_ANNOTATION),
                      *is = json_get(json_path(w->object, "metadata.annotations"), CLASS_ANNOTATION),
                      *class = json_get(now, "storageClassName");
    if (!json_absent(json_get(before, "storageClassName")) || json_absent(class))
        return false;
    if (was && json_equal(class, was) && (!is || json_equal(is, was))) {
        json_remove(now, "storageClassName");
        return true;
    }
    if (!was || json_equal(class, was))
        json_remove(now, "storageClassName");
    return false;
}

static void check_spec(struct write *w, const struct json *spec, const struct json *old)
{
    struct json *now = json_clone(w->a, spec), *before = json_clone(w->a, old);
    const struct json *was = json_get(json_path(w->old, "metadata.annotations"), CLASS_ANNOTATION),
                      *is = json_get(json_path(w->object, "metadata.annotations"), CLASS_ANNOTATION);
    bool bound = str_is(json_path_str(w->object, "status.phase"), "Bound");
    if (!json_path_str(old, "volumeName").n)
        level(w->a, before, now, "volumeName");
    if (!level_class(w, now, before) && !str_eq(json_str(is), json_str(was)))
        field_invalid(&w->errors,
                      FIELD_KEY(FIELD(FIELD(NULL, "metadata"), "annotations"), STR(CLASS_ANNOTATION)),
                      is ? is : json_new_cstr(w->a, ""), "field is immutable");
    if (bound && json_path(now, "resources.requests"))
        level(w->a, json_path(now, "resources.requests"), json_path(old, "resources.requests"),
              "storage");
    if (bound && json_get(now, "volumeAttributesClassName"))
        level(w->a, now, before, "volumeAttributesClassName");
    if (!json_equal(now, before))
        field_forbidden(&w->errors, FIELD(NULL, "spec"),
                        arena_printf(w->a,
                                     "spec is immutable after creation except resources.requests and "
                                     "volumeAttributesClassName for bound claims\n%s",
                                     spec_diff(w->a, as_printed(w->a, before),
                                               as_printed(w->a, now))));
}

static void check_attributes(struct write *w, const struct json *spec, const struct json *old)
{
    const struct json *is = json_get(spec, "volumeAttributesClassName"),
                      *was = json_get(old, "volumeAttributesClassName");
    const struct field *f = FIELD(FIELD(NULL, "spec"), "volumeAttributesClassName");
    if (json_equal(is, was) || (json_absent(is) && json_absent(was)) ||
        json_absent(json_path(w->old, "status.currentVolumeAttributesClassName")))
        return;
    if (json_absent(is))
        field_forbidden(&w->errors, f,
                        "update to nil is forbidden when status.currentVolumeAttributesClassName is "
                        "not nil");
    else if (!json_str(is).n)
        field_forbidden(&w->errors, f,
                        "update to empty string is forbidden when "
                        "status.currentVolumeAttributesClassName is not nil");
}

/* ---- status ---- */

static void check_resource_name(struct field_errors *e, const struct field *f, struct str name)
{
    static const char *const names[] = {"storage", NULL};
    const char *wrong = names_qualified(name);
    bool native = str_find_byte(name, '/') < 0 || str_find(name, STR("kubernetes.io/")) >= 0;
    if (wrong)
        field_invalid_str(e, f, name, wrong);
    else if (native && !str_is(name, "storage"))
        field_unsupported(e, f, name, names);
}

static void check_quantities(struct field_errors *e, const struct field *f, const struct json *map,
                             bool names)
{
    for (const struct json *m = json_first(map); m; m = m->next) {
        struct quantity q;
        if (names)
            check_resource_name(e, f, m->key);
        if (quantity_parse(json_str(m), &q, NULL) < 0)
            continue;
        if (quantity_value(&q) < 0)
            field_invalid_int(e, FIELD_KEY(f, m->key), quantity_value(&q),
                              "must be a valid resource quantity");
        else if (names && fractional(&q))
            field_invalid(e, FIELD_KEY(f, m->key), m, "must be an integer");
    }
}

static void check_status(struct write *w)
{
    static const char *const resizes[] = {"ControllerResizeInProgress", "ControllerResizeInfeasible",
                                          "NodeResizeInProgress", "NodeResizeInfeasible",
                                          "NodeResizePending", NULL};
    const struct field *f = FIELD(NULL, "status");
    const struct json *status = json_get(w->object, "status");
    check_quantities(&w->errors, FIELD(f, "capacity"), json_get(status, "capacity"), false);
    for (const struct json *m = json_first(json_get(status, "allocatedResourceStatuses")); m;
         m = m->next) {
        const struct field *at = FIELD(f, "allocatedResourceStatus");
        size_t i = 0;
        check_resource_name(&w->errors, at, m->key);
        while (resizes[i] && !str_is(json_str(m), resizes[i]))
            i++;
        if (!resizes[i])
            field_unsupported(&w->errors, at, m->key, resizes);
    }
    check_quantities(&w->errors, FIELD(f, "allocatedResources"),
                     json_get(status, "allocatedResources"), true);
}

static void validate_update(struct write *w)
{
    const struct json *spec = json_get(w->object, "spec"), *old = json_get(w->old, "spec");
    struct quantity now, before, has;
    if (cstr_eq(w->subresource, "status")) {
        check_status(w);
        return;
    }
    check_spec(w, spec, old);
    size_of(json_path(spec, "resources.requests"), &now);
    size_of(json_path(old, "resources.requests"), &before);
    size_of(json_path(w->old, "status.capacity"), &has);
    if (quantity_cmp(&now, &before) < 0 && quantity_cmp(&now, &has) <= 0)
        field_forbidden(&w->errors,
                        FIELD(FIELD(FIELD(FIELD(NULL, "spec"), "resources"), "requests"), "storage"),
                        "field can not be less than status.capacity");
    field_check_immutable(&w->errors, FIELD(NULL, "volumeMode"), json_get(spec, "volumeMode"),
                          json_get(old, "volumeMode"));
    check_attributes(w, spec, old);
}

static const struct kind_field fields[] = {{.selector = "name", .path = "metadata.name"}, {.selector = NULL}};

const struct kind kind_persistent_volume_claim = {
    .group = "",
    .resource = "persistentvolumeclaims",
    .flags = KIND_STATUS | KIND_RETURN_DELETED,
    .fields = fields,
    .set_defaults = set_defaults,
    .prepare_create = prepare_create,
    .prepare_update = prepare_update,
    .validate = validate,
    .validate_update = validate_update,
};
