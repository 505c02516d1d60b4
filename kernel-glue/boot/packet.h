/*
 * A packet socket (packet(7)) for the little that lwIP has to do with a network card beside the
 * kernel: ARP, UDP to the ports of DHCP clients (68) and multicast DNS (5353), and UDP from the port
 * of time servers (123). The filter is in place before the socket is bound; what this machine sends
 * itself is not seen.
 */
#ifndef KERNEL_GLUE_BOOT_PACKET_H
#define KERNEL_GLUE_BOOT_PACKET_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct packet_card {
    uint8_t mac[6];
    uint16_t mtu;
};

/* Non-blocking. Needs CAP_NET_RAW. */
int packet_open(const char *card, int *ret_fd, struct packet_card *ret_card, struct err *err) MUST_CHECK;
/* One frame; its whole length, which may be more than room; -1 when there is none. The checksum of
 * a UDP packet that the sender left to hardware is cleared. */
ssize_t packet_receive(int fd, void *frame, size_t room);

#endif
