/*
 * The log on disk: entries in frames, frames in preallocated segment files.
 *
 * A segment is "log-<first frame's sequence, 16 hex digits>". Its first block holds a header:
 *   "KEELLOG1", u32 version, u32 CRC32C of the rest of the 40 bytes, u64 log id,
 *   u64 first sequence, u64 last index before it
 * Frames follow from offset 4096, each at a multiple of 8. One frame is one write and one sync:
 *   u32 magic, u32 CRC32C of (log id, the rest of this head), u64 sequence, u64 its own offset,
 *   u32 payload size, u32 CRC32C of the payload, payload, padding
 * A payload is entries: u8 kind, 3 zero, u32 size, u64 index, u64 term, bytes, padded to 8. An
 * empty payload is a mark: written after a frame is durable, it proves that; the next frame takes
 * its place and its sequence.
 *
 * Invariants
 *  1. A frame is written only after the one before it is durable. So only the last frame can be
 *     torn (opening syncs what it found, before it writes behind it): a bad frame with a good later one behind it is corruption and refuses to open; without
 *     one it is cut off.
 *  2. The own offset and the salted head make a misplaced or forged frame a bad one.
 *  3. Space for a small frame is always allocated in the active segment, so that a store opens on
 *     a full disk.
 *  4. Bytes not yet written read as zeros; writing leaves neighbouring bytes alone.
 */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include "base/buf.h"
#include "port/disk.h"
#include "raft/raft.h"

enum {
    JOURNAL_NAME_MAX = 32,
    JOURNAL_RESERVE_BYTES = 256 * 1024, /* allocated behind segment_bytes */
    JOURNAL_ZERO_BYTES = 256 * 1024,    /* written ahead, so that a sync needs no metadata */
};

struct journal_segment {
    uint64_t first_sequence;
    uint64_t before_index; /* last index before its first entry */
    uint64_t bytes;        /* used */
};

struct journal {
    struct disk *disk;
    uint64_t log_id, segment_bytes;
    struct journal_segment *segments; /* oldest first; the last is active */
    size_t segment_count, segment_capacity;
    struct disk_file *file; /* of the active one */
    uint64_t at;            /* where the next frame goes */
    uint64_t zeroed_to;
    uint64_t next_sequence;
    uint64_t last_index;
    uint64_t syncs;
    uint64_t written; /* bytes of frames, those found at open included */
    bool no_space; /* a new segment was wanted and did not fit; the reserve is in use */
    struct buf frame;
};

typedef int journal_entry_fn(void *ctx, const struct raft_entry *head, struct str bytes);

/* Opens what is there, or makes the first segment when there is nothing and `fresh`. Entries up to
 * snapshot_index are covered by a snapshot; fn gets each later one in order. A torn tail is cut
 * off durably. On failure j is as after journal_close. */
int journal_open(struct journal *j, struct disk *d, uint64_t log_id, uint64_t segment_bytes,
                 uint64_t snapshot_index, bool fresh, journal_entry_fn *fn, void *ctx,
                 struct err *err) MUST_CHECK;
void journal_close(struct journal *j);

/* Writes the entries as one frame and syncs. After a failure the journal may only be closed. */
int journal_append(struct journal *j, struct raft_entry *const *entries, size_t count,
                   struct err *err) MUST_CHECK;
/* Marks the last frame as durable; not synced itself. */
int journal_mark(struct journal *j, struct err *err) MUST_CHECK;
/* Drops segments all of whose entries are at or before index. */
int journal_trim(struct journal *j, uint64_t index, struct err *err) MUST_CHECK;
uint64_t journal_bytes(const struct journal *j);

#endif
