/* Which rules go with which resource. */
#include "api/kinds/kinds.h"

#include "api/crd/crd.h"
#include "codec/names.h"

static const struct kind *const own[] = {
    &kind_api_service,
    &kind_flow_schema,
    &kind_priority_level,
    &kind_storage_class,
    &kind_persistent_volume,
    &kind_persistent_volume_claim,
    &kind_ingress,
    &kind_ingress_class,
    &kind_network_policy,
    &kind_ip_address,
    &kind_service_cidr,
    &kind_runtime_class,
    &kind_csi_driver,
    &kind_csi_node,
    &kind_csi_storage_capacity,
    &kind_volume_attachment,
    &kind_volume_attributes_class,
    &kind_device_class,
    &kind_resource_claim,
    &kind_resource_claim_template,
    &kind_resource_slice,
    &kind_pod,
    &kind_deployment,
    &kind_replicaset,
    &kind_replication_controller,
    &kind_stateful_set,
    &kind_daemon_set,
    &kind_service,
    &kind_config_map,
    &kind_secret,
    &kind_namespace,
    &kind_node,
    &kind_service_account,
    &kind_lease,
    &kind_endpoints,
    &kind_endpoint_slice,
    &kind_event,
    &kind_priority_class,
    &kind_job,
    &kind_cron_job,
    &kind_autoscaler,
    &kind_disruption_budget,
    &kind_controller_revision,
    &kind_pod_template,
    &kind_role,
    &kind_cluster_role,
    &kind_role_binding,
    &kind_cluster_role_binding,
    &kind_certificate_request,
    &kind_limit_range,
    &kind_custom_resource_definition,
    &kind_mutating_webhooks,
    &kind_validating_webhooks,
    &kind_admission_policy,
    &kind_admission_binding,
    &kind_resource_quota,
};

static const struct kind generic = {.group = "", .resource = ""};

static bool is(const struct kind *k, const char *group, const char *resource)
{
    return cstr_eq(k->resource, resource) && cstr_eq(k->group, group);
}

const struct kind *kind_find(const struct schema_resource *r)
{
    const struct crd_version *custom = crd_of(r);
    if (custom)
        return &custom->kind;
    const char *resource = schema_resource_plural(r), *group = schema_resource_group(r);
    /* Both event groups are one storage. */
    if (cstr_eq(resource, "events"))
        group = "";
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (is(own[i], group, resource))
            return own[i];
    return &generic;
}

void name_warn(struct write *w, const char *how)
{
    const char *wrong = w->is_create ? names_dns1123_label(w->name) : NULL;
    if (wrong)
        request_warn(w->r,
                     "metadata.name: this is used in %s, which can result in surprising behavior; "
                     "a DNS label is recommended: [%s]",
                     how, wrong);
}

void set_missing(struct arena *a, struct json *object, const char *name, const char *value)
{
    if (object && json_absent(json_get(object, name)))
        json_set_cstr(a, object, name, value);
}

void set_missing_i64(struct arena *a, struct json *object, const char *name, int64_t value)
{
    if (object && json_absent(json_get(object, name)))
        json_set_i64(a, object, name, value);
}

void set_missing_bool(struct arena *a, struct json *object, const char *name, bool value)
{
    if (object && json_absent(json_get(object, name)))
        json_set_bool(a, object, name, value);
}
