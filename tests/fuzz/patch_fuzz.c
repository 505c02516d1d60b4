/* Input: a document, a newline, a patch; tried as JSON Patch, merge patch and strategic merge
 * patch. */
#include "codec/patch.h"
#include "schema/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct arena *a, const struct schema_type *type, struct json *j)
{
    struct schema_problems problems = {0};
    struct err err;
    if (schema_default(a, type, j) == 0 &&
        schema_check(a, type, j, SCHEMA_WARN, &problems, &err) != 0)
        return;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct json *document, *patch, *result;
    struct err err;
    const struct schema_type *pod = schema_type_of_kind(STR(""), STR("v1"), STR("Pod"));
    ptrdiff_t at = str_find_byte(str_make(data, size), '\n');
    arena_init(&a, 64 << 20);
    if (at >= 0 && json_parse(&a, str_make(data, (size_t)at), NULL, &document, &err) == 0 &&
        json_parse(&a, str_make(data + at + 1, size - (size_t)at - 1), NULL, &patch, &err) == 0) {
        if (schema_strategic_merge(&a, pod, document, patch, &result, &err) == 0)
            check(&a, pod, result);
        if (patch_merge(&a, json_clone(&a, document), json_clone(&a, patch), &result) == 0)
            check(&a, pod, result);
        if (patch_json(&a, json_clone(&a, document), patch, &result, &err) == 0)
            check(&a, pod, result);
    }
    arena_done(&a);
    return 0;
}
