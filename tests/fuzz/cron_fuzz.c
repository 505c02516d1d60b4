/* A schedule that was understood comes later than any time, on a minute of its own. */
#include "base/assert.h"
#include "codec/cron.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t times[] = {0, -1, INT64_C(1795456799999999), INT64_C(-62135596800000000)};
    struct cron c;
    struct err err;
    int32_t offset;
    int64_t next;
    struct str text = str_make(data, size);
    if (cron_zone(text, &offset, &err) == 0)
        ASSERT(offset >= -12 * 3600 && offset <= 14 * 3600);
    if (cron_parse(text, &c, &err) < 0)
        return 0;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        if (cron_next(&c, times[i], 3600, &next) == 0)
            ASSERT(next > times[i] && next % (c.every_s ? 1000000 : 60000000) == 0);
    return 0;
}
