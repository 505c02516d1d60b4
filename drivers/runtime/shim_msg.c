/* See shim_msg.h. */
#include "drivers/runtime/shim_msg.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { VERSION = 1, HEADER = 8 };

union control {
    struct cmsghdr head;
    char space[CMSG_SPACE(sizeof(int) * SHIM_MSG_FDS)];
};

void shim_msg_begin(struct buf *out, uint8_t type, uint32_t id)
{
    unsigned char head[HEADER] = {VERSION, type, 0, 0, (unsigned char)id, (unsigned char)(id >> 8),
                                  (unsigned char)(id >> 16), (unsigned char)(id >> 24)};
    buf_clear(out);
    buf_append(out, head, sizeof head);
}

int shim_msg_send(int sock, const struct buf *m, const int *fds, unsigned fd_count)
{
    union control control;
    struct str bytes = buf_str(m);
    struct iovec iov = {(void *)(uintptr_t)bytes.p, bytes.n};
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
    if (m->failed || bytes.n > SHIM_MSG_BYTES || fd_count > SHIM_MSG_FDS)
        return -E_TOO_LARGE;
    if (fd_count) {
        memset(&control, 0, sizeof control);
        h.msg_control = control.space;
        h.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *c = CMSG_FIRSTHDR(&h);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
    }
    ssize_t n;
    do
        n = sendmsg(sock, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -err_from_errno(errno) : 0;
}

int shim_msg_recv(int sock, void *buffer, struct shim_msg *ret_m)
{
    union control control;
    struct iovec iov = {buffer, SHIM_MSG_BYTES};
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.space,
                       .msg_controllen = sizeof control.space};
    struct shim_msg m = {0};
    const unsigned char *b = buffer;
    ssize_t n;
    do
        n = recvmsg(sock, &h, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -err_from_errno(errno);
    if (n == 0)
        return -E_CLOSED;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            m.fd_count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            memcpy(m.fds, CMSG_DATA(c), m.fd_count * sizeof(int));
        }
    if (h.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || n < HEADER || b[0] != VERSION) {
        shim_msg_close_fds(&m);
        return -E_SYNTAX;
    }
    m.type = b[1];
    m.id = (uint32_t)b[4] | (uint32_t)b[5] << 8 | (uint32_t)b[6] << 16 | (uint32_t)b[7] << 24;
    m.fields = str_make(b + HEADER, (size_t)n - HEADER);
    *ret_m = m;
    return 0;
}

void shim_msg_close_fds(struct shim_msg *m)
{
    for (unsigned i = 0; i < m->fd_count; i++)
        if (m->fds[i] >= 0)
            close(m->fds[i]);
    m->fd_count = 0;
}
