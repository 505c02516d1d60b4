/*
 * The hard state: the store's identity, term and vote, in the file "hard". Two slots of one block
 * each hold the same content; a change writes and syncs the first, then the second, and counts
 * when both are durable. So one torn or flipped slot never loses what was promised: the other one
 * has it, and of two good ones the newer is taken (never promised, but harmless).
 *
 * A slot, little-endian: "KEELHRD1", u32 version, u32 CRC32C of the rest of the 56 bytes,
 * u64 log id (which is the member id too), u64 sequence, u64 term, u64 vote, u64 flags (1: began
 * as one that waits to be added to a cluster).
 */
#ifndef STORE_HARD_H
#define STORE_HARD_H

#include "port/disk.h"
#include "raft/raft.h"

struct hard_file {
    struct disk_file *file;
    uint64_t log_id, sequence;
    struct raft_hard hard;
    bool joins;
};

/* Makes the file, durably, under its name. */
int hard_create(struct disk *d, uint64_t log_id, bool joins, struct err *err) MUST_CHECK;
/* -E_NOT_FOUND: no such file; -E_CORRUPT: both slots are bad. */
int hard_open(struct disk *d, struct hard_file *ret_file, struct err *err) MUST_CHECK;
int hard_save(struct disk *d, struct hard_file *f, struct raft_hard hard, struct err *err) MUST_CHECK;
void hard_close(struct disk *d, struct hard_file *f); /* harmless when not open */

#endif
