/* Links, addresses and routes (rtnetlink), on a socket of netlink_open(NETLINK_ROUTE_FAMILY). */
#ifndef KERNEL_GLUE_NETLINK_ROUTE_H
#define KERNEL_GLUE_NETLINK_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* family: 4 or 6; ip: 4 or 16 bytes in network order. */
struct route_ip {
    uint8_t family;
    const uint8_t *ip;
    uint8_t prefix;
};

int route_link_index(int fd, const char *name, int *ret_index, struct err *err) MUST_CHECK; /* -E_NOT_FOUND */
int route_bridge_make(int fd, const char *name, struct err *err) MUST_CHECK; /* 0 when it is there */
/* The peer is made inside the namespace, down, with its name there. */
int route_veth_make(int fd, const char *name, int peer_namespace, const char *peer_name, uint32_t mtu,
                    struct err *err) MUST_CHECK;
int route_link_up(int fd, int index, struct err *err) MUST_CHECK;
int route_link_master(int fd, int index, int master, struct err *err) MUST_CHECK;
int route_link_delete(int fd, const char *name, struct err *err) MUST_CHECK; /* 0 when there is none */
int route_address_add(int fd, int index, struct route_ip ip, bool no_prefix_route, struct err *err) MUST_CHECK;
/* The first address of global scope on the link; ret_ip has room for 16 bytes. -E_NOT_FOUND. */
int route_address_first(int fd, int index, uint8_t family, uint8_t *ret_ip, struct err *err) MUST_CHECK;
/* Removes the IPv4 addresses of global scope that are not among these. */
int route_address_keep(int fd, int index, const struct route_ip *keep, size_t count, struct err *err) MUST_CHECK;
/* gateway.family 0: directly on the link. to.ip NULL: default route. */
int route_add(int fd, int index, struct route_ip to, struct route_ip gateway, struct err *err) MUST_CHECK;

#endif
