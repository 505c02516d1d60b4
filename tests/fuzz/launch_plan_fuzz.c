/* Launch plans, as a pod's shim reads them. */
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "drivers/runtime/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct arena a CLEANUP_ARENA;
    struct plan plan;
    arena_init(&a, 16 * 1024 * 1024);
    if (plan_read(&a, str_make(p, n), &plan) < 0)
        return 0;
    for (size_t i = 0; i < plan.arg_count; i++)
        ASSERT(strlen(plan.args[i]) <= n);
    ASSERT(!plan.args[plan.arg_count]);
    for (size_t i = 0; i < plan.mount_count; i++)
        ASSERT(plan.mounts[i].destination && !plan.mounts[i].options[plan.mounts[i].option_count]);
    return 0;
}
