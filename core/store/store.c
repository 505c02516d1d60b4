/* The store's public face. The way of a command is told in replica.c, its effect in apply.c. */
#include "store/store.h"

#include "base/assert.h"
#include "base/mem.h"
#include "store/store_int.h"
#include "store/value.h"

enum { ASK_SPACE_MS = 1000, CATCH_UP_MS = 0, TICK_MS = 50 };

/* ---- opening and closing ---- */

static void on_watch_task(void *ctx)
{
    struct store *s = ctx;
    if (watch_catch_up(&s->watches))
        loop_timer_set(s->o.loop, &s->watch_timer, CATCH_UP_MS);
    history_trim(&s->history, watch_pinned(&s->watches));
}

static void set_defaults(struct store_options *o)
{
    if (!o->history_revisions)
        o->history_revisions = 10 * 1000;
    if (!o->history_bytes)
        o->history_bytes = 4 * 1024 * 1024;
    if (!o->snapshot_after_bytes)
        o->snapshot_after_bytes = 16 * 1024 * 1024;
    if (!o->segment_bytes)
        o->segment_bytes = 8 * 1024 * 1024;
    if (!o->min_free_bytes)
        o->min_free_bytes = 8 * 1024 * 1024;
    if (!o->tick_ms)
        o->tick_ms = TICK_MS;
}

int store_open(const struct store_options *o, struct store **ret_store, struct err *err)
{
    struct store *s = mem_zalloc(sizeof(*s));
    if (!s) {
        o->disk.ops->done(o->disk.ctx);
        return err_set(err, E_NOMEM, "store: out of memory");
    }
    s->o = *o;
    s->disk = o->disk;
    set_defaults(&s->o);
    s->revision = 1;
    list_init(&s->pending);
    list_init(&s->readers);
    history_init(&s->history, s->o.history_revisions, s->o.history_bytes, 0);
    watch_index_init(&s->watches, &s->history);
    loop_fd_init(&s->fd, replica_on_fd, s);
    loop_task_init(&s->flush, replica_on_flush, s);
    loop_task_init(&s->watch_task, on_watch_task, s);
    loop_timer_init(&s->watch_timer, on_watch_task, s);
    loop_timer_init(&s->retry, replica_on_retry, s);
    loop_timer_init(&s->tick, replica_on_tick, s);
    int rc = replica_open(s, err);
    if (rc) {
        store_close(s);
        return rc;
    }
    *ret_store = s;
    return 0;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    s->closing = true;
    replica_close(s);
    loop_task_cancel(&s->flush);
    loop_task_cancel(&s->watch_task);
    loop_timer_cancel(s->o.loop, &s->watch_timer);
    loop_timer_cancel(s->o.loop, &s->retry);
    loop_timer_cancel(s->o.loop, &s->tick);
    if (s->change_ready)
        s->change_ready(s->change_ctx, -E_CLOSED);
    forward_close(s);
    watch_index_done(&s->watches);
    history_done(&s->history);
    tree_unref(s->root);
    s->disk.ops->done(s->disk.ctx);
    mem_free(s);
}

/* ---- replicas ---- */

uint64_t store_id(const struct store *s)
{
    return s->raft.id;
}

uint64_t store_leader(const struct store *s)
{
    return s->raft.leader;
}

bool store_leading(const struct store *s)
{
    return s->leading;
}

const struct raft_members *store_members(const struct store *s)
{
    return &s->raft.members;
}

uint64_t store_member_match(const struct store *s, uint64_t id)
{
    if (s->raft.role != RAFT_LEADER)
        return 0;
    for (uint32_t i = 0; i < s->raft.peer_count; i++)
        if (s->raft.peers[i].id == id)
            return s->raft.peers[i].match;
    return id == s->raft.id ? s->raft.persisted : 0;
}

uint64_t store_last_index(const struct store *s)
{
    return raft_last_index(&s->raft);
}

int store_change_members(struct store *s, const struct raft_members *members, store_ready_fn *ready,
                         void *ctx)
{
    struct raft_event event = {.kind = RAFT_CHANGE, .members = members};
    if (s->failed || s->closing)
        return -E_CLOSED;
    if (s->change_ready)
        return -E_BUSY;
    int rc = replica_step(s, &event);
    if (rc)
        return rc;
    s->change_ready = ready;
    s->change_ctx = ctx;
    s->change_index = raft_last_index(&s->raft);
    s->change_term = s->raft.hard.term;
    s->change_deadline_ms = loop_now_ms(s->o.loop) + ANSWER_MS;
    replica_flush_soon(s);
    return 0;
}

int store_transfer(struct store *s, uint64_t to)
{
    struct raft_event event = {.kind = RAFT_TRANSFER, .peer = to};
    if (s->failed || s->closing)
        return -E_CLOSED;
    int rc = replica_step(s, &event);
    if (!rc)
        replica_flush_soon(s);
    return rc;
}

/* ---- reading ---- */

int64_t store_revision(const struct store *s)
{
    return s->revision;
}

int64_t store_compacted(const struct store *s)
{
    return s->history.compacted;
}

struct store_value *store_get(struct store *s, struct str key)
{
    return tree_get(s->root, key);
}

