/*
 * The latest events, oldest first, for watches that begin in the past. Numbered without gap by
 * `sequence`, which is this process's own and never on disk. Whole revisions are dropped when the
 * caps on events or bytes are passed, but never those that a watch still needs (`pinned`).
 */
#ifndef STORE_HISTORY_H
#define STORE_HISTORY_H

#include "store/store.h"

struct history {
    struct store_event *ring; /* sequence & (capacity - 1); holds its references */
    uint64_t capacity;        /* a power of two, or 0 */
    uint64_t first, next;     /* published: [first, next) */
    uint64_t staged;          /* behind next, of the command being applied */
    uint64_t bytes;
    uint64_t max_events, max_bytes;
    int64_t compacted; /* all events after this revision are here */
};

void history_init(struct history *h, uint64_t max_events, uint64_t max_bytes, int64_t compacted);
void history_done(struct history *h);

int history_reserve(struct history *h, uint64_t more) MUST_CHECK;
/* Within what was reserved; takes the references. */
void history_stage(struct history *h, struct store_event e);
void history_unstage(struct history *h); /* drops all staged */
void history_publish(struct history *h); /* staged ones become part of it */
/* Drops old events beyond the caps, none at or behind sequence `pinned`. */
void history_trim(struct history *h, uint64_t pinned);

const struct store_event *history_at(const struct history *h, uint64_t sequence);
/* Sequence of the first event with a revision greater than after. */
uint64_t history_find(const struct history *h, int64_t after);

#endif
