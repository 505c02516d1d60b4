/*
 * The state machine: one command against the tree, all or nothing. Deterministic: the result
 * depends on the tree and the command's bytes alone.
 *
 * A command works on a root of its own; the store's root, revision and history change only when
 * nothing can fail any more.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "store/format.h"
#include "store/store_int.h"
#include "store/value.h"

void pending_free(struct pending *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->op_count; i++)
        store_value_unref(p->values[i]);
    raft_entry_unref(p->entry);
    mem_free(p);
}

static bool compare_holds(const struct store *s, const struct store_compare *c)
{
    const struct store_value *v = tree_get(s->root, c->key);
    switch (c->kind) {
    case STORE_COMPARE_MOD_REVISION:
        return (v ? v->mod_revision : 0) == c->revision;
    case STORE_COMPARE_EXISTS:
        return v != NULL;
    case STORE_COMPARE_VALUE:
        return v && store_hash(store_value_bytes(v)) == c->revision;
    }
    return false;
}

/* 0: all hold; 1: *ret_failed does not; -E_CORRUPT. */
static int compares_check(const struct store *s, struct command_reader *r, int *ret_failed)
{
    struct store_compare c;
    int rc, failed = -1;
    for (int i = 0; (rc = command_next_compare(r, &c)) > 0; i++)
        if (failed < 0 && !compare_holds(s, &c))
            failed = i;
    if (rc)
        return rc;
    *ret_failed = failed;
    return failed >= 0;
}

/* The value to put: the one made beforehand, or a new one. The caller gets a reference. */
static int value_for(struct store *s, const struct store_op *op, struct store_value *made,
                     struct store_value **ret_value)
{
    if (made) {
        *ret_value = store_value_ref(made);
        return 0;
    }
    return store_value_new(op->key, op->value, s->o.attach_free, ret_value);
}

static int put_apply(struct store *s, struct tree_node **root, const struct store_op *op,
                     struct store_value *made)
{
    struct store_value *v, *old = NULL;
    int rc = value_for(s, op, made, &v);
    if (rc)
        return rc;
    const struct store_value *before = tree_get(*root, op->key);
    v->mod_revision = s->revision + 1;
    v->create_revision = before ? before->create_revision : v->mod_revision;
    v->version = before ? before->version + 1 : 1;
    rc = tree_put(root, v, &old);
    if (rc) {
        store_value_unref(v);
        return rc;
    }
    history_stage(&s->history,
                  (struct store_event){.revision = s->revision + 1, .value = v, .previous = old});
    return 0;
}

static int delete_apply(struct store *s, struct tree_node **root, const struct store_op *op)
{
    struct store_value *old = NULL;
    int rc = tree_delete(root, op->key, &old);
    if (!rc && old)
        history_stage(&s->history,
                      (struct store_event){.revision = s->revision + 1, .previous = old});
    return rc;
}

static int ops_apply(struct store *s, struct command_reader *r, struct pending *p,
                     struct tree_node **root)
{
    struct store_op op;
    int rc = history_reserve(&s->history, r->ops);
    if (rc)
        return rc;
    for (size_t i = 0; (rc = command_next_op(r, &op)) > 0; i++) {
        ASSERT(!p || i < p->op_count);
        rc = op.is_delete ? delete_apply(s, root, &op)
                          : put_apply(s, root, &op, p ? p->values[i] : NULL);
        if (rc)
            break;
    }
    return rc;
}

/* A sum over all values, so that it follows each change and says nothing of the order. */
static uint64_t value_hash(const struct store_value *v)
{
    uint64_t h = v->key_size;
    size_t n = (size_t)v->key_size + v->size, i = 0;
    for (; i + 8 <= n; i += 8)
        h = ((h << 29 | h >> 35) ^ get_u64(v->bytes + i)) * 0x9e3779b97f4a7c15u;
    for (; i < n; i++)
        h = ((h << 29 | h >> 35) ^ (unsigned char)v->bytes[i]) * 0x9e3779b97f4a7c15u;
    h = (h ^ (uint64_t)v->mod_revision) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (uint64_t)v->create_revision) * 0x94d049bb133111ebu;
    h = (h ^ (uint64_t)v->version) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 32;
}

static void count(struct store *s, const struct store_value *v, bool here)
{
    uint64_t bytes = (uint64_t)v->size + v->key_size, hash = value_hash(v);
    s->value_bytes += here ? bytes : -bytes;
    s->state_hash += here ? hash : -hash;
}

static bool count_one(void *ctx, struct store_value *v)
{
    count(ctx, v, true);
    return true;
}

void store_count(struct store *s)
{
    s->value_bytes = s->state_hash = 0;
    tree_range(s->root, STR(""), STR(""), count_one, s);
}

void store_replace(struct store *s, struct tree_node *root, const struct snapfile_meta *meta)
{
    ASSERT(watch_index_empty(&s->watches) && s->history.staged == 0);
    tree_unref(s->root);
    s->root = root;
    s->revision = meta->revision;
    s->applied = meta->index;
    s->applied_term = meta->term;
    s->members = meta->members;
    history_done(&s->history);
    history_init(&s->history, s->o.history_revisions, s->o.history_bytes, meta->revision);
    s->hash_at = 0;
    s->hash_from = meta->index;
    store_count(s);
}

static void publish(struct store *s, struct tree_node *root)
{
    uint64_t from = s->history.next, to = from + s->history.staged;
    tree_unref(s->root);
    s->root = root;
    s->revision++;
    history_publish(&s->history);
    for (uint64_t i = from; i < to; i++) {
        const struct store_event *e = history_at(&s->history, i);
        if (e->value)
            count(s, e->value, true);
        if (e->previous)
            count(s, e->previous, false);
    }
    watch_dispatch(&s->watches, from, to);
    history_trim(&s->history, watch_pinned(&s->watches));
}

int store_apply(struct store *s, struct str bytes, struct pending *p, struct store_result *ret)
{
    struct command_reader r;
    int failed = -1;
    int rc = command_read(bytes, &r);
    if (!rc)
        rc = compares_check(s, &r, &failed);
    if (rc < 0)
        return rc;
    if (rc > 0) {
        *ret = (struct store_result){-E_CONFLICT, failed, s->revision};
        return 0;
    }
    /* With two references on the old root every node it shares is copied, not edited. */
    struct tree_node *root = tree_ref(s->root);
    rc = ops_apply(s, &r, p, &root);
    if (rc) {
        history_unstage(&s->history);
        tree_unref(root);
        return rc;
    }
    if (s->history.staged == 0)
        tree_unref(root);
    else
        publish(s, root);
    *ret = (struct store_result){0, -1, s->revision};
    return 0;
}
