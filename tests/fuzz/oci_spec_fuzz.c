/* OCI configurations, as strangers write them. */
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "oci/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct arena a CLEANUP_ARENA;
    struct container_spec s;
    struct err err = {0};
    arena_init(&a, 16 * 1024 * 1024);
    if (oci_spec_decode(&a, str_make(p, n), &s, &err) < 0) {
        ASSERT(err.code);
        return 0;
    }
    ASSERT(s.args && s.env && s.mounts && s.masked_paths && s.root_path && s.user.name);
    ASSERT(s.user.uid >= -1 && s.user.uid < INT32_MAX);
    for (size_t i = 0; i < s.mount_count; i++)
        ASSERT(s.mounts[i].destination[0] == '/' && s.mounts[i].options);
    return 0;
}
