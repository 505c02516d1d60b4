/* Quality of service (pkg/apis/core/v1/helper/qos), and what follows from requests and limits. */
#ifndef NODE_QOS_H
#define NODE_QOS_H

#include "codec/json.h"
#include "port/runtime.h"

enum qos { QOS_GUARANTEED, QOS_BURSTABLE, QOS_BEST_EFFORT };

enum qos qos_of(const struct json *spec);
const char *qos_name(enum qos q); /* "Guaranteed", "Burstable", "BestEffort" */
/* "pod<uid>", "burstable/pod<uid>", "besteffort/pod<uid>". */
void qos_cgroup(enum qos q, const char *uid, char *ret_path, size_t size);
/* Of a container's resources: kind "requests" or "limits"; -1: not set. */
int64_t qos_cpu_milli(const struct json *container, const char *kind);
int64_t qos_memory_bytes(const struct json *container, const char *kind);
/* Requests of the whole pod as the scheduler counts them: the sum of the containers and sidecars,
 * or the largest init container with the sidecars before it, and overhead. */
int64_t qos_pod_request(const struct json *spec, const char *resource, bool milli);
/* upstream's pkg/kubelet/qos/policy.go */
int qos_oom_score_adj(const struct json *spec, const struct json *container, int64_t capacity_bytes);
/* Limits of the pod's cgroup. */
void qos_pod_limits(const struct json *spec, struct runtime_pod *pod);
int64_t qos_cpu_shares(int64_t cpu_milli);

enum { QOS_CPU_PERIOD_US = 100 * 1000 };
int64_t qos_cpu_quota_us(int64_t cpu_milli); /* of that period */

#endif
