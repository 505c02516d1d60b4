/*
 * Makes the default flow schemas and priority levels and keeps them, through the API: at the start
 * and then each minute. Missing ones are made again, mandatory ones are put right, suggested ones
 * too as long as nobody took them over; what an earlier version suggested goes.
 */
#ifndef API_FLOW_ENSURE_H
#define API_FLOW_ENSURE_H

#include "api/api.h"

struct flow_ensure;

/* done runs once, from the loop, when everything is there or an error says why not (the next minute
 * tries again). It may free. */
int flow_ensure_start(struct api *api, void (*done)(void *ctx, int rc, const char *message),
                      void *ctx, struct flow_ensure **ret) MUST_CHECK;
void flow_ensure_free(struct flow_ensure *f); /* NULL is fine */

#endif
