/*
 * The Raft consensus core as a pure state machine: raft_step(state, event) -> actions. No clock, no
 * I/O, no threads; randomness from a seed in the state. The shell around it (core/store, a
 * simulator) performs the actions and reports back with further events. A cluster of one node is
 * its smallest case and takes the same path.
 *
 * Follows D. Ongaro, "Consensus: Bridging Theory and Practice" (2014): election (3.4), replication
 * (3.5), pre-vote (9.6), check-quorum (6.2), ReadIndex with one round for all waiting reads (6.4),
 * learners (4.2.1), membership changes of one member at a time (4.1), leadership transfer (3.10).
 *
 * Invariants
 *  1. Persist before send: a message that is not `early` may leave only when every persist demand
 *     of its own step and of all earlier steps is durable. Messages leave in order or not at all.
 *  2. A vote, also a node's own, counts only once it is durable; a leader counts its own copy of an
 *     entry only once that is durable (RAFT_PERSISTED).
 *  3. term never goes back; within a term the vote changes only from 0 to a node.
 *  4. A committed entry is never truncated: commit <= last, base <= commit.
 *  5. A leader commits by counting only entries of its own term; earlier ones follow with them.
 *  6. apply_to only grows and never passes what is durable here.
 *  7. The newest MEMBERS entry of the log counts, committed or not; a second change begins only when
 *     the first is committed and an entry of the leader's own term too. A truncated one takes its
 *     members back to the one before it. A learner receives entries and confirms nothing: it
 *     neither votes nor counts for commitment, reads or the quorum check.
 *  8. Who is no voter (removed, or not yet added) does not campaign, but votes for and follows those
 *     who know better; unless the change that removed it is not known to be committed: then it may
 *     be the only one whose log has that (4.2.2), and leads, without counting itself, until it is.
 *  9. Reads are served from an index that was committed when a majority confirmed the leader's term
 *     after the read arrived.
 *
 * Roles: FOLLOWER -timeout-> PRE_CANDIDATE -majority would vote-> CANDIDATE -majority-> LEADER;
 * a higher term or a living leader: -> FOLLOWER; LEADER without an answering majority for an
 * election timeout -> FOLLOWER.
 */
#ifndef RAFT_RAFT_H
#define RAFT_RAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/prng.h"

enum {
    RAFT_VOTERS_MAX = 7,
    RAFT_NODES_MAX = 9, /* with learners */
    RAFT_ADDRESS_MAX = 64,
    RAFT_MEMBERS_SIZE_MAX = 8 + RAFT_NODES_MAX * (16 + RAFT_ADDRESS_MAX), /* encoded */
    RAFT_MESSAGE_ENTRIES_MAX = 64,
    RAFT_MESSAGES_MAX = 4 * RAFT_NODES_MAX, /* of one step */
    RAFT_WINDOW_ENTRIES = 1024,             /* sent ahead of a peer's answers */
};

enum raft_entry_kind { RAFT_ENTRY_NOOP = 1, RAFT_ENTRY_COMMAND = 2, RAFT_ENTRY_MEMBERS = 3 };

struct raft_member {
    uint64_t id; /* random, made with the member's disk: an emptied disk is somebody else */
    bool learner;
    char address[RAFT_ADDRESS_MAX]; /* terminated text for the shell; means nothing here */
};

/* At most RAFT_VOTERS_MAX of them vote. Ids are not 0 and differ. */
struct raft_members {
    uint32_t count;
    struct raft_member at[RAFT_NODES_MAX];
};

/* As bytes of a MEMBERS entry: u32 count, then for each u64 id, u8 learner, u8 n, n bytes address;
 * little-endian. encode: dst holds RAFT_MEMBERS_SIZE_MAX; the size. decode: -E_CORRUPT. */
size_t raft_members_encode(const struct raft_members *m, char *dst);
int raft_members_decode(const char *bytes, size_t size, struct raft_members *ret_members) MUST_CHECK;
/* NULL when id is none. */
const struct raft_member *raft_members_find(const struct raft_members *m, uint64_t id);

