/* Watches by prefix. See watch.h. */
#include "store/watch.h"

#include <string.h>

#include "base/assert.h"
#include "base/mem.h"

struct watch_group {
    struct list watches;
    size_t prefix_size;
    char prefix[];
};

struct store_watch {
    struct list link;  /* of its group, or of dead */
    struct list catch; /* of catching; self-linked when live */
    struct watch_index *index;
    struct watch_group *group;
    uint64_t next;
    bool dead;
    void (*fn)(void *ctx, const struct store_event *e);
    void *ctx;
};

void watch_index_init(struct watch_index *x, struct history *h)
{
    *x = (struct watch_index){.history = h};
    map_init(&x->groups);
    list_init(&x->catching);
    list_init(&x->dead);
}

bool store_watch_live(const struct store_watch *w)
{
    return !w->dead && list_empty(&w->catch);
}

struct watch_index *watch_index_of(struct store_watch *w)
{
    return w->index;
}

static struct str group_prefix(const struct watch_group *g)
{
    return str_make(g->prefix, g->prefix_size);
}

/* Position of the first entry whose length is at least `length`. */
static size_t length_find(const struct watch_index *x, size_t length)
{
    size_t at = 0;
    while (at < x->length_count && x->lengths[at].length < length)
        at++;
    return at;
}

static int length_add(struct watch_index *x, size_t length)
{
    size_t at = length_find(x, length);
    if (at < x->length_count && x->lengths[at].length == length) {
        x->lengths[at].groups++;
        return 0;
    }
    if (x->length_count == x->length_capacity) {
        size_t capacity = x->length_capacity ? x->length_capacity * 2 : 16;
        struct watch_length *p = mem_realloc(x->lengths, capacity * sizeof(*p));
        if (!p)
            return -E_NOMEM;
        x->lengths = p;
        x->length_capacity = capacity;
    }
    memmove(&x->lengths[at + 1], &x->lengths[at], (x->length_count - at) * sizeof(x->lengths[0]));
    x->lengths[at] = (struct watch_length){(uint32_t)length, 1};
    x->length_count++;
    return 0;
}

static void length_drop(struct watch_index *x, size_t length)
{
    size_t at = length_find(x, length);
    ASSERT(at < x->length_count && x->lengths[at].length == length);
    if (--x->lengths[at].groups > 0)
        return;
    x->length_count--;
    memmove(&x->lengths[at], &x->lengths[at + 1],
            (x->length_count - at) * sizeof(x->lengths[0]));
}

static int group_new(struct watch_index *x, struct str prefix, struct watch_group **ret_group)
{
    struct watch_group *g = mem_alloc(sizeof(*g) + prefix.n);
    if (!g)
        return -E_NOMEM;
    list_init(&g->watches);
    g->prefix_size = prefix.n;
    if (prefix.n)
        memcpy(g->prefix, prefix.p, prefix.n);
    int rc = length_add(x, prefix.n);
    if (rc) {
        mem_free(g);
        return rc;
    }
    rc = map_set(&x->groups, group_prefix(g), g, NULL);
    if (rc) {
        length_drop(x, prefix.n);
        mem_free(g);
        return rc;
    }
    *ret_group = g;
    return 0;
}

static void group_drop_if_empty(struct watch_index *x, struct watch_group *g)
{
    if (!list_empty(&g->watches))
        return;
    map_remove(&x->groups, group_prefix(g));
    length_drop(x, g->prefix_size);
    mem_free(g);
}

int watch_add(struct watch_index *x, struct str prefix, uint64_t next,
              void (*fn)(void *ctx, const struct store_event *e), void *ctx,
              struct store_watch **ret_watch)
{
    if (prefix.n > STORE_KEY_MAX)
        return -E_BAD_REQUEST;
    struct store_watch *w = mem_alloc(sizeof(*w));
    if (!w)
        return -E_NOMEM;
    struct watch_group *g = map_get(&x->groups, prefix);
    int rc = g ? 0 : group_new(x, prefix, &g);
    if (rc) {
        mem_free(w);
        return rc;
    }
    *w = (struct store_watch){.index = x, .group = g, .next = next, .fn = fn, .ctx = ctx};
    list_push_back(&g->watches, &w->link);
    list_init(&w->catch);
    if (next < x->history->next)
        list_push_back(&x->catching, &w->catch);
    *ret_watch = w;
    return 0;
}

