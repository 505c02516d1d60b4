/* A table of tables: by the address of the node, its elements or its members by hash of name. */
#include "cel/index.h"

enum { LONG = 24, TABLES = 64 /* at first */ };

struct table {
    const struct json *node;
    const struct json **places;
    uint32_t room; /* of places; a power of two for members */
};

struct cel_cache {
    struct table *tables; /* by hash of address */
    uint32_t room, count;
};

static uint64_t hash_address(const struct json *j)
{
    return ((uint64_t)(uintptr_t)j >> 4) * 0x9e3779b97f4a7c15u >> 20;
}

static struct table *slot_of(struct table *tables, uint32_t room, const struct json *node)
{
    uint64_t at = hash_address(node);
    while (tables[at & (room - 1)].node && tables[at & (room - 1)].node != node)
        at++;
    return &tables[at & (room - 1)];
}

static bool grow(struct cel_run *run, struct cel_cache *c)
{
    uint32_t room = c->room ? c->room * 2 : TABLES;
    struct table *tables = arena_zalloc(run->arena, room * sizeof *tables);
    if (!tables)
        return false;
    for (uint32_t i = 0; i < c->room; i++)
        if (c->tables[i].node)
            *slot_of(tables, room, c->tables[i].node) = c->tables[i];
    c->tables = tables;
    c->room = room;
    return true;
}

static void fill(struct table *t)
{
    uint32_t i = 0;
    for (const struct json *j = json_first(t->node); j; j = j->next, i++) {
        uint64_t at = i;
        if (t->node->type == JSON_OBJECT)
            for (at = str_hash(j->key); t->places[at & (t->room - 1)];)
                at++;
        t->places[t->node->type == JSON_OBJECT ? at & (t->room - 1) : i] = j;
    }
}

/* The table of a long node, made when it is new; NULL: none. */
static const struct table *table_of(struct cel_run *run, const struct json *node)
{
    if (!run->cache)
        run->cache = arena_zalloc(run->arena, sizeof *run->cache);
    struct cel_cache *c = run->cache;
    if (!c || (c->count * 2 >= c->room && !grow(run, c)))
        return NULL;
    struct table *t = slot_of(c->tables, c->room, node);
    if (t->node)
        return t;
    uint32_t room = node->list.count;
    if (node->type == JSON_OBJECT)
        for (room = 64; room < node->list.count * 2;)
            room *= 2;
    const struct json **places = arena_zalloc(run->arena, room * sizeof *places);
    if (!places)
        return NULL;
    *t = (struct table){node, places, room};
    c->count++;
    fill(t);
    return t;
}

const struct json *cel_index_at(struct cel_run *run, const struct json *array, uint32_t index)
{
    const struct table *t = index > LONG ? table_of(run, array) : NULL;
    return t ? t->places[index] : json_at(array, index);
}

const struct json *cel_index_member(struct cel_run *run, const struct json *object, struct str name)
{
    if (object->type != JSON_OBJECT || object->list.count <= LONG)
        return json_get_str(object, name);
    const struct table *t = table_of(run, object);
    if (!t)
        return json_get_str(object, name);
    for (uint64_t at = str_hash(name);; at++) {
        const struct json *j = t->places[at & (t->room - 1)];
        if (!j || str_eq(j->key, name))
            return j;
    }
}
