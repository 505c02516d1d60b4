/* Whatever the JSON reader accepts is written, read again, and must be the same. */
#include "base/assert.h"
#include "codec/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct json *j, *again;
    struct err err;
    CLEANUP_BUF struct buf b;
    arena_init(&a, 64 << 20);
    buf_init(&b, 64 << 20);
    if (json_parse(&a, str_make(data, size), NULL, &j, &err) == 0) {
        json_write(&b, j);
        ASSERT(!b.failed && json_parse(&a, buf_str(&b), NULL, &again, &err) == 0);
        ASSERT(json_equal(j, again));
        ASSERT(json_equal(json_clone(&a, j), j));
    }
    arena_done(&a);
    return 0;
}
