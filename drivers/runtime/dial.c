/* Connections made inside a pod's network namespace: 127.0.0.1, then ::1. See engine.h. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "drivers/runtime/engine_int.h"
#include "kernel-glue/abi/process.h"
#include "kernel-glue/netlink/netlink.h"

enum { DIAL_MS = 5000 };

struct dialing {
    struct engine *e;
    struct loop_fd fd;
    struct loop_timer deadline;
    int sock, ns;
    uint16_t port;
    int tried; /* families so far */
    runtime_streams_fn *done;
    void *ctx;
};

static void end(struct dialing *d, int rc, const char *message)
{
    struct runtime_result r = {rc, message};
    struct runtime_streams s = {.in = d->sock, .out = -1, .error = -1};
    loop_fd_remove(d->e->loop, &d->fd);
    loop_timer_cancel(d->e->loop, &d->deadline);
    if (d->ns >= 0)
        close(d->ns);
    if (rc == 0)
        s.out = fcntl(d->sock, F_DUPFD_CLOEXEC, 0);
    else if (d->sock >= 0)
        close(d->sock);
    d->done(d->ctx, &r, rc == 0 ? &s : NULL);
    mem_free(d);
}

/* 0: begun; else errno. */
static int begin(struct dialing *d)
{
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(d->port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(d->port),
                               .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool v6 = d->tried++ > 0;
    if (netlink_socket_in(d->ns, v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, &d->sock) < 0)
        return errno;
    int rc = v6 ? connect(d->sock, (struct sockaddr *)&six, sizeof six)
                : connect(d->sock, (struct sockaddr *)&four, sizeof four);
    if (rc < 0 && errno != EINPROGRESS) {
        rc = errno;
        close(d->sock);
        d->sock = -1;
        return rc;
    }
    return loop_fd_add(d->e->loop, &d->fd, d->sock, POLL_OUT) < 0 ? ENOMEM : 0;
}

static void next(struct dialing *d, int why)
{
    while (d->tried < 2 && (why = begin(d)) != 0)
        ;
    if (why)
        end(d, -err_from_errno(why), why == ECONNREFUSED ? "connection refused" : err_text(err_from_errno(why)));
}

static void ready(void *ctx, unsigned events)
{
    struct dialing *d = ctx;
    int error = 0;
    socklen_t n = sizeof error;
    (void)events;
    if (getsockopt(d->sock, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
        error = errno;
    if (error == 0) {
        end(d, 0, "");
        return;
    }
    loop_fd_remove(d->e->loop, &d->fd);
    close(d->sock);
    d->sock = -1;
    next(d, error);
}

static void late(void *ctx)
{
    end(ctx, -E_TIMEOUT, "connect: timed out");
}

void pods_dial(void *self, const char *uid, uint16_t port, runtime_streams_fn *done, void *ctx)
{
    struct engine *e = self;
    struct pod *p = engine_pod(e, uid);
    struct dialing *d = p && p->alive ? mem_zalloc(sizeof *d) : NULL;
    if (!d) {
        engine_streams_failed(done, ctx, p && p->alive ? -E_NOMEM : -E_NOT_FOUND, "the pod is not running");
        return;
    }
    *d = (struct dialing){.e = e, .sock = -1, .ns = -1, .port = port, .done = done, .ctx = ctx};
    loop_fd_init(&d->fd, ready, d);
    loop_timer_init(&d->deadline, late, d);
    if (process_namespace_open(p->shim_pid, "net", &d->ns) < 0) {
        end(d, -E_NOT_FOUND, "the pod's network is gone");
        return;
    }
    loop_timer_set(e->loop, &d->deadline, DIAL_MS);
    next(d, 0);
}
