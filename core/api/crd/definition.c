/* The kind CustomResourceDefinition: defaults, what must hold, what is said about it. */
#include "api/crd/definition.h"

#include "api/crd/schema_check.h"
#include "api/kinds/kinds.h"
#include "codec/names.h"

static void set_defaults(struct write *w)
{
    struct json *spec = json_get(w->object, "spec"), *names = json_get(spec, "names");
    struct str kind = json_path_str(names, "kind");
    if (kind.n && !json_path_str(names, "singular").n) {
        char *lower = arena_strndup(w->a, kind.p, kind.n);
        for (char *c = lower; c && *c; c++)
            *c = *c >= 'A' && *c <= 'Z' ? (char)(*c | 0x20) : *c;
        json_set_cstr(w->a, names, "singular", lower ? lower : "");
    }
    if (kind.n && !json_path_str(names, "listKind").n)
        json_set_cstr(w->a, names, "listKind",
                      arena_printf(w->a, STR_FMT "List", STR_ARG(kind)));
    struct json *service = json_path(spec, "conversion.webhook.clientConfig.service");
    set_missing_i64(w->a, service, "port", 443);
    if (spec && !json_path_str(spec, "conversion.strategy").n)
        json_set_cstr(w->a, json_object_at(w->a, spec, "conversion"), "strategy", "None");
}

static void add_stored_version(struct write *w)
{
    struct json *list =
        json_array_at(w->a, json_object_at(w->a, w->object, "status"), "storedVersions");
    const struct json *versions = json_path(w->object, "spec.versions");
    for (const struct json *v = json_first(versions); v; v = v->next) {
        struct str name = json_path_str(v, "name");
        if (!json_path_bool(v, "storage", false))
            continue;
        for (const struct json *m = json_first(list); m; m = m->next)
            if (str_eq(json_str(m), name))
                return;
        json_append(w->a, list, json_new_str(w->a, name));
    }
}

static void prepare_create(struct write *w)
{
    json_set(w->a, w->object, "status", json_new(w->a, JSON_OBJECT));
    definition_settle_names(w);
    add_stored_version(w);
}

static void prepare_update(struct write *w)
{
    if (cstr_eq(w->subresource, "status"))
        return;
    definition_settle_names(w);
    add_stored_version(w);
}

/* ---- what must hold ---- */

static void check_label(struct write *w, const struct field *at, struct str value, bool lower)
{
    char text[80];
    str_copy(text, sizeof text, value);
    for (char *c = text; lower && *c; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c | 0x20) : *c;
    const char *wrong = names_dns1035_label(value.n < sizeof text ? str_of(text) : value);
    if (!value.n)
        field_required(&w->errors, at, NULL);
    else if (wrong && lower)
        field_invalid_str(
            &w->errors, at, value,
            arena_printf(w->a, "may have mixed case, but should otherwise match: %s", wrong));
    else if (wrong)
        field_invalid_str(&w->errors, at, value, wrong);
}

static void validate_names(struct write *w, const struct field *spec, const struct json *names)
{
    const struct field *f = FIELD(spec, "names");
    int64_t i = 0;
    check_label(w, FIELD(f, "plural"), json_path_str(names, "plural"), false);
    if (json_path_str(names, "singular").n)
        check_label(w, FIELD(f, "singular"), json_path_str(names, "singular"), false);
    check_label(w, FIELD(f, "kind"), json_path_str(names, "kind"), true);
    check_label(w, FIELD(f, "listKind"), json_path_str(names, "listKind"), true);
    for (const struct json *m = json_first(json_get(names, "shortNames")); m; m = m->next)
        check_label(w, FIELD_AT(FIELD(f, "shortNames"), i++), json_str(m), false);
    i = 0;
    for (const struct json *m = json_first(json_get(names, "categories")); m; m = m->next)
        check_label(w, FIELD_AT(FIELD(f, "categories"), i++), json_str(m), false);
    if (json_path_str(names, "kind").n &&
        str_eq(json_path_str(names, "kind"), json_path_str(names, "listKind")))
        field_invalid_str(&w->errors, FIELD(f, "listKind"), json_path_str(names, "listKind"),
                          "kind and listKind may not be the same");
}

