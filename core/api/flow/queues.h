/*
 * Fair queues of one priority level (KEP-1040). Pure: time comes in with each call, nothing runs by
 * itself.
 *
 * A level has seats; a running request holds one or more. What finds no seat waits in one of the
 * queues that its flow is dealt (shuffle sharding): the shortest of its hand, so that a flow which
 * floods fills few queues and others find theirs empty. Among queues the one whose next request
 * would have finished first, had all of them been served at once bit by bit, goes next.
 *
 * Virtual time grows by the seats that are at work, divided by the queues that want some. A queue is
 * charged an estimate when a request starts and what it really took when it ends.
 */
#ifndef API_FLOW_QUEUES_H
#define API_FLOW_QUEUES_H

#include "base/list.h"
#include "base/map.h"

enum { FLOW_HAND_MOST = 32 };

struct flow_queue;

struct flow_shape {
    bool exempt;     /* no limit at all */
    uint32_t queues; /* 0: what finds no seat is refused */
    uint32_t hand, length;
};

struct flow_ticket {       /* one request's; the caller's memory */
    struct list link;      /* of the queue while it waits */
    struct flow_queue *queue;
    unsigned seats;
    bool waits, runs;
    int64_t came_us, began_us;
    void *owner; /* the caller's */
};

struct flow_queues {
    struct flow_shape shape;
    unsigned seats;         /* that may be in use at once */
    unsigned used, running; /* seats, requests */
    unsigned waiting, waiting_seats;
    unsigned most; /* of used + waiting_seats since flow_queues_demand */
    double time;   /* virtual, in seat-microseconds a queue */
    int64_t at_us;
    struct map by_index; /* of queues in use only */
    struct list active;
};

enum flow_verdict {
    FLOW_RUNS,
    FLOW_WAITS,
    FLOW_NO_SEAT,    /* refused: the level has no queues */
    FLOW_QUEUE_FULL, /* refused */
};

void flow_queues_init(struct flow_queues *q, int64_t now_us);
void flow_queues_done(struct flow_queues *q); /* nothing waits or runs any more */

/* A request of a flow (a hash of it) that takes so many seats. Out of memory: FLOW_QUEUE_FULL. */
enum flow_verdict flow_queues_arrive(struct flow_queues *q, struct flow_ticket *t, uint64_t flow,
                                     unsigned seats, int64_t now_us) MUST_CHECK;
/* One that waited and runs from now on; NULL: none can. */
struct flow_ticket *flow_queues_next(struct flow_queues *q, int64_t now_us);
/* It ends, or waits no longer. Harmless twice. */
void flow_queues_leave(struct flow_queues *q, struct flow_ticket *t, int64_t now_us);
/* One that waits since before that moment, or NULL. */
struct flow_ticket *flow_queues_late(const struct flow_queues *q, int64_t before_us);
/* The most seats that were wanted since the last call. */
unsigned flow_queues_demand(struct flow_queues *q);

/* Deals hand different numbers below deck, the same ones for the same flow, in rising order. */
void flow_deal(uint64_t flow, uint32_t deck, uint32_t hand, uint32_t *ret_cards);

#endif
