/*
 * Events about pods and the node. The same event again is the same object with a higher count
 * (upstream's correlator). They are sent in order, one at a time, and kept while the API is away;
 * only when more than EVENTS_MOST wait is the oldest dropped.
 */
#ifndef NODE_EVENTS_H
#define NODE_EVENTS_H

#include "node/node_int.h"

enum { EVENTS_MOST = 512, EVENTS_MESSAGE_BYTES = 1024 };

int events_new(struct node *n, struct events **ret_events) MUST_CHECK;
void events_free(struct events *e);
/* c: the container it is about, or NULL. type: "Normal", "Warning". reason: static text. */
void events_pod(struct pod *p, const struct container *c, const char *type, const char *reason,
                const char *fmt, ...) PRINTF_LIKE(5, 6);
void events_node(struct node *n, const char *type, const char *reason, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

#endif
