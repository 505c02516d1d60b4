/* See netif.h. */
#include "drivers/netif/netif.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "kernel-glue/netlink/netlink.h"
#include "kernel-glue/netlink/route.h"

static int write_sysctl(const char *path, const char *value)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -E_NOT_FOUND;
    ssize_t n = write(fd, value, strlen(value));
    close(fd);
    return n < 0 ? -E_IO : 0;
}

static unsigned ip_bytes(const struct net_addr *a)
{
    return a->family == 6 ? 16 : 4;
}

static struct route_ip whole(const struct net_addr *a)
{
    return (struct route_ip){a->family, a->ip, (uint8_t)(8 * ip_bytes(a))};
}

/* ---- the node ---- */

/* The bridge's own address: the first of the range. */
static struct net_addr gateway_of(const struct net_addr *cidr)
{
    struct net_addr a = *cidr;
    a.ip[ip_bytes(cidr) - 1] |= 1;
    return a;
}

static int forwarding(uint8_t family, struct err *err)
{
    const char *path = family == 6 ? "/proc/sys/net/ipv6/conf/all/forwarding" : "/proc/sys/net/ipv4/ip_forward";
    return write_sysctl(path, "1") < 0 ? err_set(err, E_IO, "%s: cannot be set", path) : 0;
}

/* What makes a router that answers for pods behave: no redirects to the neighbour on the same
 * bridge, no router advertisements from pods (CVE-2020-10749), and no filtering below routing, where
 * a pod that reaches itself through a service would be sent back to the port it came from and
 * dropped. Absent files are other kernels. */
static void bridge_sysctls(void)
{
    static const char *const settings[][2] = {
        {"/proc/sys/net/ipv4/conf/" NETIF_BRIDGE "/send_redirects", "0"},
        {"/proc/sys/net/ipv4/conf/all/send_redirects", "0"},
        {"/proc/sys/net/ipv4/conf/" NETIF_BRIDGE "/rp_filter", "0"},
        {"/proc/sys/net/ipv6/conf/" NETIF_BRIDGE "/accept_ra", "0"},
        {"/proc/sys/net/ipv6/conf/" NETIF_BRIDGE "/accept_dad", "0"},
        {"/proc/sys/net/bridge/bridge-nf-call-iptables", "0"},
        {"/proc/sys/net/bridge/bridge-nf-call-ip6tables", "0"},
        {"/proc/sys/net/bridge/bridge-nf-call-arptables", "0"},
    };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (write_sysctl(settings[i][0], settings[i][1]) < 0)
            continue;
}

int netif_node_setup(const struct net_addr *pod_cidr, unsigned prefix_len, const struct net_addr *dns,
                     struct err *err)
{
    struct net_addr gateway = gateway_of(pod_cidr);
    int fd, bridge, lo, rc = netlink_open(NETLINK_ROUTE_FAMILY, -1, &fd, err);
    if (rc < 0)
        return rc;
    rc = route_bridge_make(fd, NETIF_BRIDGE, err);
    if (rc == 0)
        rc = route_link_index(fd, NETIF_BRIDGE, &bridge, err);
    if (rc == 0) {
        bridge_sysctls();
        rc = route_address_add(fd, bridge, (struct route_ip){gateway.family, gateway.ip, (uint8_t)prefix_len}, false, err);
    }
    if (rc == 0)
        rc = route_link_up(fd, bridge, err);
    if (rc == 0 && dns && dns->family) {
        rc = route_link_index(fd, "lo", &lo, err);
        if (rc == 0)
            rc = route_link_up(fd, lo, err);
        if (rc == 0)
            rc = route_address_add(fd, lo, whole(dns), false, err);
    }
    if (rc == 0)
        rc = forwarding(pod_cidr->family, err);
    close(fd);
    return rc;
}

/* ---- a pod ---- */

void netif_pod_name(const char *uid, char ret_name[NETIF_NAME_BYTES])
{
    uint64_t h = 0xcbf29ce484222325; /* FNV-1a: the same after a restart */
    for (; *uid; uid++)
        h = (h ^ (unsigned char)*uid) * 0x100000001b3;
    snprintf(ret_name, NETIF_NAME_BYTES, "kl%012llx", (unsigned long long)(h & 0xffffffffffff));
}

static int first_address(int fd, int bridge, uint8_t family, struct net_addr *ret_addr)
{
    *ret_addr = (struct net_addr){.family = family};
    return route_address_first(fd, bridge, family, ret_addr->ip, NULL);
}

static int configure_inside(int inside, int eth, const struct net_addr *addrs, size_t count,
                            const struct net_addr *gateways, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = route_address_add(inside, eth, whole(&addrs[i]), true, err);
    if (rc == 0)
        rc = route_link_up(inside, eth, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = route_add(inside, eth, whole(&gateways[i]), (struct route_ip){0}, err);
        if (rc == 0)
            rc = route_add(inside, eth, (struct route_ip){0}, whole(&gateways[i]), err);
    }
    return rc;
}

static int plug(const char *name, int fd, int inside, int namespace_fd, const struct net_addr *addrs, size_t count,
                struct err *err)
{
    struct net_addr gateways[8];
    int bridge, host, eth, rc = route_link_index(fd, NETIF_BRIDGE, &bridge, err);
    if (count > sizeof gateways / sizeof gateways[0])
        return err_set(err, E_LIMIT, "too many addresses");
    for (size_t i = 0; rc == 0 && i < count; i++)
        if (first_address(fd, bridge, addrs[i].family, &gateways[i]) < 0)
            rc = err_set(err, E_UNAVAILABLE, "bridge %s has no IPv%d address yet", NETIF_BRIDGE, addrs[i].family);
    if (rc == 0)
        rc = route_veth_make(fd, name, namespace_fd, "eth0", 0, err);
    if (rc == 0)
        rc = route_link_index(fd, name, &host, err);
    if (rc == 0)
        rc = route_link_master(fd, host, bridge, err);
    if (rc == 0)
        rc = route_link_up(fd, host, err);
    if (rc == 0)
        rc = route_link_index(inside, "eth0", &eth, err);
    if (rc == 0)
        rc = configure_inside(inside, eth, addrs, count, gateways, err);
    return rc;
}

int netif_pod_attach(const char *uid, int namespace_fd, const struct net_addr *addrs, size_t count,
                     struct err *err)
{
    char name[NETIF_NAME_BYTES];
    int fd, inside, lo, rc = netlink_open(NETLINK_ROUTE_FAMILY, -1, &fd, err);
    if (rc < 0)
        return rc;
    netif_pod_name(uid, name);
    rc = netlink_open(NETLINK_ROUTE_FAMILY, namespace_fd, &inside, err);
    if (rc == 0) {
        rc = route_link_index(inside, "lo", &lo, err);
        if (rc == 0)
            rc = route_link_up(inside, lo, err);
        if (rc == 0 && count)
            rc = route_link_delete(fd, name, err);
        if (rc == 0 && count)
            rc = plug(name, fd, inside, namespace_fd, addrs, count, err);
        close(inside);
    }
    close(fd);
    return rc;
}

int netif_pod_detach(const char *uid, struct err *err)
{
    char name[NETIF_NAME_BYTES];
    int fd, rc = netlink_open(NETLINK_ROUTE_FAMILY, -1, &fd, err);
    if (rc < 0)
        return rc;
    netif_pod_name(uid, name);
    rc = route_link_delete(fd, name, err);
    close(fd);
    return rc;
}
