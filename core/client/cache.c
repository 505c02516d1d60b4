/*
 * The contents of a cache: entries, indexes, listeners. How they arrive is reflector.c's.
 *
 * Invariant: an entry's references into index buckets are those of its present object.
 */
#include <stdio.h>

#include "base/limits.h"
#include "client/cache_int.h"

struct entry {
    struct object *object;
    struct list refs; /* struct index_ref.entry_link */
    uint32_t generation;
};

struct index {
    struct list link;
    cache_index_fn *fn;
    struct map buckets; /* value -> struct bucket */
    char name[];
};

struct bucket {
    struct list refs;
    struct index *index;
    char value[];
};

struct index_ref {
    struct list bucket_link, entry_link;
    struct bucket *bucket;
    struct entry *entry;
};

struct cache_listener {
    struct list link;
    struct cache *cache;
    struct cache_handlers handlers;
    void *ctx;
    bool told; /* has been told of what was there when it came */
};

static const char *key_of(char *dst, size_t size, const char *ns, const char *name)
{
    snprintf(dst, size, "%s/%s", ns ? ns : "", name);
    return dst;
}

/* ---- indexes ---- */

static void ref_drop(struct index_ref *ref)
{
    struct bucket *b = ref->bucket;
    list_remove(&ref->bucket_link);
    list_remove(&ref->entry_link);
    mem_free(ref);
    if (list_empty(&b->refs)) {
        map_remove(&b->index->buckets, str_of(b->value));
        mem_free(b);
    }
}

static void entry_unindex(struct entry *e)
{
    while (!list_empty(&e->refs))
        ref_drop(LIST_FIRST(&e->refs, struct index_ref, entry_link));
}

struct emit_to {
    struct index *index;
    struct entry *entry;
    int rc;
};

static struct bucket *bucket_of(struct index *ix, const char *value)
{
    struct bucket *b = map_get(&ix->buckets, str_of(value));
    if (b)
        return b;
    size_t n = strlen(value);
    b = mem_alloc(sizeof *b + n + 1);
    if (!b)
        return NULL;
    b->index = ix;
    list_init(&b->refs);
    memcpy(b->value, value, n + 1);
    if (map_set(&ix->buckets, str_of(value), b, NULL) < 0) {
        mem_free(b);
        return NULL;
    }
    return b;
}

static void emit(void *arg, const char *value)
{
    struct emit_to *to = arg;
    struct index_ref *ref = mem_alloc(sizeof *ref);
    struct bucket *b = ref ? bucket_of(to->index, value) : NULL;
    if (!b) {
        mem_free(ref);
        to->rc = -E_NOMEM;
        return;
    }
    ref->bucket = b;
    ref->entry = to->entry;
    list_push_back(&b->refs, &ref->bucket_link);
    list_push_back(&to->entry->refs, &ref->entry_link);
}

static int entry_index(struct cache *c, struct entry *e, const struct json *tree)
{
    struct index *ix;
    struct emit_to to = {.entry = e};
    LIST_EACH(ix, &c->indexes, link)
    {
        to.index = ix;
        ix->fn(tree, emit, &to);
    }
    return to.rc;
}

int cache_index_add(struct cache *c, const char *index, cache_index_fn *fn)
{
    struct index *ix;
    LIST_EACH(ix, &c->indexes, link)
        if (cstr_eq(ix->name, index))
            return 0;
    size_t n = strlen(index);
    ix = mem_zalloc(sizeof *ix + n + 1);
    if (!ix)
        return -E_NOMEM;
    ix->fn = fn;
    memcpy(ix->name, index, n + 1);
    list_push_back(&c->indexes, &ix->link);

    struct map_iter it;
    void *value;
    int rc = 0;
    map_iter_init(&c->entries, &it);
    while (rc == 0 && map_iter_next(&c->entries, &it, NULL, &value)) {
        struct arena a CLEANUP_ARENA;
        arena_init(&a, LIMIT_REQUEST_ARENA);
        struct emit_to to = {.index = ix, .entry = value};
        struct json *tree = object_json(to.entry->object, &a);
        if (tree)
            fn(tree, emit, &to);
        rc = tree ? to.rc : -E_NOMEM;
    }
    return rc;
}

