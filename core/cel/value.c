/* Lists, maps and optionals: made by expressions, or JSON in place; and values from JSON. */
#include <stdio.h>

#include "cel/cel_int.h"
#include "cel/index.h"
#include "codec/time.h"

enum { MAX_WORK = 10 * 1000 * 1000, FEW = 8 };

int cel_no_overload(struct err *err)
{
    return err_set(err, E_INVALID, "no such overload");
}

int cel_no_key(struct err *err, const struct cel_value *key)
{
    switch (key->kind) {
    case CEL_STRING:
        return err_set(err, E_INVALID, "no such key: " STR_FMT, STR_ARG(key->string));
    case CEL_INT:
        return err_set(err, E_INVALID, "no such key: %lld", (long long)key->i64);
    case CEL_UINT:
        return err_set(err, E_INVALID, "no such key: %llu", (unsigned long long)key->u64);
    case CEL_BOOL:
        return err_set(err, E_INVALID, "no such key: %s", key->boolean ? "true" : "false");
    default:
        return err_set(err, E_INVALID, "no such key");
    }
}

int cel_over_limit(struct err *err)
{
    return err_set(err, E_LIMIT, "operation cancelled: actual cost limit exceeded");
}

int cel_work(struct cel_run *run, uint64_t steps, struct err *err)
{
    run->work += steps;
    return run->work > MAX_WORK ? cel_over_limit(err) : 0;
}

