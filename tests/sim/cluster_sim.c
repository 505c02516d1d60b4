/*
 * Whole replicas of the store in one process under one seed: simulated clock, disks and network,
 * clients that put, delete, swap and read, and everything that can go wrong. First faults, then
 * none: then the cluster must come to rest. What was said is checked by history.h.
 *
 *   cluster_sim [seed=N] [seeds=N] [nodes=N] [seconds=N] [storm=0-6] [trace=1]
 * Without arguments it is a test: some fixed seeds and some that nobody has tried before; SEED and
 * TRACE in the environment replay one.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- time ---- */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t awake(const struct node *n, int64_t at)
{
    return at < n->paused_to_ns ? n->paused_to_ns : at;
}

static int64_t next_ns(struct sim *s)
{
    int64_t at = s->admin_due_ns;
    if (s->faults)
        at = least(at, s->fault_due_ns);
    for (int i = 0; i < s->node_count; i++) {
        struct node *n = &s->nodes[i];
        at = least(at, n->store ? awake(n, n->wake_ns) : n->up_at_ns);
        for (int k = 0; n->store && k < s->node_count; k++)
            if (s->pipes[k][i].first)
                at = least(at, awake(n, s->pipes[k][i].first->due_ns));
    }
    for (int i = 0; i < CLIENTS; i++)
        if (!s->clients[i].busy)
            at = least(at, s->clients[i].due_ns);
    return at > s->now_ns ? at : s->now_ns;
}

static void deliver(struct sim *s, struct node *n)
{
    for (int k = 0; k < s->node_count; k++) {
        struct pipe *p = &s->pipes[k][n->number];
        /* Some at a time, so that other things happen between them. */
        uint64_t count = 1 + below(s, 8);
        while (n->store && p->first && p->first->due_ns <= s->now_ns && count--) {
            struct message *m = p->first;
            p->first = m->next;
            if (!p->first)
                p->last = NULL;
            int rc = store_receive(n->store, m->from, str_make(m->bytes, m->size));
            if (rc)
                fail(s, "node %d refuses a message of kind %d: %d", n->number, m->bytes[0], rc);
            free(m);
            n->wake_ns = s->now_ns;
        }
    }
}

static void nodes_act(struct sim *s)
{
    for (int i = 0; i < s->node_count && !s->failure[0]; i++) {
        struct node *n = &s->nodes[i];
        if (!n->store && n->up_at_ns <= s->now_ns)
            node_open(n);
        if (!n->store || n->paused_to_ns > s->now_ns)
            continue;
        deliver(s, n);
        for (int turns = 0; n->store && n->wake_ns <= s->now_ns && n->paused_to_ns <= s->now_ns &&
                            turns < 100; turns++)
            node_turn(n);
    }
}

static void advance(struct sim *s)
{
    s->now_ns = next_ns(s);
    nodes_act(s);
    for (int i = 0; i < CLIENTS; i++)
        if (!s->clients[i].busy && s->clients[i].due_ns <= s->now_ns)
            client_act(&s->clients[i]);
    if (s->admin_due_ns <= s->now_ns)
        admin_act(s);
    if (s->faults && s->fault_due_ns <= s->now_ns)
        fault(s);
}

/* ---- the end ---- */

static bool same_value(void *ctx, struct store_value *v)
{
    struct store *other = ctx;
    struct store_value *o = store_get(other, store_value_key(v));
    return o && o->mod_revision == v->mod_revision && o->version == v->version &&
           o->create_revision == v->create_revision &&
           str_eq(store_value_bytes(o), store_value_bytes(v));
}

static bool at_rest(struct sim *s, struct node **ret_leader)
{
    struct node *leader = leader_of(s);
    *ret_leader = leader;
    if (!leader || !all_well(s))
        return false;
    for (int i = 0; i < CLIENTS; i++)
        if (s->clients[i].busy)
            return false;
    for (int i = 0; i < s->node_count; i++)
        if (store_revision(s->nodes[i].store) != store_revision(leader->store))
            return false;
    return true;
}

