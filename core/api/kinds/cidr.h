/* Networks in text ("10.0.0.0/8"), as fields of the API hold them. */
#ifndef API_KINDS_CIDR_H
#define API_KINDS_CIDR_H

#include "api/write.h"
#include "port/net_prefix.h"

/* What upstream says of fields that hold one in any form. */
void cidr_validate_any(struct field_errors *e, const struct field *f, struct str text);
/* What upstream warns of in such fields. */
void cidr_warn(struct write *w, const struct field *f, struct str text);
/* Canonical, without bits behind the prefix: as upstream demands of new fields. */
void cidr_validate(struct field_errors *e, const struct field *f, struct str text);
/* The canonical text of an address, in the arena. */
const char *ip_canonical(struct arena *a, const struct net_addr *addr);

#endif
