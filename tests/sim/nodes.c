/* Replicas with simulated clocks, disks and a network: in order between two nodes, or lost. */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t below(struct sim *s, uint64_t bound)
{
    return prng_below(&s->prng, bound);
}

bool chance(struct sim *s, uint64_t one_in)
{
    return below(s, one_in) == 0;
}

void trace(struct sim *s, const char *format, ...)
{
    if (!s->trace)
        return;
    va_list args;
    va_start(args, format);
    printf("%9.4f ", (double)s->now_ns / 1e9);
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

void fail(struct sim *s, const char *format, ...)
{
    va_list args;
    if (s->failure[0])
        return;
    va_start(args, format);
    vsnprintf(s->failure, sizeof(s->failure), format, args);
    va_end(args);
    trace(s, "FAILED: %s", s->failure);
}

/* ---- clock ---- */

static int64_t clock_ns(void *ctx)
{
    struct node *n = ctx;
    return n->sim->now_ns;
}

static int clock_set(void *ctx, int fd, unsigned events, void *tag)
{
    (void)ctx, (void)fd, (void)events, (void)tag;
    return 0;
}

static int clock_wait(void *ctx, int timeout_ms, struct poll_event *ret_events, int max)
{
    struct node *n = ctx;
    (void)ret_events, (void)max;
    n->wake_ns = timeout_ms < 0 ? INT64_MAX : n->sim->now_ns + timeout_ms * MS;
    return 0;
}

static void clock_close(void *ctx)
{
    (void)ctx;
}

const struct poll_ops sim_clock_ops = {clock_ns, clock_ns, clock_set, clock_wait, clock_close};

/* ---- network ---- */

struct node *node_of(struct sim *s, uint64_t id)
{
    for (int i = 0; i < s->node_count; i++)
        if (s->nodes[i].id == id)
            return &s->nodes[i];
    return NULL;
}

static void net_send(void *ctx, uint64_t to, const struct str *parts, size_t count)
{
    struct node *n = ctx;
    struct sim *s = n->sim;
    struct node *target = node_of(s, to);
    if (!target || target == n)
        return;
    struct pipe *p = &s->pipes[n->number][target->number];
    if (p->cut || (s->lossy && chance(s, 20)))
        return;
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += parts[i].n;
    if (size > STORE_MESSAGE_MAX)
        fail(s, "a message of %zu bytes", size);
    struct message *m = malloc(sizeof(*m) + size);
    *m = (struct message){.from = n->id, .to = target->number, .size = size};
    size = 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(m->bytes + size, parts[i].p, parts[i].n);
        size += parts[i].n;
    }
    int64_t delay = !s->lossy ? 2 * MS : chance(s, 40) ? 1500 * MS : 60 * MS;
    m->due_ns = s->now_ns + (int64_t)below(s, (uint64_t)delay) + 50000;
    if (m->due_ns <= p->last_due_ns)
        m->due_ns = p->last_due_ns + 1;
    p->last_due_ns = m->due_ns;
    if (p->last)
        p->last->next = m;
    else
        p->first = m;
    p->last = m;
    s->messages++;
}

static void net_members(void *ctx, const struct raft_members *members)
{
    struct node *n = ctx;
    trace(n->sim, "node %d: %u members", n->number, members->count);
}

static const struct store_transport_ops net_ops = {net_send, net_members};

void pipe_clear(struct pipe *p)
{
    while (p->first) {
        struct message *m = p->first;
        p->first = m->next;
        free(m);
    }
    p->last = NULL;
}

/* What it has sent may still arrive, or not; what was sent to it does not. */
static void pipes_break(struct sim *s, int node)
{
    for (int i = 0; i < s->node_count; i++) {
        pipe_clear(&s->pipes[i][node]);
        if (chance(s, 2))
            pipe_clear(&s->pipes[node][i]);
    }
}

/* ---- nodes ---- */

static int key_of(struct str key)
{
    return key.p[key.n - 1] - '0';
}

uint64_t number_of(struct store_value *v)
{
    uint64_t number = 0;
    if (v)
        memcpy(&number, store_value_bytes(v).p, 8);
    return number;
}

static void on_event(void *ctx, const struct store_event *e)
{
    struct node *n = ctx;
    const char *why;
    if (e->revision != n->told_revision + 1)
        fail(n->sim, "node %d: its watch told revision %lld after %lld", n->number,
             (long long)e->revision, (long long)n->told_revision);
    n->told_revision = e->revision;
    int key = key_of(store_value_key(e->value ? e->value : e->previous));
    if (!history_event(n->sim->history, n->number, e->revision, key, number_of(e->value), &why))
        fail(n->sim, "%s", why);
}

static void on_fatal(void *ctx, const char *message)
{
    struct node *n = ctx;
    n->fatal = true;
    snprintf(n->fatal_text, sizeof(n->fatal_text), "%s", message);
    trace(n->sim, "node %d: %s", n->number, message);
}

static void on_leading(void *ctx, bool leading)
{
    struct node *n = ctx;
    trace(n->sim, "node %d: leads: %d", n->number, leading);
}

static void on_late_event(void *ctx, const struct store_event *e)
{
    struct node *n = ctx;
    if (e->revision != n->late_told + 1)
        fail(n->sim, "node %d: a watch told revision %lld after %lld", n->number,
             (long long)e->revision, (long long)n->late_told);
    n->late_told = e->revision;
}