static void validate_group(struct write *w, const struct field *spec, struct str group)
{
    static const char annotation[] = "api-approved.kubernetes.io";
    const struct field *f = FIELD(spec, "group");
    if (!group.n)
        field_required(&w->errors, f, NULL);
    else if (names_dns1123_subdomain(group))
        field_invalid_str(&w->errors, f, group, names_dns1123_subdomain(group));
    else if (str_find_byte(group, '.') < 0)
        field_invalid_str(&w->errors, f, group, "should be a domain with at least one dot");
    bool guarded = str_is(group, "k8s.io") || str_is(group, "kubernetes.io") ||
                   str_ends(group, STR(".k8s.io")) || str_ends(group, STR(".kubernetes.io"));
    const struct json *annotations = json_path(w->object, "metadata.annotations");
    struct str approved = json_str(json_get(annotations, annotation));
    const struct field *at = FIELD_KEY(FIELD(FIELD(NULL, "metadata"), "annotations"),
                                       str_of(annotation));
    if (guarded && !approved.n && (w->is_create))
        field_required(&w->errors, at,
                       "protected groups must have approval annotation "
                       "\"api-approved.kubernetes.io\", see "
                       "https://github.com/kubernetes/enhancements/pull/1111");
}

/* Upstream keeps a schema that all versions share in one place, and messages name that place. */
static bool one_schema(const struct json *versions)
{
    const struct json *first = json_first(versions);
    for (const struct json *v = first; v; v = v->next)
        if (!json_equal(json_get(v, "schema"), json_get(first, "schema")))
            return false;
    return true;
}

static void validate_schemas(struct write *w, const struct field *spec, const struct json *versions)
{
    bool one = one_schema(versions);
    int64_t i = 0;
    for (const struct json *v = json_first(versions); v; v = v->next, i++) {
        const struct json *schema = json_path(v, "schema.openAPIV3Schema");
        const struct field *in = FIELD_AT(FIELD(spec, "versions"), i);
        const struct field *at = one ? FIELD(FIELD(spec, "validation"), "openAPIV3Schema")
                                     : FIELD(FIELD(in, "schema"), "openAPIV3Schema");
        if (!json_is(schema, JSON_OBJECT))
            field_required(&w->errors, FIELD(FIELD(in, "schema"), "openAPIV3Schema"),
                           "schemas are required");
        else if (!one || i == 0)
            schema_check_structure(&w->errors, at, schema);
    }
}

static void validate_versions(struct write *w, const struct field *spec,
                              const struct json *versions)
{
    const struct field *f = FIELD(spec, "versions");
    int64_t stored = 0, i = 0;
    for (const struct json *v = json_first(versions); v; v = v->next, i++) {
        const char *wrong = names_dns1035_label(json_path_str(v, "name"));
        if (wrong)
            field_invalid_str(&w->errors, FIELD(FIELD_AT(f, i), "name"), json_path_str(v, "name"),
                              wrong);
        stored += json_path_bool(v, "storage", false);
        for (const struct json *k = json_first(versions); k != v; k = k->next)
            if (str_eq(json_path_str(k, "name"), json_path_str(v, "name")))
                field_invalid(&w->errors, f, versions, "must contain unique version names");
    }
    if (!i)
        field_invalid(&w->errors, f, versions, "must have at least one version");
    else if (stored != 1)
        field_invalid(&w->errors, f, versions,
                      "must have exactly one version marked as storage version");
    if (i > CRD_VERSIONS)
        field_too_many(&w->errors, f, i, CRD_VERSIONS);
}

static void validate_review_versions(struct field_errors *e, const struct field *f,
                                     const struct json *list)
{
    bool known = false;
    int64_t i = 0;
    if (!json_count(list)) {
        field_required(e, f, NULL);
        return;
    }
    for (const struct json *m = json_first(list); m; m = m->next, i++) {
        const char *wrong = names_dns1035_label(json_str(m));
        known = known || str_is(json_str(m), "v1") || str_is(json_str(m), "v1beta1");
        if (wrong)
            field_invalid(e, FIELD_AT(f, i), m, wrong);
        for (const struct json *k = json_first(list); k != m; k = k->next)
            if (str_eq(json_str(k), json_str(m)))
                field_invalid(e, FIELD_AT(f, i), m, "duplicate version");
    }
    if (!known)
        field_invalid(e, f, list, "must include at least one of v1, v1beta1");
}

/* Paths are upstream's: those of its internal form. */
static void validate_conversion(struct write *w, const struct field *f, const struct json *c)
{
    static const char *const strategies[] = {"None", "Webhook", NULL};
    static const char unwanted[] = "should not be set when strategy is not set to Webhook";
    struct field_errors *e = &w->errors;
    const struct json *hook = json_get(c, "webhook"), *client = json_get(hook, "clientConfig"),
                      *versions = json_get(hook, "conversionReviewVersions");
    const struct field *at = FIELD(f, "webhookClientConfig");
    struct str strategy = json_path_str(c, "strategy");
    field_check_enum(e, FIELD(f, "strategy"), json_get(c, "strategy"), strategies);
    if (!str_is(strategy, "Webhook")) {
        if (!json_absent(client))
            field_forbidden(e, at, unwanted);
        if (json_count(versions))
            field_forbidden(e, FIELD(f, "conversionReviewVersions"), unwanted);
        return;
    }
    if (json_absent(client))
        field_required(e, at, "required when strategy is set to Webhook");
    else
        hook_client_validate(e, at, client);
    validate_review_versions(e, FIELD(f, "conversionReviewVersions"), versions);
}

