/*
 * What the scheduler knows: nodes with what is taken on them, and placed pods in short form. Kept
 * in step with the caches; nothing here is decoded again for each try.
 */
#ifndef SCHED_STATE_H
#define SCHED_STATE_H

#include "base/map.h"
#include "client/cache.h"
#include "sched/resources.h"

struct sched_port {
    char ip[48]; /* "" means all */
    char protocol[8];
    uint16_t port;
};

/* A pod that holds a place on a node. */
struct sched_placed {
    struct list link; /* on sched_node.pods */
    struct sched_node *node;
    struct resources requests;
    bool assumed; /* bound by us, not yet seen bound */
    int64_t assumed_until_ms;
    char *uid;
    struct sched_port *ports;
    size_t port_count;
};

struct sched_node {
    char *name;
    struct resources allocatable, requested;
    struct list pods;
    struct arena arena;        /* of labels and taints */
    const struct json *labels, *taints; /* NULL when none */
    bool known;                /* the Node object exists; else pods only */
    bool unschedulable;
};

struct sched_state {
    struct map nodes;  /* name -> struct sched_node */
    struct map placed; /* pod uid -> struct sched_placed */
};

void sched_state_init(struct sched_state *s);
void sched_state_done(struct sched_state *s);

/* deleted: node is only needed for its name. Returns whether scheduling may have become easier. */
bool sched_state_node(struct sched_state *s, const struct json *node, bool deleted);
/* A pod with spec.nodeName that is not finished takes its place; otherwise it gives it up. */
bool sched_state_pod(struct sched_state *s, const struct json *pod, bool deleted);
/* Takes a place before the binding is seen; 0 or -E_NOMEM. */
int sched_state_assume(struct sched_state *s, const struct json *pod, const char *node,
                       int64_t until_ms) MUST_CHECK;
void sched_state_forget(struct sched_state *s, const char *uid); /* only while assumed */
void sched_state_expire(struct sched_state *s, int64_t now_ms);

/* Host ports of a pod into ret (at most max); their number. */
size_t sched_pod_ports(const struct json *pod, struct sched_port *ret_ports, size_t max);

#endif
