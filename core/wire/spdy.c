/* SPDY/3.1 framing, streams and windows; header blocks are spdy_headers.c's. See spdy.h. */
#include "wire/spdy.h"

#include "base/list.h"
#include "codec/deflate.h"
#include "wire/spdy_int.h"

enum {
    HEAD = 8,
    FLAG_FIN = 1,
    FIRST_WINDOW = 64 * 1024,
    SYN_STREAM = 1,
    SYN_REPLY = 2,
    RST_STREAM = 3,
    SETTINGS = 4,
    PING = 6,
    GOAWAY = 7,
    HEADERS = 8,
    WINDOW_UPDATE = 9,
    PROTOCOL_ERROR = 1,
    REFUSED_STREAM = 3,
    INITIAL_WINDOW_SIZE = 7,
};

struct stream {
    struct list link;
    uint32_t id;
    int64_t send_window;
    bool fin_received, fin_sent, blocked;
};

struct spdy {
    struct buf *out, in;
    struct spdy_handlers handlers;
    void *ctx;
    struct list streams;
    size_t stream_count;
    struct spdy_headers headers;
    int64_t session_window, initial_window;
    uint32_t last_stream;
    bool dead;
    bool windows; /* the peer keeps windows: it has sent a WINDOW_UPDATE or SETTINGS */
};

