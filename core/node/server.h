/* Port 10250: what the API server asks of a node. Only a client certificate of the cluster's CA
 * for kube-apiserver-kubelet-client, or of group system:masters, may ask. */
#ifndef NODE_SERVER_H
#define NODE_SERVER_H

#include "node/node_int.h"

/* Takes listen_fd over when it succeeds. */
int server_new(struct node *n, int listen_fd, struct server **ret_server) MUST_CHECK;
void server_free(struct server *s); /* accepts NULL */
void server_exec_exited(struct server *s, uint64_t session, const struct runtime_exit *e); /* accepts NULL */

#endif
