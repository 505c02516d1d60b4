/* See peer_msg.h. */
#include "store/peer_msg.h"

#include <string.h>

#include "base/assert.h"
#include "store/format.h"

enum { FLAG_OK = 1, FLAG_FORCED = 2 };

void peer_msg_raft_head(char *dst, const struct raft_message *m)
{
    memset(dst, 0, PEER_MSG_RAFT_HEAD);
    dst[0] = PEER_MSG_RAFT;
    dst[1] = (char)m->kind;
    dst[2] = (char)((m->ok ? FLAG_OK : 0) | (m->forced ? FLAG_FORCED : 0));
    put_u32(dst + 4, m->entry_count);
    put_u64(dst + 8, m->term);
    put_u64(dst + 16, m->log_index);
    put_u64(dst + 24, m->log_term);
    put_u64(dst + 32, m->commit);
    put_u64(dst + 40, m->read_round);
}

void peer_msg_entry_head(char *dst, const struct raft_entry *e)
{
    memset(dst, 0, 4);
    dst[0] = (char)e->kind;
    put_u32(dst + 4, e->size);
    put_u64(dst + 8, e->index);
    put_u64(dst + 16, e->term);
}

size_t peer_msg_chunk_head(char *dst, const struct peer_msg_chunk *c)
{
    memset(dst, 0, PEER_MSG_CHUNK_HEAD);
    dst[0] = PEER_MSG_CHUNK;
    put_u32(dst + 4, c->last);
    put_u64(dst + 8, c->stream);
    put_u64(dst + 16, c->number);
    put_u64(dst + 24, c->term);
    put_u64(dst + 32, c->index);
    put_u64(dst + 40, c->log_term);
    put_u64(dst + 48, (uint64_t)c->revision);
    put_u64(dst + 56, c->read_round);
    size_t size = raft_members_encode(&c->members, dst + PEER_MSG_CHUNK_HEAD);
    put_u32(dst + 64, (uint32_t)size);
    return PEER_MSG_CHUNK_HEAD + size;
}

size_t peer_msg_small(char *dst, const struct peer_msg *m)
{
    memset(dst, 0, PEER_MSG_SMALL);
    dst[0] = (char)m->kind;
    put_u32(dst + 4, (uint32_t)m->rc);
    switch (m->kind) {
    case PEER_MSG_FORWARD:
        put_u64(dst + 8, m->term);
        return 16;
    case PEER_MSG_READ:
        put_u64(dst + 8, m->number);
        return 16;
    case PEER_MSG_READ_DONE:
        put_u64(dst + 8, m->number);
        put_u64(dst + 16, m->index);
        return 24;
    case PEER_MSG_REFUSE:
        put_u64(dst + 8, m->origin.session);
        put_u64(dst + 16, m->origin.sequence);
        put_u64(dst + 24, m->term);
        return 32;
    case PEER_MSG_CHUNK_ACK:
        put_u64(dst + 8, m->chunk.stream);
        put_u64(dst + 16, m->chunk.number);
        return 24;
    case PEER_MSG_HASH:
        put_u64(dst + 8, m->index);
        put_u64(dst + 16, m->hash);
        return 24;
    case PEER_MSG_RAFT:
    case PEER_MSG_CHUNK:
        break;
    }
    ASSERT(!"a small message");
    return 0;
}

static int raft_read(struct str b, struct peer_msg *m)
{
    const char *p = b.p;
    if (b.n < PEER_MSG_RAFT_HEAD || (unsigned char)p[1] > RAFT_TIMEOUT_NOW || p[1] == RAFT_SNAPSHOT)
        return -E_CORRUPT;
    struct raft_message *r = &m->raft;
    r->kind = (enum raft_message_kind)p[1];
    r->ok = p[2] & FLAG_OK;
    r->forced = p[2] & FLAG_FORCED;
    r->entry_count = get_u32(p + 4);
    r->term = get_u64(p + 8);
    r->log_index = get_u64(p + 16);
    r->log_term = get_u64(p + 24);
    r->commit = get_u64(p + 32);
    r->read_round = get_u64(p + 40);
    if (r->entry_count > RAFT_MESSAGE_ENTRIES_MAX || (r->entry_count && r->kind != RAFT_APPEND))
        return -E_CORRUPT;
    m->bytes = str_make(p + PEER_MSG_RAFT_HEAD, b.n - PEER_MSG_RAFT_HEAD);
    return 0;
}

