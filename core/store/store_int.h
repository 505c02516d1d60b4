/* Shared by store.c (the public face), replica.c (Raft and the disk) and apply.c (the machine). */
#ifndef STORE_STORE_INT_H
#define STORE_STORE_INT_H

#include "base/list.h"
#include "raft/raft.h"
#include "store/command.h"
#include "store/history.h"
#include "store/store.h"
#include "store/tree.h"
#include "store/watch.h"
#include "store/worker.h"

/* A command of this process between store_txn and its done. */
struct pending {
    struct list link; /* of store.pending, by index */
    struct raft_entry *entry;
    store_done_fn *done;
    void *ctx;
    size_t op_count;
    struct store_value *values[]; /* made beforehand for the puts, NULL for deletes */
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
    uint64_t value_bytes;
    struct history history;
    struct watch_index watches;

    /* The replica. */
    struct raft raft;
    struct raft_actions actions;
    uint64_t apply_to;
    struct worker worker;
    struct raft_entry **queue; /* for the log, not yet given to the worker; with references */
    size_t queue_count, queue_capacity;
    bool hard_dirty;
    struct raft_hard hard;
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

    struct list pending;
    uint64_t pending_count, pending_bytes;
    bool failed, closing;
    uint64_t commits, snapshots;
    uint64_t free_bytes, log_bytes, log_written, syncs;

    struct loop_fd fd;
    struct loop_task flush;  /* gives the queue to the worker at the end of the turn */
    struct loop_task watch_task;
    struct loop_timer watch_timer, retry;
};

/* ---- apply.c ---- */
/* Applies a command entry: all of it, or -E_NOMEM and nothing. p may be NULL. -E_CORRUPT: the
 * bytes are no command. */
int store_apply(struct store *s, struct str bytes, struct pending *p, struct store_result *ret)
    MUST_CHECK;
void pending_free(struct pending *p);

/* ---- replica.c ---- */
int replica_open(struct store *s, struct err *err) MUST_CHECK;
void replica_close(struct store *s);
int replica_propose(struct store *s, struct raft_entry *e) MUST_CHECK;
void replica_flush_soon(struct store *s);
void replica_on_flush(void *ctx);
void replica_on_fd(void *ctx, unsigned events);
void replica_on_retry(void *ctx);

#endif
