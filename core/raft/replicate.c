/* The leader's side of replication, the follower's answers, commitment and batched reads. */
#include "base/assert.h"
#include "raft/raft_int.h"

void raft_become_leader(struct raft *r, struct raft_actions *a)
{
    r->role = RAFT_LEADER;
    r->leader = r->id;
    r->ticks = r->quorum_ticks = 0;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        struct raft_peer *p = &r->peers[i];
        p->match = 0;
        p->next = r->log.last + 1;
        p->heard = true;
        p->probing = true;
        p->streaming = false;
        p->read_round = 0;
    }
    /* An entry of the new term: only with it do those of earlier terms commit. */
    struct raft_entry *noop = r->spare_noop;
    r->spare_noop = NULL;
    ASSERT(noop);
    noop->index = r->log.last + 1;
    noop->term = r->hard.term;
    if (!a->append_from)
        a->append_from = noop->index;
    raft_log_push(&r->log, noop);
    raft_broadcast(r, a, true);
}

enum { MESSAGE_BYTES = 1024 * 1024 }; /* of entries, unless the first is larger */

/* Keeps a peer that is being sent the state, or must be, from calling an election. */
static void send_heartbeat(struct raft *r, struct raft_actions *a, const struct raft_peer *p)
{
    struct raft_message *m = raft_send(r, a, RAFT_APPEND, p->id);
    m->early = true;
    m->log_index = p->match;
    m->log_term = raft_log_term(&r->log, p->match);
    m->commit = r->commit;
    m->read_round = r->read_round;
}

static void send_snapshot(struct raft *r, struct raft_actions *a, struct raft_peer *p)
{
    struct raft_message *m = raft_send(r, a, RAFT_SNAPSHOT, p->id);
    m->early = true;
    m->log_index = r->log.base_index;
    m->log_term = r->log.base_term;
    m->read_round = r->read_round;
    p->probing = true;
    p->streaming = true;
}

static void send_append(struct raft *r, struct raft_actions *a, struct raft_peer *p)
{
    if (p->streaming) {
        send_heartbeat(r, a, p);
        return;
    }
    if (p->next <= r->log.base_index) {
        send_snapshot(r, a, p);
        return;
    }
    struct raft_message *m = raft_send(r, a, RAFT_APPEND, p->id);
    m->early = true; /* the leader's term became durable with its own vote */
    m->log_index = p->next - 1;
    m->log_term = raft_log_term(&r->log, m->log_index);
    m->commit = r->commit;
    m->read_round = r->read_round;
    uint64_t window_end = p->match + RAFT_WINDOW_ENTRIES;
    size_t bytes = 0;
    for (uint64_t i = p->next; i <= r->log.last && i <= window_end; i++) {
        if (m->entry_count == RAFT_MESSAGE_ENTRIES_MAX)
            break;
        struct raft_entry *e = raft_log_at(&r->log, i);
        bytes += e->size;
        if (m->entry_count && bytes > MESSAGE_BYTES)
            break;
        m->entries[m->entry_count++] = e;
    }
    if (!p->probing)
        p->next += m->entry_count; /* optimistic: a refusal moves it back */
}

void raft_broadcast(struct raft *r, struct raft_actions *a, bool even_if_empty)
{
    for (uint32_t i = 0; i < r->peer_count; i++) {
        struct raft_peer *p = &r->peers[i];
        if (even_if_empty || (!p->probing && !p->streaming && p->next <= r->log.last))
            send_append(r, a, p);
    }
}

void raft_commit_advance(struct raft *r, struct raft_actions *a)
{
    /* The majority-th highest of all durable positions, by insertion into a short sorted list. */
    uint64_t positions[RAFT_NODES_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i <= r->peer_count; i++) {
        bool self = i == r->peer_count;
        if (self ? !r->self_voter : r->peers[i].learner)
            continue;
        uint64_t position = self ? r->persisted : r->peers[i].match;
        uint32_t at = count++;
        for (; at > 0 && positions[at - 1] < position; at--)
            positions[at] = positions[at - 1];
        positions[at] = position;
    }
    if (count < raft_majority(r)) /* no voters at all */
        return;
    uint64_t to = positions[raft_majority(r) - 1];
    if (to <= r->commit || raft_log_term(&r->log, to) != r->hard.term)
        return;
    r->commit = to;
    raft_broadcast(r, a, true);
    raft_read_advance(r, a);
    /* Who removed itself has done its work. */
    if (!r->self_voter && r->commit >= r->members_index)
        raft_become_follower(r, a, r->hard.term, 0);
}

/* Highest index that may still agree: just before the first entry of the term that does not. */
static uint64_t conflict_hint(const struct raft *r, uint64_t index)
{
    if (index > r->log.last)
        return r->log.last;
    uint64_t term = raft_log_term(&r->log, index);
    while (index > r->commit && raft_log_term(&r->log, index) == term)
        index--;
    return index;
}

