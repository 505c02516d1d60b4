/*
 * Connections. See conn.h.
 *
 *   CONNECTING --writable--> HANDSHAKE --done--> OPEN --conn_finish--> FINISHING --peer closed-->
 * end
 *        \___________________ any failure, deadline: closed(rc) ___________________/
 *
 * A connection freed from inside one of its callbacks is only marked, and goes when the outermost
 * of its entry points returns (`depth`).
 *
 * Order: while `unread` holds bytes, nothing newer is read, so they come first.
 *
 * Output of one turn of the loop leaves together, from a task (`send`): an answer that is written
 * in pieces is one record and one system call. From SEND_NOW bytes on it does not wait.
 */
#include "wire/conn.h"

#include "base/assert.h"

enum {
    READ_STEP = 16 * 1024,
    READS_A_TURN = 4,
    SEND_NOW = CONN_LOW,
    HANDSHAKE_MS = 10 * 1000,
    LINGER_MS = 10 * 1000
};

enum state { CONNECTING, HANDSHAKE, OPEN, FINISHING, CLOSED };

struct conn {
    struct loop *loop;
    struct net net;
    const struct conn_handlers *handlers;
    void *ctx;
    struct loop_fd fd;
    struct loop_timer timer;
    struct loop_task send;  /* what this turn wrote */
    struct loop_task again; /* bytes that were unread, or TLS that holds more plain text */
    struct tls *tls;
    struct buf out; /* plain connection: unsent bytes; TLS: plain text not yet encrypted */
    struct buf unread;
    enum state state;
    bool paused, high, freed, shut, peer_ended;
    unsigned depth;
};

static void destroy(struct conn *c)
{
    mem_free(c);
}

static void enter(struct conn *c)
{
    c->depth++;
}

static void leave(struct conn *c)
{
    if (--c->depth == 0 && c->freed)
        destroy(c);
}

static void release(struct conn *c)
{
    int fd = c->fd.fd;
    if (c->state == CLOSED)
        return;
    c->state = CLOSED;
    loop_fd_remove(c->loop, &c->fd);
    loop_timer_cancel(c->loop, &c->timer);
    loop_task_cancel(&c->again);
    loop_task_cancel(&c->send);
    if (fd >= 0)
        c->net.ops->close(c->net.ctx, fd);
    tls_free(c->tls);
    c->tls = NULL;
    buf_done(&c->out);
    buf_done(&c->unread);
}

/* Ends it and tells the owner, who then frees it. */
static void end(struct conn *c, int rc, const char *message)
{
    if (c->state == CLOSED)
        return;
    release(c);
    c->handlers->closed(c->ctx, rc, message ? message : err_text(rc));
}

/* Is this turn's output still to be tried? */
static bool will_send(const struct conn *c)
{
    return !list_empty(&c->send.link);
}

static size_t pending(const struct conn *c)
{
    return buf_len(&c->out) + (c->tls ? buf_len(tls_output(c->tls)) : 0);
}

static void update_events(struct conn *c)
{
    unsigned events = 0;
    bool out = pending(c) && !will_send(c);
    if (c->state == CLOSED)
        return;
    if (c->state == CONNECTING)
        events = POLL_OUT;
    else if (c->state == HANDSHAKE)
        events = POLL_IN | (out ? POLL_OUT : 0);
    else
        events = (c->paused || c->peer_ended ? 0 : POLL_IN) | (out ? POLL_OUT : 0);
    loop_fd_set(c->loop, &c->fd, events);
}

/* ---- output ---- */

static int write_buf(struct conn *c, struct buf *b)
{
    while (buf_len(b)) {
        struct str left = buf_str(b);
        ssize_t n = c->net.ops->write(c->net.ctx, c->fd.fd, left.p, left.n);
        if (n == -E_AGAIN)
            return 0;
        if (n < 0)
            return (int)n;
        buf_consume(b, (size_t)n);
    }
    buf_done(b);
    return 0;
}

