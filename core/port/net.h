/*
 * Stream and datagram sockets, non-blocking, as descriptors for the loop. Addresses are text-free
 * structs. drivers/net/socket implements it on the kernel's stack.
 */
#ifndef PORT_NET_H
#define PORT_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"

struct net_addr {
    uint8_t family;  /* 4 or 6; 0: none */
    uint8_t ip[16];  /* network order; the first 4 bytes for family 4 */
    uint16_t port;   /* host order */
    uint32_t scope;  /* IPv6 link-local: interface index */
};

enum { NET_ADDR_TEXT = 64 };
/* "10.0.0.1", "fe80::1%2"; with_port: "10.0.0.1:80", "[::1]:80". dst holds NET_ADDR_TEXT. */
const char *net_addr_format(const struct net_addr *a, bool with_port, char *dst);
/* Parses an IP without or (with_port) with a port. -E_SYNTAX. Never resolves names. */
int net_addr_parse(struct str text, bool with_port, struct net_addr *ret_addr) MUST_CHECK;
bool net_addr_same_ip(const struct net_addr *a, const struct net_addr *b);

struct net_ops {
    int (*listen)(void *ctx, const struct net_addr *at, int backlog, int *ret_fd);
    int (*accept)(void *ctx, int fd, int *ret_fd, struct net_addr *ret_peer); /* -E_AGAIN */
    /* Begins; completion is POLL_OUT, then connect_result. */
    int (*connect)(void *ctx, const struct net_addr *to, int *ret_fd);
    int (*connect_result)(void *ctx, int fd); /* 0, -E_UNAVAILABLE, ... */
    ssize_t (*read)(void *ctx, int fd, void *p, size_t n);        /* 0 at end; -E_AGAIN ... */
    ssize_t (*write)(void *ctx, int fd, const void *p, size_t n); /* bytes; -E_AGAIN, -E_CLOSED */
    int (*shutdown_write)(void *ctx, int fd);
    int (*udp_open)(void *ctx, const struct net_addr *at, int *ret_fd); /* port 0: random port */
    ssize_t (*recv_from)(void *ctx, int fd, void *p, size_t n, struct net_addr *ret_from);
    ssize_t (*send_to)(void *ctx, int fd, const void *p, size_t n, const struct net_addr *to);
    int (*local_addr)(void *ctx, int fd, struct net_addr *ret_addr);
    void (*close)(void *ctx, int fd);
};

struct net {
    const struct net_ops *ops;
    void *ctx;
};

#endif
