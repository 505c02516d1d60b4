/*
 * Handing leadership over: the leader takes no more proposals, brings the target up to its own last
 * entry, and tells it to campaign at once. If that leads to nothing within an election timeout it
 * goes on as leader.
 */
#include "raft/raft_int.h"

static void tell(struct raft *r, struct raft_actions *a, const struct raft_peer *p)
{
    if (p->match == r->log.last)
        raft_send(r, a, RAFT_TIMEOUT_NOW, p->id)->early = true;
}

int raft_step_transfer(struct raft *r, struct raft_actions *a, const struct raft_event *e)
{
    if (r->role != RAFT_LEADER)
        return -E_UNAVAILABLE;
    if (r->transfer_to)
        return -E_BUSY;
    const struct raft_peer *p = raft_peer_of(r, e->peer);
    if (!p || p->learner)
        return -E_BAD_REQUEST;
    r->transfer_to = e->peer;
    r->transfer_ticks = 0;
    tell(r, a, p);
    return 0;
}

void raft_transfer_tick(struct raft *r)
{
    if (r->transfer_to && ++r->transfer_ticks >= r->election_ticks)
        r->transfer_to = 0;
}

void raft_transfer_advance(struct raft *r, struct raft_actions *a, const struct raft_peer *p)
{
    if (r->transfer_to == p->id)
        tell(r, a, p);
}