static void validate(struct write *w)
{
    static const char *const scopes[] = {"Cluster", "Namespaced", NULL};
    const struct json *spec = json_get(w->object, "spec"), *versions = json_get(spec, "versions");
    const struct field *f = FIELD(NULL, "spec");
    struct str group = json_path_str(spec, "group"), plural = json_path_str(spec, "names.plural");
    const char *name = arena_printf(w->a, STR_FMT "." STR_FMT, STR_ARG(plural), STR_ARG(group));
    if (!str_is(w->name, name ? name : ""))
        field_invalid_str(&w->errors, FIELD(FIELD(NULL, "metadata"), "name"), w->name,
                          "must be spec.names.plural+\".\"+spec.group");
    validate_group(w, f, group);
    field_check_enum(&w->errors, FIELD(f, "scope"), json_get(spec, "scope"), scopes);
    validate_names(w, f, json_get(spec, "names"));
    validate_versions(w, f, versions);
    validate_schemas(w, f, versions);
    validate_conversion(w, FIELD(f, "conversion"), json_get(spec, "conversion"));
    if (json_path_bool(spec, "preserveUnknownFields", false))
        field_invalid(&w->errors, FIELD(f, "preserveUnknownFields"),
                      json_get(spec, "preserveUnknownFields"),
                      "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
                      "spec.versions[*].schema instead");
}

static void validate_stored_versions(struct write *w)
{
    const struct json *stored = json_path(w->object, "status.storedVersions"),
                      *versions = json_path(w->object, "spec.versions");
    int64_t i = 0;
    for (const struct json *m = json_first(stored); m; m = m->next, i++) {
        const struct json *v = json_first(versions);
        while (v && !str_eq(json_path_str(v, "name"), json_str(m)))
            v = v->next;
        if (v)
            continue;
        const char *name = json_cstr(m);
        field_invalid(&w->errors, FIELD_AT(FIELD(FIELD(NULL, "status"), "storedVersions"), i), m,
                      arena_printf(w->a,
                                   "missing from spec.versions; %s was previously a storage "
                                   "version, and must remain in spec.versions until a storage "
                                   "migration ensures no data remains persisted in %s and removes "
                                   "%s from status.storedVersions",
                                   name, name, name));
    }
}

static void validate_update(struct write *w)
{
    static const char *const fixed[] = {"group", "scope"}, *const names[] = {"kind", "plural"};
    const struct json *now = json_get(w->object, "spec"), *before = json_get(w->old, "spec");
    const struct field *f = FIELD(NULL, "spec");
    for (size_t i = 0; i < 2; i++) {
        field_check_immutable(&w->errors, FIELD(f, fixed[i]), json_get(now, fixed[i]),
                              json_get(before, fixed[i]));
        field_check_immutable(&w->errors, FIELD(FIELD(f, "names"), names[i]),
                              json_get(json_get(now, "names"), names[i]),
                              json_get(json_get(before, "names"), names[i]));
    }
    validate_stored_versions(w);
}

static int before_delete(struct write *w)
{
    struct json *list = json_array_at(w->a, json_get(w->object, "metadata"), "finalizers");
    if (!json_absent(json_path(w->old, "metadata.deletionTimestamp")))
        return 0;
    for (const struct json *m = json_first(list); m; m = m->next)
        if (str_is(json_str(m), CRD_FINALIZER))
            return 0;
    json_append(w->a, list, json_new_cstr(w->a, CRD_FINALIZER));
    definition_set_condition(w, "Terminating", true, "InstanceDeletionPending",
                             "CustomResourceDefinition marked for deletion; CustomResource "
                             "deletion will begin soon");
    return 0;
}

const struct kind kind_custom_resource_definition = {
    .group = CRD_GROUP,
    .resource = CRD_RESOURCE,
    .flags = KIND_STATUS | KIND_GENERATION,
    .set_defaults = set_defaults,
    .prepare_create = prepare_create,
    .prepare_update = prepare_update,
    .validate = validate,
    .validate_update = validate_update,
    .before_delete = before_delete,
};
