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
#include <lwip/timeouts.h>
#include <netif/ethernet.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "port/crypto.h"

enum { FRAME_MOST = 9216, FRAMES_A_TURN = 64 };

struct lwip_stack {
    struct lwip_options o;
    struct netif netif;
    struct acd acd;
    struct loop_fd watch;
    struct loop_timer timer;
    struct lwip_lease told;
    bool has_told, dhcp, checking;
    unsigned char frame[FRAME_MOST];
};

/* ---- what lwIP asks of its platform ---- */

uint32_t sys_now(void);
uint32_t sys_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint32_t)((uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000);
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

static err_t output(struct netif *n, struct pbuf *p)
{
    struct lwip_stack *s = n->state;
    uint16_t size = pbuf_copy_partial(p, s->frame, sizeof s->frame, 0);
    if (size != p->tot_len)
        return ERR_BUF;
    return send(s->o.packet_fd, s->frame, size, MSG_DONTWAIT) == size ? ERR_OK : ERR_IF;
}

static void arm(struct lwip_stack *s)
{
    uint32_t sleep = sys_timeouts_sleeptime();
    loop_timer_set(s->o.loop, &s->timer, sleep == SYS_TIMEOUTS_SLEEPTIME_INFINITE ? 1000 : (int64_t)sleep);
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
        ssize_t n = recv(s->o.packet_fd, s->frame, sizeof s->frame, MSG_DONTWAIT | MSG_TRUNC);
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

/* The address is in use while this runs: only if somebody else answers for it is it given up. */
static void conflict(struct netif *n, acd_callback_enum_t what)
{
    struct lwip_stack *s = n->state;
    if (what == ACD_IP_OK)
        return;
    s->has_told = false;
    s->checking = false;
    s->o.events->lost(s->o.ctx, "another machine uses the leased address");
    if (s->dhcp) {
        dhcp_release_and_stop(n);
        if (dhcp_start(n) != ERR_OK)
            log_err("DHCP cannot be started again");
    }
}

static void status_changed(struct netif *n)
{
    struct lwip_stack *s = n->state;
    struct lwip_lease lease = {.addr = from_ip4(netif_ip4_addr(n)), .gateway = from_ip4(netif_ip4_gw(n))};
    if (!s->dhcp || !dhcp_supplied_address(n) || !lease.addr.family)
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
    if (moved && !s->checking) {
        s->checking = acd_add(n, &s->acd, conflict) == ERR_OK;
        if (s->checking && acd_start(n, &s->acd, *netif_ip4_addr(n)) != ERR_OK)
            log_warn("conflict detection cannot be started");
    }
    s->o.events->leased(s->o.ctx, &lease);
}

/* ---- the whole ---- */

int lwip_stack_new(const struct lwip_options *o, struct lwip_stack **ret_stack)
{
    struct lwip_stack *s = mem_zalloc(sizeof *s);
    if (!s)
        return -E_NOMEM;
    s->o = *o;
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
    sntp_stop();
    if (s->dhcp)
        dhcp_stop(&s->netif);
    if (s->checking)
        acd_remove(&s->netif, &s->acd);
    loop_fd_remove(s->o.loop, &s->watch);
    loop_timer_cancel(s->o.loop, &s->timer);
    netif_set_status_callback(&s->netif, NULL);
    netif_remove(&s->netif);
    close(s->o.packet_fd);
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