static void reap(struct watch_index *x)
{
    while (x->depth == 0 && !list_empty(&x->dead)) {
        struct store_watch *w = LIST_FIRST(&x->dead, struct store_watch, catch);
        list_remove(&w->catch);
        list_remove(&w->link);
        group_drop_if_empty(x, w->group);
        mem_free(w);
    }
}

void watch_remove(struct watch_index *x, struct store_watch *w)
{
    ASSERT(!w->dead);
    w->dead = true;
    list_remove(&w->catch);
    /* It stays in its group, where a dispatch may be walking, until nobody is. */
    list_push_back(&x->dead, &w->catch);
    reap(x);
}

void watch_index_done(struct watch_index *x)
{
    ASSERT(x->depth == 0);
    struct map_iter it;
    struct str prefix;
    void *value;
    map_iter_init(&x->groups, &it);
    while (map_iter_next(&x->groups, &it, &prefix, &value)) {
        struct watch_group *g = value;
        while (!list_empty(&g->watches)) {
            struct store_watch *w = LIST_FIRST(&g->watches, struct store_watch, link);
            list_remove(&w->link);
            mem_free(w);
        }
        mem_free(g);
    }
    map_done(&x->groups, NULL);
    mem_free(x->lengths);
}

static void group_tell(struct watch_group *g, uint64_t sequence, const struct store_event *e)
{
    struct store_watch *w;
    LIST_EACH(w, &g->watches, link) {
        /* Not those that catch up, nor those made by a callback for what comes later. */
        if (w->dead || w->next > sequence || !list_empty(&w->catch))
            continue;
        w->next = sequence + 1;
        w->fn(w->ctx, e);
    }
}

void watch_dispatch(struct watch_index *x, uint64_t from, uint64_t to)
{
    x->depth++;
    for (uint64_t sequence = from; sequence < to; sequence++) {
        struct store_event e = *history_at(x->history, sequence);
        struct str key = store_value_key(e.value ? e.value : e.previous);
        /* By length, not by position: a callback may add prefixes of new lengths. */
        for (size_t length = 0; length <= key.n; length++) {
            size_t at = length_find(x, length);
            if (at == x->length_count || x->lengths[at].length > key.n)
                break;
            length = x->lengths[at].length;
            struct watch_group *g = map_get(&x->groups, str_make(key.p, length));
            if (g)
                group_tell(g, sequence, &e);
        }
    }
    x->depth--;
    reap(x);
}

static void catch_up_one(struct watch_index *x, struct store_watch *w)
{
    struct str prefix = group_prefix(w->group);
    for (unsigned i = 0; i < WATCH_CATCH_UP_EVENTS && w->next < x->history->next; i++) {
        struct store_event e = *history_at(x->history, w->next++);
        if (!str_starts(store_value_key(e.value ? e.value : e.previous), prefix))
            continue;
        w->fn(w->ctx, &e);
        if (w->dead)
            return;
    }
    if (w->next == x->history->next)
        list_remove(&w->catch);
}

bool watch_catch_up(struct watch_index *x)
{
    /* Those present now, once each: a callback may add or remove any of them. */
    struct list round;
    list_init(&round);
    x->depth++;
    while (!list_empty(&x->catching)) {
        struct store_watch *w = LIST_FIRST(&x->catching, struct store_watch, catch);
        list_remove(&w->catch);
        list_push_back(&round, &w->catch);
        catch_up_one(x, w);
    }
    while (!list_empty(&round)) {
        struct list *l = round.prev;
        list_remove(l);
        list_push_front(&x->catching, l);
    }
    x->depth--;
    reap(x);
    return watch_catching(x);
}

uint64_t watch_pinned(const struct watch_index *x)
{
    uint64_t pinned = x->history->next;
    const struct store_watch *w;
    LIST_EACH(w, &x->catching, catch)
        if (w->next < pinned)
            pinned = w->next;
    return pinned;
}

bool watch_index_empty(const struct watch_index *x)
{
    return x->length_count == 0;
}
