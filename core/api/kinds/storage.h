/* Kinds of storage, networking, flow control and devices, and what their files share. */
#ifndef API_KINDS_STORAGE_H
#define API_KINDS_STORAGE_H

#include "api/write.h"

extern const struct kind kind_flow_schema, kind_priority_level, kind_storage_class,
    kind_persistent_volume, kind_persistent_volume_claim, kind_ingress, kind_ingress_class,
    kind_network_policy, kind_ip_address, kind_service_cidr, kind_runtime_class,
    kind_csi_driver, kind_csi_node, kind_csi_storage_capacity, kind_volume_attachment,
    kind_volume_attributes_class, kind_device_class, kind_resource_claim,
    kind_resource_claim_template, kind_resource_slice;

/* ---- of flow schemas and priority levels ---- */
void flow_status_validate(struct write *w); /* of writes to status; others are not looked at */
/* wanted: the spec that the object must have, or NULL. */
void flow_spec_fixed(struct write *w, const struct json *wanted);

/* ---- storage ---- */
void parameters_validate(struct field_errors *e, const struct field *f,
                         const struct json *parameters);
void field_check_provisioner(struct field_errors *e, const struct field *f, struct str name);
void access_modes_validate(struct field_errors *e, const struct field *f, const struct json *modes);
void volume_mode_validate(struct field_errors *e, const struct field *f, const struct json *mode);
/* Of a claim or a template of claims. */
void claim_spec_validate(struct write *w, const struct field *f, const struct json *spec);

/* The spec of a volume that no object stands for. */
void inline_volume_validate(struct field_errors *e, const struct field *f, const struct json *spec);

/* ---- networking ---- */
/* apiGroup, kind and name of something in the same namespace. */
void typed_reference_validate(struct field_errors *e, const struct field *f, const struct json *ref);

/* ---- nodes that something may run on ---- */
void node_selector_validate(struct field_errors *e, const struct field *f,
                            const struct json *selector);
void node_tolerations_validate(struct field_errors *e, const struct field *f,
                               const struct json *tolerations);
/* What upstream says about a label of old, or NULL. */
const char *node_label_deprecated(struct str key);

#endif
