/* Container logs as a container could make them look: lines, and the tail of a file. */
#include "node/logs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct logs_line line;
    char text[256];
    struct str raw = str_make(data, size);
    if (logs_parse(raw, &line) == 0 && line.time.n + line.text.n > size)
        __builtin_trap();
    logs_tail_text(raw, size ? data[0] % 8u : 3u, text, sizeof text);
    if (strnlen(text, sizeof text) == sizeof text)
        __builtin_trap();
    return 0;
}
