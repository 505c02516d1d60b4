/* See conntrack.h. */
#include "kernel-glue/netlink/conntrack.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "kernel-glue/netlink/netlink.h"

enum { REQUEST_BYTES = 4096 };

struct walk {
    uint8_t family;
    int (*fn)(void *ctx, const struct conntrack_flow *f);
    void *ctx;
};

static uint16_t port_of(struct str v)
{
    return v.n == 2 ? (uint16_t)((unsigned char)v.p[0] << 8 | (unsigned char)v.p[1]) : 0;
}

/* One direction: addresses and ports. */
static void read_tuple(struct str tuple, uint8_t *from, uint8_t *to, uint16_t *from_port, uint16_t *to_port,
                       uint8_t *protocol)
{
    struct str part, value;
    uint16_t type, inner;
    while (netlink_next_attribute(&tuple, &type, &part))
        while (netlink_next_attribute(&part, &inner, &value)) {
            bool ip = type == CTA_TUPLE_IP;
            if (ip && (inner == CTA_IP_V4_SRC || inner == CTA_IP_V6_SRC) && from && value.n <= 16)
                memcpy(from, value.p, value.n);
            else if (ip && (inner == CTA_IP_V4_DST || inner == CTA_IP_V6_DST) && to && value.n <= 16)
                memcpy(to, value.p, value.n);
            else if (!ip && inner == CTA_PROTO_SRC_PORT && from_port)
                *from_port = port_of(value);
            else if (!ip && inner == CTA_PROTO_DST_PORT && to_port)
                *to_port = port_of(value);
            else if (!ip && inner == CTA_PROTO_NUM && protocol && value.n == 1)
                *protocol = (uint8_t)value.p[0];
        }
}

static int one(void *ctx, uint16_t message, struct str payload)
{
    struct walk *w = ctx;
    struct conntrack_flow f = {.family = w->family};
    struct str rest, value;
    uint16_t type;
    (void)message;
    if (payload.n < sizeof(struct nfgenmsg))
        return 0;
    rest = str_make(payload.p + sizeof(struct nfgenmsg), payload.n - sizeof(struct nfgenmsg));
    while (netlink_next_attribute(&rest, &type, &value)) {
        if (type == CTA_TUPLE_ORIG) {
            read_tuple(value, NULL, f.to, NULL, &f.to_port, &f.protocol);
            f.original = value;
        } else if (type == CTA_TUPLE_REPLY)
            read_tuple(value, f.answers_from, NULL, &f.answers_port, NULL, NULL);
    }
    return w->fn(w->ctx, &f);
}

static size_t begin(struct buf *out, uint16_t type, uint16_t flags, uint8_t family)
{
    struct nfgenmsg g = {.nfgen_family = family == 6 ? AF_INET6 : AF_INET, .version = NFNETLINK_V0};
    buf_init(out, REQUEST_BYTES);
    return netlink_begin(out, (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type), NLM_F_REQUEST | flags, 1, &g, sizeof g);
}

int conntrack_each(int fd, uint8_t family, int (*fn)(void *ctx, const struct conntrack_flow *f), void *ctx,
                   struct err *err)
{
    struct walk w = {family, fn, ctx};
    struct buf out;
    netlink_end(&out, begin(&out, IPCTNL_MSG_CT_GET, NLM_F_DUMP, family));
    errno = 0;
    int rc = netlink_dump(fd, &out, one, &w, err);
    int why = errno;
    buf_done(&out);
    return rc < 0 && (why == EINVAL || why == EOPNOTSUPP) ? -E_UNSUPPORTED : rc;
}

int conntrack_forget(int fd, const struct conntrack_flow *f, struct err *err)
{
    struct buf out;
    size_t at = begin(&out, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, f->family);
    netlink_put(&out, CTA_TUPLE_ORIG | NLA_F_NESTED, f->original.p, f->original.n);
    netlink_end(&out, at);
    int rc = netlink_call(fd, &out, 1, err);
    buf_done(&out);
    return rc == -E_NOT_FOUND ? 0 : rc;
}
