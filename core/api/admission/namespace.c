/* NamespaceLifecycle: nothing is created in a namespace that is not there or is going. */
#include "api/write.h"

static int fail_terminating(struct write *w)
{
    struct arena *a = &w->r->arena;
    struct json *d = json_new(a, JSON_OBJECT), *cause = json_new(a, JSON_OBJECT);
    const char *why = arena_printf(
        a, "unable to create new content in namespace " STR_FMT " because it is being terminated",
        STR_ARG(w->ns));
    json_set_str(a, d, "name", w->name);
    if (schema_resource_group(w->resource)[0])
        json_set_cstr(a, d, "group", schema_resource_group(w->resource));
    json_set_cstr(a, d, "kind", schema_resource_plural(w->resource));
    json_set_cstr(a, cause, "reason", "NamespaceTerminating");
    json_set_cstr(a, cause, "message",
                  arena_printf(a, "namespace " STR_FMT " is being terminated", STR_ARG(w->ns)));
    json_set_cstr(a, cause, "field", "metadata.namespace");
    json_append(a, json_array_at(a, d, "causes"), cause);
    return fail_status(w->r, 403, "Forbidden", d, "%s \"" STR_FMT "\" is forbidden: %s",
                       status_qualified(a, w->resource), STR_ARG(w->name), why ? why : "");
}

int admit_namespace(struct write *w)
{
    if (!w->is_create || !w->ns.n)
        return 0;
    const struct json *ns = object_load(w->api, w->a, "", "namespaces", STR(""), w->ns, NULL);
    if (!ns)
        return fail_not_found(w->r, schema_resource_find(STR(""), STR("v1"), STR("namespaces")),
                              w->ns);
    if (!json_absent(json_path(ns, "metadata.deletionTimestamp")))
        return fail_terminating(w);
    /* It must still be there when the object is stored. */
    write_compare(w, object_key_of(w->a, "", "namespaces", STR(""), w->ns), -1);
    return 0;
}
