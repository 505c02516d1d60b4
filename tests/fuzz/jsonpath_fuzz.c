/* Any JSONPath over a document: what is well formed finds without an error, and nothing breaks. */
#include "base/assert.h"
#include "codec/jsonpath.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool count(void *ctx, const struct json *value)
{
    (void)value;
    return ++*(size_t *)ctx < 1000;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char document[] =
        "{\"a\":{\"b\":1,\"list\":[{\"n\":\"p\",\"v\":1},{\"n\":\"q\",\"v\":2.5}]},\"t\":true}";
    struct arena a CLEANUP_ARENA;
    struct json *root;
    struct str path = str_make((const char *)data, size);
    size_t found = 0;
    arena_init(&a, 1 << 20);
    if (size > 4096 || json_parse(&a, str_of(document), NULL, &root, NULL) < 0)
        return 0;
    int rc = jsonpath_check(path, NULL);
    int each = jsonpath_each(path, root, count, &found, NULL);
    ASSERT(rc == 0 || (each < 0 && found == 0));
    return 0;
}
