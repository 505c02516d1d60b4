/*
 * Watches by prefix. An event finds its watchers by one lookup for each length of prefix that is
 * in use, however many watches there are; watches of one prefix share a group. A watch that
 * begins in the past first catches up from the history, a bounded number of events a turn.
 *
 * Invariant: a watch has seen all events of its prefix before `next` and none from there on. A live
 * one's next may lag behind the history's end over events of other prefixes.
 */
#ifndef STORE_WATCH_H
#define STORE_WATCH_H

#include "base/list.h"
#include "base/map.h"
#include "store/history.h"

enum { WATCH_CATCH_UP_EVENTS = 512 }; /* looked at for one watch in one turn */

struct watch_length {
    uint32_t length, groups;
};

struct watch_index {
    struct history *history;
    struct map groups; /* prefix -> struct watch_group */
    struct watch_length *lengths; /* rising */
    size_t length_count, length_capacity;
    struct list catching;
    struct list dead; /* freed from within a callback; reaped behind it */
    unsigned depth;   /* of callbacks */
};

void watch_index_init(struct watch_index *x, struct history *h);
void watch_index_done(struct watch_index *x); /* frees all watches */

int watch_add(struct watch_index *x, struct str prefix, uint64_t next,
              void (*fn)(void *ctx, const struct store_event *e), void *ctx,
              struct store_watch **ret_watch) MUST_CHECK;
void watch_remove(struct watch_index *x, struct store_watch *w);
struct watch_index *watch_index_of(struct store_watch *w);

/* Tells live watches of published events [from, to). */
void watch_dispatch(struct watch_index *x, uint64_t from, uint64_t to);
/* One turn for those that catch up; true: some still are. */
bool watch_catch_up(struct watch_index *x);
static inline bool watch_catching(const struct watch_index *x)
{
    return !list_empty(&x->catching);
}
bool watch_index_empty(const struct watch_index *x);
/* Least sequence still needed. */
uint64_t watch_pinned(const struct watch_index *x);

#endif
