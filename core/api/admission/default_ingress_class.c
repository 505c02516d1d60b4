/*
 * DefaultIngressClass: an Ingress that names no class gets the default one
 * (plugin/pkg/admission/network/defaultingressclass).
 */
#include "api/admission/default_class.h"

int admit_default_ingress_class(struct write *w)
{
    static const char *const names[] = {"ingressclass.kubernetes.io/is-default-class", NULL};
    const struct json *class;
    if (!w->is_create || w->subresource[0] ||
        !cstr_eq(schema_resource_group(w->resource), "networking.k8s.io") ||
        !cstr_eq(schema_resource_plural(w->resource), "ingresses"))
        return 0;
    if (!json_absent(json_path(w->object, "spec.ingressClassName")) ||
        json_get(json_path(w->object, "metadata.annotations"), "kubernetes.io/ingress.class"))
        return 0;
    int rc = default_class(w, "networking.k8s.io", "ingressclasses", names, &class);
    if (rc == 0 && class)
        json_set_str(w->a, json_object_at(w->a, w->object, "spec"), "ingressClassName",
                     json_path_str(class, "metadata.name"));
    return rc;
}
