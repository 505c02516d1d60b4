/*
 * A connection of a probe: connect, then for httpGet one request and the status line of its answer.
 *
 *   CONNECTING --connected--> (HANDSHAKE) --> ANSWER --status line--> LINGER --end or a moment--> done
 *
 * The status decides. The rest of the answer is read for a moment, so that the server is not cut
 * off while it writes; a server that keeps the connection open is not waited for.
 */
#include "node/action.h"

#include <stdio.h>

enum { ANSWER_BYTES = 10 * 1024, LINGER_MS = 100, MESSAGE_BYTES = 256 };

enum stage { STAGE_CONNECTING, STAGE_HANDSHAKE, STAGE_ANSWER, STAGE_LINGER };

struct httpget {
    struct node *node;
    int fd;
    struct loop_fd watch;
    struct loop_timer linger;
    enum stage stage;
    struct tls *tls;
    bool wants_tls, only_connect;
    struct buf out, in;
    struct net_addr to;
    httpget_done_fn *done;
    void *ctx;
    enum action_result result;
    char message[MESSAGE_BYTES];
};

static void on_ready(void *ctx, unsigned events);

static void end(struct httpget *h, enum action_result result, const char *message)
{
    h->done(h->ctx, result, message); /* frees h */
}

static void refused(struct httpget *h, int rc)
{
    char text[MESSAGE_BYTES], at[NET_ADDR_TEXT];
    const char *why = rc == -E_UNAVAILABLE ? "connection refused" : err_text(rc);
    snprintf(text, sizeof text, "dial tcp %s: connect: %s", net_addr_format(&h->to, true, at), why);
    end(h, ACTION_FAILURE, text);
}

static void on_linger(void *ctx)
{
    struct httpget *h = ctx;
    end(h, h->result, h->message);
}

/* ---- the answer ---- */

/* "HTTP/1.1 200 OK": 0 and the status, -E_AGAIN while the line is not complete. */
static int parse_status(struct str text, int *ret_status)
{
    ptrdiff_t line = str_find_byte(text, '\n');
    int64_t status;
    if (line < 0)
        return text.n >= ANSWER_BYTES ? -E_SYNTAX : -E_AGAIN;
    if (line < 12 || !str_starts(text, STR("HTTP/1.")) || text.p[8] != ' ')
        return -E_SYNTAX;
    if (str_to_i64(str_make(text.p + 9, 3), &status) < 0 || status < 100 || status > 999)
        return -E_SYNTAX;
    *ret_status = (int)status;
    return 0;
}

static void judge(struct httpget *h)
{
    int status = 0;
    int rc = parse_status(buf_str(&h->in), &status);
    if (rc == -E_AGAIN)
        return;
    h->stage = STAGE_LINGER;
    if (rc < 0) {
        h->result = ACTION_FAILURE;
        snprintf(h->message, sizeof h->message, "net/http: malformed HTTP response");
    } else if (status >= 200 && status < 400) {
        h->result = ACTION_SUCCESS;
    } else {
        h->result = ACTION_FAILURE;
        snprintf(h->message, sizeof h->message, "HTTP probe failed with statuscode: %d", status);
    }
    loop_timer_set(h->node->loop, &h->linger, LINGER_MS);
}

static void closed(struct httpget *h)
{
    if (h->stage == STAGE_LINGER)
        end(h, h->result, h->message);
    else
        end(h, ACTION_FAILURE, "EOF: the server closed the connection without an answer");
}

/* ---- bytes ---- */

static void take_plain(struct httpget *h, const char *p, size_t n)
{
    size_t room = ANSWER_BYTES - buf_len(&h->in);
    buf_append(&h->in, p, n < room ? n : room);
    if (h->stage == STAGE_ANSWER)
        judge(h);
}

/* Moves what TLS can give. False when the connection is over (h may be gone). */
static bool pump_tls(struct httpget *h)
{
    char plain[4096];
    struct err err = {0};
    if (h->stage == STAGE_HANDSHAKE) {
        int rc = tls_handshake(h->tls, &err);
        if (rc == -E_AGAIN)
            return true;
        if (rc < 0) {
            end(h, ACTION_FAILURE, err.text);
            return false;
        }
        struct str head = buf_str(&h->out);
        if (tls_write(h->tls, head.p, head.n) != (ssize_t)head.n) {
            end(h, ACTION_FAILURE, "the request does not fit TLS's buffer");
            return false;
        }
        h->stage = STAGE_ANSWER;
    }
    for (;;) {
        ssize_t n = tls_read(h->tls, plain, sizeof plain);
        if (n == -E_AGAIN)
            return true;
        if (n <= 0) {
            closed(h);
            return false;
        }
        take_plain(h, plain, (size_t)n);
    }
}

