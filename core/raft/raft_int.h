/* Shared by the files of core/raft. */
#ifndef RAFT_RAFT_INT_H
#define RAFT_RAFT_INT_H

#include "raft/raft.h"

/* ---- log.c: the entries in memory ---- */
int raft_log_reserve(struct raft_log *l, uint64_t more) MUST_CHECK; /* l unchanged on failure */
void raft_log_push(struct raft_log *l, struct raft_entry *e);       /* takes the reference */
void raft_log_truncate(struct raft_log *l, uint64_t last);          /* drops all behind last */
void raft_log_compact(struct raft_log *l, uint64_t index);          /* drops up to index */
void raft_log_reset(struct raft_log *l, uint64_t index, uint64_t term);
void raft_log_done(struct raft_log *l);
struct raft_entry *raft_log_at(const struct raft_log *l, uint64_t index);
uint64_t raft_log_term(const struct raft_log *l, uint64_t index);

/* ---- members.c ---- */
/* Makes m count: peers that stay keep their positions. index: of its entry; 0 at the beginning. */
void raft_members_set(struct raft *r, const struct raft_members *m, uint64_t index);
/* After the log was cut to `last`: the members before, if their entry is gone. */
void raft_members_truncated(struct raft *r);
/* Takes the members of new entries from `from` on. */
void raft_members_appended(struct raft *r, uint64_t from);
/* Entries whose bytes are no members make a message unacceptable. */
bool raft_members_valid(const struct raft_members *m);
bool raft_may_campaign(const struct raft *r);
int raft_step_change(struct raft *r, struct raft_actions *a, const struct raft_event *e) MUST_CHECK;

/* ---- transfer.c ---- */
int raft_step_transfer(struct raft *r, struct raft_actions *a, const struct raft_event *e)
    MUST_CHECK;
void raft_transfer_tick(struct raft *r);
void raft_transfer_advance(struct raft *r, struct raft_actions *a, const struct raft_peer *p);

/* ---- raft.c ---- */
struct raft_message *raft_send(struct raft *r, struct raft_actions *a, enum raft_message_kind kind,
                               uint64_t to);
void raft_become_follower(struct raft *r, struct raft_actions *a, uint64_t term, uint64_t leader);
void raft_apply_advance(struct raft *r);
/* Of the voters. What this node itself adds counts only if it is one (self_voter). */
uint32_t raft_majority(const struct raft *r);
struct raft_peer *raft_peer_of(struct raft *r, uint64_t id);

/* ---- election.c ---- */
void raft_campaign(struct raft *r, struct raft_actions *a); /* pre-vote first */
void raft_stand(struct raft *r, struct raft_actions *a, bool forced);
void raft_count_votes(struct raft *r, struct raft_actions *a);
void raft_receive_vote(struct raft *r, struct raft_actions *a, const struct raft_message *m);
void raft_receive_vote_reply(struct raft *r, struct raft_actions *a, const struct raft_message *m);
void raft_timeout_draw(struct raft *r);

/* ---- replicate.c ---- */
void raft_become_leader(struct raft *r, struct raft_actions *a);
void raft_broadcast(struct raft *r, struct raft_actions *a, bool even_if_empty);
void raft_commit_advance(struct raft *r, struct raft_actions *a);
void raft_receive_append(struct raft *r, struct raft_actions *a, const struct raft_message *m);
void raft_receive_append_reply(struct raft *r, struct raft_actions *a,
                               const struct raft_message *m);
void raft_receive_snapshot(struct raft *r, struct raft_actions *a, const struct raft_message *m);
void raft_snapshot_sent(struct raft *r, struct raft_actions *a, const struct raft_event *e);
void raft_read_advance(struct raft *r, struct raft_actions *a);

#endif
