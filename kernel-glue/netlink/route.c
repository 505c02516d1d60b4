/* See route.h. */
#include "kernel-glue/netlink/route.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel-glue/netlink/netlink.h"

enum { REQUEST_BYTES = 4096, LINK_UP = 1 /* IFF_UP */ };
enum { ACK = NLM_F_REQUEST | NLM_F_ACK, MAKE = ACK | NLM_F_CREATE | NLM_F_EXCL };

static int call(int fd, struct buf *out, size_t at, struct err *err)
{
    netlink_end(out, at);
    int rc = netlink_call(fd, out, 1, err);
    int keep = errno;
    buf_done(out);
    errno = keep;
    return rc;
}

struct found {
    int index;
};

static int take_index(void *ctx, uint16_t type, struct str payload)
{
    struct ifinfomsg info;
    if (type == RTM_NEWLINK && payload.n >= sizeof info) {
        memcpy(&info, payload.p, sizeof info);
        ((struct found *)ctx)->index = info.ifi_index;
    }
    return -E_EOF; /* the one answer is there */
}

int route_link_index(int fd, const char *name, int *ret_index, struct err *err)
{
    struct buf out;
    struct ifinfomsg info = {0};
    struct found f = {0};
    buf_init(&out, REQUEST_BYTES);
    size_t at = netlink_begin(&out, RTM_GETLINK, NLM_F_REQUEST, 1, &info, sizeof info);
    netlink_put_cstr(&out, IFLA_IFNAME, name);
    netlink_end(&out, at);
    int rc = netlink_dump(fd, &out, take_index, &f, err);
    buf_done(&out);
    if (f.index) {
        *ret_index = f.index;
        return 0;
    }
    return errno == ENODEV ? err_set(err, E_NOT_FOUND, "link %s: not found", name) : err_wrap(err, rc, "link %s", name);
}

int route_bridge_make(int fd, const char *name, struct err *err)
{
    struct buf out;
    struct ifinfomsg info = {0};
    buf_init(&out, REQUEST_BYTES);
    size_t at = netlink_begin(&out, RTM_NEWLINK, MAKE, 1, &info, sizeof info);
    netlink_put_cstr(&out, IFLA_IFNAME, name);
    size_t nest = netlink_nest(&out, IFLA_LINKINFO);
    netlink_put_cstr(&out, IFLA_INFO_KIND, "bridge");
    netlink_nest_end(&out, nest);
    int rc = call(fd, &out, at, err);
    return rc < 0 && errno != EEXIST ? err_wrap(err, rc, "bridge %s", name) : 0;
}

int route_veth_make(int fd, const char *name, int peer_namespace, const char *peer_name, uint32_t mtu,
                    struct err *err)
{
    struct buf out;
    struct ifinfomsg info = {0};
    buf_init(&out, REQUEST_BYTES);
    size_t at = netlink_begin(&out, RTM_NEWLINK, MAKE, 1, &info, sizeof info);
    netlink_put_cstr(&out, IFLA_IFNAME, name);
    if (mtu)
        netlink_put_u32(&out, IFLA_MTU, mtu);
    size_t link = netlink_nest(&out, IFLA_LINKINFO);
    netlink_put_cstr(&out, IFLA_INFO_KIND, "veth");
    size_t data = netlink_nest(&out, IFLA_INFO_DATA), peer = netlink_nest(&out, VETH_INFO_PEER);
    buf_append(&out, &info, sizeof info);
    netlink_put_cstr(&out, IFLA_IFNAME, peer_name);
    netlink_put_u32(&out, IFLA_NET_NS_FD, (uint32_t)peer_namespace);
    if (mtu)
        netlink_put_u32(&out, IFLA_MTU, mtu);
    netlink_nest_end(&out, peer);
    netlink_nest_end(&out, data);
    netlink_nest_end(&out, link);
    int rc = call(fd, &out, at, err);
    return rc < 0 ? err_wrap(err, rc, "veth %s", name) : 0;
}

