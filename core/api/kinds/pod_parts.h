/* Parts of a pod's spec, each judged by itself (pkg/apis/core/validation). */
#ifndef API_KINDS_POD_PARTS_H
#define API_KINDS_POD_PARTS_H

#include "api/kinds/kinds.h"

/* pod_affinity.c */
void affinity_validate(struct field_errors *e, const struct field *f, const struct json *affinity);
void topology_spread_validate(struct field_errors *e, const struct field *f,
                              const struct json *constraints);

/* pod_security_fields.c: securityContext of the pod, and what it shares with containers' */
void pod_security_validate(struct field_errors *e, const struct field *spec_field,
                           const struct json *spec);
void seccomp_validate(struct field_errors *e, const struct field *f, const struct json *profile);
void app_armor_validate(struct field_errors *e, const struct field *f, const struct json *profile);
/* A relative path that stays below where it starts. */
void descending_path_validate(struct field_errors *e, const struct field *f, struct str path);

/* pod_network_fields.c */
void dns_validate(struct field_errors *e, const struct field *spec_field, const struct json *spec);
void host_aliases_validate(struct field_errors *e, const struct field *f,
                           const struct json *aliases);
/* Every container port with a hostPort of the pod is the only one. */
void host_ports_validate(struct field_errors *e, const struct field *f,
                         const struct json *containers);

/* pod_gates.c: gates, tolerations, operating system */
void readiness_gates_validate(struct field_errors *e, const struct field *f,
                              const struct json *gates);
void scheduling_gates_validate(struct field_errors *e, const struct field *f,
                               const struct json *gates);
void tolerations_validate(struct field_errors *e, const struct field *f, const struct json *list);
void pod_os_validate(struct field_errors *e, const struct field *spec_field,
                     const struct json *spec);

/* container_env.c: env and envFrom, and what volumes have in common with them */
void env_validate(struct field_errors *e, const struct field *f, const struct json *container);
void field_ref_validate(struct field_errors *e, const struct field *f, const struct json *ref,
                        bool of_volume);
void resource_ref_validate(struct field_errors *e, const struct field *f, const struct json *ref,
                           bool of_volume);

/* container_mounts.c: volumeMounts, volumeDevices of a container */
void mounts_validate(struct field_errors *e, const struct field *f, const struct json *container,
                     const struct map *volumes);
void devices_validate(struct field_errors *e, const struct field *f, const struct json *container,
                      const struct map *volumes);

/* pod_update.c: what an update of a pod, its status or a subresource may change. */
void pod_update_validate(struct write *w);
/* pod_status.c */
void pod_status_validate(struct write *w);

#endif
