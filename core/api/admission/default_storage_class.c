/*
 * DefaultStorageClass: a claim that names no class gets the default one
 * (plugin/pkg/admission/storage/storageclass/setdefault).
 */
#include "api/admission/default_class.h"

int admit_default_storage_class(struct write *w)
{
    static const char *const names[] = {"storageclass.kubernetes.io/is-default-class",
                                        "storageclass.beta.kubernetes.io/is-default-class", NULL};
    const struct json *class;
    if (!w->is_create || w->subresource[0] || schema_resource_group(w->resource)[0] ||
        !cstr_eq(schema_resource_plural(w->resource), "persistentvolumeclaims"))
        return 0;
    if (!json_absent(json_path(w->object, "spec.storageClassName")) ||
        json_get(json_path(w->object, "metadata.annotations"),
                 "volume.beta.kubernetes.io/storage-class"))
        return 0;
    int rc = default_class(w, "storage.k8s.io", "storageclasses", names, &class);
    if (rc == 0 && class)
        json_set_str(w->a, json_object_at(w->a, w->object, "spec"), "storageClassName",
                     json_path_str(class, "metadata.name"));
    return rc;
}
