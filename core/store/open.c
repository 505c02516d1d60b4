/*
 * Opening: the hard state says whether there is a store at all; the newest snapshot gives the
 * state; the log's entries behind it go back to Raft, which says when they are committed. A cluster
 * of one knows that at once and leads when store_open returns.
 */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/prng.h"
#include "store/store_int.h"

/* What the log holds behind the snapshot; a later record replaces those of its index and after. */
struct restored {
    struct store *store;
    struct raft_entry **entries;
    size_t count, capacity;
};

static int restored_add(struct restored *r, const struct raft_entry *head, struct str bytes)
{
    if (r->count == r->capacity) {
        size_t capacity = r->capacity ? r->capacity * 2 : 256;
        struct raft_entry **p = mem_realloc(r->entries, capacity * sizeof(*p));
        if (!p)
            return -E_NOMEM;
        r->entries = p;
        r->capacity = capacity;
    }
    struct raft_entry *e;
    int rc = raft_entry_new((enum raft_entry_kind)head->kind, bytes.n, &e);
    if (rc)
        return rc;
    e->index = head->index;
    e->term = head->term;
    memcpy(e->bytes, bytes.p, bytes.n);
    r->entries[r->count++] = e;
    return 0;
}

static int recovered_entry(void *ctx, const struct raft_entry *head, struct str bytes)
{
    struct restored *r = ctx;
    while (r->count && r->entries[r->count - 1]->index >= head->index)
        raft_entry_unref(r->entries[--r->count]);
    uint64_t index = r->count ? r->entries[r->count - 1]->index : r->store->applied;
    uint64_t term = r->count ? r->entries[r->count - 1]->term : r->store->applied_term;
    /* Older than the snapshot that came from the leader: never committed, and void. */
    if (head->term < term && r->count == 0)
        return 0;
    if (head->index != index + 1 || head->term < term)
        return -E_CORRUPT;
    return restored_add(r, head, bytes);
}

static void restored_free(struct restored *r)
{
    for (size_t i = 0; i < r->count; i++)
        raft_entry_unref(r->entries[i]);
    mem_free(r->entries);
}

static uint64_t id_draw(struct prng *p)
{
    uint64_t id;
    do
        id = prng_next(p);
    while (!id);
    return id;
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
    rc = hard_create(&s->disk, id_draw(&prng), s->o.join, err);
    return rc ? rc : hard_open(&s->disk, &w->hard, err);
}

static int log_recover(struct store *s, struct restored *r, struct err *err)
{
    struct worker *w = &s->worker;
    struct snapfile_meta meta;
    int rc = snapfile_load(&s->disk, w->hard.log_id, s->o.attach_free, &meta, &s->root, err);
    if (!rc) {
        s->revision = meta.revision;
        s->applied = meta.index;
        s->applied_term = meta.term;
        s->members = meta.members;
        s->history.compacted = meta.revision;
        s->hash_from = meta.index;
        store_count(s);
    } else if (rc != -E_NOT_FOUND) {
        return rc;
    }
    bool fresh = w->hard.hard.term == 0 && rc == -E_NOT_FOUND;
    rc = journal_open(&w->journal, &s->disk, w->hard.log_id, s->o.segment_bytes, s->applied, fresh,
                      recovered_entry, r, err);
    if (rc)
        return rc;
    uint64_t term = r->count ? r->entries[r->count - 1]->term : s->applied_term;
    if (term > w->hard.hard.term)
        return err_set(err, E_CORRUPT,
                       "store file hard, offset 32: term %llu is older than the log's term %llu. "
                       "Restore the store directory from a backup",
                       (unsigned long long)w->hard.hard.term, (unsigned long long)term);
    return 0;
}

/* Before its first change a cluster has one member, unless this store waits to be added to one. */
static void members_begin(struct store *s)
{
    if (s->applied || s->worker.hard.joins)
        return;
    s->members = (struct raft_members){.count = 1, .at = {{.id = s->worker.hard.log_id}}};
    snprintf(s->members.at[0].address, RAFT_ADDRESS_MAX, "%s", s->o.address ? s->o.address : "");
}

static int raft_open(struct store *s, const struct restored *r)
{
    members_begin(s);
    struct raft_config config = {
        .id = s->worker.hard.log_id,
        .members = s->members,
        .seed = s->o.seed,
        .hard = s->worker.hard.hard,
        .base_index = s->applied,
        .base_term = s->applied_term,
    };
    s->hard = s->durable_hard = s->worker.hard.hard;
    s->apply_to = s->applied;
    int rc = raft_init(&s->raft, &config);
    for (size_t i = 0; !rc && i < r->count; i++)
        rc = raft_restore(&s->raft, r->entries[i]);
    s->durable_index = raft_last_index(&s->raft);
    s->durable_term = raft_term_at(&s->raft, s->durable_index);
    return rc;
}

/* A cluster of one elects itself: its vote, then the first entry of the term, both durable. */
static int start(struct store *s, struct err *err)
{
    struct raft_event event = {.kind = RAFT_START};
    int rc = replica_step(s, &event);
    while (!rc && replica_job_fill(s)) {
        rc = worker_perform(&s->worker, &s->worker.job, err);
        replica_job_done(s);
        if (!rc)
            rc = replica_advance(s);
    }
    if (!rc && s->queue_count) /* no memory for the job's list */
        rc = -E_NOMEM;
    if (rc == -E_NOMEM)
        return err_set(err, E_NOMEM, "store: %s", err_text(rc));
    if (rc)
        return rc;
    if (s->failed)
        return err_set(err, E_CORRUPT, "store: the log holds what is no command of this version");
    if (replica_alone(s))
        ASSERT(s->raft.role == RAFT_LEADER && s->applied == raft_last_index(&s->raft));
    return 0;
}

static int recover(struct store *s, struct err *err)
{
    struct restored r = {.store = s};
    int rc = hard_recover(s, err);
    if (!rc)
        rc = log_recover(s, &r, err);
    if (!rc) {
        struct prng prng;
        prng_init(&prng, s->o.seed ^ s->worker.hard.log_id ^ s->worker.hard.sequence);
        s->session = id_draw(&prng);
        /* An answer to a question of an earlier opening is none to a later one. */
        s->read_seq = s->session >> 1;
        rc = raft_open(s, &r);
    }
    restored_free(&r);
    return rc ? rc : start(s, err);
}

int replica_open(struct store *s, struct err *err)
{
    struct worker *w = &s->worker;
    w->disk = &s->disk;
    struct err own = {0};
    int rc = recover(s, &own);
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
    if (!replica_alone(s))
        loop_timer_set(s->o.loop, &s->tick, s->o.tick_ms);
    replica_progress(s);
    return 0;
}

void replica_close(struct store *s)
{
    loop_fd_remove(s->o.loop, &s->fd);
    worker_stop(&s->worker);
    for (size_t i = 0; i < s->worker.job.count; i++)
        raft_entry_unref(s->worker.job.entries[i]);
    for (size_t i = 0; i < s->queue_count; i++)
        raft_entry_unref(s->queue[i].entry);
    mem_free(s->queue);
    mem_free(s->outbox);
    mem_free(s->job_entries);
    stream_close(s);
    raft_done(&s->raft);
    tree_unref(s->snapshot_root);
}