static void report(struct sim *s)
{
    for (int i = 0; s->trace && i < s->node_count; i++) {
        const struct store *o = s->nodes[i].store;
        if (!o)
            continue;
        const struct raft *r = &o->raft;
        printf("node %d: id %llx, role %d, term %llu, vote %llx, leader %llx, last %llu (term %llu), "
               "commit %llu, applied %llu, durable %llu, ticks %u of %u, members at %llu:",
               i, (unsigned long long)r->id, (int)r->role, (unsigned long long)r->hard.term,
               (unsigned long long)r->hard.vote, (unsigned long long)r->leader,
               (unsigned long long)raft_last_index(r),
               (unsigned long long)raft_term_at(r, raft_last_index(r)), (unsigned long long)r->commit,
               (unsigned long long)o->applied, (unsigned long long)r->persisted, r->ticks,
               r->timeout_ticks, (unsigned long long)r->members_index);
        for (uint32_t k = 0; k < r->members.count; k++)
            printf(" %llx%s", (unsigned long long)r->members.at[k].id,
                   r->members.at[k].learner ? "?" : "");
        printf("\n");
    }
}

static void compare_states(struct sim *s, struct node *leader)
{
    struct store_snapshot *snap;
    struct store_stats a, b;
    if (store_snapshot_take(leader->store, &snap))
        return;
    store_stats(leader->store, &a);
    for (int i = 0; i < s->node_count; i++) {
        struct same {
            struct store *store;
        };
        store_stats(s->nodes[i].store, &b);
        bool same = a.keys == b.keys &&
                    memcmp(store_members(s->nodes[i].store), store_members(leader->store),
                           sizeof(struct raft_members)) == 0;
        for (int k = 0; k < HISTORY_KEYS; k++) {
            char text[8];
            key_text(k, text);
            struct store_value *v = store_get(leader->store, str_of(text));
            same = same && (!v || same_value(s->nodes[i].store, v));
        }
        if (!same)
            fail(s, "nodes %d and %d differ at revision %lld", leader->number, i,
                 (long long)store_revision(leader->store));
    }
    store_snapshot_release(snap);
}

static void settle(struct sim *s)
{
    struct node *leader;
    int64_t until = s->now_ns + 60 * SECOND;
    heal(s);
    while (!s->failure[0] && s->now_ns < until) {
        advance(s);
        /* Clients go on for a while, then fall silent, so that all can be equal. */
        if (s->now_ns > until - 40 * SECOND)
            for (int i = 0; i < CLIENTS; i++)
                if (!s->clients[i].busy)
                    s->clients[i].due_ns = INT64_MAX;
        if (s->now_ns > until - 38 * SECOND && at_rest(s, &leader))
            break;
    }
    if (s->failure[0])
        return;
    if (!at_rest(s, &leader)) {
        fail(s, "no rest within 60 s without faults (leader %d)", leader ? leader->number : NONE);
        return;
    }
    compare_states(s, leader);
    const char *why = history_check(s->history, store_revision(leader->store));
    if (why)
        fail(s, "%s", why);
}

static void sim_begin(struct sim *s, uint64_t seed, int nodes)
{
    s->seed = seed;
    s->node_count = nodes;
    s->history = history_new();
    prng_init(&s->prng, seed);
    for (int i = 0; i < nodes; i++) {
        struct node *n = &s->nodes[i];
        *n = (struct node){.sim = s, .number = i, .joins = i > 0, .told_revision = 1,
                           .disk = sim_disk_new(prng_next(&s->prng))};
        if (loop_new((struct poll){&sim_clock_ops, n}, &n->loop))
            abort();
    }
    for (int i = 0; i < CLIENTS; i++)
        s->clients[i] = (struct client){.sim = s};
}

static void sim_end(struct sim *s)
{
    s->faults = false;
    for (int i = 0; i < s->node_count; i++) {
        store_close(s->nodes[i].store);
        for (int k = 0; k < s->node_count; k++)
            pipe_clear(&s->pipes[i][k]);
        loop_free(s->nodes[i].loop);
        sim_disk_free(s->nodes[i].disk);
    }
    history_free(s->history);
}

