/* What one check of the Pod Security Standards finds, and the checks. */
#ifndef API_ADMISSION_POD_SECURITY_INT_H
#define API_ADMISSION_POD_SECURITY_INT_H

#include "api/admission/pod_security.h"

struct finding {
    struct arena *a;
    const struct json *metadata, *spec, *security; /* security: the pod's securityContext */
    unsigned minor;                                /* of the version asked for */
    bool pod;                                      /* the pod itself does it */
    struct buf names;                              /* of containers or volumes that do */
    unsigned name_count;
    struct str *values; /* sorted, each once */
    size_t value_count, value_room;
    struct buf detail; /* empty: nothing is wrong */
    const char *reason; /* instead of the check's own, or NULL */
};

void finding_name(struct finding *f, const struct json *named);
void finding_value(struct finding *f, struct str value);
void finding_forget(struct finding *f); /* names and values, not the detail */
/* containers "a", "b" */
void finding_put_containers(struct finding *f);
/* pod and containers "a", "b"; false: nobody does. */
bool finding_put_setters(struct finding *f);
/* "x", "y" */
void finding_put_values(struct finding *f, const char *quote);

/* Containers of all three lists, initContainers first. */
const struct json *finding_next(const struct finding *f, const struct json *at, size_t *list);
#define EACH_CONTAINER(c, f)                                                                       \
    size_t list_of_##c = 0;                                                                        \
    for (const struct json *c = finding_next((f), NULL, &list_of_##c); c;                          \
         c = finding_next((f), c, &list_of_##c))

static inline const struct json *context(const struct json *container)
{
    return json_get(container, "securityContext");
}
bool finding_among(struct str s, const char *const *list);
/* Since 1.35: the pod has users of its own, so that its root is nobody outside. */
bool finding_own_users(const struct finding *f);
bool finding_windows(const struct finding *f); /* exempt from some checks since 1.25 */

typedef void pod_security_find(struct finding *f);
/* pod_security_baseline.c */
pod_security_find find_app_armor, find_capabilities, find_host_namespaces, find_host_paths,
    find_host_ports, find_host_probes, find_privileged, find_proc_mount, find_se_linux,
    find_seccomp, find_sysctls, find_host_process;
/* pod_security_restricted.c */
pod_security_find find_escalation, find_capabilities_strict, find_proc_mount_strict,
    find_volume_types, find_non_root, find_root_user, find_seccomp_strict;

#endif
