/* See netlink.h. */
#include "kernel-glue/netlink/netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel-glue/abi/process.h"

enum { RECEIVE_BYTES = 32 * 1024, SEND_BYTES = 32 * 1024 * 1024, ANSWER_MS = 10000 };

/* ---- building ---- */

static void pad(struct buf *out)
{
    static const char zero[4];
    buf_append(out, zero, (4 - (buf_len(out) & 3)) & 3);
}

size_t netlink_begin(struct buf *out, uint16_t type, uint16_t flags, uint32_t seq, const void *fixed, size_t n)
{
    struct nlmsghdr h = {.nlmsg_type = type, .nlmsg_flags = flags, .nlmsg_seq = seq};
    size_t at = buf_len(out);
    buf_append(out, &h, sizeof h);
    buf_append(out, fixed, n);
    pad(out);
    return at;
}

void netlink_end(struct buf *out, size_t at)
{
    uint32_t n = (uint32_t)(buf_len(out) - at);
    if (!out->failed)
        memcpy(out->data + out->head + at, &n, sizeof n);
}

void netlink_put(struct buf *out, uint16_t attribute, const void *p, size_t n)
{
    struct nlattr a = {.nla_len = (uint16_t)(sizeof a + n), .nla_type = attribute};
    if (n > UINT16_MAX - sizeof a)
        out->failed = true;
    buf_append(out, &a, sizeof a);
    buf_append(out, p, n);
    pad(out);
}

void netlink_put_cstr(struct buf *out, uint16_t attribute, const char *s)
{
    netlink_put(out, attribute, s, strlen(s) + 1);
}

void netlink_put_u8(struct buf *out, uint16_t attribute, uint8_t v)
{
    netlink_put(out, attribute, &v, sizeof v);
}

void netlink_put_u16(struct buf *out, uint16_t attribute, uint16_t v)
{
    netlink_put(out, attribute, &v, sizeof v);
}

void netlink_put_u32(struct buf *out, uint16_t attribute, uint32_t v)
{
    netlink_put(out, attribute, &v, sizeof v);
}

void netlink_put_be32(struct buf *out, uint16_t attribute, uint32_t v)
{
    unsigned char p[4] = {(unsigned char)(v >> 24), (unsigned char)(v >> 16), (unsigned char)(v >> 8), (unsigned char)v};
    netlink_put(out, attribute, p, sizeof p);
}

void netlink_put_be64(struct buf *out, uint16_t attribute, uint64_t v)
{
    unsigned char p[8];
    for (int i = 0; i < 8; i++)
        p[i] = (unsigned char)(v >> (56 - 8 * i));
    netlink_put(out, attribute, p, sizeof p);
}

size_t netlink_nest(struct buf *out, uint16_t attribute)
{
    struct nlattr a = {.nla_type = attribute | NLA_F_NESTED};
    size_t at = buf_len(out);
    buf_append(out, &a, sizeof a);
    return at;
}

void netlink_nest_end(struct buf *out, size_t at)
{
    size_t n = buf_len(out) - at;
    uint16_t length = (uint16_t)n;
    if (n > UINT16_MAX)
        out->failed = true;
    if (!out->failed)
        memcpy(out->data + out->head + at, &length, sizeof length);
}

/* ---- reading ---- */

bool netlink_next(struct str *in, uint16_t *ret_type, struct str *ret_payload)
{
    struct nlmsghdr h;
    if (in->n < sizeof h)
        return false;
    memcpy(&h, in->p, sizeof h);
    if (h.nlmsg_len < sizeof h || h.nlmsg_len > in->n)
        return false;
    *ret_type = h.nlmsg_type;
    *ret_payload = str_make(in->p + sizeof h, h.nlmsg_len - sizeof h);
    size_t step = NLMSG_ALIGN(h.nlmsg_len);
    *in = step >= in->n ? str_make(in->p + in->n, 0) : str_make(in->p + step, in->n - step);
    return true;
}

bool netlink_next_attribute(struct str *in, uint16_t *ret_type, struct str *ret_value)
{
    struct nlattr a;
    if (in->n < sizeof a)
        return false;
    memcpy(&a, in->p, sizeof a);
    if (a.nla_len < sizeof a || a.nla_len > in->n)
        return false;
    *ret_type = a.nla_type & NLA_TYPE_MASK;
    *ret_value = str_make(in->p + sizeof a, a.nla_len - sizeof a);
    size_t step = NLA_ALIGN(a.nla_len);
    *in = step >= in->n ? str_make(in->p + in->n, 0) : str_make(in->p + step, in->n - step);
    return true;
}

/* ---- the socket ---- */

