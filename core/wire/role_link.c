/*
 * See role_link.h. The queue holds whole messages, each as a field of a BATCH: tag, 32-bit length,
 * bytes. What one turn of the loop sends leaves together, from a task, as one BATCH: a system call
 * and a wake-up of the peer for all of it.
 */
#include "wire/role_link.h"

#include <unistd.h>

#include "base/buf.h"

enum { QUEUE_MAX = 64 * 1024 * 1024, MESSAGES_A_TURN = 64 };
/* From SEND_NOW queued bytes on nothing waits for the end of the turn. */
enum { BATCH = 0xffff, BATCH_TAG = 1, BATCH_HEADER = 8, FIELD = 5, SEND_NOW = LIMIT_IMSG_BYTES / 2 };

struct role_link {
    struct loop *loop;
    struct loop_fd fd;
    const struct role_link_handlers *handlers;
    void *ctx;
    struct buf queue;
    struct loop_task broken, send;
    unsigned char *buffer, *batch;
    bool inside, freed, dead;
    bool queued; /* something was, and `drained` has not told yet that it has gone */
    int rc;
};

static void destroy(struct role_link *k)
{
    mem_free(k->buffer);
    mem_free(k->batch);
    mem_free(k);
}

void role_link_free(struct role_link *k)
{
    if (!k || k->freed)
        return;
    int fd = k->fd.fd;
    k->freed = true;
    loop_fd_remove(k->loop, &k->fd);
    loop_task_cancel(&k->broken);
    loop_task_cancel(&k->send);
    if (fd >= 0)
        close(fd);
    buf_done(&k->queue);
    if (!k->inside)
        destroy(k);
}

static void tell_closed(void *ctx)
{
    struct role_link *k = ctx;
    k->inside = true;
    k->handlers->closed(k->ctx, k->rc);
    k->inside = false;
    if (k->freed)
        destroy(k);
}

static int fail(struct role_link *k, int rc)
{
    if (!k->dead) {
        k->dead = true;
        k->rc = rc;
        loop_fd_set(k->loop, &k->fd, 0);
        loop_task_cancel(&k->send);
        loop_defer(k->loop, &k->broken);
    }
    return rc;
}

/* The front of the queue as one message, and how much of the queue that is. */
static struct imsg_out gather(struct role_link *k, size_t *ret_taken)
{
    struct str all = buf_str(&k->queue);
    struct imsg_out m;
    size_t taken = 0, count = 0;
    for (; taken < all.n; count++) {
        const unsigned char *p = (const unsigned char *)all.p + taken;
        size_t size = p[1] | (size_t)p[2] << 8 | (size_t)p[3] << 16 | (size_t)p[4] << 24;
        if (count && BATCH_HEADER + taken + FIELD + size > LIMIT_IMSG_BYTES)
            break;
        taken += FIELD + size;
    }
    *ret_taken = taken;
    imsg_begin(&m, k->batch, LIMIT_IMSG_BYTES, BATCH, 0);
    if (count == 1)
        return (struct imsg_out){.p = (unsigned char *)all.p + FIELD, .n = taken - FIELD, .size = taken - FIELD};
    memcpy(m.p + m.n, all.p, taken);
    m.n += taken;
    return m;
}

/* Sends what is queued. -E_AGAIN: the kernel has no room, the loop tells when it has. */
static int push(struct role_link *k)
{
    while (buf_len(&k->queue)) {
        size_t taken;
        struct imsg_out m = gather(k, &taken);
        int rc = imsg_send(k->fd.fd, &m);
        if (rc == -E_AGAIN)
            loop_fd_set(k->loop, &k->fd, POLL_IN | POLL_OUT);
        if (rc < 0)
            return rc == -E_AGAIN ? rc : fail(k, rc);
        buf_consume(&k->queue, taken);
    }
    buf_done(&k->queue);
    return 0;
}

static void flush(struct role_link *k)
{
    if (push(k) < 0)
        return;
    loop_fd_set(k->loop, &k->fd, POLL_IN);
    if (k->queued && k->handlers->drained) {
        k->queued = false;
        k->handlers->drained(k->ctx);
    }
}

