/* NodeResourcesFit (LeastAllocated) and NodeResourcesBalancedAllocation. */
#include <stdio.h>

#include "sched/plugin.h"

static bool short_of(const char *what, int64_t asked, int64_t taken, int64_t allocatable,
                     char *ret_reason)
{
    if (asked == 0 || asked <= allocatable - taken)
        return false;
    snprintf(ret_reason, SCHED_REASON, "Insufficient %s", what);
    return true;
}

bool sched_fit_filter(const struct sched_pod *pod, const struct sched_node *node, char *ret_reason)
{
    const struct resources *ask = &pod->requests, *have = &node->allocatable;
    const struct resources *taken = &node->requested;

    if (taken->pods + 1 > have->pods) {
        snprintf(ret_reason, SCHED_REASON, "Too many pods");
        return false;
    }
    if (short_of("cpu", ask->cpu_milli, taken->cpu_milli, have->cpu_milli, ret_reason) ||
        short_of("memory", ask->memory_bytes, taken->memory_bytes, have->memory_bytes, ret_reason) ||
        short_of("ephemeral-storage", ask->storage_bytes, taken->storage_bytes, have->storage_bytes,
                 ret_reason))
        return false;
    for (size_t i = 0; i < RESOURCES_EXTENDED && ask->extended[i].name[0]; i++) {
        const char *name = ask->extended[i].name;
        if (short_of(name, ask->extended[i].amount, resources_extended(taken, name),
                     resources_extended(have, name), ret_reason))
            return false;
    }
    return true;
}

static int64_t free_share(int64_t asked, int64_t taken, int64_t allocatable)
{
    int64_t left = allocatable - taken - asked;
    if (allocatable <= 0 || left < 0)
        return 0;
    return (int64_t)((__int128)left * SCHED_SCORE_MAX / allocatable);
}

int64_t sched_fit_score(const struct sched_pod *pod, const struct sched_node *node)
{
    const struct resources *ask = &pod->requests, *have = &node->allocatable;
    const struct resources *taken = &node->requested;
    return (free_share(ask->cpu_milli, taken->cpu_milli, have->cpu_milli) +
            free_share(ask->memory_bytes, taken->memory_bytes, have->memory_bytes)) /
           2;
}

int64_t sched_balance_score(const struct sched_pod *pod, const struct sched_node *node)
{
    const struct resources *ask = &pod->requests, *have = &node->allocatable;
    const struct resources *taken = &node->requested;
    int64_t cpu = free_share(ask->cpu_milli, taken->cpu_milli, have->cpu_milli);
    int64_t memory = free_share(ask->memory_bytes, taken->memory_bytes, have->memory_bytes);
    int64_t apart = cpu > memory ? cpu - memory : memory - cpu;
    return SCHED_SCORE_MAX - apart / 2; /* half the distance is the deviation of two values */
}
