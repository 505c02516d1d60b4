/* Inside priority and fairness. See flow.h. */
#ifndef API_FLOW_FLOW_INT_H
#define API_FLOW_FLOW_INT_H

#include "api/flow/flow.h"
#include "api/flow/schemas.h"
#include "base/metrics.h"

struct flow_tier {
    struct list link;
    char *name;
    char uid[40];
    struct flow_queues queues;
    unsigned nominal, least, most;
    double smoothed; /* demand */
    unsigned entries; /* requests that wait or run */
    bool present;     /* else it goes with its last entry */
};

struct flow_entry { /* a request that waits or holds seats; outlives it until the next turn */
    struct list link; /* of flow->left, of flow->ready, or alone */
    struct flow_ticket ticket;
    struct flow_tier *level;
    struct api_request *request; /* NULL: it ended */
    void (*go_on)(struct api_request *r);
    const char *schema; /* name, in the request's arena */
};

enum flow_metric {
    FLOW_REJECTED,
    FLOW_DISPATCHED,
    FLOW_IN_QUEUE,
    FLOW_EXECUTING,
    FLOW_EXECUTING_SEATS,
    FLOW_NOMINAL,
    FLOW_CURRENT,
    FLOW_LEAST,
    FLOW_MOST,
    FLOW_METRICS
};

struct flow {
    struct api *api;
    struct list levels;
    struct arena arena; /* of classes */
    struct flow_class *classes;
    size_t class_count;
    struct store_watch *watch;
    struct loop_timer reload, turn;
    struct list left;  /* entries whose seats are given back at the next turn */
    struct list ready; /* entries that may run */
    unsigned ticks;
    struct metric *metrics[FLOW_METRICS];
};

int64_t flow_now_us(const struct flow *f);

/* ---- levels.c ---- */
int flow_load(struct flow *f) MUST_CHECK; /* -E_NOMEM: as before */
void flow_lend(struct flow *f);           /* seats move to where they are wanted */
void flow_levels_free(struct flow *f);
void flow_level_unused(struct flow_tier *l); /* frees one that is gone and has no entry */

#endif
