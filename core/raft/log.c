/*
 * The entries in memory: a ring indexed by log index, from base (exclusive) to last. Capacity is
 * reserved before a step decides anything, so pushing cannot fail.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "raft/raft_int.h"

int raft_entry_new(enum raft_entry_kind kind, size_t size, struct raft_entry **ret_entry)
{
    if (size > UINT32_MAX)
        return -E_TOO_LARGE;
    struct raft_entry *e = mem_alloc(sizeof(*e) + size);
    if (!e)
        return -E_NOMEM;
    *e = (struct raft_entry){.refs = 1, .size = (uint32_t)size, .kind = (uint8_t)kind};
    *ret_entry = e;
    return 0;
}

struct raft_entry *raft_entry_ref(struct raft_entry *e)
{
    e->refs++;
    return e;
}

void raft_entry_unref(struct raft_entry *e)
{
    if (!e)
        return;
    ASSERT(e->refs > 0);
    if (--e->refs == 0)
        mem_free(e);
}

static struct raft_entry **slot_of(const struct raft_log *l, uint64_t index)
{
    return &l->slots[index & (l->capacity - 1)];
}

int raft_log_reserve(struct raft_log *l, uint64_t more)
{
    uint64_t need = l->last - l->base_index + more;
    if (need <= l->capacity)
        return 0;
    uint64_t capacity = l->capacity ? l->capacity : 64;
    while (capacity < need)
        capacity *= 2;
    struct raft_entry **slots = mem_calloc(capacity, sizeof(struct raft_entry *));
    if (!slots)
        return -E_NOMEM;
    for (uint64_t i = l->base_index + 1; i <= l->last; i++)
        slots[i & (capacity - 1)] = *slot_of(l, i);
    mem_free(l->slots);
    l->slots = slots;
    l->capacity = capacity;
    return 0;
}

void raft_log_push(struct raft_log *l, struct raft_entry *e)
{
    ASSERT(l->last - l->base_index < l->capacity);
    ASSERT(e->index == l->last + 1);
    l->last++;
    *slot_of(l, l->last) = e;
}

void raft_log_truncate(struct raft_log *l, uint64_t last)
{
    ASSERT(last >= l->base_index);
    for (; l->last > last; l->last--)
        raft_entry_unref(*slot_of(l, l->last));
}

void raft_log_compact(struct raft_log *l, uint64_t index)
{
    ASSERT(index <= l->last);
    if (index <= l->base_index)
        return;
    l->base_term = raft_log_term(l, index);
    while (l->base_index < index) {
        l->base_index++;
        raft_entry_unref(*slot_of(l, l->base_index));
    }
}

void raft_log_reset(struct raft_log *l, uint64_t index, uint64_t term)
{
    raft_log_truncate(l, l->base_index);
    l->base_index = l->last = index;
    l->base_term = term;
}

void raft_log_done(struct raft_log *l)
{
    raft_log_truncate(l, l->base_index);
    mem_free(l->slots);
    *l = (struct raft_log){0};
}

struct raft_entry *raft_log_at(const struct raft_log *l, uint64_t index)
{
    if (index <= l->base_index || index > l->last)
        return NULL;
    return *slot_of(l, index);
}

uint64_t raft_log_term(const struct raft_log *l, uint64_t index)
{
    if (index == l->base_index)
        return l->base_term;
    struct raft_entry *e = raft_log_at(l, index);
    return e ? e->term : 0;
}