uint64_t cel_code_points(struct str s)
{
    uint64_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

uint32_t cel_count(const struct cel_value *v)
{
    if (v->json)
        return v->json->list.count;
    if (v->kind == CEL_LIST)
        return v->list ? v->list->count : 0;
    return v->map ? v->map->count : 0;
}

uint64_t cel_size(const struct cel_value *v)
{
    switch (v->kind) {
    case CEL_STRING:
        return cel_code_points(v->string);
    case CEL_BYTES:
        return v->string.n;
    case CEL_LIST:
    case CEL_MAP:
        return cel_count(v);
    case CEL_OPTIONAL:
        return v->content ? cel_size(v->content) : 1;
    default:
        return 1;
    }
}

/* ---- lists ---- */

struct cel_list *cel_list_new(struct arena *a, uint32_t room)
{
    struct cel_list *l = arena_zalloc(a, sizeof *l);
    if (!l)
        return NULL;
    l->room = room ? room : 4;
    l->items = arena_alloc(a, l->room * sizeof *l->items);
    return l->items ? l : NULL;
}

int cel_list_push(struct arena *a, struct cel_list *l, const struct cel_value *v)
{
    if (l->count == l->room) {
        uint32_t room = l->room ? l->room * 2 : 4;
        struct cel_value *items = arena_alloc(a, room * sizeof *items);
        if (!items)
            return -E_NOMEM;
        if (l->count > 0)
            memcpy(items, l->items, l->count * sizeof *items);
        l->items = items;
        l->room = room;
    }
    l->items[l->count++] = *v;
    return 0;
}

struct cel_value cel_list_value(const struct cel_list *l)
{
    return (struct cel_value){.kind = CEL_LIST, .list = l};
}

static const struct cel_type *element_type(const struct cel_value *v)
{
    return v->type ? v->type->element : NULL;
}

int cel_list_at(struct cel_run *run, const struct cel_value *list, uint64_t index,
                struct cel_value *ret, struct err *err)
{
    if (!list->json) {
        *ret = list->list->items[index];
        return 0;
    }
    return cel_from_json(run, cel_index_at(run, list->json, (uint32_t)index), element_type(list),
                         ret, err);
}

/* ---- maps ---- */

struct cel_map *cel_map_new(struct arena *a)
{
    return arena_zalloc(a, sizeof(struct cel_map));
}

struct cel_value cel_map_value(const struct cel_map *m)
{
    return (struct cel_value){.kind = CEL_MAP, .map = m};
}

/* Numbers of one value have one hash, whatever their type. */
static uint64_t key_hash(const struct cel_value *key)
{
    uint64_t bits = key->u64;
    if (key->kind == CEL_STRING)
        return str_hash(key->string);
    if (key->kind == CEL_BOOL)
        bits = key->boolean;
    if (key->kind == CEL_DOUBLE && key->number >= -0x1p63 && key->number < 0x1p63)
        bits = (uint64_t)(int64_t)key->number;
    else if (key->kind == CEL_DOUBLE && key->number >= 0 && key->number < 0x1p64)
        bits = (uint64_t)key->number;
    return bits * 0x9e3779b97f4a7c15u >> 7;
}

static bool key_equal(const struct cel_value *a, const struct cel_value *b)
{
    if (a->kind == CEL_STRING || b->kind == CEL_STRING)
        return a->kind == b->kind && str_eq(a->string, b->string);
    if (a->kind == CEL_BOOL || b->kind == CEL_BOOL)
        return a->kind == b->kind && a->boolean == b->boolean;
    return cel_number_equal(a, b);
}

static struct cel_map_entry *find_entry(const struct cel_map *m, const struct cel_value *key)
{
    if (!m->slots) {
        for (uint32_t i = 0; i < m->count; i++)
            if (key_equal(&m->entries[i].key, key))
                return &m->entries[i];
        return NULL;
    }
    for (uint64_t at = key_hash(key);; at++) {
        uint32_t entry = m->slots[at & (m->slot_count - 1)];
        if (entry == 0)
            return NULL;
        if (key_equal(&m->entries[entry - 1].key, key))
            return &m->entries[entry - 1];
    }
}

static void set_slot(struct cel_map *m, uint32_t entry)
{
    uint64_t at = key_hash(&m->entries[entry].key);
    while (m->slots[at & (m->slot_count - 1)])
        at++;
    m->slots[at & (m->slot_count - 1)] = entry + 1;
}

static int map_grow(struct arena *a, struct cel_map *m)
{
    uint32_t room = m->room ? m->room * 2 : FEW;
    struct cel_map_entry *entries = arena_alloc(a, room * sizeof *entries);
    uint32_t *slots = room > FEW ? arena_zalloc(a, 2 * (size_t)room * sizeof *slots) : NULL;
    if (!entries || (room > FEW && !slots))
        return -E_NOMEM;
    if (m->count > 0)
        memcpy(entries, m->entries, m->count * sizeof *entries);
    m->entries = entries;
    m->room = room;
    m->slots = slots;
    m->slot_count = slots ? 2 * room : 0;
    for (uint32_t i = 0; slots && i < m->count; i++)
        set_slot(m, i);
    return 0;
}

int cel_map_put(struct arena *a, struct cel_map *m, const struct cel_value *key,
                const struct cel_value *value, bool *ret_old)
{
    struct cel_map_entry *found = find_entry(m, key);
    bool old = found != NULL;
    if (!old && m->count == m->room && map_grow(a, m) < 0)
        return -E_NOMEM;
    if (!old) {
        m->entries[m->count++] = (struct cel_map_entry){*key, *value};
        if (m->slots)
            set_slot(m, m->count - 1);
    }
    if (ret_old)
        *ret_old = old;
    else if (found)
        found->value = *value;
    return 0;
}

static const struct cel_type *member_type(const struct cel_value *map, struct str name)
{
    const struct cel_type *t = map->type;
    if (!t || t->kind != CEL_T_OBJECT)
        return t ? t->element : NULL;
    for (size_t i = 0; i < t->field_count; i++)
        if (str_eq(t->fields[i].name, name))
            return t->fields[i].type;
    return NULL;
}

static bool is_object(const struct cel_value *v)
{
    return v->type && v->type->kind == CEL_T_OBJECT;
}

/* Under a schema with properties, names are spelled escaped and only those properties exist. */
static int find_json(struct cel_run *run, const struct cel_value *map, struct str name,
                     struct cel_value *ret, bool *ret_found, struct err *err)
{
    const struct cel_type *t = map->type ? map->type->element : NULL;
    *ret_found = false;
    if (is_object(map)) {
        const struct cel_field *f = cel_type_field(map->type, name);
        if (!f)
            return 0;
        name = f->name;
        t = f->type;
    }
    const struct json *j = cel_index_member(run, map->json, name);
    if (!j)
        return 0;
    *ret_found = true;
    return cel_from_json(run, j, t, ret, err);
}

static int ask_host(const struct cel_host *host, struct str field, struct cel_value *ret,
                    bool *ret_found, struct err *err)
{
    int rc = host->get(host->ctx, field, ret, err);
    *ret_found = rc == 0;
    if (rc == 0 || rc == -E_NOT_FOUND)
        return 0;
    if (rc == -E_NOMEM || rc == -E_LIMIT)
        return rc;
    if (err)
        err->code = E_INVALID;
    return -E_INVALID;
}

int cel_map_find(struct cel_run *run, const struct cel_value *map, const struct cel_value *key,
                 struct cel_value *ret, bool *ret_found, struct err *err)
{
    if (map->kind == CEL_HOST || map->json) {
        if (key->kind != CEL_STRING) {
            *ret_found = false;
            return 0;
        }
        if (map->kind == CEL_MAP)
            return find_json(run, map, key->string, ret, ret_found, err);
        return ask_host(map->host, key->string, ret, ret_found, err);
    }
    const struct cel_map_entry *e = map->map ? find_entry(map->map, key) : NULL;
    *ret_found = e != NULL;
    if (e)
        *ret = e->value;
    return 0;
}

/* ---- iteration ---- */

void cel_iter_init(struct cel_iter *it, const struct cel_value *over)
{
    *it = (struct cel_iter){.over = over, .next = over->json ? json_first(over->json) : NULL};
}

static int next_json(struct cel_run *run, struct cel_iter *it, struct cel_value *ret_key,
                     struct cel_value *ret_value, bool *ret_more, struct err *err)
{
    const struct cel_value *over = it->over;
    const struct json *j;
    const struct cel_type *t = element_type(over);
    /* A member that the schema does not know cannot be seen. */
    while (it->next && over->kind == CEL_MAP && is_object(over) &&
           !member_type(over, it->next->key))
        it->next = it->next->next;
    j = it->next;
    *ret_more = j != NULL;
    if (!j)
        return 0;
    it->next = j->next;
    if (over->kind == CEL_MAP) {
        t = member_type(over, j->key);
        if (ret_key)
            *ret_key = cel_of_str(j->key);
    } else if (ret_key) {
        *ret_key = (struct cel_value){.kind = CEL_INT, .i64 = it->index};
    }
    it->index++;
    return ret_value ? cel_from_json(run, j, t, ret_value, err) : 0;
}

int cel_iter_next(struct cel_run *run, struct cel_iter *it, struct cel_value *ret_key,
                  struct cel_value *ret_value, bool *ret_more, struct err *err)
{
    const struct cel_value *over = it->over;
    if (over->json)
        return next_json(run, it, ret_key, ret_value, ret_more, err);
    *ret_more = it->index < cel_count(over);
    if (!*ret_more)
        return 0;
    uint32_t i = it->index++;
    if (over->kind == CEL_MAP) {
        if (ret_key)
            *ret_key = over->map->entries[i].key;
        if (ret_value)
            *ret_value = over->map->entries[i].value;
        return 0;
    }
    if (ret_key)
        *ret_key = (struct cel_value){.kind = CEL_INT, .i64 = i};
    if (ret_value)
        *ret_value = over->list->items[i];
    return 0;
}

int cel_optional_new(struct arena *a, const struct cel_value *content, struct cel_value *ret)
{
    struct cel_value *copy = NULL;
    if (content) {
        copy = arena_alloc(a, sizeof *copy);
        if (!copy)
            return -E_NOMEM;
        *copy = *content;
    }
    *ret = (struct cel_value){.kind = CEL_OPTIONAL, .content = copy};
    return 0;
}
