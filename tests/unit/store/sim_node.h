/* A loop on poll(2) with a clock that tests may push, and a store on it with short ways to use it. */
#ifndef TESTS_UNIT_STORE_SIM_NODE_H
#define TESTS_UNIT_STORE_SIM_NODE_H

#include "sim_disk.h"
#include "store/store.h"

struct sim_node {
    struct loop *loop;
    struct store *store; /* NULL while closed */
    struct store_options options;
    char fatal[512]; /* what on_fatal said */
    int fatal_count;
    struct store_result result; /* of the last node_* command */
    int waiting;
    struct err err;
};

/* Small segments and snapshots, synchronous; change node->options before node_open. */
void node_init(struct sim_node *node);
void node_done(struct sim_node *node);
int node_open(struct sim_node *node, struct disk disk);
void node_close(struct sim_node *node);

/* Turns until nothing waits, or a second passed. */
void node_settle(struct sim_node *node);
int node_txn(struct sim_node *node, const struct store_compare *c, size_t cn,
             const struct store_op *o, size_t on); /* waits; the result's rc, or the call's */
int node_put(struct sim_node *node, const char *key, const char *value);
int node_delete(struct sim_node *node, const char *key);
/* The value as a terminated string in a static buffer; NULL when absent. */
const char *node_get(struct sim_node *node, const char *key);

#endif
