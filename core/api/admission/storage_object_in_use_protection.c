/*
 * StorageObjectInUseProtection: new volumes, claims and attribute classes get the finalizer that the
 * protection controllers (ctl/pv_protection.c, ctl/pvc_protection.c, ctl/vac_protection.c) take away
 * when nothing uses them.
 */
#include "api/write.h"

static const struct {
    const char *group, *resource, *finalizer;
} protected[] = {
    {"", "persistentvolumes", "kubernetes.io/pv-protection"},
    {"", "persistentvolumeclaims", "kubernetes.io/pvc-protection"},
    {"storage.k8s.io", "volumeattributesclasses", "kubernetes.io/vac-protection"},
};

static const char *finalizer_of(const struct schema_resource *res)
{
    for (size_t i = 0; i < sizeof protected / sizeof protected[0]; i++)
        if (cstr_eq(schema_resource_group(res), protected[i].group) &&
            cstr_eq(schema_resource_plural(res), protected[i].resource))
            return protected[i].finalizer;
    return NULL;
}

int admit_storage_object_in_use_protection(struct write *w)
{
    const char *finalizer = finalizer_of(w->resource);
    if (!w->is_create || w->subresource[0] || !finalizer)
        return 0;
    struct json *list =
        json_array_at(w->a, json_object_at(w->a, w->object, "metadata"), "finalizers");
    for (const struct json *m = json_first(list); m; m = m->next)
        if (str_is(json_str(m), finalizer))
            return 0;
    json_append(w->a, list, json_new_cstr(w->a, finalizer));
    return w->a->failed ? fail_memory(w->r) : 0;
}