/* A watch that begins in the past, in place of the one before it. */
static void watch_late(struct node *n)
{
    struct sim *s = n->sim;
    if (!n->store || n->fresh || n->fatal)
        return;
    if (n->late)
        store_watch_free(n->late);
    int64_t first = store_compacted(n->store), last = store_revision(n->store);
    first = first > 1 ? first : 1; /* revision 1 is the empty store */
    n->late = NULL;
    n->late_told = first + (int64_t)below(s, (uint64_t)(last - first + 1));
    if (store_watch_new(n->store, STR(""), n->late_told, on_late_event, n, &n->late))
        fail(s, "node %d: no watch after %lld of [%lld, %lld]", n->number, (long long)n->late_told,
             (long long)first, (long long)last);
    n->wake_ns = s->now_ns;
}

static void watch_begin(struct node *n)
{
    int64_t after = n->told_revision;
    if (after < store_compacted(n->store) || after > store_revision(n->store))
        after = store_revision(n->store);
    n->told_revision = after;
    if (store_watch_new(n->store, STR(""), after, on_event, n, &n->watch))
        fail(n->sim, "node %d: no watch after %lld", n->number, (long long)after);
}

/* A bit had changed: the promise stands, or it was refused. False: the disk is given up. */
static bool flip_survived(struct node *n, int rc, const struct err *err)
{
    struct sim *s = n->sim;
    n->flipped = false;
    if (rc == -E_CORRUPT) {
        trace(s, "node %d: refuses its disk: %s", n->number, err->text);
        if (strstr(err->text, "file hard"))
            fail(s, "node %d: one bit made term and vote unreadable: %s", n->number, err->text);
        return false;
    }
    struct raft_hard now = n->store->worker.hard.hard;
    if (now.term < n->promised.term || (now.term == n->promised.term && n->promised.vote &&
                                        now.vote != n->promised.vote))
        fail(s, "node %d: a changed bit made it forget term %llu or its vote", n->number,
             (unsigned long long)n->promised.term);
    return n->store->raft.persisted >= n->persisted;
}

void node_open(struct node *n)
{
    struct sim *s = n->sim;
    struct err err = {0};
    char address[16];
    snprintf(address, sizeof(address), "node%d", n->number);
    struct store_options o = {
        .disk = sim_disk_port(n->disk),
        .loop = n->loop,
        .on_fatal = on_fatal,
        .ctx = n,
        .history_revisions = 64,
        .snapshot_after_bytes = 24 * 1024,
        .segment_bytes = 32 * 1024,
        .min_free_bytes = 1,
        .seed = prng_next(&s->prng),
        .transport = {&net_ops, n},
        .address = address,
        .join = n->joins,
        .on_leading = on_leading,
        .synchronous = true,
    };
    n->fatal = false;
    n->opened++;
    int rc = store_open(&o, &n->store, &err);
    if (n->flipped && (rc == 0 || rc == -E_CORRUPT) && !flip_survived(n, rc, &err)) {
        n->store = rc ? NULL : n->store;
        node_wipe(n);
        return;
    }
    if (rc) {
        n->store = NULL;
        n->up_at_ns = s->now_ns + 100 * MS;
        /* Faults planted before strike while it opens, too. */
        if (!sim_disk_dead(n->disk) && !(rc == -E_IO && s->faults) &&
            !(rc == -E_NO_SPACE && n->full))
            fail(s, "node %d does not open: %s", n->number, err.text);
        sim_disk_fail_sync(n->disk, 0);
        sim_disk_fail_write(n->disk, 0);
        sim_disk_die_at(n->disk, 0);
        sim_disk_crash(n->disk);
        return;
    }
    n->id = store_id(n->store);
    n->wake_ns = s->now_ns;
    n->read_floor = 0;
    trace(s, "node %d opens: id %llx, revision %lld", n->number, (unsigned long long)n->id,
          (long long)store_revision(n->store));
    /* A joining one has nothing to watch until it has been given the state. */
    n->watch = n->late = NULL;
    n->fresh = n->joins && store_revision(n->store) == 1;
    if (!n->fresh)
        watch_begin(n);
}

/* Power, or only the process: what was not synced is then still in the machine's cache. */
void node_down(struct node *n, bool power)
{
    struct sim *s = n->sim;
    if (!n->store)
        return;
    trace(s, "node %d: down%s", n->number, power ? ", power cut" : "");
    s->crashes++;
    n->promised = n->store->worker.hard.hard;
    n->persisted = n->store->raft.persisted;
    if (power)
        sim_disk_die_at(n->disk, 1);
    store_close(n->store);
    n->store = NULL;
    sim_disk_die_at(n->disk, 0);
    sim_disk_fail_sync(n->disk, 0);
    sim_disk_fail_write(n->disk, 0);
    if (power || sim_disk_dead(n->disk))
        sim_disk_crash(n->disk);
    pipes_break(s, n->number);
    n->up_at_ns = s->now_ns + (int64_t)below(s, (3 * SECOND) >> s->storm) + MS;
    n->paused_to_ns = 0;
}

void node_wipe(struct node *n)
{
    trace(n->sim, "node %d: wiped", n->number);
    node_down(n, true);
    sim_disk_free(n->disk);
    n->disk = sim_disk_new(prng_next(&n->sim->prng));
    n->full = n->flipped = false;
    n->id = 0;
    n->joins = true;
    n->told_revision = 1;
    n->sim->wiped++;
}

void node_turn(struct node *n)
{
    n->wake_ns = INT64_MAX;
    if (loop_turn(n->loop, -1))
        fail(n->sim, "node %d: its loop failed", n->number);
    if (n->fatal || sim_disk_dead(n->disk)) {
        node_down(n, sim_disk_dead(n->disk));
        return;
    }
    if (n->fresh && store_revision(n->store) > 1) {
        n->fresh = false;
        n->told_revision = store_revision(n->store);
        watch_begin(n);
    }
    if (chance(n->sim, 200))
        watch_late(n);
    if (n->slow_ns)
        n->paused_to_ns = n->sim->now_ns + (int64_t)below(n->sim, (uint64_t)n->slow_ns);
}
