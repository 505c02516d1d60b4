/*
 * A snapshot on disk: the whole map as it was after one log entry, in "snap-<index, 16 hex
 * digits>". Written beside under "snap.tmp" in steps (so that commits go on between them), synced,
 * renamed, and only then do older snapshots and the log before it go.
 *
 * Little-endian. Header: "KEELSNP1", u32 version, u32 CRC32C of the rest of the 1,024 bytes,
 * u64 log id, u64 index, u64 term, i64 revision, u64 keys, u32 size of the members, u32 zero,
 * members (raft.h), zeros.
 * Then blocks: u32 CRC32C of (log id, the rest), u32 payload size, u64 number (from 0), payload;
 * a payload is records (record.h). The last block is empty.
 */
#ifndef STORE_SNAPFILE_H
#define STORE_SNAPFILE_H

#include "base/buf.h"
#include "port/disk.h"
#include "raft/raft.h"
#include "store/tree.h"

struct snapfile_meta {
    uint64_t log_id, index, term;
    int64_t revision;
    struct raft_members members; /* as of index */
};

struct snapfile_writer {
    struct disk *disk;
    struct disk_file *file; /* NULL: not at work */
    struct snapfile_meta meta;
    const struct tree_node *root; /* the caller holds it until the end */
    struct buf block;
    uint64_t at, block_number, unsynced;
    bool have_key; /* last_key is the one written last */
    size_t last_key_size;
    char last_key[STORE_KEY_MAX + 1];
};

int snapfile_begin(struct snapfile_writer *w, struct disk *d, const struct snapfile_meta *meta,
                   const struct tree_node *root, struct err *err) MUST_CHECK;
/* Writes one block: 1 more to do; 0 durable under its name; negative: failed, as after abort. */
int snapfile_step(struct snapfile_writer *w, struct err *err) MUST_CHECK;
void snapfile_abort(struct snapfile_writer *w); /* harmless when not at work */

/* Loads the newest snapshot and removes older ones and leftovers. -E_NOT_FOUND: none there. */
int snapfile_load(struct disk *d, uint64_t log_id, void (*attach_free)(void *),
                  struct snapfile_meta *ret_meta, struct tree_node **ret_root, struct err *err)
    MUST_CHECK;
/* Removes all snapshots before index. */
int snapfile_trim(struct disk *d, uint64_t index, struct err *err) MUST_CHECK;

#endif
