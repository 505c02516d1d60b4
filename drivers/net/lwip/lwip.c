/* See lwip.h. */
#include "drivers/net/lwip/lwip.h"

#include <errno.h>
#include <lwip/acd.h>
#include <lwip/apps/sntp.h>
#include <lwip/dhcp.h>
#include <lwip/dns.h>
#include <lwip/etharp.h>
#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/prot/dhcp.h>
#include <lwip/prot/iana.h>
#include <lwip/timeouts.h>
#include <lwip/udp.h>
#include <netif/ethernet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "kernel-glue/boot/packet.h"
#include "port/crypto.h"

enum {
    FRAME_MOST = 9216,
    FRAMES_A_TURN = 64,
    QUIET_MS = 2000,          /* how late a timer may be while nothing is under way */
    AFTER_DECLINE_MS = 10000, /* RFC 2131 section 3.1.5 */
    DECLINE_BYTES = 300,
};

struct lwip_stack {
    struct lwip_options o;
    struct netif netif;
    struct acd acd;
    struct loop_fd watch;
    struct loop_timer timer, again;
    int64_t began_ms;
    int time_fd; /* see hold_time_port; -1 none */
    uint16_t time_port;
    struct lwip_lease told;
    bool has_told, dhcp, checking, declining;
    unsigned char frame[FRAME_MOST];
};

/* ---- what lwIP asks of its platform ---- */

/* The loop's clock, from the stack's beginning on. */
uint32_t sys_now(void);
uint32_t sys_now(void)
{
    struct lwip_stack *s = netif_default ? netif_default->state : NULL;
    return s ? (uint32_t)(loop_now_ms(s->o.loop) - s->began_ms) : 0;
}

unsigned lwip_port_rand(void)
{
    unsigned r;
    crypto_random(&r, sizeof r);
    return r;
}

/* The one stack of this process is lwIP's default interface. */
void lwip_port_time_set(uint32_t seconds, uint32_t microseconds)
{
    struct lwip_stack *s = netif_default ? netif_default->state : NULL;
    if (s && s->o.events->time)
        s->o.events->time(s->o.ctx, (int64_t)seconds * 1000000000 + (int64_t)microseconds * 1000);
}

/* ---- frames ---- */

/* The kernel sees a time server's answer too: where no socket has the port it would answer that
 * nobody is there. One that is never read keeps it silent. */
static void hold_time_port(struct lwip_stack *s, size_t size)
{
    enum { ETHERNET = 14, PROTOCOL = ETHERNET + 9, UDP = 17 };
    const unsigned char *f = s->frame;
    size_t udp = ETHERNET + 4u * (size > PROTOCOL ? f[ETHERNET] & 15u : 0);
    if (size < udp + 8 || f[12] != 8 || f[13] != 0 || f[PROTOCOL] != UDP || f[udp + 2] != 0 ||
        f[udp + 3] != LWIP_IANA_PORT_SNTP)
        return;
    uint16_t port = (uint16_t)(f[udp] << 8 | f[udp + 1]);
    if (port == s->time_port)
        return;
    if (s->time_fd >= 0)
        close(s->time_fd);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = lwip_htons(port)};
    int least = 1; /* the kernel makes it its own minimum */
    s->time_port = port;
    s->time_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->time_fd < 0 || bind(s->time_fd, (struct sockaddr *)&at, sizeof at) < 0 ||
        setsockopt(s->time_fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof least) < 0)
        log_warn("port %u of the time client cannot be held: errno %d", port, errno);
}

static err_t output(struct netif *n, struct pbuf *p)
{
    struct lwip_stack *s = n->state;
    uint16_t size = pbuf_copy_partial(p, s->frame, sizeof s->frame, 0);
    if (size != p->tot_len)
        return ERR_BUF;
    hold_time_port(s, size);
    return send(s->o.packet_fd, s->frame, size, MSG_DONTWAIT) == size ? ERR_OK : ERR_IF;
}

/* No request, probe or conflict is under way: what still ticks (ARP's cache, ten times a second
 * conflict detection) has nothing to count, and leases are counted in minutes. */
static bool quiet(const struct lwip_stack *s)
{
    struct dhcp *d = netif_dhcp_data(&s->netif);
    if (s->dhcp && (!d || d->state != DHCP_STATE_BOUND || d->request_timeout))
        return false;
    return !s->checking || (s->acd.state == ACD_STATE_ONGOING && !s->acd.lastconflict);
}

static void arm(struct lwip_stack *s)
{
    uint32_t sleep = sys_timeouts_sleeptime();
    if (quiet(s) && sleep < QUIET_MS)
        sleep = QUIET_MS;
    loop_timer_set(s->o.loop, &s->timer, sleep == SYS_TIMEOUTS_SLEEPTIME_INFINITE ? QUIET_MS : (int64_t)sleep);
}

static void due(void *ctx)
{
    struct lwip_stack *s = ctx;
    sys_check_timeouts();
    arm(s);
}

