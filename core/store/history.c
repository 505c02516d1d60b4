/* The ring of events. See history.h. */
#include "store/history.h"

#include "base/assert.h"
#include "base/mem.h"
#include "store/value.h"

void history_init(struct history *h, uint64_t max_events, uint64_t max_bytes, int64_t compacted)
{
    *h = (struct history){
        .max_events = max_events, .max_bytes = max_bytes, .compacted = compacted};
}

static struct store_event *slot_of(const struct history *h, uint64_t sequence)
{
    return &h->ring[sequence & (h->capacity - 1)];
}

/* An upper bound: values that the tree or a neighbouring event holds too are counted again. */
static uint64_t cost(const struct store_event *e)
{
    return sizeof(*e) + store_value_cost(e->value) + store_value_cost(e->previous);
}

static void drop(struct store_event *e)
{
    store_value_unref(e->value);
    store_value_unref(e->previous);
}

void history_done(struct history *h)
{
    history_unstage(h);
    for (; h->first < h->next; h->first++)
        drop(slot_of(h, h->first));
    mem_free(h->ring);
    *h = (struct history){0};
}

int history_reserve(struct history *h, uint64_t more)
{
    uint64_t need = h->next - h->first + h->staged + more;
    if (need <= h->capacity)
        return 0;
    uint64_t capacity = h->capacity ? h->capacity : 64;
    while (capacity < need)
        capacity *= 2;
    struct store_event *ring = mem_calloc(capacity, sizeof(struct store_event));
    if (!ring)
        return -E_NOMEM;
    for (uint64_t i = h->first; i < h->next + h->staged; i++)
        ring[i & (capacity - 1)] = *slot_of(h, i);
    mem_free(h->ring);
    h->ring = ring;
    h->capacity = capacity;
    return 0;
}

void history_stage(struct history *h, struct store_event e)
{
    ASSERT(h->next - h->first + h->staged < h->capacity);
    *slot_of(h, h->next + h->staged) = e;
    h->staged++;
}

void history_unstage(struct history *h)
{
    while (h->staged > 0)
        drop(slot_of(h, h->next + --h->staged));
}

void history_publish(struct history *h)
{
    for (; h->staged > 0; h->staged--)
        h->bytes += cost(slot_of(h, h->next++));
}

void history_trim(struct history *h, uint64_t pinned)
{
    while (h->first < h->next &&
           (h->next - h->first > h->max_events || h->bytes > h->max_bytes)) {
        uint64_t end = h->first;
        int64_t revision = slot_of(h, end)->revision;
        while (end < h->next && slot_of(h, end)->revision == revision)
            end++;
        if (end > pinned)
            return;
        for (; h->first < end; h->first++) {
            h->bytes -= cost(slot_of(h, h->first));
            drop(slot_of(h, h->first));
        }
        h->compacted = revision;
    }
}

const struct store_event *history_at(const struct history *h, uint64_t sequence)
{
    return sequence >= h->first && sequence < h->next ? slot_of(h, sequence) : NULL;
}

uint64_t history_find(const struct history *h, int64_t after)
{
    uint64_t low = h->first, high = h->next;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (slot_of(h, middle)->revision <= after)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
