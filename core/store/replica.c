/*
 * The replica: Raft's actions performed on the disk worker, the other replicas and the state
 * machine.
 *
 * A command's way on the leader: forward_add -> raft log, messages and queue -> (end of the turn)
 * worker: one frame, one sync for all that waits -> RAFT_PERSISTED -> apply in order -> done.
 * What Raft wants sent only when something is durable waits in the outbox for the job that has it.
 * Out of memory on that way only delays: the step is tried again from a timer.
 */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "store/store_int.h"

enum {
    JOB_BYTES = 1024 * 1024, /* of entries in one frame, unless the first is larger */
    TICK_MS = 50,
    /* Applied entries kept in memory for replicas that lag. */
    KEEP_BYTES = 4 * 1024 * 1024,
    KEEP_ENTRIES = 8192,
    HASH_TICKS = 100,
};

bool replica_alone(const struct store *s)
{
    return s->raft.peer_count == 0 && s->raft.self_voter;
}

void replica_fail(struct store *s, const char *message)
{
    if (s->failed)
        return;
    s->failed = true;
    s->o.on_fatal(s->o.ctx, message);
}

/* ---- messages ---- */

void replica_send(struct store *s, uint64_t to, const struct peer_msg *m, struct str rest)
{
    char head[PEER_MSG_SMALL];
    struct str parts[2] = {str_make(head, peer_msg_small(head, m)), rest};
    if (s->o.transport.ops)
        s->o.transport.ops->send(s->o.transport.ctx, to, parts, rest.n ? 2 : 1);
}

static void raft_send_now(struct store *s, const struct raft_message *m)
{
    char head[PEER_MSG_RAFT_HEAD], heads[RAFT_MESSAGE_ENTRIES_MAX][PEER_MSG_ENTRY_HEAD];
    struct str parts[PEER_MSG_PARTS_MAX];
    size_t count = 0;
    peer_msg_raft_head(head, m);
    parts[count++] = str_make(head, sizeof(head));
    for (uint32_t i = 0; i < m->entry_count; i++) {
        const struct raft_entry *e = m->entries[i];
        peer_msg_entry_head(heads[i], e);
        parts[count++] = str_make(heads[i], PEER_MSG_ENTRY_HEAD);
        if (e->size)
            parts[count++] = str_make(e->bytes, e->size);
    }
    s->o.transport.ops->send(s->o.transport.ctx, m->to, parts, count);
}

static void raft_send_one(struct store *s, const struct raft_message *m)
{
    if (!s->o.transport.ops)
        return;
    if (m->kind == RAFT_SNAPSHOT) {
        stream_begin(s, m);
    } else if (m->early || s->durable_demand >= s->demand) {
        raft_send_now(s, m);
    } else {
        ASSERT(m->entry_count == 0 && s->outbox_count < s->outbox_capacity);
        struct outgoing *out = &s->outbox[s->outbox_count++];
        out->demand = s->demand;
        out->to = m->to;
        peer_msg_raft_head(out->bytes, m);
    }
}

static void outbox_flush(struct store *s)
{
    size_t sent = 0;
    for (; sent < s->outbox_count && s->outbox[sent].demand <= s->durable_demand; sent++) {
        struct str part = str_make(s->outbox[sent].bytes, PEER_MSG_RAFT_HEAD);
        s->o.transport.ops->send(s->o.transport.ctx, s->outbox[sent].to, &part, 1);
    }
    if (!sent)
        return;
    s->outbox_count -= sent;
    memmove(s->outbox, s->outbox + sent, s->outbox_count * sizeof(s->outbox[0]));
}

/* ---- Raft's actions ---- */

/* Grows an array by doubling; *p and *capacity unchanged on failure. */
static int reserve(void **p, size_t *capacity, size_t need, size_t each)
{
    if (need <= *capacity)
        return 0;
    size_t wanted = *capacity ? *capacity : 64;
    while (wanted < need)
        wanted *= 2;
    void *grown = mem_realloc(*p, wanted * each);
    if (!grown)
        return -E_NOMEM;
    *p = grown;
    *capacity = wanted;
    return 0;
}

static int step_reserve(struct store *s, const struct raft_event *e)
{
    size_t entries = e->entry_count + 1;
    if (e->kind == RAFT_RECEIVE)
        entries += e->message->entry_count;
    void *queue = s->queue, *outbox = s->outbox;
    int rc = reserve(&queue, &s->queue_capacity, s->queue_count + entries, sizeof(s->queue[0]));
    s->queue = queue;
    if (!rc && s->o.transport.ops)
        rc = reserve(&outbox, &s->outbox_capacity, s->outbox_count + RAFT_MESSAGES_MAX,
                     sizeof(s->outbox[0]));
    s->outbox = outbox;
    return rc;
}

