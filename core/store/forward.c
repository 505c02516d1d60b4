/*
 * Commands and reads on their way to the leader.
 *
 * A command is proposed by the leader only in the term its giver named, so it can be in the log in
 * that term only: once an entry of a later term is applied here and the command was not, it never
 * will be, and it is sent again to whom leads now. So a change of leaders costs time, and neither
 * loses a command nor does one twice. What cannot be told in time is answered as -E_TIMEOUT.
 *
 * Reads: the index that a read must wait for is asked of the leader, one question at a time for all
 * that wait; asking twice does no harm.
 */
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "store/store_int.h"

enum {
    READERS_MAX = 65536,
    READ_AGAIN_TICKS = 6,
};

static bool leads(const struct store *s)
{
    return s->raft.role == RAFT_LEADER;
}

/* ---- commands ---- */

/* What was in a log once belongs to that; a second try is another entry. */
static int entry_fresh(struct pending *p)
{
    struct raft_entry *e;
    if (p->entry->index == 0)
        return 0;
    int rc = raft_entry_new(RAFT_ENTRY_COMMAND, p->entry->size, &e);
    if (rc)
        return rc;
    memcpy(e->bytes, p->entry->bytes, e->size);
    raft_entry_unref(p->entry);
    p->entry = e;
    return 0;
}

static int propose(struct store *s, struct raft_entry *e)
{
    struct raft_event event = {.kind = RAFT_PROPOSE, .entries = &e, .entry_count = 1};
    return replica_step(s, &event);
}

static void command_send(struct store *s, struct pending *p)
{
    struct peer_msg m = {.kind = PEER_MSG_FORWARD, .term = s->raft.hard.term};
    if (leads(s)) {
        if (entry_fresh(p) || propose(s, p->entry)) {
            s->unsent = true;
            return;
        }
    } else if (s->raft.leader) {
        replica_send(s, s->raft.leader, &m, str_make(p->entry->bytes, p->entry->size));
    } else {
        s->unsent = true;
        return;
    }
    p->sent_term = s->raft.hard.term;
    p->was_sent = true;
}

void forward_add(struct store *s, struct pending *p)
{
    p->deadline_ms = loop_now_ms(s->o.loop) + ANSWER_MS;
    list_push_back(&s->pending, &p->link);
    s->pending_count++;
    s->pending_bytes += p->entry->size;
    command_send(s, p);
    replica_flush_soon(s);
}

void forward_check(struct store *s)
{
    bool news = s->seen_leader != s->raft.leader || s->seen_term != s->raft.hard.term ||
                s->seen_applied_term != s->applied_term;
    if (!news)
        return;
    if (s->seen_leader != s->raft.leader || s->seen_term != s->raft.hard.term)
        s->read_asked = 0;
    s->seen_leader = s->raft.leader;
    s->seen_term = s->raft.hard.term;
    s->seen_applied_term = s->applied_term;
    s->unsent = false;
    struct pending *p;
    LIST_EACH(p, &s->pending, link) {
        if (p->sent_term < s->applied_term)
            p->sent_term = 0;
        if (!p->sent_term)
            command_send(s, p);
    }
}

struct pending *forward_find(struct store *s, struct command_origin o)
{
    struct pending *p;
    LIST_EACH(p, &s->pending, link) {
        if (p->sequence == o.sequence)
            return p;
        if (p->sequence > o.sequence)
            break;
    }
    return NULL;
}

void forward_finish(struct store *s, struct pending *p, const struct store_result *result)
{
    list_remove(&p->link);
    s->pending_count--;
    s->pending_bytes -= p->entry->size;
    store_done_fn *done = p->done;
    void *ctx = p->ctx;
    pending_free(p);
    done(ctx, result);
}

static void command_give_up(struct store *s, struct pending *p)
{
    struct store_result r = {p->was_sent ? -E_TIMEOUT : -E_UNAVAILABLE, -1, s->revision};
    forward_finish(s, p, &r);
}

