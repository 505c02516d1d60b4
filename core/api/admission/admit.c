/* The order of admission; each may change the object or answer the request. */
#include "api/write.h"

/* As upstream's: what changes the object comes before what only judges it. */
static int (*const steps[])(struct write *w) = {
    admit_namespace,       admit_node_restriction, admit_node_taint, admit_limit_ranger,
    admit_service_account, admit_priority,         admit_tolerations, admit_topology_labels,
    /* of storage and networking */
    admit_default_storage_class, admit_storage_object_in_use_protection,
    admit_default_ingress_class, admit_runtime_class,
};

int admit(struct write *w)
{
    int rc = 0;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && rc == 0; i++)
        rc = steps[i](w);
    return rc;
}

int admit_result(struct write *w)
{
    int rc = admit_pod_security(w);
    return rc ? rc : admit_owner_references(w);
}

int admit_validated(struct write *w)
{
    int rc = admit_persistent_volume_claim_resize(w);
    return rc ? rc : admit_runtime_class_validated(w);
}
