/* The kernel's sockets. See socket.h. */
#include "drivers/net/socket/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

union address {
    struct sockaddr any;
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
};

static socklen_t to_kernel(const struct net_addr *a, union address *k)
{
    memset(k, 0, sizeof *k);
    if (a->family == 6) {
        k->in6.sin6_family = AF_INET6;
        k->in6.sin6_port = htons(a->port);
        k->in6.sin6_scope_id = a->scope;
        memcpy(&k->in6.sin6_addr, a->ip, 16);
        return sizeof k->in6;
    }
    k->in4.sin_family = AF_INET;
    k->in4.sin_port = htons(a->port);
    memcpy(&k->in4.sin_addr, a->ip, 4);
    return sizeof k->in4;
}

static void from_kernel(const union address *k, struct net_addr *a)
{
    *a = (struct net_addr){0};
    if (k->any.sa_family == AF_INET6) {
        a->family = 6;
        a->port = ntohs(k->in6.sin6_port);
        a->scope = k->in6.sin6_scope_id;
        memcpy(a->ip, &k->in6.sin6_addr, 16);
    } else if (k->any.sa_family == AF_INET) {
        a->family = 4;
        a->port = ntohs(k->in4.sin_port);
        memcpy(a->ip, &k->in4.sin_addr, 4);
    }
}

static int failed(int fd)
{
    int rc = -err_from_errno(errno);
    if (fd >= 0)
        close(fd);
    return rc;
}

static int open_socket(const struct net_addr *a, int type)
{
    return socket(a->family == 6 ? AF_INET6 : AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static void set_option(int fd, int level, int option)
{
    int one = 1;
    setsockopt(fd, level, option, &one, sizeof one);
}

static int net_listen(void *ctx, const struct net_addr *at, int backlog, int *ret_fd)
{
    union address k;
    socklen_t size = to_kernel(at, &k);
    int fd = open_socket(at, SOCK_STREAM);
    (void)ctx;
    if (fd < 0)
        return failed(fd);
    set_option(fd, SOL_SOCKET, SO_REUSEADDR);
    if (at->family == 6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    if (bind(fd, &k.any, size) < 0 || listen(fd, backlog) < 0)
        return failed(fd);
    *ret_fd = fd;
    return 0;
}

static int net_accept(void *ctx, int fd, int *ret_fd, struct net_addr *ret_peer)
{
    union address k = {0};
    socklen_t size = sizeof k;
    int got = accept4(fd, &k.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    (void)ctx;
    if (got < 0) /* a connection that died in the queue is no error of the listener */
        return errno == ECONNABORTED || errno == EINTR ? -E_AGAIN : -err_from_errno(errno);
    set_option(got, IPPROTO_TCP, TCP_NODELAY);
    from_kernel(&k, ret_peer);
    *ret_fd = got;
    return 0;
}

static int net_connect(void *ctx, const struct net_addr *to, int *ret_fd)
{
    union address k;
    socklen_t size = to_kernel(to, &k);
    int fd = open_socket(to, SOCK_STREAM);
    (void)ctx;
    if (fd < 0)
        return failed(fd);
    set_option(fd, IPPROTO_TCP, TCP_NODELAY);
    if (connect(fd, &k.any, size) < 0 && errno != EINPROGRESS)
        return failed(fd);
    *ret_fd = fd;
    return 0;
}

static int net_connect_result(void *ctx, int fd)
{
    int error = 0;
    socklen_t size = sizeof error;
    (void)ctx;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        return -err_from_errno(errno);
    return -err_from_errno(error);
}

static ssize_t result(ssize_t n)
{
    if (n >= 0)
        return n;
    return errno == EINTR ? -E_AGAIN : -err_from_errno(errno);
}

static ssize_t net_read(void *ctx, int fd, void *p, size_t n)
{
    (void)ctx;
    return result(read(fd, p, n));
}

static ssize_t net_write(void *ctx, int fd, const void *p, size_t n)
{
    (void)ctx;
    ssize_t done = send(fd, p, n, MSG_NOSIGNAL);
    if (done < 0 && errno == ENOTSOCK)
        done = write(fd, p, n);
    return result(done);
}

static int net_shutdown_write(void *ctx, int fd)
{
    (void)ctx;
    return shutdown(fd, SHUT_WR) < 0 ? -err_from_errno(errno) : 0;
}

static int net_udp_open(void *ctx, const struct net_addr *at, int *ret_fd)
{
    union address k;
    socklen_t size = to_kernel(at, &k);
    int fd = open_socket(at, SOCK_DGRAM);
    (void)ctx;
    if (fd < 0 || bind(fd, &k.any, size) < 0)
        return failed(fd);
    *ret_fd = fd;
    return 0;
}

static ssize_t net_recv_from(void *ctx, int fd, void *p, size_t n, struct net_addr *ret_from)
{
    union address k = {0};
    socklen_t size = sizeof k;
    (void)ctx;
    ssize_t got = recvfrom(fd, p, n, 0, &k.any, &size);
    if (got >= 0)
        from_kernel(&k, ret_from);
    return result(got);
}

static ssize_t net_send_to(void *ctx, int fd, const void *p, size_t n, const struct net_addr *to)
{
    union address k;
    socklen_t size = to_kernel(to, &k);
    (void)ctx;
    return result(sendto(fd, p, n, MSG_NOSIGNAL, &k.any, size));
}

static int net_local_addr(void *ctx, int fd, struct net_addr *ret_addr)
{
    union address k = {0};
    socklen_t size = sizeof k;
    (void)ctx;
    if (getsockname(fd, &k.any, &size) < 0)
        return -err_from_errno(errno);
    from_kernel(&k, ret_addr);
    return 0;
}

static void net_close(void *ctx, int fd)
{
    (void)ctx;
    close(fd);
}

struct net net_socket(void)
{
    static const struct net_ops ops = {.listen = net_listen,
                                       .accept = net_accept,
                                       .connect = net_connect,
                                       .connect_result = net_connect_result,
                                       .read = net_read,
                                       .write = net_write,
                                       .shutdown_write = net_shutdown_write,
                                       .udp_open = net_udp_open,
                                       .recv_from = net_recv_from,
                                       .send_to = net_send_to,
                                       .local_addr = net_local_addr,
                                       .close = net_close};
    return (struct net){&ops, NULL};
}
