/* WebSocket framing. See websocket.h. */
#include "wire/websocket.h"

#include "port/crypto.h"

enum { CONTROL_MAX = 125, IN_MAX = WEBSOCKET_FRAME_MAX + 256 * 1024 };

void websocket_accept(struct str key, char ret_accept[WEBSOCKET_ACCEPT_TEXT])
{
    char text[128];
    uint8_t digest[20];
    struct buf b CLEANUP_BUF;
    buf_init(&b, sizeof text * 4);
    buf_append(&b, key.p, key.n < sizeof text ? key.n : sizeof text);
    buf_puts(&b, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"); /* RFC 6455, section 1.3 */
    sha1_of(buf_str(&b), digest);
    base64_encode(ret_accept, digest, sizeof digest);
}

void websocket_key(char ret_key[WEBSOCKET_KEY_TEXT])
{
    uint8_t raw[16];
    crypto_random(raw, sizeof raw);
    base64_encode(ret_key, raw, sizeof raw);
}

void websocket_init(struct websocket *w, bool client, struct buf *out)
{
    *w = (struct websocket){.client = client, .out = out, .close_code = 1005};
    buf_init(&w->in, IN_MAX);
}

void websocket_done(struct websocket *w)
{
    buf_done(&w->in);
}

static void mask(char *p, size_t n, const uint8_t key[4])
{
    for (size_t i = 0; i < n; i++)
        p[i] = (char)((uint8_t)p[i] ^ key[i & 3]);
}

void websocket_send(struct websocket *w, enum websocket_opcode opcode, struct str payload)
{
    uint8_t head[14], key[4];
    size_t n = 2;
    head[0] = (uint8_t)(0x80 | opcode);
    if (payload.n < 126) {
        head[1] = (uint8_t)payload.n;
    } else if (payload.n < 65536) {
        head[1] = 126;
        head[n++] = (uint8_t)(payload.n >> 8);
        head[n++] = (uint8_t)payload.n;
    } else {
        head[1] = 127;
        for (int i = 7; i >= 0; i--)
            head[n++] = (uint8_t)((uint64_t)payload.n >> (8 * i));
    }
    if (w->client) {
        head[1] |= 0x80;
        crypto_random(key, sizeof key);
        memcpy(head + n, key, 4);
        n += 4;
    }
    buf_append(w->out, head, n);
    char *to = payload.n ? buf_reserve(w->out, payload.n) : NULL;
    if (!to)
        return;
    memcpy(to, payload.p, payload.n);
    if (w->client)
        mask(to, payload.n, key);
    buf_commit(w->out, payload.n);
}

void websocket_close(struct websocket *w, uint16_t code, const char *reason)
{
    char body[CONTROL_MAX];
    size_t n = strlen(reason);
    if (w->close_sent)
        return;
    w->close_sent = true;
    if (n > sizeof body - 2)
        n = sizeof body - 2;
    body[0] = (char)(code >> 8);
    body[1] = (char)code;
    memcpy(body + 2, reason, n);
    websocket_send(w, WEBSOCKET_CLOSE, str_make(body, n + 2));
}

struct frame {
    uint8_t opcode;
    bool end, masked;
    uint64_t size;
    size_t head;
    uint8_t key[4];
};

/* 1: a head is there; 0: more bytes are needed; negative: refused. */
static int read_head(const struct websocket *w, struct str s, struct frame *f)
{
    const uint8_t *p = (const uint8_t *)s.p;
    if (s.n < 2)
        return 0;
    f->end = p[0] & 0x80;
    f->opcode = p[0] & 15;
    f->masked = p[1] & 0x80;
    f->size = p[1] & 127;
    f->head = 2;
    if (p[0] & 0x70 || f->masked == w->client) /* no extension was agreed; masks as the RFC says */
        return -E_SYNTAX;
    size_t more = f->size == 126 ? 2 : f->size == 127 ? 8 : 0;
    if (s.n < 2 + more)
        return 0;
    if (more) {
        f->size = 0;
        for (size_t i = 0; i < more; i++)
            f->size = f->size << 8 | p[2 + i];
        f->head += more;
    }
    if (f->size > WEBSOCKET_FRAME_MAX)
        return -E_TOO_LARGE;
    if (f->opcode >= 8 && (f->size > CONTROL_MAX || !f->end))
        return -E_SYNTAX;
    if (f->masked) {
        if (s.n < f->head + 4)
            return 0;
        memcpy(f->key, p + f->head, 4);
        f->head += 4;
    }
    return 1;
}

static int control(struct websocket *w, const struct frame *f, struct str payload)
{
    switch (f->opcode) {
    case WEBSOCKET_PING:
        websocket_send(w, WEBSOCKET_PONG, payload);
        return 0;
    case WEBSOCKET_PONG:
        return 0;
    case WEBSOCKET_CLOSE:
        w->closed = true;
        if (payload.n >= 2)
            w->close_code = (uint16_t)((uint8_t)payload.p[0] << 8 | (uint8_t)payload.p[1]);
        websocket_close(w, payload.n >= 2 ? w->close_code : 1000, "");
        return 0;
    default:
        return -E_SYNTAX;
    }
}

static int data_opcode(struct websocket *w, const struct frame *f)
{
    if (f->opcode == WEBSOCKET_CONTINUATION ? !w->fragmented : w->fragmented)
        return -E_SYNTAX;
    if (f->opcode > WEBSOCKET_BINARY)
        return -E_SYNTAX;
    if (f->opcode != WEBSOCKET_CONTINUATION)
        w->opcode = f->opcode;
    w->fragmented = !f->end;
    return 0;
}

int websocket_feed(struct websocket *w, struct str bytes,
                   bool (*fn)(void *ctx, enum websocket_opcode opcode, struct str payload,
                              bool end),
                   void *ctx)
{
    int rc = 0;
    buf_append_str(&w->in, bytes);
    if (w->in.failed)
        return -E_TOO_LARGE;
    for (bool go = true; go && !w->closed;) {
        struct frame f;
        struct str have = buf_str(&w->in);
        rc = read_head(w, have, &f);
        if (rc <= 0 || have.n - f.head < f.size)
            break;
        char *p = w->in.data + w->in.head + f.head;
        if (f.masked)
            mask(p, f.size, f.key);
        struct str payload = str_make(p, f.size);
        if (f.opcode >= 8) {
            rc = control(w, &f, payload);
        } else {
            rc = data_opcode(w, &f);
            if (rc == 0)
                go = fn(ctx, w->opcode, payload, f.end);
        }
        if (rc < 0)
            break;
        buf_consume(&w->in, f.head + f.size);
    }
    if (rc < 0)
        websocket_close(w, rc == -E_TOO_LARGE ? 1009 : 1002, "protocol error");
    if (buf_len(&w->in) == 0)
        buf_done(&w->in);
    return rc < 0 ? rc : 0;
}
