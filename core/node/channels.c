/* Numbered streams in WebSocket messages. See channels.h. */
#include "node/channels.h"

#include "base/mem.h"

enum { MESSAGE_BYTES = 1024 * 1024 };

const char *channels_choose(enum channels_use use, struct str offered)
{
    static const char *const exec[] = {"v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io",
                                       "channel.k8s.io", "base64.channel.k8s.io", NULL};
    static const char *const forward[] = {"SPDY/3.1+portforward.k8s.io", "v4.channel.k8s.io",
                                          "v4.base64.channel.k8s.io", NULL};
    static const char *const logs[] = {"binary.k8s.io", "base64.binary.k8s.io", NULL};
    const char *const *const ours = use == CHANNELS_EXEC ? exec : use == CHANNELS_FORWARD ? forward : logs;
    struct str rest = offered, part;
    bool any = false;
    while (str_split(&rest, ',', &part)) {
        part = str_trim(part);
        any |= part.n > 0;
        for (size_t i = 0; ours[i]; i++)
            if (str_is(part, ours[i]))
                return ours[i];
    }
    return any ? NULL : "";
}

void channels_init(struct channels *c, struct websocket *ws, const char *protocol)
{
    *c = (struct channels){.ws = ws, .base64 = str_find(str_of(protocol), STR("base64")) >= 0};
    buf_init(&c->text, MESSAGE_BYTES);
}

void channels_done(struct channels *c)
{
    buf_done(&c->text);
}

/* first: a byte in front, or -1. */
static void send(struct channels *c, int first, struct str bytes)
{
    size_t size = (c->base64 ? base64_encoded_size(bytes.n) : bytes.n) + 1;
    char *message = mem_alloc(size);
    size_t n = 0;
    if (!message)
        return;
    if (first >= 0)
        message[n++] = (char)(first + (c->base64 ? '0' : 0));
    if (c->base64) {
        n += base64_encode(message + n, bytes.p, bytes.n);
    } else if (bytes.n) {
        memcpy(message + n, bytes.p, bytes.n);
        n += bytes.n;
    }
    websocket_send(c->ws, c->base64 ? WEBSOCKET_TEXT : WEBSOCKET_BINARY, str_make(message, n));
    mem_free(message);
}

void channels_send(struct channels *c, uint8_t channel, struct str bytes)
{
    send(c, channel, bytes);
}

void channels_send_plain(struct channels *c, struct str bytes)
{
    send(c, -1, bytes);
}

static bool take_text(struct channels *c, void (*fn)(void *ctx, uint8_t channel, struct str bytes), void *ctx)
{
    struct str all = buf_str(&c->text);
    size_t n = 0;
    if (all.n == 0)
        return true;
    if (all.p[0] < '0' || all.p[0] > '9')
        return false;
    uint8_t channel = (uint8_t)(all.p[0] - '0');
    char *plain = mem_alloc(all.n + 4);
    bool good = plain && base64_decode(plain, &n, str_make(all.p + 1, all.n - 1)) == 0;
    if (good)
        fn(ctx, channel, str_make(plain, n));
    mem_free(plain);
    return good;
}

bool channels_take(struct channels *c, struct str payload, bool end,
                   void (*fn)(void *ctx, uint8_t channel, struct str bytes), void *ctx)
{
    if (c->base64) { /* decoded as a whole */
        buf_append_str(&c->text, payload);
        bool good = !c->text.failed && (!end || take_text(c, fn, ctx));
        if (end)
            buf_clear(&c->text);
        return good;
    }
    bool first = !c->begun && payload.n;
    if (first) {
        c->channel = (uint8_t)payload.p[0];
        c->begun = true;
        payload = str_make(payload.p + 1, payload.n - 1);
    }
    if (c->begun && (payload.n || (first && end)))
        fn(ctx, c->channel, payload);
    if (end)
        c->begun = false;
    return true;
}
