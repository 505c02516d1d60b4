/* The profile: plugins in the order in which they filter, with upstream's default weights. */
#include "sched/plugin.h"

const struct sched_plugin sched_plugins[] = {
    {.name = "NodeUnschedulable", .filter = sched_unschedulable_filter},
    {.name = "TaintToleration", .filter = sched_taint_filter, .score = sched_taint_score,
     .weight = 3, .normalise = true, .lower_is_better = true},
    {.name = "NodeAffinity", .filter = sched_affinity_filter, .score = sched_affinity_score,
     .weight = 2, .normalise = true},
    {.name = "NodePorts", .filter = sched_ports_filter},
    {.name = "NodeResourcesFit", .filter = sched_fit_filter, .score = sched_fit_score, .weight = 1},
    {.name = "NodeResourcesBalancedAllocation", .score = sched_balance_score, .weight = 1},
};
const size_t sched_plugin_count = sizeof sched_plugins / sizeof sched_plugins[0];