int route_link_up(int fd, int index, struct err *err)
{
    struct buf out;
    struct ifinfomsg info = {.ifi_index = index, .ifi_flags = LINK_UP, .ifi_change = LINK_UP};
    buf_init(&out, REQUEST_BYTES);
    size_t at = netlink_begin(&out, RTM_NEWLINK, ACK, 1, &info, sizeof info);
    int rc = call(fd, &out, at, err);
    return rc < 0 ? err_wrap(err, rc, "link %d up", index) : 0;
}

int route_link_master(int fd, int index, int master, struct err *err)
{
    struct buf out;
    struct ifinfomsg info = {.ifi_index = index};
    buf_init(&out, REQUEST_BYTES);
    size_t at = netlink_begin(&out, RTM_NEWLINK, ACK, 1, &info, sizeof info);
    netlink_put_u32(&out, IFLA_MASTER, (uint32_t)master);
    int rc = call(fd, &out, at, err);
    return rc < 0 ? err_wrap(err, rc, "link %d into bridge", index) : 0;
}

int route_link_delete(int fd, const char *name, struct err *err)
{
    struct buf out;
    struct ifinfomsg info = {0};
    buf_init(&out, REQUEST_BYTES);
    size_t at = netlink_begin(&out, RTM_DELLINK, ACK, 1, &info, sizeof info);
    netlink_put_cstr(&out, IFLA_IFNAME, name);
    int rc = call(fd, &out, at, err);
    return rc < 0 && errno != ENODEV ? err_wrap(err, rc, "delete link %s", name) : 0;
}

int route_address_add(int fd, int index, struct route_ip ip, bool no_prefix_route, struct err *err)
{
    struct buf out;
    struct ifaddrmsg info = {.ifa_family = ip.family == 6 ? AF_INET6 : AF_INET, .ifa_prefixlen = ip.prefix,
                             .ifa_index = (unsigned)index};
    size_t n = ip.family == 6 ? 16 : 4;
    uint32_t flags = (no_prefix_route ? IFA_F_NOPREFIXROUTE : 0) | (ip.family == 6 ? IFA_F_NODAD : 0);
    buf_init(&out, REQUEST_BYTES);
    size_t at = netlink_begin(&out, RTM_NEWADDR, ACK | NLM_F_CREATE | NLM_F_REPLACE, 1, &info, sizeof info);
    netlink_put(&out, IFA_LOCAL, ip.ip, n);
    netlink_put(&out, IFA_ADDRESS, ip.ip, n);
    netlink_put_u32(&out, IFA_FLAGS, flags);
    int rc = call(fd, &out, at, err);
    return rc < 0 && errno != EEXIST ? err_wrap(err, rc, "address on link %d", index) : 0;
}

int route_add(int fd, int index, struct route_ip to, struct route_ip gateway, struct err *err)
{
    struct buf out;
    uint8_t family = to.ip ? to.family : gateway.family;
    struct rtmsg info = {.rtm_family = family == 6 ? AF_INET6 : AF_INET,
                         .rtm_dst_len = to.ip ? to.prefix : 0,
                         .rtm_table = RT_TABLE_MAIN,
                         .rtm_protocol = RTPROT_STATIC,
                         .rtm_scope = gateway.family ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
                         .rtm_type = RTN_UNICAST};
    size_t n = family == 6 ? 16 : 4;
    buf_init(&out, REQUEST_BYTES);
    size_t at = netlink_begin(&out, RTM_NEWROUTE, ACK | NLM_F_CREATE | NLM_F_REPLACE, 1, &info, sizeof info);
    if (to.ip)
        netlink_put(&out, RTA_DST, to.ip, n);
    if (gateway.family)
        netlink_put(&out, RTA_GATEWAY, gateway.ip, n);
    netlink_put_u32(&out, RTA_OIF, (uint32_t)index);
    int rc = call(fd, &out, at, err);
    return rc < 0 ? err_wrap(err, rc, "route on link %d", index) : 0;
}

struct address_search {
    int index;
    size_t bytes;
    uint8_t *ip;
    bool found;
};

