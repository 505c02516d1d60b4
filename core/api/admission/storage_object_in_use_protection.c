/*
 * StorageObjectInUseProtection: new volumes and claims get the finalizer that the protection
 * controllers (ctl/pv_protection.c, ctl/pvc_protection.c) take away when nothing uses them.
 */
#include "api/write.h"

int admit_storage_object_in_use_protection(struct write *w)
{
    const char *resource = schema_resource_plural(w->resource);
    bool claim = cstr_eq(resource, "persistentvolumeclaims");
    if (!w->is_create || w->subresource[0] || schema_resource_group(w->resource)[0] ||
        (!claim && !cstr_eq(resource, "persistentvolumes")))
        return 0;
    const char *finalizer = claim ? "kubernetes.io/pvc-protection" : "kubernetes.io/pv-protection";
    struct json *list =
        json_array_at(w->a, json_object_at(w->a, w->object, "metadata"), "finalizers");
    for (const struct json *m = json_first(list); m; m = m->next)
        if (str_is(json_str(m), finalizer))
            return 0;
    json_append(w->a, list, json_new_cstr(w->a, finalizer));
    return w->a->failed ? fail_memory(w->r) : 0;
}