void cache_index_each(const struct cache *c, const char *index, const char *value,
                      bool (*fn)(void *ctx, struct object *o), void *ctx)
{
    struct index *ix;
    LIST_EACH(ix, &c->indexes, link)
    {
        if (!cstr_eq(ix->name, index))
            continue;
        struct bucket *b = map_get(&ix->buckets, str_of(value));
        struct index_ref *ref, *next;
        if (!b)
            return;
        LIST_EACH_SAFE(ref, next, &b->refs, bucket_link)
            if (!fn(ctx, ref->entry->object))
                return;
        return;
    }
}

void cache_index_namespace(const struct json *tree, void (*emit_fn)(void *, const char *), void *arg)
{
    emit_fn(arg, json_path_cstr(tree, "metadata.namespace"));
}

void cache_index_controller(const struct json *tree, void (*emit_fn)(void *, const char *), void *arg)
{
    struct json *owners = json_path(tree, "metadata.ownerReferences");
    for (struct json *o = json_first(owners); o; o = o->next)
        if (json_bool(json_get(o, "controller"), false))
            emit_fn(arg, json_cstr(json_get(o, "uid")));
}

/* ---- telling ---- */

static void leave(struct cache *c)
{
    if (--c->depth == 0 && c->freed)
        cache_free(c);
}

static void tell(struct cache *c, struct object *old, struct object *new)
{
    struct cache_listener *l, *next;
    c->depth++;
    LIST_EACH_SAFE(l, next, &c->listeners, link)
        if (l->told && l->handlers.changed)
            l->handlers.changed(l->ctx, old, new);
    leave(c);
}

static bool tell_one(void *ctx, struct object *o)
{
    struct cache_listener *l = ctx;
    if (l->handlers.changed)
        l->handlers.changed(l->ctx, NULL, o);
    return true;
}

static void announce(void *ctx)
{
    struct cache *c = ctx;
    struct cache_listener *l, *next;
    c->depth++;
    LIST_EACH_SAFE(l, next, &c->listeners, link)
    {
        if (l->told)
            continue;
        l->told = true;
        cache_each(c, tell_one, l);
        if (c->synced && l->handlers.synced)
            l->handlers.synced(l->ctx);
    }
    leave(c);
}

int cache_listen(struct cache *c, const struct cache_handlers *h, void *ctx,
                 struct cache_listener **ret_listener)
{
    struct cache_listener *l = mem_zalloc(sizeof *l);
    if (!l)
        return -E_NOMEM;
    l->cache = c;
    l->handlers = *h;
    l->ctx = ctx;
    list_push_back(&c->listeners, &l->link);
    loop_defer(c->client->loop, &c->announce);
    if (ret_listener)
        *ret_listener = l;
    return 0;
}

void cache_unlisten(struct cache_listener *l)
{
    if (l) {
        list_remove(&l->link);
        mem_free(l);
    }
}

/* ---- entries ---- */

static void entry_free(struct entry *e)
{
    entry_unindex(e);
    object_unref(e->object);
    mem_free(e);
}

static void entry_free_value(void *e)
{
    entry_free(e);
}

static void remove_key(struct cache *c, struct str key)
{
    struct entry *e = map_remove(&c->entries, key);
    if (!e)
        return;
    struct object *old = object_ref(e->object);
    entry_free(e);
    tell(c, old, NULL);
    object_unref(old);
}

static int put(struct cache *c, const char *key, struct object *o, const struct json *tree)
{
    struct entry *e = map_get(&c->entries, str_of(key));
    struct object *old = NULL;
    int rc;

    if (!e) {
        e = mem_zalloc(sizeof *e);
        if (!e)
            return -E_NOMEM;
        list_init(&e->refs);
        rc = map_set(&c->entries, str_of(key), e, NULL);
        if (rc < 0) {
            mem_free(e);
            return rc;
        }
    } else {
        old = e->object;
        entry_unindex(e);
    }
    e->object = object_ref(o);
    e->generation = c->generation;
    rc = entry_index(c, e, tree);
    tell(c, old, o);
    object_unref(old);
    return rc;
}

int cache_apply(struct cache *c, const struct json *tree, bool deleted)
{
    char key[600];
    struct object *o = NULL;
    int rc = object_new(tree, &o);
    if (rc < 0)
        return rc;
    key_of(key, sizeof key, o->namespace, o->name);
    if (o->resource_version > c->revision)
        c->revision = o->resource_version;
    if (deleted)
        remove_key(c, str_of(key));
    else
        rc = put(c, key, o, tree);
    object_unref(o);
    return rc;
}