static void readable(void *ctx, unsigned events)
{
    struct lwip_stack *s = ctx;
    (void)events;
    for (int i = 0; i < FRAMES_A_TURN; i++) {
        ssize_t n = packet_receive(s->o.packet_fd, s->frame, sizeof s->frame);
        if (n <= 0)
            break;
        if ((size_t)n > sizeof s->frame)
            continue;
        struct pbuf *p = pbuf_alloc(PBUF_RAW, (uint16_t)n, PBUF_RAM);
        if (!p)
            continue;
        if (pbuf_take(p, s->frame, (uint16_t)n) != ERR_OK || s->netif.input(p, &s->netif) != ERR_OK)
            pbuf_free(p);
    }
    arm(s); /* an answer may have begun a new wait */
}

static err_t card_init(struct netif *n)
{
    struct lwip_stack *s = n->state;
    n->name[0] = 'k';
    n->name[1] = 'n';
    n->output = etharp_output;
    n->linkoutput = output;
    n->mtu = s->o.mtu;
    n->hwaddr_len = sizeof s->o.mac;
    memcpy(n->hwaddr, s->o.mac, sizeof s->o.mac);
    n->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

/* ---- leases ---- */

static struct net_addr from_ip4(const ip4_addr_t *ip)
{
    struct net_addr a = {.family = ip4_addr_isany_val(*ip) ? 0 : 4};
    memcpy(a.ip, &ip->addr, 4);
    return a;
}

static uint8_t prefix_of(const ip4_addr_t *mask)
{
    uint32_t m = lwip_ntohl(mask->addr);
    return (uint8_t)__builtin_popcount(m);
}

static void put_option(unsigned char *frame, size_t *at, uint8_t code, const void *value, uint8_t n)
{
    frame[(*at)++] = code;
    frame[(*at)++] = n;
    memcpy(frame + *at, value, n);
    *at += n;
}

/* DHCPDECLINE (RFC 2131 section 4.4.4), which lwIP only sends when it delays the use of an address
 * until it was probed. */
static void send_decline(struct lwip_stack *s, const struct dhcp *d, uint32_t ip)
{
    static const unsigned char cookie[] = {0x63, 0x82, 0x53, 0x63}, decline = DHCP_DECLINE;
    unsigned char message[DECLINE_BYTES] = {DHCP_BOOTREQUEST, 1, 6};
    uint32_t server = ip_2_ip4(&d->server_ip_addr)->addr;
    size_t at = 236;
    struct udp_pcb *pcb = udp_new();
    struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, sizeof message, PBUF_RAM);
    crypto_random(message + 4, 4); /* transaction */
    memcpy(message + 28, s->o.mac, sizeof s->o.mac);
    memcpy(message + at, cookie, sizeof cookie);
    at += sizeof cookie;
    put_option(message, &at, DHCP_OPTION_MESSAGE_TYPE, &decline, 1);
    put_option(message, &at, DHCP_OPTION_REQUESTED_IP, &ip, sizeof ip);
    put_option(message, &at, DHCP_OPTION_SERVER_ID, &server, sizeof server);
    message[at] = DHCP_OPTION_END;
    if (pcb && p && pbuf_take(p, message, sizeof message) == ERR_OK) {
        ip_set_option(pcb, SOF_BROADCAST);
        pcb->local_port = LWIP_IANA_PORT_DHCP_CLIENT;
        ip_addr_t any = *IP4_ADDR_ANY;
        if (udp_sendto_if_src(pcb, p, IP_ADDR_BROADCAST, LWIP_IANA_PORT_DHCP_SERVER, &s->netif, &any) != ERR_OK)
            log_warn("the lease could not be declined");
    }
    if (p)
        pbuf_free(p);
    if (pcb)
        udp_remove(pcb);
}

static void start_again(void *ctx)
{
    struct lwip_stack *s = ctx;
    if (dhcp_start(&s->netif) != ERR_OK)
        log_err("DHCP cannot be started again");
    arm(s);
}

/* The address is in use while this runs: only if somebody else answers for it is it given up. */
static void conflict(struct netif *n, acd_callback_enum_t what)
{
    struct lwip_stack *s = n->state;
    struct dhcp *d = netif_dhcp_data(n);
    uint32_t ip = s->acd.ipaddr.addr;
    if (what != ACD_DECLINE) /* fine; or "begin again", which follows a decline */
        return;
    s->has_told = false;
    s->checking = false;
    s->o.events->lost(s->o.ctx, "another machine uses this address");
    if (!s->dhcp)
        return;
    s->declining = true; /* what happens to the address in here is no news */
    if (d && dhcp_supplied_address(n)) {
        send_decline(s, d, ip);
        d->state = DHCP_STATE_INIT; /* and nothing is to be released any more */
    }
    dhcp_stop(n);
    netif_set_addr(n, IP4_ADDR_ANY4, IP4_ADDR_ANY4, IP4_ADDR_ANY4);
    s->declining = false;
    loop_timer_set(s->o.loop, &s->again, AFTER_DECLINE_MS);
}

