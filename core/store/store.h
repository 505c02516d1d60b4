/*
 * The store: bytes to bytes with revisions, durable, watched. One command is compares plus puts
 * and deletes on many keys, applied atomically or not at all; every command that changes anything
 * makes one new revision. A deterministic state machine under a Raft log; one replica is the
 * smallest cluster. Any replica takes commands: one that does not lead sends them to the leader and
 * answers when it has applied them itself, so that its caller reads what it wrote.
 *
 * Thread: the loop's. Disk work runs on one disk thread inside; commits waiting share one fsync.
 * Values are immutable and reference-counted (struct store_value): readers, caches and watchers
 * share them.
 *
 * Durability: a done callback with 0 means the command is fsynced on a majority. After an fsync
 * error the store fails for good (on_fatal) and the role must end.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/str.h"
#include "loop/loop.h"
#include "port/disk.h"
#include "raft/raft.h"

struct store;

enum {
    STORE_KEY_MAX = 1024,
    STORE_OPS_MAX = 1024,                    /* compares, and ops, of one command */
    STORE_COMMAND_MAX = 4 * 1024 * 1024,     /* bytes of one command */
    STORE_PENDING_MAX = 8192,                /* commands in flight */
    STORE_PENDING_BYTES = 16 * 1024 * 1024,
    STORE_MESSAGE_MAX = 8 * 1024 * 1024, /* between replicas */
};

/* What carries messages to other replicas. */
struct store_transport_ops {
    /* Copies the parts, which together are one message (<= STORE_MESSAGE_MAX), for member `to`, and
     * sends it when it can; or drops it (no connection, queue full): a message may be lost, but
     * none arrives twice or overtakes another of the same sender and receiver. Never blocks, never
     * calls the store. */
    void (*send)(void *ctx, uint64_t to, const struct str *parts, size_t count);
    /* Whom to reach, and where: at the opening and at each change. Borrowed for the call. */
    void (*members)(void *ctx, const struct raft_members *members);
};
struct store_transport {
    const struct store_transport_ops *ops; /* NULL: there are no other replicas */
    void *ctx;
};

/* A key with its value at one revision. Immutable. */
struct store_value {
    uint32_t refs; /* through store_value_ref/unref only */
    uint32_t key_size, size;
    int64_t create_revision, mod_revision, version;
    /* One decoded companion (labels, owner ...), freed with attach_free (store_options) when the
     * value goes. A reader may set it once where it is NULL. */
    void *attached;
    void (*attach_free)(void *attached);
    char bytes[]; /* key, then value */
};
static inline struct str store_value_key(const struct store_value *v)
{
    return str_make(v->bytes, v->key_size);
}
static inline struct str store_value_bytes(const struct store_value *v)
{
    return str_make(v->bytes + v->key_size, v->size);
}
struct store_value *store_value_ref(struct store_value *v);
void store_value_unref(struct store_value *v); /* accepts NULL */

struct store_options {
    struct disk disk; /* taken over */
    struct loop *loop;
    /* Called once when the store can no longer keep its word; message says file, offset, remedy. */
    void (*on_fatal)(void *ctx, const char *message);
    void (*attach_free)(void *attached);
    void *ctx;
    uint64_t history_revisions; /* events kept for watches; 0: 10,000 */
    uint64_t history_bytes;     /* and their values together; 0: 4 MiB */
    /* Log bytes between snapshots (and at least half of all values' bytes); 0: 16 MiB. */
    uint64_t snapshot_after_bytes;
    uint64_t segment_bytes; /* preallocated log file; 0: 8 MiB */
    /* Below: writes are refused with -E_NO_SPACE, and below half of it deletes too; 0: 8 MiB. */
    uint64_t min_free_bytes;
    uint64_t seed; /* random: log records are salted with it, so that no value can forge one */
    /* -- replicas -- */
    struct store_transport transport;
    /* Where the others reach this one; kept in the membership when the cluster begins with this
     * replica. Borrowed for store_open; NULL: "". */
    const char *address;
    /* A new store does not begin a cluster of itself but waits to be added to one. */
    bool join;
    uint32_t tick_ms; /* 0: 50. An election timeout is 10 to 20 ticks, a heartbeat 1 */
    /* This replica begins or ceases to lead; also from store_open (never from store_close). What
     * only one may do (controllers, expiry) is done between the two. */
    void (*on_leading)(void *ctx, bool leading);
    /* No disk thread: its work is done in the loop's turns, in an order that depends on nothing
     * but the calls. For simulation. */
    bool synchronous;
};

/* Recovers from disk: torn tail truncated; a corrupt middle refuses with file, offset and remedy
 * in err (-E_CORRUPT). Blocks. The disk is taken over on failure too. */
int store_open(const struct store_options *o, struct store **ret_store, struct err *err) MUST_CHECK;
/* Waits for the disk thread; commands in flight get -E_CLOSED (they may still be found done at the
 * next open). Frees watches. Not from within a callback of the store. */
void store_close(struct store *s);

/* ---- replicas ---- */
uint64_t store_id(const struct store *s); /* this replica; made with the disk's first opening */
uint64_t store_leader(const struct store *s); /* 0: unknown */
bool store_leading(const struct store *s);
const struct raft_members *store_members(const struct store *s); /* borrowed until the next turn */
/* How far member id is known to be, as of the leader; 0 when unknown or not leading. */
uint64_t store_member_match(const struct store *s, uint64_t id);
uint64_t store_last_index(const struct store *s);
/* A message of another replica, as its transport was given it. Bytes of a member are ours, yet
 * checked: -E_CORRUPT, and nothing changed. */
