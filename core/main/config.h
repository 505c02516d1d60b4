/*
 * keelson.yaml: how a machine is told what it is. Every key has a default; no file at all is a
 * working single node.
 *
 *   name: node1                     this node's name (default: keelson; on a host the host's)
 *   endpoint: cluster.example:6443  where clients outside reach the API
 *   ca:                             the cluster's CA, taken on first boot and kept
 *     cert: PEM
 *     key: PEM
 *   network:
 *     interface: eth0               default: the first wired card
 *     addresses: [192.0.2.10/24]    default: DHCP
 *     gateway: 192.0.2.1
 *     dns: [192.0.2.53]
 *     search: [example.org]
 *     ntp: [192.0.2.123]
 *   registries:
 *     - host: registry.example:5000 as image names begin; "*": every registry
 *       mirrors: ["mirror.example:5000", "http://10.0.2.2:5000"]   asked first, in this order
 *       ca: PEM                     trusted for it, its mirrors and token server, beside public authorities
 *       plain_http: true            HTTP in place of HTTPS, for it and mirrors without a scheme
 *       skip_verify: true           HTTPS with whatever certificate (never HTTP)
 *   api:
 *     fronts: 2                     processes that take connections, 1 to 4; default: one for each two CPUs
 *     oidc:                         an OpenID Connect issuer whose ID tokens are accepted
 *       issuer: https://id.example  its iss, and where its discovery document lies
 *       client_id: kubernetes       the aud that its tokens must have
 *       ca: PEM                     trusted for fetching its keys
 *       username_claim: email       default: sub
 *       username_prefix: "oidc:"    default: ISSUER#, none with email; "-" is none
 *       groups_claim: groups        default: tokens give no groups
 *       groups_prefix: "oidc:"      the default
 *     audit:                        what is logged of requests: a Policy of audit.k8s.io/v1 without its kind;
 *       rules: [{level: Metadata}]  the log is read at /logs/audit.log
 */
#ifndef MAIN_CONFIG_H
#define MAIN_CONFIG_H

#include "base/buf.h"
#include "main/start_msg.h"

enum { CONFIG_FILE_MOST = 256 * 1024, CONFIG_CA = 16384 };

struct config {
    char name[START_NAME];
    bool named; /* name is what the file says */
    char endpoint[START_ENDPOINT];
    char ca_pem[CONFIG_CA]; /* certificate and key, or "" */
    struct config_network network;
    char registries[START_REGISTRIES]; /* see role_start */
    unsigned fronts; /* 0: by the number of processors */
    char audit[START_AUDIT];
    char oidc[START_OIDC];
};

void config_default(struct config *c);
/* How many fronts are wanted: what the file says, or one for each two processors; at least 1. */
unsigned config_fronts(const struct config *c);
/* file: its name, for messages: "keelson.yaml: line 3, column 5: ...". On failure *ret_config is
 * unchanged. */
int config_parse(const char *file, struct str text, struct config *ret_config, struct err *err) MUST_CHECK;

/* From the confined child that parses to init. The CA travels as a file in memory (ca_fd, -1 when
 * there is none): init hands it on unread. */
void config_put(struct imsg_out *m, const struct config *c, int ca_fd);
/* Leaves ca_pem empty; the descriptor stays in m. */
int config_get(const struct imsg_in *m, struct config *ret_config) MUST_CHECK;

bool config_name_ok(struct str name); /* a DNS label (RFC 1123), lower case */
/* `keelson config new`: the CA, DIR/keelson.yaml, DIR/admin.kubeconfig. Exit status. */
int config_new_main(int argc, char **argv);

#endif
