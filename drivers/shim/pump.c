/* From the containers' outputs into logs and to those who are attached. See shim.h. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "drivers/shim/shim.h"

enum { WATCH_BYTES = 1024 * 1024, SETPIPE = 1031 /* F_SETPIPE_SZ */, DRAIN_READS = 64 };

/* A reader that does not keep up within its pipe is let go: it must not stall the container, nor
 * cost memory without end. */
static void copy_to_watchers(struct proc *p, int stream, const char *bytes, size_t n)
{
    for (int i = 0; i < SHIM_WATCHERS; i++) {
        int *fd = &p->watchers[stream][i];
        if (*fd >= 0 && write(*fd, bytes, n) != (ssize_t)n) {
            close(*fd);
            *fd = -1;
        }
    }
}

static void end_of(struct proc *p, int stream, int *fd)
{
    close(*fd);
    *fd = -1;
    for (int i = 0; i < SHIM_WATCHERS; i++)
        if (p->watchers[stream][i] >= 0) {
            close(p->watchers[stream][i]);
            p->watchers[stream][i] = -1;
        }
}

/* 1: there may be more. */
static int pump_once(struct shim *s, struct proc *p, int stream)
{
    int *fd = p->terminal >= 0 ? &p->terminal : &p->out[stream];
    if (*fd < 0)
        return 0;
    ssize_t n = read(*fd, s->io, SHIM_MSG_BYTES);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0) { /* a terminal ends with EIO */
        end_of(p, stream, fd);
        return 0;
    }
    log_stream_write(&p->streams[stream], s->io, (size_t)n, &s->scratch);
    copy_to_watchers(p, stream, s->io, (size_t)n);
    return 1;
}

void proc_pump(struct shim *s, struct proc *p, int stream)
{
    pump_once(s, p, stream);
}

void proc_drain(struct shim *s, struct proc *p)
{
    for (int stream = 0; stream < 2; stream++)
        for (int i = 0; i < DRAIN_READS && pump_once(s, p, stream); i++)
            ;
}

static int watch(struct proc *p, int stream, int *ret_fd)
{
    int ends[2];
    for (int i = 0; i < SHIM_WATCHERS; i++)
        if (p->watchers[stream][i] < 0) {
            if (pipe2(ends, O_CLOEXEC) < 0)
                return -err_from_errno(errno);
            fcntl(ends[1], F_SETFL, O_NONBLOCK);
            fcntl(ends[1], SETPIPE, WATCH_BYTES);
            p->watchers[stream][i] = ends[1];
            *ret_fd = ends[0];
            return 0;
        }
    return -E_LIMIT;
}

int proc_attach(struct proc *p, int ret_fds[3], unsigned *ret_streams)
{
    int n = 0, in = p->terminal >= 0 ? p->terminal : p->in, rc;
    unsigned streams = 0;
    if (in >= 0) {
        ret_fds[n] = fcntl(in, F_DUPFD_CLOEXEC, 0);
        if (ret_fds[n] < 0)
            return -err_from_errno(errno);
        n++;
        streams |= p->terminal >= 0 ? 1 | 16 : 1;
        if (p->stdin_once && p->in >= 0) {
            close(p->in);
            p->in = -1;
        }
    }
    for (int stream = 0; stream < (p->terminal >= 0 ? 1 : 2); stream++) {
        if ((rc = watch(p, stream, &ret_fds[n])) < 0) {
            while (n)
                close(ret_fds[--n]);
            return rc;
        }
        n++;
        streams |= 2u << stream;
    }
    *ret_streams = streams;
    return 0;
}
