/* Networks in text ("10.0.0.0/8"), as fields of the API hold them. */
#ifndef API_KINDS_CIDR_H
#define API_KINDS_CIDR_H

#include "api/field.h"
#include "port/net.h"

struct cidr {
    struct net_addr addr; /* as written: bits behind the prefix may be set */
    unsigned bits;
};

/* -E_SYNTAX. Addresses and lengths without leading zeros. */
int cidr_parse(struct str text, struct cidr *ret) MUST_CHECK;
bool cidr_contains(const struct cidr *net, const struct net_addr *addr);
/* Not one of the API: what upstream says of fields that hold one in any form. */
void cidr_validate_any(struct field_errors *e, const struct field *f, struct str text);
/* Canonical, without bits behind the prefix: as upstream demands of new fields. */
void cidr_validate(struct field_errors *e, const struct field *f, struct str text);
/* The canonical text of an address, in the arena. */
const char *ip_canonical(struct arena *a, const struct net_addr *addr);

#endif
