/* port/net.h on the kernel's sockets: non-blocking, close-on-exec, TCP without Nagle's delay. */
#ifndef DRIVERS_NET_SOCKET_SOCKET_H
#define DRIVERS_NET_SOCKET_SOCKET_H

#include "port/net.h"

struct net net_socket(void);

#endif
