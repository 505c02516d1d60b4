/*
 * Raft as a pure machine: transcripts of a cluster of one, then clusters of three in memory under
 * a seed that loses, doubles and reorders messages and crashes nodes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/prng.h"
#include "raft/raft.h"

/* ---- a cluster of one, step by step ---- */

static struct raft_actions acts;

static int do_step(struct raft *r, struct raft_event e)
{
    return raft_step(r, &e, &acts);
}

static void single_init(struct raft *r)
{
    struct raft_config c = {.id = 1, .members = {1, {{.id = 1}}}, .seed = 1};
    assert_int_equal(raft_init(r, &c), 0);
}

static void single_elect(struct raft *r)
{
    single_init(r);
    assert_int_equal(do_step(r, (struct raft_event){.kind = RAFT_START}), 0);
    struct raft_hard hard = acts.hard;
    assert_int_equal(do_step(r, (struct raft_event){.kind = RAFT_PERSISTED, .hard = hard}), 0);
    assert_int_equal(do_step(r, (struct raft_event){
                                    .kind = RAFT_PERSISTED, .hard = hard, .index = 1, .term = 1}),
                     0);
}

static void a_cluster_of_one_leads_only_when_its_vote_is_durable(void **state)
{
    (void)state;
    struct raft r;
    single_init(&r);
    assert_int_equal(do_step(&r, (struct raft_event){.kind = RAFT_START}), 0);
    assert_true(acts.persist_hard);
    assert_int_equal(acts.hard.term, 1);
    assert_int_equal(acts.hard.vote, 1);
    assert_int_equal(r.role, RAFT_CANDIDATE);
    assert_int_equal(acts.message_count, 0);
    assert_int_equal(do_step(&r, (struct raft_event){.kind = RAFT_PERSISTED}), 0);
    assert_int_equal(r.role, RAFT_CANDIDATE);
    assert_int_equal(
        do_step(&r, (struct raft_event){.kind = RAFT_PERSISTED, .hard = {.term = 1, .vote = 1}}),
        0);
    assert_int_equal(r.role, RAFT_LEADER);
    assert_int_equal(acts.append_from, 1);
    assert_int_equal(acts.apply_to, 0);
    raft_done(&r);
}

