/* Everything that can go wrong, drawn from the seed. */
#include "sim.h"

#include <string.h>

/* ---- faults ---- */

void cut_all(struct sim *s, bool cut)
{
    for (int i = 0; i < s->node_count; i++)
        for (int k = 0; k < s->node_count; k++) {
            s->pipes[i][k].cut = cut;
            if (cut)
                pipe_clear(&s->pipes[i][k]);
        }
}

static void cut(struct sim *s, int from, int to)
{
    s->pipes[from][to].cut = true;
    pipe_clear(&s->pipes[from][to]);
}

static void partition(struct sim *s)
{
    int n = s->node_count, bridge = (int)below(s, (uint64_t)n);
    uint64_t kind = below(s, 5), sides = below(s, 1u << n);
    cut_all(s, false);
    trace(s, "partition of kind %d, sides %x", (int)kind, (unsigned)sides);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n; k++) {
            bool apart = (sides >> i & 1) != (sides >> k & 1);
            bool ring = k != (i + 1) % n && i != (k + 1) % n;
            if ((kind == 0 && apart) || (kind == 1 && apart && i < k) ||
                (kind == 2 && apart && i != bridge && k != bridge) || (kind == 3 && ring))
                cut(s, i, k);
        }
}

bool all_well(struct sim *s)
{
    struct node *leader = leader_of(s);
    if (!leader || (int)store_members(leader->store)->count != s->node_count)
        return false;
    for (int i = 0; i < s->node_count; i++) {
        const struct raft_member *m = raft_members_find(store_members(leader->store), s->nodes[i].id);
        if (!s->nodes[i].store || s->nodes[i].fresh || !m || m->learner)
            return false;
    }
    return true;
}

/* A disk may go when all others have what it had and nobody's log holds another membership: one that
 * does not yet count might need just this disk to count, and nothing could ever be decided again. */
static bool may_lose_one(struct sim *s)
{
    if (s->node_count < 3 || s->changing || !all_well(s))
        return false;
    for (int i = 0; i < s->node_count; i++)
        if ((int)store_members(s->nodes[i].store)->count != s->node_count)
            return false;
    return true;
}

/* A byte of a disk changes while its machine is off. What was promised (term, vote) stands twice, and
 * the rest is refused where it is damaged; but a damaged end looks like one that was never finished:
 * so it happens only when all others have what it had, and such a disk is then given up at once,
 * before the administrator counts on that member. */
static void flip(struct sim *s, struct node *n)
{
    node_down(n, true);
    size_t count = sim_disk_file_count(n->disk), file = (size_t)below(s, count), size;
    bool hard = chance(s, 2); /* most is promised there, in the fewest bytes */
    for (size_t i = 0; hard && i < count; i++)
        if (strcmp(sim_disk_file_name(n->disk, i), "hard") == 0)
            file = i;
    char *bytes = sim_disk_file_bytes(n->disk, file, &size);
    if (!size)
        return;
    size_t at = (size_t)below(s, chance(s, 2) ? size : size < 56 ? size : 56);
    bytes[at] ^= (char)(1 << below(s, 8));
    n->flipped = true;
    s->flipped++;
    trace(s, "node %d: a bit at %zu of %zu changed", n->number, at, size);
    n->full = false;
    sim_disk_capacity(n->disk, 0);
    node_open(n);
}

void fault(struct sim *s)
{
    struct node *n = &s->nodes[below(s, (uint64_t)s->node_count)];
    s->fault_due_ns = s->now_ns + (int64_t)below(s, (1500 * MS) >> s->storm);
    switch (below(s, 17)) {
    case 0:
    case 1:
        node_down(n, true);
        break;
    case 2:
        node_down(n, false);
        break;
    case 3:
    case 12:
        sim_disk_die_at(n->disk, 1 + below(s, 20));
        break;
    case 13: /* whoever leads */
        if (leader_of(s))
            node_down(leader_of(s), chance(s, 2));
        break;
    case 4:
        sim_disk_fail_sync(n->disk, 1 + below(s, 40));
        break;
    case 5:
        sim_disk_fail_write(n->disk, 1 + below(s, 40));
        break;
    case 6:
        n->paused_to_ns = s->now_ns + (int64_t)below(s, 6 * SECOND);
        trace(s, "node %d: paused", n->number);
        break;
    case 7:
        n->slow_ns = n->slow_ns ? 0 : (int64_t)below(s, 200 * MS);
        break;
    case 8:
        s->lossy = !s->lossy;
        break;
    case 9:
        cut_all(s, false);
        break;
    case 10:
        partition(s);
        break;
    case 14: /* almost full, or room again */
        n->full = !n->full;
        sim_disk_capacity(n->disk, n->full ? sim_disk_used(n->disk) + 1 + below(s, 64 * 1024) : 0);
        trace(s, "node %d: disk %s", n->number, n->full ? "almost full" : "has room again");
        break;
    case 15:
        if (may_lose_one(s) && n->store)
            flip(s, n);
        break;
    default:
        if (may_lose_one(s))
            node_wipe(n);
    }
}

void heal(struct sim *s)
{
    trace(s, "no faults from here on");
    s->faults = s->lossy = false;
    cut_all(s, false);
    for (int i = 0; i < s->node_count; i++) {
        struct node *n = &s->nodes[i];
        n->paused_to_ns = n->slow_ns = 0;
        n->full = false;
        sim_disk_capacity(n->disk, 0);
        sim_disk_fail_sync(n->disk, 0);
        sim_disk_fail_write(n->disk, 0);
        sim_disk_die_at(n->disk, 0);
    }
}
