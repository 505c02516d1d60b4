/*
 * The event loop. See loop.h.
 *
 * A turn: timers that are due, then deferred tasks, then wait for descriptors (not at all when
 * tasks are queued), then their callbacks, then the tasks that those deferred.
 *
 * Invariants: heap[1..heap_count] is a binary heap by due_ns and heap[t->heap_at] == t for each
 * armed timer. An event is delivered only if its element is still registered under the serial that
 * it had when the wait began.
 */
#include "loop/loop.h"

#include "base/assert.h"
#include "base/mem.h"

enum { EVENTS = 64, HEAP_FIRST = 32, TASKS_A_TURN = 4096 };

struct loop {
    struct poll poll;
    int64_t now_ns;
    bool stop;
    struct loop_timer **heap; /* from 1 */
    uint32_t heap_count, heap_size;
    struct list tasks;
    uint64_t next_serial;
    struct poll_event events[EVENTS];
    uint64_t serials[EVENTS];
    int event_count, event_at;
    struct loop_timer *overflow; /* a timer that found no room in the heap: fires next turn */
};

static void refresh(struct loop *l)
{
    l->now_ns = l->poll.ops->monotonic_ns(l->poll.ctx);
}

int loop_new(struct poll poll, struct loop **ret_loop)
{
    struct loop *l = mem_zalloc(sizeof *l);
    if (!l)
        return -E_NOMEM;
    l->poll = poll;
    l->heap_size = HEAP_FIRST;
    l->heap = mem_calloc(HEAP_FIRST, sizeof(struct loop_timer *));
    if (!l->heap) {
        mem_free(l);
        return -E_NOMEM;
    }
    list_init(&l->tasks);
    refresh(l);
    *ret_loop = l;
    return 0;
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    l->poll.ops->close(l->poll.ctx);
    mem_free(l->heap);
    mem_free(l);
}

int64_t loop_now_ns(const struct loop *l)
{
    return l->now_ns;
}

int64_t loop_now_ms(const struct loop *l)
{
    return l->now_ns / 1000000;
}

int64_t loop_realtime_ns(struct loop *l)
{
    return l->poll.ops->realtime_ns(l->poll.ctx);
}

/* ---- descriptors ---- */

void loop_fd_init(struct loop_fd *f, void (*fn)(void *ctx, unsigned events), void *ctx)
{
    *f = (struct loop_fd){.fd = -1, .fn = fn, .ctx = ctx};
}

int loop_fd_add(struct loop *l, struct loop_fd *f, int fd, unsigned events)
{
    ASSERT(f->fd < 0);
    int rc = events ? l->poll.ops->set(l->poll.ctx, fd, events, f) : 0;
    if (rc < 0)
        return rc;
    f->fd = fd;
    f->events = events;
    f->serial = ++l->next_serial;
    return 0;
}

void loop_fd_set(struct loop *l, struct loop_fd *f, unsigned events)
{
    if (f->fd < 0 || f->events == events)
        return;
    int rc = l->poll.ops->set(l->poll.ctx, f->fd, events, f);
    ASSERT(rc == 0); /* the descriptor is registered and open: only a bug makes this fail */
    f->events = events;
}

/* Events of this turn that were fetched but not delivered must not reach a freed element. */
static void forget_events(struct loop *l, const struct loop_fd *f)
{
    for (int i = l->event_at; i < l->event_count; i++)
        if (l->events[i].tag == f)
            l->events[i].tag = NULL;
}

void loop_fd_remove(struct loop *l, struct loop_fd *f)
{
    if (f->fd < 0)
        return;
    if (f->events) {
        int rc = l->poll.ops->set(l->poll.ctx, f->fd, 0, f);
        (void)rc; /* it may have been closed already */
    }
    forget_events(l, f);
    f->fd = -1;
    f->events = 0;
}

/* ---- timers ---- */

static void heap_put(struct loop *l, uint32_t at, struct loop_timer *t)
{
    l->heap[at] = t;
    t->heap_at = at;
}

static void sift_up(struct loop *l, uint32_t at)
{
    struct loop_timer *t = l->heap[at];
    for (; at > 1 && l->heap[at / 2]->due_ns > t->due_ns; at /= 2)
        heap_put(l, at, l->heap[at / 2]);
    heap_put(l, at, t);
}

static void sift_down(struct loop *l, uint32_t at)
{
    struct loop_timer *t = l->heap[at];
    for (;;) {
        uint32_t child = at * 2;
        if (child > l->heap_count)
            break;
        if (child < l->heap_count && l->heap[child + 1]->due_ns < l->heap[child]->due_ns)
            child++;
        if (l->heap[child]->due_ns >= t->due_ns)
            break;
        heap_put(l, at, l->heap[child]);
        at = child;
    }
    heap_put(l, at, t);
}

void loop_timer_init(struct loop_timer *t, void (*fn)(void *ctx), void *ctx)
{
    *t = (struct loop_timer){.fn = fn, .ctx = ctx};
}