/* New entries go to the log; those that they replace and that still wait do not. */
static void queue_entries(struct store *s, uint64_t from)
{
    while (s->queue_count && s->queue[s->queue_count - 1].entry->index >= from)
        raft_entry_unref(s->queue[--s->queue_count].entry);
    for (uint64_t i = from; i <= raft_last_index(&s->raft); i++)
        s->queue[s->queue_count++] =
            (struct queued){raft_entry_ref(raft_entry_at(&s->raft, i)), s->demand};
}

static void members_tell(struct store *s)
{
    if (s->members_told == s->raft.members_index + 1)
        return;
    s->members_told = s->raft.members_index + 1;
    if (s->o.transport.ops && s->o.transport.ops->members)
        s->o.transport.ops->members(s->o.transport.ctx, &s->raft.members);
    if (!replica_alone(s) && !loop_timer_armed(&s->tick))
        loop_timer_set(s->o.loop, &s->tick, s->o.tick_ms);
}

/* The state that was streamed here takes the place of ours. */
static void install(struct store *s)
{
    struct peer_msg_chunk *c = &s->incoming.chunk;
    ASSERT(s->incoming.complete);
    if (!watch_index_empty(&s->watches)) {
        /* Watches cannot be told what they missed; at the next start they begin anew. */
        replica_fail(s, "this replica fell too far behind and was sent the whole state: it starts "
                        "again with that");
        return;
    }
    struct snapfile_meta meta = {.index = c->index, .term = c->log_term, .revision = c->revision,
                                 .members = c->members};
    store_replace(s, tree_ref(s->incoming.root), &meta);
    s->kept_bytes = 0;
    forward_uncertain(s);
}

int replica_step(struct store *s, const struct raft_event *e)
{
    struct raft_actions *a = &s->actions;
    int rc = step_reserve(s, e);
    if (!rc)
        rc = raft_step(&s->raft, e, a);
    if (rc)
        return rc;
    if (a->install_snapshot)
        install(s);
    if (a->persist_hard || a->append_from)
        s->demand++;
    if (a->persist_hard) {
        s->hard = a->hard;
        s->hard_dirty = true;
    }
    if (a->append_from)
        queue_entries(s, a->append_from);
    for (uint32_t i = 0; i < a->message_count; i++)
        raft_send_one(s, &a->messages[i]);
    s->apply_to = a->apply_to;
    if (a->read_done)
        reads_done(s, a->read_done, a->read_index);
    if (a->read_failed)
        reads_failed(s);
    members_tell(s);
    return 0;
}

/* ---- jobs for the worker ---- */

bool replica_job_fill(struct store *s)
{
    struct worker_job *job = &s->worker.job;
    size_t count = 0, bytes = 0;
    while (count < s->queue_count &&
           (count == 0 || bytes + s->queue[count].entry->size <= JOB_BYTES))
        bytes += s->queue[count++].entry->size;
    if (count > s->job_capacity) {
        struct raft_entry **p = mem_realloc(s->job_entries, s->queue_capacity * sizeof(*p));
        if (p) {
            s->job_entries = p;
            s->job_capacity = s->queue_capacity;
        } else {
            count = s->job_capacity;
        }
    }
    for (size_t i = 0; i < count; i++)
        s->job_entries[i] = s->queue[i].entry;
    s->queue_count -= count;
    memmove(s->queue, s->queue + count, s->queue_count * sizeof(s->queue[0]));
    s->job_demand = s->queue_count ? s->queue[0].demand - 1 : s->demand;
    *job = (struct worker_job){s->hard_dirty, s->hard, s->job_entries, count};
    s->hard_dirty = false;
    return job->save_hard || count;
}

void replica_job_done(struct store *s)
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
    s->durable_demand = s->job_demand;
    s->durable_news = true;
    s->job_runs = false;
    outbox_flush(s);
}

static void snapshot_begin_if_due(struct store *s)
{
    uint64_t after = s->o.snapshot_after_bytes;
    if (after < s->value_bytes / 2)
        after = s->value_bytes / 2;
    if (s->snapshot_root || !s->root || s->log_written - s->snapshot_from < after)
        return;
    struct snapfile_meta meta = {s->worker.hard.log_id, s->applied, s->applied_term, s->revision,
                                 s->members};
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
    if (!replica_job_fill(s) && !s->ask_space)
        return;
    s->ask_space = false;
    s->job_runs = true;
    worker_submit(&s->worker);
}

