/*
 * Namespaces. One holds its contents by spec.finalizers until the controller has emptied it:
 *   Active --DELETE--> Terminating --finalize without finalizers--> gone
 */
#include "api/kinds/kinds.h"
#include "codec/names.h"

static const struct kind_field fields[] = {{SELECTABLE("status.phase")}, {.selector = NULL}};

static void set_label(struct write *w)
{
    struct json *meta = json_object_at(w->a, w->object, "metadata");
    struct json *labels = json_object_at(w->a, meta, "labels");
    struct str name = w->name.n ? w->name : json_path_str(meta, "name");
    if (name.n)
        json_set_str(w->a, labels, "kubernetes.io/metadata.name", name);
}

static void prepare_create(struct write *w)
{
    struct json *spec = json_object_at(w->a, w->object, "spec"),
                *list = json_array_at(w->a, spec, "finalizers");
    bool has = false;
    for (const struct json *m = json_first(list); m; m = m->next)
        has = has || str_is(json_str(m), "kubernetes");
    if (!has)
        json_append(w->a, list, json_new_cstr(w->a, "kubernetes"));
    json_set_path(w->a, w->object, "status.phase", json_new_cstr(w->a, "Active"));
    set_label(w);
}

/* Only finalize changes what holds the namespace. */
static void prepare_update(struct write *w)
{
    if (!w->subresource[0]) {
        const struct json *was = json_get(w->old, "spec");
        if (was)
            json_set(w->a, w->object, "spec", json_clone(w->a, was));
    }
    set_label(w);
}

const struct kind kind_namespace = {
    .group = "",
    .resource = "namespaces",
    .flags = KIND_STATUS | KIND_RETURN_DELETED,
    .name_rule = names_dns1123_label,
    .fields = fields,
    .set_defaults = set_label,
    .prepare_create = prepare_create,
    .prepare_update = prepare_update,
};
