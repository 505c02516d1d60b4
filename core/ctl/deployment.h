/* What the files of the deployment controller share. */
#ifndef CTL_DEPLOYMENT_H
#define CTL_DEPLOYMENT_H

#include "ctl/ctl_int.h"

#define DEPLOYMENT_REVISION "deployment.kubernetes.io/revision"
#define DEPLOYMENT_HISTORY "deployment.kubernetes.io/revision-history"
#define DEPLOYMENT_DESIRED "deployment.kubernetes.io/desired-replicas"
#define DEPLOYMENT_MAX "deployment.kubernetes.io/max-replicas"
#define DEPLOYMENT_HASH "pod-template-hash"

struct deployment {
    struct ctl_unit unit;
    struct cache *deployments, *sets, *pods;
};

/* One reconcile of one Deployment. */
struct rollout {
    struct deployment *ctl;
    struct arena *arena;
    struct plan *plan;
    struct json *tree;        /* the Deployment */
    struct object *object;
    struct ctl_list sets;     /* its ReplicaSets, oldest first */
    struct ctl_item *current; /* the one with today's template, or NULL */
    int64_t replicas, max_surge, max_unavailable, min_ready_s;
    bool waiting; /* a ReplicaSet was created or changed: go on when its change is seen */
};

/* ---- deployment_sets.c: finding, naming, scaling ReplicaSets ---- */
void rollout_find_current(struct rollout *r);
/* Makes the current set, or brings its revision and annotations up to date. */
void rollout_ensure_current(struct rollout *r);
/* Sets spec.replicas (and the size annotations); says so in an event. */
void rollout_scale(struct rollout *r, struct ctl_item *set, int64_t replicas);
int64_t rollout_sum(const struct rollout *r, const char *path); /* over all sets */
int64_t set_i64(const struct ctl_item *set, const char *path);
void rollout_cleanup(struct rollout *r); /* beyond revisionHistoryLimit */

/* ---- deployment_status.c ---- */
void rollout_status(struct rollout *r);
bool rollout_complete(const struct rollout *r);

#endif
