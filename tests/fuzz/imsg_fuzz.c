/* Messages between roles: whatever a broken role sends is read within its bounds or refused. */
#include <stddef.h>
#include <stdint.h>

#include "wire/imsg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct imsg_in m = {0};
    struct imsg_cursor at = {0};
    struct str bytes;
    uint8_t tag;
    uint64_t v, sum = 0;
    if (imsg_parse(&m, data, size) < 0)
        return 0;
    while (imsg_next(&m, &at, &tag, &bytes)) {
        for (size_t i = 0; i < bytes.n; i++)
            sum += (unsigned char)bytes.p[i];
        imsg_get_u64(&m, tag, &v);
    }
    return sum == 1;
}
