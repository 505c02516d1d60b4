/*
 * All interleavings of a three-node core at small bounds: every order of deliveries, losses, disk
 * writes, crashes, timeouts and proposals, breadth first, each state once. In each state: one leader
 * a term, a leader has all that was committed before its term, and what one node knows to be
 * committed no other node contradicts, ever.
 *
 *   exhaustive [timeouts=2] [proposals=0] [crashes=0] [heartbeats=0] [messages=8] [states=N]
 * A message that is never delivered is lost. `messages` bounds those under way; states beyond it are
 * cut and counted; a search that does not end within `states` has failed. Clocks are free: any node may stand for election whenever it is no leader. Prints the path to a violation.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "raft/raft.h"

enum { NODES = 3, LOG = 8, TERMS = 8, NET = 12, HELD = 12, MESSAGE_ENTRIES = 4 };

struct wire {
    uint8_t kind, from, to, term, log_index, log_term, commit, ok, forced, count;
    uint8_t terms[MESSAGE_ENTRIES], kinds[MESSAGE_ENTRIES];
};

struct node {
    uint8_t role, leader, term, vote, last, commit, persisted, apply_to, self_granted;
    uint8_t next[2], match[2], granted[2], probing[2];
    uint8_t terms[LOG], kinds[LOG];                       /* the log in memory, from index 1 */
    uint8_t dirty, want_term, want_vote, want_last, want_terms[LOG], want_kinds[LOG]; /* demanded */
    uint8_t disk_term, disk_vote, disk_last, disk_terms[LOG], disk_kinds[LOG];
    uint8_t held_count;
    struct wire held[HELD]; /* until the disk has what they stand on */
};

/* Bytes only, so that equal states are equal bytes. */
struct state {
    struct node nodes[NODES];
    uint8_t net_count;
    struct wire net[NET]; /* sorted */
    uint8_t timeouts, proposals, crashes, heartbeats;
    uint8_t leader_of[TERMS];           /* ever */
    uint8_t committed, committed_term[LOG], committed_at[LOG]; /* ever; in which term known */
};

struct bounds {
    unsigned timeouts, proposals, crashes, heartbeats, messages;
    uint64_t states;
} bounds;

enum act { TIMEOUT, HEARTBEAT, PROPOSE, PERSIST, CRASH, DELIVER };
struct move {
    uint8_t act, at;
};
struct known {
    uint64_t hash;
    uint32_t parent;
    struct move move;
};

static struct raft_actions acts;
static uint64_t cut;
static const char *wrong;

/* ---- between bytes and the core ---- */


static void wake(struct raft *r, const struct node *n, int id)
{
    struct raft_config c = {.id = (uint64_t)id + 1,
                            .members = {NODES, {{.id = 1}, {.id = 2}, {.id = 3}}},
                            .hard = {n->term, n->vote}};
    if (raft_init(r, &c))
        abort();
    for (uint64_t i = 1; i <= n->last; i++) {
        struct raft_entry *e;
        if (raft_entry_new((enum raft_entry_kind)n->kinds[i - 1], 0, &e))
            abort();
        e->index = i;
        e->term = n->terms[i - 1];
        if (raft_restore(r, e))
            abort();
        raft_entry_unref(e);
    }
    r->role = (enum raft_role)n->role;
    r->leader = n->leader;
    r->commit = n->commit;
    r->persisted = n->persisted;
    r->apply_to = n->apply_to;
    r->self_granted = n->self_granted;
    r->ticks = r->role == RAFT_LEADER ? 0 : r->election_ticks;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        r->peers[i].next = n->next[i];
        r->peers[i].match = n->match[i];
        r->peers[i].granted = n->granted[i];
        r->peers[i].probing = n->probing[i];
        r->peers[i].heard = true;
    }
}

