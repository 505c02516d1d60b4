/* Addresses of the node's pods, out of its pod network. The lowest free one after the one given
 * last is next, so that an address rests before it is used again. */
#ifndef NODE_IPAM_H
#define NODE_IPAM_H

#include "port/net.h"

struct ipam;

/* Network and bridge address (the first) and, for IPv4, broadcast are never given. At most 4096
 * addresses of a larger network are used. -E_INVALID: the prefix leaves no room. */
int ipam_new(const struct net_addr *cidr, unsigned prefix_len, struct ipam **ret_ipam) MUST_CHECK;
void ipam_free(struct ipam *m);
/* For owner (a pod's uid; compared, copied). -E_LIMIT: none is free. */
int ipam_give(struct ipam *m, const char *owner, struct net_addr *ret_addr) MUST_CHECK;
/* Those found in use after a restart; addresses outside are ignored. */
void ipam_take(struct ipam *m, const struct net_addr *addrs, size_t count, const char *owner);
/* Frees those that this owner still holds. */
void ipam_return(struct ipam *m, const struct net_addr *addrs, size_t count, const char *owner);
unsigned ipam_used(const struct ipam *m);

#endif
