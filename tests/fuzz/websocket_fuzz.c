/* WebSocket frames from a stranger: bounded, and never delivered after a close. First byte: side,
 * size of the pieces. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "wire/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    struct websocket *w;
    size_t bytes;
};

static bool take(void *ctx, enum websocket_opcode opcode, struct str payload, bool end)
{
    struct seen *s = ctx;
    (void)end;
    s->bytes += payload.n;
    if (s->w->closed || (opcode != WEBSOCKET_TEXT && opcode != WEBSOCKET_BINARY))
        abort();
    return payload.n % 7 != 6;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct websocket w;
    struct buf out;
    struct seen s = {&w, 0};
    if (size == 0)
        return 0;
    buf_init(&out, 1 << 20);
    websocket_init(&w, data[0] & 1, &out);
    size_t step = (size_t)(data[0] >> 1) + 1;
    for (size_t at = 1; at < size; at += step) {
        size_t n = size - at < step ? size - at : step;
        if (websocket_feed(&w, str_make(data + at, n), take, &s) < 0)
            break;
    }
    if (s.bytes > size)
        abort();
    websocket_done(&w);
    buf_done(&out);
    return 0;
}
