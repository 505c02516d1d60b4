/* See stream.h. */
#include "store/stream.h"

#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "store/record.h"
#include "store/store_int.h"

/* ---- sending ---- */

static struct stream_out *stream_to(struct store *s, uint64_t to)
{
    for (size_t i = 0; i < RAFT_NODES_MAX; i++)
        if (s->streams[i].to == to)
            return &s->streams[i];
    return NULL;
}

static void stream_drop(struct stream_out *o)
{
    tree_unref(o->root);
    *o = (struct stream_out){0};
}

static void stream_end(struct store *s, struct stream_out *o, bool ok)
{
    struct raft_event sent = {.kind = RAFT_SNAPSHOT_SENT, .peer = o->to, .sent_ok = ok,
                              .index = o->chunk.index};
    if (replica_step(s, &sent) == 0) /* else the next tick tries */
        stream_drop(o);
    else
        o->ticks = STREAM_STALL_TICKS;
}

struct filling {
    struct stream_out *out;
    struct buf records;
};

static bool record_add(void *ctx, struct store_value *v)
{
    struct filling *f = ctx;
    struct str key = store_value_key(v);
    store_record_append(&f->records, v);
    memcpy(f->out->next, key.p, key.n);
    f->out->next[key.n] = 0;
    f->out->next_size = key.n + 1;
    return !f->records.failed && buf_len(&f->records) < STREAM_CHUNK_BYTES;
}

/* -E_NOMEM: nothing was sent. */
static int chunk_send(struct store *s, struct stream_out *o)
{
    char head[PEER_MSG_CHUNK_HEAD + RAFT_MEMBERS_SIZE_MAX];
    size_t next_size = o->next_size;
    struct filling f = {.out = o};
    buf_init(&f.records, STREAM_CHUNK_BYTES + RECORD_MAX);
    o->chunk.last = tree_range(o->root, str_make(o->next, next_size), STR(""), record_add, &f);
    int rc = f.records.failed ? -E_NOMEM : 0;
    if (!rc) {
        struct str parts[2] = {str_make(head, peer_msg_chunk_head(head, &o->chunk)),
                               buf_str(&f.records)};
        s->o.transport.ops->send(s->o.transport.ctx, o->to, parts, parts[1].n ? 2 : 1);
        o->all_sent = o->chunk.last;
        o->chunk.number++;
    }
    buf_done(&f.records);
    return rc;
}

static void stream_go_on(struct store *s, struct stream_out *o)
{
    while (!o->all_sent && o->chunk.number - o->answered < STREAM_AHEAD)
        if (chunk_send(s, o)) {
            o->ticks = STREAM_STALL_TICKS; /* given up at the next tick */
            return;
        }
}

void stream_begin(struct store *s, const struct raft_message *m)
{
    struct stream_out *o = stream_to(s, m->to);
    if (o)
        stream_drop(o);
    else
        o = stream_to(s, 0);
    ASSERT(o && s->applied >= m->log_index);
    *o = (struct stream_out){
        .to = m->to,
        .root = tree_ref(s->root),
        .chunk = {.stream = s->session + ++s->stream_count,
                  .term = m->term,
                  .read_round = m->read_round,
                  .index = s->applied,
                  .log_term = s->applied_term,
                  .revision = s->revision,
                  .members = s->members},
    };
    stream_go_on(s, o);
}

static void chunk_answered(struct store *s, uint64_t from, const struct peer_msg *m)
{
    struct stream_out *o = stream_to(s, from);
    if (!o || o->chunk.stream != m->chunk.stream || m->chunk.number >= o->chunk.number)
        return;
    o->ticks = 0;
    if (m->rc) {
        stream_end(s, o, false);
        return;
    }
    if (o->answered <= m->chunk.number)
        o->answered = m->chunk.number + 1;
    if (o->all_sent && o->answered == o->chunk.number)
        stream_end(s, o, true);
    else
        stream_go_on(s, o);
}

void stream_tick(struct store *s)
{
    for (size_t i = 0; i < RAFT_NODES_MAX; i++) {
        struct stream_out *o = &s->streams[i];
        if (o->to && ++o->ticks > STREAM_STALL_TICKS)
            stream_end(s, o, false);
    }
}

