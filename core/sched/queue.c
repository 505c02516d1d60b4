/* The scheduling queue. See queue.h. */
#include "sched/queue.h"

enum { BACKOFF_FIRST_MS = 1000, BACKOFF_LONGEST_MS = 10 * 1000, UNSCHEDULABLE_MS = 300 * 1000 };

void sched_queue_init(struct sched_queue *q, struct loop *l)
{
    *q = (struct sched_queue){.loop = l};
    list_init(&q->active);
    list_init(&q->waiting);
}

static void item_free(struct sched_item *it)
{
    list_remove(&it->link);
    mem_free(it->namespace);
    mem_free(it->name);
    mem_free(it->uid);
    mem_free(it);
}

static void item_free_value(void *it)
{
    item_free(it);
}

void sched_queue_done(struct sched_queue *q)
{
    map_done(&q->items, item_free_value);
}

static bool before(const struct sched_item *a, const struct sched_item *b)
{
    return a->priority != b->priority ? a->priority > b->priority : a->order < b->order;
}

static void activate(struct sched_queue *q, struct sched_item *it)
{
    struct list *at;
    list_remove(&it->link);
    it->wait = SCHED_ACTIVE;
    /* From the back: nearly always the place of a new pod. */
    for (at = q->active.prev; at != &q->active; at = at->prev)
        if (before(LIST_OF(at, struct sched_item, link), it))
            break;
    list_add_after(at, &it->link);
}

static void park(struct sched_queue *q, struct sched_item *it, enum sched_wait wait, int64_t delay_ms)
{
    list_remove(&it->link);
    list_push_back(&q->waiting, &it->link);
    it->wait = wait;
    it->due_ms = loop_now_ms(q->loop) + delay_ms;
}

static int64_t backoff_ms(const struct sched_item *it)
{
    int64_t ms = BACKOFF_FIRST_MS;
    for (unsigned i = 1; i < it->failures && ms < BACKOFF_LONGEST_MS; i++)
        ms *= 2;
    return ms < BACKOFF_LONGEST_MS ? ms : BACKOFF_LONGEST_MS;
}

static struct sched_item *item_new(struct sched_queue *q, const struct object *pod)
{
    struct sched_item *it = mem_zalloc(sizeof *it);
    if (!it)
        return NULL;
    list_init(&it->link);
    it->namespace = mem_strdup(pod->namespace);
    it->name = mem_strdup(pod->name);
    it->uid = mem_strdup(pod->uid);
    it->order = q->next_order++;
    if (!it->namespace || !it->name || !it->uid ||
        map_set(&q->items, str_of(pod->uid), it, NULL) < 0) {
        item_free(it);
        return NULL;
    }
    return it;
}

void sched_queue_add(struct sched_queue *q, const struct object *pod, int64_t priority)
{
    struct sched_item *it = map_get(&q->items, str_of(pod->uid));
    if (it) {
        it->priority = priority; /* and no more: our own status report comes back as a change */
        return;
    }
    it = item_new(q, pod);
    if (!it)
        return; /* the cache's next relist brings it back */
    it->priority = priority;
    activate(q, it);
}

void sched_queue_remove(struct sched_queue *q, const char *uid)
{
    struct sched_item *it = map_remove(&q->items, str_of(uid));
    if (it)
        item_free(it);
}

struct sched_item *sched_queue_take(struct sched_queue *q, int64_t now_ms)
{
    struct sched_item *it, *next;
    LIST_EACH_SAFE(it, next, &q->waiting, link)
        if (it->wait != SCHED_TAKEN && it->due_ms <= now_ms)
            activate(q, it);
    it = LIST_FIRST(&q->active, struct sched_item, link);
    if (it) {
        park(q, it, SCHED_TAKEN, 0);
        it->moved = false;
    }
    return it;
}

void sched_queue_failed(struct sched_queue *q, const char *uid, bool retry)
{
    struct sched_item *it = map_get(&q->items, str_of(uid));
    if (!it)
        return;
    it->failures++;
    if (retry || it->moved)
        park(q, it, SCHED_BACKOFF, backoff_ms(it));
    else
        park(q, it, SCHED_UNSCHEDULABLE, UNSCHEDULABLE_MS);
}

void sched_queue_move_all(struct sched_queue *q)
{
    struct sched_item *it, *next;
    LIST_EACH_SAFE(it, next, &q->waiting, link)
    {
        it->moved = true;
        if (it->wait == SCHED_UNSCHEDULABLE)
            park(q, it, SCHED_BACKOFF, backoff_ms(it));
    }
}

int64_t sched_queue_wait(const struct sched_queue *q, int64_t now_ms)
{
    struct sched_item *it;
    int64_t wait = INT64_MAX;
    if (!list_empty(&q->active))
        return 0;
    LIST_EACH(it, &q->waiting, link)
        if (it->wait != SCHED_TAKEN && it->due_ms - now_ms < wait)
            wait = it->due_ms > now_ms ? it->due_ms - now_ms : 0;
    return wait;
}