int store_snapshot_take(struct store *s, struct store_snapshot **ret_snap)
{
    struct store_snapshot *snap = mem_alloc(sizeof(*snap));
    if (!snap)
        return -E_NOMEM;
    *snap = (struct store_snapshot){1, s->revision, tree_ref(s->root)};
    *ret_snap = snap;
    return 0;
}

struct store_snapshot *store_snapshot_ref(struct store_snapshot *snap)
{
    snap->refs++;
    return snap;
}

void store_snapshot_release(struct store_snapshot *snap)
{
    if (!snap)
        return;
    ASSERT(snap->refs > 0);
    if (--snap->refs > 0)
        return;
    tree_unref(snap->root);
    mem_free(snap);
}

int64_t store_snapshot_revision(const struct store_snapshot *snap)
{
    return snap->revision;
}

struct store_value *store_snapshot_get(struct store_snapshot *snap, struct str key)
{
    return tree_get(snap->root, key);
}

void store_snapshot_range(struct store_snapshot *snap, struct str from, struct str to,
                          bool (*fn)(void *ctx, struct store_value *v), void *ctx)
{
    tree_range(snap->root, from, to, fn, ctx);
}

uint64_t store_snapshot_count(struct store_snapshot *snap, struct str from, struct str to)
{
    uint64_t end = to.n ? tree_rank(snap->root, to) : tree_total(snap->root);
    uint64_t begin = tree_rank(snap->root, from);
    return end > begin ? end - begin : 0;
}

/* ---- writing ---- */

/* Deletes pass longer than puts: they are what makes room. */
int store_space_check(struct store *s, bool only_deletes)
{
    uint64_t least = only_deletes ? s->o.min_free_bytes / 2 : s->o.min_free_bytes;
    if (s->free_bytes >= least)
        return 0;
    if (loop_now_ms(s->o.loop) - s->asked_space_ms >= ASK_SPACE_MS) {
        s->asked_space_ms = loop_now_ms(s->o.loop);
        s->ask_space = true;
        replica_flush_soon(s);
    }
    return -E_NO_SPACE;
}

static bool deletes_only(const struct command *c)
{
    bool only = true;
    for (size_t i = 0; i < c->op_count; i++)
        only = only && c->ops[i].is_delete;
    return only;
}

static int pending_new(struct store *s, const struct command *c, size_t size,
                       struct pending **ret_pending)
{
    struct pending *p = mem_zalloc(sizeof(*p) + c->op_count * sizeof(struct store_value *));
    if (!p)
        return -E_NOMEM;
    p->op_count = c->op_count;
    int rc = raft_entry_new(RAFT_ENTRY_COMMAND, COMMAND_ORIGIN_BYTES + size, &p->entry);
    for (size_t i = 0; !rc && i < c->op_count; i++)
        if (!c->ops[i].is_delete)
            rc = store_value_new(c->ops[i].key, c->ops[i].value, s->o.attach_free, &p->values[i]);
    if (rc) {
        pending_free(p);
        return rc;
    }
    p->sequence = ++s->sequence;
    command_origin_write(p->entry->bytes, (struct command_origin){s->session, p->sequence});
    command_encode(c, p->entry->bytes + COMMAND_ORIGIN_BYTES);
    *ret_pending = p;
    return 0;
}

int store_txn(struct store *s, const struct store_compare *compares, size_t compare_count,
              const struct store_op *ops, size_t op_count, store_done_fn *done, void *ctx)
{
    struct command c = {compares, compare_count, ops, op_count};
    int rc = 0;
    if (s->failed || s->closing)
        return -E_CLOSED;
    size_t size = command_size(&c, &rc);
    if (!rc && op_count > 0)
        rc = store_space_check(s, deletes_only(&c));
    if (rc)
        return rc;
    if (s->pending_count >= STORE_PENDING_MAX || s->pending_bytes >= STORE_PENDING_BYTES)
        return -E_BUSY;
    struct pending *p;
    rc = pending_new(s, &c, size, &p);
    if (rc)
        return rc;
    for (size_t i = 0; i < op_count; i++)
        if (p->values[i])
            p->values[i]->attached = ops[i].attached;
    p->done = done;
    p->ctx = ctx;
    forward_add(s, p);
    return 0;
}

/* ---- watching ---- */

int store_watch_new(struct store *s, struct str prefix, int64_t after,
                    void (*fn)(void *ctx, const struct store_event *e), void *ctx,
                    struct store_watch **ret_watch)
{
    if (after < s->history.compacted)
        return -E_EXPIRED;
    if (after > s->revision)
        return -E_BAD_REQUEST;
    struct store_watch *w;
    int rc = watch_add(&s->watches, prefix, history_find(&s->history, after), fn, ctx, &w);
    if (rc)
        return rc;
    if (watch_catching(&s->watches))
        loop_defer(s->o.loop, &s->watch_task);
    *ret_watch = w;
    return 0;
}

void store_watch_free(struct store_watch *w)
{
    if (w)
        watch_remove(watch_index_of(w), w);
}

void store_stats(const struct store *s, struct store_stats *ret_stats)
{
    *ret_stats = (struct store_stats){
        .keys = tree_total(s->root),
        .value_bytes = s->value_bytes,
        .history_events = s->history.next - s->history.first,
        .history_bytes = s->history.bytes,
        .log_bytes = s->log_bytes,
        .syncs = s->syncs,
        .commits = s->commits,
        .snapshots = s->snapshots,
        .free_bytes = s->free_bytes,
    };
}