static void rest(const struct raft *r, struct node *n)
{
    n->role = (uint8_t)r->role;
    n->leader = (uint8_t)r->leader;
    n->term = (uint8_t)r->hard.term;
    n->vote = (uint8_t)r->hard.vote;
    n->last = (uint8_t)raft_last_index(r);
    n->commit = (uint8_t)r->commit;
    n->persisted = (uint8_t)r->persisted;
    n->apply_to = (uint8_t)r->apply_to;
    n->self_granted = r->self_granted && (r->role == RAFT_CANDIDATE || r->role == RAFT_PRE_CANDIDATE);
    memset(n->terms, 0, sizeof(n->terms));
    memset(n->kinds, 0, sizeof(n->kinds));
    for (uint64_t i = 1; i <= n->last; i++) {
        n->terms[i - 1] = (uint8_t)raft_entry_at(r, i)->term;
        n->kinds[i - 1] = raft_entry_at(r, i)->kind;
    }
    /* What has no meaning in this role makes no difference. */
    bool leads = r->role == RAFT_LEADER, asks = r->role == RAFT_CANDIDATE || r->role == RAFT_PRE_CANDIDATE;
    for (uint32_t i = 0; i < 2; i++) {
        n->next[i] = leads ? (uint8_t)r->peers[i].next : 0;
        n->match[i] = leads ? (uint8_t)r->peers[i].match : 0;
        n->probing[i] = leads && r->peers[i].probing;
        n->granted[i] = asks && r->peers[i].granted;
    }
}

static bool wire_pack(const struct raft_message *m, struct wire *w)
{
    memset(w, 0, sizeof(*w));
    *w = (struct wire){.kind = (uint8_t)m->kind, .from = (uint8_t)m->from, .to = (uint8_t)m->to,
                       .term = (uint8_t)m->term, .log_index = (uint8_t)m->log_index,
                       .log_term = (uint8_t)m->log_term, .commit = (uint8_t)m->commit, .ok = m->ok,
                       .forced = m->forced, .count = (uint8_t)m->entry_count};
    if (m->entry_count > MESSAGE_ENTRIES)
        return false;
    for (uint32_t i = 0; i < m->entry_count; i++) {
        w->terms[i] = (uint8_t)m->entries[i]->term;
        w->kinds[i] = m->entries[i]->kind;
    }
    return true;
}

static void net_add(struct state *s, const struct wire *w)
{
    int at = 0;
    while (at < s->net_count && memcmp(&s->net[at], w, sizeof(*w)) < 0)
        at++;
    if (at < s->net_count && memcmp(&s->net[at], w, sizeof(*w)) == 0)
        return; /* the same again: nothing is delivered twice here */
    /* For whom it is, for ever, of a past term; and who is told so learns it from others too. */
    if (w->term < s->nodes[w->to - 1].disk_term)
        return;
    if (s->net_count == NET || s->net_count >= bounds.messages) {
        wrong = "";
        return;
    }
    memmove(&s->net[at + 1], &s->net[at], (size_t)(s->net_count - at) * sizeof(*w));
    s->net[at] = *w;
    s->net_count++;
}

/* What is of a term that its receiver has left durably never does anything again. */
static void net_forget(struct state *s, int id, uint8_t term)
{
    int kept = 0;
    for (int i = 0; i < s->net_count; i++)
        if (s->net[i].to != id + 1 || s->net[i].term >= term)
            s->net[kept++] = s->net[i];
    memset(&s->net[kept], 0, (size_t)(s->net_count - kept) * sizeof(s->net[0]));
    s->net_count = (uint8_t)kept;
}

