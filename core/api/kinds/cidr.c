/* Networks in text. See cidr.h. */
#include "api/kinds/cidr.h"

static unsigned width(const struct net_addr *a)
{
    return a->family == 4 ? 32 : 128;
}

int cidr_parse(struct str text, struct cidr *ret)
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

static struct net_addr masked(const struct cidr *c)
{
    struct net_addr a = c->addr;
    for (unsigned i = c->bits; i < width(&a); i++)
        a.ip[i / 8] &= (uint8_t)~(0x80 >> i % 8);
    return a;
}

bool cidr_contains(const struct cidr *net, const struct net_addr *addr)
{
    struct net_addr base = masked(net), other = masked(&(struct cidr){*addr, net->bits});
    return addr->family == net->addr.family && net_addr_same_ip(&base, &other);
}

const char *ip_canonical(struct arena *a, const struct net_addr *addr)
{
    char text[NET_ADDR_TEXT];
    const char *kept = arena_strdup(a, net_addr_format(addr, false, text));
    return kept ? kept : "";
}

void cidr_validate_any(struct field_errors *e, const struct field *f, struct str text)
{
    struct cidr c;
    if (cidr_parse(text, &c) < 0)
        field_invalid_str(e, f, text,
                          "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
}

static bool mapped(const struct net_addr *a)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
    return a->family == 6 && memcmp(a->ip, prefix, sizeof prefix) == 0;
}

void cidr_validate(struct field_errors *e, const struct field *f, struct str text)
{
    struct cidr c;
    if (cidr_parse(text, &c) < 0) {
        cidr_validate_any(e, f, text);
        return;
    }
    struct net_addr base = masked(&c);
    const char *canonical =
        arena_printf(e->arena, "%s/%u", ip_canonical(e->arena, &base), c.bits);
    if (mapped(&c.addr))
        field_invalid_str(e, f, text, "must not have an IPv4-mapped IPv6 address");
    else if (!net_addr_same_ip(&base, &c.addr))
        field_invalid_str(e, f, text, "must not have bits set beyond the prefix length");
    else if (canonical && !str_is(text, canonical))
        field_invalid_str(e, f, text,
                          arena_printf(e->arena, "must be in canonical form (\"%s\")", canonical));
}
