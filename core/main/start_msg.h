/*
 * What the supervisor tells a role over its control socket (descriptor 3), and what a role answers.
 *
 * Order: SOCKET and LINK messages for what is there already, then START. Later LINK (a peer has
 * restarted: the old end is dead), ADDRS (the machine's addresses changed), STOP.
 * Nothing here allocates.
 */
#ifndef MAIN_START_MSG_H
#define MAIN_START_MSG_H

#include "main/role.h"
#include "port/net.h"
#include "wire/imsg.h"

enum start_msg_type {
    /* supervisor -> role */
    MSG_START = 1, /* struct role_start */
    MSG_LINK,      /* PEER, descriptor */
    MSG_SOCKET,    /* SOCKET, descriptor */
    MSG_ADDRS,     /* struct machine_net */
    MSG_STOP,
    MSG_DELIVERED, /* keys: admin.kubeconfig is where it belongs */
    /* role -> supervisor */
    MSG_READY,  /* it does its work now */
    MSG_STATUS, /* TEXT: one line for the console; empty: all is well */
    MSG_CA,     /* keys: TEXT: fingerprint of the cluster's CA; descriptor: admin.kubeconfig if it is
                   to be left where the administrator finds it */
    MSG_LEASE,  /* lease: struct config_network: what is to be used */
    MSG_CLOCK,  /* lease: VALUE: nanoseconds since 1970, as time servers tell */
    MSG_REACHED, /* node: VALUE: 0 the node is Ready, 1 its first pod runs; each once */
    MSG_DONE,   /* setup: the step's result: VALUE 0 or E_*, TEXT, STEP fields */
};

enum { MACHINE_MAX_ADDRS = 8, MACHINE_MAX_RESOLVERS = 4, MACHINE_SEARCH = 256 };

/* How the machine stands in the network. */
struct machine_net {
    struct net_addr addrs[MACHINE_MAX_ADDRS]; /* without loopback and link-local; first is primary */
    size_t addr_count;
    struct net_addr resolvers[MACHINE_MAX_RESOLVERS];
    size_t resolver_count;
    char search[MACHINE_SEARCH]; /* domains, space-separated */
};

enum { START_NAME = 64, START_PATH = 256, START_ENDPOINT = 280, START_REGISTRIES = 8192, START_OIDC = 8192, START_AUDIT = 8192 };

/* Addresses with all that belongs to them: as configured, and as leased. */
enum { CONFIG_ADDRS = 4, CONFIG_SERVERS = 4, CONFIG_INTERFACE = 16 };
struct config_network {
    char interface[CONFIG_INTERFACE];
    struct net_addr addrs[CONFIG_ADDRS];
    uint8_t prefix_lens[CONFIG_ADDRS];
    size_t addr_count; /* 0: DHCP */
    struct net_addr gateway;
    struct net_addr dns[MACHINE_MAX_RESOLVERS];
    size_t dns_count;
    struct net_addr ntp[CONFIG_SERVERS];
    size_t ntp_count;
    char search[MACHINE_SEARCH];
};

struct role_start {
    char node_name[START_NAME];
    char data_dir[START_PATH];
    char endpoint[START_ENDPOINT]; /* HOST:PORT that clients outside use; "" none */
    struct net_addr listen;        /* of the API */
    struct net_addr api;           /* where this machine's clients reach it */
    bool appliance;                /* PID 1 of its own machine, or a process among others */
    bool root;                     /* started with all rights (the role may have dropped them) */
    bool with_node, with_control;  /* which roles run here */
    uint64_t restarts;             /* of this role, since the supervisor started */
    struct machine_net net;
    struct config_network network; /* as keelson.yaml says; for lease */
    /* registries of keelson.yaml as compact JSON, "[]" when none: [{"host","mirrors":[],
     * "plain_http":bool,"skip_verify":bool,"ca":PEM}] */
    char registries[START_REGISTRIES];
    char audit[START_AUDIT]; /* api.audit of keelson.yaml as compact JSON, "" when none */
    char oidc[START_OIDC]; /* api.oidc of keelson.yaml as compact JSON, "" when none */
};

void start_msg_put(struct imsg_out *m, const struct role_start *s);
int start_msg_get(const struct imsg_in *m, struct role_start *ret_start) MUST_CHECK;
void config_network_put(struct imsg_out *m, const struct config_network *n);
int config_network_get(const struct imsg_in *m, struct config_network *ret_network) MUST_CHECK;
void machine_net_put(struct imsg_out *m, const struct machine_net *n);
int machine_net_get(const struct imsg_in *m, struct machine_net *ret_net) MUST_CHECK;

enum { /* field tags */
    TAG_PEER = 1,
    TAG_SOCKET,
    TAG_TEXT,
    TAG_VALUE,
    TAG_NODE_NAME,
    TAG_DATA_DIR,
    TAG_ENDPOINT,
    TAG_LISTEN,
    TAG_API,
    TAG_FLAGS,
    TAG_RESTARTS,
    TAG_REGISTRIES,
    TAG_OIDC,
    TAG_AUDIT,
    TAG_ADDR,
    TAG_RESOLVER,
    TAG_SEARCH,
    TAG_STEP_FIRST = 64, /* and above: each setup step's own */
};

void start_msg_put_addr(struct imsg_out *m, uint8_t tag, const struct net_addr *a);
bool start_msg_get_addr(struct str bytes, struct net_addr *ret_addr);

#endif