void replica_flush_soon(struct store *s)
{
    loop_defer(s->o.loop, &s->flush);
}

/* ---- applying ---- */

void replica_change_finish(struct store *s, int rc)
{
    store_ready_fn *ready = s->change_ready;
    s->change_ready = NULL;
    ready(s->change_ctx, rc);
}

static int command_apply(struct store *s, const struct raft_entry *e, struct pending **ret_pending,
                         struct store_result *ret)
{
    struct command_origin origin;
    struct str command;
    int rc = command_origin_read(str_make(e->bytes, e->size), &origin, &command);
    if (rc)
        return rc;
    *ret_pending = origin.session == s->session ? forward_find(s, origin) : NULL;
    return store_apply(s, command, *ret_pending, ret);
}

static int apply_next(struct store *s)
{
    struct raft_entry *e = raft_entry_ref(raft_entry_at(&s->raft, s->applied + 1));
    struct pending *p = NULL;
    struct store_result result = {0, -1, s->revision};
    int rc = 0;
    if (e->kind == RAFT_ENTRY_COMMAND)
        rc = command_apply(s, e, &p, &result);
    else if (e->kind == RAFT_ENTRY_MEMBERS)
        rc = raft_members_decode(e->bytes, e->size, &s->members);
    if (rc == -E_CORRUPT) {
        char text[96];
        snprintf(text, sizeof(text), "store: log entry %llu is no command of this version",
                 (unsigned long long)e->index);
        replica_fail(s, text);
    }
    if (!rc) {
        s->applied = e->index;
        s->applied_term = e->term;
        s->kept_bytes += sizeof(*e) + e->size;
        s->commits++;
        if (s->applied % HASH_EVERY == 0) {
            s->hashes[s->applied / HASH_EVERY % 16] = s->state_hash;
            s->hash_at = s->applied;
        }
        if (p)
            forward_finish(s, p, &result);
        if (s->change_ready && s->applied >= s->change_index)
            replica_change_finish(s, e->index == s->change_index && e->term == s->change_term
                                         ? 0
                                         : -E_UNAVAILABLE);
    }
    raft_entry_unref(e);
    return rc;
}

/* What is applied leaves memory, but for what replicas that lag may still want. */
static uint64_t compact_to(struct store *s)
{
    if (s->raft.peer_count == 0) {
        s->kept_bytes = 0;
        return s->applied;
    }
    uint64_t to = s->raft.log.base_index;
    while (to < s->applied && (s->kept_bytes > KEEP_BYTES || s->applied - to > KEEP_ENTRIES)) {
        const struct raft_entry *e = raft_entry_at(&s->raft, ++to);
        uint64_t cost = sizeof(*e) + e->size;
        s->kept_bytes = s->kept_bytes > cost ? s->kept_bytes - cost : 0;
    }
    return to;
}

int replica_advance(struct store *s)
{
    if (s->durable_news) {
        struct raft_event persisted = {
            .kind = RAFT_PERSISTED,
            .hard = s->durable_hard,
            .index = s->durable_index,
            .term = s->durable_term,
        };
        int rc = replica_step(s, &persisted);
        if (rc)
            return rc;
        s->durable_news = false;
    }
    while (s->applied < s->apply_to && !s->failed) {
        int rc = apply_next(s);
        if (rc)
            return rc;
    }
    uint64_t to = compact_to(s);
    if (to == s->raft.log.base_index)
        return 0;
    struct raft_event compact = {.kind = RAFT_COMPACT, .compact_index = to};
    return replica_step(s, &compact);
}

/* A leader leads once it knows all that came before it. */
static void leading_check(struct store *s)
{
    bool leading = s->raft.role == RAFT_LEADER && s->applied_term == s->raft.hard.term;
    if (leading == s->leading)
        return;
    s->leading = leading;
    if (s->o.on_leading)
        s->o.on_leading(s->o.ctx, leading);
}