static bool heap_room(struct loop *l)
{
    if (l->heap_count + 1 < l->heap_size)
        return true;
    struct loop_timer **bigger = mem_realloc(l->heap, l->heap_size * 2 * sizeof *bigger);
    if (!bigger)
        return false;
    l->heap = bigger;
    l->heap_size *= 2;
    return true;
}

void loop_timer_set(struct loop *l, struct loop_timer *t, int64_t delay_ms)
{
    int64_t due = l->now_ns + (delay_ms > 0 ? delay_ms : 0) * 1000000;
    if (t->heap_at) {
        t->due_ns = due;
        sift_up(l, t->heap_at);
        sift_down(l, t->heap_at);
        return;
    }
    t->due_ns = due;
    if (!heap_room(l)) {
        /* No memory: take the place of the latest timer, which then fires early. Firing early is
         * what every user of a timer must bear; not firing is not. */
        ASSERT(!l->overflow);
        struct loop_timer *last = l->heap[l->heap_count];
        last->due_ns = l->now_ns;
        sift_up(l, last->heap_at);
        struct loop_timer *victim = l->heap[l->heap_count];
        victim->heap_at = 0;
        l->heap_count--;
        l->overflow = victim;
    }
    heap_put(l, ++l->heap_count, t);
    sift_up(l, l->heap_count);
}

void loop_timer_cancel(struct loop *l, struct loop_timer *t)
{
    uint32_t at = t->heap_at;
    if (l->overflow == t)
        l->overflow = NULL;
    if (!at)
        return;
    struct loop_timer *last = l->heap[l->heap_count--];
    t->heap_at = 0;
    if (last == t)
        return;
    heap_put(l, at, last);
    sift_up(l, at);
    sift_down(l, last->heap_at);
}

static void run_timers(struct loop *l)
{
    int64_t until = l->now_ns;
    struct loop_timer *early = l->overflow;
    if (early) {
        l->overflow = NULL;
        early->fn(early->ctx);
    }
    /* Timers set with no delay by these callbacks wait for the next turn: due is never below
     * `until`, and the count bounds what runs. */
    for (uint32_t n = l->heap_count; n && l->heap_count && l->heap[1]->due_ns <= until; n--) {
        struct loop_timer *t = l->heap[1];
        loop_timer_cancel(l, t);
        t->fn(t->ctx);
    }
}

/* ---- tasks ---- */

void loop_task_init(struct loop_task *t, void (*fn)(void *ctx), void *ctx)
{
    t->fn = fn;
    t->ctx = ctx;
    list_init(&t->link);
}

void loop_defer(struct loop *l, struct loop_task *t)
{
    if (list_empty(&t->link))
        list_push_back(&l->tasks, &t->link);
}

void loop_task_cancel(struct loop_task *t)
{
    list_remove(&t->link);
}

static void run_tasks(struct loop *l)
{
    for (int n = 0; n < TASKS_A_TURN && !list_empty(&l->tasks); n++) {
        struct loop_task *t = LIST_FIRST(&l->tasks, struct loop_task, link);
        list_remove(&t->link);
        t->fn(t->ctx);
    }
}

/* ---- turning ---- */

static int wait_ms(const struct loop *l, int limit_ms)
{
    if (!list_empty(&l->tasks) || l->overflow || l->stop)
        return 0;
    if (!l->heap_count)
        return limit_ms;
    int64_t left_ns = l->heap[1]->due_ns - l->now_ns;
    if (left_ns <= 0)
        return 0;
    int64_t ms = (left_ns + 999999) / 1000000;
    if (limit_ms >= 0 && ms > limit_ms)
        return limit_ms;
    return ms > 3600000 ? 3600000 : (int)ms;
}

static void deliver(struct loop *l, int count)
{
    l->event_count = count;
    for (int i = 0; i < count; i++) {
        struct loop_fd *f = l->events[i].tag;
        l->serials[i] = f ? f->serial : 0;
    }
    for (l->event_at = 0; l->event_at < l->event_count;) {
        int i = l->event_at++;
        struct loop_fd *f = l->events[i].tag;
        if (!f || f->fd < 0 || f->serial != l->serials[i])
            continue;
        unsigned events = l->events[i].events & (f->events | POLL_ERR);
        if (events)
            f->fn(f->ctx, events);
    }
    l->event_count = 0;
}

int loop_turn(struct loop *l, int timeout_ms)
{
    refresh(l);
    run_timers(l);
    run_tasks(l);
    int count = l->poll.ops->wait(l->poll.ctx, wait_ms(l, timeout_ms), l->events, EVENTS);
    if (count < 0)
        return count;
    refresh(l);
    deliver(l, count);
    run_tasks(l);
    return 0;
}

int loop_run(struct loop *l)
{
    int rc = 0;
    l->stop = false;
    while (!l->stop && rc == 0)
        rc = loop_turn(l, -1);
    return rc;
}

void loop_stop(struct loop *l)
{
    l->stop = true;
}
