/*
 * PersistentVolumeClaimResize: a claim grows only when it is bound and its class allows that
 * (plugin/pkg/admission/storage/persistentvolume/resize).
 */
#include "api/write.h"
#include "codec/quantity.h"

#define BETA_CLASS "volume.beta.kubernetes.io/storage-class"

static struct str class_of(const struct json *claim)
{
    const struct json *beta = json_get(json_path(claim, "metadata.annotations"), BETA_CLASS);
    return beta ? json_str(beta) : json_path_str(claim, "spec.storageClassName");
}

static struct quantity size_of(const struct json *claim)
{
    struct quantity q;
    if (quantity_parse(json_path_str(claim, "spec.resources.requests.storage"), &q, NULL) < 0)
        q = quantity_from_i64(0, QUANTITY_BINARY_SI);
    return q;
}

static bool expandable(struct write *w)
{
    struct str is = class_of(w->object), was = class_of(w->old);
    if (!is.n || !str_eq(is, was))
        return false;
    const struct json *class =
        object_load(w->api, w->a, "storage.k8s.io", "storageclasses", STR(""), is, NULL);
    return json_path_bool(class, "allowVolumeExpansion", false);
}

int admit_persistent_volume_claim_resize(struct write *w)
{
    if (w->is_create || w->is_delete || w->subresource[0] || schema_resource_group(w->resource)[0] ||
        !cstr_eq(schema_resource_plural(w->resource), "persistentvolumeclaims"))
        return 0;
    struct quantity is = size_of(w->object), was = size_of(w->old);
    if (quantity_cmp(&is, &was) <= 0)
        return 0;
    if (!str_is(json_path_str(w->old, "status.phase"), "Bound"))
        return fail_forbidden(w->r, w->resource, w->name,
                              "Only bound persistent volume claims can be expanded");
    if (!expandable(w))
        return fail_forbidden(w->r, w->resource, w->name,
                              "only dynamically provisioned pvc can be resized and the storageclass "
                              "that provisions the pvc must support resize");
    return 0;
}