static void append_entries(struct raft *r, struct raft_actions *a, const struct raft_message *m)
{
    uint64_t from = 0;
    for (uint32_t i = 0; i < m->entry_count; i++) {
        struct raft_entry *e = m->entries[i];
        if (e->index <= r->log.base_index || raft_log_term(&r->log, e->index) == e->term)
            continue;
        if (e->index <= r->log.last) {
            ASSERT(e->index > r->commit);
            raft_log_truncate(&r->log, e->index - 1);
            raft_members_truncated(r);
            if (r->persisted > r->log.last)
                r->persisted = r->log.last;
        }
        if (!a->append_from)
            a->append_from = e->index;
        if (!from)
            from = e->index;
        raft_log_push(&r->log, raft_entry_ref(e));
    }
    if (from)
        raft_members_appended(r, from);
}

void raft_receive_append(struct raft *r, struct raft_actions *a, const struct raft_message *m)
{
    raft_become_follower(r, a, m->term, m->from);
    r->ticks = 0;
    bool match = m->log_index <= r->log.base_index ||
                 (m->log_index <= r->log.last &&
                  raft_log_term(&r->log, m->log_index) == m->log_term);
    uint64_t matched = 0;
    if (match) {
        append_entries(r, a, m);
        matched = m->log_index + m->entry_count;
        /* All at or before base is committed, therefore equal. */
        if (matched < r->log.base_index)
            matched = r->log.base_index;
        uint64_t commit = m->commit < matched ? m->commit : matched;
        if (commit > r->commit)
            r->commit = commit;
    }
    struct raft_message *reply = raft_send(r, a, RAFT_APPEND_REPLY, m->from);
    reply->ok = match;
    reply->read_round = m->read_round;
    reply->log_index = match ? matched : conflict_hint(r, m->log_index);
}

void raft_receive_snapshot(struct raft *r, struct raft_actions *a, const struct raft_message *m)
{
    raft_become_follower(r, a, m->term, m->from);
    r->ticks = 0;
    if (m->log_index > r->commit) {
        raft_log_reset(&r->log, m->log_index, m->log_term);
        r->commit = r->persisted = r->apply_to = m->log_index;
        raft_members_set(r, m->members, 0);
        a->install_snapshot = true;
    }
    struct raft_message *reply = raft_send(r, a, RAFT_APPEND_REPLY, m->from);
    reply->ok = true;
    reply->read_round = m->read_round;
    /* Committed here, so equal to the leader's. */
    reply->log_index = m->log_index < r->commit ? m->log_index : r->commit;
}

void raft_receive_append_reply(struct raft *r, struct raft_actions *a,
                               const struct raft_message *m)
{
    if (r->role != RAFT_LEADER)
        return;
    struct raft_peer *p = raft_peer_of(r, m->from);
    if (!p)
        return;
    p->heard = true;
    if (m->read_round > p->read_round && m->read_round <= r->read_round)
        p->read_round = m->read_round;
    if (m->ok && m->log_index <= r->log.last) {
        bool moved = m->log_index > p->match;
        if (moved)
            p->match = m->log_index;
        if (p->next <= p->match)
            p->next = p->match + 1;
        bool was_probing = p->probing;
        if (moved || m->log_index + 1 == p->next)
            p->probing = false;
        uint64_t commit = r->commit;
        raft_commit_advance(r, a);
        if (r->role != RAFT_LEADER)
            return;
        bool sent = r->commit != commit || p->streaming;
        if (!sent && !p->probing && (moved || was_probing) && p->next <= r->log.last)
            send_append(r, a, p);
        if (moved)
            raft_transfer_advance(r, a, p);
    } else if (!m->ok && m->log_index + 1 < p->next && !p->streaming) {
        /* Late refusals may lie behind what has matched since. */
        p->next = (m->log_index > p->match ? m->log_index : p->match) + 1;
        p->probing = true;
        send_append(r, a, p);
    }
    raft_read_advance(r, a);
}

void raft_snapshot_sent(struct raft *r, struct raft_actions *a, const struct raft_event *e)
{
    struct raft_peer *p = r->role == RAFT_LEADER ? raft_peer_of(r, e->peer) : NULL;
    if (!p || !p->streaming)
        return;
    p->streaming = false;
    p->probing = true;
    if (!e->sent_ok)
        return; /* the next heartbeat asks again */
    if (p->next <= e->index)
        p->next = e->index + 1;
    send_append(r, a, p);
}

static bool round_confirmed(const struct raft *r)
{
    uint32_t confirmed = r->self_voter;
    for (uint32_t i = 0; i < r->peer_count; i++)
        confirmed += !r->peers[i].learner && r->peers[i].read_round >= r->read_round;
    return confirmed >= raft_majority(r);
}

void raft_read_advance(struct raft *r, struct raft_actions *a)
{
    /* Before its first commit a leader does not know what is committed. */
    if (r->role != RAFT_LEADER || raft_log_term(&r->log, r->commit) != r->hard.term)
        return;
    if (r->read_round_seq > r->read_answered && round_confirmed(r)) {
        a->read_done = r->read_answered = r->read_round_seq;
        a->read_index = r->read_round_index;
    }
    bool running = r->read_round_seq > r->read_answered;
    if (running || r->read_requested <= r->read_answered)
        return;
    r->read_round++;
    r->read_round_seq = r->read_requested;
    r->read_round_index = r->commit;
    raft_broadcast(r, a, true);
    if (round_confirmed(r)) { /* a cluster of one */
        a->read_done = r->read_answered = r->read_round_seq;
        a->read_index = r->read_round_index;
    }
}
