/* Calls of the unprivileged role node, as the root side decodes them. */
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "wire/runtime_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct arena a CLEANUP_ARENA;
    struct imsg_in m = {0};
    struct runtime_pod pod;
    struct runtime_container container;
    struct runtime_exec exec;
    struct runtime_volume volume;
    struct runtime_pull pull;
    struct runtime_image image;
    struct rules_table rules;
    size_t backends = 0;
    arena_init(&a, 16 * 1024 * 1024);
    if (imsg_parse(&m, p, n) < 0)
        return 0;
    if (runtime_get_pod(&a, &m, &pod) == 0)
        ASSERT(pod.uid && pod.addr_count <= RUNTIME_MAX_ADDRS);
    if (runtime_get_container(&a, &m, &container) == 0)
        ASSERT(container.id && container.log_path);
    if (runtime_get_exec(&a, &m, &exec) == 0)
        ASSERT(exec.args);
    if (runtime_get_volume(&a, &m, &volume) == 0)
        for (size_t i = 0; i < volume.file_count; i++)
            ASSERT(volume.files[i].path && strlen(volume.files[i].path) <= n);
    if (runtime_get_pull(&a, &m, &pull) == 0)
        ASSERT(pull.image);
    if (runtime_get_image(&a, &m, &image) == 0)
        ASSERT(image.names);
    if (runtime_get_rules(&a, &m, &rules) == 0)
        for (size_t i = 0; i < rules.service_count; i++)
            for (size_t k = 0; k < rules.services[i].backend_count; k++)
                backends += rules.services[i].backends[k].family <= 6;
    ASSERT(backends <= n);
    return 0;
}
