/* Framing, exec and attach. See streams.h. */
#include "node/streams_int.h"

#include "base/limits.h"

enum { V5_CLOSE = 255, MESSAGE_BYTES = 32 * 1024, ARGS_BYTES = 256 * 1024 };

static const char *const spdy_protocols[] = {"v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io",
                                             "channel.k8s.io", NULL};
static const char *const forward_protocols[] = {"portforward.k8s.io", NULL};

const char *stream_choose(enum stream_framing framing, bool port_forward, struct str offered)
{
    const char *const *const ours = port_forward ? forward_protocols : spdy_protocols;
    struct str rest = offered, part;
    if (framing == STREAM_WEBSOCKET)
        return channels_choose(port_forward ? CHANNELS_FORWARD : CHANNELS_EXEC, offered);
    while (str_split(&rest, ',', &part))
        for (size_t i = 0; ours[i]; i++)
            if (str_is(str_trim(part), ours[i]))
                return ours[i];
    return NULL;
}

/* ---- sending ---- */

bool stream_full(const struct stream *s)
{
    return buf_len(s->conn.out) + buf_len(&s->spdy_out) + s->conn.unsent(s->conn.ctx) > STREAM_OUT_ENOUGH;
}

void stream_flush(struct stream *s)
{
    while (s->ws_ready && buf_len(&s->spdy_out)) {
        struct str all = buf_str(&s->spdy_out);
        if (all.n > MESSAGE_BYTES)
            all.n = MESSAGE_BYTES;
        websocket_send(&s->ws, WEBSOCKET_BINARY, all);
        buf_consume(&s->spdy_out, all.n);
    }
    s->conn.flush(s->conn.ctx);
}

size_t stream_send(struct stream *s, uint32_t id, struct str bytes, bool fin)
{
    if (s->spdy)
        return spdy_send(s->spdy, id, bytes, fin);
    if (bytes.n) /* nothing says that one of the numbered streams has ended */
        channels_send(&s->numbered, (uint8_t)id, bytes);
    return bytes.n;
}

/* Moves what waits for the client's window. True when nothing waits any more. */
static bool push_channel(struct stream *s, struct channel *c)
{
    struct str all = buf_str(&c->pending);
    if (!c->id || c->ended)
        return true;
    if (all.n == 0 && !c->end)
        return true;
    size_t n = spdy_send(s->spdy, c->id, all, c->end);
    buf_consume(&c->pending, n);
    if (buf_len(&c->pending))
        return false;
    c->ended = c->end;
    return true;
}

/* ---- the session's sink ---- */

static bool on_output(void *ctx, enum session_channel channel, struct str bytes)
{
    struct stream *s = ctx;
    bool room = true;
    if (s->framing == STREAM_WEBSOCKET) {
        channels_send(&s->numbered, (uint8_t)channel, bytes);
    } else if (s->channels[channel].id) {
        buf_append_str(&s->channels[channel].pending, bytes);
        room = push_channel(s, &s->channels[channel]);
    }
    stream_flush(s);
    return room && !stream_full(s);
}

static void on_output_end(void *ctx, enum session_channel channel)
{
    struct stream *s = ctx;
    if (s->framing == STREAM_SPDY) {
        s->channels[channel].end = true;
        (void)push_channel(s, &s->channels[channel]);
        stream_flush(s);
    }
}

static void on_input_wanted(void *ctx)
{
    struct stream *s = ctx;
    s->conn.pause(s->conn.ctx, false);
}

static void finish_if_sent(struct stream *s)
{
    for (int i = 0; s->framing == STREAM_SPDY && i < SESSION_CHANNELS; i++)
        if (buf_len(&s->channels[i].pending) || (s->channels[i].id && s->channels[i].end && !s->channels[i].ended))
            return; /* the client's window is closed: spdy tells when it opens */
    s->conn.finish(s->conn.ctx);
}

static void on_over(void *ctx)
{
    struct stream *s = ctx;
    s->over = true;
    if (s->framing == STREAM_WEBSOCKET) {
        websocket_close(&s->ws, 1000, "");
    } else {
        static const enum session_channel outputs[] = {SESSION_STDOUT, SESSION_STDERR, SESSION_ERROR};
        for (int i = 0; i < 3; i++) {
            s->channels[outputs[i]].end = true;
            (void)push_channel(s, &s->channels[outputs[i]]);
        }
    }
    stream_flush(s);
    finish_if_sent(s);
}

static const struct session_sink sink = {on_output, on_output_end, on_input_wanted, on_over};

