/*
 * The whole state on its way to a replica that is too far behind for the log: records in chunks,
 * some of them ahead of the answers. The sender walks a version of the tree that it holds; the
 * receiver builds a tree beside its own, writes it as a snapshot, and only then steps the message
 * that Raft knows. Nothing is resumed: a stream that stalls is given up and asked for anew.
 *
 *   out: idle -SNAPSHOT asked-> sends, <= AHEAD chunks unanswered -last answered-> idle, sent
 *        no answer for STALL_TICKS, or a refusal -> idle, not sent
 *   in:  idle -chunk 0-> collects in order -last chunk-> writes -durable-> steps -> idle
 *        a chunk out of order: ignored; chunk 0 of another stream: begins anew (not while writing)
 */
#ifndef STORE_STREAM_H
#define STORE_STREAM_H

#include "store/peer_msg.h"
#include "store/snapfile.h"
#include "store/tree.h"

struct store;

enum { STREAM_AHEAD = 8, STREAM_CHUNK_BYTES = 256 * 1024, STREAM_STALL_TICKS = 40 };

struct stream_out {
    uint64_t to; /* 0: idle */
    struct tree_node *root;
    struct peer_msg_chunk chunk; /* the next */
    uint64_t answered;           /* chunks */
    uint32_t ticks;              /* since the last answer */
    bool all_sent;
    size_t next_size;
    char next[STORE_KEY_MAX + 1]; /* least key not yet sent */
};

struct stream_in {
    uint64_t from; /* 0: idle */
    struct peer_msg_chunk chunk; /* the newest */
    uint64_t wanted;             /* number of the next */
    struct tree_node *root;
    bool complete, writing;
};

void stream_begin(struct store *s, const struct raft_message *m); /* Raft asks for it */
void stream_tick(struct store *s);
void stream_close(struct store *s);
int stream_receive(struct store *s, uint64_t from, const struct peer_msg *m) MUST_CHECK;
/* Writes the complete one when the worker is free for it. */
void stream_write_if_due(struct store *s);
/* The worker is done with it. */
void stream_written(struct store *s, bool ok);

#endif
