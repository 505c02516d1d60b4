/*
 * The store: bytes to bytes with revisions, durable, watched. One command is compares plus puts
 * and deletes on many keys, applied atomically or not at all; every command that changes anything
 * makes one new revision. A deterministic state machine under a Raft log; one replica is the
 * smallest cluster.
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

struct store;

/* A key with its value at one revision. Immutable. */
struct store_value {
    uint32_t refs; /* through store_value_ref/unref only */
    uint32_t key_size, size;
    int64_t create_revision, mod_revision, version;
    void *attached; /* one decoded companion (labels, owner ...), owned by attach_free of the store */
    char bytes[];   /* key, then value */
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
    uint64_t snapshot_after_bytes; /* log bytes between snapshots; 0: 16 MiB */
    uint64_t min_free_bytes;    /* below: writes are refused with -E_NO_SPACE; 0: 8 MiB */
    uint64_t seed;
};

/* Recovers from disk: torn tail truncated; a corrupt middle refuses with file, offset and remedy
 * in err (-E_CORRUPT). Blocks. */
int store_open(const struct store_options *o, struct store **ret_store, struct err *err) MUST_CHECK;
/* Waits for the disk thread; commands in flight get -E_CLOSED. */
void store_close(struct store *s);

int64_t store_revision(const struct store *s); /* latest applied; starts at 1 in a new store */
int64_t store_compacted(const struct store *s); /* history before this is gone */

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
};
struct store_compare {
    enum store_compare_kind kind;
    struct str key;
    int64_t revision;
};
struct store_op {
    bool is_delete;
    struct str key, value;
    /* put only: companion handed to the new store_value when applied here (not stored). May be
     * NULL; ownership passes to the store when store_txn returns 0. */
    void *attached;
};
struct store_result {
    int rc;           /* 0; -E_CONFLICT: a compare failed, nothing changed; -E_NO_SPACE; -E_CLOSED */
    int failed_compare; /* index when -E_CONFLICT, else -1 */
    int64_t revision; /* of the change, or the current one */
};
typedef void store_done_fn(void *ctx, const struct store_result *r);
/* Copies compares and ops. The compares are decided when the command is applied. done is called
 * exactly once from the loop, never from inside this call. Nonzero return: done is not called. */
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

struct store_stats {
    uint64_t keys, value_bytes, history_events, log_bytes, syncs, commits;
};
void store_stats(const struct store *s, struct store_stats *ret_stats);

#endif
