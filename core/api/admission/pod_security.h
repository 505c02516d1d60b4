/* The Pod Security Standards: what each level forbids (k8s.io/pod-security-admission/policy). */
#ifndef API_ADMISSION_POD_SECURITY_H
#define API_ADMISSION_POD_SECURITY_H

#include "base/buf.h"
#include "codec/json.h"

enum pod_security_level { POD_SECURITY_PRIVILEGED, POD_SECURITY_BASELINE, POD_SECURITY_RESTRICTED };

/* "baseline"; false: no level. */
bool pod_security_level_of(struct str name, enum pod_security_level *ret);
const char *pod_security_level_name(enum pod_security_level level);
/* Appends what is wrong, "reason (detail), reason (detail)"; the number of reasons. */
unsigned pod_security_check(enum pod_security_level level, const struct json *metadata,
                            const struct json *spec, struct buf *out);

#endif
