/*
 * The status of a pod, as upstream's kubelet writes it, told to the API by a patch of /status
 * whenever it differs from what was told before. One patch at a time for each pod; it is repeated
 * with back-off until the API takes it, always with the newest state.
 */
#ifndef NODE_STATUS_H
#define NODE_STATUS_H

#include "node/node_int.h"

void status_init(struct pod *p);
void status_done(struct pod *p);
/* What the API knows of a pod that this role did not see before: start time, transitions, restarts,
 * the containers' last states. */
void status_recall(struct pod *p, const struct json *tree);
void status_update(struct step *s);
bool status_pending(const struct pod *p); /* something is still to be told */

/* status_pod.c, status_containers.c */
struct json *status_build(struct step *s);
void status_put_containers(struct step *s, struct json *status);
const char *status_phase(struct step *s);
void status_recall_containers(struct pod *p, const struct json *status);

enum status_condition { /* order of struct pod's arrays */
    CONDITION_READY_TO_START,
    CONDITION_INITIALIZED,
    CONDITION_READY,
    CONDITION_CONTAINERS_READY,
    CONDITION_SCHEDULED,
    CONDITIONS,
};
const char *status_condition_name(enum status_condition c);

enum { CONTAINER_ID_PREFIX = sizeof "keelson://" - 1 };

#endif
