/* The kind CustomResourceDefinition: defaults, what must hold, what is said about it. */
#include "api/crd/definition.h"

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
    .before_delete = before_delete,
};