/* Performs what the core asked for. False: beyond the bounds. */
static bool perform(struct state *s, struct raft *r, struct node *n)
{
    if (raft_last_index(r) > LOG || r->hard.term >= TERMS)
        return false;
    rest(r, n);
    if (acts.persist_hard) {
        n->dirty = 1;
        n->want_term = (uint8_t)acts.hard.term;
        n->want_vote = (uint8_t)acts.hard.vote;
    }
    if (acts.append_from) {
        n->dirty = 1;
        n->want_last = n->last;
        memcpy(n->want_terms, n->terms, LOG);
        memcpy(n->want_kinds, n->kinds, LOG);
    }
    for (uint32_t i = 0; i < acts.message_count; i++) {
        struct wire w;
        if (!wire_pack(&acts.messages[i], &w))
            return false;
        if (acts.messages[i].early || !n->dirty)
            net_add(s, &w);
        else if (n->held_count < HELD)
            n->held[n->held_count++] = w;
        else
            return false;
    }
    return wrong == NULL;
}

static bool step(struct state *s, int id, struct raft_event e)
{
    struct raft r;
    struct node *n = &s->nodes[id];
    wake(&r, n, id);
    if (e.kind == RAFT_TICK)
        r.ticks = r.role == RAFT_LEADER ? r.heartbeat_ticks : r.timeout_ticks;
    int rc = raft_step(&r, &e, &acts);
    bool ok = rc == 0 && perform(s, &r, n);
    raft_done(&r);
    return ok;
}

/* ---- moves; false: not possible, or beyond the bounds ---- */

static bool deliver(struct state *s, int at)
{
    struct wire w = s->net[at];
    struct raft_message m = {.kind = (enum raft_message_kind)w.kind, .from = w.from, .to = w.to,
                             .term = w.term, .log_index = w.log_index, .log_term = w.log_term,
                             .commit = w.commit, .ok = w.ok, .forced = w.forced, .entry_count = w.count};
    s->net_count--;
    memmove(&s->net[at], &s->net[at + 1], (size_t)(s->net_count - at) * sizeof(w));
    memset(&s->net[s->net_count], 0, sizeof(w));
    for (uint32_t i = 0; i < w.count; i++) {
        if (raft_entry_new((enum raft_entry_kind)w.kinds[i], 0, &m.entries[i]))
            abort();
        m.entries[i]->index = w.log_index + 1u + i;
        m.entries[i]->term = w.terms[i];
    }
    bool ok = step(s, w.to - 1, (struct raft_event){.kind = RAFT_RECEIVE, .message = &m});
    for (uint32_t i = 0; i < w.count; i++)
        raft_entry_unref(m.entries[i]);
    return ok;
}

static bool persist(struct state *s, int id)
{
    struct node *n = &s->nodes[id];
    if (!n->dirty)
        return false;
    n->dirty = 0;
    net_forget(s, id, n->want_term);
    n->disk_term = n->want_term;
    n->disk_vote = n->want_vote;
    n->disk_last = n->want_last;
    memcpy(n->disk_terms, n->want_terms, LOG);
    memcpy(n->disk_kinds, n->want_kinds, LOG);
    for (int i = 0; i < n->held_count; i++)
        net_add(s, &n->held[i]);
    memset(n->held, 0, sizeof(n->held));
    n->held_count = 0;
    uint64_t term = n->disk_last ? n->disk_terms[n->disk_last - 1] : 0;
    return !wrong && step(s, id, (struct raft_event){.kind = RAFT_PERSISTED,
                                                     .hard = {n->disk_term, n->disk_vote},
                                                     .index = n->disk_last,
                                                     .term = term});
}

static bool crash(struct state *s, int id)
{
    struct node *n = &s->nodes[id];
    struct node again = {.term = n->disk_term, .vote = n->disk_vote, .last = n->disk_last,
                         .persisted = n->disk_last, .disk_term = n->disk_term,
                         .disk_vote = n->disk_vote, .disk_last = n->disk_last,
                         .want_term = n->disk_term, .want_vote = n->disk_vote,
                         .want_last = n->disk_last};
    memcpy(again.terms, n->disk_terms, LOG);
    memcpy(again.kinds, n->disk_kinds, LOG);
    memcpy(again.disk_terms, n->disk_terms, LOG);
    memcpy(again.disk_kinds, n->disk_kinds, LOG);
    memcpy(again.want_terms, n->disk_terms, LOG);
    memcpy(again.want_kinds, n->disk_kinds, LOG);
    *n = again;
    s->crashes++;
    return true;
}

