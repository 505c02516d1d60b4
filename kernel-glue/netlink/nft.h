/*
 * nf_tables by netlink: a batch that is applied as a whole or not at all. Registers are numbered in
 * units of four bytes (0..15); NFT_VERDICT is the verdict register. Numbers in registers are in host
 * order, packet fields in network order.
 */
#ifndef KERNEL_GLUE_NETLINK_NFT_H
#define KERNEL_GLUE_NETLINK_NFT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum { NFT_VERDICT = -1 };
enum nft_hook { NFT_HOOK_PREROUTING, NFT_HOOK_INPUT, NFT_HOOK_FORWARD, NFT_HOOK_OUTPUT, NFT_HOOK_POSTROUTING };

struct nft {
    struct buf out;
    uint32_t seq, set_id;
    uint8_t family; /* 4 or 6 */
    const char *table;
    size_t message, expressions; /* open rule */
    size_t elements_message, elements; /* open list of elements; 0: none */
    const char *elements_set;
};

void nft_begin(struct nft *n, uint8_t family, const char *table);
/* Sends the batch. The table was there or not; both is fine where it is cleared. */
int nft_commit(struct nft *n, struct err *err) MUST_CHECK;
void nft_done(struct nft *n);

/* Empties the table if there is one, and makes it (again). */
void nft_table_clear(struct nft *n, bool make);
void nft_chain(struct nft *n, const char *name);
void nft_base_chain(struct nft *n, const char *name, const char *type, enum nft_hook hook, int priority);
/* Sets and maps: lengths in bytes; types are for those who list them. data_len 0: a set; -1:
 * verdicts. */
void nft_set(struct nft *n, const char *name, uint32_t key_type, uint32_t key_len, uint32_t data_type, int data_len);
/* Elements, one after another of the same set. chain: what verdict maps go to. */
void nft_element(struct nft *n, const char *set, const void *key, size_t key_len, const void *data, size_t data_len,
                 const char *chain);

void nft_rule(struct nft *n, const char *chain);
void nft_rule_end(struct nft *n);
/* ---- expressions of the open rule ---- */
void nft_load_network(struct nft *n, int reg, uint32_t offset, uint32_t len);
void nft_load_transport(struct nft *n, int reg, uint32_t offset, uint32_t len);
void nft_load_l4proto(struct nft *n, int reg);
void nft_load_mark(struct nft *n, int reg);
void nft_set_mark(struct nft *n, int reg);
void nft_load_address_type(struct nft *n, int reg); /* of the destination: RTN_LOCAL is 2 */
void nft_compare(struct nft *n, int reg, bool equal, const void *p, size_t len);
void nft_mask(struct nft *n, int reg, const void *mask, const void *flip, size_t len);
void nft_constant(struct nft *n, int reg, const void *p, size_t len);
void nft_random(struct nft *n, int reg, uint32_t modulus);
void nft_hash(struct nft *n, int reg, int from, uint32_t len, uint32_t modulus);
void nft_lookup(struct nft *n, const char *set, int from, int to); /* to: register, NFT_VERDICT; -2: a set */
void nft_dnat(struct nft *n, int address, int port);
void nft_masquerade(struct nft *n);
void nft_reject(struct nft *n, bool tcp_reset);
void nft_jump(struct nft *n, const char *chain);

#endif
