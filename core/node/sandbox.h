/* A pod's sandbox: address, namespaces, cgroup (pod_create), and the files that all of its
 * containers share. */
#ifndef NODE_SANDBOX_H
#define NODE_SANDBOX_H

#include "node/node_int.h"

/* Begins what is missing. True when all is there; otherwise the pod is woken. */
bool sandbox_work(struct step *s);
/* The name that the pod has in its UTS namespace; in the arena. */
const char *sandbox_hostname(struct step *s);

/* podfiles.c: the texts. */
void podfiles_hosts(struct step *s, const char *hostname, struct buf *out);
void podfiles_resolv_conf(struct step *s, struct buf *out);

#endif
