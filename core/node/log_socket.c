/* A container's log over a WebSocket: one message for each piece. See server_int.h. */
#include "node/channels.h"
#include "node/server_int.h"

enum { OUT_BYTES = 1024 * 1024 };

struct log_socket {
    struct request *request;
    struct conn *conn;
    struct websocket ws;
    struct channels frames;
    struct buf out;
    bool finishing;
};

void log_socket_free(struct log_socket *s)
{
    if (!s)
        return;
    conn_free(s->conn);
    channels_done(&s->frames);
    websocket_done(&s->ws);
    buf_done(&s->out);
    mem_free(s);
}

static void flush(struct log_socket *s)
{
    struct str all = buf_str(&s->out);
    if (all.n && conn_write(s->conn, all) == 0)
        buf_clear(&s->out);
}

static void finish(struct log_socket *s)
{
    flush(s);
    if (!s->finishing)
        conn_finish(s->conn);
    s->finishing = true;
}

/* The client says nothing that matters; pings and its close are answered inside. */
static bool ignore(void *ctx, enum websocket_opcode opcode, struct str payload, bool end)
{
    (void)ctx, (void)opcode, (void)payload, (void)end;
    return true;
}

static void conn_data(void *ctx, struct str bytes)
{
    struct log_socket *s = ctx;
    if (s->finishing)
        return;
    int rc = websocket_feed(&s->ws, bytes, ignore, NULL);
    if (rc < 0 || s->ws.closed)
        finish(s);
    else
        flush(s);
}

static void conn_drained(void *ctx)
{
    struct log_socket *s = ctx;
    flush(s);
    if (!s->finishing)
        requests_logs_drained(s->request);
}

static void conn_closed(void *ctx, int rc, const char *message)
{
    struct log_socket *s = ctx;
    (void)rc, (void)message;
    request_free(s->request);
}

int log_socket_new(struct request *q)
{
    static const struct conn_handlers handlers = {NULL, conn_data, conn_drained, conn_closed};
    const char *protocol = channels_choose(CHANNELS_LOGS, q->protocols);
    if (!protocol || !q->websocket_key.n) {
        request_fail(q, 403, "unable to upgrade: unable to negotiate protocol: client supports [" STR_FMT "]",
                     STR_ARG(q->protocols));
        return -E_CLOSED;
    }
    struct log_socket *s = mem_zalloc(sizeof *s);
    if (!s) {
        request_fail(q, 500, "out of memory");
        return -E_CLOSED;
    }
    s->request = q;
    buf_init(&s->out, OUT_BYTES);
    websocket_init(&s->ws, false, &s->out);
    channels_init(&s->frames, &s->ws, protocol);
    s->conn = request_upgrade(q, protocol, &handlers, s);
    if (!s->conn) {
        log_socket_free(s);
        request_free(q);
        return -E_CLOSED;
    }
    q->log_socket = s;
    return 0;
}

bool log_socket_data(struct log_socket *s, struct str bytes)
{
    if (s->finishing)
        return false;
    channels_send_plain(&s->frames, bytes);
    flush(s);
    return conn_unsent(s->conn) <= CONN_HIGH;
}

void log_socket_end(struct log_socket *s)
{
    websocket_close(&s->ws, 1000, "");
    finish(s);
}
