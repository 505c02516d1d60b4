/*
 * A container as an OCI runtime specification (config.json without root.path). Agreements with the
 * runtime, beyond port/runtime.h:
 *
 *   - process.user.username, when it is there, is "user[:group]" by name or number, as an image
 *     spells it: the runtime resolves it by the image's /etc/passwd and /etc/group. uid and gid,
 *     where they are there too, win. additionalGids are added to what it finds.
 *   - linux.namespaces holds what the container has for itself (mount, cgroup, pid); "pid" is
 *     missing with hostPID. Network, IPC and UTS namespace are always the pod's. With the
 *     annotation "dev.keelson.share-pid" = "true" the PID namespace is the pod's too.
 *   - linux.seccomp is never written: the annotation "dev.keelson.seccomp" says "RuntimeDefault",
 *     "Unconfined" or "Localhost:<path>".
 *   - mounts of type "bind" have the sources that port/runtime.h names.
 */
#ifndef NODE_SPEC_H
#define NODE_SPEC_H

#include "node/node_int.h"

/* image: the image's configuration. Text in the step's arena. -E_AGAIN: a source is still being
 * fetched; any other failure is a configuration that cannot run. */
int spec_build(struct step *s, struct container *c, const struct json *image, struct str *ret_text,
               struct err *err) MUST_CHECK;
/* lifecycle.stopSignal or the image's StopSignal; SIGTERM when neither is known. */
int spec_stop_signal(const struct json *image, const struct json *container);

/* ---- the parts (security.c, mounts.c) ---- */
int security_user(struct step *s, const struct json *container, const struct json *image,
                  struct json *process, struct err *err) MUST_CHECK;
void security_capabilities(struct arena *a, const struct json *container, struct json *process);
const char *security_seccomp(struct arena *a, const struct json *spec, const struct json *container);
bool security_privileged(const struct json *container);
void security_paths(struct arena *a, const struct json *container, struct json *section);

struct env;
int mounts_build(struct step *s, const struct container *c, const struct json *container,
                 const struct env *env, struct json *ret_array, struct err *err) MUST_CHECK;

#endif
