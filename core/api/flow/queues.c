/* Fair queues. See queues.h. */
#include "api/flow/queues.h"

#include "base/assert.h"
#include "base/mem.h"

enum {
    GUESS_US = 3000, /* what a request is taken to need until it has ended */
    LEAST_US = 100,  /* and at least is charged for */
};

struct flow_queue {
    struct list link; /* of active */
    uint32_t index;
    struct list tickets;
    unsigned waiting, waiting_seats, used, running;
    double start; /* virtual: when its next request would begin */
};

void flow_queues_init(struct flow_queues *q, int64_t now_us)
{
    *q = (struct flow_queues){.at_us = now_us};
    list_init(&q->active);
    map_init(&q->by_index);
}

void flow_queues_done(struct flow_queues *q)
{
    ASSERT(list_empty(&q->active));
    map_done(&q->by_index, NULL);
}

static struct str index_key(const uint32_t *index)
{
    return str_make(index, sizeof *index);
}

static struct flow_queue *queue_at(struct flow_queues *q, uint32_t index)
{
    struct flow_queue *one = map_get(&q->by_index, index_key(&index));
    if (one)
        return one;
    one = mem_zalloc(sizeof *one);
    if (!one || map_set(&q->by_index, index_key(&index), one, NULL) < 0) {
        mem_free(one);
        return NULL;
    }
    one->index = index;
    one->start = q->time;
    list_init(&one->tickets);
    list_push_back(&q->active, &one->link);
    return one;
}

static void drop_idle(struct flow_queues *q, struct flow_queue *one)
{
    if (one->waiting || one->running)
        return;
    map_remove(&q->by_index, index_key(&one->index));
    list_remove(&one->link);
    mem_free(one);
}

static void advance(struct flow_queues *q, int64_t now_us)
{
    int64_t passed = now_us - q->at_us;
    unsigned wanted = q->used + q->waiting_seats;
    q->at_us = now_us;
    if (passed > 0 && q->by_index.count)
        q->time += (double)passed * (wanted < q->seats ? wanted : q->seats) /
                   (double)q->by_index.count;
}

/* What is wider than the whole level runs alone. A level without seats runs nothing. */
static bool fits(const struct flow_queues *q, unsigned seats)
{
    if (q->shape.exempt)
        return true;
    return q->seats && (q->used == 0 || q->used + seats <= q->seats);
}

static void note_demand(struct flow_queues *q)
{
    if (q->used + q->waiting_seats > q->most)
        q->most = q->used + q->waiting_seats;
}

static void run(struct flow_queues *q, struct flow_ticket *t, int64_t now_us)
{
    t->runs = true;
    t->began_us = now_us;
    q->used += t->seats;
    q->running++;
    note_demand(q);
    if (t->queue) {
        t->queue->used += t->seats;
        t->queue->running++;
        t->queue->start += (double)t->seats * GUESS_US;
    }
}

void flow_deal(uint64_t flow, uint32_t deck, uint32_t hand, uint32_t *ret_cards)
{
    for (uint32_t i = 0; i < hand; i++) {
        uint32_t card = (uint32_t)(flow % (deck - i)), at = 0;
        flow /= deck - i;
        /* The card-th of those that are left: each one dealt before it moves it up. */
        while (at < i && ret_cards[at] <= card) {
            card++;
            at++;
        }
        for (uint32_t j = i; j > at; j--)
            ret_cards[j] = ret_cards[j - 1];
        ret_cards[at] = card;
    }
}

/* The shortest of the hand; the choice among equals turns with the flow. */
static uint32_t choose(const struct flow_queues *q, uint64_t flow)
{
    uint32_t cards[FLOW_HAND_MOST] = {0};
    uint32_t hand = q->shape.hand < FLOW_HAND_MOST ? q->shape.hand : FLOW_HAND_MOST;
    if (hand > q->shape.queues)
        hand = q->shape.queues;
    if (hand == 0)
        hand = 1;
    flow_deal(flow, q->shape.queues, hand, cards);
    uint32_t best = cards[0];
    unsigned least = ~0U;
    for (uint32_t i = 0; i < hand; i++) {
        uint32_t card = cards[(i + flow % hand) % hand];
        const struct flow_queue *one = map_get(&q->by_index, index_key(&card));
        unsigned sum = one ? one->waiting_seats + one->used : 0;
        if (sum < least) {
            least = sum;
            best = card;
        }
    }
    return best;
}

