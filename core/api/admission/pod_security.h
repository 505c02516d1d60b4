/*
 * The Pod Security Standards: what each level forbids, as of each version of Kubernetes up to our
 * own (k8s.io/pod-security-admission/policy). "latest" and what is newer than we are is our own.
 */
#ifndef API_ADMISSION_POD_SECURITY_H
#define API_ADMISSION_POD_SECURITY_H

#include "base/buf.h"
#include "codec/json.h"

enum pod_security_level { POD_SECURITY_PRIVILEGED, POD_SECURITY_BASELINE, POD_SECURITY_RESTRICTED };
enum { POD_SECURITY_LATEST = 1000 * 1000 };

struct pod_security_policy {
    enum pod_security_level level;
    unsigned minor; /* of version 1; or POD_SECURITY_LATEST */
};

/* "baseline"; false: no level. */
bool pod_security_level_of(struct str name, enum pod_security_level *ret);
const char *pod_security_level_name(enum pod_security_level level);
/* "latest", "v1.28"; false: no version. */
bool pod_security_version_of(struct str text, unsigned *ret_minor);
/* "restricted:v1.28", in the arena; "" when out of memory. */
const char *pod_security_policy_text(struct arena *a, const struct pod_security_policy *p);
/* Appends what is wrong: "reason (detail), reason (detail)" to out, "reason, reason" to reasons
 * (either may be NULL). The number of reasons. */
unsigned pod_security_check(struct arena *a, const struct pod_security_policy *p,
                            const struct json *metadata, const struct json *spec, struct buf *out,
                            struct buf *reasons);

#endif