int store_receive(struct store *s, uint64_t from, struct str message) MUST_CHECK;
/* rc: 0; -E_UNAVAILABLE: no leader, nothing was done; -E_TIMEOUT: perhaps done. */
typedef void store_ready_fn(void *ctx, int rc);
/* Calls ready when everything acknowledged anywhere before this call is applied here: a read after
 * that is linearizable. Exactly once, perhaps at once, at the latest after some election timeouts.
 * Nonzero return: not called: -E_CLOSED, -E_NOMEM, -E_BUSY. */
int store_read(struct store *s, store_ready_fn *ready, void *ctx) MUST_CHECK;
/* As RAFT_CHANGE and RAFT_TRANSFER, on the leader (-E_UNAVAILABLE elsewhere). ready, when the change
 * is committed (0), can no longer be (-E_UNAVAILABLE), or is not known to be after some election
 * timeouts (-E_TIMEOUT; so for a leader that removed itself). */
int store_change_members(struct store *s, const struct raft_members *members, store_ready_fn *ready,
                         void *ctx) MUST_CHECK;
int store_transfer(struct store *s, uint64_t to) MUST_CHECK;

int64_t store_revision(const struct store *s); /* latest applied; starts at 1 in a new store */
int64_t store_compacted(const struct store *s); /* history up to and including this may be gone */

/* ---- reading: the applied state; linearizable on one replica ---- */
/* Latest value of key, borrowed until the next turn of the loop, or NULL. */
struct store_value *store_get(struct store *s, struct str key);

struct store_snapshot; /* an immutable view at one revision, O(1) to take */
int store_snapshot_take(struct store *s, struct store_snapshot **ret_snap) MUST_CHECK;
struct store_snapshot *store_snapshot_ref(struct store_snapshot *snap);
void store_snapshot_release(struct store_snapshot *snap);
int64_t store_snapshot_revision(const struct store_snapshot *snap);
struct store_value *store_snapshot_get(struct store_snapshot *snap, struct str key);
/* Values with from <= key < to, in key order (to.n == 0: no end). fn returns false to stop. */
void store_snapshot_range(struct store_snapshot *snap, struct str from, struct str to,
                          bool (*fn)(void *ctx, struct store_value *v), void *ctx);
uint64_t store_snapshot_count(struct store_snapshot *snap, struct str from, struct str to);

/* ---- writing ---- */
enum store_compare_kind {
    STORE_COMPARE_MOD_REVISION, /* equals; 0: the key does not exist */
    STORE_COMPARE_EXISTS,       /* any revision */
    STORE_COMPARE_VALUE,        /* its bytes' store_hash is `revision`: of what will be stored by
                                   commands still in flight, too */
};
struct store_compare {
    enum store_compare_kind kind;
    struct str key;
    int64_t revision;
};
/* The same in every process and for ever: part of the log. Not against those who seek collisions. */
int64_t store_hash(struct str bytes);
struct store_op {
    bool is_delete;
    struct str key, value;
    /* put only: companion handed to the new store_value when applied here (not stored). May be
     * NULL; ownership passes to the store when store_txn returns 0. */
    void *attached;
};
struct store_result {
    /* 0; -E_CONFLICT: a compare failed, nothing changed; -E_NO_SPACE; -E_BUSY; -E_UNAVAILABLE: no
     * leader, nothing was done; -E_TIMEOUT, -E_CLOSED: perhaps done. */
    int rc;
    int failed_compare; /* index when -E_CONFLICT, else -1 */
    int64_t revision; /* of the change, or the current one */
};
typedef void store_done_fn(void *ctx, const struct store_result *r);
/* Copies compares and ops. The compares are decided when the command is applied. Ops apply in
 * order; deleting a missing key changes nothing; a command that changes nothing makes no revision.
 * done is called exactly once from the loop (or store_close), never from inside this call.
 * Nonzero return: done is not called and nothing changed: -E_NO_SPACE (disk), -E_BUSY (too much in
 * flight: STORE_PENDING_*), -E_TOO_LARGE (LIMIT_OBJECT_BYTES, STORE_*_MAX), -E_BAD_REQUEST (an
 * empty key), -E_CLOSED (after a fatal error), -E_NOMEM. */
int store_txn(struct store *s, const struct store_compare *compares, size_t compare_count,
              const struct store_op *ops, size_t op_count, store_done_fn *done, void *ctx) MUST_CHECK;

/* ---- watching ---- */
struct store_event {
    int64_t revision;
    struct store_value *value;    /* new state; NULL when deleted */
    struct store_value *previous; /* state before; NULL when created */
};
struct store_watch;
/* fn for every change of a key with the prefix after revision `after` (history first, then live),
 * in order, without gap, from the loop. Values are borrowed for the call: ref to keep.
 * -E_EXPIRED: after < compacted. -E_BAD_REQUEST: after is in the future.
 * Creation never calls fn from inside. */
int store_watch_new(struct store *s, struct str prefix, int64_t after,
                    void (*fn)(void *ctx, const struct store_event *e), void *ctx,
                    struct store_watch **ret_watch) MUST_CHECK;
void store_watch_free(struct store_watch *w); /* also from within fn */
/* It has been told everything up to store_revision (so a bookmark may say so). */
bool store_watch_live(const struct store_watch *w);

struct store_stats {
    uint64_t keys, value_bytes, history_events, history_bytes, log_bytes, syncs, commits, snapshots;
    uint64_t free_bytes; /* of the file system, when last asked */
};
void store_stats(const struct store *s, struct store_stats *ret_stats);

#endif