enum flow_verdict flow_queues_arrive(struct flow_queues *q, struct flow_ticket *t, uint64_t flow,
                                     unsigned seats, int64_t now_us)
{
    list_init(&t->link);
    t->queue = NULL;
    t->seats = seats ? seats : 1;
    t->waits = t->runs = false;
    t->came_us = now_us;
    advance(q, now_us);
    if (q->shape.exempt || q->shape.queues == 0) {
        if (!fits(q, t->seats))
            return FLOW_NO_SEAT;
        run(q, t, now_us);
        return FLOW_RUNS;
    }
    struct flow_queue *one = queue_at(q, choose(q, flow));
    if (!one)
        return FLOW_QUEUE_FULL;
    bool at_once = q->waiting == 0 && fits(q, t->seats);
    if (!at_once && one->waiting >= q->shape.length) {
        drop_idle(q, one);
        return FLOW_QUEUE_FULL;
    }
    t->queue = one;
    if (at_once) {
        run(q, t, now_us);
        return FLOW_RUNS;
    }
    t->waits = true;
    list_push_back(&one->tickets, &t->link);
    one->waiting++;
    one->waiting_seats += t->seats;
    q->waiting++;
    q->waiting_seats += t->seats;
    note_demand(q);
    return FLOW_WAITS;
}

static void unqueue(struct flow_queues *q, struct flow_ticket *t)
{
    t->waits = false;
    list_remove(&t->link);
    t->queue->waiting--;
    t->queue->waiting_seats -= t->seats;
    q->waiting--;
    q->waiting_seats -= t->seats;
}

struct flow_ticket *flow_queues_next(struct flow_queues *q, int64_t now_us)
{
    struct flow_queue *one, *best = NULL;
    double first = 0;
    if (!q->waiting)
        return NULL;
    advance(q, now_us);
    LIST_EACH(one, &q->active, link) {
        const struct flow_ticket *t = LIST_FIRST(&one->tickets, struct flow_ticket, link);
        double end = one->start + (t ? (double)t->seats * GUESS_US : 0);
        if (t && (!best || end < first)) {
            best = one;
            first = end;
        }
    }
    struct flow_ticket *t = LIST_FIRST(&best->tickets, struct flow_ticket, link);
    if (!fits(q, t->seats))
        return NULL;
    unqueue(q, t);
    run(q, t, now_us);
    /* Served last, looked at last: equals take turns. */
    list_remove(&best->link);
    list_push_back(&q->active, &best->link);
    return t;
}

void flow_queues_leave(struct flow_queues *q, struct flow_ticket *t, int64_t now_us)
{
    struct flow_queue *one = t->queue;
    advance(q, now_us);
    if (t->waits) {
        unqueue(q, t);
    } else if (t->runs) {
        int64_t took = now_us - t->began_us;
        t->runs = false;
        q->used -= t->seats;
        q->running--;
        if (one) {
            one->used -= t->seats;
            one->running--;
            one->start += (double)t->seats * (double)((took < LEAST_US ? LEAST_US : took) - GUESS_US);
        }
    } else {
        return;
    }
    t->queue = NULL;
    if (one)
        drop_idle(q, one);
}

struct flow_ticket *flow_queues_late(const struct flow_queues *q, int64_t before_us)
{
    const struct flow_queue *one;
    LIST_EACH(one, &q->active, link) {
        struct flow_ticket *t = LIST_FIRST(&one->tickets, struct flow_ticket, link);
        if (t && t->came_us < before_us)
            return t;
    }
    return NULL;
}

unsigned flow_queues_demand(struct flow_queues *q)
{
    unsigned most = q->most;
    q->most = q->used + q->waiting_seats;
    return most;
}
