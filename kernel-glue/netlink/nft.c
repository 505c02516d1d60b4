/* See nft.h. */
#include "kernel-glue/netlink/nft.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel-glue/netlink/netlink.h"

enum { BATCH_BYTES = 64 * 1024 * 1024, ELEMENTS_BYTES = 32 * 1024 };

static uint8_t protocol_family(const struct nft *n)
{
    return n->family == 6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
}

static uint32_t register_of(int reg)
{
    return reg == NFT_VERDICT ? NFT_REG_VERDICT : NFT_REG32_00 + (uint32_t)reg;
}

static size_t begin(struct nft *n, uint16_t type, uint16_t flags)
{
    struct nfgenmsg g = {.nfgen_family = protocol_family(n), .version = NFNETLINK_V0};
    return netlink_begin(&n->out, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), NLM_F_REQUEST | flags, ++n->seq, &g,
                         sizeof g);
}

static void mark_batch(struct nft *n, uint16_t type)
{
    struct nfgenmsg g = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES)};
    netlink_end(&n->out, netlink_begin(&n->out, type, NLM_F_REQUEST, ++n->seq, &g, sizeof g));
}

void nft_begin(struct nft *n, uint8_t family, const char *table)
{
    *n = (struct nft){.family = family, .table = table};
    buf_init(&n->out, BATCH_BYTES);
    mark_batch(n, NFNL_MSG_BATCH_BEGIN);
}

void nft_done(struct nft *n)
{
    buf_done(&n->out);
}

static void flush_elements(struct nft *n)
{
    if (!n->elements)
        return;
    netlink_nest_end(&n->out, n->elements);
    netlink_end(&n->out, n->elements_message);
    n->elements = 0;
}

/* The last change asks for an acknowledgement: a chain that is there already is asked for again. */
int nft_commit(struct nft *n, struct err *err)
{
    int fd, rc;
    flush_elements(n);
    size_t at = begin(n, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_ACK);
    uint32_t last = n->seq;
    netlink_put_cstr(&n->out, NFTA_TABLE_NAME, n->table);
    netlink_end(&n->out, at);
    mark_batch(n, NFNL_MSG_BATCH_END);
    if ((rc = netlink_open(NETLINK_NETFILTER_FAMILY, -1, &fd, err)) < 0)
        return rc;
    rc = netlink_call(fd, &n->out, last, err);
    close(fd);
    return rc < 0 ? err_wrap(err, rc, "nftables") : 0;
}

/* ---- tables, chains, sets ---- */

static void table(struct nft *n, uint16_t type, uint16_t flags)
{
    size_t at = begin(n, type, flags);
    netlink_put_cstr(&n->out, NFTA_TABLE_NAME, n->table);
    netlink_end(&n->out, at);
}

void nft_table_clear(struct nft *n, bool make)
{
    table(n, NFT_MSG_NEWTABLE, NLM_F_CREATE);
    table(n, NFT_MSG_DELTABLE, 0);
    if (make)
        table(n, NFT_MSG_NEWTABLE, NLM_F_CREATE);
}

