/*
 * Shared by the files of the store:
 *   store.c    the public face
 *   open.c     recovery from the disk, closing
 *   replica.c  Raft's actions performed: disk jobs, messages, applying
 *   forward.c  commands and reads of this replica on their way to the leader and back
 *   stream.c   the whole state on its way to another replica
 *   apply.c    the state machine
 */
#ifndef STORE_STORE_INT_H
#define STORE_STORE_INT_H

#include "base/list.h"
#include "raft/raft.h"
#include "store/command.h"
#include "store/history.h"
#include "store/peer_msg.h"
#include "store/store.h"
#include "store/stream.h"
#include "store/tree.h"
#include "store/watch.h"
#include "store/worker.h"

/* A command of this process between store_txn and its done. */
struct pending {
    struct list link; /* of store.pending, by sequence */
    uint64_t sequence;
    /* Proposed here, or sent to the leader, in this term: it can become part of the log in this
     * term only. 0: waits for a leader. */
    uint64_t sent_term;
    bool was_sent;
    int64_t deadline_ms;
    struct raft_entry *entry;
    store_done_fn *done;
    void *ctx;
    size_t op_count;
    struct store_value *values[]; /* made beforehand for the puts, NULL for deletes */
};

/* A read that waits for its index, or until that is applied. */
struct reader {
    struct list link; /* of store.readers, by seq */
    uint64_t seq;
    uint64_t index; /* 0: not known yet */
    int64_t deadline_ms;
    store_ready_fn *ready; /* NULL: of another replica, which shall only be told the index */
    void *ctx;
    uint64_t from, from_number;
};

/* An entry that waits for the disk, and which demand for durability it is part of. */
struct queued {
    struct raft_entry *entry;
    uint64_t demand;
};

/* A message that waits until all demands up to `demand` are durable. */
struct outgoing {
    uint64_t demand, to;
    char bytes[PEER_MSG_RAFT_HEAD];
};

struct store_snapshot {
    uint32_t refs;
    int64_t revision;
    struct tree_node *root;
};

struct store {
    struct store_options o;
    struct disk disk;

    /* The state machine: what the commands up to `applied` made. */
    struct tree_node *root;
    int64_t revision;
    uint64_t applied, applied_term;
    struct raft_members members; /* as of applied */
    uint64_t value_bytes;
    uint64_t state_hash;
    struct history history;
    struct watch_index watches;

    /* The replica. */
    struct raft raft;
    struct raft_actions actions;
    uint64_t apply_to;
    uint64_t kept_bytes; /* of applied entries still in raft's log */
    struct worker worker;
    struct queued *queue; /* for the log, not yet given to the worker; with references */
    size_t queue_count, queue_capacity;
    bool hard_dirty;
    struct raft_hard hard;
    uint64_t demand, job_demand, durable_demand;
    struct raft_entry **job_entries; /* the worker's at present */
    size_t job_capacity;
    bool job_runs;
    bool job_again; /* it waits for memory */
    bool durable_news; /* not yet stepped into raft */
    struct raft_hard durable_hard;
    uint64_t durable_index, durable_term;
    struct tree_node *snapshot_root; /* being written */
    uint64_t snapshot_from;          /* log_written when the last one began */
    bool ask_space;
    int64_t asked_space_ms;
    struct outgoing *outbox; /* in order */
    size_t outbox_count, outbox_capacity;
    bool leading; /* and said so */
    uint64_t members_told; /* raft.members_index + 1 when the transport was told last */
    uint64_t hash_at;      /* index of the newest hash noted */
    uint64_t hash_from;    /* those at or before this index were not made here */
    uint64_t hashes[16];   /* of the state after entry n * HASH_EVERY, in n % 16 */

    struct list pending;
    uint64_t pending_count, pending_bytes, session, sequence;
    uint64_t seen_leader, seen_term; /* for whom pending and readers were last looked at */
    uint64_t seen_applied_term;
    bool unsent; /* some pending command waits for a leader that takes it */
    struct list readers;
    uint64_t reader_count, read_seq;
    uint64_t read_asked; /* number of the question to the leader under way; 0: none */
    uint32_t read_asked_ticks;
    store_ready_fn *change_ready; /* of the membership change under way, or NULL */
    void *change_ctx;
    uint64_t change_index, change_term;
    int64_t change_deadline_ms;
    struct stream_out streams[RAFT_NODES_MAX];
    uint64_t stream_count;
    struct stream_in incoming;
    struct peer_msg message; /* being taken in */

    bool failed, closing;
    uint64_t commits, snapshots;
    uint64_t free_bytes, log_bytes, log_written, syncs;

    struct loop_fd fd;
    struct loop_task flush;  /* gives the queue to the worker at the end of the turn */
    struct loop_task watch_task;
    struct loop_timer watch_timer, retry, tick;
};

/* ---- apply.c ---- */
/* Applies a command (behind its origin): all of it, or -E_NOMEM and nothing. p may be NULL.
 * -E_CORRUPT: the bytes are no command. */
int store_apply(struct store *s, struct str bytes, struct pending *p, struct store_result *ret)
    MUST_CHECK;
/* Replaces the whole state; takes over root. Watches must be none. */
void store_replace(struct store *s, struct tree_node *root, const struct snapfile_meta *meta);
void store_count(struct store *s); /* value_bytes and state_hash anew, from the tree */
void pending_free(struct pending *p);

/* ---- store.c ---- */
/* 0 or -E_NO_SPACE. */
int store_space_check(struct store *s, bool only_deletes) MUST_CHECK;

/* ---- open.c ---- */
int replica_open(struct store *s, struct err *err) MUST_CHECK;
void replica_close(struct store *s);

/* ---- replica.c ---- */
enum {
    JOB_AGAIN_MS = 10,
    HASH_EVERY = 1024,
    ANSWER_MS = 8000, /* some elections: after that a command, read or change is given up */
};
int replica_step(struct store *s, const struct raft_event *e) MUST_CHECK;
bool replica_job_fill(struct store *s); /* moves what waits into the job; false: nothing does */
void replica_job_done(struct store *s);
int replica_advance(struct store *s) MUST_CHECK; /* steps what is durable, applies what is committed */
void replica_progress(struct store *s);
void replica_flush_soon(struct store *s);
void replica_on_flush(void *ctx);
void replica_on_fd(void *ctx, unsigned events);
void replica_on_retry(void *ctx);
void replica_on_tick(void *ctx);
bool replica_alone(const struct store *s); /* the only voter, without peers: nothing to time */
void replica_send(struct store *s, uint64_t to, const struct peer_msg *m, struct str rest);
void replica_fail(struct store *s, const char *message);
void replica_change_finish(struct store *s, int rc); /* of the membership change under way */

/* ---- forward.c ---- */
void forward_add(struct store *s, struct pending *p);
/* To be called after steps: sends what waits to whom leads now. */
void forward_check(struct store *s);
void forward_tick(struct store *s);
/* The pending command that this entry is, or NULL. */
struct pending *forward_find(struct store *s, struct command_origin o);
void forward_finish(struct store *s, struct pending *p, const struct store_result *result);
/* The state was replaced by one of a later position: what was sent is perhaps done. */
void forward_uncertain(struct store *s);
void forward_close(struct store *s);
int forward_receive(struct store *s, uint64_t from, const struct peer_msg *m) MUST_CHECK;
void reads_done(struct store *s, uint64_t seq, uint64_t index);
void reads_failed(struct store *s);  /* this replica ceased to lead */
void reads_serve(struct store *s);   /* those whose index is applied */

#endif