static bool propose(struct state *s, int id)
{
    struct raft_entry *e;
    if (raft_entry_new(RAFT_ENTRY_COMMAND, 0, &e))
        abort();
    s->proposals++;
    bool ok = step(s, id, (struct raft_event){.kind = RAFT_PROPOSE, .entries = &e, .entry_count = 1});
    raft_entry_unref(e);
    return ok;
}

/* Straight to the vote: a pre-vote forbids elections, and adds none. */
static bool stand(struct state *s, int id)
{
    struct raft_message m = {.kind = RAFT_TIMEOUT_NOW, .from = (uint64_t)(id + 1) % NODES + 1,
                             .to = (uint64_t)id + 1, .term = s->nodes[id].term};
    s->timeouts++;
    return step(s, id, (struct raft_event){.kind = RAFT_RECEIVE, .message = &m});
}

static bool apply(struct state *s, struct move m)
{
    const struct node *n = m.act == DELIVER ? NULL : &s->nodes[m.at];
    bool leads = n && n->role == RAFT_LEADER;
    switch ((enum act)m.act) {
    case TIMEOUT:
        return !leads && s->timeouts < bounds.timeouts && stand(s, m.at);
    case HEARTBEAT:
        if (!leads || s->heartbeats >= bounds.heartbeats)
            return false;
        s->heartbeats++;
        return step(s, m.at, (struct raft_event){.kind = RAFT_TICK});
    case PROPOSE:
        return leads && s->proposals < bounds.proposals && propose(s, m.at);
    case PERSIST:
        return persist(s, m.at);
    case CRASH:
        return s->crashes < bounds.crashes && crash(s, m.at);
    case DELIVER:
        return m.at < s->net_count && deliver(s, m.at);
    }
    return false;
}

/* ---- what must hold ---- */

static const char *check_node(struct state *s, int id)
{
    const struct node *n = &s->nodes[id];
    if (n->role == RAFT_LEADER) {
        if (s->leader_of[n->term] && s->leader_of[n->term] != id + 1)
            return "two leaders in a term";
        s->leader_of[n->term] = (uint8_t)(id + 1);
        for (int i = 0; i < s->committed; i++)
            if (s->committed_at[i] < n->term &&
                (i >= n->last || n->terms[i] != s->committed_term[i]))
                return "a leader lacks what was committed before its term";
    }
    for (int i = 0; i < n->commit; i++) {
        if (i < s->committed && s->committed_term[i] != n->terms[i])
            return "two nodes have committed different entries";
        if (i < s->committed)
            continue;
        s->committed = (uint8_t)(i + 1);
        s->committed_term[i] = n->terms[i];
        s->committed_at[i] = n->term;
    }
    return NULL;
}

static const char *check(struct state *s)
{
    const char *why = NULL;
    for (int i = 0; i < NODES && !why; i++)
        why = check_node(s, i);
    return why;
}

/* ---- the search ---- */

static uint64_t hash_of(const struct state *s)
{
    const unsigned char *p = (const void *)s;
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < sizeof(*s); i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    h = (h ^ h >> 32) * 0xd6e8feb86659fd93u;
    return h ^ h >> 32;
}

struct search {
    struct known *known; /* in the order found */
    uint64_t count, capacity;
    uint32_t *table; /* index + 1 into known */
    uint64_t slots;
    struct state *queue;
    uint64_t first, last, room;
};

/* True when it is new. */
static bool remember(struct search *q, uint64_t hash, uint32_t parent, struct move m)
{
    uint64_t at = hash & (q->slots - 1);
    for (; q->table[at]; at = (at + 1) & (q->slots - 1))
        if (q->known[q->table[at] - 1].hash == hash)
            return false;
    q->known[q->count++] = (struct known){hash, parent, m};
    q->table[at] = (uint32_t)q->count;
    return true;
}

