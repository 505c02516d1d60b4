/* Level-triggered epoll. See epoll.h. */
#include "drivers/loop/epoll.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64 };

static int fd_of(void *ctx)
{
    return (int)(intptr_t)ctx;
}

static int64_t now(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t monotonic_ns(void *ctx)
{
    (void)ctx;
    return now(CLOCK_MONOTONIC);
}

static int64_t realtime_ns(void *ctx)
{
    (void)ctx;
    return now(CLOCK_REALTIME);
}

static int set(void *ctx, int fd, unsigned events, void *tag)
{
    struct epoll_event e = {.data.ptr = tag};
    if (events == 0)
        return epoll_ctl(fd_of(ctx), EPOLL_CTL_DEL, fd, NULL) < 0 ? -err_from_errno(errno) : 0;
    if (events & POLL_IN)
        e.events |= EPOLLIN;
    if (events & POLL_OUT)
        e.events |= EPOLLOUT;
    if (epoll_ctl(fd_of(ctx), EPOLL_CTL_MOD, fd, &e) == 0)
        return 0;
    if (errno == ENOENT && epoll_ctl(fd_of(ctx), EPOLL_CTL_ADD, fd, &e) == 0)
        return 0;
    return -err_from_errno(errno);
}

static int wait_events(void *ctx, int timeout_ms, struct poll_event *ret_events, int max)
{
    struct epoll_event e[BATCH];
    int n = epoll_wait(fd_of(ctx), e, max < BATCH ? max : BATCH, timeout_ms);
    if (n < 0)
        return errno == EINTR ? 0 : -err_from_errno(errno);
    for (int i = 0; i < n; i++) {
        unsigned events = 0;
        if (e[i].events & (EPOLLIN | EPOLLHUP | EPOLLRDHUP))
            events |= POLL_IN;
        if (e[i].events & EPOLLOUT)
            events |= POLL_OUT;
        if (e[i].events & (EPOLLERR | EPOLLHUP))
            events |= POLL_ERR;
        ret_events[i] = (struct poll_event){e[i].data.ptr, events};
    }
    return n;
}

static void close_poll(void *ctx)
{
    close(fd_of(ctx));
}

int poll_epoll_open(struct poll *ret_poll)
{
    static const struct poll_ops ops = {.monotonic_ns = monotonic_ns,
                                        .realtime_ns = realtime_ns,
                                        .set = set,
                                        .wait = wait_events,
                                        .close = close_poll};
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0)
        return -err_from_errno(errno);
    *ret_poll = (struct poll){&ops, (void *)(intptr_t)fd};
    return 0;
}
