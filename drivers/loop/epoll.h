/* port/poll.h on epoll and the kernel's clocks. */
#ifndef DRIVERS_LOOP_EPOLL_H
#define DRIVERS_LOOP_EPOLL_H

#include "port/poll.h"

/* -E_LIMIT when descriptors ran out. The loop closes it. */
int poll_epoll_open(struct poll *ret_poll) MUST_CHECK;

#endif
