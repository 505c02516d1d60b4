/*
 * lwIP on one network card beside the kernel's own stack, for what must work before the kernel has
 * an address: DHCP with renewal (RFC 2131), address conflict detection (RFC 5227) and time (SNTP,
 * RFC 4330). It sees only the packets that kernel-glue/boot/packet.h lets through.
 *
 * lwIP keeps its state in globals: one stack in a process.
 */
#ifndef DRIVERS_NET_LWIP_LWIP_H
#define DRIVERS_NET_LWIP_LWIP_H

#include "loop/loop.h"
#include "port/net.h"

enum { LWIP_MOST_SERVERS = 3, LWIP_HOST_NAME = 64 };

struct lwip_lease {
    struct net_addr addr, gateway; /* gateway.family 0: none */
    uint8_t prefix_len;
    struct net_addr dns[LWIP_MOST_SERVERS];
    size_t dns_count;
};

struct lwip_events {
    void (*leased)(void *ctx, const struct lwip_lease *lease); /* also when a renewal changed something */
    void (*lost)(void *ctx, const char *why);
    void (*time)(void *ctx, int64_t realtime_ns);
};

struct lwip_options {
    struct loop *loop;
    int packet_fd; /* taken over on success */
    uint8_t mac[6];
    uint16_t mtu;
    const char *host_name; /* kept: sent to the DHCP server */
    const struct lwip_events *events;
    void *ctx;
};

struct lwip_stack;

int lwip_stack_new(const struct lwip_options *o, struct lwip_stack **ret_stack) MUST_CHECK;
void lwip_stack_free(struct lwip_stack *s);

int lwip_dhcp_start(struct lwip_stack *s) MUST_CHECK;
/* Uses a given address for its own packets in place of DHCP. */
void lwip_static_address(struct lwip_stack *s, const struct net_addr *addr, uint8_t prefix_len,
                         const struct net_addr *gateway);
/* Asks these, or none: those that DHCP names, as soon as there is an address. */
void lwip_time_start(struct lwip_stack *s, const struct net_addr *servers, size_t count);

#endif
