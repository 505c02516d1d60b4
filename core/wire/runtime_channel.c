/* See runtime_channel.h. */
#include "wire/runtime_channel.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "wire/runtime_msg.h"

enum { INLINE_MAX = LIMIT_IMSG_BYTES - 64, HEADER = 8 };

struct parked {
    struct list link;
    uint16_t type;
    uint32_t id;
    char *body;
    size_t n;
    int fds[LIMIT_IMSG_FDS];
    unsigned fd_count;
};

static void free_parked(struct parked *p)
{
    list_remove(&p->link);
    for (unsigned i = 0; i < p->fd_count; i++)
        close(p->fds[i]);
    mem_free(p->body);
    mem_free(p);
}

/* ---- receiving ---- */

/* Into our own memory before anything is looked at: the sender may still write to it. */
static int load_bulk(struct runtime_channel *c, struct imsg_in *m, uint64_t size)
{
    int fd = imsg_take_fd(m);
    int rc = fd >= 0 && size <= RUNTIME_BODY_MAX ? 0 : -E_SYNTAX;
    buf_clear(&c->bulk);
    for (size_t at = 0; rc == 0 && at < size;) {
        char *p = buf_reserve(&c->bulk, size - at);
        ssize_t n = p ? pread(fd, p, size - at, (off_t)at) : 0;
        if (n <= 0)
            rc = p ? -E_SYNTAX : -E_NOMEM;
        else {
            buf_commit(&c->bulk, (size_t)n);
            at += (size_t)n;
        }
    }
    if (fd >= 0)
        close(fd);
    m->fields = buf_str(&c->bulk);
    return rc;
}

/* That the fields of a bulk body tile it exactly, as imsg_parse does for a message. */
static int check_tiles(struct str s)
{
    while (s.n) {
        if (s.n < 5)
            return -E_SYNTAX;
        const unsigned char *p = (const unsigned char *)s.p;
        size_t n = (size_t)p[1] | (size_t)p[2] << 8 | (size_t)p[3] << 16 | (size_t)p[4] << 24;
        if (n > s.n - 5)
            return -E_SYNTAX;
        s = str_make(s.p + 5 + n, s.n - 5 - n);
    }
    return 0;
}

static void on_message(void *ctx, struct imsg_in *m)
{
    struct runtime_channel *c = ctx;
    uint64_t size;
    if (!imsg_get_u64(m, RT_BULK, &size)) {
        c->message(c->ctx, m);
        return;
    }
    if (load_bulk(c, m, size) == 0 && check_tiles(m->fields) == 0)
        c->message(c->ctx, m);
    buf_done(&c->bulk); /* large ones are rare: do not keep the memory */
}

static void drop(struct runtime_channel *c)
{
    struct parked *p;
    role_link_free(c->link);
    c->link = NULL;
    while ((p = LIST_FIRST(&c->waiting, struct parked, link)))
        free_parked(p);
}

static void on_closed(void *ctx, int rc)
{
    struct runtime_channel *c = ctx;
    (void)rc;
    drop(c);
    c->closed(c->ctx);
}

/* ---- sending ---- */

static int send_now(struct runtime_channel *c, uint16_t type, uint32_t id, struct str body, const int *fds,
                    unsigned fd_count)
{
    struct imsg_out m;
    int memory = -1, rc = 0;
    imsg_begin(&m, c->buffer, LIMIT_IMSG_BYTES, type, id);
    if (body.n > INLINE_MAX) {
        memory = memfd_create("message", MFD_CLOEXEC);
        for (size_t at = 0; memory >= 0 && at < body.n && rc == 0;) {
            ssize_t n = write(memory, body.p + at, body.n - at);
            rc = n <= 0 ? -E_NO_SPACE : 0;
            at += n > 0 ? (size_t)n : 0;
        }
        if (memory < 0)
            return -E_LIMIT;
        imsg_put_u64(&m, RT_BULK, body.n);
        imsg_put_fd(&m, memory);
    } else if (body.n) { /* the body is laid out as the fields of a message are */
        memcpy(m.p + m.n, body.p, body.n);
        m.n += body.n;
    }
    for (unsigned i = 0; i < fd_count; i++)
        imsg_put_fd(&m, fds[i]);
    if (rc == 0)
        rc = role_link_send(c->link, &m);
    if (memory >= 0)
        close(memory);
    return rc;
}

static int park(struct runtime_channel *c, uint16_t type, uint32_t id, struct str body, const int *fds, unsigned n)
{
    struct parked *p = mem_zalloc(sizeof *p);
    if (!p)
        return -E_NOMEM;
    *p = (struct parked){.type = type, .id = id, .n = body.n};
    list_push_back(&c->waiting, &p->link);
    p->body = mem_dup(body.n ? body.p : "", body.n ? body.n : 1);
    for (unsigned i = 0; p->body && i < n; i++) {
        int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
            break;
        p->fds[p->fd_count++] = fd;
    }
    if (p->body && p->fd_count == n)
        return 0;
    free_parked(p);
    return -E_LIMIT;
}

static void on_drained(void *ctx)
{
    struct runtime_channel *c = ctx;
    struct parked *p;
    while (c->link && (p = LIST_FIRST(&c->waiting, struct parked, link))) {
        if (send_now(c, p->type, p->id, str_make(p->body, p->n), p->fds, p->fd_count) == -E_AGAIN)
            return; /* comes again */
        free_parked(p);
    }
}

/* The link tells of room only when it has queued something itself: an empty message that the peer
 * ignores serves. */
static int wait_for_room(struct runtime_channel *c)
{
    struct imsg_out m;
    int rc = 0;
    if (role_link_queued(c->link) == 0) {
        imsg_begin(&m, c->buffer, LIMIT_IMSG_BYTES, RUNTIME_NOTHING, 0);
        rc = role_link_send(c->link, &m);
    }
    if (rc == 0 && role_link_queued(c->link) == 0)
        on_drained(c);
    return rc;
}

int runtime_channel_send(struct runtime_channel *c, uint16_t type, uint32_t id, const struct buf *body,
                         const int *fds, unsigned fd_count)
{
    if (!c->link)
        return -E_UNAVAILABLE;
    if (body->failed || fd_count >= LIMIT_IMSG_FDS)
        return -E_TOO_LARGE;
    int rc = send_now(c, type, id, buf_str(body), fds, fd_count);
    if (rc != -E_AGAIN)
        return rc;
    rc = park(c, type, id, buf_str(body), fds, fd_count);
    return rc == 0 ? wait_for_room(c) : rc;
}

/* ---- life ---- */

int runtime_channel_init(struct runtime_channel *c, struct loop *loop, void (*message)(void *, struct imsg_in *),
                         void (*closed)(void *), void *ctx)
{
    *c = (struct runtime_channel){.loop = loop, .message = message, .closed = closed, .ctx = ctx,
                                  .buffer = mem_alloc(LIMIT_IMSG_BYTES)};
    list_init(&c->waiting);
    buf_init(&c->bulk, RUNTIME_BODY_MAX);
    return c->buffer ? 0 : -E_NOMEM;
}

void runtime_channel_done(struct runtime_channel *c)
{
    drop(c);
    buf_done(&c->bulk);
    mem_free(c->buffer);
}

int runtime_channel_attach(struct runtime_channel *c, int fd)
{
    static const struct role_link_handlers handlers = {on_message, on_closed, on_drained};
    struct role_link *link;
    int rc = role_link_new(c->loop, fd, &handlers, c, &link);
    if (rc < 0)
        return rc;
    drop(c);
    c->link = link;
    return 0;
}
