/*
 * The step: reserves what the event may need, then hands it to the handler of its kind. Roles and
 * votes are in election.c, entries and reads in replicate.c. See raft.h for the invariants.
 */
#include "raft/raft.h"

#include "base/assert.h"
#include "base/mem.h"
#include "raft/raft_int.h"

int raft_init(struct raft *r, const struct raft_config *c)
{
    if (c->id == 0 || !raft_members_valid(&c->members))
        return -E_INVALID;
    *r = (struct raft){
        .id = c->id,
        .hard = c->hard,
        .election_ticks = c->election_ticks ? c->election_ticks : 10,
        .heartbeat_ticks = c->heartbeat_ticks ? c->heartbeat_ticks : 1,
        .log = {.base_index = c->base_index, .base_term = c->base_term, .last = c->base_index},
        .commit = c->commit > c->base_index ? c->commit : c->base_index,
        .persisted = c->base_index,
        .apply_to = c->base_index,
    };
    raft_members_set(r, &c->members, 0);
    prng_init(&r->prng, c->seed ^ c->id);
    raft_timeout_draw(r);
    return 0;
}

void raft_done(struct raft *r)
{
    raft_log_done(&r->log);
    raft_entry_unref(r->spare_noop);
    r->spare_noop = NULL;
}

int raft_restore(struct raft *r, struct raft_entry *e)
{
    if (e->index != r->log.last + 1 || e->term < raft_log_term(&r->log, r->log.last))
        return -E_CORRUPT;
    int rc = raft_log_reserve(&r->log, 1);
    if (rc)
        return rc;
    raft_log_push(&r->log, raft_entry_ref(e));
    r->persisted = r->log.last;
    raft_members_appended(r, r->log.last);
    return 0;
}

struct raft_entry *raft_entry_at(const struct raft *r, uint64_t index)
{
    return raft_log_at(&r->log, index);
}

uint64_t raft_last_index(const struct raft *r)
{
    return r->log.last;
}

uint64_t raft_term_at(const struct raft *r, uint64_t index)
{
    return raft_log_term(&r->log, index);
}

uint32_t raft_majority(const struct raft *r)
{
    uint32_t voters = r->self_voter;
    for (uint32_t i = 0; i < r->peer_count; i++)
        voters += !r->peers[i].learner;
    return voters / 2 + 1;
}

struct raft_peer *raft_peer_of(struct raft *r, uint64_t id)
{
    for (uint32_t i = 0; i < r->peer_count; i++)
        if (r->peers[i].id == id)
            return &r->peers[i];
    return NULL;
}

struct raft_message *raft_send(struct raft *r, struct raft_actions *a, enum raft_message_kind kind,
                               uint64_t to)
{
    ASSERT(a->message_count < RAFT_MESSAGES_MAX);
    struct raft_message *m = &a->messages[a->message_count++];
    m->kind = kind;
    m->from = r->id;
    m->to = to;
    m->term = r->hard.term;
    m->log_index = m->log_term = m->commit = m->read_round = 0;
    m->ok = m->early = m->forced = false;
    m->members = NULL;
    m->entry_count = 0;
    return m;
}

void raft_become_follower(struct raft *r, struct raft_actions *a, uint64_t term, uint64_t leader)
{
    ASSERT(term >= r->hard.term);
    if (term > r->hard.term) {
        r->hard = (struct raft_hard){.term = term};
        a->persist_hard = true;
        a->hard = r->hard;
    }
    if (r->role == RAFT_LEADER && r->read_requested > r->read_answered) {
        a->read_failed = r->read_requested;
        r->read_answered = r->read_requested;
    }
    r->transfer_to = 0;
    if (r->role != RAFT_FOLLOWER) {
        r->role = RAFT_FOLLOWER;
        r->ticks = 0;
        raft_timeout_draw(r);
    }
    r->leader = leader;
}

void raft_apply_advance(struct raft *r)
{
    uint64_t to = r->commit < r->persisted ? r->commit : r->persisted;
    if (to > r->apply_to)
        r->apply_to = to;
}

static int step_start(struct raft *r, struct raft_actions *a, const struct raft_event *e)
{
    (void)e;
    if (r->peer_count == 0 && r->self_voter)
        raft_campaign(r, a);
    return 0;
}

