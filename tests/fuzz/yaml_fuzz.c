/* The YAML reader ends within its bounds, and what the writer makes of its trees reads back equal.
 */
#include "base/assert.h"
#include "codec/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct json *j, *again;
    struct err err;
    struct yaml_marks marks;
    CLEANUP_BUF struct buf b;
    arena_init(&a, 64 << 20);
    buf_init(&b, 64 << 20);
    if (yaml_parse(&a, str_make(data, size), NULL, &j, &marks, &err) == 0) {
        yaml_write(&b, j);
        ASSERT(b.failed || yaml_parse(&a, buf_str(&b), NULL, &again, NULL, &err) != 0 ||
               json_equal(j, again));
    }
    arena_done(&a);
    return 0;
}