void forward_uncertain(struct store *s)
{
    struct pending *p, *next;
    LIST_EACH_SAFE(p, next, &s->pending, link)
        if (p->was_sent) {
            p->sent_term = UINT64_MAX; /* it may be part of the state: never sent again */
            p->deadline_ms = 0;        /* at the next tick: no callback in the middle of a step */
        }
}

static int command_take(struct store *s, uint64_t from, const struct peer_msg *m)
{
    struct peer_msg refuse = {.kind = PEER_MSG_REFUSE, .rc = -E_UNAVAILABLE, .term = m->term};
    struct str command;
    int rc = command_origin_read(m->bytes, &refuse.origin, &command);
    if (!rc)
        rc = command_check(command);
    if (rc)
        return rc;
    if (leads(s) && m->term == s->raft.hard.term) {
        struct raft_entry *e;
        rc = store_space_check(s, false);
        if (!rc)
            rc = raft_entry_new(RAFT_ENTRY_COMMAND, m->bytes.n, &e);
        if (!rc) {
            memcpy(e->bytes, m->bytes.p, m->bytes.n);
            rc = propose(s, e);
            raft_entry_unref(e);
        }
        if (!rc)
            return 0;
        refuse.rc = rc;
    }
    replica_send(s, from, &refuse, STR(""));
    return 0;
}

static void command_refused(struct store *s, const struct peer_msg *m)
{
    struct pending *p =
        m->origin.session == s->session ? forward_find(s, m->origin) : NULL;
    if (!p || p->sent_term != m->term) /* late: it was sent again since */
        return;
    if (m->rc != -E_NO_SPACE) { /* it may be taken later */
        p->sent_term = 0;
        s->unsent = true;
        return;
    }
    struct store_result r = {m->rc, -1, s->revision};
    forward_finish(s, p, &r);
}

/* ---- reads ---- */

static void reader_drop(struct store *s, struct reader *r)
{
    list_remove(&r->link);
    s->reader_count--;
    mem_free(r);
}

static int reader_add(struct store *s, struct reader **ret_reader)
{
    if (s->reader_count >= READERS_MAX)
        return -E_BUSY;
    struct reader *r = mem_zalloc(sizeof(*r));
    if (!r)
        return -E_NOMEM;
    r->seq = ++s->read_seq;
    r->deadline_ms = loop_now_ms(s->o.loop) + ANSWER_MS;
    list_push_back(&s->readers, &r->link);
    s->reader_count++;
    replica_flush_soon(s);
    *ret_reader = r;
    return 0;
}

int store_read(struct store *s, store_ready_fn *ready, void *ctx)
{
    if (s->failed || s->closing)
        return -E_CLOSED;
    /* Alone, what is acknowledged is applied. */
    if (replica_alone(s) && s->leading) {
        ready(ctx, 0);
        return 0;
    }
    struct reader *r;
    int rc = reader_add(s, &r);
    if (rc)
        return rc;
    r->ready = ready;
    r->ctx = ctx;
    return 0;
}

static bool reader_waits(const struct store *s)
{
    return !list_empty(&s->readers) && LIST_OF(s->readers.prev, struct reader, link)->index == 0;
}

static void reads_ask(struct store *s)
{
    if (!reader_waits(s))
        return;
    if (leads(s)) {
        struct raft_event event = {.kind = RAFT_READ, .read_seq = s->read_seq};
        if (s->read_seq > s->raft.read_requested && replica_step(s, &event))
            return; /* again at the next tick */
    } else if (s->raft.leader && !s->read_asked) {
        struct peer_msg m = {.kind = PEER_MSG_READ, .number = s->read_seq};
        s->read_asked = s->read_seq;
        s->read_asked_ticks = 0;
        replica_send(s, s->raft.leader, &m, STR(""));
    }
}

void reads_done(struct store *s, uint64_t seq, uint64_t index)
{
    struct reader *r;
    LIST_EACH(r, &s->readers, link) {
        if (r->seq > seq)
            break;
        if (!r->index)
            r->index = index;
    }
}