static void check_quorum(struct raft *r, struct raft_actions *a)
{
    r->quorum_ticks = 0;
    uint32_t heard = r->self_voter;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        heard += r->peers[i].heard && !r->peers[i].learner;
        r->peers[i].heard = false;
    }
    if (heard < raft_majority(r))
        raft_become_follower(r, a, r->hard.term, 0);
}

static int step_tick(struct raft *r, struct raft_actions *a, const struct raft_event *e)
{
    (void)e;
    r->ticks++;
    if (r->role != RAFT_LEADER) {
        if (r->ticks >= r->timeout_ticks && raft_may_campaign(r))
            raft_campaign(r, a);
        return 0;
    }
    if (r->peer_count == 0)
        return 0;
    raft_transfer_tick(r);
    if (++r->quorum_ticks >= r->election_ticks)
        check_quorum(r, a);
    if (r->role == RAFT_LEADER && r->ticks >= r->heartbeat_ticks) {
        r->ticks = 0;
        raft_broadcast(r, a, true);
    }
    return 0;
}

static int step_propose(struct raft *r, struct raft_actions *a, const struct raft_event *e)
{
    if (r->role != RAFT_LEADER)
        return -E_UNAVAILABLE;
    if (r->transfer_to)
        return -E_BUSY;
    if (e->entry_count == 0)
        return 0;
    a->append_from = r->log.last + 1;
    for (size_t i = 0; i < e->entry_count; i++) {
        e->entries[i]->index = r->log.last + 1;
        e->entries[i]->term = r->hard.term;
        raft_log_push(&r->log, raft_entry_ref(e->entries[i]));
    }
    raft_broadcast(r, a, false);
    return 0;
}

/* Whatever a confused peer sends: it may be wrong, but must not break an invariant here. */
static bool message_valid(const struct raft *r, const struct raft_message *m)
{
    if (m->to != r->id || m->from == r->id || m->from == 0 || m->log_index > UINT64_MAX / 2)
        return false;
    if (m->kind == RAFT_SNAPSHOT)
        return m->members && raft_members_valid(m->members) && m->log_term <= m->term;
    uint64_t term = m->log_term;
    for (uint32_t i = 0; i < m->entry_count; i++) {
        const struct raft_entry *e = m->entries[i];
        struct raft_members members;
        if (e->index != m->log_index + 1 + i || e->term < term || e->term > m->term)
            return false;
        if (e->kind == RAFT_ENTRY_MEMBERS && raft_members_decode(e->bytes, e->size, &members))
            return false;
        bool committed = e->index <= r->commit && e->index > r->log.base_index;
        if (committed && raft_log_term(&r->log, e->index) != e->term)
            return false;
        term = e->term;
    }
    /* One leader a term. */
    bool leads = m->kind == RAFT_APPEND || m->kind == RAFT_SNAPSHOT || m->kind == RAFT_TIMEOUT_NOW;
    return !(leads && r->role == RAFT_LEADER && m->term == r->hard.term);
}

static void receive_timeout_now(struct raft *r, struct raft_actions *a)
{
    if (r->role == RAFT_LEADER || !r->self_voter)
        return;
    r->leader = 0;
    r->ticks = 0;
    raft_timeout_draw(r);
    raft_stand(r, a, true);
}

static int step_receive(struct raft *r, struct raft_actions *a, const struct raft_event *e)
{
    const struct raft_message *m = e->message;
    if (!message_valid(r, m))
        return 0;
    bool asks_ahead = m->kind == RAFT_PREVOTE || (m->kind == RAFT_PREVOTE_REPLY && m->ok);
    if (m->term > r->hard.term && !asks_ahead)
        raft_become_follower(r, a, m->term, 0);
    if (m->term < r->hard.term) {
        /* A sender of an old term learns of the new one; its answers are worth nothing. */
        if (m->kind == RAFT_APPEND || m->kind == RAFT_SNAPSHOT)
            raft_send(r, a, RAFT_APPEND_REPLY, m->from);
        else if (m->kind == RAFT_PREVOTE)
            raft_send(r, a, RAFT_PREVOTE_REPLY, m->from);
        return 0;
    }
    switch (m->kind) {
    case RAFT_PREVOTE:
    case RAFT_VOTE:
        raft_receive_vote(r, a, m);
        break;
    case RAFT_PREVOTE_REPLY:
    case RAFT_VOTE_REPLY:
        raft_receive_vote_reply(r, a, m);
        break;
    case RAFT_APPEND:
        raft_receive_append(r, a, m);
        break;
    case RAFT_APPEND_REPLY:
        raft_receive_append_reply(r, a, m);
        break;
    case RAFT_SNAPSHOT:
        raft_receive_snapshot(r, a, m);
        break;
    case RAFT_TIMEOUT_NOW:
        receive_timeout_now(r, a);
        break;
    }
    return 0;
}