/* Encrypts what is queued, as much as the engine takes, and sends. */
static int flush_tls(struct conn *c)
{
    for (;;) {
        int rc = write_buf(c, tls_output(c->tls));
        if (rc < 0 || buf_len(tls_output(c->tls)) || c->state < OPEN || !buf_len(&c->out))
            return rc;
        struct str left = buf_str(&c->out);
        ssize_t n = tls_write(c->tls, left.p, left.n);
        if (n == -E_AGAIN)
            return 0;
        if (n < 0)
            return (int)n;
        buf_consume(&c->out, (size_t)n);
        if (buf_len(&c->out) == 0)
            buf_done(&c->out);
    }
}

static int flush(struct conn *c)
{
    if (c->state == CONNECTING)
        return 0;
    int rc = c->tls ? flush_tls(c) : write_buf(c, &c->out);
    if (rc == 0 && c->state == FINISHING && !c->shut && pending(c) == 0) {
        c->shut = true;
        if (c->tls) {
            tls_shutdown(c->tls);
            rc = write_buf(c, tls_output(c->tls));
        }
        (void)c->net.ops->shutdown_write(c->net.ctx, c->fd.fd); /* a pipe has none */
    }
    return rc;
}

void conn_free(struct conn *c)
{
    if (!c || c->freed)
        return;
    if (will_send(c)) /* what was written before it still goes, as far as the socket takes it */
        (void)flush(c);
    release(c);
    c->freed = true;
    if (c->depth == 0)
        destroy(c);
}

static void after_output(struct conn *c)
{
    if (c->state == CLOSED)
        return;
    if (c->high && pending(c) < CONN_LOW) {
        c->high = false;
        if (c->handlers->drained)
            c->handlers->drained(c->ctx);
    }
    if (c->state == FINISHING && c->shut && c->peer_ended && pending(c) == 0)
        end(c, 0, "");
    else
        update_events(c);
}

int conn_write(struct conn *c, struct str bytes)
{
    if (c->state == CLOSED || c->state == FINISHING)
        return -E_CLOSED;
    buf_append_str(&c->out, bytes);
    if (c->out.failed)
        return -E_TOO_LARGE;
    if (c->state == OPEN && buf_len(&c->out) < SEND_NOW) {
        loop_defer(c->loop, &c->send);
    } else if (c->state == OPEN) {
        int rc = flush(c);
        if (rc < 0) {
            /* Told from the loop: the caller is in the middle of something. */
            c->peer_ended = true;
            loop_timer_set(c->loop, &c->timer, 0);
            return rc;
        }
    }
    if (pending(c) > CONN_LOW)
        c->high = true;
    update_events(c);
    return 0;
}

static void on_send(void *ctx)
{
    struct conn *c = ctx;
    enter(c);
    int rc = flush(c);
    if (rc < 0)
        end(c, rc, NULL);
    else
        after_output(c);
    leave(c);
}

size_t conn_unsent(const struct conn *c)
{
    return pending(c);
}

void conn_finish(struct conn *c)
{
    if (c->state == CLOSED || c->state == FINISHING)
        return;
    c->state = FINISHING;
    c->paused = false;
    loop_timer_set(c->loop, &c->timer, LINGER_MS);
    if (flush(c) < 0)
        loop_timer_set(c->loop, &c->timer, 0);
    if (c->peer_ended)
        loop_timer_set(c->loop, &c->timer, pending(c) ? LINGER_MS : 0);
    update_events(c);
}

/* ---- input ---- */

static void deliver(struct conn *c, struct str bytes)
{
    if (c->state == OPEN && c->handlers->data)
        c->handlers->data(c->ctx, bytes);
    /* while finishing, what still comes is dropped */
}

