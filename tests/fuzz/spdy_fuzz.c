/* SPDY/3.1 frames from a stranger; the application answers, resets and consumes as it goes. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "wire/spdy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool opened(void *ctx, uint32_t stream, const struct spdy_header *headers, size_t count,
                   bool fin)
{
    struct spdy **s = ctx;
    size_t sum = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < headers[i].value.n; k++)
            sum += (unsigned char)headers[i].value.p[k];
    if (sum % 5 == 4)
        return false;
    if (sum % 5 == 3)
        spdy_reset(*s, stream, 5);
    else
        (void)!spdy_reply(*s, stream);
    return !fin || sum % 2;
}

static void on_data(void *ctx, uint32_t stream, struct str bytes, bool fin)
{
    struct spdy **s = ctx;
    if (spdy_send(*s, stream, bytes, fin) > bytes.n)
        abort();
    spdy_consumed(*s, stream, bytes.n);
    if (bytes.n % 11 == 10)
        spdy_reset(*s, stream, 5);
}

static void on_reset(void *ctx, uint32_t stream)
{
    struct spdy **s = ctx;
    if (spdy_window(*s, stream))
        abort(); /* it must be gone by now */
}

static void writable(void *ctx, uint32_t stream)
{
    struct spdy **s = ctx;
    (void)spdy_send(*s, stream, STR("more"), stream % 3 == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct spdy_handlers handlers = {opened, on_data, on_reset, writable};
    struct spdy *s;
    struct buf out;
    buf_init(&out, 1 << 20);
    if (spdy_new(&out, &handlers, &s, &s) == 0) {
        for (size_t at = 0; at < size; at += 4096)
            if (spdy_feed(s, str_make(data + at, size - at < 4096 ? size - at : 4096)) < 0)
                break;
        spdy_free(s);
    }
    buf_done(&out);
    return 0;
}
