/* HTTP messages: whatever comes, in pieces of any size, the head stays within its bounds and what
 * is taken never exceeds what was given. First byte: kind and size of the pieces. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "wire/http1.h"
#include "wire/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    struct http1 *parser;
    bool freed, leave;
    size_t heads, ends, body;
};

static void on_head(void *ctx, const struct http_head *h)
{
    struct seen *s = ctx;
    struct arena a;
    struct str name, value, path, query;
    s->heads++;
    for (size_t i = 0; i < h->header_count; i++)
        if (h->headers[i].name.n == 0 || str_find_byte(h->headers[i].value, '\n') >= 0)
            abort();
    arena_init(&a, 1 << 20);
    url_split(h->target, &path, &query);
    while (url_query_next(&a, &query, &name, &value))
        if (str_find_byte(name, 0) >= 0 || str_find_byte(value, 0) >= 0)
            abort();
    struct str segment;
    while (str_split(&path, '/', &segment)) {
        struct str plain = url_decode_segment(&a, segment);
        if (plain.p && (str_find_byte(plain, '/') >= 0 || str_is(plain, "..")))
            abort();
    }
    arena_done(&a);
    if (s->leave && s->heads == 2) {
        http1_free(s->parser);
        s->freed = true;
    }
}

static void on_body(void *ctx, struct str bytes)
{
    ((struct seen *)ctx)->body += bytes.n;
}

static void on_end(void *ctx)
{
    ((struct seen *)ctx)->ends++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct http1_handlers handlers = {on_head, on_body, on_end};
    struct seen s = {0};
    if (size == 0)
        return 0;
    size_t step = (size_t)(data[0] >> 2) + 1;
    struct str rest = str_make(data + 1, size - 1);
    s.leave = data[0] & 2;
    if (http1_new(data[0] & 1, &handlers, &s, &s.parser) < 0)
        return 0;
    int rc = 0;
    bool upgraded = false;
    while (rest.n && rc == 0 && !upgraded && !s.freed) {
        size_t taken, n = rest.n < step ? rest.n : step;
        rc = http1_feed(s.parser, str_make(rest.p, n), &taken, &upgraded, NULL);
        if (taken > n)
            abort();
        rest = str_make(rest.p + taken, rest.n - taken);
    }
    if (s.ends > s.heads || s.body > size)
        abort();
    if (!s.freed) {
        rc = rc < 0 || upgraded ? 0 : http1_finish(s.parser);
        http1_free(s.parser);
    }
    return 0;
}