/* Decrypted text, until there is none or the reader has had enough. */
static void drain_tls(struct conn *c)
{
    char bytes[READ_STEP];
    while (c->state >= OPEN && c->state != CLOSED && !c->paused && !buf_len(&c->unread)) {
        ssize_t n = tls_read(c->tls, bytes, sizeof bytes);
        if (n == -E_AGAIN)
            return;
        if (n <= 0) {
            c->peer_ended = true;
            if (c->state == FINISHING)
                after_output(c);
            else
                end(c, n == 0 ? 0 : (int)n, n == 0 ? "" : NULL);
            return;
        }
        deliver(c, str_make(bytes, (size_t)n));
    }
}

static void on_opened(struct conn *c)
{
    c->state = OPEN;
    loop_timer_cancel(c->loop, &c->timer);
    if (c->handlers->opened)
        c->handlers->opened(c->ctx);
}

static void shake(struct conn *c)
{
    struct err err = {0};
    int rc = tls_handshake(c->tls, &err);
    int sent = flush(c); /* also the alert that says why not */
    if (rc == -E_AGAIN && sent == 0)
        return;
    if (rc == -E_AGAIN)
        rc = sent;
    if (rc < 0) {
        end(c, rc, err.code ? err.text : NULL);
        return;
    }
    on_opened(c);
}

static void input(struct conn *c, struct str bytes)
{
    if (!c->tls) {
        deliver(c, bytes);
        return;
    }
    if (tls_feed(c->tls, bytes) < 0) {
        end(c, -E_TOO_LARGE, NULL);
        return;
    }
    if (c->state == HANDSHAKE)
        shake(c);
    if (c->state == OPEN || c->state == FINISHING)
        drain_tls(c);
}

static void input_end(struct conn *c)
{
    if (c->tls && c->state != CLOSED) {
        tls_feed_end(c->tls);
        if (c->state == HANDSHAKE)
            shake(c);
        if (c->state == OPEN || c->state == FINISHING)
            drain_tls(c);
    }
    if (c->state == CLOSED)
        return;
    c->peer_ended = true;
    if (c->state == FINISHING)
        after_output(c);
    else
        end(c, 0, "");
}

static void read_some(struct conn *c)
{
    char bytes[READ_STEP];
    for (int i = 0; i < READS_A_TURN && c->state != CLOSED && !c->paused && !c->peer_ended &&
                    !buf_len(&c->unread);
         i++) {
        ssize_t n = c->net.ops->read(c->net.ctx, c->fd.fd, bytes, sizeof bytes);
        if (n == -E_AGAIN)
            return;
        if (n == 0) {
            input_end(c);
            return;
        }
        if (n < 0) {
            end(c, (int)n, NULL);
            return;
        }
        input(c, str_make(bytes, (size_t)n));
        if ((size_t)n < sizeof bytes)
            return;
    }
}

static void connected(struct conn *c)
{
    int rc = c->net.ops->connect_result(c->net.ctx, c->fd.fd);
    if (rc < 0) {
        end(c, rc, NULL);
        return;
    }
    c->state = HANDSHAKE;
    if (c->tls)
        shake(c);
    else
        on_opened(c);
}

static void on_fd(void *ctx, unsigned events)
{
    struct conn *c = ctx;
    enter(c);
    if (c->state == CONNECTING) {
        connected(c);
    } else {
        if (events & POLL_OUT) {
            int rc = flush(c);
            if (rc < 0)
                end(c, rc, NULL);
            else
                after_output(c);
        }
        if (events & (POLL_IN | POLL_ERR) && c->state != CLOSED && !c->paused)
            read_some(c);
        else if (events & POLL_ERR && c->state != CLOSED)
            end(c, -E_CLOSED, NULL);
    }
    update_events(c);
    leave(c);
}

static void on_timer(void *ctx)
{
    struct conn *c = ctx;
    enter(c);
    if (c->state == FINISHING)
        end(c, 0, "");
    else if (c->peer_ended)
        end(c, -E_CLOSED, NULL);
    else
        end(c, -E_TIMEOUT,
            c->state == OPEN ? "the peer was silent for too long"
                             : "no connection within the time limit");
    leave(c);
}

