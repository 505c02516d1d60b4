/*
 * Port-forward. Over SPDY (k8s.io/kubelet/pkg/cri/streaming/portforward): for each connection the client opens
 * two SPDY streams with the same request id, `error` first, then `data`. The node dials the port
 * inside the pod's network namespace and copies; what goes wrong is said on the error stream.
 * Over numbered streams the ports are those of the request, and each is dialled once, at the start.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/streams_int.h"

enum { CHUNK_BYTES = 16 * 1024, TO_POD_BYTES = 4 * 1024 * 1024, TO_POD_ENOUGH = 256 * 1024, MOST_FORWARDS = STREAM_PORTS };

struct forward {
    struct list link;
    struct stream *stream; /* NULL: given up while the runtime's answer is awaited */
    struct node *node;
    struct pod *pod;
    int64_t request;
    uint16_t port;
    uint32_t error_id, data_id;
    int fd;
    struct loop_fd watch;
    struct buf to_pod, to_client;
    bool asked, client_ended, pod_ended, told;
};

static void dispose(struct forward *f)
{
    list_remove(&f->link);
    loop_fd_remove(f->node->loop, &f->watch);
    if (f->fd >= 0)
        close(f->fd);
    buf_done(&f->to_pod);
    buf_done(&f->to_client);
    pod_unref(f->pod);
    mem_free(f);
}

/* The client keeps no window, so the whole connection waits for a pod that reads slowly. */
static void pause_or_resume(struct stream *s)
{
    struct forward *f;
    bool full = false;
    LIST_EACH (f, &s->forwards, link)
        full |= buf_len(&f->to_pod) >= TO_POD_ENOUGH;
    if (full != s->paused)
        s->conn.pause(s->conn.ctx, full);
    s->paused = full;
}

static void give_up(struct forward *f)
{
    struct stream *s = f->stream;
    f->stream = NULL;
    list_remove(&f->link);
    if (s) {
        s->forward_count--;
        if (s->paused)
            pause_or_resume(s);
    }
    if (!f->asked)
        dispose(f);
}

void forward_free_all(struct stream *s)
{
    struct forward *f, *next;
    LIST_EACH_SAFE (f, next, &s->forwards, link)
        give_up(f);
}

/* ---- ending ---- */

/* Numbered streams serve one connection to each port, so the last one ends all. */
static void end(struct forward *f)
{
    struct stream *s = f->stream;
    give_up(f);
    if (s->spdy || !list_empty(&s->forwards))
        return;
    websocket_close(&s->ws, 1000, "");
    stream_flush(s);
    s->conn.finish(s->conn.ctx);
}

static void fail(struct forward *f, const char *why)
{
    struct stream *s = f->stream;
    char text[512];
    snprintf(text, sizeof text, "error forwarding port %u to pod %.64s: %.300s", f->port, f->pod->uid, why);
    if (f->error_id)
        (void)stream_send(s, f->error_id, str_of(text), true);
    if (s->spdy)
        spdy_reset(s->spdy, f->data_id, 5);
    stream_flush(s);
    end(f);
}

static void end_if_done(struct forward *f)
{
    struct stream *s = f->stream;
    if (!f->pod_ended || buf_len(&f->to_client))
        return;
    if (!f->told) {
        f->told = true;
        (void)stream_send(s, f->data_id, STR(""), true);
        (void)stream_send(s, f->error_id, STR(""), true);
        stream_flush(s);
    }
    end(f);
}

/* ---- copying ---- */

static void set_watch(struct forward *f)
{
    bool wants_more = !f->pod_ended && buf_len(&f->to_client) == 0 && !stream_full(f->stream);
    unsigned events = (wants_more ? POLL_IN : 0) | (buf_len(&f->to_pod) ? POLL_OUT : 0);
    if (f->fd >= 0)
        loop_fd_set(f->node->loop, &f->watch, events);
}

static void write_to_pod(struct forward *f)
{
    while (f->fd >= 0 && buf_len(&f->to_pod)) {
        struct str all = buf_str(&f->to_pod);
        ssize_t n = send(f->fd, all.p, all.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        size_t done = n > 0 ? (size_t)n : all.n; /* nobody reads: dropped */
        buf_consume(&f->to_pod, done);
        if (f->stream->spdy)
            spdy_consumed(f->stream->spdy, f->data_id, done);
    }
    if (f->client_ended && buf_len(&f->to_pod) == 0 && f->fd >= 0)
        (void)shutdown(f->fd, SHUT_WR);
    pause_or_resume(f->stream);
}

static void push_to_client(struct forward *f)
{
    struct str all = buf_str(&f->to_client);
    if (all.n)
        buf_consume(&f->to_client, stream_send(f->stream, f->data_id, all, false));
}

static void read_from_pod(struct forward *f)
{
    char chunk[CHUNK_BYTES];
    ssize_t n = read(f->fd, chunk, sizeof chunk);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        f->pod_ended = true;
        return;
    }
    buf_append(&f->to_client, chunk, (size_t)n);
    push_to_client(f);
}

static void on_ready(void *ctx, unsigned events)
{
    struct forward *f = ctx;
    if (events & POLL_OUT)
        write_to_pod(f);
    if (events & (POLL_IN | POLL_ERR) && buf_len(&f->to_client) == 0)
        read_from_pod(f);
    stream_flush(f->stream);
    set_watch(f);
    end_if_done(f);
}

