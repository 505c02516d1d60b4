/*
 * The replica: Raft's actions performed on the disk worker and the state machine. Of one node:
 * it sends nothing, and an entry that is durable is committed.
 *
 * A command's way: replica_propose -> raft log and queue -> (end of the turn) worker: one frame,
 * one sync for all that waits -> RAFT_PERSISTED -> apply in order -> done.
 * Out of memory on that way only delays: the step is tried again from a timer.
 */
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/prng.h"
#include "store/store_int.h"

enum {
    SELF = 1,
    JOB_BYTES = 1024 * 1024, /* of entries in one frame, unless the first is larger */
    RETRY_MS = 10,
};

/* ---- Raft's actions ---- */

static int queue_reserve(struct store *s, size_t more)
{
    size_t need = s->queue_count + more;
    if (need <= s->queue_capacity)
        return 0;
    size_t capacity = s->queue_capacity ? s->queue_capacity : 64;
    while (capacity < need)
        capacity *= 2;
    struct raft_entry **p = mem_realloc(s->queue, capacity * sizeof(struct raft_entry *));
    if (!p)
        return -E_NOMEM;
    s->queue = p;
    s->queue_capacity = capacity;
    return 0;
}

static int step(struct store *s, const struct raft_event *e)
{
    struct raft_actions *a = &s->actions;
    int rc = queue_reserve(s, e->entry_count + 1);
    if (!rc)
        rc = raft_step(&s->raft, e, a);
    if (rc)
        return rc;
    ASSERT(a->message_count == 0 && !a->install_snapshot);
    if (a->persist_hard) {
        s->hard = a->hard;
        s->hard_dirty = true;
    }
    for (uint64_t i = a->append_from; i && i <= raft_last_index(&s->raft); i++)
        s->queue[s->queue_count++] = raft_entry_ref(raft_entry_at(&s->raft, i));
    s->apply_to = a->apply_to;
    return 0;
}

int replica_propose(struct store *s, struct raft_entry *e)
{
    struct raft_event event = {.kind = RAFT_PROPOSE, .entries = &e, .entry_count = 1};
    int rc = step(s, &event);
    if (!rc)
        replica_flush_soon(s);
    return rc;
}

/* ---- jobs for the worker ---- */

/* Moves what waits into the job; false when nothing does. */
static bool job_fill(struct store *s)
{
    struct worker_job *job = &s->worker.job;
    size_t count = 0, bytes = 0;
    while (count < s->queue_count && (count == 0 || bytes + s->queue[count]->size <= JOB_BYTES))
        bytes += s->queue[count++]->size;
    if (count > s->job_capacity) {
        struct raft_entry **p = mem_realloc(s->job_entries, s->queue_capacity * sizeof(*p));
        if (p) {
            s->job_entries = p;
            s->job_capacity = s->queue_capacity;
        } else {
            count = s->job_capacity;
        }
    }
    if (count)
        memcpy(s->job_entries, s->queue, count * sizeof(struct raft_entry *));
    s->queue_count -= count;
    memmove(s->queue, s->queue + count, s->queue_count * sizeof(struct raft_entry *));
    *job = (struct worker_job){s->hard_dirty, s->hard, s->job_entries, count};
    s->hard_dirty = false;
    return job->save_hard || count;
}

static void job_done(struct store *s)
{
    struct worker_job *job = &s->worker.job;
    if (job->save_hard)
        s->durable_hard = job->hard;
    if (job->count) {
        s->durable_index = job->entries[job->count - 1]->index;
        s->durable_term = job->entries[job->count - 1]->term;
    }
    for (size_t i = 0; i < job->count; i++)
        raft_entry_unref(job->entries[i]);
    job->count = 0;
    s->durable_news = true;
    s->job_runs = false;
}

static void snapshot_begin_if_due(struct store *s)
{
    uint64_t after = s->o.snapshot_after_bytes;
    if (after < s->value_bytes / 2)
        after = s->value_bytes / 2;
    if (s->snapshot_root || !s->root || s->log_written - s->snapshot_from < after)
        return;
    struct snapfile_meta meta = {s->worker.hard.log_id, s->applied, s->applied_term, s->revision};
    s->snapshot_root = tree_ref(s->root);
    s->snapshot_from = s->log_written;
    worker_snapshot(&s->worker, &meta, s->snapshot_root);
    if (s->o.synchronous)
        replica_flush_soon(s);
}

static void flush(struct store *s)
{
    if (s->job_runs || s->failed || s->closing)
        return;
    if (!job_fill(s) && !s->ask_space)
        return;
    s->ask_space = false;
    s->job_runs = true;
    worker_submit(&s->worker);
}

void replica_flush_soon(struct store *s)
{
    if (!s->job_runs || s->o.synchronous)
        loop_defer(s->o.loop, &s->flush);
}

/* ---- applying ---- */

