/*
 * A work queue of keys: a key waits once however often it is added, is worked on by one worker at
 * a time, and comes back after a failure with back-off (5 ms doubling to 1,000 s, as upstream's
 * default controller rate limiter).
 */
#ifndef CLIENT_QUEUE_H
#define CLIENT_QUEUE_H

#include "loop/loop.h"
#include "base/str.h"

struct queue;

/* work is called from the loop; it must end in queue_done for that key, now or later. At most
 * `workers` keys are out at once. */
int queue_new(struct loop *l, unsigned workers, void (*work)(void *ctx, const char *key), void *ctx,
              struct queue **ret_queue) MUST_CHECK;
void queue_free(struct queue *q);
void queue_add(struct queue *q, const char *key); /* added while out: works again after queue_done */
void queue_add_after(struct queue *q, const char *key, int64_t delay_ms);
/* rc 0: back-off is forgotten; else the key comes back after its back-off. */
void queue_done(struct queue *q, const char *key, int rc);
size_t queue_len(const struct queue *q);

#endif
