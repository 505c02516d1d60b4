/* The table of tracked connections, by netlink: a dump of UDP flows, and forgetting one. */
#ifndef KERNEL_GLUE_NETLINK_CONNTRACK_H
#define KERNEL_GLUE_NETLINK_CONNTRACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct conntrack_flow {
    uint8_t family, protocol;
    uint8_t to[16], answers_from[16]; /* destination as sent; who really answers */
    uint16_t to_port, answers_port;   /* host order */
    struct str original; /* the kernel's attribute, for conntrack_forget */
};

/* fn: 0 goes on. -E_UNSUPPORTED: the kernel tracks no connections. */
int conntrack_each(int fd, uint8_t family, int (*fn)(void *ctx, const struct conntrack_flow *f), void *ctx,
                   struct err *err) MUST_CHECK;
int conntrack_forget(int fd, const struct conntrack_flow *f, struct err *err) MUST_CHECK;

#endif