static uint32_t u32(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void put32(struct buf *b, uint32_t v)
{
    char p[4] = {(char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v};
    buf_append(b, p, 4);
}

static void put_control(struct spdy *s, unsigned type, unsigned flags, size_t size)
{
    put32(s->out, 0x80030000u | type);
    put32(s->out, (uint32_t)flags << 24 | (uint32_t)size);
}

static struct stream *find(const struct spdy *s, uint32_t id)
{
    struct stream *st;
    LIST_EACH(st, &s->streams, link)
    if (st->id == id)
        return st;
    return NULL;
}

static void drop(struct spdy *s, struct stream *st)
{
    list_remove(&st->link);
    s->stream_count--;
    mem_free(st);
}

static void drop_if_done(struct spdy *s, struct stream *st)
{
    if (st->fin_received && st->fin_sent)
        drop(s, st);
}

int spdy_new(struct buf *out, const struct spdy_handlers *handlers, void *ctx,
             struct spdy **ret_spdy)
{
    struct spdy *s = mem_zalloc(sizeof *s);
    if (!s)
        return -E_NOMEM;
    s->out = out;
    s->handlers = *handlers;
    s->ctx = ctx;
    s->session_window = s->initial_window = FIRST_WINDOW;
    buf_init(&s->in, SPDY_FRAME_MAX + 64 * 1024);
    list_init(&s->streams);
    int rc = spdy_headers_init(&s->headers);
    if (rc < 0) {
        spdy_free(s);
        return rc;
    }
    *ret_spdy = s;
    return 0;
}

void spdy_free(struct spdy *s)
{
    if (!s)
        return;
    while (!list_empty(&s->streams))
        drop(s, LIST_FIRST(&s->streams, struct stream, link));
    spdy_headers_done(&s->headers);
    buf_done(&s->in);
    mem_free(s);
}

void spdy_reset(struct spdy *s, uint32_t stream, uint32_t status)
{
    struct stream *st = find(s, stream);
    put_control(s, RST_STREAM, 0, 8);
    put32(s->out, stream);
    put32(s->out, status);
    if (st)
        drop(s, st);
}

int spdy_reply(struct spdy *s, uint32_t stream)
{
    struct buf block CLEANUP_BUF;
    buf_init(&block, 4096);
    int rc = spdy_headers_encode(&s->headers, NULL, 0, &block);
    if (rc < 0)
        return rc;
    put_control(s, SYN_REPLY, 0, 4 + buf_len(&block));
    put32(s->out, stream);
    buf_append_str(s->out, buf_str(&block));
    return s->out->failed ? -E_NOMEM : 0;
}

/* kubectl's library (moby/spdystream) neither sends nor heeds window updates: with such a peer the
 * connection under us is the only flow control. */
static size_t room(const struct spdy *s, const struct stream *st)
{
    if (!s->windows)
        return SPDY_FRAME_MAX;
    int64_t n = st->send_window < s->session_window ? st->send_window : s->session_window;
    return n > 0 ? (size_t)n : 0;
}

size_t spdy_window(const struct spdy *s, uint32_t stream)
{
    struct stream *st = find(s, stream);
    return st ? room(s, st) : 0;
}

size_t spdy_send(struct spdy *s, uint32_t stream, struct str bytes, bool fin)
{
    struct stream *st = find(s, stream);
    if (!st || st->fin_sent || s->dead)
        return bytes.n; /* nobody is there to get it */
    size_t n = room(s, st) < bytes.n ? room(s, st) : bytes.n;
    bool last = fin && n == bytes.n;
    st->blocked = n < bytes.n;
    if (n == 0 && !last)
        return 0;
    put32(s->out, stream);
    put32(s->out, (last ? (uint32_t)FLAG_FIN << 24 : 0) | (uint32_t)n);
    buf_append(s->out, bytes.p, n);
    st->send_window -= (int64_t)n;
    s->session_window -= (int64_t)n;
    if (last) {
        st->fin_sent = true;
        drop_if_done(s, st);
    }
    return n;
}

void spdy_consumed(struct spdy *s, uint32_t stream, size_t n)
{
    uint32_t ids[] = {0, stream};
    if (n == 0 || s->dead)
        return;
    for (int i = 0; i < 2; i++) {
        if (i == 1 && !find(s, stream))
            return;
        put_control(s, WINDOW_UPDATE, 0, 8);
        put32(s->out, ids[i]);
        put32(s->out, (uint32_t)n);
    }
}

/* ---- receiving ---- */

static int on_syn_stream(struct spdy *s, unsigned flags, struct str body)
{
    struct spdy_header headers[SPDY_HEADERS_MAX];
    struct buf text CLEANUP_BUF;
    size_t count;
    buf_init(&text, 64 * 1024); /* before any return: it is cleaned up at each */
    if (body.n < 10)
        return -E_SYNTAX;
    uint32_t id = u32(body.p) & 0x7fffffff;
    if (id % 2 == 0 || id <= s->last_stream)
        return -E_SYNTAX;
    int rc = spdy_headers_decode(&s->headers, str_make(body.p + 10, body.n - 10), &text, headers,
                                 &count);
    if (rc < 0)
        return rc;
    s->last_stream = id;
    struct stream *st = s->stream_count < SPDY_STREAMS_MAX ? mem_zalloc(sizeof *st) : NULL;
    if (!st) {
        spdy_reset(s, id, REFUSED_STREAM);
        return 0;
    }
    st->id = id;
    st->send_window = s->initial_window;
    st->fin_received = flags & FLAG_FIN;
    list_push_back(&s->streams, &st->link);
    s->stream_count++;
    if (!s->handlers.opened(s->ctx, id, headers, count, st->fin_received))
        spdy_reset(s, id, REFUSED_STREAM);
    return 0;
}

/* Header blocks that mean nothing to us still move the decompressor on. */
static int on_headers(struct spdy *s, struct str body)
{
    struct spdy_header headers[SPDY_HEADERS_MAX];
    struct buf text CLEANUP_BUF;
    size_t count;
    buf_init(&text, 64 * 1024);
    if (body.n < 4)
        return -E_SYNTAX;
    return spdy_headers_decode(&s->headers, str_make(body.p + 4, body.n - 4), &text, headers,
                               &count);
}

static void wake(struct spdy *s)
{
    uint32_t ids[SPDY_STREAMS_MAX];
    size_t n = 0;
    struct stream *st;
    LIST_EACH(st, &s->streams, link)
    if (st->blocked && room(s, st) && n < SPDY_STREAMS_MAX)
        ids[n++] = st->id;
    for (size_t i = 0; i < n; i++) {
        st = find(s, ids[i]); /* a handler may have ended it */
        if (st && st->blocked && room(s, st)) {
            st->blocked = false;
            s->handlers.writable(s->ctx, ids[i]);
        }
    }
}

static int on_window_update(struct spdy *s, struct str body)
{
    if (body.n < 8)
        return -E_SYNTAX;
    s->windows = true;
    uint32_t id = u32(body.p) & 0x7fffffff;
    int64_t more = u32(body.p + 4) & 0x7fffffff;
    struct stream *st = id ? find(s, id) : NULL;
    int64_t *window = id ? st ? &st->send_window : NULL : &s->session_window;
    if (!window)
        return 0;
    *window += more;
    if (*window > INT32_MAX)
        return -E_SYNTAX;
    wake(s);
    return 0;
}

static int on_settings(struct spdy *s, struct str body)
{
    uint32_t count = body.n >= 4 ? u32(body.p) : 0;
    if (body.n < 4 || count > (body.n - 4) / 8)
        return -E_SYNTAX;
    for (uint32_t i = 0; i < count; i++) {
        const char *p = body.p + 4 + i * 8;
        if ((u32(p) & 0xffffff) != INITIAL_WINDOW_SIZE)
            continue;
        int64_t size = u32(p + 4) & 0x7fffffff;
        s->windows = true;
        struct stream *st;
        LIST_EACH(st, &s->streams, link)
        st->send_window += size - s->initial_window;
        s->initial_window = size;
    }
    wake(s);
    return 0;
}

static int on_control(struct spdy *s, unsigned type, unsigned flags, struct str body)
{
    struct stream *st;
    switch (type) {
    case SYN_STREAM:
        return on_syn_stream(s, flags, body);
    case SYN_REPLY:
    case HEADERS:
        return on_headers(s, body);
    case SETTINGS:
        return on_settings(s, body);
    case WINDOW_UPDATE:
        return on_window_update(s, body);
    case RST_STREAM:
        st = body.n >= 8 ? find(s, u32(body.p) & 0x7fffffff) : NULL;
        if (st) {
            uint32_t id = st->id;
            drop(s, st);
            s->handlers.reset(s->ctx, id);
        }
        return 0;
    case PING:
        if (body.n < 4)
            return -E_SYNTAX;
        if (u32(body.p) % 2) { /* the client's are odd: echoed */
            put_control(s, PING, 0, 4);
            buf_append(s->out, body.p, 4);
        }
        return 0;
    default:
        return 0; /* GOAWAY, and what the draft says to ignore */
    }
}

static int on_data(struct spdy *s, uint32_t id, unsigned flags, struct str body)
{
    struct stream *st = find(s, id);
    if (!st || st->fin_received) {
        spdy_consumed(s, id, body.n); /* the session's window must not leak away */
        return 0;
    }
    bool fin = flags & FLAG_FIN;
    st->fin_received = fin;
    s->handlers.data(s->ctx, id, body, fin);
    st = find(s, id);
    if (st)
        drop_if_done(s, st);
    return 0;
}

int spdy_feed(struct spdy *s, struct str bytes)
{
    int rc = 0;
    if (s->dead)
        return -E_CLOSED;
    buf_append_str(&s->in, bytes);
    if (s->in.failed)
        rc = -E_TOO_LARGE;
    while (rc == 0 && buf_len(&s->in) >= HEAD) {
        struct str have = buf_str(&s->in);
        uint32_t first = u32(have.p), second = u32(have.p + 4);
        size_t size = second & 0xffffff;
        if (size > SPDY_FRAME_MAX)
            rc = -E_TOO_LARGE;
        if (rc < 0 || have.n - HEAD < size)
            break;
        struct str body = str_make(have.p + HEAD, size);
        if (!(first & 0x80000000u))
            rc = on_data(s, first, second >> 24, body);
        else if ((first >> 16 & 0x7fff) != 3)
            rc = -E_SYNTAX;
        else
            rc = on_control(s, first & 0xffff, second >> 24, body);
        buf_consume(&s->in, HEAD + size);
    }
    if (rc < 0) {
        s->dead = true;
        put_control(s, GOAWAY, 0, 8);
        put32(s->out, s->last_stream);
        put32(s->out, PROTOCOL_ERROR);
    }
    if (buf_len(&s->in) == 0)
        buf_done(&s->in);
    return rc;
}
