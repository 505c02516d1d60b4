/* Services and the pods that they select: what the Endpoints and EndpointSlice controllers share. */
#ifndef CTL_SERVICE_PODS_H
#define CTL_SERVICE_PODS_H

#include "ctl/ctl_int.h"

struct service_unit {
    struct ctl_unit unit;
    struct cache *services, *pods, *out; /* out: Endpoints or EndpointSlices */
};

/* Wires services, pods and the output kind to the unit's keys ("ns/service"). */
int service_unit_start(struct ctl *c, const char *name, controller_reconcile_fn *reconcile,
                       const char *out_path,
                       void (*out_changed)(void *unit, struct object *old, struct object *new),
                       struct service_unit **ret_unit) MUST_CHECK;

/* Pods that the service selects and that have an address and are not finished, ordered by name. */
int service_pods(struct service_unit *u, struct arena *a, const struct json *service,
                 struct ctl_list *ret_pods) MUST_CHECK;
/* Ports of the service as this pod serves them, in the form of EndpointSlice.ports (name, port,
 * protocol, appProtocol), targetPort names resolved; a port that the pod does not have is left out. */
struct json *service_ports(struct arena *a, const struct json *service, const struct json *pod);
struct json *service_target_ref(struct arena *a, const struct json *pod);
/* Is the pod to be shown by name in the service's DNS domain? */
bool service_names_pod(const struct json *service, const struct json *pod);

#endif
