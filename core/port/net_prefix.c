/* Networks in text. See net_prefix.h. */
#include "port/net_prefix.h"

#include <string.h>

static unsigned width(const struct net_addr *a)
{
    return a->family == 4 ? 32 : 128;
}

int net_prefix_parse(struct str text, struct net_prefix *ret)
{
    ptrdiff_t slash = str_find_byte(text, '/');
    uint64_t bits;
    if (slash < 0)
        return -E_SYNTAX;
    struct str ip = str_make(text.p, (size_t)slash),
               length = str_make(text.p + slash + 1, text.n - (size_t)slash - 1);
    int rc = net_addr_parse(ip, false, &ret->addr);
    if (rc < 0 || str_find_byte(ip, '%') >= 0 || !length.n || length.n > 3 ||
        (length.n > 1 && length.p[0] == '0') || str_to_u64(length, &bits) < 0 ||
        bits > width(&ret->addr))
        return -E_SYNTAX;
    ret->bits = (unsigned)bits;
    return 0;
}

struct net_addr net_prefix_base(const struct net_prefix *p)
{
    struct net_addr a = p->addr;
    for (unsigned i = p->bits; i < width(&a); i++)
        a.ip[i / 8] &= (uint8_t)~(0x80 >> i % 8);
    return a;
}

bool net_prefix_contains(const struct net_prefix *p, const struct net_addr *addr)
{
    struct net_addr base = net_prefix_base(p);
    struct net_addr other = net_prefix_base(&(struct net_prefix){*addr, p->bits});
    return addr->family == p->addr.family && net_addr_same_ip(&base, &other);
}
