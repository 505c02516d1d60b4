/* Host names to addresses: literal, from the list of hosts, or asked of the resolvers by UDP. */
#include "base/limits.h"
#include "port/crypto.h"
#include "pull/io.h"
#include "wire/dns.h"

enum { TRIES = 2 };

struct question {
    struct pull_io *io;
    struct loop_fd in;
    struct net_addr resolver;
    struct str query;
    struct net_addr addr;
    int rc; /* 1: still waiting */
};

static void answer_in(void *ctx, unsigned events)
{
    struct question *q = ctx;
    char p[LIMIT_DNS_MESSAGE];
    struct net_addr from;
    struct dns_summary summary;
    (void)events;
    ssize_t n = q->io->net.ops->recv_from(q->io->net.ctx, q->in.fd, p, sizeof p, &from);
    if (n < 0) {
        q->rc = n == -E_AGAIN ? q->rc : (int)n;
        return;
    }
    struct str answer = str_make(p, (size_t)n);
    if (!net_addr_same_ip(&from, &q->resolver) || from.port != q->resolver.port ||
        !dns_answers(answer, q->query) || dns_summary(answer, &summary) < 0)
        return; /* not from whom we asked, or not about it: keep waiting */
    q->rc = dns_first_addr(answer, &q->addr);
    if (q->rc < 0)
        q->rc = summary.rcode == DNS_NOERROR || summary.rcode == DNS_NXDOMAIN ? -E_NOT_FOUND : -E_UNAVAILABLE;
}

static int ask(struct pull_io *io, const struct net_addr *resolver, const char *host, enum dns_type type,
               struct net_addr *ret_addr)
{
    struct buf query CLEANUP_BUF;
    struct net_addr any = {.family = resolver->family};
    struct question q = {.io = io, .resolver = *resolver, .rc = 1};
    uint16_t id;
    int fd;
    buf_init(&query, DNS_UDP_PLAIN);
    crypto_random(&id, sizeof id);
    int rc = dns_query_write(&query, id, host, (uint16_t)type);
    if (rc == 0)
        rc = io->net.ops->udp_open(io->net.ctx, &any, &fd);
    if (rc < 0)
        return rc;
    q.query = buf_str(&query);
    loop_fd_init(&q.in, answer_in, &q);
    rc = loop_fd_add(io->loop, &q.in, fd, POLL_IN);
    if (rc == 0 && io->net.ops->send_to(io->net.ctx, fd, q.query.p, q.query.n, resolver) < 0)
        rc = -E_UNAVAILABLE;
    int64_t until = loop_now_ms(io->loop) + PULL_DNS_MS;
    while (rc == 0 && q.rc == 1 && loop_now_ms(io->loop) < until)
        rc = loop_turn(io->loop, (int)(until - loop_now_ms(io->loop)));
    loop_fd_remove(io->loop, &q.in);
    io->net.ops->close(io->net.ctx, fd);
    if (rc == 0)
        rc = q.rc == 1 ? -E_TIMEOUT : q.rc;
    if (rc == 0)
        *ret_addr = q.addr;
    return rc;
}

/* Both kinds of addresses, from the first resolver that knows. */
static int ask_all(struct pull_io *io, const char *host, struct net_addr ret_addrs[PULL_ADDRS],
                   size_t *ret_count, struct err *err)
{
    int rc = -E_UNAVAILABLE;
    for (unsigned i = 0; i < TRIES * io->resolver_count; i++) {
        const struct net_addr *resolver = &io->resolvers[i % io->resolver_count];
        struct net_addr a;
        size_t n = 0;
        rc = ask(io, resolver, host, DNS_A, &a);
        if (rc == 0)
            ret_addrs[n++] = a;
        if ((rc == 0 || rc == -E_NOT_FOUND) && ask(io, resolver, host, DNS_AAAA, &a) == 0)
            ret_addrs[n++] = a;
        if (n) {
            *ret_count = n;
            return 0;
        }
        if (rc == -E_NOT_FOUND)
            break;
    }
    if (!io->resolver_count)
        return err_set(err, E_UNAVAILABLE, "cannot resolve %s: no resolver is configured", host);
    return err_set(err, -rc, "cannot resolve %s: %s", host, rc == -E_NOT_FOUND ? "no such host" : err_text(rc));
}

int pull_resolve(struct pull_io *io, const char *host, uint16_t port, struct net_addr ret_addrs[PULL_ADDRS],
                 size_t *ret_count, struct err *err)
{
    size_t n = 0;
    if (net_addr_parse(str_of(host), false, &ret_addrs[0]) == 0) {
        n = 1;
    } else {
        for (size_t i = 0; i < io->host_count && n < PULL_ADDRS; i++)
            if (str_eq_nocase(str_of(io->hosts[i].name), str_of(host)))
                ret_addrs[n++] = io->hosts[i].addr;
        if (!n && str_eq_nocase(str_of(host), STR("localhost")))
            n = net_addr_parse(STR("127.0.0.1"), false, &ret_addrs[0]) == 0;
    }
    if (!n) {
        int rc = ask_all(io, host, ret_addrs, &n, err);
        if (rc < 0)
            return rc;
    }
    for (size_t i = 0; i < n; i++)
        ret_addrs[i].port = port;
    *ret_count = n;
    return 0;
}
