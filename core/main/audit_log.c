#include "main/audit_log.h"

#include <pthread.h>
#include <signal.h>

#include "base/log.h"
#include "base/mem.h"

static const char current[] = "audit.log", former[] = "audit.log.1";
enum { STACK_BYTES = 128 * 1024 };

struct audit_log {
    struct disk disk;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows, and the files while they are read */
    pthread_cond_t wake;
    struct buf waiting;
    bool stop, failed;
    /* the thread's: */
    struct disk_file *file;
    uint64_t size;
    struct buf writing;
};

static int open_current(struct audit_log *l)
{
    const struct disk_ops *ops = l->disk.ops;
    int rc = ops->open(l->disk.ctx, current, true, &l->file);
    if (rc == 0)
        rc = ops->size(l->disk.ctx, l->file, &l->size);
    return rc;
}

/* The lock is held: nobody reads. */
static int rotate(struct audit_log *l)
{
    const struct disk_ops *ops = l->disk.ops;
    ops->close(l->disk.ctx, l->file);
    l->file = NULL;
    int rc = ops->rename(l->disk.ctx, current, former);
    return rc < 0 ? rc : open_current(l);
}

static void write_out(struct audit_log *l)
{
    const struct disk_ops *ops = l->disk.ops;
    size_t n = buf_len(&l->writing);
    int rc = ops->write(l->disk.ctx, l->file, l->size, buf_str(&l->writing).p, n);
    if (rc == 0)
        l->size += n;
    pthread_mutex_lock(&l->lock);
    if (rc == 0 && l->size >= AUDIT_LOG_FILE_BYTES)
        rc = rotate(l);
    /* A full disk drops events until there is room again; without a file there is nothing to do. */
    if (!l->failed && rc < 0 && rc != -E_NO_SPACE) {
        l->failed = true;
        log_err("audit log: %s: events are dropped from now on", err_text(rc));
    }
    if (!l->file)
        l->failed = true;
    pthread_mutex_unlock(&l->lock);
}

static void *thread_main(void *arg)
{
    struct audit_log *l = arg;
    pthread_mutex_lock(&l->lock);
    while (!l->stop || buf_len(&l->waiting)) {
        if (!buf_len(&l->waiting)) {
            pthread_cond_wait(&l->wake, &l->lock);
            continue;
        }
        struct buf taken = l->waiting;
        l->waiting = l->writing;
        l->writing = taken;
        pthread_mutex_unlock(&l->lock);
        if (!l->failed)
            write_out(l);
        buf_clear(&l->writing);
        pthread_mutex_lock(&l->lock);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static int start(struct audit_log *l)
{
    pthread_attr_t attr;
    sigset_t all, before;
    sigfillset(&all);
    if (pthread_attr_init(&attr))
        return -E_NOMEM;
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&l->thread, &attr, thread_main, l);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return rc ? -E_NOMEM : 0;
}

int audit_log_new(struct disk disk, struct audit_log **ret, struct err *err)
{
    struct audit_log *l = mem_zalloc(sizeof *l);
    if (!l)
        return err_set(err, E_NOMEM, "out of memory");
    l->disk = disk;
    buf_init(&l->waiting, AUDIT_LOG_WAITING_BYTES);
    buf_init(&l->writing, AUDIT_LOG_WAITING_BYTES);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->wake, NULL);
    int rc = open_current(l);
    if (rc == 0)
        rc = start(l);
    if (rc == 0) {
        *ret = l;
        return 0;
    }
    if (l->file)
        disk.ops->close(disk.ctx, l->file);
    mem_free(l);
    return err_set(err, -rc, "audit.log: %s", err_text(rc));
}

void audit_log_free(struct audit_log *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    if (l->file)
        l->disk.ops->close(l->disk.ctx, l->file);
    l->disk.ops->done(l->disk.ctx);
    buf_done(&l->waiting);
    buf_done(&l->writing);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    mem_free(l);
}

/* ---- the sink ---- */

static bool sink_write(void *ctx, struct str line)
{
    struct audit_log *l = ctx;
    pthread_mutex_lock(&l->lock);
    bool fits = !l->failed && buf_len(&l->waiting) + line.n <= AUDIT_LOG_WAITING_BYTES;
    if (fits)
        buf_append_str(&l->waiting, line);
    fits = fits && !l->waiting.failed;
    if (l->waiting.failed)
        buf_clear(&l->waiting);
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
    return fits;
}

/* The end of a file, from the first whole line on. */
static int read_tail(struct audit_log *l, const char *name, struct buf *out)
{
    const struct disk_ops *ops = l->disk.ops;
    struct disk_file *f;
    uint64_t size = 0;
    size_t n = 0, room = out->max_bytes - buf_len(out);
    int rc = ops->open(l->disk.ctx, name, false, &f);
    if (rc < 0)
        return rc == -E_NOT_FOUND ? 0 : rc;
    rc = ops->size(l->disk.ctx, f, &size);
    uint64_t from = size > room ? size - room : 0;
    char *to = rc == 0 && size ? buf_reserve(out, (size_t)(size - from)) : NULL;
    if (to)
        rc = ops->read(l->disk.ctx, f, from, to, (size_t)(size - from), &n);
    if (to && rc == 0) {
        const char *line = from ? memchr(to, '\n', n) : NULL;
        size_t skip = line ? (size_t)(line + 1 - to) : 0;
        memmove(to, to + skip, n - skip);
        buf_commit(out, n - skip);
    }
    ops->close(l->disk.ctx, f);
    return rc;
}

static int sink_read(void *ctx, struct buf *out)
{
    struct audit_log *l = ctx;
    pthread_mutex_lock(&l->lock);
    int rc = read_tail(l, current, out);
    pthread_mutex_unlock(&l->lock);
    return out->failed ? -E_NOMEM : rc;
}

struct api_audit_sink audit_log_sink(struct audit_log *l)
{
    return (struct api_audit_sink){sink_write, sink_read, l};
}
