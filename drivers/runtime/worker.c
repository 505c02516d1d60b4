/* See worker.h. */
#include "drivers/runtime/worker.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "kernel-glue/abi/process.h"

struct worker {
    struct loop *loop;
    struct loop_fd pidfd;
    struct loop_timer deadline;
    int fd, out;
    bool late;
    void (*done)(void *ctx, const struct worker_result *r);
    void *ctx;
};

struct answer {
    int64_t rc, values[4];
};

static void finish(struct worker *w, int rc)
{
    struct answer a = {0};
    struct worker_result r = {.rc = rc};
    if (rc == 0 && read(w->out, &a, sizeof a) == sizeof a) {
        r.rc = (int)a.rc;
        memcpy(r.values, a.values, sizeof r.values);
    } else if (rc == 0)
        r.rc = w->late ? -E_TIMEOUT : -E_INTERNAL;
    loop_fd_remove(w->loop, &w->pidfd);
    loop_timer_cancel(w->loop, &w->deadline);
    close(w->fd);
    close(w->out);
    w->done(w->ctx, &r);
    mem_free(w);
}

static void ended(void *ctx, unsigned events)
{
    struct worker *w = ctx;
    int code, sig;
    (void)events;
    if (process_reap(w->fd, &code, &sig) != PROCESS_RUNNING)
        finish(w, 0);
}

/* Killed; a child that hangs in the kernel even so is given up. */
static void expired(void *ctx)
{
    struct worker *w = ctx;
    if (w->late) {
        finish(w, -E_TIMEOUT);
        return;
    }
    w->late = true;
    if (process_signal(w->fd, SIGKILL) < 0)
        finish(w, -E_TIMEOUT);
    else
        loop_timer_set(w->loop, &w->deadline, 1000);
}

static void child(int out, int (*fn)(void *, int64_t *), void *ctx) __attribute__((noreturn));
static void child(int out, int (*fn)(void *, int64_t *), void *ctx)
{
    struct answer a = {0};
    process_die_with_parent();
    a.rc = fn(ctx, a.values);
    ssize_t n = write(out, &a, sizeof a);
    _exit(n == sizeof a ? 0 : 1);
}

int worker_run(struct loop *loop, int deadline_ms, int (*fn)(void *ctx, int64_t values[4]), void *ctx,
               void (*done)(void *done_ctx, const struct worker_result *r), void *done_ctx)
{
    struct worker *w = mem_zalloc(sizeof *w);
    int ends[2], rc;
    pid_t pid;
    if (!w)
        return -E_NOMEM;
    if (pipe2(ends, O_CLOEXEC) < 0) {
        mem_free(w);
        return -E_LIMIT;
    }
    rc = process_clone(0, -1, &pid, &w->fd);
    if (rc == 0 && pid == 0)
        child(ends[1], fn, ctx);
    close(ends[1]);
    w->loop = loop;
    w->out = ends[0];
    w->done = done;
    w->ctx = done_ctx;
    loop_fd_init(&w->pidfd, ended, w);
    loop_timer_init(&w->deadline, expired, w);
    if (rc == 0 && (rc = loop_fd_add(loop, &w->pidfd, w->fd, POLL_IN)) < 0) {
        kill(pid, SIGKILL);
        close(w->fd);
    }
    if (rc < 0) {
        close(w->out);
        mem_free(w);
        return rc;
    }
    loop_timer_set(loop, &w->deadline, deadline_ms);
    return 0;
}
