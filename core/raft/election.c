/* Elections: pre-vote, vote, and counting both. */
#include "base/assert.h"
#include "raft/raft_int.h"

void raft_timeout_draw(struct raft *r)
{
    r->timeout_ticks = r->election_ticks + (uint32_t)prng_below(&r->prng, r->election_ticks);
}

static void ask_all(struct raft *r, struct raft_actions *a, enum raft_message_kind kind,
                    uint64_t term)
{
    for (uint32_t i = 0; i < r->peer_count; i++) {
        r->peers[i].granted = false;
        if (r->peers[i].learner)
            continue;
        struct raft_message *m = raft_send(r, a, kind, r->peers[i].id);
        m->term = term;
        m->log_index = r->log.last;
        m->log_term = raft_log_term(&r->log, r->log.last);
    }
}

void raft_stand(struct raft *r, struct raft_actions *a, bool forced)
{
    r->role = RAFT_CANDIDATE;
    r->self_granted = false; /* until the vote is durable */
    r->hard = (struct raft_hard){.term = r->hard.term + 1, .vote = r->id};
    a->persist_hard = true;
    a->hard = r->hard;
    ask_all(r, a, RAFT_VOTE, r->hard.term);
    for (uint32_t i = 0; forced && i < a->message_count; i++)
        a->messages[i].forced = a->messages[i].kind == RAFT_VOTE;
}

void raft_campaign(struct raft *r, struct raft_actions *a)
{
    r->leader = 0;
    r->ticks = 0;
    raft_timeout_draw(r);
    r->role = RAFT_PRE_CANDIDATE;
    r->self_granted = true; /* a pre-vote promises nothing, so nothing must be durable */
    ask_all(r, a, RAFT_PREVOTE, r->hard.term + 1);
    raft_count_votes(r, a);
}

void raft_count_votes(struct raft *r, struct raft_actions *a)
{
    uint32_t granted = r->self_granted && r->self_voter;
    for (uint32_t i = 0; i < r->peer_count; i++)
        granted += r->peers[i].granted && !r->peers[i].learner;
    if (granted < raft_majority(r))
        return;
    if (r->role == RAFT_PRE_CANDIDATE)
        raft_stand(r, a, false);
    else if (r->role == RAFT_CANDIDATE)
        raft_become_leader(r, a);
}

static bool log_is_current(const struct raft *r, const struct raft_message *m)
{
    uint64_t term = raft_log_term(&r->log, r->log.last);
    return m->log_term > term || (m->log_term == term && m->log_index >= r->log.last);
}

void raft_receive_vote(struct raft *r, struct raft_actions *a, const struct raft_message *m)
{
    bool granted = log_is_current(r, m);
    if (m->kind == RAFT_PREVOTE) {
        /* While a leader is alive nobody is helped to depose it. */
        bool leader_alive = r->role == RAFT_LEADER || (r->leader && r->ticks < r->election_ticks);
        granted = granted && m->term > r->hard.term && !leader_alive;
        struct raft_message *reply = raft_send(r, a, RAFT_PREVOTE_REPLY, m->from);
        reply->ok = granted;
        if (granted)
            reply->term = m->term;
        return;
    }
    ASSERT(m->term == r->hard.term);
    granted = granted && (r->hard.vote == m->from || (r->hard.vote == 0 && r->leader == 0));
    if (granted) {
        if (r->hard.vote == 0) {
            r->hard.vote = m->from;
            a->persist_hard = true;
            a->hard = r->hard;
        }
        r->ticks = 0;
    }
    raft_send(r, a, RAFT_VOTE_REPLY, m->from)->ok = granted;
}

void raft_receive_vote_reply(struct raft *r, struct raft_actions *a, const struct raft_message *m)
{
    bool pre = m->kind == RAFT_PREVOTE_REPLY;
    if (r->role != (pre ? RAFT_PRE_CANDIDATE : RAFT_CANDIDATE) || !m->ok)
        return;
    if (pre && m->term != r->hard.term + 1)
        return;
    struct raft_peer *p = raft_peer_of(r, m->from);
    if (!p)
        return;
    p->granted = true;
    raft_count_votes(r, a);
}
