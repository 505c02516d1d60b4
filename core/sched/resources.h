/* Amounts of resources as the scheduler counts them: exact integers, never doubles. */
#ifndef SCHED_RESOURCES_H
#define SCHED_RESOURCES_H

#include "codec/json.h"

enum { RESOURCES_EXTENDED = 8, RESOURCES_NAME = 64 };

struct resources {
    int64_t cpu_milli, memory_bytes, storage_bytes, pods;
    struct {
        char name[RESOURCES_NAME]; /* "example.com/gpu", "hugepages-2Mi"; "" ends the list */
        int64_t amount;
    } extended[RESOURCES_EXTENDED];
};

/* From a resource list ({"cpu": "100m", ...}); what does not parse counts as 0. */
void resources_of_list(const struct json *list, struct resources *ret_r);
/* What a pod asks for: the larger of its containers together and each init container, sidecars
 * counted through, plus overhead (KEP-753). One pod. */
void resources_of_pod(const struct json *pod, struct resources *ret_r);
void resources_add(struct resources *to, const struct resources *r);
void resources_subtract(struct resources *from, const struct resources *r);
void resources_max(struct resources *to, const struct resources *r);
int64_t resources_extended(const struct resources *r, const char *name);

#endif