/* Bytes given back, and plain text that the TLS engine still holds after a pause. */
static void on_again(void *ctx)
{
    struct conn *c = ctx;
    enter(c);
    if (!c->paused && buf_len(&c->unread)) {
        size_t n;
        char *bytes = buf_take(&c->unread, &n);
        if (bytes)
            deliver(c, str_make(bytes, n));
        else
            end(c, -E_NOMEM, NULL);
        mem_free(bytes);
    }
    if (c->tls && c->state != CLOSED && c->state >= OPEN)
        drain_tls(c);
    update_events(c);
    leave(c);
}

void conn_pause(struct conn *c, bool paused)
{
    if (c->paused == paused || c->state == CLOSED)
        return;
    c->paused = paused;
    if (!paused)
        loop_defer(c->loop, &c->again);
    update_events(c);
}

int conn_unread(struct conn *c, struct str bytes)
{
    if (bytes.n == 0 || c->state == CLOSED)
        return 0;
    buf_append_str(&c->unread, bytes);
    if (c->unread.failed)
        return -E_NOMEM;
    loop_defer(c->loop, &c->again);
    return 0;
}

/* ---- life ---- */

static int make(const struct conn_options *o, struct conn **ret_conn)
{
    struct conn *c = mem_zalloc(sizeof *c);
    if (!c)
        return -E_NOMEM;
    c->loop = o->loop;
    c->net = o->net;
    c->handlers = o->handlers;
    c->ctx = o->ctx;
    buf_init(&c->out, CONN_OUTPUT_MAX);
    buf_init(&c->unread, CONN_OUTPUT_MAX);
    loop_fd_init(&c->fd, on_fd, c);
    loop_timer_init(&c->timer, on_timer, c);
    loop_task_init(&c->again, on_again, c);
    loop_task_init(&c->send, on_send, c);
    if (o->tls) {
        int rc = tls_new(o->tls, o->server_name, &c->tls);
        if (rc < 0) {
            mem_free(c);
            return rc;
        }
    }
    *ret_conn = c;
    return 0;
}

static int start(struct conn *c, const struct conn_options *o, int fd, enum state state)
{
    c->state = state;
    int rc = loop_fd_add(c->loop, &c->fd, fd, state == CONNECTING ? POLL_OUT : POLL_IN);
    if (rc < 0) {
        tls_free(c->tls);
        mem_free(c);
        return rc;
    }
    if (state != OPEN)
        loop_timer_set(c->loop, &c->timer, o->handshake_ms ? o->handshake_ms : HANDSHAKE_MS);
    return 0;
}

int conn_connect(const struct conn_options *o, const struct net_addr *to, struct conn **ret_conn)
{
    struct conn *c;
    int fd;
    int rc = make(o, &c);
    if (rc < 0)
        return rc;
    rc = o->net.ops->connect(o->net.ctx, to, &fd);
    if (rc < 0) {
        tls_free(c->tls);
        mem_free(c);
        return rc;
    }
    rc = start(c, o, fd, CONNECTING);
    if (rc < 0)
        o->net.ops->close(o->net.ctx, fd);
    else
        *ret_conn = c;
    return rc;
}

int conn_adopt(const struct conn_options *o, int fd, struct conn **ret_conn)
{
    struct conn *c;
    int rc = make(o, &c);
    if (rc == 0)
        rc = start(c, o, fd, o->tls ? HANDSHAKE : OPEN);
    if (rc == 0)
        *ret_conn = c;
    return rc;
}

void conn_set_handlers(struct conn *c, const struct conn_handlers *handlers, void *ctx)
{
    c->handlers = handlers;
    c->ctx = ctx;
}

void conn_deadline(struct conn *c, int ms)
{
    if (c->state != OPEN)
        return;
    if (ms)
        loop_timer_set(c->loop, &c->timer, ms);
    else
        loop_timer_cancel(c->loop, &c->timer);
}

struct tls *conn_tls(struct conn *c)
{
    return c->tls;
}

bool conn_is_open(const struct conn *c)
{
    return c->state == OPEN && !c->peer_ended;
}
