/*
 * What replicas say to each other, as bytes; little-endian. The first byte is the kind:
 *   RAFT      u8 raft kind, u8 flags (1 ok, 2 forced), u8 0, u32 entries, u64 term, log index,
 *             log term, commit, read round; then for each entry u8 kind, 3 zero, u32 size,
 *             u64 index, u64 term, bytes. A SNAPSHOT does not come this way but in chunks.
 *   FORWARD   3 zero, u32 0, u64 term; the bytes of a command entry (command.h). To the leader, who
 *             proposes it in exactly this term, or refuses.
 *   REFUSE    3 zero, i32 rc, u64 session, u64 sequence, u64 term: of a forwarded command, not
 *             proposed in the term it named
 *   READ      3 zero, u32 0, u64 number: which index must a read that begins now wait for?
 *   READ_DONE 3 zero, i32 rc, u64 number, u64 index
 *   CHUNK     3 zero, u32 last (0, 1), u64 stream, u64 number, u64 term, index, log term, revision,
 *             read round, u32 members size, u32 0, members; records (record.h)
 *   CHUNK_ACK 3 zero, i32 rc, u64 stream, u64 number: the chunk is taken; the last: durable
 *   HASH      3 zero, u32 0, u64 index, u64 hash: of the state after this entry
 * Sender and receiver are known from the connection. Nothing of it is trusted to be in bounds.
 */
#ifndef STORE_PEER_MSG_H
#define STORE_PEER_MSG_H

#include "raft/raft.h"
#include "store/command.h"

enum peer_msg_kind {
    PEER_MSG_RAFT = 1,
    PEER_MSG_FORWARD,
    PEER_MSG_REFUSE,
    PEER_MSG_READ,
    PEER_MSG_READ_DONE,
    PEER_MSG_CHUNK,
    PEER_MSG_CHUNK_ACK,
    PEER_MSG_HASH,
};

enum {
    PEER_MSG_RAFT_HEAD = 48,
    PEER_MSG_ENTRY_HEAD = 24,
    PEER_MSG_CHUNK_HEAD = 72,
    PEER_MSG_PARTS_MAX = 1 + 2 * RAFT_MESSAGE_ENTRIES_MAX,
};

struct peer_msg_chunk {
    bool last;
    uint64_t stream, number;
    uint64_t term;       /* the leader's */
    uint64_t read_round; /* of the SNAPSHOT it carries */
    uint64_t index, log_term;
    int64_t revision;
    struct raft_members members;
};

/* One decoded message. Bytes and entries' bytes are borrowed from the input. */
struct peer_msg {
    enum peer_msg_kind kind;
    int rc;                    /* REFUSE, READ_DONE, CHUNK_ACK */
    uint64_t term;             /* FORWARD, REFUSE */
    uint64_t number, index;    /* READ, READ_DONE; HASH: index */
    uint64_t hash;
    struct command_origin origin; /* REFUSE */
    struct peer_msg_chunk chunk;  /* CHUNK; CHUNK_ACK: stream and number */
    struct str bytes;             /* FORWARD: the entry's; CHUNK: records; RAFT: entries */
    struct raft_message raft;     /* RAFT: without its entries */
};

/* The heads; what follows is the caller's to send behind them. dst holds PEER_MSG_RAFT_HEAD. */
void peer_msg_raft_head(char *dst, const struct raft_message *m);
void peer_msg_entry_head(char *dst, const struct raft_entry *e); /* PEER_MSG_ENTRY_HEAD */
/* dst holds PEER_MSG_CHUNK_HEAD + RAFT_MEMBERS_SIZE_MAX; the size. */
size_t peer_msg_chunk_head(char *dst, const struct peer_msg_chunk *c);

/* A whole message of the small kinds (FORWARD: its head); dst holds PEER_MSG_SMALL; the size. */
enum { PEER_MSG_SMALL = 32 };
size_t peer_msg_small(char *dst, const struct peer_msg *m);

/* -E_CORRUPT: no message, or one that breaks a bound. */
int peer_msg_read(struct str bytes, struct peer_msg *ret_msg) MUST_CHECK;
/* The entries of a RAFT message into raft.entries, each with a reference of the caller's.
 * -E_CORRUPT, -E_NOMEM: none. */
int peer_msg_entries(struct peer_msg *m) MUST_CHECK;
void peer_msg_entries_unref(struct peer_msg *m);

#endif