void reads_failed(struct store *s)
{
    struct reader *r, *next;
    LIST_EACH_SAFE(r, next, &s->readers, link) {
        if (r->index)
            continue;
        if (r->ready) {
            r->seq = ++s->read_seq; /* asked anew, of whom leads then */
            continue;
        }
        struct peer_msg m = {.kind = PEER_MSG_READ_DONE, .rc = -E_UNAVAILABLE,
                             .number = r->from_number};
        replica_send(s, r->from, &m, STR(""));
        reader_drop(s, r);
    }
}

void reads_serve(struct store *s)
{
    reads_ask(s);
    struct reader *r;
    while ((r = LIST_FIRST(&s->readers, struct reader, link)) && r->index) {
        if (r->ready) {
            if (r->index > s->applied)
                return;
            store_ready_fn *ready = r->ready;
            void *ctx = r->ctx;
            reader_drop(s, r);
            ready(ctx, 0);
        } else {
            struct peer_msg m = {.kind = PEER_MSG_READ_DONE, .number = r->from_number,
                                 .index = r->index};
            replica_send(s, r->from, &m, STR(""));
            reader_drop(s, r);
        }
    }
}

static int read_take(struct store *s, uint64_t from, const struct peer_msg *m)
{
    struct reader *r = NULL;
    int rc = leads(s) ? reader_add(s, &r) : -E_UNAVAILABLE;
    if (rc) {
        struct peer_msg refuse = {.kind = PEER_MSG_READ_DONE, .rc = rc, .number = m->number};
        replica_send(s, from, &refuse, STR(""));
        return 0;
    }
    r->from = from;
    r->from_number = m->number;
    return 0;
}

static void read_answered(struct store *s, uint64_t from, const struct peer_msg *m)
{
    if (m->number != s->read_asked || from != s->raft.leader)
        return;
    if (m->rc) {
        s->read_asked_ticks = READ_AGAIN_TICKS; /* asked again at the next tick */
        return;
    }
    s->read_asked = 0;
    reads_done(s, m->number, m->index);
}

/* ---- both ---- */

int forward_receive(struct store *s, uint64_t from, const struct peer_msg *m)
{
    switch (m->kind) {
    case PEER_MSG_FORWARD:
        return command_take(s, from, m);
    case PEER_MSG_REFUSE:
        command_refused(s, m);
        return 0;
    case PEER_MSG_READ:
        return read_take(s, from, m);
    case PEER_MSG_READ_DONE:
        read_answered(s, from, m);
        return 0;
    default:
        return -E_CORRUPT;
    }
}

static void readers_expire(struct store *s, int64_t now)
{
    struct reader *r;
    while ((r = LIST_FIRST(&s->readers, struct reader, link)) && r->deadline_ms <= now) {
        store_ready_fn *ready = r->ready;
        void *ctx = r->ctx;
        reader_drop(s, r);
        if (ready)
            ready(ctx, -E_UNAVAILABLE);
    }
}

void forward_tick(struct store *s)
{
    int64_t now = loop_now_ms(s->o.loop);
    struct pending *p, *next;
    /* A callback may give new commands, at the end, but ends none. */
    LIST_EACH_SAFE(p, next, &s->pending, link)
        if (p->deadline_ms <= now)
            command_give_up(s, p);
    readers_expire(s, now);
    if (s->change_ready && s->change_deadline_ms <= now)
        replica_change_finish(s, -E_TIMEOUT); /* who was removed never hears of it */
    if (s->unsent) {
        s->unsent = false;
        LIST_EACH(p, &s->pending, link)
            if (!p->sent_term)
                command_send(s, p);
    }
    if (s->read_asked && ++s->read_asked_ticks >= READ_AGAIN_TICKS)
        s->read_asked = 0;
}

void forward_close(struct store *s)
{
    struct pending *p;
    while ((p = LIST_FIRST(&s->pending, struct pending, link))) {
        struct store_result closed = {-E_CLOSED, -1, s->revision};
        forward_finish(s, p, &closed);
    }
    struct reader *r;
    while ((r = LIST_FIRST(&s->readers, struct reader, link))) {
        store_ready_fn *ready = r->ready;
        void *ctx = r->ctx;
        reader_drop(s, r);
        if (ready)
            ready(ctx, -E_CLOSED);
    }
}