static int step_persisted(struct raft *r, struct raft_actions *a, const struct raft_event *e)
{
    /* An entry that was replaced while it was written proves nothing about its successor. */
    if (e->index > r->persisted && raft_log_term(&r->log, e->index) == e->term)
        r->persisted = e->index;
    if (r->role == RAFT_CANDIDATE && e->hard.term == r->hard.term && e->hard.vote == r->id) {
        r->self_granted = true;
        raft_count_votes(r, a);
    }
    if (r->role == RAFT_LEADER)
        raft_commit_advance(r, a);
    return 0;
}

static int step_read(struct raft *r, struct raft_actions *a, const struct raft_event *e)
{
    if (r->role != RAFT_LEADER)
        return -E_UNAVAILABLE;
    ASSERT(e->read_seq > r->read_requested);
    r->read_requested = e->read_seq;
    raft_read_advance(r, a);
    return 0;
}

static int step_compact(struct raft *r, struct raft_actions *a, const struct raft_event *e)
{
    (void)a;
    ASSERT(e->compact_index <= r->apply_to);
    raft_log_compact(&r->log, e->compact_index);
    return 0;
}

static int step_snapshot_sent(struct raft *r, struct raft_actions *a, const struct raft_event *e)
{
    raft_snapshot_sent(r, a, e);
    return 0;
}

typedef int step_fn(struct raft *, struct raft_actions *, const struct raft_event *);

static step_fn *const steps[] = {
    [RAFT_START] = step_start,     [RAFT_TICK] = step_tick,
    [RAFT_PROPOSE] = step_propose, [RAFT_RECEIVE] = step_receive,
    [RAFT_PERSISTED] = step_persisted, [RAFT_READ] = step_read,
    [RAFT_COMPACT] = step_compact, [RAFT_CHANGE] = raft_step_change,
    [RAFT_TRANSFER] = raft_step_transfer, [RAFT_SNAPSHOT_SENT] = step_snapshot_sent,
};
_Static_assert(sizeof(steps) / sizeof(steps[0]) == RAFT_SNAPSHOT_SENT + 1, "a handler for each event");

/* Everything a step may allocate, before it changes anything: entries and the leader's first. */
static int reserve(struct raft *r, const struct raft_event *e)
{
    uint64_t more = 1;
    if (e->kind == RAFT_PROPOSE)
        more += e->entry_count;
    if (e->kind == RAFT_RECEIVE)
        more += e->message->entry_count;
    if (!r->spare_noop && raft_entry_new(RAFT_ENTRY_NOOP, 0, &r->spare_noop))
        return -E_NOMEM;
    return raft_log_reserve(&r->log, more);
}

int raft_step(struct raft *r, const struct raft_event *e, struct raft_actions *ret_actions)
{
    struct raft_actions *a = ret_actions;
    a->install_snapshot = a->persist_hard = false;
    a->append_from = a->read_done = a->read_index = a->read_failed = 0;
    a->message_count = 0;
    a->apply_to = r->apply_to;
    int rc = reserve(r, e);
    if (rc)
        return rc;
    ASSERT((size_t)e->kind < sizeof(steps) / sizeof(steps[0]));
    rc = steps[e->kind](r, a, e);
    if (rc)
        return rc;
    raft_apply_advance(r);
    a->apply_to = r->apply_to;
    ASSERT(r->log.base_index <= r->commit && r->commit <= r->log.last);
    ASSERT(r->apply_to <= r->persisted && r->persisted <= r->log.last);
    return 0;
}