static void check(struct lwip_stack *s, const ip4_addr_t *ip)
{
    if (s->checking)
        acd_stop(&s->acd);
    else
        s->checking = acd_add(&s->netif, &s->acd, conflict) == ERR_OK;
    if (s->checking && acd_start(&s->netif, &s->acd, *ip) != ERR_OK)
        log_warn("conflict detection cannot be started");
}

static void status_changed(struct netif *n)
{
    struct lwip_stack *s = n->state;
    struct lwip_lease lease = {.addr = from_ip4(netif_ip4_addr(n)), .gateway = from_ip4(netif_ip4_gw(n))};
    if (!s->dhcp || s->declining)
        return;
    if (!lease.addr.family && s->has_told) {
        s->has_told = false;
        if (s->checking)
            acd_stop(&s->acd);
        s->o.events->lost(s->o.ctx, "the lease has ended, and no server renewed it");
    }
    if (!dhcp_supplied_address(n) || !lease.addr.family)
        return;
    lease.prefix_len = prefix_of(netif_ip4_netmask(n));
    for (uint8_t i = 0; i < LWIP_MOST_SERVERS; i++) {
        const ip_addr_t *server = dns_getserver(i);
        if (IP_IS_V4(server) && !ip_addr_isany(server))
            lease.dns[lease.dns_count++] = from_ip4(ip_2_ip4(server));
    }
    if (s->has_told && memcmp(&lease, &s->told, sizeof lease) == 0)
        return;
    bool moved = !s->has_told || !net_addr_same_ip(&lease.addr, &s->told.addr);
    s->told = lease;
    s->has_told = true;
    if (moved)
        check(s, netif_ip4_addr(n));
    s->o.events->leased(s->o.ctx, &lease);
}

/* ---- the whole ---- */

int lwip_stack_new(const struct lwip_options *o, struct lwip_stack **ret_stack)
{
    struct lwip_stack *s = mem_zalloc(sizeof *s);
    if (!s)
        return -E_NOMEM;
    s->o = *o;
    s->time_fd = -1;
    s->began_ms = loop_now_ms(o->loop);
    lwip_init();
    if (!netif_add(&s->netif, IP4_ADDR_ANY4, IP4_ADDR_ANY4, IP4_ADDR_ANY4, s, card_init, ethernet_input)) {
        mem_free(s);
        return -E_NOMEM;
    }
    netif_set_default(&s->netif);
    netif_set_hostname(&s->netif, o->host_name);
    netif_set_status_callback(&s->netif, status_changed);
    loop_fd_init(&s->watch, readable, s);
    loop_timer_init(&s->timer, due, s);
    loop_timer_init(&s->again, start_again, s);
    int rc = loop_fd_add(o->loop, &s->watch, o->packet_fd, POLL_IN);
    if (rc < 0) {
        netif_remove(&s->netif);
        mem_free(s);
        return rc;
    }
    netif_set_up(&s->netif);
    arm(s);
    *ret_stack = s;
    return 0;
}

void lwip_stack_free(struct lwip_stack *s)
{
    if (!s)
        return;
    netif_set_status_callback(&s->netif, NULL); /* what ends in here is no news */
    sntp_stop();
    if (s->dhcp) {
        dhcp_stop(&s->netif);
        dhcp_cleanup(&s->netif);
    }
    if (s->checking)
        acd_remove(&s->netif, &s->acd);
    loop_fd_remove(s->o.loop, &s->watch);
    loop_timer_cancel(s->o.loop, &s->timer);
    loop_timer_cancel(s->o.loop, &s->again);
    netif_remove(&s->netif);
    close(s->o.packet_fd);
    if (s->time_fd >= 0)
        close(s->time_fd);
    mem_free(s);
}

int lwip_dhcp_start(struct lwip_stack *s)
{
    s->dhcp = true;
    err_t e = dhcp_start(&s->netif);
    arm(s);
    return e == ERR_OK ? 0 : -E_NOMEM;
}

static ip4_addr_t to_ip4(const struct net_addr *a)
{
    ip4_addr_t ip = {0};
    if (a->family == 4)
        memcpy(&ip.addr, a->ip, 4);
    return ip;
}

void lwip_static_address(struct lwip_stack *s, const struct net_addr *addr, uint8_t prefix_len,
                         const struct net_addr *gateway)
{
    ip4_addr_t ip = to_ip4(addr), gw = to_ip4(gateway);
    ip4_addr_t mask = {.addr = prefix_len ? lwip_htonl(~0U << (32 - prefix_len)) : 0};
    netif_set_addr(&s->netif, &ip, &mask, &gw);
    if (addr->family == 4)
        check(s, &ip);
    arm(s);
}

void lwip_time_start(struct lwip_stack *s, const struct net_addr *servers, size_t count)
{
    sntp_setoperatingmode(SNTP_OPMODE_POLL);
    sntp_servermode_dhcp(count == 0);
    for (size_t i = 0; i < count && i < SNTP_MAX_SERVERS; i++) {
        ip_addr_t ip = IPADDR4_INIT(0);
        ip4_addr_t four = to_ip4(&servers[i]);
        ip_addr_copy_from_ip4(ip, four);
        sntp_setserver((uint8_t)i, &ip);
    }
    sntp_init();
    arm(s);
}
