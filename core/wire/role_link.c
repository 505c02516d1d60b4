/* See role_link.h. The queue holds whole messages, each behind its 32-bit length. */
#include "wire/role_link.h"

#include <unistd.h>

#include "base/buf.h"

enum { QUEUE_MAX = 64 * 1024 * 1024, MESSAGES_A_TURN = 64 };

struct role_link {
    struct loop *loop;
    struct loop_fd fd;
    const struct role_link_handlers *handlers;
    void *ctx;
    struct buf queue;
    struct loop_task broken;
    unsigned char *buffer;
    bool inside, freed, dead;
    int rc;
};

static void destroy(struct role_link *k)
{
    mem_free(k->buffer);
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
        loop_defer(k->loop, &k->broken);
    }
    return rc;
}

static void flush(struct role_link *k)
{
    bool had = buf_len(&k->queue) > 0;
    while (buf_len(&k->queue)) {
        struct str all = buf_str(&k->queue);
        uint32_t size;
        memcpy(&size, all.p, sizeof size);
        struct imsg_out m = {.p = (unsigned char *)all.p + sizeof size, .n = size, .size = size};
        int rc = imsg_send(k->fd.fd, &m);
        if (rc == -E_AGAIN)
            return;
        if (rc < 0) {
            fail(k, rc);
            return;
        }
        buf_consume(&k->queue, sizeof size + size);
    }
    buf_done(&k->queue);
    loop_fd_set(k->loop, &k->fd, POLL_IN);
    if (had && k->handlers->drained)
        k->handlers->drained(k->ctx);
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
        k->handlers->message(k->ctx, &m);
        imsg_close_fds(&m);
    }
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
    unsigned char *buffer = mem_alloc(LIMIT_IMSG_BYTES);
    if (!k || !buffer) {
        mem_free(k);
        mem_free(buffer);
        return -E_NOMEM;
    }
    k->loop = l;
    k->handlers = handlers;
    k->ctx = ctx;
    k->buffer = buffer;
    buf_init(&k->queue, QUEUE_MAX);
    loop_fd_init(&k->fd, on_fd, k);
    loop_task_init(&k->broken, tell_closed, k);
    int rc = loop_fd_add(l, &k->fd, fd, POLL_IN);
    if (rc < 0) {
        destroy(k);
        return rc;
    }
    *ret_link = k;
    return 0;
}

int role_link_send(struct role_link *k, const struct imsg_out *m)
{
    if (k->dead || k->freed)
        return -E_CLOSED;
    if (m->failed)
        return -E_TOO_LARGE;
    if (buf_len(&k->queue) == 0) {
        int rc = imsg_send(k->fd.fd, m);
        if (rc != -E_AGAIN)
            return rc < 0 ? fail(k, rc) : 0;
    }
    if (m->fd_count)
        return -E_AGAIN;
    uint32_t size = (uint32_t)m->n;
    buf_append(&k->queue, &size, sizeof size);
    buf_append(&k->queue, m->p, m->n);
    if (k->queue.failed)
        return fail(k, -E_TOO_LARGE);
    loop_fd_set(k->loop, &k->fd, POLL_IN | POLL_OUT);
    return 0;
}

size_t role_link_queued(const struct role_link *k)
{
    return buf_len(&k->queue);
}