static int begin_session(struct stream *s)
{
    return session_new(&s->session_options, s->container_id, &sink, s, &s->session);
}

/* ---- WebSocket ---- */

static void input(struct stream *s, unsigned channel, struct str bytes)
{
    if (channel < SESSION_CHANNELS && s->session && !session_input(s->session, (enum session_channel)channel, bytes))
        s->conn.pause(s->conn.ctx, true);
}

static void on_numbered(void *ctx, uint8_t channel, struct str bytes)
{
    struct stream *s = ctx;
    if (s->port_forward)
        forward_input(s, channel, bytes);
    else if (s->v5 && channel == V5_CLOSE) {
        if (bytes.n && bytes.p[0] == SESSION_STDIN && s->session)
            session_input_end(s->session);
    } else if (bytes.n) {
        input(s, channel, bytes);
    }
}

static bool on_message(void *ctx, enum websocket_opcode opcode, struct str payload, bool end)
{
    struct stream *s = ctx;
    (void)opcode;
    s->over |= !channels_take(&s->numbered, payload, end, on_numbered, s);
    return !s->over;
}

static bool on_tunnelled(void *ctx, enum websocket_opcode opcode, struct str payload, bool end)
{
    struct stream *s = ctx;
    (void)opcode, (void)end;
    if (spdy_feed(s->spdy, payload) < 0) {
        s->over = true;
        return false;
    }
    return true;
}

/* ---- SPDY exec ---- */

static bool header_is(const struct spdy_header *headers, size_t count, const char *name, struct str *ret)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq_nocase(headers[i].name, str_of(name))) {
            *ret = headers[i].value;
            return true;
        }
    }
    return false;
}

static bool all_opened(const struct stream *s)
{
    const struct session_options *o = &s->session_options;
    return s->channels[SESSION_ERROR].id && (!o->in || s->channels[SESSION_STDIN].id) &&
           (!o->out || s->channels[SESSION_STDOUT].id) &&
           (!o->error || o->tty || s->channels[SESSION_STDERR].id) &&
           (!o->tty || s->version < 3 || s->channels[SESSION_RESIZE].id);
}

static bool exec_opened(void *ctx, uint32_t id, const struct spdy_header *headers, size_t count, bool fin)
{
    static const char *const types[SESSION_CHANNELS] = {
        [SESSION_STDIN] = "stdin", [SESSION_STDOUT] = "stdout", [SESSION_STDERR] = "stderr",
        [SESSION_ERROR] = "error", [SESSION_RESIZE] = "resize"};
    struct stream *s = ctx;
    struct str type;
    (void)fin;
    if (!header_is(headers, count, "streamtype", &type))
        return false;
    for (int i = 0; i < SESSION_CHANNELS; i++) {
        if (!str_is(type, types[i]) || s->channels[i].id)
            continue;
        if (spdy_reply(s->spdy, id) < 0)
            return false;
        s->channels[i].id = id;
        return !all_opened(s) || s->session || begin_session(s) == 0;
    }
    return false;
}

static struct channel *channel_of(struct stream *s, uint32_t id, unsigned *ret_channel)
{
    for (unsigned i = 0; i < SESSION_CHANNELS; i++) {
        if (s->channels[i].id == id) {
            *ret_channel = i;
            return &s->channels[i];
        }
    }
    return NULL;
}

static void exec_data(void *ctx, uint32_t id, struct str bytes, bool fin)
{
    struct stream *s = ctx;
    unsigned channel;
    if (!channel_of(s, id, &channel))
        return;
    if (bytes.n)
        input(s, channel, bytes);
    spdy_consumed(s->spdy, id, bytes.n);
    if (fin && channel == SESSION_STDIN && s->session)
        session_input_end(s->session);
}

static void exec_reset(void *ctx, uint32_t id)
{
    struct stream *s = ctx;
    unsigned channel;
    struct channel *c = channel_of(s, id, &channel);
    if (!c)
        return;
    buf_clear(&c->pending);
    c->ended = true;
    if (channel == SESSION_STDIN && s->session)
        session_input_end(s->session);
}

static void exec_writable(void *ctx, uint32_t id)
{
    struct stream *s = ctx;
    unsigned channel;
    struct channel *c = channel_of(s, id, &channel);
    if (!c || !push_channel(s, c))
        return;
    if (s->over)
        finish_if_sent(s);
    else if (s->session)
        session_resume(s->session);
}

