/* Networks in text. See cidr.h. */
#include "api/kinds/cidr.h"

const char *ip_canonical(struct arena *a, const struct net_addr *addr)
{
    char text[NET_ADDR_TEXT];
    const char *kept = arena_strdup(a, net_addr_format(addr, false, text));
    return kept ? kept : "";
}

void cidr_validate_any(struct field_errors *e, const struct field *f, struct str text)
{
    struct net_prefix c;
    if (net_prefix_parse(text, &c) < 0)
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
    struct net_prefix c;
    if (net_prefix_parse(text, &c) < 0) {
        cidr_validate_any(e, f, text);
        return;
    }
    struct net_addr base = net_prefix_base(&c);
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

void cidr_warn(struct write *w, const struct field *f, struct str text)
{
    struct net_prefix p;
    if (net_prefix_parse(text, &p) < 0)
        return;
    struct net_addr base = net_prefix_base(&p);
    const char *at = field_text(w->a, f), *canonical = ip_canonical(w->a, &base);
    const char *whole = arena_printf(w->a, "%s/%u", canonical, p.bits);
    if (!net_addr_same_ip(&base, &p.addr))
        request_warn(w->r,
                     "%s: CIDR value \"" STR_FMT
                     "\" is ambiguous in this context (should be \"%s/%u\" or \"%s/%u\"?)",
                     at, STR_ARG(text), canonical, p.bits, ip_canonical(w->a, &p.addr),
                     p.addr.family == 4 ? 32 : 128);
    else if (p.addr.family == 6 && whole && !str_is(text, whole))
        request_warn(w->r,
                     "%s: IPv6 CIDR value \"" STR_FMT
                     "\" should be in RFC 5952 canonical format (\"%s\")",
                     at, STR_ARG(text), whole);
}
