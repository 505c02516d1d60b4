/*
 * Condition Dangling of flow schemas: whether the priority level that one names is there. It follows
 * every change of either, and is written through the API by server-side apply, as upstream's
 * controller of priority and fairness does.
 */
#ifndef API_FLOW_DANGLING_H
#define API_FLOW_DANGLING_H

#include "api/api.h"

struct flow_dangling;

int flow_dangling_start(struct api *api, struct flow_dangling **ret) MUST_CHECK;
void flow_dangling_free(struct flow_dangling *d); /* NULL is fine */

#endif