static bool one_seed(uint64_t seed, int nodes, int seconds, int storm, bool traced)
{
    struct sim *s = calloc(1, sizeof(*s));
    s->trace = traced;
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    sim_begin(s, seed, nodes ? nodes : (int[]){3, 3, 5, 3, 5, 7}[seed % 6]);
    /* The cluster forms, then everything goes wrong. */
    while (!s->failure[0] && s->now_ns < 20 * SECOND && !all_well(s))
        advance(s);
    if (!all_well(s))
        fail(s, "no cluster within 20 s");
    s->faults = true;
    s->storm = storm < 0 ? (int)below(s, 5) : storm;
    s->fault_due_ns = s->now_ns;
    int64_t until = s->now_ns + seconds * SECOND;
    while (!s->failure[0] && s->now_ns < until)
        advance(s);
    if (!s->failure[0])
        settle(s);
    clock_gettime(CLOCK_MONOTONIC, &to);
    double real = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
    printf("seed %llu: %d nodes, %.1f s, %.0f times real time, %zu done, %zu unknown, %llu messages, "
           "%llu crashes, %llu wiped, %llu flipped\n",
           (unsigned long long)seed, s->node_count, (double)s->now_ns / 1e9,
           (double)s->now_ns / 1e9 / real, history_count(s->history, HISTORY_DONE),
           history_count(s->history, HISTORY_UNKNOWN), (unsigned long long)s->messages,
           (unsigned long long)s->crashes, (unsigned long long)s->wiped,
           (unsigned long long)s->flipped);
    bool ok = !s->failure[0];
    if (!ok)
        report(s);
    if (!ok)
        printf("FAILED after %.3f s: %s\nreplay: make check-sim SEED=%llu%s\n",
               (double)s->now_ns / 1e9, s->failure, (unsigned long long)seed, traced ? "" : " TRACE=1");
    fflush(stdout);
    sim_end(s);
    free(s);
    return ok;
}

static uint64_t argument(int argc, char **argv, const char *name, uint64_t otherwise)
{
    size_t n = strlen(name);
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], name, n) == 0 && argv[i][n] == '=')
            return strtoull(argv[i] + n + 1, NULL, 10);
    return otherwise;
}

enum { TEST_SECONDS = 60, FIXED_SEEDS = 6, NEW_SEEDS = 3 };

static bool seeds(uint64_t first, uint64_t count, int nodes, int seconds, int storm, bool traced)
{
    for (uint64_t i = 0; i < count; i++)
        if (!one_seed(first + i, nodes, seconds, storm, traced))
            return false;
    return true;
}

static int as_test(void)
{
    const char *given = getenv("SEED");
    bool traced = getenv("TRACE") && *getenv("TRACE");
    if (given && *given)
        return !seeds(strtoull(given, NULL, 10), 1, 0, TEST_SECONDS, -1, traced);
    uint64_t now = (uint64_t)time(NULL) * 1000;
    bool fixed = seeds(1, FIXED_SEEDS, 0, TEST_SECONDS, -1, false);
    printf("%s 1 - fixed seeds: nothing acknowledged is lost and all replicas agree\n",
           fixed ? "ok" : "not ok");
    bool fresh = seeds(now, NEW_SEEDS, 0, TEST_SECONDS, -1, false);
    printf("%s 2 - new seeds: nothing acknowledged is lost and all replicas agree\n",
           fresh ? "ok" : "not ok");
    return !fixed || !fresh;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 1)
        return as_test();
    return !seeds(argument(argc, argv, "seed", 1), argument(argc, argv, "seeds", 1),
                  (int)argument(argc, argv, "nodes", 0),
                  (int)argument(argc, argv, "seconds", TEST_SECONDS),
                  (int)argument(argc, argv, "storm", (uint64_t)-1), argument(argc, argv, "trace", 0));
}