void forward_drained(struct stream *s)
{
    struct forward *f;
    LIST_EACH (f, &s->forwards, link)
        set_watch(f);
}

/* ---- beginning ---- */

static void dialled(void *ctx, const struct runtime_result *r, const struct runtime_streams *st)
{
    struct forward *f = ctx;
    f->asked = false;
    int fd = -1;
    if (r->rc == 0) {
        fd = st->out >= 0 ? st->out : st->in;
        if (st->in >= 0 && st->in != fd)
            close(st->in);
        if (st->error >= 0)
            close(st->error);
    }
    f->fd = fd;
    if (!f->stream) {
        dispose(f);
        return;
    }
    if (r->rc < 0 || fd < 0) {
        fail(f, r->rc < 0 ? r->message : "no connection");
        return;
    }
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || loop_fd_add(f->node->loop, &f->watch, fd, POLL_IN) < 0) {
        fail(f, "out of memory");
        return;
    }
    write_to_pod(f);
    set_watch(f);
}

static struct forward *find(struct stream *s, uint32_t id, bool error)
{
    struct forward *f;
    LIST_EACH (f, &s->forwards, link)
        if ((error ? f->error_id : f->data_id) == id)
            return f;
    return NULL;
}

static struct forward *forward_new(struct stream *s, int64_t request, uint16_t port, uint32_t error_id)
{
    struct forward *f = s->forward_count < MOST_FORWARDS ? mem_zalloc(sizeof *f) : NULL;
    if (!f)
        return NULL;
    f->stream = s;
    f->node = s->node;
    f->pod = s->pod;
    f->request = request;
    f->port = port;
    f->error_id = error_id;
    f->fd = -1;
    buf_init(&f->to_pod, TO_POD_BYTES);
    buf_init(&f->to_client, CHUNK_BYTES * 2);
    loop_fd_init(&f->watch, on_ready, f);
    list_push_back(&s->forwards, &f->link);
    s->forward_count++;
    pod_ref(f->pod);
    return f;
}

static int64_t number(const struct spdy_header *headers, size_t count, const char *name)
{
    int64_t value = -1;
    for (size_t i = 0; i < count; i++)
        if (str_eq_nocase(headers[i].name, str_of(name)) && str_to_i64(headers[i].value, &value) < 0)
            value = -1;
    return value;
}

static void dial(struct forward *f)
{
    struct runtime *rt = f->node->runtime;
    f->asked = true;
    rt->ops->dial(rt->self, f->pod->uid, f->port, dialled, f);
}

static bool opened(void *ctx, uint32_t id, const struct spdy_header *headers, size_t count, bool fin)
{
    struct stream *s = ctx;
    int64_t port = number(headers, count, "port"), request = number(headers, count, "requestid");
    bool error = false;
    struct forward *f;
    (void)fin;
    for (size_t i = 0; i < count; i++)
        error |= str_eq_nocase(headers[i].name, STR("streamtype")) && str_is(headers[i].value, "error");
    if (port <= 0 || port > 65535 || spdy_reply(s->spdy, id) < 0)
        return false;
    if (error)
        return forward_new(s, request, (uint16_t)port, id) != NULL;
    LIST_EACH (f, &s->forwards, link) {
        if (f->request != request || f->data_id || f->port != port)
            continue;
        f->data_id = id;
        dial(f);
        return true;
    }
    return false;
}

static void take(struct forward *f, struct str bytes, bool fin)
{
    struct stream *s = f->stream;
    buf_append_str(&f->to_pod, bytes);
    f->client_ended |= fin;
    if (f->to_pod.failed) {
        fail(f, "the client sends more than its window allows");
    } else if (!f->asked) {
        write_to_pod(f);
        set_watch(f);
    } else {
        pause_or_resume(s);
    }
}

static void data(void *ctx, uint32_t id, struct str bytes, bool fin)
{
    struct stream *s = ctx;
    struct forward *f = find(s, id, false);
    if (f)
        take(f, bytes, fin);
    else
        spdy_consumed(s->spdy, id, bytes.n);
}

static void reset(void *ctx, uint32_t id)
{
    struct forward *f = find(ctx, id, false);
    if (f)
        give_up(f);
}

static void writable(void *ctx, uint32_t id)
{
    struct forward *f = find(ctx, id, false);
    if (!f)
        return;
    push_to_client(f);
    set_watch(f);
    end_if_done(f);
}

const struct spdy_handlers forward_handlers = {opened, data, reset, writable};

/* ---- numbered streams ---- */

int forward_ports(struct stream *s, const uint16_t *ports, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char port[2] = {(char)(ports[i] & 0xff), (char)(ports[i] >> 8)};
        struct forward *f = forward_new(s, (int64_t)i, ports[i], (uint32_t)i * 2 + 1);
        if (!f)
            return -E_NOMEM;
        f->data_id = (uint32_t)i * 2;
        channels_send(&s->numbered, (uint8_t)f->data_id, str_make(port, 2));
        channels_send(&s->numbered, (uint8_t)f->error_id, str_make(port, 2));
    }
    struct forward *f, *next;
    LIST_EACH_SAFE (f, next, &s->forwards, link)
        dial(f);
    stream_flush(s);
    return 0;
}

void forward_input(struct stream *s, uint8_t channel, struct str bytes)
{
    struct forward *f = channel % 2 == 0 ? find(s, channel, false) : NULL;
    if (f && bytes.n)
        take(f, bytes, false);
}
