/* Messages between roles. See imsg.h. Nothing here allocates. */
#include "wire/imsg.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { VERSION = 1, HEADER = 8, FIELD = 5 };

static void put_le(unsigned char *p, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        p[i] = (unsigned char)(v >> (8 * i));
}

static uint64_t get_le(const void *at, int bytes)
{
    const unsigned char *p = at;
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

void imsg_begin(struct imsg_out *m, void *buffer, size_t size, uint16_t type, uint32_t id)
{
    m->p = buffer;
    m->size = size < LIMIT_IMSG_BYTES ? size : LIMIT_IMSG_BYTES;
    m->n = HEADER;
    m->fd_count = 0;
    m->failed = m->size < HEADER;
    if (m->failed)
        return;
    m->p[0] = VERSION;
    m->p[1] = 0;
    put_le(m->p + 2, type, 2);
    put_le(m->p + 4, id, 4);
}

void imsg_put(struct imsg_out *m, uint8_t tag, struct str bytes)
{
    if (m->failed || bytes.n > m->size || m->size - m->n < FIELD + bytes.n) {
        m->failed = true;
        return;
    }
    m->p[m->n] = tag;
    put_le(m->p + m->n + 1, bytes.n, 4);
    if (bytes.n)
        memcpy(m->p + m->n + FIELD, bytes.p, bytes.n);
    m->n += FIELD + bytes.n;
}

void imsg_put_cstr(struct imsg_out *m, uint8_t tag, const char *s)
{
    if (s)
        imsg_put(m, tag, str_of(s));
}

void imsg_put_u64(struct imsg_out *m, uint8_t tag, uint64_t v)
{
    unsigned char p[8];
    put_le(p, v, 8);
    imsg_put(m, tag, str_make(p, 8));
}

void imsg_put_fd(struct imsg_out *m, int fd)
{
    if (m->fd_count == LIMIT_IMSG_FDS)
        m->failed = true;
    else
        m->fds[m->fd_count++] = fd;
}

int imsg_parse(struct imsg_in *m, const void *p, size_t n)
{
    const unsigned char *b = p;
    if (n < HEADER || n > LIMIT_IMSG_BYTES || b[0] != VERSION || b[1] != 0)
        return -E_SYNTAX;
    for (size_t at = HEADER; at < n;) {
        if (n - at < FIELD)
            return -E_SYNTAX;
        uint64_t size = get_le(b + at + 1, 4);
        if (size > n - at - FIELD)
            return -E_SYNTAX;
        at += FIELD + size;
    }
    m->type = (uint16_t)get_le(b + 2, 2);
    m->id = (uint32_t)get_le(b + 4, 4);
    m->fields = str_make(b + HEADER, n - HEADER);
    return 0;
}

bool imsg_next(const struct imsg_in *m, struct imsg_cursor *at, uint8_t *ret_tag,
               struct str *ret_bytes)
{
    if (at->at >= m->fields.n)
        return false;
    const char *p = m->fields.p + at->at;
    size_t size = get_le(p + 1, 4);
    *ret_tag = (uint8_t)*p;
    *ret_bytes = str_make(p + FIELD, size);
    at->at += FIELD + size;
    return true;
}

bool imsg_get(const struct imsg_in *m, uint8_t tag, struct str *ret_bytes)
{
    struct imsg_cursor at = {0};
    uint8_t have;
    struct str bytes;
    while (imsg_next(m, &at, &have, &bytes))
        if (have == tag) {
            *ret_bytes = bytes;
            return true;
        }
    return false;
}

bool imsg_get_u64(const struct imsg_in *m, uint8_t tag, uint64_t *ret_value)
{
    struct str bytes;
    if (!imsg_get(m, tag, &bytes) || bytes.n != 8)
        return false;
    *ret_value = get_le(bytes.p, 8);
    return true;
}

int imsg_take_fd(struct imsg_in *m)
{
    for (unsigned i = 0; i < m->fd_count; i++)
        if (m->fds[i] >= 0) {
            int fd = m->fds[i];
            m->fds[i] = -1;
            return fd;
        }
    return -1;
}

void imsg_close_fds(struct imsg_in *m)
{
    int fd;
    while ((fd = imsg_take_fd(m)) >= 0)
        close(fd);
}

union control {
    struct cmsghdr head;
    char space[CMSG_SPACE(sizeof(int) * LIMIT_IMSG_FDS)];
};

int imsg_send(int sock, const struct imsg_out *m)
{
    union control control;
    struct iovec iov = {m->p, m->n};
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
    if (m->failed)
        return -E_TOO_LARGE;
    if (m->fd_count) {
        memset(&control, 0, sizeof control);
        h.msg_control = control.space;
        h.msg_controllen = CMSG_SPACE(sizeof(int) * m->fd_count);
        struct cmsghdr *c = CMSG_FIRSTHDR(&h);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * m->fd_count);
        memcpy(CMSG_DATA(c), m->fds, sizeof(int) * m->fd_count);
    }
    ssize_t n;
    do
        n = sendmsg(sock, &h, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -err_from_errno(errno) : 0;
}

static void take_fds(struct msghdr *h, struct imsg_in *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (m->fd_count < LIMIT_IMSG_FDS)
                m->fds[m->fd_count++] = fd;
            else
                close(fd);
        }
    }
}

int imsg_recv(int sock, void *buffer, size_t size, struct imsg_in *ret_m)
{
    union control control;
    struct iovec iov = {buffer, size};
    struct msghdr h = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.space,
                       .msg_controllen = sizeof control.space};
    struct imsg_in m = {0};
    ssize_t n;

    do
        n = recvmsg(sock, &h, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -err_from_errno(errno);
    if (n == 0)
        return -E_CLOSED;
    take_fds(&h, &m);
    int rc =
        h.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? -E_TOO_LARGE : imsg_parse(&m, buffer, (size_t)n);
    if (rc < 0) {
        imsg_close_fds(&m);
        return rc;
    }
    *ret_m = m;
    return 0;
}
