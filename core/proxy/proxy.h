/*
 * The service proxy: Services and EndpointSlices in, one table of rules (port/rules.h) out, given
 * to the runtime whenever it changes. What kube-proxy does; the kernel does the forwarding.
 *
 * Source: kubernetes.io, "Virtual IPs and Service Proxies".
 */
#ifndef PROXY_PROXY_H
#define PROXY_PROXY_H

#include "client/cache.h"
#include "port/runtime.h"

struct proxy;

struct proxy_options {
    struct client *client;   /* outlives the proxy, as does runtime */
    struct runtime *runtime;
    const char *node_name;
    struct net_addr pod_cidr;
    unsigned pod_prefix_len;
    struct net_addr dns_addr; /* served on this node itself: left out of the rules */
};

int proxy_new(const struct proxy_options *o, struct proxy **ret_proxy) MUST_CHECK;
void proxy_free(struct proxy *p);
/* The runtime has restarted: give it the table again. */
void proxy_resync(struct proxy *p);

#endif