/* One entry of the log. Immutable once it is in a log; references are counted by one thread. */
struct raft_entry {
    uint32_t refs;
    uint32_t size;
    uint64_t index, term;
    uint8_t kind; /* enum raft_entry_kind */
    char bytes[];
};

int raft_entry_new(enum raft_entry_kind kind, size_t size, struct raft_entry **ret_entry) MUST_CHECK;
struct raft_entry *raft_entry_ref(struct raft_entry *e);
void raft_entry_unref(struct raft_entry *e); /* accepts NULL */

struct raft_hard {
    uint64_t term;
    uint64_t vote; /* node id, 0: none in this term */
};

enum raft_message_kind {
    RAFT_PREVOTE,
    RAFT_PREVOTE_REPLY,
    RAFT_VOTE,
    RAFT_VOTE_REPLY,
    RAFT_APPEND, /* heartbeat too */
    RAFT_APPEND_REPLY,
    /* The sender's shell streams its state machine as of any applied index >= log_index and puts
     * that position into log_index and log_term; the receiver's shell steps the message when it has
     * all of it, durable. One is asked for at a time; the sender reports with SNAPSHOT_SENT. */
    RAFT_SNAPSHOT,
    RAFT_TIMEOUT_NOW, /* the receiver shall campaign at once, without pre-vote */
};

struct raft_message {
    enum raft_message_kind kind;
    uint64_t from, to;
    uint64_t term;
    /* APPEND: the entry before the first. PREVOTE, VOTE: the candidate's last. SNAPSHOT: its
     * position. APPEND_REPLY: ok: highest entry known equal; else highest worth trying. */
    uint64_t log_index, log_term;
    uint64_t commit;     /* APPEND */
    uint64_t read_round; /* APPEND, SNAPSHOT; echoed in the reply */
    bool ok;             /* replies: granted, matched */
    bool forced;         /* VOTE: for a transfer of leadership; a living leader does not hinder it */
    bool early;          /* may be sent before the step's persist demands are durable */
    uint32_t entry_count;
    /* Borrowed from the log until the next step: ref to keep. */
    struct raft_entry *entries[RAFT_MESSAGE_ENTRIES_MAX];
    const struct raft_members *members; /* SNAPSHOT, when received: those as of log_index; borrowed */
};

enum raft_event_kind {
    RAFT_START,     /* once, after recovery; a cluster of one campaigns at once */
    RAFT_TICK,      /* a fixed interval passed */
    RAFT_PROPOSE,   /* entries to append; -E_UNAVAILABLE unless leader */
    RAFT_RECEIVE,   /* a message arrived */
    RAFT_PERSISTED, /* what is durable by now */
    RAFT_READ,      /* a linearizable read waits, numbered read_seq (rising) */
    RAFT_COMPACT,   /* entries up to compact_index (applied) may leave memory: who still needs them
                       gets a snapshot */
    RAFT_CHANGE,    /* members: the wanted membership, differing in one member. -E_UNAVAILABLE
                       unless leader; -E_BUSY: an earlier change, or this term's first entry, is not
                       committed; -E_BAD_REQUEST: differs in none or in more than one, or breaks a
                       bound; -E_CONFLICT: makes a voter of a learner that is not caught up */
    RAFT_TRANSFER,  /* leadership to the voter `peer`. -E_UNAVAILABLE unless leader; -E_BAD_REQUEST: no
                       voter. Until it is done, or an election timeout passed, PROPOSE, CHANGE and
                       TRANSFER are refused with -E_BUSY */
    RAFT_SNAPSHOT_SENT, /* the stream to `peer` ended; sent_ok: the state after entry `index` is
                           delivered, its answer follows */
};

struct raft_event {
    enum raft_event_kind kind;
    struct raft_entry **entries; /* PROPOSE: index and term are filled in; the log takes a ref */
    size_t entry_count;
    const struct raft_message *message; /* RECEIVE; its entries: the log takes refs */
    struct raft_hard hard;              /* PERSISTED: newest durable */
    uint64_t index, term;               /* PERSISTED: newest durable entry (0, 0: none) */
    uint64_t read_seq;
    uint64_t compact_index;
    const struct raft_members *members; /* CHANGE */
    uint64_t peer;                      /* TRANSFER, SNAPSHOT_SENT */
    bool sent_ok;
};

