/* See packet.h. */
#include "kernel-glue/boot/packet.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DHCP_CLIENT = 68, MDNS = 5353, NTP = 123, WHOLE = 0x40000 };

/* Offsets within an Ethernet frame with an IPv4 packet; X is the length of the IP header. */
static const struct sock_filter filter[] = {
    /*  0 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12), /* EtherType */
    /*  1 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETHERTYPE_ARP, 11, 0),
    /*  2 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETHERTYPE_IP, 0, 11),
    /*  3 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23), /* protocol */
    /*  4 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 17, 0, 9),
    /*  5 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 20), /* fragment offset */
    /*  6 */ BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x1fff, 7, 0),
    /*  7 */ BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 14),
    /*  8 */ BPF_STMT(BPF_LD | BPF_H | BPF_IND, 16), /* destination port */
    /*  9 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, DHCP_CLIENT, 3, 0),
    /* 10 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MDNS, 2, 0),
    /* 11 */ BPF_STMT(BPF_LD | BPF_H | BPF_IND, 14), /* source port */
    /* 12 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NTP, 0, 1),
    /* 13 */ BPF_STMT(BPF_RET | BPF_K, WHOLE),
    /* 14 */ BPF_STMT(BPF_RET | BPF_K, 0),
};

static int card_facts(int fd, const char *card, struct packet_card *facts, int *ret_index)
{
    struct ifreq r = {0};
    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", card);
    if (ioctl(fd, SIOCGIFINDEX, &r) < 0)
        return -1;
    *ret_index = r.ifr_ifindex;
    if (ioctl(fd, SIOCGIFHWADDR, &r) < 0)
        return -1;
    memcpy(facts->mac, r.ifr_hwaddr.sa_data, sizeof facts->mac);
    if (ioctl(fd, SIOCGIFMTU, &r) < 0)
        return -1;
    facts->mtu = (uint16_t)r.ifr_mtu;
    return 0;
}

int packet_open(const char *card, int *ret_fd, struct packet_card *ret_card, struct err *err)
{
    struct sock_fprog program = {.len = sizeof filter / sizeof filter[0], .filter = (struct sock_filter *)filter};
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    struct packet_card facts;
    int index, on = 1;
    /* Protocol 0: nothing arrives before it is bound. */
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set_errno(err, "packet socket");
    int rc = setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
    if (rc == 0)
        rc = setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
    if (rc == 0)
        rc = setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on);
    if (rc == 0)
        rc = card_facts(fd, card, &facts, &index);
    if (rc == 0) {
        at.sll_ifindex = index;
        rc = bind(fd, (struct sockaddr *)&at, sizeof at);
    }
    if (rc < 0) {
        rc = err_set_errno(err, "packet socket on %s", card);
        close(fd);
        return rc;
    }
    *ret_fd = fd;
    *ret_card = facts;
    return 0;
}

/* What a neighbour on the same host sends has a checksum that its card was to compute, and there is
 * no such card: none is what UDP writes as 0. */
static void clear_checksum(unsigned char *frame, size_t n)
{
    enum { ETHERNET = 14, PROTOCOL = ETHERNET + 9, UDP = 17, CHECKSUM = 6 };
    size_t udp = ETHERNET + 4u * (n > ETHERNET ? frame[ETHERNET] & 15u : 0);
    if (n >= udp + 8 && frame[12] == ETHERTYPE_IP >> 8 && frame[13] == (ETHERTYPE_IP & 255) && frame[PROTOCOL] == UDP)
        frame[udp + CHECKSUM] = frame[udp + CHECKSUM + 1] = 0;
}

ssize_t packet_receive(int fd, void *frame, size_t room)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
    } control;
    struct iovec iov = {frame, room};
    struct msghdr h = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space};
    ssize_t n = recvmsg(fd, &h, MSG_DONTWAIT | MSG_TRUNC);
    for (struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&h) : NULL; c; c = CMSG_NXTHDR(&h, c)) {
        struct tpacket_auxdata aux;
        if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA || c->cmsg_len < CMSG_LEN(sizeof aux))
            continue;
        memcpy(&aux, CMSG_DATA(c), sizeof aux);
        if (aux.tp_status & TP_STATUS_CSUMNOTREADY)
            clear_checksum(frame, (size_t)n < room ? (size_t)n : room);
    }
    return n;
}
