/* What a webhook answers: a patch only from those that may, and a refusal always has a status. */
#include "api/admission/webhook.h"
#include "api/write.h"
#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct webhook h = {.name = "h.example.com", .review_version = "v1"};
    struct hook_verdict verdict;
    struct err err = {0};
    if (size < 1)
        return 0;
    bool mutating = data[0] & 1;
    if (data[0] & 2)
        h.review_version = "v1beta1";
    struct api_request *r = mem_zalloc(sizeof *r);
    struct write *w = mem_zalloc(sizeof *w);
    if (r && w) {
        arena_init(&r->arena, 16 << 20);
        arena_init(&r->work, 16 << 20);
        w->r = r;
        w->a = &r->work;
        int rc = review_read(&h, w, str_make(data + 1, size - 1), mutating, "uid-1", &verdict, &err);
        ASSERT(rc <= 0 && (rc < 0 || mutating || !verdict.patch));
        ASSERT(rc < 0 || verdict.http == 0 || (verdict.http >= 400 && verdict.http < 600));
        ASSERT(r->warning_count <= WARNINGS_MOST);
        arena_done(&r->arena);
        arena_done(&r->work);
    }
    mem_free(r);
    mem_free(w);
    return 0;
}
