/*
 * Events live for an hour after their last change, as upstream's. Nothing is parsed for that: each
 * minute the store's revision is noted, and what was not changed since the revision of an hour ago
 * goes. The notes begin anew with the process, so a restart lets events live up to an hour longer.
 */
#include "api/api_int.h"

enum { MINUTES = 60, MINUTE_MS = 60 * 1000, BATCH = 256 };

struct expiry {
    struct api *api; /* NULL: gone while the store works */
    int64_t revisions[MINUTES];
    size_t at, count;
    int64_t next_ms;
    int64_t limit; /* what was last changed up to here goes; 0: nothing under way */
    struct arena arena;
    struct store_compare compares[BATCH];
    struct store_op ops[BATCH];
    size_t found;
    bool in_store;
};

static void sweep(struct expiry *e);

static void expiry_done(struct expiry *e)
{
    arena_done(&e->arena);
    mem_free(e);
}

void expiry_free(struct expiry *e)
{
    if (!e)
        return;
    e->api = NULL;
    if (!e->in_store)
        expiry_done(e);
}

static void on_swept(void *ctx, const struct store_result *r)
{
    struct expiry *e = ctx;
    e->in_store = false;
    arena_clear(&e->arena);
    if (!e->api) {
        expiry_done(e);
        return;
    }
    /* An event that changed meanwhile makes the batch fail: the next minute finds the rest. */
    if (r->rc == 0 && e->found == BATCH)
        sweep(e);
}

static bool collect(void *ctx, struct store_value *v)
{
    struct expiry *e = ctx;
    if (v->mod_revision > e->limit)
        return true;
    struct str key = arena_str(&e->arena, store_value_key(v));
    if (!key.p)
        return false;
    e->compares[e->found] = (struct store_compare){STORE_COMPARE_MOD_REVISION, key, v->mod_revision};
    e->ops[e->found++] = (struct store_op){.is_delete = true, .key = key};
    return e->found < BATCH;
}

static void sweep(struct expiry *e)
{
    struct store_snapshot *snap;
    e->found = 0;
    if (store_snapshot_take(e->api->store, &snap) < 0)
        return;
    store_snapshot_range(snap, STR("/core/events/"), STR("/core/events0"), collect, e);
    store_snapshot_release(snap);
    if (!e->found)
        return;
    e->in_store = true;
    if (store_txn(e->api->store, e->compares, e->found, e->ops, e->found, on_swept, e) < 0) {
        e->in_store = false;
        arena_clear(&e->arena);
    }
}

void expiry_tick(struct api *api)
{
    int64_t now = loop_now_ms(api->loop);
    struct expiry *e = api->expiry;
    if (!e) {
        e = api->expiry = mem_zalloc(sizeof *e);
        if (!e)
            return;
        e->api = api;
        arena_init(&e->arena, BATCH * 2 * STORE_KEY_MAX);
    }
    if (now < e->next_ms || e->in_store)
        return;
    e->next_ms = now + MINUTE_MS;
    e->limit = e->count == MINUTES ? e->revisions[e->at] : 0;
    e->revisions[e->at] = store_revision(api->store);
    e->at = (e->at + 1) % MINUTES;
    if (e->count < MINUTES)
        e->count++;
    if (e->limit)
        sweep(e);
}
