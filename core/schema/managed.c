/* The entries of metadata.managedFields: reading, writing, order, and how many there may be. */
#include <stdlib.h>

#include "schema/managed_int.h"

enum { UPDATERS_MOST = 10, ENTRIES_MOST = 1000 };

/* ---- reading ---- */

static int read_entry(struct arena *a, struct json *j, uint32_t at, struct managed_entry *e,
                      struct err *err)
{
    struct str operation = json_str(json_get(j, "operation")),
               type = json_str(json_get(j, "fieldsType"));
    *e = (struct managed_entry){.manager = json_str(json_get(j, "manager")),
                                .version = json_str(json_get(j, "apiVersion")),
                                .subresource = json_str(json_get(j, "subresource")),
                                .time = json_str(json_get(j, "time")),
                                .applied = str_is(operation, "Apply"),
                                .kept = j};
    if (!e->applied && !str_is(operation, "Update"))
        return err_set(err, E_SYNTAX, "operation must be `Apply` or `Update`");
    if (!e->version.n)
        return err_set(err, E_SYNTAX, "apiVersion must not be empty");
    if (!type.n)
        return err_set(err, E_SYNTAX, "missing fieldsType in managed fields entry %u",
                       (unsigned)at);
    if (!str_is(type, "FieldsV1"))
        return err_set(err, E_SYNTAX, "invalid fieldsType \"%.*s\" in managed fields entry %u",
                       (int)(type.n < 60 ? type.n : 60), type.p, (unsigned)at);
    return fieldset_read(a, json_get(j, "fieldsV1"), &e->places, err);
}

int managed_read(struct arena *a, const struct json *list, struct managed *ret, struct err *err)
{
    struct managed m = {.arena = a};
    if (json_count(list) > ENTRIES_MOST)
        return err_set(err, E_SYNTAX, "more than %d managed fields entries", ENTRIES_MOST);
    for (struct json *j = json_first(list); j; j = j->next) {
        struct managed_entry e;
        int rc = read_entry(a, j, m.count, &e, err);
        if (rc)
            return rc;
        struct managed_entry *same =
            managed_find(&m, e.manager, e.applied, e.version, e.subresource);
        struct managed_entry *to =
            same ? same : managed_add(&m, e.manager, e.applied, e.version, e.subresource);
        if (!to)
            return err_set(err, E_NOMEM, "out of memory while reading managed fields");
        *to = e;
    }
    *ret = m;
    return 0;
}

struct managed_entry *managed_find(struct managed *m, struct str manager, bool applied,
                                   struct str version, struct str subresource)
{
    for (uint32_t i = 0; i < m->count; i++) {
        struct managed_entry *e = &m->entries[i];
        if (e->applied == applied && str_eq(e->manager, manager) &&
            str_eq(e->subresource, subresource) && (applied || str_eq(e->version, version)))
            return e;
    }
    return NULL;
}

struct managed_entry *managed_add(struct managed *m, struct str manager, bool applied,
                                  struct str version, struct str subresource)
{
    if (m->count == m->room) {
        uint32_t room = m->room ? 2 * m->room : 8;
        struct managed_entry *more = arena_alloc(m->arena, room * sizeof *more);
        if (!more)
            return NULL;
        if (m->count)
            memcpy(more, m->entries, m->count * sizeof *more);
        m->entries = more;
        m->room = room;
    }
    m->entries[m->count] = (struct managed_entry){
        .manager = manager, .applied = applied, .version = version, .subresource = subresource};
    return &m->entries[m->count++];
}

void managed_set_places(struct managed_entry *e, const struct fieldset *places)
{
    if (fieldset_equal(&e->places, places))
        return;
    e->places = *places;
    e->kept = NULL;
}

int managed_reconcile(struct managed *m, const struct managed_context *c)
{
    int rc = 0;
    for (uint32_t i = 0; i < m->count && rc == 0; i++) {
        struct managed_entry *e = &m->entries[i];
        struct fieldset places = e->places;
        if (str_eq(e->version, c->version))
            rc = apply_reconcile(m->arena, c->type, &places, &places);
        if (rc == 0)
            managed_set_places(e, &places);
    }
    return rc;
}

/* ---- writing ---- */

static int by_time(const void *x, const void *y)
{
    const struct managed_entry *a = x, *b = y;
    int c = (int)b->applied - (int)a->applied;
    c = c ? c : str_cmp(a->time, b->time);
    c = c ? c : str_cmp(a->manager, b->manager);
    c = c ? c : str_cmp(a->version, b->version);
    return c ? c : str_cmp(a->subresource, b->subresource);
}

