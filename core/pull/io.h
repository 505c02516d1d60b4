/*
 * What pulling needs from its process. The role `pull` does one thing at a time and then ends, so
 * its code waits: each call runs the loop until it has what it waits for, or the deadline passes.
 */
#ifndef PULL_IO_H
#define PULL_IO_H

#include "loop/loop.h"
#include "port/net.h"
#include "port/tls.h"
#include "pull/url.h"

enum { PULL_RESOLVERS = 4, PULL_ADDRS = 4 };
enum { PULL_CONNECT_MS = 10 * 1000, PULL_STALL_MS = 30 * 1000, PULL_DNS_MS = 2 * 1000 };

struct pull_host { /* a line of /etc/hosts */
    const char *name;
    struct net_addr addr;
};

struct pull_io {
    struct loop *loop;
    struct net net;
    struct tls_context *tls; /* verifies against the public authorities; NULL: https is not possible */
    struct net_addr resolvers[PULL_RESOLVERS];
    size_t resolver_count;
    const struct pull_host *hosts;
    size_t host_count;
    int64_t stall_ms, connect_ms; /* 0: the constants above */
};

/* Addresses of a host (an IP, a name of `hosts`, or asked of the resolvers), port set. */
int pull_resolve(struct pull_io *io, const char *host, uint16_t port, struct net_addr ret_addrs[PULL_ADDRS],
                 size_t *ret_count, struct err *err) MUST_CHECK;
bool pull_addr_is_local(const struct net_addr *a); /* loopback, link-local or unspecified */

#endif