/* ---- receiving ---- */

static void incoming_drop(struct store *s)
{
    tree_unref(s->incoming.root);
    s->incoming = (struct stream_in){0};
}

static void answer(struct store *s, int rc)
{
    struct peer_msg m = {.kind = PEER_MSG_CHUNK_ACK, .rc = rc, .chunk = s->incoming.chunk};
    replica_send(s, s->incoming.from, &m, STR(""));
}

static int records_take(struct store *s, struct str records)
{
    for (const char *at = records.p, *end = at + records.n; at < end;) {
        struct store_value *v, *old = NULL;
        int rc = store_record_read(&at, end, s->o.attach_free, &v);
        if (rc)
            return rc;
        rc = tree_put(&s->incoming.root, v, &old);
        store_value_unref(v);
        if (rc)
            return rc;
        store_value_unref(old);
        if (old)
            return -E_CORRUPT;
    }
    return 0;
}

static int chunk_take(struct store *s, uint64_t from, const struct peer_msg *m)
{
    struct stream_in *in = &s->incoming;
    const struct peer_msg_chunk *c = &m->chunk;
    if (in->complete) /* one at a time; the other is asked for again */
        return 0;
    if (c->number == 0) {
        incoming_drop(s);
        in->from = from;
        in->chunk = *c;
    }
    if (in->from != from || in->chunk.stream != c->stream || c->number != in->wanted ||
        in->chunk.index != c->index || c->term < s->raft.hard.term)
        return 0;
    int rc = records_take(s, m->bytes);
    in->chunk = *c;
    if (rc) {
        answer(s, rc == -E_NOMEM ? rc : -E_CORRUPT);
        incoming_drop(s);
        return rc == -E_NOMEM ? 0 : rc;
    }
    in->wanted++;
    if (c->last)
        in->complete = true; /* answered once it is durable */
    else
        answer(s, 0);
    return 0;
}

int stream_receive(struct store *s, uint64_t from, const struct peer_msg *m)
{
    if (m->kind == PEER_MSG_CHUNK)
        return chunk_take(s, from, m);
    chunk_answered(s, from, m);
    return 0;
}

/* It is on disk, or needs not be: Raft decides whether it is wanted. */
static void deliver(struct store *s)
{
    struct stream_in *in = &s->incoming;
    struct raft_message *m = &s->message.raft;
    *m = (struct raft_message){
        .kind = RAFT_SNAPSHOT,
        .from = in->from,
        .to = s->raft.id,
        .term = in->chunk.term,
        .log_index = in->chunk.index,
        .log_term = in->chunk.log_term,
        .read_round = in->chunk.read_round,
        .members = &in->chunk.members,
    };
    struct raft_event received = {.kind = RAFT_RECEIVE, .message = m};
    int rc = replica_step(s, &received);
    answer(s, rc);
    incoming_drop(s);
}

void stream_write_if_due(struct store *s)
{
    struct stream_in *in = &s->incoming;
    if (!in->complete || in->writing || s->snapshot_root)
        return;
    if (in->chunk.index <= s->applied) {
        deliver(s);
        return;
    }
    /* A snapshot newer than the term on disk would not open again: a heartbeat brings that first. */
    if (s->durable_hard.term < in->chunk.log_term)
        return;
    struct snapfile_meta meta = {s->worker.hard.log_id, in->chunk.index, in->chunk.log_term,
                                 in->chunk.revision, in->chunk.members};
    s->snapshot_root = tree_ref(in->root);
    in->writing = true;
    worker_snapshot(&s->worker, &meta, s->snapshot_root);
    if (s->o.synchronous)
        replica_flush_soon(s);
}

void stream_written(struct store *s, bool ok)
{
    s->incoming.writing = false;
    if (ok) {
        deliver(s);
        return;
    }
    answer(s, -E_NO_SPACE);
    incoming_drop(s);
}

void stream_close(struct store *s)
{
    for (size_t i = 0; i < RAFT_NODES_MAX; i++)
        stream_drop(&s->streams[i]);
    incoming_drop(s);
}