static void deliver(struct role_link *k, struct imsg_in *m)
{
    struct imsg_cursor at = {0};
    struct str bytes;
    uint8_t tag;
    if (m->type != BATCH) {
        k->handlers->message(k->ctx, m);
        return;
    }
    while (!k->freed && !k->dead && imsg_next(m, &at, &tag, &bytes)) {
        struct imsg_in one = {0};
        if (tag != BATCH_TAG || imsg_parse(&one, bytes.p, bytes.n) < 0 || one.type == BATCH) {
            fail(k, -E_SYNTAX);
            return;
        }
        k->handlers->message(k->ctx, &one);
    }
}

static void receive(struct role_link *k)
{
    for (int i = 0; i < MESSAGES_A_TURN && !k->freed && !k->dead; i++) {
        struct imsg_in m;
        int rc = imsg_recv(k->fd.fd, k->buffer, LIMIT_IMSG_BYTES, &m);
        if (rc == -E_AGAIN)
            return;
        if (rc < 0) {
            fail(k, rc);
            return;
        }
        deliver(k, &m);
        imsg_close_fds(&m);
    }
}

static void on_send(void *ctx)
{
    struct role_link *k = ctx;
    k->inside = true;
    flush(k);
    k->inside = false;
    if (k->freed)
        destroy(k);
}

static void on_fd(void *ctx, unsigned events)
{
    struct role_link *k = ctx;
    k->inside = true;
    if (events & POLL_OUT)
        flush(k);
    if (events & (POLL_IN | POLL_ERR) && !k->freed && !k->dead)
        receive(k);
    k->inside = false;
    if (k->freed)
        destroy(k);
}

int role_link_new(struct loop *l, int fd, const struct role_link_handlers *handlers, void *ctx,
                  struct role_link **ret_link)
{
    struct role_link *k = mem_zalloc(sizeof *k);
    unsigned char *buffer = mem_alloc(LIMIT_IMSG_BYTES), *batch = mem_alloc(LIMIT_IMSG_BYTES);
    if (!k || !buffer || !batch) {
        mem_free(k);
        mem_free(buffer);
        mem_free(batch);
        return -E_NOMEM;
    }
    k->batch = batch;
    k->loop = l;
    k->handlers = handlers;
    k->ctx = ctx;
    k->buffer = buffer;
    buf_init(&k->queue, QUEUE_MAX);
    loop_fd_init(&k->fd, on_fd, k);
    loop_task_init(&k->broken, tell_closed, k);
    loop_task_init(&k->send, on_send, k);
    int rc = loop_fd_add(l, &k->fd, fd, POLL_IN);
    if (rc < 0) {
        destroy(k);
        return rc;
    }
    *ret_link = k;
    return 0;
}

static void put_field(struct buf *b, struct str bytes)
{
    char head[FIELD] = {BATCH_TAG, (char)bytes.n, (char)(bytes.n >> 8), (char)(bytes.n >> 16), (char)(bytes.n >> 24)};
    buf_append(b, head, sizeof head);
    buf_append_str(b, bytes);
}

int role_link_send(struct role_link *k, const struct imsg_out *m)
{
    if (k->dead || k->freed)
        return -E_CLOSED;
    if (m->failed)
        return -E_TOO_LARGE;
    bool full = k->fd.events & POLL_OUT;
    if (!full && (m->fd_count || m->n + buf_len(&k->queue) >= SEND_NOW)) {
        int rc = push(k);
        if (rc == 0)
            rc = imsg_send(k->fd.fd, m);
        if (rc != -E_AGAIN)
            return rc < 0 ? fail(k, rc) : 0;
        loop_fd_set(k->loop, &k->fd, POLL_IN | POLL_OUT);
        full = true;
    }
    if (m->fd_count)
        return -E_AGAIN;
    put_field(&k->queue, str_make(m->p, m->n));
    if (k->queue.failed)
        return fail(k, -E_TOO_LARGE);
    k->queued = true;
    if (!full)
        loop_defer(k->loop, &k->send);
    return 0;
}

size_t role_link_queued(const struct role_link *k)
{
    return buf_len(&k->queue);
}
