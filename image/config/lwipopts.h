/* lwIP as the lease role uses it: no threads, no sockets, and no TCP or ICMP answers, because it
 * shares the card's address with the kernel and must leave the kernel's business alone. */
#ifndef KEELSON_LWIPOPTS_H
#define KEELSON_LWIPOPTS_H

/* Our own base/mem.h has some of these names. */
#define mem_init lwip_mem_init
#define mem_malloc lwip_mem_malloc
#define mem_calloc lwip_mem_calloc
#define mem_free lwip_mem_free
#define mem_trim lwip_mem_trim
#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_SOCKET 0
#define LWIP_NETCONN 0
#define LWIP_TIMERS 1
#define LWIP_STATS 0

#define MEM_LIBC_MALLOC 1
#define MEMP_MEM_MALLOC 1
#define MEM_ALIGNMENT 8
#define MEMP_NUM_UDP_PCB 16
#define MEMP_NUM_SYS_TIMEOUT (LWIP_NUM_SYS_TIMEOUT_INTERNAL + 24)

#define LWIP_IPV4 1
#define LWIP_IPV6 1
#define LWIP_ARP 1
#define LWIP_ETHERNET 1
#define LWIP_ICMP 0
#define LWIP_RAW 1
#define LWIP_UDP 1
#define LWIP_TCP 0
#define LWIP_IGMP 1
#define LWIP_IPV6_MLD 1
/* Nothing that lwIP has to do here comes in fragments; on 64 bits reassembly also needs a copy. */
#define IP_REASSEMBLY 0
#define LWIP_IPV6_REASS 0

#define LWIP_DHCP 1
#define LWIP_AUTOIP 1
#define LWIP_ACD 1
#define LWIP_DHCP_AUTOIP_COOP 1
#define LWIP_DHCP_AUTOIP_COOP_TRIES 3
/* 1 would delay the address by 4 to 7 s: conflict detection runs alongside instead. */
#define LWIP_DHCP_DOES_ACD_CHECK 0
#define LWIP_DHCP_GET_NTP_SRV 1
#define LWIP_DHCP_MAX_NTP_SERVERS 4

#define LWIP_DNS 1
#define LWIP_DNS_SUPPORT_MDNS_QUERIES 1
#define DNS_MAX_SERVERS 3

#define LWIP_MDNS_RESPONDER 1
#define LWIP_MDNS_SEARCH 1
#define LWIP_NUM_NETIF_CLIENT_DATA 2
#define MDNS_MAX_SERVICES 4

#define LWIP_NETIF_HOSTNAME 1
#define LWIP_NETIF_STATUS_CALLBACK 1
#define LWIP_NETIF_LINK_CALLBACK 1
#define LWIP_NETIF_EXT_STATUS_CALLBACK 1

#define SNTP_SERVER_DNS 1
#define SNTP_MAX_SERVERS 4
#define SNTP_GET_SERVERS_FROM_DHCP 1
#define SNTP_CHECK_RESPONSE 2
#define SNTP_SET_SYSTEM_TIME_US(s, us) lwip_port_time_set((s), (us))

#endif
