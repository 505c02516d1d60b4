/*
 * One table a family:
 *
 *   prerouting, output (nat)   -> dispatch: (address, protocol, port) -> svc-N; to an address of the
 *                                 node: (protocol, port) -> svc-N
 *   svc-N                      mark for masquerading, choose n below the number of backends (by
 *                              chance, or by the client's address), (N, n) -> backend, dnat
 *   postrouting (nat)          masquerade: what is marked; pods that reach themselves through a
 *                              service; pods' traffic to elsewhere
 *   input, forward, output     (address, protocol, port) without backends -> refuse
 */
#include "drivers/rules/rules.h"

#include <stdio.h>

#include "drivers/rules/conntrack.h"
#include "kernel-glue/netlink/nft.h"

enum { KEY_MAX = 24, MARK = 0x4000, LOCAL = 2 /* RTN_LOCAL */, NAME = 16 };
/* What lists show the keys as: nftables' own numbers of types, six bits each when concatenated. */
enum { TYPE_IPV4 = 7, TYPE_IPV6 = 8, TYPE_PROTO = 12, TYPE_SERVICE = 13, TYPE_MARK = 19 };
enum { REG_KEY = 0, REG_CHOICE = 8, REG_NAT = 0 };

struct family {
    uint8_t number;       /* 4, 6 */
    uint32_t n;           /* bytes of an address */
    uint32_t source, destination; /* offsets in the header */
    uint32_t type;
};

static const struct family families[] = {{4, 4, 12, 16, TYPE_IPV4}, {6, 16, 8, 24, TYPE_IPV6}};

static uint32_t concatenated(uint32_t a, uint32_t b)
{
    return a << 6 | b;
}

/* (address,) protocol, port: each part begins at a multiple of four bytes. */
static size_t key_of(const struct family *f, const struct rules_service *s, bool with_address, uint8_t key[KEY_MAX])
{
    size_t at = 0;
    memset(key, 0, KEY_MAX);
    if (with_address) {
        memcpy(key, s->vip.ip, f->n);
        at = f->n;
    }
    key[at] = (uint8_t)s->protocol;
    key[at + 4] = (uint8_t)(s->vip.port >> 8);
    key[at + 5] = (uint8_t)s->vip.port;
    return at + 8;
}

static void load_key(struct nft *n, const struct family *f, bool with_address)
{
    int at = REG_KEY;
    if (with_address) {
        nft_load_network(n, at, f->destination, f->n);
        at += (int)f->n / 4;
    }
    nft_load_l4proto(n, at);
    nft_load_transport(n, at + 1, 2, 2);
}

static bool of_family(const struct family *f, const struct rules_service *s)
{
    if (!s->node_port)
        return s->vip.family == f->number;
    /* A node port serves the family of its backends. */
    return s->backend_count ? s->backends[0].family == f->number : f->number == 4;
}

/* ---- sets and chains ---- */

static void put_frame(struct nft *n, const struct family *f)
{
    uint32_t port = concatenated(TYPE_PROTO, TYPE_SERVICE);
    uint32_t whole = concatenated(concatenated(f->type, TYPE_PROTO), TYPE_SERVICE);
    nft_set(n, "services", whole, f->n + 8, 0, -1);
    nft_set(n, "nodeports", port, 8, 0, -1);
    nft_set(n, "refused", whole, f->n + 8, 0, -1);
    nft_set(n, "refused-ports", port, 8, 0, -1);
    nft_set(n, "backends", concatenated(TYPE_MARK, TYPE_MARK), 8, concatenated(f->type, TYPE_SERVICE), (int)f->n + 4);
    nft_set(n, "hairpin", concatenated(f->type, f->type), 2 * f->n, 0, 0);
    nft_chain(n, "dispatch");
    nft_chain(n, "check");
    nft_chain(n, "refuse");
    nft_base_chain(n, "prerouting", "nat", NFT_HOOK_PREROUTING, -100);
    nft_base_chain(n, "output", "nat", NFT_HOOK_OUTPUT, -100);
    nft_base_chain(n, "postrouting", "nat", NFT_HOOK_POSTROUTING, 100);
    nft_base_chain(n, "filter-input", "filter", NFT_HOOK_INPUT, 0);
    nft_base_chain(n, "filter-forward", "filter", NFT_HOOK_FORWARD, 0);
    nft_base_chain(n, "filter-output", "filter", NFT_HOOK_OUTPUT, 0);
}

static void lookup_rule(struct nft *n, const struct family *f, const char *chain, const char *whole, const char *ports)
{
    uint32_t local = LOCAL;
    nft_rule(n, chain);
    load_key(n, f, true);
    nft_lookup(n, whole, REG_KEY, NFT_VERDICT);
    nft_rule_end(n);
    nft_rule(n, chain);
    nft_load_address_type(n, REG_KEY);
    nft_compare(n, REG_KEY, true, &local, sizeof local);
    load_key(n, f, false);
    nft_lookup(n, ports, REG_KEY, NFT_VERDICT);
    nft_rule_end(n);
}

