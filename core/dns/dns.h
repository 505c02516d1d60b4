/*
 * Cluster DNS: answers the cluster's domain and reverse names from Services, EndpointSlices and
 * Namespaces; forwards the rest. UDP and TCP on sockets that were bound for it.
 *
 * Source: "Kubernetes DNS-Based Service Discovery" (schema 1.1.0); kubernetes.io, "DNS for
 * Services and Pods".
 */
#ifndef DNS_DNS_H
#define DNS_DNS_H

#include "client/cache.h"
#include "port/net.h"

struct dns;

enum { DNS_MAX_RESOLVERS = 4 };

struct dns_options {
    struct client *client;
    struct net net;
    const char *domain;  /* "cluster.local" */
    int udp_fd, tcp_fd;  /* taken over on success */
    struct net_addr resolvers[DNS_MAX_RESOLVERS]; /* for all other names; port 0 means 53 */
    size_t resolver_count;
    struct net_addr self; /* our own address: never forwarded to */
};

int dns_new(const struct dns_options *o, struct dns **ret_dns) MUST_CHECK;
void dns_free(struct dns *d);
void dns_set_resolvers(struct dns *d, const struct net_addr *resolvers, size_t count);

#endif
