/* A table of owners by host number. See ipam.h. */
#include "node/ipam.h"

#include "base/mem.h"

enum { FIRST_HOST = 2, MOST_HOSTS = 4096 };

struct ipam {
    struct net_addr base;
    unsigned hosts, next, used;
    uint64_t owners[]; /* hash of the owner's uid; 0: free */
};

static uint64_t owner_hash(const char *owner)
{
    uint64_t h = str_hash(str_of(owner));
    return h ? h : 1;
}

static void host_set(struct net_addr *a, unsigned host)
{
    unsigned bytes = a->family == 4 ? 4 : 16;
    for (unsigned i = bytes; i-- > bytes - 4 && host;) {
        unsigned sum = a->ip[i] + (host & 255);
        a->ip[i] = (uint8_t)sum;
        host = (host >> 8) + (sum >> 8);
    }
}

/* The host number of an address of this network, or 0. */
static unsigned host_of(const struct ipam *m, const struct net_addr *a)
{
    if (a->family != m->base.family)
        return 0;
    for (unsigned host = FIRST_HOST; host < m->hosts; host++) {
        struct net_addr at = m->base;
        host_set(&at, host);
        if (net_addr_same_ip(&at, a))
            return host;
    }
    return 0;
}

int ipam_new(const struct net_addr *cidr, unsigned prefix_len, struct ipam **ret_ipam)
{
    unsigned bits = cidr->family == 4 ? 32 : 128;
    if ((cidr->family != 4 && cidr->family != 6) || prefix_len > bits - 2)
        return -E_INVALID;
    unsigned hosts = bits - prefix_len >= 12 ? MOST_HOSTS : 1u << (bits - prefix_len);
    struct ipam *m = mem_zalloc(sizeof *m + hosts * sizeof m->owners[0]);
    if (!m)
        return -E_NOMEM;
    m->base = *cidr;
    m->base.port = 0;
    for (unsigned i = prefix_len; i < bits; i++)
        m->base.ip[i / 8] &= (uint8_t)~(0x80u >> i % 8);
    m->hosts = cidr->family == 4 ? hosts - 1 : hosts; /* without broadcast */
    m->next = FIRST_HOST;
    *ret_ipam = m;
    return 0;
}

void ipam_free(struct ipam *m)
{
    mem_free(m);
}

int ipam_give(struct ipam *m, const char *owner, struct net_addr *ret_addr)
{
    for (unsigned tried = FIRST_HOST; tried < m->hosts; tried++) {
        unsigned host = m->next;
        m->next = host + 1 < m->hosts ? host + 1 : FIRST_HOST;
        if (m->owners[host])
            continue;
        m->owners[host] = owner_hash(owner);
        m->used++;
        *ret_addr = m->base;
        host_set(ret_addr, host);
        return 0;
    }
    return -E_LIMIT;
}

void ipam_take(struct ipam *m, const struct net_addr *addrs, size_t count, const char *owner)
{
    for (size_t i = 0; i < count; i++) {
        unsigned host = host_of(m, &addrs[i]);
        if (!host)
            continue;
        m->used += m->owners[host] == 0;
        m->owners[host] = owner_hash(owner);
    }
}

void ipam_return(struct ipam *m, const struct net_addr *addrs, size_t count, const char *owner)
{
    for (size_t i = 0; i < count; i++) {
        unsigned host = host_of(m, &addrs[i]);
        if (host && m->owners[host] == owner_hash(owner)) {
            m->owners[host] = 0;
            m->used--;
        }
    }
}

unsigned ipam_used(const struct ipam *m)
{
    return m->used;
}
