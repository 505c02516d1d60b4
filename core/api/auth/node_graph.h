/*
 * What a node may see of: an index of the secrets, config maps, claims, resource claims and service
 * accounts that the pods bound to it name. Kept up by a watch; a pod's status changes cost nothing.
 */
#ifndef API_AUTH_NODE_GRAPH_H
#define API_AUTH_NODE_GRAPH_H

#include "codec/json.h"
#include "store/store.h"

struct node_graph;

int node_graph_new(struct store *store, struct node_graph **ret_graph) MUST_CHECK;
void node_graph_free(struct node_graph *g);

enum node_reach {
    NODE_SECRET = 's',
    NODE_CONFIG_MAP = 'c',
    NODE_CLAIM = 'p',
    NODE_RESOURCE_CLAIM = 'r',
    NODE_ACCOUNT = 'a',
};
/* Does a pod on the node name that object? */
bool node_graph_reaches(const struct node_graph *g, struct str node, enum node_reach what,
                        struct str ns, struct str name);
/* Tells each object that a pod names. */
void node_graph_names(const struct json *pod,
                      void (*fn)(void *ctx, enum node_reach what, struct str name), void *ctx);

#endif