static void finish(struct store *s, struct pending *p, const struct store_result *result)
{
    list_remove(&p->link);
    s->pending_count--;
    s->pending_bytes -= p->entry->size;
    store_done_fn *done = p->done;
    void *ctx = p->ctx;
    pending_free(p);
    done(ctx, result);
}

static int apply_next(struct store *s)
{
    struct raft_entry *e = raft_entry_ref(raft_entry_at(&s->raft, s->applied + 1));
    struct pending *p = LIST_FIRST(&s->pending, struct pending, link);
    if (p && p->entry != e)
        p = NULL;
    struct store_result result = {0, -1, s->revision};
    int rc = 0;
    if (e->kind == RAFT_ENTRY_COMMAND) {
        rc = store_apply(s, str_make(e->bytes, e->size), p, &result);
        ASSERT(rc == 0 || rc == -E_NOMEM); /* it was encoded here */
    }
    if (!rc) {
        s->applied = e->index;
        s->applied_term = e->term;
        s->commits++;
        if (p)
            finish(s, p, &result);
    }
    raft_entry_unref(e);
    return rc;
}

/* Steps what became durable, applies what became committed. */
static int advance(struct store *s)
{
    if (s->durable_news) {
        struct raft_event persisted = {
            .kind = RAFT_PERSISTED,
            .hard = s->durable_hard,
            .index = s->durable_index,
            .term = s->durable_term,
        };
        int rc = step(s, &persisted);
        if (rc)
            return rc;
        s->durable_news = false;
    }
    while (s->applied < s->apply_to) {
        int rc = apply_next(s);
        if (rc)
            return rc;
    }
    /* Nobody else needs the entries: what is applied leaves memory. */
    struct raft_event compact = {.kind = RAFT_COMPACT, .compact_index = s->applied};
    return step(s, &compact);
}

static void progress(struct store *s)
{
    if (advance(s))
        loop_timer_set(s->o.loop, &s->retry, RETRY_MS);
    snapshot_begin_if_due(s);
    if (watch_catching(&s->watches))
        loop_defer(s->o.loop, &s->watch_task);
    flush(s);
    if (s->queue_count && !s->job_runs && !s->failed)
        loop_timer_set(s->o.loop, &s->retry, RETRY_MS); /* no memory for the job's list */
}

static void report_take(struct store *s, const struct worker_report *r)
{
    s->free_bytes = r->free_bytes;
    s->log_bytes = r->log_bytes;
    s->log_written = r->log_written;
    s->syncs = r->syncs;
    s->asked_space_ms = loop_now_ms(s->o.loop);
    if (r->snapshot_done) {
        s->snapshots += r->snapshot_ok;
        tree_unref(s->snapshot_root);
        s->snapshot_root = NULL;
    }
    if (r->rc && !s->failed) {
        s->failed = true;
        s->o.on_fatal(s->o.ctx, r->err.text);
    }
}

void replica_on_fd(void *ctx, unsigned events)
{
    struct store *s = ctx;
    struct worker_report report;
    (void)events;
    if (!worker_collect(&s->worker, &report))
        return;
    if (report.job_done && !report.rc)
        job_done(s);
    report_take(s, &report);
    if (s->failed)
        return;
    s->job_again = report.job_again;
    progress(s);
    if (s->job_again)
        loop_timer_set(s->o.loop, &s->retry, RETRY_MS);
}

void replica_on_flush(void *ctx)
{
    struct store *s = ctx;
    flush(s);
    if (s->o.synchronous && worker_turn(&s->worker)) {
        replica_on_fd(s, 0);
        if (s->snapshot_root || (s->job_runs && !s->job_again))
            replica_flush_soon(s);
    }
    if (s->queue_count && !s->job_runs && !s->failed)
        loop_timer_set(s->o.loop, &s->retry, RETRY_MS);
}

void replica_on_retry(void *ctx)
{
    struct store *s = ctx;
    if (s->failed || s->closing)
        return;
    if (s->job_again) {
        s->job_again = false;
        worker_submit(&s->worker);
    }
    progress(s);
    if (s->o.synchronous && s->job_runs && !s->job_again)
        replica_flush_soon(s);
}

/* ---- opening ---- */

static int recovered_entry(void *ctx, const struct raft_entry *head, struct str bytes)
{
    struct store *s = ctx;
    /* One replica never replaces an entry. */
    if (head->index != s->applied + 1 || head->term < s->applied_term)
        return -E_CORRUPT;
    if (head->kind == RAFT_ENTRY_COMMAND) {
        struct store_result result;
        int rc = store_apply(s, bytes, NULL, &result);
        if (rc)
            return rc;
    }
    s->applied = head->index;
    s->applied_term = head->term;
    return 0;
}

static int any_fn(void *arg, const char *name)
{
    bool *any = arg;
    if (strncmp(name, "log-", 4) == 0 || strncmp(name, "snap-", 5) == 0)
        *any = true;
    return 0;
}

