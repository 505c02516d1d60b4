/* What filters and scores are. One file a plugin; the table in plugin.c is the profile. */
#ifndef SCHED_PLUGIN_H
#define SCHED_PLUGIN_H

#include "sched/state.h"

enum { SCHED_MAX_PORTS = 64, SCHED_REASON = 128, SCHED_SCORE_MAX = 100 };

/* A pod while it is being placed: its tree and what was computed once from it. */
struct sched_pod {
    const struct json *tree;
    struct resources requests;
    struct sched_port ports[SCHED_MAX_PORTS];
    size_t port_count;
};

struct sched_plugin {
    const char *name;
    /* True: the node will do. Else writes upstream's reason ("Insufficient cpu"). */
    bool (*filter)(const struct sched_pod *pod, const struct sched_node *node,
                   char ret_reason[SCHED_REASON]);
    /* 0 to SCHED_SCORE_MAX; raw when `normalise` is set (then highest becomes the maximum, and
     * reversed if `lower_is_better`). */
    int64_t (*score)(const struct sched_pod *pod, const struct sched_node *node);
    int64_t weight;
    bool normalise, lower_is_better;
};

extern const struct sched_plugin sched_plugins[];
extern const size_t sched_plugin_count;

/* fit.c */
bool sched_fit_filter(const struct sched_pod *pod, const struct sched_node *node, char *ret_reason);
int64_t sched_fit_score(const struct sched_pod *pod, const struct sched_node *node);
int64_t sched_balance_score(const struct sched_pod *pod, const struct sched_node *node);
/* taints.c */
bool sched_taint_filter(const struct sched_pod *pod, const struct sched_node *node, char *ret_reason);
int64_t sched_taint_score(const struct sched_pod *pod, const struct sched_node *node);
bool sched_unschedulable_filter(const struct sched_pod *pod, const struct sched_node *node, char *ret_reason);
/* affinity.c */
bool sched_affinity_filter(const struct sched_pod *pod, const struct sched_node *node, char *ret_reason);
int64_t sched_affinity_score(const struct sched_pod *pod, const struct sched_node *node);
/* ports.c */
bool sched_ports_filter(const struct sched_pod *pod, const struct sched_node *node, char *ret_reason);

#endif
