/*
 * The controllers: each drives a part of the cluster towards what its objects say. One file each;
 * the table in ctl.c lists them. They meet only through the API.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include "client/cache.h"

struct ctl;

/* What the certificates API asks of who holds the CA's key. */
enum ctl_signer {
    CTL_SIGNER_NONE,
    CTL_SIGNER_CLIENT,
    CTL_SIGNER_CLIENT_KUBELET,
    CTL_SIGNER_KUBELET_SERVING
};
enum ctl_usage {
    CTL_USAGE_SIGNATURE = 1,
    CTL_USAGE_ENCIPHERMENT = 2,
    CTL_USAGE_CLIENT = 4,
    CTL_USAGE_SERVER = 8,
    CTL_USAGE_OTHER = 16
};
struct ctl_grant {
    enum ctl_signer signer;
    unsigned usage; /* enum ctl_usage */
    uint32_t seconds;
    struct str csr_pem;
};

struct ctl_options {
    struct client *client;    /* outlives ctl; what controllers act with unless client_as is set */
    /* A client that acts as service account kube-system/ACCOUNT, closed by ctl; may be NULL. */
    int (*client_as)(void *ctx, const char *account, struct client *ret_client);
    /* Signs; done is called once, from the loop. -E_FORBIDDEN with why: it does not grant that. NULL:
     * requests stay unsigned. */
    int (*grant)(void *ctx, const struct ctl_grant *grant,
                 void (*done)(void *arg, int rc, struct str pem, struct str why), void *arg);
    /* Signs a JWT's "header.payload" (ES256); done is called once, from the loop. May be NULL. */
    int (*sign)(void *ctx, struct str message,
                void (*done)(void *arg, int rc, const uint8_t sig[64]), void *arg);
    void *ctx;
    struct cache_set *caches; /* shared with the scheduler; outlives ctl */
    struct str ca_pem;        /* cluster CA for kube-root-ca.crt; kept */
    uint64_t seed;            /* for name suffixes */
};

int ctl_new(const struct ctl_options *o, struct ctl **ret_ctl, struct err *err) MUST_CHECK;
void ctl_free(struct ctl *c);

#endif
