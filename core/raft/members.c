/*
 * Who belongs to the cluster: the bytes of a membership, and which one counts. The newest MEMBERS
 * entry of the log counts from the moment it is there. Since changes are of one member, any
 * majority of the old and any of the new share a node; and since the leader begins a change only
 * when the one before it and an entry of its own term are committed, at most one can be undone.
 */
#include <string.h>

#include "base/assert.h"
#include "raft/raft_int.h"

static void put_le(char *p, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        p[i] = (char)(v >> 8 * i);
}

static uint64_t get_le(const char *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | (unsigned char)p[i];
    return v;
}

size_t raft_members_encode(const struct raft_members *m, char *dst)
{
    char *p = dst;
    put_le(p, m->count, 4);
    p += 4;
    for (uint32_t i = 0; i < m->count; i++) {
        const struct raft_member *one = &m->at[i];
        size_t n = strnlen(one->address, RAFT_ADDRESS_MAX - 1);
        put_le(p, one->id, 8);
        p[8] = one->learner;
        p[9] = (char)n;
        memcpy(p + 10, one->address, n);
        p += 10 + n;
    }
    return (size_t)(p - dst);
}

int raft_members_decode(const char *bytes, size_t size, struct raft_members *ret_members)
{
    struct raft_members m = {0};
    const char *p = bytes, *end = bytes + size;
    if (size < 4 || get_le(p, 4) > RAFT_NODES_MAX)
        return -E_CORRUPT;
    m.count = (uint32_t)get_le(p, 4);
    p += 4;
    for (uint32_t i = 0; i < m.count; i++) {
        struct raft_member *one = &m.at[i];
        if (end - p < 10)
            return -E_CORRUPT;
        size_t n = (unsigned char)p[9];
        if (n >= RAFT_ADDRESS_MAX || (size_t)(end - p) < 10 + n || (unsigned char)p[8] > 1)
            return -E_CORRUPT;
        one->id = get_le(p, 8);
        one->learner = p[8];
        memcpy(one->address, p + 10, n);
        p += 10 + n;
    }
    if (p != end || !raft_members_valid(&m))
        return -E_CORRUPT;
    *ret_members = m;
    return 0;
}

const struct raft_member *raft_members_find(const struct raft_members *m, uint64_t id)
{
    for (uint32_t i = 0; i < m->count; i++)
        if (m->at[i].id == id)
            return &m->at[i];
    return NULL;
}

bool raft_members_valid(const struct raft_members *m)
{
    uint32_t voters = 0;
    if (m->count > RAFT_NODES_MAX)
        return false;
    for (uint32_t i = 0; i < m->count; i++) {
        voters += !m->at[i].learner;
        if (m->at[i].id == 0 || raft_members_find(m, m->at[i].id) != &m->at[i])
            return false;
    }
    return voters <= RAFT_VOTERS_MAX;
}

static const struct raft_peer *peer_in(const struct raft_peer *peers, uint32_t count, uint64_t id)
{
    for (uint32_t i = 0; i < count; i++)
        if (peers[i].id == id)
            return &peers[i];
    return NULL;
}

static void members_use(struct raft *r, const struct raft_members *m)
{
    struct raft_peer before[RAFT_NODES_MAX];
    uint32_t before_count = r->peer_count;
    memcpy(before, r->peers, sizeof(before));
    r->members = *m;
    r->peer_count = 0;
    r->self_voter = false;
    for (uint32_t i = 0; i < m->count; i++) {
        const struct raft_member *one = &m->at[i];
        if (one->id == r->id) {
            r->self_voter = !one->learner;
            continue;
        }
        struct raft_peer *p = &r->peers[r->peer_count++];
        const struct raft_peer *known = peer_in(before, before_count, one->id);
        *p = known ? *known
                   : (struct raft_peer){
                         .id = one->id, .next = r->log.last + 1, .heard = true, .probing = true};
        p->learner = one->learner;
    }
}

void raft_members_set(struct raft *r, const struct raft_members *m, uint64_t index)
{
    r->members_before = index ? r->members : *m;
    r->members_index = index;
    members_use(r, m);
}

void raft_members_truncated(struct raft *r)
{
    if (r->members_index <= r->log.last)
        return;
    struct raft_members before = r->members_before;
    r->members_index = 0;
    members_use(r, &before);
}

void raft_members_appended(struct raft *r, uint64_t from)
{
    for (uint64_t i = from; i <= r->log.last; i++) {
        const struct raft_entry *e = raft_log_at(&r->log, i);
        struct raft_members m;
        /* What does not decode was refused before it came here. */
        if (e->kind == RAFT_ENTRY_MEMBERS && raft_members_decode(e->bytes, e->size, &m) == 0)
            raft_members_set(r, &m, i);
    }
}

bool raft_may_campaign(const struct raft *r)
{
    const struct raft_member *before = raft_members_find(&r->members_before, r->id);
    return r->self_voter || (r->members_index > r->commit && before && !before->learner);
}

/* Counts the members in which a and b differ; *ret_to_voter: the learner that b makes a voter. */
static uint32_t difference(const struct raft_members *a, const struct raft_members *b,
                           uint64_t *ret_to_voter)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < a->count; i++)
        count += raft_members_find(b, a->at[i].id) == NULL;
    for (uint32_t i = 0; i < b->count; i++) {
        const struct raft_member *old = raft_members_find(a, b->at[i].id);
        if (!old || old->learner != b->at[i].learner ||
            strncmp(old->address, b->at[i].address, RAFT_ADDRESS_MAX) != 0)
            count++;
        if (!b->at[i].learner && (!old || old->learner))
            *ret_to_voter = b->at[i].id;
    }
    return count;
}

static int change_check(const struct raft *r, const struct raft_members *wanted)
{
    uint64_t to_voter = 0;
    uint32_t voters = 0;
    for (uint32_t i = 0; i < wanted->count && i < RAFT_NODES_MAX; i++)
        voters += !wanted->at[i].learner;
    if (!raft_members_valid(wanted) || voters == 0 ||
        difference(&r->members, wanted, &to_voter) != 1)
        return -E_BAD_REQUEST;
    if (r->members_index > r->commit || raft_log_term(&r->log, r->commit) != r->hard.term ||
        r->transfer_to)
        return -E_BUSY;
    for (uint32_t i = 0; to_voter && i < r->peer_count; i++)
        if (r->peers[i].id == to_voter)
            return r->peers[i].streaming || r->peers[i].match + RAFT_WINDOW_ENTRIES < r->log.last
                       ? -E_CONFLICT
                       : 0;
    return to_voter && to_voter != r->id ? -E_CONFLICT : 0;
}

int raft_step_change(struct raft *r, struct raft_actions *a, const struct raft_event *e)
{
    char bytes[RAFT_MEMBERS_SIZE_MAX];
    if (r->role != RAFT_LEADER)
        return -E_UNAVAILABLE;
    int rc = change_check(r, e->members);
    if (rc)
        return rc;
    struct raft_entry *entry;
    size_t size = raft_members_encode(e->members, bytes);
    rc = raft_entry_new(RAFT_ENTRY_MEMBERS, size, &entry);
    if (rc)
        return rc;
    memcpy(entry->bytes, bytes, size);
    entry->index = r->log.last + 1;
    entry->term = r->hard.term;
    a->append_from = entry->index;
    raft_log_push(&r->log, entry); /* room was reserved */
    raft_members_set(r, e->members, entry->index);
    raft_broadcast(r, a, true);
    return 0;
}