int netlink_socket_in(int namespace_fd, int domain, int type, int protocol, int *ret_fd)
{
    int own = -1, fd = -1, rc = 0;
    if (namespace_fd >= 0) {
        rc = process_namespace_open(0, "net", &own);
        if (rc == 0)
            rc = process_enter(namespace_fd, PROCESS_NEW_NET);
    }
    if (rc == 0) {
        fd = socket(domain, type | SOCK_CLOEXEC, protocol);
        rc = fd < 0 ? -err_from_errno(errno) : 0;
    }
    int keep = errno;
    if (own >= 0) {
        if (process_enter(own, PROCESS_NEW_NET) < 0)
            abort(); /* everything after would act on somebody else's network */
        close(own);
    }
    errno = keep;
    if (rc == 0)
        *ret_fd = fd;
    return rc;
}

int netlink_open(int family, int namespace_fd, int *ret_fd, struct err *err)
{
    int fd, one = 1, size = SEND_BYTES, rc = netlink_socket_in(namespace_fd, AF_NETLINK, SOCK_RAW, family, &fd);
    if (rc < 0)
        return err_set_errno(err, "netlink socket");
    struct sockaddr_nl at = {.nl_family = AF_NETLINK};
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof one);
    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0) {
        rc = err_set_errno(err, "netlink socket");
        close(fd);
        return rc;
    }
    *ret_fd = fd;
    return 0;
}

static int send_all(int fd, const struct buf *out, struct err *err)
{
    struct str bytes = buf_str(out);
    if (out->failed)
        return err_set(err, E_NOMEM, "netlink: the request is too large");
    ssize_t n = send(fd, bytes.p, bytes.n, 0);
    return n == (ssize_t)bytes.n ? 0 : err_set_errno(err, "netlink: send");
}

/* The kernel's sentence about a failure, if it had one. */
static int refused(struct str payload, int error, struct err *err)
{
    struct nlmsghdr inner;
    struct str attributes = {0}, value;
    uint16_t type;
    errno = -error;
    if (payload.n >= sizeof(int) + sizeof inner)
        attributes = str_make(payload.p + sizeof(int) + sizeof inner, payload.n - sizeof(int) - sizeof inner);
    while (netlink_next_attribute(&attributes, &type, &value))
        if (type == NLMSGERR_ATTR_MSG && value.n)
            return err_set_errno(err, "netlink: %.*s", (int)value.n - 1, value.p);
    return err_set_errno(err, "netlink");
}

static int receive(int fd, char *buffer, struct err *err, ssize_t *ret_n)
{
    struct pollfd p = {fd, POLLIN, 0};
    int ready;
    do
        ready = poll(&p, 1, ANSWER_MS);
    while (ready < 0 && errno == EINTR);
    if (ready == 0)
        return err_set(err, E_TIMEOUT, "netlink: no answer");
    *ret_n = recv(fd, buffer, RECEIVE_BYTES, MSG_DONTWAIT);
    return *ret_n < 0 ? err_set_errno(err, "netlink: receive") : 0;
}

int netlink_call(int fd, const struct buf *out, uint32_t last_seq, struct err *err)
{
    char *buffer = mem_alloc(RECEIVE_BYTES);
    int rc = buffer ? send_all(fd, out, err) : -E_NOMEM, error = 0;
    bool done = false;
    ssize_t n;
    while (rc == 0 && !done && (rc = receive(fd, buffer, err, &n)) == 0) {
        struct str in = str_make(buffer, (size_t)n), payload;
        uint16_t type;
        while (!done && in.n >= sizeof(struct nlmsghdr)) {
            struct nlmsghdr h;
            memcpy(&h, in.p, sizeof h);
            if (!netlink_next(&in, &type, &payload))
                break;
            if (type != NLMSG_ERROR || payload.n < sizeof error)
                continue;
            memcpy(&error, payload.p, sizeof error);
            if (error < 0)
                rc = refused(payload, error, err);
            done = error < 0 || h.nlmsg_seq == last_seq;
        }
    }
    int keep = errno;
    mem_free(buffer);
    errno = keep;
    return rc;
}

int netlink_dump(int fd, const struct buf *out, int (*fn)(void *ctx, uint16_t type, struct str payload),
                 void *ctx, struct err *err)
{
    char *buffer = mem_alloc(RECEIVE_BYTES);
    int rc = buffer ? send_all(fd, out, err) : -E_NOMEM, error = 0;
    bool done = false;
    ssize_t n;
    while (rc == 0 && !done && (rc = receive(fd, buffer, err, &n)) == 0) {
        struct str in = str_make(buffer, (size_t)n), payload;
        uint16_t type;
        while (rc == 0 && !done && netlink_next(&in, &type, &payload)) {
            if (type == NLMSG_DONE)
                done = true;
            else if (type == NLMSG_ERROR && payload.n >= sizeof error) {
                memcpy(&error, payload.p, sizeof error);
                rc = error < 0 ? refused(payload, error, err) : 0;
                done = true;
            } else
                rc = fn(ctx, type, payload);
        }
    }
    mem_free(buffer);
    return rc;
}
