/* A label selector that was understood, written out, means the same; the rest just must not break.
 */
#include "base/assert.h"
#include "codec/jwt.h"
#include "codec/pem.h"
#include "codec/quantity.h"
#include "codec/selector.h"
#include "codec/time.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void small_texts(struct arena *a, struct str text)
{
    struct quantity q, again;
    struct jwt token;
    struct pem_block block;
    struct str rest = text, bytes;
    char out[QUANTITY_TEXT];
    int64_t v;
    if (quantity_parse(text, &q, NULL) == 0) {
        quantity_format(&q, out);
        ASSERT(quantity_parse(str_of(out), &again, NULL) == 0 && quantity_cmp(&q, &again) == 0);
    }
    if (time_parse(text, &v, NULL) == 0)
        time_format_micro(v, out);
    if (duration_parse(text, &v, NULL) == 0)
        duration_format(v, out);
    if (jwt_parse(a, text, &token, NULL) == 0)
        ASSERT(token.signed_part.n < text.n);
    while (pem_next(&rest, &block, NULL) == 0)
        if (pem_decode(a, &block, &bytes) == 0)
            ASSERT(bytes.n <= block.body.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct selector s, again;
    struct selector_fields fields;
    struct err err;
    struct str text = str_make(data, size);
    CLEANUP_BUF struct buf b, twice;
    arena_init(&a, 16 << 20);
    buf_init(&b, 16 << 20);
    buf_init(&twice, 16 << 20);
    if (selector_parse(&a, text, &s, &err) == 0) {
        selector_write(&b, &s);
        ASSERT(selector_parse(&a, buf_str(&b), &again, &err) == 0);
        selector_write(&twice, &again);
        ASSERT(str_eq(buf_str(&b), buf_str(&twice)));
    }
    if (selector_fields_parse(&a, text, &fields, &err) == 0)
        ASSERT(selector_fields_match(&fields, NULL) || fields.count > 0);
    small_texts(&a, text);
    arena_done(&a);
    return 0;
}
