/* Who uses the cluster, and who administers it. */
#include "sim.h"

#include <stdio.h>
#include <string.h>

/* ---- clients ---- */

static void client_rest(struct client *c)
{
    c->busy = false;
    c->due_ns = c->sim->now_ns + (int64_t)below(c->sim, 20 * MS);
}

static void client_record(struct client *c, enum history_outcome outcome, int64_t revision)
{
    c->op.outcome = outcome;
    c->op.revision = revision;
    c->op.ended_ns = c->sim->now_ns;
    history_add(c->sim->history, &c->op);
    client_rest(c);
}

static void on_done(void *ctx, const struct store_result *r)
{
    struct client *c = ctx;
    static const char *const names[] = {"put", "delete", "swap", "read"};
    trace(c->sim, "client %d: %s of key %d value %llu at node %d: %d, revision %lld",
          (int)(c - c->sim->clients), names[c->op.kind], c->op.key, (unsigned long long)c->op.value,
          c->node->number, r->rc, (long long)r->revision);
    if (r->rc == 0) {
        c->seen[c->op.key] = c->op.kind == HISTORY_DELETE ? 0 : r->revision;
        client_record(c, HISTORY_DONE, r->revision);
    } else if (r->rc == -E_CONFLICT) {
        client_record(c, HISTORY_CONFLICT, r->revision);
    } else {
        bool unknown = r->rc == -E_TIMEOUT || r->rc == -E_CLOSED;
        client_record(c, unknown ? HISTORY_UNKNOWN : HISTORY_REFUSED, 0);
    }
}

void key_text(int key, char text[8])
{
    snprintf(text, 8, "/k/%d", key);
}

static void on_ready(void *ctx, int rc)
{
    struct client *c = ctx;
    char text[8];
    if (rc) {
        client_rest(c);
        return;
    }
    struct store *s = c->node->store;
    key_text(c->op.key, text);
    struct store_value *v = store_get(s, str_of(text));
    c->op.value = number_of(v);
    c->seen[c->op.key] = v ? v->mod_revision : 0;
    trace(c->sim, "client %d: reads key %d at node %d: %llu, revision %lld",
          (int)(c - c->sim->clients), c->op.key, c->node->number, (unsigned long long)c->op.value,
          (long long)store_revision(s));
    client_record(c, HISTORY_DONE, store_revision(s));
}

static void client_write(struct client *c)
{
    char text[8], value[600];
    struct sim *s = c->sim;
    key_text(c->op.key, text);
    if (c->op.kind != HISTORY_DELETE)
        c->op.value = ++s->value;
    memset(value, 'x', sizeof(value));
    memcpy(value, &c->op.value, 8);
    c->op.expected = c->seen[c->op.key];
    struct store_compare compare = {STORE_COMPARE_MOD_REVISION, str_of(text), c->op.expected};
    struct store_op op = {.is_delete = c->op.kind == HISTORY_DELETE,
                          .key = str_of(text),
                          .value = str_make(value, 8 + below(s, sizeof(value) - 8))};
    int rc = store_txn(c->node->store, &compare, c->op.kind == HISTORY_SWAP, &op, 1, on_done, c);
    if (rc)
        client_rest(c);
}

void client_act(struct client *c)
{
    struct sim *s = c->sim;
    c->node = &s->nodes[below(s, (uint64_t)s->node_count)];
    client_rest(c);
    struct node *n = c->node;
    /* Who was removed, or not yet added, refuses in time; that is tried, but rarely. */
    if (!n->store || n->fatal || (store_members(n->store)->count == 0 && !chance(s, 20)))
        return;
    c->busy = true;
    c->op = (struct history_op){.kind = (enum history_kind)below(s, 4),
                                .key = (int)below(s, HISTORY_KEYS),
                                .begun_ns = s->now_ns};
    if (c->op.kind == HISTORY_READ) {
        if (store_read(n->store, on_ready, c))
            client_rest(c);
    } else {
        client_write(c);
    }
    n->wake_ns = s->now_ns;
}

/* ---- the administrator: wants every node a voter ---- */

static void on_changed(void *ctx, int rc)
{
    struct sim *s = ctx;
    trace(s, "membership: %d", rc);
    s->changing = false;
}

struct node *leader_of(struct sim *s)
{
    struct node *leader = NULL;
    for (int i = 0; i < s->node_count; i++) {
        struct node *n = &s->nodes[i];
        if (n->store && !n->fatal && store_leading(n->store))
            leader = n;
    }
    return leader;
}

static bool wanted_members(struct sim *s, struct node *leader, struct raft_members *m)
{
    for (uint32_t i = 0; i < m->count; i++) {
        struct node *n = node_of(s, m->at[i].id);
        if (!n) { /* emptied: it is somebody else now */
            m->at[i] = m->at[--m->count];
            return true;
        }
        if (m->at[i].learner &&
            store_member_match(leader->store, n->id) + 200 > store_last_index(leader->store)) {
            m->at[i].learner = false;
            return true;
        }
    }
    for (int i = 0; i < s->node_count; i++) {
        struct node *n = &s->nodes[i];
        if (n->id && !raft_members_find(m, n->id) && m->count < RAFT_NODES_MAX) {
            m->at[m->count] = (struct raft_member){.id = n->id, .learner = true};
            snprintf(m->at[m->count++].address, RAFT_ADDRESS_MAX, "node%d", i);
            return true;
        }
    }
    /* Nothing to do: make work. */
    if (s->faults && m->count > 2 && chance(s, 8)) {
        m->at[below(s, m->count)] = m->at[m->count - 1];
        m->count--;
        return true;
    }
    return false;
}

void admin_act(struct sim *s)
{
    s->admin_due_ns = s->now_ns + (int64_t)below(s, 300 * MS);
    struct node *leader = leader_of(s);
    if (!leader || (s->changing && !(s->faults && chance(s, 3))))
        return;
    struct raft_members m = *store_members(leader->store);
    if (s->faults && chance(s, 6)) {
        (void)!store_transfer(leader->store, m.at[below(s, m.count)].id);
    } else if (wanted_members(s, leader, &m)) {
        int rc = store_change_members(leader->store, &m, on_changed, s);
        trace(s, "node %d: change to %u members: %d", leader->number, m.count, rc);
        s->changing = s->changing || rc == 0;
    }
    leader->wake_ns = s->now_ns;
}