static int chunk_read(struct str b, struct peer_msg *m)
{
    const char *p = b.p;
    if (b.n < PEER_MSG_CHUNK_HEAD)
        return -E_CORRUPT;
    struct peer_msg_chunk *c = &m->chunk;
    c->last = get_u32(p + 4) != 0;
    c->stream = get_u64(p + 8);
    c->number = get_u64(p + 16);
    c->term = get_u64(p + 24);
    c->index = get_u64(p + 32);
    c->log_term = get_u64(p + 40);
    c->revision = (int64_t)get_u64(p + 48);
    c->read_round = get_u64(p + 56);
    size_t size = get_u32(p + 64), left = b.n - PEER_MSG_CHUNK_HEAD;
    if (size > left || c->revision < 1 || c->index == 0)
        return -E_CORRUPT;
    m->bytes = str_make(p + PEER_MSG_CHUNK_HEAD + size, left - size);
    return raft_members_decode(p + PEER_MSG_CHUNK_HEAD, size, &c->members);
}

static int small_read(struct str b, struct peer_msg *m)
{
    size_t need = m->kind == PEER_MSG_FORWARD || m->kind == PEER_MSG_READ ? 16
                  : m->kind == PEER_MSG_REFUSE                            ? 32
                                                                          : 24;
    if (b.n < need || (b.n > need && m->kind != PEER_MSG_FORWARD))
        return -E_CORRUPT;
    m->rc = (int)get_u32(b.p + 4);
    uint64_t first = get_u64(b.p + 8), second = need > 16 ? get_u64(b.p + 16) : 0;
    m->term = m->kind == PEER_MSG_REFUSE ? get_u64(b.p + 24) : first;
    m->number = first;
    m->index = m->kind == PEER_MSG_HASH ? first : second;
    m->hash = second;
    m->origin = (struct command_origin){first, second};
    m->chunk.stream = first;
    m->chunk.number = second;
    m->bytes = str_make(b.p + need, b.n - need);
    return m->rc > 0 ? -E_CORRUPT : 0;
}

int peer_msg_read(struct str bytes, struct peer_msg *ret_msg)
{
    if (bytes.n < 16 || bytes.n > STORE_MESSAGE_MAX)
        return -E_CORRUPT;
    memset(ret_msg, 0, sizeof(*ret_msg));
    ret_msg->kind = (enum peer_msg_kind)(unsigned char)bytes.p[0];
    switch (ret_msg->kind) {
    case PEER_MSG_RAFT:
        return raft_read(bytes, ret_msg);
    case PEER_MSG_CHUNK:
        return chunk_read(bytes, ret_msg);
    case PEER_MSG_FORWARD:
    case PEER_MSG_REFUSE:
    case PEER_MSG_READ:
    case PEER_MSG_READ_DONE:
    case PEER_MSG_CHUNK_ACK:
    case PEER_MSG_HASH:
        return small_read(bytes, ret_msg);
    }
    return -E_CORRUPT;
}

static int entry_read(struct str *left, struct raft_entry **ret_entry)
{
    if (left->n < PEER_MSG_ENTRY_HEAD)
        return -E_CORRUPT;
    const char *p = left->p;
    int kind = (unsigned char)p[0];
    size_t size = get_u32(p + 4);
    if (kind < RAFT_ENTRY_NOOP || kind > RAFT_ENTRY_MEMBERS || size > left->n - PEER_MSG_ENTRY_HEAD)
        return -E_CORRUPT;
    struct raft_entry *e;
    int rc = raft_entry_new((enum raft_entry_kind)kind, size, &e);
    if (rc)
        return rc;
    e->index = get_u64(p + 8);
    e->term = get_u64(p + 16);
    memcpy(e->bytes, p + PEER_MSG_ENTRY_HEAD, size);
    *left = str_make(p + PEER_MSG_ENTRY_HEAD + size, left->n - PEER_MSG_ENTRY_HEAD - size);
    *ret_entry = e;
    return 0;
}

int peer_msg_entries(struct peer_msg *m)
{
    uint32_t count = m->raft.entry_count;
    struct str left = m->bytes;
    int rc = 0;
    for (m->raft.entry_count = 0; !rc && m->raft.entry_count < count;) {
        rc = entry_read(&left, &m->raft.entries[m->raft.entry_count]);
        if (!rc)
            m->raft.entry_count++;
    }
    if (!rc && left.n)
        rc = -E_CORRUPT;
    if (rc)
        peer_msg_entries_unref(m);
    return rc;
}

void peer_msg_entries_unref(struct peer_msg *m)
{
    for (uint32_t i = 0; i < m->raft.entry_count; i++)
        raft_entry_unref(m->raft.entries[i]);
    m->raft.entry_count = 0;
}