static bool read_some(struct httpget *h)
{
    char chunk[4096];
    const struct net *net = &h->node->o.net;
    for (int turns = 0; turns < 8; turns++) {
        ssize_t n = net->ops->read(net->ctx, h->fd, chunk, sizeof chunk);
        if (n == -E_AGAIN)
            return true;
        if (n <= 0) {
            closed(h);
            return false;
        }
        if (!h->tls) {
            take_plain(h, chunk, (size_t)n);
        } else if (tls_feed(h->tls, str_make(chunk, (size_t)n)) < 0) {
            end(h, ACTION_FAILURE, "TLS: malformed data");
            return false;
        } else if (!pump_tls(h)) {
            return false;
        }
    }
    return true;
}

static bool write_some(struct httpget *h)
{
    const struct net *net = &h->node->o.net;
    struct buf *out = h->tls ? tls_output(h->tls) : &h->out;
    while (buf_len(out)) {
        struct str s = buf_str(out);
        ssize_t n = net->ops->write(net->ctx, h->fd, s.p, s.n);
        if (n == -E_AGAIN)
            break;
        if (n <= 0) {
            closed(h);
            return false;
        }
        buf_consume(out, (size_t)n);
    }
    loop_fd_set(h->node->loop, &h->watch, buf_len(out) ? POLL_IN | POLL_OUT : POLL_IN);
    return true;
}

/* ---- beginning ---- */

static int begin_tls(struct httpget *h)
{
    struct node *n = h->node;
    if (!n->probe_tls) {
        const struct tls_config config = {.peer = TLS_PEER_NONE};
        int rc = tls_context_new(&config, &n->probe_tls, NULL);
        if (rc < 0)
            return rc;
    }
    h->stage = STAGE_HANDSHAKE;
    return tls_new(n->probe_tls, "", &h->tls);
}

static void on_ready(void *ctx, unsigned events)
{
    struct httpget *h = ctx;
    const struct net *net = &h->node->o.net;
    (void)events;
    if (h->stage == STAGE_CONNECTING) {
        int rc = net->ops->connect_result(net->ctx, h->fd);
        if (rc == 0 && h->only_connect) {
            end(h, ACTION_SUCCESS, "");
            return;
        }
        h->stage = STAGE_ANSWER;
        if (rc == 0 && h->wants_tls)
            rc = begin_tls(h);
        if (rc < 0) {
            refused(h, rc);
            return;
        }
        if (h->tls && !pump_tls(h))
            return;
    } else if (!read_some(h)) {
        return;
    }
    (void)write_some(h);
}

int httpget_start(const struct httpget_request *r, httpget_done_fn *done, void *ctx, struct httpget **ret)
{
    const struct net *net = &r->node->o.net;
    struct httpget *h = mem_zalloc(sizeof *h);
    if (!h)
        return -E_NOMEM;
    h->node = r->node;
    h->fd = -1;
    h->to = r->to;
    h->wants_tls = r->tls;
    h->only_connect = r->head.p == NULL;
    h->done = done;
    h->ctx = ctx;
    buf_init(&h->out, r->head.n + 1);
    buf_init(&h->in, ANSWER_BYTES);
    buf_append_str(&h->out, r->head);
    loop_fd_init(&h->watch, on_ready, h);
    loop_timer_init(&h->linger, on_linger, h);
    int rc = h->out.failed ? -E_NOMEM : net->ops->connect(net->ctx, &r->to, &h->fd);
    if (rc == 0)
        rc = loop_fd_add(r->node->loop, &h->watch, h->fd, POLL_OUT);
    if (rc < 0) {
        httpget_free(h);
        return rc;
    }
    *ret = h;
    return 0;
}

void httpget_free(struct httpget *h)
{
    if (!h)
        return;
    const struct net *net = &h->node->o.net;
    loop_timer_cancel(h->node->loop, &h->linger);
    loop_fd_remove(h->node->loop, &h->watch);
    if (h->fd >= 0)
        net->ops->close(net->ctx, h->fd);
    if (h->tls)
        tls_free(h->tls);
    buf_done(&h->out);
    buf_done(&h->in);
    mem_free(h);
}
