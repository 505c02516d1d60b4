/*
 * Work queue. An item is in one of: idle (kept only while it has failures or a delay), waiting
 * (in the ready list), out (being worked on), out and dirty (added again meanwhile). See queue.h.
 */
#include "client/queue.h"

#include "base/map.h"
#include "base/mem.h"

enum { FIRST_DELAY_MS = 5, LONGEST_DELAY_MS = 1000 * 1000 };

struct item {
    struct queue *queue;
    struct list ready; /* self-linked unless waiting */
    struct loop_timer timer;
    int64_t timer_due_ms;
    unsigned failures;
    bool out, dirty;
    char key[];
};

struct queue {
    struct loop *loop;
    unsigned workers, busy;
    void (*work)(void *ctx, const char *key);
    void *ctx;
    struct map items; /* key -> struct item */
    struct list ready;
    size_t ready_count;
    struct loop_task task;
    struct loop_timer rest; /* what one turn did not get to */
};

static void run(void *ctx)
{
    struct queue *q = ctx;
    /* Bounded work a turn: items that add each other would keep everybody else waiting. */
    for (unsigned n = 0; q->busy < q->workers && !list_empty(&q->ready); n++) {
        if (n == q->workers) {
            loop_timer_set(q->loop, &q->rest, 0);
            return;
        }
        struct item *it = LIST_FIRST(&q->ready, struct item, ready);
        list_remove(&it->ready);
        q->ready_count--;
        it->out = true;
        q->busy++;
        q->work(q->ctx, it->key);
    }
}

int queue_new(struct loop *l, unsigned workers, void (*work)(void *ctx, const char *key), void *ctx,
              struct queue **ret_queue)
{
    struct queue *q = mem_zalloc(sizeof *q);
    if (!q)
        return -E_NOMEM;
    q->loop = l;
    q->workers = workers;
    q->work = work;
    q->ctx = ctx;
    list_init(&q->ready);
    loop_task_init(&q->task, run, q);
    loop_timer_init(&q->rest, run, q);
    *ret_queue = q;
    return 0;
}

static void item_free(struct item *it)
{
    loop_timer_cancel(it->queue->loop, &it->timer);
    list_remove(&it->ready);
    mem_free(it);
}

static void item_free_value(void *it)
{
    item_free(it);
}

void queue_free(struct queue *q)
{
    if (!q)
        return;
    loop_task_cancel(&q->task);
    loop_timer_cancel(q->loop, &q->rest);
    map_done(&q->items, item_free_value);
    mem_free(q);
}

static void make_ready(struct item *it)
{
    struct queue *q = it->queue;
    if (it->out) {
        it->dirty = true;
    } else if (list_empty(&it->ready)) {
        list_push_back(&q->ready, &it->ready);
        q->ready_count++;
        loop_defer(q->loop, &q->task);
    }
}

static void on_delay(void *ctx)
{
    make_ready(ctx);
}

static struct item *item_of(struct queue *q, const char *key)
{
    struct str k = str_of(key);
    struct item *it = map_get(&q->items, k);
    if (it)
        return it;
    it = mem_zalloc(sizeof *it + k.n + 1);
    if (!it)
        return NULL;
    it->queue = q;
    list_init(&it->ready);
    loop_timer_init(&it->timer, on_delay, it);
    memcpy(it->key, key, k.n);
    if (map_set(&q->items, k, it, NULL) < 0) {
        mem_free(it);
        return NULL;
    }
    return it;
}

void queue_add(struct queue *q, const char *key)
{
    struct item *it = item_of(q, key);
    if (it)
        make_ready(it);
}

static void delay(struct item *it, int64_t delay_ms)
{
    int64_t due = loop_now_ms(it->queue->loop) + delay_ms;
    if (loop_timer_armed(&it->timer) && it->timer_due_ms <= due)
        return; /* it comes sooner anyway */
    it->timer_due_ms = due;
    loop_timer_set(it->queue->loop, &it->timer, delay_ms);
}

void queue_add_after(struct queue *q, const char *key, int64_t delay_ms)
{
    struct item *it = item_of(q, key);
    if (!it)
        return;
    if (delay_ms <= 0)
        make_ready(it);
    else
        delay(it, delay_ms);
}

void queue_done(struct queue *q, const char *key, int rc)
{
    struct item *it = map_get(&q->items, str_of(key));
    if (!it || !it->out)
        return;
    it->out = false;
    q->busy--;
    if (rc < 0) {
        int64_t wait = it->failures < 18 ? (int64_t)FIRST_DELAY_MS << it->failures : LONGEST_DELAY_MS;
        it->failures++;
        delay(it, wait < LONGEST_DELAY_MS ? wait : LONGEST_DELAY_MS);
    } else {
        it->failures = 0;
    }
    if (it->dirty) {
        it->dirty = false;
        make_ready(it);
    } else if (rc == 0 && !loop_timer_armed(&it->timer)) {
        map_remove(&q->items, str_of(it->key));
        item_free(it);
    }
    if (!list_empty(&q->ready))
        loop_defer(q->loop, &q->task);
}

size_t queue_len(const struct queue *q)
{
    return q->ready_count;
}
