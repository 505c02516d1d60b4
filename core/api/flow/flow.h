/*
 * Priority and fairness: which requests go on now, which wait their turn, and which are turned away
 * (429), as FlowSchema and PriorityLevelConfiguration objects say (KEP-1040).
 *
 *   queues.c   fair queues of one level; pure
 *   schemas.c  the objects, matching, division of seats; pure
 *   levels.c   follows the objects; seats of each level, borrowing
 *   flow.c     requests
 *
 * Requests of one turn are served one after another by one thread, so what seats stand for is work
 * a turn: a seat is given back at the beginning of the turn after the one in which its request
 * ended. A level that is flooded gets no more than its seats in each turn, whatever comes in.
 * Watches hold a seat until they have begun; streams to kubelets hold none.
 */
#ifndef API_FLOW_FLOW_H
#define API_FLOW_FLOW_H

#include "api/api_int.h"

enum {
    FLOW_SEATS = 600,           /* of all levels: upstream's max-requests-inflight, both together */
    FLOW_WAIT_MOST_MS = 15000,  /* then a request is turned away */
    FLOW_LIST_SEATS = 10,       /* the widest request */
    FLOW_OBJECTS_A_SEAT = 100,
};

int flow_new(struct api *api) MUST_CHECK; /* api->flow */
void flow_free(struct api *api);
void flow_tick(struct api *api); /* each second */

/* The user is known. 1: it goes on now; 0: it waits, go_on will be called from the loop; -E_*: it was
 * answered. */
int flow_admit(struct api_request *r, void (*go_on)(struct api_request *r)) MUST_CHECK;
/* A watch has begun. */
void flow_begun(struct api_request *r);
void flow_end(struct api_request *r);
bool flow_waits(const struct api_request *r);
void flow_metrics_take(struct api *api); /* before they are shown */
/* Answers 429. reason: of the metric. */
void flow_refuse(struct api_request *r, const char *reason);


#endif