static struct json *write_entry(struct arena *a, struct managed_entry *e)
{
    if (e->kept)
        return e->kept;
    struct json *j = json_new(a, JSON_OBJECT);
    if (e->manager.n)
        json_set_str(a, j, "manager", e->manager);
    json_set_cstr(a, j, "operation", e->applied ? "Apply" : "Update");
    json_set_str(a, j, "apiVersion", e->version);
    if (e->time.n)
        json_set_str(a, j, "time", e->time);
    json_set_cstr(a, j, "fieldsType", "FieldsV1");
    json_set(a, j, "fieldsV1", fieldset_write(a, &e->places));
    if (e->subresource.n)
        json_set_str(a, j, "subresource", e->subresource);
    return a->failed ? NULL : j;
}

int managed_write(struct managed *m, struct json *object)
{
    struct arena *a = m->arena;
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->count; i++)
        if (!fieldset_empty(&m->entries[i].places))
            m->entries[n++] = m->entries[i];
    m->count = n;
    struct json *list = n ? json_new(a, JSON_ARRAY) : NULL;
    if (n)
        qsort(m->entries, n, sizeof *m->entries, by_time);
    for (uint32_t i = 0; i < n; i++)
        json_append(a, list, write_entry(a, &m->entries[i]));
    if (a->failed)
        return -E_NOMEM;
    managed_attach(object, list);
    return 0;
}

struct json *managed_detach(struct json *object)
{
    struct json *meta = json_get(object, "metadata"), *list = json_get(meta, MANAGED_FIELDS);
    if (list)
        json_remove(meta, MANAGED_FIELDS);
    return list;
}

/* Always last, so that an object's bytes do not depend on who sent it. */
void managed_attach(struct json *object, struct json *list)
{
    struct json *meta = json_get(object, "metadata");
    json_remove(meta, MANAGED_FIELDS);
    if (!list || !json_is(meta, JSON_OBJECT))
        return;
    list->key = STR(MANAGED_FIELDS);
    list->next = NULL;
    *(meta->list.first ? &meta->list.last->next : &meta->list.first) = list;
    meta->list.last = list;
    meta->list.count++;
}

static bool same_entry(const struct json *x, const struct json *y)
{
    static const char *const names[] = {"manager",    "operation", "apiVersion",
                                        "fieldsType", "fieldsV1",  "subresource"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct json *a = json_get(x, names[i]), *b = json_get(y, names[i]);
        if (!a != !b || (a && !json_equal(a, b)))
            return false;
    }
    return true;
}

/* Times decide the order too, so an entry may stand elsewhere. */
bool managed_same_but_times(const struct json *x, const struct json *y)
{
    if (json_count(x) != json_count(y))
        return false;
    for (const struct json *e = json_first(x); e; e = e->next) {
        const struct json *o = json_first(y);
        while (o && !same_entry(e, o))
            o = o->next;
        if (!o)
            return false;
    }
    return true;
}

/* ---- how many ---- */

/* Of the same time: by what upstream's identifier begins with. */
static int by_age(const void *x, const void *y)
{
    const struct managed_entry *a = *(struct managed_entry *const *)x,
                               *b = *(struct managed_entry *const *)y;
    int c = str_cmp(a->time, b->time);
    c = c ? c : str_cmp(a->manager, b->manager);
    c = c ? c : str_cmp(a->version, b->version);
    return c ? c : str_cmp(a->subresource, b->subresource);
}

static struct managed_entry *first_of_version(struct managed_entry **oldest, uint32_t count,
                                              struct str version)
{
    for (uint32_t i = 0; i < count; i++)
        if (str_eq(oldest[i]->version, version))
            return oldest[i];
    return NULL;
}

static int join(struct managed *m, struct managed_entry *bucket, struct managed_entry *e)
{
    struct fieldset both;
    int rc = fieldset_union(m->arena, &bucket->places, &e->places, &both);
    if (rc)
        return rc;
    bucket->manager = STR("ancient-changes");
    bucket->subresource = STR("");
    bucket->time = e->time; /* the later one */
    bucket->places = both;
    bucket->kept = NULL;
    e->places = (struct fieldset){.member = false};
    return 0;
}

/* A bucket is the oldest entry of its version, or the one that an earlier time made. */
int managed_cap(struct managed *m)
{
    struct managed_entry **oldest = arena_alloc(m->arena, (m->count + 1) * sizeof *oldest);
    uint32_t count = 0, left;
    if (!oldest)
        return -E_NOMEM;
    for (uint32_t i = 0; i < m->count; i++)
        if (!m->entries[i].applied && !fieldset_empty(&m->entries[i].places))
            oldest[count++] = &m->entries[i];
    if (count <= UPDATERS_MOST)
        return 0;
    qsort(oldest, count, sizeof *oldest, by_age);
    left = count;
    for (uint32_t i = 0; i < count && left > UPDATERS_MOST; i++) {
        struct managed_entry *e = oldest[i], *first = first_of_version(oldest, i, e->version);
        struct managed_entry *bucket =
            managed_find(m, STR("ancient-changes"), false, e->version, STR(""));
        if (!first || e == bucket)
            continue;
        int rc = join(m, bucket ? bucket : first, e);
        if (rc)
            return rc;
        left--;
    }
    return 0;
}