static int take_address(void *ctx, uint16_t type, struct str payload)
{
    struct address_search *s = ctx;
    struct ifaddrmsg info;
    struct str attributes, value;
    if (type != RTM_NEWADDR || payload.n < sizeof info)
        return 0;
    memcpy(&info, payload.p, sizeof info);
    if (s->found || (int)info.ifa_index != s->index || info.ifa_scope != RT_SCOPE_UNIVERSE)
        return 0;
    attributes = str_make(payload.p + sizeof info, payload.n - sizeof info);
    while (netlink_next_attribute(&attributes, &type, &value))
        if (type == IFA_ADDRESS && value.n == s->bytes) {
            memcpy(s->ip, value.p, value.n);
            s->found = true;
        }
    return 0;
}

int route_address_first(int fd, int index, uint8_t family, uint8_t *ret_ip, struct err *err)
{
    struct buf out;
    struct ifaddrmsg info = {.ifa_family = family == 6 ? AF_INET6 : AF_INET};
    struct address_search s = {.index = index, .bytes = family == 6 ? 16 : 4, .ip = ret_ip};
    buf_init(&out, REQUEST_BYTES);
    size_t at = netlink_begin(&out, RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, 1, &info, sizeof info);
    netlink_end(&out, at);
    int rc = netlink_dump(fd, &out, take_address, &s, err);
    buf_done(&out);
    if (rc < 0 || s.found)
        return rc;
    return err_set(err, E_NOT_FOUND, "link %d has no address", index);
}

enum { OTHERS_MOST = 16 };

struct address_others {
    int index;
    const struct route_ip *keep;
    size_t keep_count, count;
    struct {
        uint8_t ip[4], prefix;
    } found[OTHERS_MOST];
};

static int take_other(void *ctx, uint16_t type, struct str payload)
{
    struct address_others *o = ctx;
    struct ifaddrmsg info;
    struct str attributes, value;
    if (type != RTM_NEWADDR || payload.n < sizeof info)
        return 0;
    memcpy(&info, payload.p, sizeof info);
    if ((int)info.ifa_index != o->index || info.ifa_scope != RT_SCOPE_UNIVERSE || o->count == OTHERS_MOST)
        return 0;
    attributes = str_make(payload.p + sizeof info, payload.n - sizeof info);
    while (netlink_next_attribute(&attributes, &type, &value)) {
        bool kept = false;
        if (type != IFA_LOCAL || value.n != 4)
            continue;
        for (size_t i = 0; i < o->keep_count; i++)
            kept = kept || (o->keep[i].family == 4 && o->keep[i].prefix == info.ifa_prefixlen &&
                            memcmp(o->keep[i].ip, value.p, 4) == 0);
        if (kept)
            continue;
        memcpy(o->found[o->count].ip, value.p, 4);
        o->found[o->count++].prefix = info.ifa_prefixlen;
    }
    return 0;
}

int route_address_keep(int fd, int index, const struct route_ip *keep, size_t count, struct err *err)
{
    struct buf out;
    struct ifaddrmsg info = {.ifa_family = AF_INET};
    struct address_others o = {.index = index, .keep = keep, .keep_count = count};
    buf_init(&out, REQUEST_BYTES);
    size_t at = netlink_begin(&out, RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, 1, &info, sizeof info);
    netlink_end(&out, at);
    int rc = netlink_dump(fd, &out, take_other, &o, err);
    buf_done(&out);
    for (size_t i = 0; i < o.count && rc >= 0; i++) {
        info = (struct ifaddrmsg){
            .ifa_family = AF_INET, .ifa_prefixlen = o.found[i].prefix, .ifa_index = (unsigned)index};
        buf_init(&out, REQUEST_BYTES);
        at = netlink_begin(&out, RTM_DELADDR, ACK, 1, &info, sizeof info);
        netlink_put(&out, IFA_LOCAL, o.found[i].ip, 4);
        rc = call(fd, &out, at, err);
        if (rc < 0 && errno == EADDRNOTAVAIL)
            rc = 0;
    }
    return rc < 0 ? err_wrap(err, rc, "old addresses on link %d", index) : 0;
}
