/* Facts of the machine that init and the node role tell others. */
#ifndef MAIN_MACHINE_H
#define MAIN_MACHINE_H

#include "main/start_msg.h"

/* On an ordinary host: its addresses and the resolvers of /etc/resolv.conf. */
void machine_net_of_host(struct machine_net *ret_net);
/* The host's name as a node's name: lower case, the first label; "keelson" when it has none. */
void machine_host_name(char ret_name[START_NAME]);

/* A bound socket, close-on-exec and non-blocking; stream sockets listen. The address need not be
 * there yet. */
int machine_bind(const struct net_addr *at, bool stream, int *ret_fd, struct err *err) MUST_CHECK;

/* Takes a UDP port from the kernel for as long as this process lives: what comes there is dropped
 * in silence. */
int machine_hold(const struct net_addr *at, struct err *err) MUST_CHECK;

#endif