void replica_progress(struct store *s)
{
    if (replica_advance(s))
        loop_timer_set(s->o.loop, &s->retry, JOB_AGAIN_MS);
    if (s->failed)
        return;
    leading_check(s);
    forward_check(s);
    reads_serve(s);
    stream_write_if_due(s);
    snapshot_begin_if_due(s);
    if (watch_catching(&s->watches))
        loop_defer(s->o.loop, &s->watch_task);
    flush(s);
    if (s->queue_count && !s->job_runs && !s->failed)
        loop_timer_set(s->o.loop, &s->retry, JOB_AGAIN_MS); /* no memory for the job's list */
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
        if (s->incoming.writing)
            stream_written(s, r->snapshot_ok);
    }
    if (r->rc)
        replica_fail(s, r->err.text);
}

void replica_on_fd(void *ctx, unsigned events)
{
    struct store *s = ctx;
    struct worker_report report;
    (void)events;
    if (!worker_collect(&s->worker, &report))
        return;
    if (report.job_done && !report.rc)
        replica_job_done(s);
    report_take(s, &report);
    if (s->failed)
        return;
    s->job_again = report.job_again;
    replica_progress(s);
    if (s->job_again)
        loop_timer_set(s->o.loop, &s->retry, JOB_AGAIN_MS);
}

void replica_on_flush(void *ctx)
{
    struct store *s = ctx;
    if (s->failed || s->closing)
        return;
    replica_progress(s);
    if (s->o.synchronous && worker_turn(&s->worker)) {
        replica_on_fd(s, 0);
        if (s->snapshot_root || (s->job_runs && !s->job_again))
            replica_flush_soon(s);
    }
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
    replica_progress(s);
    if (s->o.synchronous && s->job_runs && !s->job_again)
        replica_flush_soon(s);
}

/* ---- time and messages ---- */

static void hash_tell(struct store *s)
{
    if (!s->leading || !s->hash_at || s->raft.quorum_ticks)
        return;
    struct peer_msg m = {.kind = PEER_MSG_HASH, .index = s->hash_at,
                         .hash = s->hashes[s->hash_at / HASH_EVERY % 16]};
    for (uint32_t i = 0; i < s->raft.peer_count; i++)
        replica_send(s, s->raft.peers[i].id, &m, STR(""));
}

static void hash_compare(struct store *s, const struct peer_msg *m)
{
    bool known = m->index && m->index % HASH_EVERY == 0 && m->index <= s->hash_at &&
                 s->hash_at - m->index < 15 * HASH_EVERY && m->index > s->hash_from;
    if (!known || s->hashes[m->index / HASH_EVERY % 16] == m->hash)
        return;
    char text[256];
    snprintf(text, sizeof(text),
             "store: the state of this replica differs from the leader's after log entry %llu. "
             "Remove this member, empty its store directory, and let it join again",
             (unsigned long long)m->index);
    replica_fail(s, text);
}

void replica_on_tick(void *ctx)
{
    struct store *s = ctx;
    struct raft_event tick = {.kind = RAFT_TICK};
    if (s->failed || s->closing)
        return;
    if (replica_step(s, &tick) == 0) { /* without memory this tick is lost: time passes later */
        forward_tick(s);
        stream_tick(s);
        hash_tell(s);
    }
    replica_flush_soon(s);
    if (!replica_alone(s) || !list_empty(&s->pending))
        loop_timer_set(s->o.loop, &s->tick, s->o.tick_ms);
}

static int raft_receive(struct store *s, uint64_t from, struct peer_msg *m)
{
    int rc = peer_msg_entries(m);
    if (rc)
        return rc;
    m->raft.from = from;
    m->raft.to = s->raft.id;
    struct raft_event event = {.kind = RAFT_RECEIVE, .message = &m->raft};
    rc = replica_step(s, &event);
    peer_msg_entries_unref(m);
    return rc == -E_NOMEM ? 0 : rc; /* as if it had been lost on the way */
}

int store_receive(struct store *s, uint64_t from, struct str message)
{
    struct peer_msg *m = &s->message;
    if (s->failed || s->closing)
        return 0;
    int rc = peer_msg_read(message, m);
    if (rc)
        return rc;
    switch (m->kind) {
    case PEER_MSG_RAFT:
        rc = raft_receive(s, from, m);
        break;
    case PEER_MSG_CHUNK:
    case PEER_MSG_CHUNK_ACK:
        rc = stream_receive(s, from, m);
        break;
    case PEER_MSG_HASH:
        if (from == s->raft.leader)
            hash_compare(s, m);
        break;
    case PEER_MSG_FORWARD:
    case PEER_MSG_REFUSE:
    case PEER_MSG_READ:
    case PEER_MSG_READ_DONE:
        rc = forward_receive(s, from, m);
        break;
    }
    replica_flush_soon(s);
    return rc;
}
