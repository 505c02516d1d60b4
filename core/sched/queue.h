/*
 * Pods waiting for a node: active by priority then age, in back-off, or unschedulable until
 * something changes Also the choice of a node.
 */
#ifndef SCHED_QUEUE_H
#define SCHED_QUEUE_H

#include "sched/state.h"

enum sched_wait { SCHED_ACTIVE, SCHED_BACKOFF, SCHED_UNSCHEDULABLE, SCHED_TAKEN };

struct sched_item {
    struct list link;
    enum sched_wait wait;
    int64_t priority, due_ms; /* due: of back-off, or when an unschedulable pod is tried anyway */
    uint64_t order;
    unsigned failures;
    bool moved; /* something changed while it was being tried */
    char *namespace, *name, *uid;
};

struct sched_queue {
    struct loop *loop;
    struct map items; /* uid -> struct sched_item */
    struct list active; /* sorted */
    struct list waiting; /* back-off, unschedulable, taken */
    uint64_t next_order;
};

void sched_queue_init(struct sched_queue *q, struct loop *l);
void sched_queue_done(struct sched_queue *q);
/* New pods become active; of one that waits already only the priority is taken over. */
void sched_queue_add(struct sched_queue *q, const struct object *pod, int64_t priority);
void sched_queue_remove(struct sched_queue *q, const char *uid);
/* The next pod to try, now taken; NULL when none is due. Valid until removed. */
struct sched_item *sched_queue_take(struct sched_queue *q, int64_t now_ms);
/* The try ended without a place; retry: after back-off, else when something changes. */
void sched_queue_failed(struct sched_queue *q, const char *uid, bool retry);
/* Something changed that may help: what was unschedulable goes through its back-off again. */
void sched_queue_move_all(struct sched_queue *q);
int64_t sched_queue_wait(const struct sched_queue *q, int64_t now_ms); /* ms to the next due pod */

/* choose.c: the best node, or NULL with upstream's message ("0/3 nodes are available: ..."). */
struct sched_node *sched_choose(const struct sched_state *s, const struct json *pod,
                                char *ret_message, size_t size);

#endif
