/* Whatever the protobuf reader accepts is written as JSON, read again, and must be the same. */
#include "base/assert.h"
#include "schema/protobuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct json *j, *again;
    struct err err;
    CLEANUP_BUF struct buf b;
    arena_init(&a, 64 << 20);
    buf_init(&b, 64 << 20);
    if (protobuf_decode(&a, str_make(data, size), &j, &err) == 0) {
        json_write(&b, j);
        if (json_check_limits(j, &err) == 0 && !b.failed && !a.failed) {
            int rc = json_parse(&a, buf_str(&b), NULL, &again, &err);
            ASSERT(rc == -E_NOMEM || (rc == 0 && json_equal(j, again)));
        }
    }
    arena_done(&a);
    return 0;
}
