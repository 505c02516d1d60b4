/*
 * The kubelet without rights: registers the node, watches the pods bound to it and makes them so
 * through port/runtime.h, reports their status, serves port 10250 (logs, exec, attach,
 * port-forward) to the API server.
 *
 *   API (client/) --pods--> pods.c --steps--> pod.c, container.c --calls--> runtime (root)
 *                    <-- status.c, events.c          <-- exits, state
 *
 * One loop, no threads, no blocking call. Pods survive a restart of this role: what runs is read
 * back from the runtime before the first decision is made.
 */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include "client/client.h"
#include "port/net.h"
#include "port/runtime.h"
#include "port/tls.h"

enum { NODE_MAX_ADDRS = 4, NODE_MAX_RESOLVERS = 4 };

enum node_mark { NODE_READY, NODE_FIRST_POD, NODE_MARKS };

struct node_options {
    struct loop *loop;
    struct net net;          /* probes, and connections accepted on listen_fd */
    struct client *client;   /* of the API; outlives the node */
    struct runtime *runtime; /* outlives the node */

    const char *node_name;
    struct net_addr addrs[NODE_MAX_ADDRS]; /* InternalIP addresses, the first is the primary one */
    size_t addr_count;
    struct net_addr pod_cidr; /* of this node; its first address is the bridge's */
    unsigned pod_prefix_len;
    struct net_addr cluster_dns; /* family 0: pods get the machine's resolvers */
    const char *cluster_domain;  /* "cluster.local" */
    struct net_addr resolvers[NODE_MAX_RESOLVERS]; /* the machine's own, for dnsPolicy Default */
    size_t resolver_count;
    const char *search; /* the machine's search domains, space-separated, or "" */
    const char *const *labels; /* "key=value", NULL-terminated, added at registration; or NULL */

    struct tls_context *serving; /* server, TLS_PEER_OPTIONAL, trusting the cluster's CA */
    int listen_fd;               /* listening on port 10250, taken over; -1: no server */
    uint16_t kubelet_port;       /* as reported; 0: 10250 */

    int64_t cpu_milli, memory_bytes, storage_bytes; /* capacity */
    int64_t reserved_cpu_milli, reserved_memory_bytes; /* not allocatable to pods */
    unsigned max_pods; /* 0: LIMIT_PODS_PER_NODE */
    const char *kernel_version, *os_image, *boot_id, *machine_id, *system_uuid, *version;
    /* Optional; each once: the API has taken a true Ready condition, or the first pod's Running. */
    void (*reached)(void *ctx, enum node_mark mark);
    void *ctx;
    bool no_cgroup_limits; /* host mode without controllers: resources are left out of the spec */
};

struct node;

/* Strings are copied. Starts at once. On failure listen_fd is still the caller's. */
int node_new(const struct node_options *o, struct node **ret_node, struct err *err) MUST_CHECK;
/* Containers go on. The client and the runtime must not call back after this. */
void node_free(struct node *n);

/* The machine's addresses changed. */
void node_set_addrs(struct node *n, const struct net_addr *addrs, size_t count);

struct node_counts {
    unsigned pods, running;
    bool registered;   /* the Node object is there and the last heartbeat was accepted */
    bool runtime_up;
};
void node_count(const struct node *n, struct node_counts *ret_counts);

#endif
