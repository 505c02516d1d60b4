/*
 * Service rules as the proxy computes them and the kernel gets them: for each (address, protocol,
 * port) a set of backends. Plain data; the whole table is replaced in one transaction.
 */
#ifndef PORT_RULES_H
#define PORT_RULES_H

#include "port/net.h"

enum rules_protocol { RULES_TCP = 6, RULES_UDP = 17, RULES_SCTP = 132 };

struct rules_service {
    enum rules_protocol protocol;
    struct net_addr vip;      /* cluster, external or load-balancer address and port */
    bool node_port;           /* vip.port on any address of the node; vip.ip is not used */
    uint32_t affinity_s;      /* ClientIP affinity timeout; 0: none */
    bool masquerade;          /* source is rewritten (externalTrafficPolicy: Cluster from outside) */
    const struct net_addr *backends; /* none: connections are rejected */
    size_t backend_count;
};

struct rules_table {
    const struct rules_service *services;
    size_t service_count;
    struct net_addr pod_cidr; /* traffic leaving it for elsewhere is masqueraded */
    unsigned pod_prefix_len;
};

#endif
