/*
 * The scheduler: takes pods without a node, filters nodes, scores what is left, binds.
 *
 * Queue: pods wait active (by priority, then age), in back-off (1 s doubling to 10 s after each
 * failed try) or unschedulable (until something changes that could help, at most 5 minutes), as
 * upstream's scheduling queue does. A pod bound here counts as placed at once ("assumed"), before
 * its binding shows in the cache.
 *
 * Source: kubernetes.io, "Kubernetes Scheduler" and "Scheduling Framework".
 */
#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H

#include "client/cache.h"

struct sched;

/* Uses the caches of pods and nodes from the set, which outlives the scheduler. */
int sched_new(struct client *c, struct cache_set *caches, struct sched **ret_sched) MUST_CHECK;
void sched_free(struct sched *s);

#endif