static void an_entry_commits_only_when_it_is_durable(void **state)
{
    (void)state;
    struct raft r;
    single_elect(&r);
    assert_int_equal(acts.apply_to, 1);
    struct raft_entry *e[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(raft_entry_new(RAFT_ENTRY_COMMAND, 4, &e[i]), 0);
    assert_int_equal(
        do_step(&r, (struct raft_event){.kind = RAFT_PROPOSE, .entries = e, .entry_count = 2}), 0);
    assert_int_equal(acts.append_from, 2);
    assert_int_equal(acts.apply_to, 1);
    assert_int_equal(do_step(&r, (struct raft_event){.kind = RAFT_PERSISTED, .index = 2, .term = 1}),
                     0);
    assert_int_equal(acts.apply_to, 2);
    /* A report about an entry of another term says nothing about this one. */
    assert_int_equal(do_step(&r, (struct raft_event){.kind = RAFT_PERSISTED, .index = 3, .term = 9}),
                     0);
    assert_int_equal(acts.apply_to, 2);
    assert_int_equal(do_step(&r, (struct raft_event){.kind = RAFT_PERSISTED, .index = 3, .term = 1}),
                     0);
    assert_int_equal(acts.apply_to, 3);
    assert_int_equal(do_step(&r, (struct raft_event){.kind = RAFT_COMPACT, .compact_index = 3}), 0);
    assert_null(raft_entry_at(&r, 3));
    assert_int_equal(raft_term_at(&r, 3), 1);
    for (int i = 0; i < 2; i++)
        raft_entry_unref(e[i]);
    raft_done(&r);
}

static void a_read_waits_for_the_first_commit_then_needs_no_round_alone(void **state)
{
    (void)state;
    struct raft r;
    single_init(&r);
    assert_int_equal(do_step(&r, (struct raft_event){.kind = RAFT_READ, .read_seq = 1}),
                     -E_UNAVAILABLE);
    assert_int_equal(do_step(&r, (struct raft_event){.kind = RAFT_START}), 0);
    assert_int_equal(
        do_step(&r, (struct raft_event){.kind = RAFT_PERSISTED, .hard = {.term = 1, .vote = 1}}),
        0);
    assert_int_equal(do_step(&r, (struct raft_event){.kind = RAFT_READ, .read_seq = 1}), 0);
    assert_int_equal(acts.read_done, 0);
    assert_int_equal(do_step(&r, (struct raft_event){.kind = RAFT_PERSISTED, .index = 1, .term = 1}),
                     0);
    assert_int_equal(acts.read_done, 1);
    assert_int_equal(acts.read_index, 1);
    assert_int_equal(do_step(&r, (struct raft_event){.kind = RAFT_READ, .read_seq = 2}), 0);
    assert_int_equal(acts.read_done, 2);
    raft_done(&r);
}

/* The situation of figure 8 of the Raft paper: an entry of an old term is on a majority, and may
 * still be replaced until one of the leader's own term is. */
static void an_entry_of_an_earlier_term_commits_only_with_one_of_this_term(void **state)
{
    (void)state;
    struct raft r;
    struct raft_config c = {
        .id = 1, .members = {3, {{.id = 1}, {.id = 2}, {.id = 3}}}, .seed = 1, .hard = {.term = 3}};
    assert_int_equal(raft_init(&r, &c), 0);
    struct raft_entry *e;
    assert_int_equal(raft_entry_new(RAFT_ENTRY_COMMAND, 0, &e), 0);
    e->index = 1;
    e->term = 2;
    assert_int_equal(raft_restore(&r, e), 0);
    raft_entry_unref(e);
    while (r.role == RAFT_FOLLOWER)
        assert_int_equal(do_step(&r, (struct raft_event){.kind = RAFT_TICK}), 0);
    struct raft_message m = {.kind = RAFT_PREVOTE_REPLY, .from = 2, .to = 1, .term = 4, .ok = true};
    struct raft_event receive = {.kind = RAFT_RECEIVE, .message = &m};
    assert_int_equal(do_step(&r, receive), 0);
    m.kind = RAFT_VOTE_REPLY;
    assert_int_equal(do_step(&r, receive), 0);
    struct raft_hard hard = {.term = 4, .vote = 1};
    assert_int_equal(r.role, RAFT_CANDIDATE); /* its own vote is not durable yet */
    assert_int_equal(do_step(&r, (struct raft_event){.kind = RAFT_PERSISTED, .hard = hard}), 0);
    assert_int_equal(r.role, RAFT_LEADER);
    m = (struct raft_message){
        .kind = RAFT_APPEND_REPLY, .from = 2, .to = 1, .term = 4, .ok = true, .log_index = 1};
    assert_int_equal(do_step(&r, receive), 0);
    assert_int_equal(r.commit, 0);
    assert_int_equal(do_step(&r, (struct raft_event){.kind = RAFT_PERSISTED,
                                                     .hard = hard,
                                                     .index = 2,
                                                     .term = 4}),
                     0);
    assert_int_equal(r.commit, 0);
    m.log_index = 2;
    assert_int_equal(do_step(&r, receive), 0);
    assert_int_equal(r.commit, 2);
    raft_done(&r);
}

static void out_of_memory_leaves_the_state_as_it_was(void **state)
{
    (void)state;
    struct raft r;
    single_init(&r);
    mem_fail_nth(1);
    assert_int_equal(do_step(&r, (struct raft_event){.kind = RAFT_START}), -E_NOMEM);
    assert_int_equal(r.role, RAFT_FOLLOWER);
    assert_int_equal(r.hard.term, 0);
    mem_fail_nth(0);
    assert_int_equal(do_step(&r, (struct raft_event){.kind = RAFT_START}), 0);
    raft_done(&r);
}

static void wrong_configurations_are_refused(void **state)
{
    (void)state;
    struct raft r;
    struct raft_config twice = {.id = 1, .members = {2, {{.id = 1}, {.id = 1}}}};
    struct raft_config nameless = {.id = 1, .members = {2, {{.id = 1}, {.id = 0}}}};
    struct raft_config many = {.id = 1, .members = {RAFT_NODES_MAX + 1, {{.id = 1}}}};
    assert_int_equal(raft_init(&r, &twice), -E_INVALID);
    assert_int_equal(raft_init(&r, &nameless), -E_INVALID);
    assert_int_equal(raft_init(&r, &many), -E_INVALID);
}

/* ---- clusters ---- */

enum { NODES = 3, LOG_MAX = 4096, WIRE_MAX = 4096, TERMS_MAX = 4096 };

struct packet {
    struct raft_message m; /* its entries hold references */
    uint64_t snapshot_hash; /* RAFT_SNAPSHOT: the state it carries */
};

/* What survives a crash of a node. */
struct node_disk {
    struct raft_hard hard;
    struct raft_entry *log[LOG_MAX]; /* by index; with references */
    uint64_t last;
    uint64_t base_index, base_term, base_hash; /* snapshot */
};

/* What the node was told to make durable and has not yet, with what waits for that. */
struct demand {
    bool has_hard;
    struct raft_hard hard;
    uint64_t append_from, append_last;
    struct raft_entry *entries[512];
    struct packet *packets[RAFT_MESSAGES_MAX];
    uint32_t packet_count;
    struct demand *next;
};

struct sim_raft {
    struct raft r;
    bool up;
    struct node_disk disk;
    struct demand *first, *last;
    uint64_t applied, hash; /* the state machine: a hash over all it applied */
    uint64_t read_seq, read_floor[4096], read_waiting_to;
    struct {
        uint64_t seq, index;
    } read_ready;
};

struct cluster {
    struct sim_raft nodes[NODES];
    struct packet *wire[WIRE_MAX];
    size_t wire_count;
    struct prng prng;
    uint64_t committed_hash[LOG_MAX * 4]; /* by index: what the first to apply it had */
    uint64_t committed_max;
    uint64_t leader_of[TERMS_MAX]; /* by term */
    uint64_t proposals, reads_served;
    uint64_t term_sent[NODES];            /* newest term a node spoke in */
    uint64_t vote_sent[NODES][TERMS_MAX]; /* whom it gave its vote, by term */
    uint64_t isolated, slow; /* node ids, 0: none: cut off; hardly ever gets a tick */
    bool faults;
};

static struct packet *packet_new(const struct raft_message *m, uint64_t hash)
{
    struct packet *p = malloc(sizeof(*p));
    p->m = *m;
    p->snapshot_hash = hash;
    for (uint32_t i = 0; i < m->entry_count; i++)
        raft_entry_ref(p->m.entries[i]);
    return p;
}

static void packet_free(struct packet *p)
{
    for (uint32_t i = 0; i < p->m.entry_count; i++)
        raft_entry_unref(p->m.entries[i]);
    free(p);
}

/* What a node has said binds it, whatever it forgets in a crash. */
static void promise(struct cluster *c, const struct raft_message *m)
{
    if (m->kind == RAFT_PREVOTE || m->kind == RAFT_PREVOTE_REPLY)
        return;
    if (c->term_sent[m->from - 1] < m->term)
        c->term_sent[m->from - 1] = m->term;
    if (m->kind == RAFT_VOTE_REPLY && m->ok) {
        assert_true(m->term < TERMS_MAX);
        uint64_t *vote = &c->vote_sent[m->from - 1][m->term];
        assert_true(*vote == 0 || *vote == m->to);
        *vote = m->to;
    }
}

static void wire_add(struct cluster *c, struct packet *p)
{
    promise(c, &p->m);
    if (c->wire_count == WIRE_MAX || (c->faults && prng_below(&c->prng, 10) == 0)) {
        packet_free(p);
        return;
    }
    c->wire[c->wire_count++] = p;
    if (c->faults && c->wire_count < WIRE_MAX && prng_below(&c->prng, 10) == 0)
        c->wire[c->wire_count++] = packet_new(&p->m, p->snapshot_hash);
}

static void demand_free(struct demand *d)
{
    for (uint64_t i = 0; d->append_from && i <= d->append_last - d->append_from; i++)
        raft_entry_unref(d->entries[i]);
    for (uint32_t i = 0; i < d->packet_count; i++)
        packet_free(d->packets[i]);
    free(d);
}

static void apply_to(struct cluster *c, struct sim_raft *n, uint64_t to)
{
    while (n->applied < to) {
        struct raft_entry *e = raft_entry_at(&n->r, n->applied + 1);
        assert_non_null(e);
        uint64_t value = 0;
        if (e->kind == RAFT_ENTRY_COMMAND)
            memcpy(&value, e->bytes, 8);
        n->hash = (n->hash ^ value ^ e->index ^ e->term << 40) * 0x9e3779b97f4a7c15u;
        n->applied++;
        assert_true(n->applied < LOG_MAX * 4);
        /* All nodes apply the same, for ever. */
        if (n->applied > c->committed_max) {
            c->committed_max = n->applied;
            c->committed_hash[n->applied] = n->hash;
        }
        assert_int_equal(c->committed_hash[n->applied], n->hash);
    }
    if (n->read_ready.seq && n->applied >= n->read_ready.index) {
        /* A read sees everything that was committed anywhere when it was asked. */
        for (uint64_t s = n->read_waiting_to + 1; s <= n->read_ready.seq; s++) {
            assert_true(n->applied >= n->read_floor[s % 4096]);
            c->reads_served++;
        }
        n->read_waiting_to = n->read_ready.seq;
        n->read_ready.seq = 0;
    }
}

static void perform(struct cluster *c, struct sim_raft *n, const struct raft_message *from,
                    uint64_t snapshot_hash)
{
    struct demand *d = calloc(1, sizeof(*d));
    if (acts.install_snapshot) {
        for (uint64_t i = n->disk.base_index + 1; i <= n->disk.last; i++) {
            raft_entry_unref(n->disk.log[i % LOG_MAX]);
            n->disk.log[i % LOG_MAX] = NULL;
        }
        n->disk.base_index = n->disk.last = n->applied = from->log_index;
        n->disk.base_term = from->log_term;
        n->disk.base_hash = n->hash = snapshot_hash;
        for (struct demand *o = n->first; o; o = o->next) {
            /* What was to be written before is void; the messages may still leave. */
            for (uint64_t i = 0; o->append_from && i <= o->append_last - o->append_from; i++)
                raft_entry_unref(o->entries[i]);
            o->append_from = 0;
        }
    }
    d->has_hard = acts.persist_hard;
    d->hard = acts.hard;
    d->append_from = acts.append_from;
    if (acts.append_from) {
        d->append_last = raft_last_index(&n->r);
        assert_true(d->append_last - d->append_from < 512);
        for (uint64_t i = d->append_from; i <= d->append_last; i++)
            d->entries[i - d->append_from] = raft_entry_ref(raft_entry_at(&n->r, i));
    }
    for (uint32_t i = 0; i < acts.message_count; i++) {
        const struct raft_message *m = &acts.messages[i];
        struct packet *p = packet_new(m, m->kind == RAFT_SNAPSHOT ? n->disk.base_hash : 0);
        if (m->early)
            wire_add(c, p);
        else
            d->packets[d->packet_count++] = p;
    }
    if (n->last)
        n->last->next = d;
    else
        n->first = d;
    n->last = d;
    if (n->r.role == RAFT_LEADER) {
        assert_true(n->r.hard.term < TERMS_MAX);
        uint64_t *leader = &c->leader_of[n->r.hard.term];
        assert_true(*leader == 0 || *leader == n->r.id); /* one leader a term */
        *leader = n->r.id;
    }
    if (acts.read_done) {
        n->read_ready.seq = acts.read_done;
        n->read_ready.index = acts.read_index;
    }
    if (acts.read_failed)
        n->read_waiting_to = acts.read_failed;
    apply_to(c, n, acts.apply_to);
}

static void event(struct cluster *c, struct sim_raft *n, struct raft_event e)
{
    if (do_step(&n->r, e) == 0)
        perform(c, n, e.message, 0);
}

/* The oldest demand becomes durable; then its messages leave and the node hears of it. */
static void disk_turn(struct cluster *c, struct sim_raft *n)
{
    struct demand *d = n->first;
    if (!d)
        return;
    n->first = d->next;
    if (!n->first)
        n->last = NULL;
    if (d->has_hard)
        n->disk.hard = d->hard;
    if (d->append_from) {
        for (uint64_t i = d->append_from; i <= n->disk.last; i++) {
            raft_entry_unref(n->disk.log[i % LOG_MAX]);
            n->disk.log[i % LOG_MAX] = NULL;
        }
        n->disk.last = d->append_from - 1;
        for (uint64_t i = d->append_from; i <= d->append_last; i++)
            n->disk.log[++n->disk.last % LOG_MAX] = raft_entry_ref(d->entries[i - d->append_from]);
    }
    for (uint32_t i = 0; i < d->packet_count; i++)
        wire_add(c, d->packets[i]);
    d->packet_count = 0;
    bool news = d->has_hard || d->append_from;
    demand_free(d);
    if (!news)
        return;
    struct raft_entry *last = n->disk.last > n->disk.base_index
                                  ? n->disk.log[n->disk.last % LOG_MAX]
                                  : NULL;
    event(c, n, (struct raft_event){.kind = RAFT_PERSISTED,
                                    .hard = n->disk.hard,
                                    .index = n->disk.last,
                                    .term = last ? last->term : n->disk.base_term});
}

static void node_start(struct cluster *c, int i)
{
    struct sim_raft *n = &c->nodes[i];
    struct raft_config config = {.id = (uint64_t)i + 1,
                                 .members = {NODES, {{.id = 1}, {.id = 2}, {.id = 3}}},
                                 .election_ticks = 3, /* many elections, many rivals */
                                 .seed = prng_next(&c->prng),
                                 .hard = n->disk.hard,
                                 .base_index = n->disk.base_index,
                                 .base_term = n->disk.base_term};
    assert_int_equal(raft_init(&n->r, &config), 0);
    for (uint64_t k = n->disk.base_index + 1; k <= n->disk.last; k++)
        assert_int_equal(raft_restore(&n->r, n->disk.log[k % LOG_MAX]), 0);
    assert_true(n->disk.hard.term >= c->term_sent[i]);
    n->applied = n->disk.base_index;
    n->hash = n->disk.base_hash;
    n->read_waiting_to = n->read_seq;
    n->read_ready.seq = 0;
    n->up = true;
    /* Numbers of reads start again with the process. */
    n->read_seq = n->read_waiting_to = 0;
    event(c, n, (struct raft_event){.kind = RAFT_START});
}

static void node_crash(struct sim_raft *n)
{
    while (n->first) {
        struct demand *d = n->first;
        n->first = d->next;
        demand_free(d);
    }
    n->last = NULL;
    raft_done(&n->r);
    n->up = false;
}

static void deliver(struct cluster *c)
{
    if (c->wire_count == 0)
        return;
    size_t at = (size_t)prng_below(&c->prng, c->wire_count); /* any order */
    struct packet *p = c->wire[at];
    c->wire[at] = c->wire[--c->wire_count];
    struct sim_raft *n = &c->nodes[p->m.to - 1];
    struct raft_event e = {.kind = RAFT_RECEIVE, .message = &p->m};
    bool cut = c->isolated && (c->isolated == p->m.to || c->isolated == p->m.from);
    static const struct raft_members members = {NODES, {{.id = 1}, {.id = 2}, {.id = 3}}};
    p->m.members = &members;
    bool taken = n->up && !cut && do_step(&n->r, e) == 0;
    if (taken)
        perform(c, n, &p->m, p->snapshot_hash);
    struct sim_raft *sender = &c->nodes[p->m.from - 1];
    if (p->m.kind == RAFT_SNAPSHOT && sender->up)
        event(c, sender, (struct raft_event){.kind = RAFT_SNAPSHOT_SENT,
                                             .peer = p->m.to,
                                             .index = p->m.log_index,
                                             .sent_ok = taken});
    packet_free(p);
}

static void propose(struct cluster *c, struct sim_raft *n)
{
    struct raft_entry *e;
    assert_int_equal(raft_entry_new(RAFT_ENTRY_COMMAND, 8, &e), 0);
    c->proposals++;
    memcpy(e->bytes, &c->proposals, 8);
    event(c, n, (struct raft_event){.kind = RAFT_PROPOSE, .entries = &e, .entry_count = 1});
    raft_entry_unref(e);
}

static void read_ask(struct cluster *c, struct sim_raft *n)
{
    struct raft_event e = {.kind = RAFT_READ, .read_seq = n->read_seq + 1};
    n->read_floor[(n->read_seq + 1) % 4096] = c->committed_max;
    if (do_step(&n->r, e) == 0) {
        n->read_seq++;
        perform(c, n, NULL, 0);
    }
}

static void compact(struct cluster *c, struct sim_raft *n)
{
    uint64_t to = n->applied < n->disk.last ? n->applied : n->disk.last;
    if (to <= n->disk.base_index || to != n->applied)
        return;
    n->disk.base_term = raft_term_at(&n->r, to);
    for (uint64_t i = n->disk.base_index + 1; i <= to; i++) {
        raft_entry_unref(n->disk.log[i % LOG_MAX]);
        n->disk.log[i % LOG_MAX] = NULL;
    }
    n->disk.base_index = to;
    n->disk.base_hash = n->hash;
    event(c, n, (struct raft_event){.kind = RAFT_COMPACT, .compact_index = to});
}

static void chaos(struct cluster *c, int turns)
{
    c->isolated = c->slow = 0;
    for (int t = 0; t < turns; t++) {
        struct sim_raft *n = &c->nodes[prng_below(&c->prng, NODES)];
        uint64_t dice = prng_below(&c->prng, 1000);
        if (c->faults && prng_below(&c->prng, 100) == 0)
            c->isolated = prng_below(&c->prng, 2) ? 1 + prng_below(&c->prng, NODES) : 0;
        if (c->faults && prng_below(&c->prng, 100) == 0)
            c->slow = prng_below(&c->prng, 2) ? 1 + prng_below(&c->prng, NODES) : 0;
        if (dice < 450)
            deliver(c);
        else if (!n->up)
            dice > 900 || !c->faults ? node_start(c, (int)(n - c->nodes)) : (void)0;
        else if (dice < 620)
            for (uint64_t k = prng_below(&c->prng, 12); k > 0; k--)
                disk_turn(c, n);
        else if (dice < 780)
            n->r.id == c->slow && dice % 8 ? (void)0
                                           : event(c, n, (struct raft_event){.kind = RAFT_TICK});
        else if (dice < 870)
            propose(c, n);
        else if (dice < 960)
            read_ask(c, n);
        else if (dice < 970)
            compact(c, n);
        else if (dice < 982 && c->faults)
            node_crash(n);
    }
}

static void one_seed(uint64_t seed)
{
    struct cluster *c = calloc(1, sizeof(*c));
    prng_init(&c->prng, seed);
    for (int i = 0; i < NODES; i++)
        node_start(c, i);
    c->faults = true;
    chaos(c, 15000);
    /* Without faults it comes to rest: a leader, and everybody at the same place. */
    c->faults = false;
    uint64_t before = c->committed_max;
    chaos(c, 12000);
    for (int i = 0; i < NODES; i++) {
        assert_true(c->nodes[i].up);
        assert_true(c->nodes[i].applied > before);
    }
    assert_true(c->proposals > 100);
    assert_true(c->reads_served > 0);
    for (int i = 0; i < NODES; i++) {
        struct sim_raft *n = &c->nodes[i];
        node_crash(n);
        for (uint64_t k = n->disk.base_index + 1; k <= n->disk.last; k++)
            raft_entry_unref(n->disk.log[k % LOG_MAX]);
    }
    while (c->wire_count)
        packet_free(c->wire[--c->wire_count]);
    free(c);
}

static uint64_t running_seed;

static int tell_seed(void **state)
{
    (void)state;
    if (running_seed)
        print_message("replay: SEED=%llu raft_test\n", (unsigned long long)running_seed);
    return 0;
}

static void three_nodes_agree_under_loss_reordering_and_crashes(void **state)
{
    (void)state;
    const char *given = getenv("SEED");
    uint64_t first = given ? strtoull(given, NULL, 10) : 1, count = given ? 1 : 150;
    uint64_t live = mem_live_count();
    for (uint64_t seed = first; seed < first + count; seed++) {
        running_seed = seed;
        one_seed(seed);
    }
    running_seed = 0;
    assert_int_equal(mem_live_count(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cluster_of_one_leads_only_when_its_vote_is_durable),
        cmocka_unit_test(an_entry_commits_only_when_it_is_durable),
        cmocka_unit_test(a_read_waits_for_the_first_commit_then_needs_no_round_alone),
        cmocka_unit_test(an_entry_of_an_earlier_term_commits_only_with_one_of_this_term),
        cmocka_unit_test(out_of_memory_leaves_the_state_as_it_was),
        cmocka_unit_test(wrong_configurations_are_refused),
        cmocka_unit_test_teardown(three_nodes_agree_under_loss_reordering_and_crashes, tell_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
