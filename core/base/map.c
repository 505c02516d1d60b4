/* Chained hash map; grows at load 1. See map.h. */
#include "base/map.h"

#include "base/mem.h"

struct map_entry {
    struct map_entry *next;
    void *value;
    uint64_t hash;
    size_t key_size;
    char key[];
};

void map_init(struct map *m)
{
    *m = (struct map){0};
}

void map_done(struct map *m, void (*free_value)(void *))
{
    for (size_t i = 0; i < m->slot_count; i++) {
        struct map_entry *next;
        for (struct map_entry *e = m->slots[i]; e; e = next) {
            next = e->next;
            if (free_value)
                free_value(e->value);
            mem_free(e);
        }
    }
    mem_free(m->slots);
    *m = (struct map){0};
}

static struct map_entry **find(const struct map *m, struct str key, uint64_t hash)
{
    struct map_entry **at = &m->slots[hash & (m->slot_count - 1)];
    for (; *at; at = &(*at)->next)
        if ((*at)->hash == hash && str_eq(str_make((*at)->key, (*at)->key_size), key))
            break;
    return at;
}

static struct map_entry *lookup(const struct map *m, struct str key)
{
    return m->slot_count ? *find(m, key, str_hash(key)) : NULL;
}

void *map_get(const struct map *m, struct str key)
{
    struct map_entry *e = lookup(m, key);
    return e ? e->value : NULL;
}

bool map_has(const struct map *m, struct str key)
{
    return lookup(m, key) != NULL;
}

static int grow(struct map *m)
{
    size_t n = m->slot_count ? m->slot_count * 2 : 8;
    struct map_entry **slots = mem_calloc(n, sizeof(struct map_entry *));
    if (!slots)
        return m->slot_count ? 0 : -E_NOMEM; /* a fuller table still works */
    for (size_t i = 0; i < m->slot_count; i++) {
        struct map_entry *next;
        for (struct map_entry *e = m->slots[i]; e; e = next) {
            next = e->next;
            e->next = slots[e->hash & (n - 1)];
            slots[e->hash & (n - 1)] = e;
        }
    }
    mem_free(m->slots);
    m->slots = slots;
    m->slot_count = n;
    return 0;
}

int map_set(struct map *m, struct str key, void *value, void **ret_old)
{
    if (m->count >= m->slot_count && grow(m) < 0)
        return -E_NOMEM;
    uint64_t hash = str_hash(key);
    struct map_entry **at = find(m, key, hash);
    if (*at) {
        if (ret_old)
            *ret_old = (*at)->value;
        (*at)->value = value;
        return 0;
    }
    struct map_entry *e = mem_alloc(sizeof *e + key.n + 1);
    if (!e)
        return -E_NOMEM;
    *e = (struct map_entry){.value = value, .hash = hash, .key_size = key.n};
    if (key.n)
        memcpy(e->key, key.p, key.n);
    e->key[key.n] = 0;
    *at = e;
    m->count++;
    if (ret_old)
        *ret_old = NULL;
    return 0;
}

void *map_remove(struct map *m, struct str key)
{
    if (!m->slot_count)
        return NULL;
    struct map_entry **at = find(m, key, str_hash(key));
    struct map_entry *e = *at;
    if (!e)
        return NULL;
    void *value = e->value;
    *at = e->next;
    mem_free(e);
    m->count--;
    return value;
}

static void advance(const struct map *m, struct map_iter *it)
{
    while (!it->next && it->slot < m->slot_count)
        it->next = m->slots[it->slot++];
}

void map_iter_init(const struct map *m, struct map_iter *it)
{
    *it = (struct map_iter){0};
    advance(m, it);
}

bool map_iter_next(const struct map *m, struct map_iter *it, struct str *ret_key, void **ret_value)
{
    struct map_entry *e = it->next;
    if (!e)
        return false;
    if (ret_key)
        *ret_key = str_make(e->key, e->key_size);
    if (ret_value)
        *ret_value = e->value;
    it->next = e->next;
    advance(m, it);
    return true;
}