static size_t chain(struct nft *n, const char *name)
{
    size_t at = begin(n, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
    netlink_put_cstr(&n->out, NFTA_CHAIN_TABLE, n->table);
    netlink_put_cstr(&n->out, NFTA_CHAIN_NAME, name);
    return at;
}

void nft_chain(struct nft *n, const char *name)
{
    netlink_end(&n->out, chain(n, name));
}

void nft_base_chain(struct nft *n, const char *name, const char *type, enum nft_hook hook, int priority)
{
    static const uint32_t hooks[] = {[NFT_HOOK_PREROUTING] = NF_INET_PRE_ROUTING, [NFT_HOOK_INPUT] = NF_INET_LOCAL_IN,
                                     [NFT_HOOK_FORWARD] = NF_INET_FORWARD, [NFT_HOOK_OUTPUT] = NF_INET_LOCAL_OUT,
                                     [NFT_HOOK_POSTROUTING] = NF_INET_POST_ROUTING};
    size_t at = chain(n, name), nest = netlink_nest(&n->out, NFTA_CHAIN_HOOK);
    netlink_put_be32(&n->out, NFTA_HOOK_HOOKNUM, hooks[hook]);
    netlink_put_be32(&n->out, NFTA_HOOK_PRIORITY, (uint32_t)priority);
    netlink_nest_end(&n->out, nest);
    netlink_put_be32(&n->out, NFTA_CHAIN_POLICY, NF_ACCEPT);
    netlink_put_cstr(&n->out, NFTA_CHAIN_TYPE, type);
    netlink_end(&n->out, at);
}

void nft_set(struct nft *n, const char *name, uint32_t key_type, uint32_t key_len, uint32_t data_type, int data_len)
{
    size_t at = begin(n, NFT_MSG_NEWSET, NLM_F_CREATE);
    netlink_put_cstr(&n->out, NFTA_SET_TABLE, n->table);
    netlink_put_cstr(&n->out, NFTA_SET_NAME, name);
    netlink_put_be32(&n->out, NFTA_SET_FLAGS, data_len ? NFT_SET_MAP : 0);
    netlink_put_be32(&n->out, NFTA_SET_KEY_TYPE, key_type);
    netlink_put_be32(&n->out, NFTA_SET_KEY_LEN, key_len);
    if (data_len) {
        netlink_put_be32(&n->out, NFTA_SET_DATA_TYPE, data_len < 0 ? NFT_DATA_VERDICT : data_type);
        netlink_put_be32(&n->out, NFTA_SET_DATA_LEN, data_len < 0 ? 0 : (uint32_t)data_len);
    }
    netlink_put_be32(&n->out, NFTA_SET_ID, ++n->set_id);
    netlink_end(&n->out, at);
}

static void put_value(struct nft *n, uint16_t attribute, const void *p, size_t len)
{
    size_t nest = netlink_nest(&n->out, attribute);
    netlink_put(&n->out, NFTA_DATA_VALUE, p, len);
    netlink_nest_end(&n->out, nest);
}

static void put_verdict(struct nft *n, uint16_t attribute, int32_t code, const char *to)
{
    size_t nest = netlink_nest(&n->out, attribute), verdict = netlink_nest(&n->out, NFTA_DATA_VERDICT);
    netlink_put_be32(&n->out, NFTA_VERDICT_CODE, (uint32_t)code);
    netlink_put_cstr(&n->out, NFTA_VERDICT_CHAIN, to);
    netlink_nest_end(&n->out, verdict);
    netlink_nest_end(&n->out, nest);
}

void nft_element(struct nft *n, const char *set, const void *key, size_t key_len, const void *data, size_t data_len,
                 const char *to)
{
    /* A list is one attribute, whose length has 16 bits. */
    if (n->elements && (n->elements_set != set || buf_len(&n->out) - n->elements > ELEMENTS_BYTES))
        flush_elements(n);
    if (!n->elements) {
        n->elements_message = begin(n, NFT_MSG_NEWSETELEM, NLM_F_CREATE);
        netlink_put_cstr(&n->out, NFTA_SET_ELEM_LIST_TABLE, n->table);
        netlink_put_cstr(&n->out, NFTA_SET_ELEM_LIST_SET, set);
        n->elements = netlink_nest(&n->out, NFTA_SET_ELEM_LIST_ELEMENTS);
        n->elements_set = set;
    }
    size_t element = netlink_nest(&n->out, NFTA_LIST_ELEM);
    put_value(n, NFTA_SET_ELEM_KEY, key, key_len);
    if (to)
        put_verdict(n, NFTA_SET_ELEM_DATA, NFT_GOTO, to);
    else if (data_len)
        put_value(n, NFTA_SET_ELEM_DATA, data, data_len);
    netlink_nest_end(&n->out, element);
}

/* ---- rules ---- */

void nft_rule(struct nft *n, const char *name)
{
    flush_elements(n);
    n->message = begin(n, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
    netlink_put_cstr(&n->out, NFTA_RULE_TABLE, n->table);
    netlink_put_cstr(&n->out, NFTA_RULE_CHAIN, name);
    n->expressions = netlink_nest(&n->out, NFTA_RULE_EXPRESSIONS);
}

void nft_rule_end(struct nft *n)
{
    netlink_nest_end(&n->out, n->expressions);
    netlink_end(&n->out, n->message);
}

struct expression {
    size_t element, data;
};

static struct expression expression(struct nft *n, const char *name)
{
    struct expression e = {.element = netlink_nest(&n->out, NFTA_LIST_ELEM)};
    netlink_put_cstr(&n->out, NFTA_EXPR_NAME, name);
    e.data = netlink_nest(&n->out, NFTA_EXPR_DATA);
    return e;
}

static void expression_end(struct nft *n, struct expression e)
{
    netlink_nest_end(&n->out, e.data);
    netlink_nest_end(&n->out, e.element);
}

static void load_payload(struct nft *n, uint32_t base, int reg, uint32_t offset, uint32_t len)
{
    struct expression e = expression(n, "payload");
    netlink_put_be32(&n->out, NFTA_PAYLOAD_DREG, register_of(reg));
    netlink_put_be32(&n->out, NFTA_PAYLOAD_BASE, base);
    netlink_put_be32(&n->out, NFTA_PAYLOAD_OFFSET, offset);
    netlink_put_be32(&n->out, NFTA_PAYLOAD_LEN, len);
    expression_end(n, e);
}

void nft_load_network(struct nft *n, int reg, uint32_t offset, uint32_t len)
{
    load_payload(n, NFT_PAYLOAD_NETWORK_HEADER, reg, offset, len);
}

void nft_load_transport(struct nft *n, int reg, uint32_t offset, uint32_t len)
{
    load_payload(n, NFT_PAYLOAD_TRANSPORT_HEADER, reg, offset, len);
}

static void meta(struct nft *n, uint32_t key, uint16_t attribute, int reg)
{
    struct expression e = expression(n, "meta");
    netlink_put_be32(&n->out, NFTA_META_KEY, key);
    netlink_put_be32(&n->out, attribute, register_of(reg));
    expression_end(n, e);
}

void nft_load_l4proto(struct nft *n, int reg)
{
    meta(n, NFT_META_L4PROTO, NFTA_META_DREG, reg);
}

void nft_load_mark(struct nft *n, int reg)
{
    meta(n, NFT_META_MARK, NFTA_META_DREG, reg);
}

void nft_set_mark(struct nft *n, int reg)
{
    meta(n, NFT_META_MARK, NFTA_META_SREG, reg);
}

void nft_load_address_type(struct nft *n, int reg)
{
    struct expression e = expression(n, "fib");
    netlink_put_be32(&n->out, NFTA_FIB_DREG, register_of(reg));
    netlink_put_be32(&n->out, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
    netlink_put_be32(&n->out, NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
    expression_end(n, e);
}

void nft_compare(struct nft *n, int reg, bool equal, const void *p, size_t len)
{
    struct expression e = expression(n, "cmp");
    netlink_put_be32(&n->out, NFTA_CMP_SREG, register_of(reg));
    netlink_put_be32(&n->out, NFTA_CMP_OP, equal ? NFT_CMP_EQ : NFT_CMP_NEQ);
    put_value(n, NFTA_CMP_DATA, p, len);
    expression_end(n, e);
}

void nft_mask(struct nft *n, int reg, const void *mask, const void *flip, size_t len)
{
    struct expression e = expression(n, "bitwise");
    netlink_put_be32(&n->out, NFTA_BITWISE_SREG, register_of(reg));
    netlink_put_be32(&n->out, NFTA_BITWISE_DREG, register_of(reg));
    netlink_put_be32(&n->out, NFTA_BITWISE_LEN, (uint32_t)len);
    put_value(n, NFTA_BITWISE_MASK, mask, len);
    put_value(n, NFTA_BITWISE_XOR, flip, len);
    expression_end(n, e);
}

void nft_constant(struct nft *n, int reg, const void *p, size_t len)
{
    struct expression e = expression(n, "immediate");
    netlink_put_be32(&n->out, NFTA_IMMEDIATE_DREG, register_of(reg));
    put_value(n, NFTA_IMMEDIATE_DATA, p, len);
    expression_end(n, e);
}

void nft_random(struct nft *n, int reg, uint32_t modulus)
{
    struct expression e = expression(n, "numgen");
    netlink_put_be32(&n->out, NFTA_NG_DREG, register_of(reg));
    netlink_put_be32(&n->out, NFTA_NG_MODULUS, modulus);
    netlink_put_be32(&n->out, NFTA_NG_TYPE, NFT_NG_RANDOM);
    netlink_put_be32(&n->out, NFTA_NG_OFFSET, 0);
    expression_end(n, e);
}

void nft_hash(struct nft *n, int reg, int from, uint32_t len, uint32_t modulus)
{
    struct expression e = expression(n, "hash");
    netlink_put_be32(&n->out, NFTA_HASH_SREG, register_of(from));
    netlink_put_be32(&n->out, NFTA_HASH_DREG, register_of(reg));
    netlink_put_be32(&n->out, NFTA_HASH_LEN, len);
    netlink_put_be32(&n->out, NFTA_HASH_MODULUS, modulus);
    netlink_put_be32(&n->out, NFTA_HASH_SEED, 0x6b656c73); /* the same after each change: clients stay */
    netlink_put_be32(&n->out, NFTA_HASH_OFFSET, 0);
    netlink_put_be32(&n->out, NFTA_HASH_TYPE, NFT_HASH_JENKINS);
    expression_end(n, e);
}

void nft_lookup(struct nft *n, const char *set, int from, int to)
{
    struct expression e = expression(n, "lookup");
    netlink_put_cstr(&n->out, NFTA_LOOKUP_SET, set);
    netlink_put_be32(&n->out, NFTA_LOOKUP_SREG, register_of(from));
    if (to >= NFT_VERDICT)
        netlink_put_be32(&n->out, NFTA_LOOKUP_DREG, register_of(to));
    expression_end(n, e);
}

void nft_dnat(struct nft *n, int address, int port)
{
    struct expression e = expression(n, "nat");
    netlink_put_be32(&n->out, NFTA_NAT_TYPE, NFT_NAT_DNAT);
    netlink_put_be32(&n->out, NFTA_NAT_FAMILY, protocol_family(n));
    netlink_put_be32(&n->out, NFTA_NAT_REG_ADDR_MIN, register_of(address));
    netlink_put_be32(&n->out, NFTA_NAT_REG_PROTO_MIN, register_of(port));
    expression_end(n, e);
}

void nft_masquerade(struct nft *n)
{
    expression_end(n, expression(n, "masq"));
}

void nft_reject(struct nft *n, bool tcp_reset)
{
    struct expression e = expression(n, "reject");
    netlink_put_be32(&n->out, NFTA_REJECT_TYPE, tcp_reset ? NFT_REJECT_TCP_RST : NFT_REJECT_ICMP_UNREACH);
    if (!tcp_reset)
        netlink_put_u8(&n->out, NFTA_REJECT_ICMP_CODE, n->family == 6 ? 4 : 3); /* port unreachable */
    expression_end(n, e);
}

void nft_jump(struct nft *n, const char *name)
{
    struct expression e = expression(n, "immediate");
    netlink_put_be32(&n->out, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    put_verdict(n, NFTA_IMMEDIATE_DATA, NFT_JUMP, name);
    expression_end(n, e);
}