void cache_list_begin(struct cache *c)
{
    c->generation++;
}

int cache_list_item(struct cache *c, const struct json *tree)
{
    char key[600];
    struct object *o = NULL;
    int rc = object_new(tree, &o);
    if (rc < 0)
        return rc;
    key_of(key, sizeof key, o->namespace, o->name);
    struct entry *e = map_get(&c->entries, str_of(key));
    if (e && e->object->resource_version == o->resource_version && cstr_eq(e->object->uid, o->uid))
        e->generation = c->generation;
    else
        rc = put(c, key, o, tree);
    object_unref(o);
    return rc;
}

void cache_list_end(struct cache *c, int64_t revision)
{
    struct map_iter it;
    struct str key;
    void *value;

    map_iter_init(&c->entries, &it);
    while (map_iter_next(&c->entries, &it, &key, &value)) {
        struct entry *e = value;
        char copy[600];
        if (e->generation != c->generation && str_copy(copy, sizeof copy, key)) {
            remove_key(c, str_of(copy));
            if (c->freed)
                return;
        }
    }
    c->revision = revision;
    c->synced = true;
    struct cache_listener *l, *next;
    c->depth++;
    LIST_EACH_SAFE(l, next, &c->listeners, link)
        if (l->told && l->handlers.synced)
            l->handlers.synced(l->ctx);
    leave(c);
}

bool cache_synced(const struct cache *c)
{
    return c->synced;
}

int64_t cache_revision(const struct cache *c)
{
    return c->revision;
}

struct object *cache_get(const struct cache *c, const char *namespace, const char *name)
{
    char key[600];
    struct entry *e = map_get(&c->entries, str_of(key_of(key, sizeof key, namespace, name)));
    return e ? e->object : NULL;
}

size_t cache_count(const struct cache *c)
{
    return c->entries.count;
}

void cache_each(const struct cache *c, bool (*fn)(void *ctx, struct object *o), void *ctx)
{
    struct map_iter it;
    void *value;
    map_iter_init(&c->entries, &it);
    while (map_iter_next(&c->entries, &it, NULL, &value))
        if (!fn(ctx, ((struct entry *)value)->object))
            return;
}

/* ---- life ---- */

static char *dup_or_null(const char *s)
{
    return s ? mem_strdup(s) : NULL;
}

static int make(struct client *client, const char *path, const char *field_selector,
                const char *label_selector, bool metadata_only, struct cache **ret_cache)
{
    struct cache *c = mem_zalloc(sizeof *c);
    if (!c)
        return -E_NOMEM;
    c->client = client;
    c->metadata_only = metadata_only;
    list_init(&c->indexes);
    list_init(&c->listeners);
    loop_task_init(&c->announce, announce, c);
    c->path = mem_strdup(path);
    c->field_selector = dup_or_null(field_selector);
    c->label_selector = dup_or_null(label_selector);
    bool copied = c->path && !c->field_selector == !field_selector &&
                  !c->label_selector == !label_selector;
    int rc = copied ? reflector_start(c) : -E_NOMEM;
    if (rc < 0) {
        cache_free(c);
        return rc;
    }
    *ret_cache = c;
    return 0;
}

int cache_new(struct client *client, const char *path, const char *field_selector,
              const char *label_selector, struct cache **ret_cache)
{
    return make(client, path, field_selector, label_selector, false, ret_cache);
}

int cache_new_metadata(struct client *client, const char *path, struct cache **ret_cache)
{
    return make(client, path, NULL, NULL, true, ret_cache);
}

void cache_free(struct cache *c)
{
    if (!c)
        return;
    if (c->client)
        reflector_stop(c);
    c->freed = true;
    loop_task_cancel(&c->announce);
    if (c->depth)
        return; /* the outermost callback ends it */
    map_done(&c->entries, entry_free_value);
    while (!list_empty(&c->indexes)) {
        struct index *ix = LIST_FIRST(&c->indexes, struct index, link);
        list_remove(&ix->link);
        map_done(&ix->buckets, mem_free);
        mem_free(ix);
    }
    while (!list_empty(&c->listeners))
        cache_unlisten(LIST_FIRST(&c->listeners, struct cache_listener, link));
    mem_free(c->path);
    mem_free(c->field_selector);
    mem_free(c->label_selector);
    mem_free(c);
}