/* What the shell must do, in this order: install, persist, send, apply, answer reads. */
struct raft_actions {
    /* The snapshot that came with the message replaces the state machine and the log; it is
     * durable before RECEIVE is stepped. */
    bool install_snapshot;
    bool persist_hard;
    struct raft_hard hard;
    /* 0: nothing; else all entries from here to the last are new, and any that were persisted at
     * these indexes are void. */
    uint64_t append_from;
    uint64_t apply_to; /* committed and durable here; apply what is not yet applied */
    /* Reads numbered <= read_done may be served once read_index is applied; then those
     * <= read_failed that were not done must be refused. 0: none. */
    uint64_t read_done, read_index, read_failed;
    uint32_t message_count;
    struct raft_message messages[RAFT_MESSAGES_MAX];
};

enum raft_role { RAFT_FOLLOWER, RAFT_PRE_CANDIDATE, RAFT_CANDIDATE, RAFT_LEADER };

struct raft_config {
    uint64_t id;
    struct raft_members members; /* as of base; none: this node waits to be added */
    uint32_t election_ticks;  /* timeout is random in [this, 2 * this); 0: 10 */
    uint32_t heartbeat_ticks; /* 0: 1 */
    uint64_t seed;
    /* As recovered. Entries behind base follow with raft_restore. */
    struct raft_hard hard;
    uint64_t base_index, base_term;
    uint64_t commit; /* known committed, >= base_index or 0 */
};

struct raft_peer {
    uint64_t id;
    bool learner;
    uint64_t next, match;
    uint64_t read_round; /* newest round it confirmed */
    bool granted;        /* its vote in the present (pre-)election */
    bool heard;          /* since the last quorum check */
    bool probing;        /* position unknown: one message at a time */
    bool streaming;      /* a snapshot is under way: heartbeats only */
};

struct raft_log {
    struct raft_entry **slots; /* index & (capacity - 1) */
    uint64_t capacity;         /* a power of two, or 0 */
    uint64_t base_index, base_term;
    uint64_t last;
};

/* Readable by all; written by raft_* only. */
struct raft {
    uint64_t id;
    uint64_t leader; /* 0: unknown */
    enum raft_role role;
    struct raft_hard hard;
    struct raft_log log;
    uint64_t commit;
    uint64_t persisted; /* entries up to here are durable here */
    uint64_t apply_to;
    uint64_t read_requested, read_round, read_round_seq, read_round_index, read_answered;
    uint32_t ticks, timeout_ticks, election_ticks, heartbeat_ticks, quorum_ticks;
    struct raft_members members;        /* those that count */
    uint64_t members_index;             /* of their entry; base_index or less: not in the log */
    struct raft_members members_before; /* once more when members_index is truncated */
    uint32_t peer_count;                /* without this node */
    struct raft_peer peers[RAFT_NODES_MAX];
    bool self_voter; /* member and no learner */
    uint64_t transfer_to; /* 0: none */
    uint32_t transfer_ticks;
    bool self_granted;
    struct raft_entry *spare_noop; /* so that becoming leader cannot fail */
    struct prng prng;
};

/* -E_INVALID: an id is 0 or there twice, or they are too many. */
int raft_init(struct raft *r, const struct raft_config *c) MUST_CHECK;
void raft_done(struct raft *r);
/* Before RAFT_START: adds a durable entry at last + 1; takes its own reference. */
int raft_restore(struct raft *r, struct raft_entry *e) MUST_CHECK;

/* -E_NOMEM and -E_UNAVAILABLE leave r unchanged and ask for nothing. */
int raft_step(struct raft *r, const struct raft_event *e, struct raft_actions *ret_actions)
    MUST_CHECK;

/* Entry at index, borrowed; NULL outside (base, last]. */
struct raft_entry *raft_entry_at(const struct raft *r, uint64_t index);
uint64_t raft_last_index(const struct raft *r);
/* Term of the entry at index; 0 when it is not known (outside [base, last]). */
uint64_t raft_term_at(const struct raft *r, uint64_t index);

#endif
