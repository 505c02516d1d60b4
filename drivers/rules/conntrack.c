/* See conntrack.h. */
#include "drivers/rules/conntrack.h"

#include <unistd.h>

#include "base/mem.h"
#include "kernel-glue/netlink/conntrack.h"
#include "kernel-glue/netlink/netlink.h"

enum { BATCH = 256 };

struct stale {
    struct conntrack_flow flows[BATCH];
    char original[BATCH][128]; /* the kernel's bytes, kept past the dump */
    size_t count;
    const struct rules_table *t;
};

static bool serves(const struct rules_service *s, const struct conntrack_flow *f)
{
    for (size_t i = 0; i < s->backend_count; i++)
        if (s->backends[i].port == f->answers_port &&
            memcmp(s->backends[i].ip, f->answers_from, f->family == 6 ? 16 : 4) == 0)
            return true;
    return false;
}

/* A node port is recognised by its flow having been redirected: the answer comes from elsewhere. */
static bool addressed(const struct rules_service *s, const struct conntrack_flow *f)
{
    size_t n = f->family == 6 ? 16 : 4;
    if (s->protocol != RULES_UDP || s->vip.port != f->to_port)
        return false;
    if (s->node_port)
        return memcmp(f->to, f->answers_from, n) != 0;
    return s->vip.family == f->family && memcmp(s->vip.ip, f->to, n) == 0;
}

static int collect(void *ctx, const struct conntrack_flow *f)
{
    struct stale *s = ctx;
    if (f->protocol != RULES_UDP || s->count == BATCH || f->original.n > sizeof s->original[0])
        return 0;
    for (size_t i = 0; i < s->t->service_count; i++) {
        if (!addressed(&s->t->services[i], f) || serves(&s->t->services[i], f))
            continue;
        memcpy(s->original[s->count], f->original.p, f->original.n);
        s->flows[s->count] = *f;
        s->flows[s->count].original.p = s->original[s->count];
        s->count++;
        break;
    }
    return 0;
}

static bool any_udp(const struct rules_table *t)
{
    for (size_t i = 0; i < t->service_count; i++)
        if (t->services[i].protocol == RULES_UDP)
            return true;
    return false;
}

static int flush_family(int fd, uint8_t family, struct stale *s, struct err *err)
{
    int rc;
    do { /* as long as there are more than fit at once */
        s->count = 0;
        rc = conntrack_each(fd, family, collect, s, err);
        for (size_t i = 0; i < s->count && rc == 0; i++)
            rc = conntrack_forget(fd, &s->flows[i], err);
    } while (rc == 0 && s->count == BATCH);
    return rc == -E_UNSUPPORTED ? 0 : rc;
}

int conntrack_flush_stale(const struct rules_table *t, struct err *err)
{
    struct stale *s;
    int fd, rc;
    if (!any_udp(t))
        return 0;
    if (!(s = mem_zalloc(sizeof *s)))
        return err_set(err, E_NOMEM, "out of memory");
    s->t = t;
    if ((rc = netlink_open(NETLINK_NETFILTER_FAMILY, -1, &fd, err)) == 0) {
        rc = flush_family(fd, 4, s, err);
        if (rc == 0)
            rc = flush_family(fd, 6, s, err);
        close(fd);
    }
    mem_free(s);
    return rc;
}
