/* The kinds with rules of their own, and what their files share. */
#ifndef API_KINDS_KINDS_H
#define API_KINDS_KINDS_H

#include "api/kinds/storage.h"
#include "api/write.h"

extern const struct kind kind_api_service, kind_pod, kind_deployment, kind_replicaset, kind_replication_controller,
    kind_stateful_set, kind_daemon_set, kind_service, kind_config_map, kind_secret, kind_namespace,
    kind_node, kind_service_account, kind_lease, kind_endpoints, kind_endpoint_slice, kind_event,
    kind_priority_class, kind_job, kind_cron_job, kind_role, kind_cluster_role,
    kind_role_binding, kind_cluster_role_binding, kind_limit_range, kind_certificate_request,
    kind_custom_resource_definition, kind_mutating_webhooks, kind_validating_webhooks,
    kind_admission_policy, kind_admission_binding, kind_resource_quota;

extern const struct kind kind_autoscaler, kind_disruption_budget, kind_controller_revision,
    kind_pod_template;

/* ---- pod specs, also of templates ---- */
void pod_spec_default(struct arena *a, struct json *spec);
/* What only pods have, and no template: requests from limits, ports of the host. */
void pod_default(struct arena *a, struct json *spec);
void pod_spec_validate(struct field_errors *e, const struct field *f, const struct json *spec);
/* spec.template of a workload; made when it is not there. */
void template_default(struct arena *a, struct json *spec);
/* A PodTemplateSpec. */
void template_validate(struct field_errors *e, const struct field *f, const struct json *template);
const char *pod_qos_class(struct arena *a, const struct json *spec);
void resources_validate(struct field_errors *e, const struct field *f,
                        const struct json *resources);
void probe_default(struct arena *a, struct json *probe);
void container_default(struct arena *a, struct json *container);
/* grace: the pod's terminationGracePeriodSeconds */
void container_lifecycle_validate(struct field_errors *e, const struct field *f,
                                  const struct json *container, int64_t grace);
void volumes_default(struct arena *a, struct json *volumes);
void volumes_validate(struct field_errors *e, const struct field *f, const struct json *volumes,
                      struct map *ret_names);
void container_validate(struct field_errors *e, const struct field *f, const struct json *container,
                        const struct map *volumes, struct map *names);

/* clientConfig of a webhook. */
void hook_client_validate(struct field_errors *e, const struct field *f, const struct json *config);

/* ---- small things ---- */
/* Warns of a new object whose name is no DNS label, though it is used (how) where one belongs. */
void name_warn(struct write *w, const char *how);
void set_missing(struct arena *a, struct json *object, const char *name, const char *value);
void set_missing_i64(struct arena *a, struct json *object, const char *name, int64_t value);
void set_missing_bool(struct arena *a, struct json *object, const char *name, bool value);

#endif
