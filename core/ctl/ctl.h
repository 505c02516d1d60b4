/*
 * The controllers: each drives a part of the cluster towards what its objects say. One file each;
 * the table in ctl.c lists them. They meet only through the API.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include "client/cache.h"

struct ctl;

struct ctl_options {
    struct client *client;    /* outlives ctl; what controllers act with unless client_as is set */
    /* A client that acts as service account kube-system/ACCOUNT, closed by ctl; may be NULL. */
    int (*client_as)(void *ctx, const char *account, struct client *ret_client);
    void *ctx;
    struct cache_set *caches; /* shared with the scheduler; outlives ctl */
    struct str ca_pem;        /* cluster CA for kube-root-ca.crt; kept */
    uint64_t seed;            /* for name suffixes */
};

int ctl_new(const struct ctl_options *o, struct ctl **ret_ctl, struct err *err) MUST_CHECK;
void ctl_free(struct ctl *c);

#endif
