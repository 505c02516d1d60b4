/* What the kinds of resource.k8s.io share (upstream's pkg/apis/resource/validation). */
#ifndef API_KINDS_DEVICE_H
#define API_KINDS_DEVICE_H

#include "api/write.h"

enum { DEVICES_LIST_MOST = 32, DEVICE_OPAQUE_BYTES = 10 * 1024 };

typedef void device_check_fn(struct field_errors *e, const struct field *f, const struct json *item,
                             const void *ctx);

/* Each item, when there are not more than most (negative: any number). */
void device_each(struct field_errors *e, const struct field *f, const struct json *list,
                 int64_t most, device_check_fn *check, const void *ctx);
/* As device_each, and then that none is there twice. key: member that names an item; NULL: itself. */
void device_set(struct field_errors *e, const struct field *f, const struct json *list, int64_t most,
                const char *key, device_check_fn *check, const void *ctx);

/* ---- names ---- */
void device_label_validate(struct field_errors *e, const struct field *f, struct str name);
void device_pool_validate(struct field_errors *e, const struct field *f, struct str name);
void device_uid_validate(struct field_errors *e, const struct field *f, struct str uid);
void device_qualified_validate(struct field_errors *e, const struct field *f, struct str name,
                               bool full); /* full: with a domain */

/* ---- parts ---- */
void device_selectors_validate(struct field_errors *e, const struct field *f,
                               const struct json *list);
/* opaque: of a configuration. */
void device_config_validate(struct field_errors *e, const struct field *f,
                            const struct json *config);
void device_raw_validate(struct field_errors *e, const struct field *f, const struct json *raw);
void device_toleration_validate(struct field_errors *e, const struct field *f,
                                const struct json *t);
void device_taint_validate(struct field_errors *e, const struct field *f, const struct json *t);
/* bindingConditions and bindingFailureConditions of a device or a result. */
void device_binding_validate(struct field_errors *e, const struct field *f, const struct json *o);
/* A device of a ResourceSlice; slice: its spec. */
void device_validate(struct field_errors *e, const struct field *f, const struct json *device,
                     const struct json *slice);
void device_counters_validate(struct field_errors *e, const struct field *f,
                              const struct json *counters);

/* ---- claims, also of templates ---- */
void device_claim_default(struct arena *a, struct json *spec);
/* f: of the spec. */
void device_claim_validate(struct field_errors *e, const struct field *f, const struct json *spec);
/* Access for administrators needs a label on the namespace. requests: spec.devices.requests. */
void device_admin_validate(struct write *w, const struct json *requests);
/* Names a request of the claim, or one of its alternatives. */
void device_request_ref_validate(struct field_errors *e, const struct field *f, struct str name,
                                 const struct json *spec);
void device_claim_status_validate(struct write *w);

#endif
