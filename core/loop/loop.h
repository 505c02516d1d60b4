/*
 * The event loop: one thread and one loop a process. Descriptors, timers and deferred tasks; all
 * callbacks run on the loop's thread, never nested in one another's registration calls.
 * Elements (struct loop_fd, loop_timer, loop_task) are embedded in their owner, allocate nothing
 * and may be removed at any time, also from within callbacks.
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "port/poll.h"

struct loop;

struct loop_fd {
    int fd; /* -1 while not registered */
    unsigned events;
    void (*fn)(void *ctx, unsigned events); /* POLL_IN, POLL_OUT, POLL_ERR */
    void *ctx;
    uint64_t serial; /* the loop's: drops events of a removed element */
};

struct loop_timer {
    void (*fn)(void *ctx);
    void *ctx;
    int64_t due_ns;
    uint32_t heap_at; /* 0: not armed */
};

struct loop_task {
    void (*fn)(void *ctx);
    void *ctx;
    struct list link; /* self-linked while not queued */
};

/* Takes over poll (closes it at free). max_timers is grown on demand. */
int loop_new(struct poll poll, struct loop **ret_loop) MUST_CHECK;
void loop_free(struct loop *l);

int loop_run(struct loop *l) MUST_CHECK;                  /* until loop_stop; 0 or -E_* */
int loop_turn(struct loop *l, int timeout_ms) MUST_CHECK; /* one turn; for tests */
void loop_stop(struct loop *l);

int64_t loop_now_ms(const struct loop *l); /* monotonic, fixed for the length of one turn */
int64_t loop_now_ns(const struct loop *l);
int64_t loop_realtime_ns(struct loop *l); /* asks the clock each time */

void loop_fd_init(struct loop_fd *f, void (*fn)(void *ctx, unsigned events), void *ctx);
int loop_fd_add(struct loop *l, struct loop_fd *f, int fd, unsigned events) MUST_CHECK;
void loop_fd_set(struct loop *l, struct loop_fd *f, unsigned events); /* 0: paused */
void loop_fd_remove(struct loop *l, struct loop_fd *f); /* does not close; harmless twice */

void loop_timer_init(struct loop_timer *t, void (*fn)(void *ctx), void *ctx);
/* Arms or re-arms. Heap growth can fail: then the timer fires at the next turn (never lost). */
void loop_timer_set(struct loop *l, struct loop_timer *t, int64_t delay_ms);
void loop_timer_cancel(struct loop *l, struct loop_timer *t);
static inline bool loop_timer_armed(const struct loop_timer *t)
{
    return t->heap_at != 0;
}

void loop_task_init(struct loop_task *t, void (*fn)(void *ctx), void *ctx);
void loop_defer(struct loop *l,
                struct loop_task *t); /* runs later in this turn; once if queued twice */
void loop_task_cancel(struct loop_task *t);

#endif
