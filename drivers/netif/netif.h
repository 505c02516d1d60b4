/*
 * The pods' network of one node: a bridge, a veth pair a pod, and routes. Pods have their address
 * with a full-length prefix and a route through the bridge for everything, so that all their
 * traffic, also to their neighbours, passes the node's routing, where the service rules are.
 */
#ifndef DRIVERS_NETIF_NETIF_H
#define DRIVERS_NETIF_NETIF_H

#include "port/net.h"

#define NETIF_BRIDGE "keelson0"
enum { NETIF_NAME_BYTES = 16 };

/* Bridge with the first address of the pods' range, forwarding, no redirects; dns (may be NULL)
 * on lo. Idempotent. */
int netif_node_setup(const struct net_addr *pod_cidr, unsigned prefix_len, const struct net_addr *dns,
                     struct err *err) MUST_CHECK;
/* Name of the pod's veth on the node. */
void netif_pod_name(const char *uid, char ret_name[NETIF_NAME_BYTES]);
/* lo up, and with addresses: eth0 in the namespace, plugged into the bridge, with its routes. */
int netif_pod_attach(const char *uid, int namespace_fd, const struct net_addr *addrs, size_t count,
                     struct err *err) MUST_CHECK;
int netif_pod_detach(const char *uid, struct err *err) MUST_CHECK;

#endif
