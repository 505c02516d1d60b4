/*
 * What the event loop needs from outside: readiness of descriptors and two clocks. drivers/loop
 * implements it with epoll; a simulator with a seed.
 */
#ifndef PORT_POLL_H
#define PORT_POLL_H

#include <signal.h> /* names si_codes POLL_*, which nobody here uses: ours replace them */
#include <stdint.h>

#include "base/err.h"

#undef POLL_IN
#undef POLL_OUT
#undef POLL_ERR
#define POLL_IN 1
#define POLL_OUT 2
#define POLL_ERR 4 /* reported unasked: error or hang-up */

struct poll_event {
    void *tag;
    unsigned events;
};

struct poll_ops {
    int64_t (*monotonic_ns)(void *ctx);
    int64_t (*realtime_ns)(void *ctx); /* since 1970 UTC */
    /* Registers, changes, or with events == 0 removes fd. Level-triggered. */
    int (*set)(void *ctx, int fd, unsigned events, void *tag);
    /* Waits at most timeout_ms (-1: for ever); number of events, or -E_*. */
    int (*wait)(void *ctx, int timeout_ms, struct poll_event *ret_events, int max);
    void (*close)(void *ctx);
};

struct poll {
    const struct poll_ops *ops;
    void *ctx;
};

#endif