static void queue_push(struct search *q, const struct state *s)
{
    if (q->last - q->first == q->room) {
        struct state *wider = malloc(q->room * 2 * sizeof(*wider));
        if (!wider)
            abort();
        for (uint64_t i = q->first; i < q->last; i++)
            wider[i & (q->room * 2 - 1)] = q->queue[i & (q->room - 1)];
        free(q->queue);
        q->queue = wider;
        q->room *= 2;
    }
    q->queue[q->last++ & (q->room - 1)] = *s;
}

static void tell(const struct search *q, uint64_t at)
{
    static const char *const names[] = {"timeout", "heartbeat", "propose", "persist", "crash", "deliver"};
    if (q->known[at].parent == UINT32_MAX)
        return;
    tell(q, q->known[at].parent);
    printf("  %s %u\n", names[q->known[at].move.act], q->known[at].move.at);
}

static bool expand(struct search *q, const struct state *from, uint32_t parent)
{
    for (uint8_t act = 0; act <= DELIVER; act++)
        for (uint8_t at = 0; at < (act == DELIVER ? from->net_count : NODES); at++) {
            struct state s = *from;
            struct move m = {act, at};
            wrong = NULL;
            if (!apply(&s, m)) {
                cut += wrong != NULL;
                continue;
            }
            const char *why = check(&s);
            if (remember(q, hash_of(&s), parent, m))
                queue_push(q, &s);
            if (why) {
                printf("VIOLATION: %s, after\n", why);
                tell(q, q->count - 1);
                return false;
            }
        }
    return true;
}

static bool search(void)
{
    struct search q = {.capacity = bounds.states + 256, .slots = 1024, .room = 1024};
    while (q.slots < q.capacity * 2)
        q.slots *= 2;
    q.known = malloc(q.capacity * sizeof(*q.known));
    q.table = calloc(q.slots, sizeof(*q.table));
    q.queue = malloc(q.room * sizeof(*q.queue));
    struct state s;
    memset(&s, 0, sizeof(s));
    remember(&q, hash_of(&s), UINT32_MAX, (struct move){0});
    queue_push(&q, &s);
    bool ok = true;
    uint64_t done = 0;
    for (; ok && q.first < q.last && q.count < bounds.states; done++) {
        s = q.queue[q.first++ & (q.room - 1)];
        ok = expand(&q, &s, (uint32_t)done);
    }
    printf("%llu states (%llu moves cut at a bound), %llu left; timeouts %u, proposals %u, crashes %u, "
           "heartbeats %u, messages %u\n",
           (unsigned long long)q.count, (unsigned long long)cut, (unsigned long long)(q.last - q.first),
           bounds.timeouts, bounds.proposals, bounds.crashes, bounds.heartbeats, bounds.messages);
    if (ok && q.first < q.last)
        printf("that is not all of them: give more states, or smaller bounds\n");
    ok = ok && q.first == q.last;
    free(q.known);
    free(q.table);
    free(q.queue);
    return ok;
}

static unsigned argument(int argc, char **argv, const char *name, unsigned otherwise)
{
    size_t n = strlen(name);
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], name, n) == 0 && argv[i][n] == '=')
            return (unsigned)strtoul(argv[i] + n + 1, NULL, 10);
    return otherwise;
}

int main(int argc, char **argv)
{
    bounds = (struct bounds){.timeouts = argument(argc, argv, "timeouts", 2),
                             .proposals = argument(argc, argv, "proposals", 0),
                             .crashes = argument(argc, argv, "crashes", 0),
                             .heartbeats = argument(argc, argv, "heartbeats", 0),
                             .messages = argument(argc, argv, "messages", 8),
                             .states = argument(argc, argv, "states", 5000000)};
    bool ok = search();
    if (argc == 1)
        printf("%s 1 - all interleavings of three nodes keep the invariants\n", ok ? "ok" : "not ok");
    return !ok;
}
