/*
 * DefaultStorageClass: a claim that names no class gets the default one, of several the newest
 * (plugin/pkg/admission/storage/storageclass/setdefault).
 */
#include "api/write.h"

#define BETA_CLASS "volume.beta.kubernetes.io/storage-class"

struct find {
    struct arena *a;
    const struct json *found;
};

static bool annotated(const struct json *class)
{
    static const char *const names[] = {"storageclass.kubernetes.io/is-default-class",
                                        "storageclass.beta.kubernetes.io/is-default-class"};
    const struct json *annotations = json_path(class, "metadata.annotations");
    return str_is(json_str(json_get(annotations, names[0])), "true") ||
           str_is(json_str(json_get(annotations, names[1])), "true");
}

/* In the store's order, which is by name: of equals the first stays. */
static bool look(void *ctx, struct store_value *v)
{
    struct find *f = ctx;
    struct json *o;
    if (json_parse(f->a, store_value_bytes(v), NULL, &o, NULL) == 0 && annotated(o) &&
        (!f->found || str_cmp(json_path_str(o, "metadata.creationTimestamp"),
                              json_path_str(f->found, "metadata.creationTimestamp")) > 0))
        f->found = o;
    return true;
}

int admit_default_storage_class(struct write *w)
{
    struct json *spec = json_get(w->object, "spec");
    if (!w->is_create || w->subresource[0] || schema_resource_group(w->resource)[0] ||
        !cstr_eq(schema_resource_plural(w->resource), "persistentvolumeclaims"))
        return 0;
    if (!json_absent(json_get(spec, "storageClassName")) ||
        json_get(json_path(w->object, "metadata.annotations"), BETA_CLASS))
        return 0;
    struct find f = {w->a, NULL};
    struct store_snapshot *snap;
    if (store_snapshot_take(w->api->store, &snap) < 0)
        return fail_memory(w->r);
    store_snapshot_range(snap, STR("/storage.k8s.io/storageclasses/"),
                         STR("/storage.k8s.io/storageclasses0"), look, &f);
    store_snapshot_release(snap);
    if (f.found)
        json_set_str(w->a, json_object_at(w->a, w->object, "spec"), "storageClassName",
                     json_path_str(f.found, "metadata.name"));
    return w->a->failed ? fail_memory(w->r) : 0;
}
