/* The disk thread. See worker.h. */
#include "store/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/assert.h"

enum { STACK_BYTES = 256 * 1024 };

int worker_perform(struct worker *w, const struct worker_job *job, struct err *err)
{
    int rc = 0;
    if (job->save_hard)
        rc = hard_save(w->disk, &w->hard, job->hard, err);
    if (!rc && job->count)
        rc = journal_append(&w->journal, job->entries, job->count, err);
    return rc;
}

/* With the lock held. */
static void tell(struct worker *w)
{
    uint64_t free_bytes = 0;
    if (w->disk->ops->free_bytes(w->disk->ctx, &free_bytes) == 0)
        w->report.free_bytes = free_bytes;
    /* What is free is worth nothing while the next segment does not fit. */
    if (w->journal.no_space && free_bytes < 2 * w->journal.segment_bytes)
        w->report.free_bytes = 0;
    w->report.log_bytes = journal_bytes(&w->journal);
    w->report.log_written = w->journal.written;
    w->report.syncs = w->journal.syncs;
    if (w->fds[1] >= 0) {
        char byte = 0;
        /* A full pipe is readable, which is all that matters. */
        ssize_t n = write(w->fds[1], &byte, 1);
        (void)n;
    }
}

static void fail(struct worker *w, int rc, const struct err *err)
{
    w->failed = true;
    w->report.rc = rc;
    w->report.err = *err;
}

static void run_job(struct worker *w)
{
    struct err err = {0};
    pthread_mutex_unlock(&w->lock);
    int rc = w->failed ? 0 : worker_perform(w, &w->job, &err);
    pthread_mutex_lock(&w->lock);
    if (rc && rc != -E_NOMEM)
        fail(w, rc, &err);
    w->job_waits = false;
    w->report.job_again = rc == -E_NOMEM;
    w->report.job_done = !w->report.job_again;
    tell(w);
}

/* While nothing waits: what is durable is marked as such. */
static void mark(struct worker *w)
{
    struct err err = {0};
    if (w->failed || w->job_waits || w->stop)
        return;
    pthread_mutex_unlock(&w->lock);
    int rc = journal_mark(&w->journal, &err);
    pthread_mutex_lock(&w->lock);
    if (rc) {
        fail(w, rc, &err);
        tell(w);
    }
}

static int snapshot_go_on(struct worker *w, struct err *err)
{
    int rc;
    if (!w->snapshot.file) {
        rc = snapfile_begin(&w->snapshot, w->disk, &w->snapshot_meta, w->snapshot_root, err);
        return rc ? rc : 1;
    }
    rc = snapfile_step(&w->snapshot, err);
    if (!rc)
        rc = snapfile_trim(w->disk, w->snapshot_meta.index, err);
    if (!rc)
        rc = journal_trim(&w->journal, w->snapshot_meta.index, err);
    return rc;
}

static void run_snapshot(struct worker *w)
{
    struct err err = {0};
    pthread_mutex_unlock(&w->lock);
    int rc = snapshot_go_on(w, &err);
    pthread_mutex_lock(&w->lock);
    if (rc > 0)
        return;
    w->snapshot_wanted = false;
    w->report.snapshot_done = true;
    w->report.snapshot_ok = rc == 0;
    if (rc && rc != -E_NO_SPACE && rc != -E_NOMEM)
        fail(w, rc, &err);
    tell(w);
}

static void *thread_main(void *arg)
{
    struct worker *w = arg;
    pthread_mutex_lock(&w->lock);
    while (!w->stop) {
        bool snapshot = w->snapshot_wanted && !w->failed;
        if (!w->job_waits && !snapshot) {
            pthread_cond_wait(&w->wake, &w->lock);
            continue;
        }
        if (w->job_waits) {
            run_job(w);
            mark(w);
        }
        if (snapshot && !w->stop)
            run_snapshot(w);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* Signals are the loop's thread's business. */
static int thread_start(struct worker *w)
{
    pthread_attr_t attr;
    sigset_t all, before;
    int rc = pthread_attr_init(&attr);
    if (rc)
        return -err_from_errno(rc);
    sigfillset(&all);
    rc = pthread_attr_setstacksize(&attr, STACK_BYTES);
    if (!rc)
        rc = pthread_sigmask(SIG_SETMASK, &all, &before);
    if (!rc) {
        rc = pthread_create(&w->thread, &attr, thread_main, w);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pthread_attr_destroy(&attr);
    return rc ? -err_from_errno(rc) : 0;
}

int worker_start(struct worker *w, struct disk *d, bool synchronous)
{
    w->disk = d;
    w->synchronous = synchronous;
    w->fds[0] = w->fds[1] = -1;
    if (!synchronous && pipe2(w->fds, O_CLOEXEC | O_NONBLOCK))
        return -err_from_errno(errno);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    int rc = synchronous ? 0 : thread_start(w);
    if (rc) {
        pthread_mutex_destroy(&w->lock);
        pthread_cond_destroy(&w->wake);
        close(w->fds[0]);
        close(w->fds[1]);
        return rc;
    }
    w->started = true;
    return 0;
}

void worker_stop(struct worker *w)
{
    if (w->started) {
        pthread_mutex_lock(&w->lock);
        w->stop = true;
        pthread_cond_signal(&w->wake);
        pthread_mutex_unlock(&w->lock);
        if (!w->synchronous) {
            pthread_join(w->thread, NULL);
            close(w->fds[0]);
            close(w->fds[1]);
        }
        pthread_mutex_destroy(&w->lock);
        pthread_cond_destroy(&w->wake);
        w->started = false;
    }
    snapfile_abort(&w->snapshot);
    if (w->journal.disk)
        journal_close(&w->journal);
    if (w->disk)
        hard_close(w->disk, &w->hard);
}

int worker_fd(const struct worker *w)
{
    return w->fds[0];
}

void worker_submit(struct worker *w)
{
    pthread_mutex_lock(&w->lock);
    ASSERT(!w->job_waits);
    w->job_waits = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

void worker_snapshot(struct worker *w, const struct snapfile_meta *meta,
                     const struct tree_node *root)
{
    pthread_mutex_lock(&w->lock);
    ASSERT(!w->snapshot_wanted);
    w->snapshot_wanted = true;
    w->snapshot_meta = *meta;
    w->snapshot_root = root;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

bool worker_turn(struct worker *w)
{
    ASSERT(w->synchronous);
    pthread_mutex_lock(&w->lock);
    bool snapshot = w->snapshot_wanted && !w->failed, job = w->job_waits;
    if (job) {
        run_job(w);
        mark(w);
    }
    if (snapshot)
        run_snapshot(w);
    pthread_mutex_unlock(&w->lock);
    return job || snapshot;
}

bool worker_collect(struct worker *w, struct worker_report *ret_report)
{
    char drain[64];
    if (w->fds[0] >= 0)
        while (read(w->fds[0], drain, sizeof(drain)) == (ssize_t)sizeof(drain))
            ;
    pthread_mutex_lock(&w->lock);
    *ret_report = w->report;
    w->report.job_done = w->report.job_again = w->report.snapshot_done = false;
    pthread_mutex_unlock(&w->lock);
    return ret_report->job_done || ret_report->job_again || ret_report->snapshot_done ||
           ret_report->rc;
}