static void jump_rule(struct nft *n, const char *from, const char *to)
{
    nft_rule(n, from);
    nft_jump(n, to);
    nft_rule_end(n);
}

static void put_dispatch(struct nft *n, const struct family *f)
{
    static const uint8_t tcp = RULES_TCP;
    static const char *const filters[] = {"filter-input", "filter-forward", "filter-output"};
    jump_rule(n, "prerouting", "dispatch");
    jump_rule(n, "output", "dispatch");
    lookup_rule(n, f, "dispatch", "services", "nodeports");
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++)
        jump_rule(n, filters[i], "check");
    lookup_rule(n, f, "check", "refused", "refused-ports");
    nft_rule(n, "refuse");
    nft_load_l4proto(n, REG_KEY);
    nft_compare(n, REG_KEY, true, &tcp, 1);
    nft_reject(n, true);
    nft_rule_end(n);
    nft_rule(n, "refuse");
    nft_reject(n, false);
    nft_rule_end(n);
}

/* ---- masquerading ---- */

static void prefix_mask(unsigned len, uint8_t mask[16])
{
    for (unsigned i = 0; i < 16; i++)
        mask[i] = (uint8_t)(len >= 8 * (i + 1) ? 0xff : len > 8 * i ? 0xff00 >> (len - 8 * i) : 0);
}

static void compare_prefix(struct nft *n, const struct family *f, uint32_t offset, const struct rules_table *t, bool inside)
{
    static const uint8_t none[16];
    uint8_t mask[16], net[16];
    prefix_mask(t->pod_prefix_len, mask);
    for (size_t i = 0; i < 16; i++)
        net[i] = t->pod_cidr.ip[i] & mask[i];
    nft_load_network(n, REG_KEY, offset, f->n);
    nft_mask(n, REG_KEY, mask, none, f->n);
    nft_compare(n, REG_KEY, inside, net, f->n);
}

static void put_postrouting(struct nft *n, const struct family *f, const struct rules_table *t)
{
    static const uint32_t mark = MARK, none = 0;
    static const uint8_t multicast_mask[4] = {0xf0}, multicast[4] = {0xe0}, zero[4] = {0};
    nft_rule(n, "postrouting");
    nft_load_mark(n, REG_KEY);
    nft_mask(n, REG_KEY, &mark, &none, sizeof mark);
    nft_compare(n, REG_KEY, false, &none, sizeof none);
    nft_masquerade(n);
    nft_rule_end(n);
    nft_rule(n, "postrouting");
    nft_load_network(n, REG_KEY, f->source, f->n);
    nft_load_network(n, REG_KEY + (int)f->n / 4, f->destination, f->n);
    nft_lookup(n, "hairpin", REG_KEY, -2);
    nft_masquerade(n);
    nft_rule_end(n);
    if (t->pod_cidr.family != f->number)
        return;
    nft_rule(n, "postrouting");
    compare_prefix(n, f, f->source, t, true);
    compare_prefix(n, f, f->destination, t, false);
    if (f->number == 4) {
        nft_load_network(n, REG_KEY, f->destination, 4);
        nft_mask(n, REG_KEY, multicast_mask, zero, 4);
        nft_compare(n, REG_KEY, false, multicast, 4);
    }
    nft_masquerade(n);
    nft_rule_end(n);
}

/* ---- services ---- */

static void put_mark(struct nft *n, const char *chain)
{
    static const uint32_t keep = ~(uint32_t)MARK, set = MARK;
    nft_rule(n, chain);
    nft_load_mark(n, REG_KEY);
    nft_mask(n, REG_KEY, &keep, &set, sizeof keep);
    nft_set_mark(n, REG_KEY);
    nft_rule_end(n);
}

static void put_choice(struct nft *n, const struct family *f, const char *chain, uint32_t number,
                       const struct rules_service *s)
{
    nft_rule(n, chain);
    if (s->affinity_s && s->backend_count > 1) {
        nft_load_network(n, REG_KEY, f->source, f->n);
        nft_hash(n, REG_CHOICE + 1, REG_KEY, f->n, (uint32_t)s->backend_count);
    } else
        nft_random(n, REG_CHOICE + 1, (uint32_t)s->backend_count);
    nft_constant(n, REG_CHOICE, &number, sizeof number);
    nft_lookup(n, "backends", REG_CHOICE, REG_NAT);
    nft_dnat(n, REG_NAT, REG_NAT + (int)f->n / 4);
    nft_rule_end(n);
}