/* The hard file says whether there is a store at all. */
static int hard_recover(struct store *s, struct err *err)
{
    struct worker *w = &s->worker;
    int rc = hard_open(&s->disk, &w->hard, err);
    if (rc != -E_NOT_FOUND)
        return rc;
    bool any = false;
    err_clear(err);
    rc = s->disk.ops->list(s->disk.ctx, any_fn, &any);
    if (rc)
        return err_set(err, -rc, "store directory: listing: %s", err_text(rc));
    if (any)
        return err_set(err, E_CORRUPT,
                       "store file hard: missing, though there is a log or a snapshot. Restore the "
                       "store directory from a backup, or move it away to start empty");
    struct prng prng;
    prng_init(&prng, s->o.seed);
    rc = hard_create(&s->disk, prng_next(&prng), err);
    return rc ? rc : hard_open(&s->disk, &w->hard, err);
}

static bool value_count(void *ctx, struct store_value *v)
{
    struct store *s = ctx;
    s->value_bytes += (uint64_t)v->key_size + v->size;
    return true;
}

static int state_recover(struct store *s, struct err *err)
{
    struct worker *w = &s->worker;
    struct snapfile_meta meta;
    int rc = snapfile_load(&s->disk, w->hard.log_id, s->o.attach_free, &meta, &s->root, err);
    if (!rc) {
        s->revision = meta.revision;
        s->applied = meta.index;
        s->applied_term = meta.term;
        s->history.compacted = meta.revision;
        tree_range(s->root, STR(""), STR(""), value_count, s);
    } else if (rc != -E_NOT_FOUND) {
        return rc;
    }
    bool fresh = w->hard.hard.term == 0 && rc == -E_NOT_FOUND;
    rc = journal_open(&w->journal, &s->disk, w->hard.log_id, s->o.segment_bytes, s->applied, fresh,
                      recovered_entry, s, err);
    if (rc)
        return rc;
    if (s->applied_term > w->hard.hard.term)
        return err_set(err, E_CORRUPT,
                       "store file hard, offset 32: term %llu is older than the log's term %llu. "
                       "Restore the store directory from a backup",
                       (unsigned long long)w->hard.hard.term, (unsigned long long)s->applied_term);
    return 0;
}

/* A cluster of one elects itself: its vote, then the first entry of the term, both durable. */
static int lead(struct store *s, struct err *err)
{
    struct raft_config config = {
        .id = SELF,
        .nodes = {SELF},
        .node_count = 1,
        .seed = s->o.seed,
        .hard = s->worker.hard.hard,
        .base_index = s->applied,
        .base_term = s->applied_term,
    };
    struct raft_event start = {.kind = RAFT_START};
    int rc = raft_init(&s->raft, &config);
    if (!rc)
        rc = step(s, &start);
    while (!rc && job_fill(s)) {
        rc = worker_perform(&s->worker, &s->worker.job, err);
        job_done(s);
        if (!rc)
            rc = advance(s);
    }
    if (!rc && s->queue_count) /* no memory for the job's list */
        rc = -E_NOMEM;
    if (rc == -E_NOMEM)
        return err_set(err, E_NOMEM, "store: %s", err_text(rc));
    if (rc)
        return rc;
    ASSERT(s->raft.role == RAFT_LEADER && s->applied == raft_last_index(&s->raft));
    return 0;
}

int replica_open(struct store *s, struct err *err)
{
    struct worker *w = &s->worker;
    w->disk = &s->disk;
    struct err own = {0};
    int rc = hard_recover(s, &own);
    if (!rc)
        rc = state_recover(s, &own);
    if (!rc)
        rc = lead(s, &own);
    if (!rc) {
        rc = worker_start(w, &s->disk, s->o.synchronous);
        if (rc)
            err_set(&own, -rc, "store: starting the disk thread: %s", err_text(rc));
    }
    if (!rc && worker_fd(w) >= 0) {
        rc = loop_fd_add(s->o.loop, &s->fd, worker_fd(w), POLL_IN);
        if (rc)
            err_set(&own, -rc, "store: watching the disk thread: %s", err_text(rc));
    }
    if (rc)
        return err_set(err, -rc, "%s", own.text[0] ? own.text : err_text(rc));
    s->log_written = w->journal.written;
    s->log_bytes = journal_bytes(&w->journal);
    if (s->disk.ops->free_bytes(s->disk.ctx, &s->free_bytes))
        s->free_bytes = UINT64_MAX;
    return 0;
}

void replica_close(struct store *s)
{
    loop_fd_remove(s->o.loop, &s->fd);
    worker_stop(&s->worker);
    for (size_t i = 0; i < s->worker.job.count; i++)
        raft_entry_unref(s->worker.job.entries[i]);
    for (size_t i = 0; i < s->queue_count; i++)
        raft_entry_unref(s->queue[i]);
    mem_free(s->queue);
    mem_free(s->job_entries);
    raft_done(&s->raft);
    tree_unref(s->snapshot_root);
}
