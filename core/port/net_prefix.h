/* Networks in text: "10.0.0.0/8", "fd00::/64". */
#ifndef PORT_NET_PREFIX_H
#define PORT_NET_PREFIX_H

#include "port/net.h"

struct net_prefix {
    struct net_addr addr; /* as written: bits behind the prefix may be set */
    unsigned bits;
};

/* -E_SYNTAX. Addresses and lengths without leading zeros; no scopes. */
int net_prefix_parse(struct str text, struct net_prefix *ret) MUST_CHECK;
/* The address with nothing set behind the prefix. */
struct net_addr net_prefix_base(const struct net_prefix *p);
bool net_prefix_contains(const struct net_prefix *p, const struct net_addr *addr);

#endif