static void put_backends(struct nft *n, const struct family *f, uint32_t number, const struct rules_service *s)
{
    for (uint32_t i = 0; i < s->backend_count; i++) {
        uint32_t key[2] = {number, i};
        uint8_t data[20] = {0};
        memcpy(data, s->backends[i].ip, f->n);
        data[f->n] = (uint8_t)(s->backends[i].port >> 8);
        data[f->n + 1] = (uint8_t)s->backends[i].port;
        nft_element(n, "backends", key, sizeof key, data, f->n + 4, NULL);
    }
}

static void service_name(uint32_t number, char name[NAME])
{
    snprintf(name, NAME, "svc-%u", number);
}

static void put_services(struct nft *n, const struct family *f, const struct rules_table *t)
{
    char name[NAME];
    for (uint32_t i = 0; i < t->service_count; i++) {
        const struct rules_service *s = &t->services[i];
        if (!of_family(f, s) || !s->backend_count)
            continue;
        service_name(i, name);
        nft_chain(n, name);
        if (s->masquerade)
            put_mark(n, name);
        put_choice(n, f, name, i, s);
    }
    for (uint32_t i = 0; i < t->service_count; i++)
        if (of_family(f, &t->services[i]))
            put_backends(n, f, i, &t->services[i]);
}

/* Chains first, then what goes to them. One map after another: a list of elements is of one map. */
static void put_map(struct nft *n, const struct family *f, const struct rules_table *t, const char *map, bool ports,
                    bool refused)
{
    char name[NAME];
    uint8_t key[KEY_MAX];
    for (uint32_t i = 0; i < t->service_count; i++) {
        const struct rules_service *s = &t->services[i];
        if (!of_family(f, s) || s->node_port != ports || (s->backend_count == 0) != refused)
            continue;
        service_name(i, name);
        size_t size = key_of(f, s, !ports, key);
        nft_element(n, map, key, size, NULL, 0, refused ? "refuse" : name);
    }
}

static bool seen_before(const struct rules_table *t, size_t service, size_t backend, uint32_t bytes)
{
    const uint8_t *ip = t->services[service].backends[backend].ip;
    for (size_t k = 0; k < backend; k++)
        if (memcmp(t->services[service].backends[k].ip, ip, bytes) == 0)
            return true;
    return false;
}

/* An element that is there already is no error, so only repetitions within a service are left out. */
static void put_hairpin(struct nft *n, const struct family *f, const struct rules_table *t)
{
    uint8_t key[32];
    for (size_t i = 0; i < t->service_count; i++) {
        const struct rules_service *s = &t->services[i];
        for (size_t k = 0; k < s->backend_count && of_family(f, s); k++) {
            if (seen_before(t, i, k, f->n))
                continue;
            memcpy(key, s->backends[k].ip, f->n);
            memcpy(key + f->n, s->backends[k].ip, f->n);
            nft_element(n, "hairpin", key, 2 * f->n, NULL, 0, NULL);
        }
    }
}

/* ---- all ---- */

static bool needed(const struct family *f, const struct rules_table *t)
{
    bool any = f->number == 4 || t->pod_cidr.family == f->number;
    for (size_t i = 0; i < t->service_count && !any; i++)
        any = of_family(f, &t->services[i]);
    return any;
}

static int check(const struct rules_table *t, struct err *err)
{
    for (size_t i = 0; i < t->service_count; i++)
        for (size_t k = 0; k < t->services[i].backend_count; k++)
            if (t->services[i].backends[k].family != t->services[i].backends[0].family ||
                (!t->services[i].node_port && t->services[i].backends[k].family != t->services[i].vip.family))
                return err_set(err, E_INVALID, "service %zu: backends of another address family", i);
    return 0;
}

static int apply_family(const struct family *f, const struct rules_table *t, struct err *err)
{
    struct nft n;
    bool make = needed(f, t);
    nft_begin(&n, f->number, "keelson");
    nft_table_clear(&n, true);
    if (make) {
        put_frame(&n, f);
        put_dispatch(&n, f);
        put_postrouting(&n, f, t);
        put_services(&n, f, t);
        put_map(&n, f, t, "services", false, false);
        put_map(&n, f, t, "nodeports", true, false);
        put_map(&n, f, t, "refused", false, true);
        put_map(&n, f, t, "refused-ports", true, true);
        put_hairpin(&n, f, t);
    }
    int rc = nft_commit(&n, err);
    nft_done(&n);
    return make ? rc : 0; /* a kernel without IPv6 has nothing to clear either */
}

int rules_apply(const struct rules_table *t, struct err *err)
{
    int rc = check(t, err);
    for (size_t i = 0; i < sizeof families / sizeof families[0] && rc == 0; i++)
        rc = apply_family(&families[i], t, err);
    if (rc == 0)
        rc = conntrack_flush_stale(t, err);
    return rc;
}