static const struct spdy_handlers exec_handlers = {exec_opened, exec_data, exec_reset, exec_writable};

/* ---- feeding ---- */

int stream_feed(struct stream *s, struct str bytes)
{
    int rc;
    if (!s->ws_ready)
        rc = spdy_feed(s->spdy, bytes);
    else
        rc = websocket_feed(&s->ws, bytes, s->tunnel ? on_tunnelled : on_message, s);
    stream_flush(s);
    if (rc < 0)
        return rc;
    return (s->ws_ready && s->ws.closed) || (s->port_forward && s->over) ? -E_CLOSED : 0;
}

void stream_drained(struct stream *s)
{
    if (s->port_forward)
        forward_drained(s);
    else if (s->session && !s->over)
        session_resume(s->session);
}

bool stream_exec_exited(struct stream *s, uint64_t id, const struct runtime_exit *e)
{
    return s->session && session_exec_exited(s->session, id, e);
}

/* ---- life ---- */

/* Tells the client that the connection stands, as upstream does: it waits for a first message. */
static void greet(struct stream *s)
{
    const struct session_options *o = &s->session_options;
    uint8_t channel = o->out ? SESSION_STDOUT : o->error ? SESSION_STDERR : SESSION_ERROR;
    channels_send(&s->numbered, channel, STR(""));
    stream_flush(s);
}

static int copy_session(struct stream *s, const struct stream_options *o)
{
    size_t count = 0;
    s->session_options = o->session;
    s->session_options.node = o->node;
    s->session_options.plain_error = s->version < 4;
    while (o->session.args && o->session.args[count])
        count++;
    if (!o->session.args)
        return 0;
    const char **args = arena_zalloc(&s->strings, (count + 1) * sizeof *args);
    for (size_t i = 0; args && i < count; i++)
        args[i] = arena_strdup(&s->strings, o->session.args[i]);
    s->session_options.args = args;
    return s->strings.failed ? -E_NOMEM : 0;
}

static int begin(struct stream *s, const struct stream_options *o)
{
    int rc = copy_session(s, o);
    s->tunnel = str_starts(str_of(o->protocol), STR("SPDY"));
    if (rc == 0 && (o->framing == STREAM_SPDY || s->tunnel))
        rc = spdy_new(s->tunnel ? &s->spdy_out : s->conn.out, o->port_forward ? &forward_handlers : &exec_handlers, s,
                      &s->spdy);
    if (rc < 0 || o->framing == STREAM_SPDY)
        return rc;
    websocket_init(&s->ws, false, s->conn.out);
    channels_init(&s->numbered, &s->ws, o->protocol);
    s->ws_ready = true;
    if (s->tunnel)
        return 0;
    if (o->port_forward)
        return forward_ports(s, o->ports, o->port_count);
    greet(s);
    return begin_session(s);
}

int stream_new(const struct stream_options *o, const struct stream_conn *conn, struct stream **ret_stream)
{
    struct stream *s = mem_zalloc(sizeof *s);
    if (!s)
        return -E_NOMEM;
    s->node = o->node;
    s->conn = *conn;
    s->port_forward = o->port_forward;
    s->framing = o->framing;
    s->version = o->protocol[0] == 'v' ? (unsigned)(o->protocol[1] - '0') : 1;
    s->v5 = s->version == 5;
    arena_init(&s->strings, ARGS_BYTES);
    list_init(&s->forwards);
    buf_init(&s->spdy_out, STREAM_OUT_BYTES);
    for (int i = 0; i < SESSION_CHANNELS; i++)
        buf_init(&s->channels[i].pending, STREAM_OUT_BYTES);
    if (o->container_id)
        str_copy(s->container_id, sizeof s->container_id, str_of(o->container_id));
    if (o->port_forward) {
        s->pod = o->pod;
        pod_ref(s->pod);
    }
    int rc = begin(s, o);
    if (rc < 0) {
        stream_free(s);
        return rc;
    }
    *ret_stream = s;
    return 0;
}

void stream_free(struct stream *s)
{
    if (!s)
        return;
    session_drop(s->session);
    forward_free_all(s);
    if (s->pod)
        pod_unref(s->pod);
    spdy_free(s->spdy);
    if (s->ws_ready) {
        channels_done(&s->numbered);
        websocket_done(&s->ws);
    }
    buf_done(&s->spdy_out);
    for (int i = 0; i < SESSION_CHANNELS; i++)
        buf_done(&s->channels[i].pending);
    arena_done(&s->strings);
    mem_free(s);
}
