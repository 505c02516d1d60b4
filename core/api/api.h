/*
 * The API server without transport: requests in, streamed answers out. Two callers: the control
 * role for what front sends, and api/local for the in-process clients. Authentication,
 * authorization, admission and validation are the same for both.
 */
#ifndef API_API_H
#define API_API_H

#include "codec/json.h"
#include "loop/loop.h"
#include "port/crypto.h"
#include "port/net.h"
#include "store/store.h"

struct api;
struct api_request; /* one request being answered */

/* Who asks, as the transport knows it. */
struct api_peer {
    bool has_cert;                  /* a client certificate that chains to the cluster's CA */
    const char *cert_problem;       /* presented but not acceptable: why; then the answer is 401 */
    const char *cert_user;          /* CN */
    const char *const *cert_groups; /* O, NULL-terminated */
    const char *cert_fingerprint;   /* SHA-256, hex; or NULL */
    const char *authorization;      /* header value or NULL */
    const char *local_user;         /* in-process caller: user name; groups in cert_groups */
    const char *address;            /* text, for audit */
};

struct api_header {
    struct str name, value; /* name in lower case */
};

struct api_call {
    const char *method;
    struct str target;                /* raw path and query */
    const struct api_header *headers; /* accept, content-type, user-agent, if-none-match, ... */
    size_t header_count;
    struct api_peer peer;
    struct str body; /* whole (bounded by LIMIT_BODY_BYTES) */
};

/* Where an exec, attach, portforward, log or proxy request must go. */
struct api_proxy_target {
    const char *host; /* IP */
    uint16_t port;
    const char *server_name; /* for TLS verification; "": TLS without it; NULL: plain HTTP */
    const char *target;      /* path and query */
    const char *prefix;      /* of a proxy: the path under which its root is seen; else NULL */
};

/* The answer; each returns false when the caller went away (the api then forgets the request). */
struct api_reply_ops {
    bool (*head)(void *ctx, int status, const struct api_header *headers, size_t header_count);
    /* Returns bytes now waiting unsent for this caller, so that watchers can be bounded; -1: gone.
     */
    int64_t (*body)(void *ctx, struct str bytes);
    void (*end)(void *ctx);
    void (*proxy)(void *ctx, const struct api_proxy_target *to);
};

/* An OpenID Connect issuer whose ID tokens are accepted. Texts of up to 255 bytes; NULL or "": the
 * default. */
struct api_oidc {
    const char *issuer, *client_id; /* needed */
    const char *username_claim;     /* "sub" */
    const char *username_prefix;    /* ISSUER#, of "email" nothing; "-": nothing */
    const char *groups_claim;       /* none */
    const char *groups_prefix;      /* "oidc:" */
};

/* Where audit events go, a line each. write never blocks; false: it was dropped. read: appends the
 * newest of them, whole lines, at most as much as out may have. */
struct api_audit_sink {
    bool (*write)(void *ctx, struct str line);
    int (*read)(void *ctx, struct buf *out);
    void *ctx;
};

struct api_options {
    struct loop *loop;
    struct store *store;                   /* outlives the api */
    const char *node_name, *node_addr;     /* of this machine: for default/kubernetes */
    uint16_t port;                         /* 6443 */
    struct str ca_pem;                     /* cluster CA, for kube-root-ca.crt */
    struct str service_account_public_pem; /* verify tokens; the first of several signs */
    const char *service_account_issuer;
    const struct api_oidc *oidc; /* NULL: none */
    const char *audit_policy;    /* JSON; "" or NULL: no audit */
    struct api_audit_sink audit_sink;
    struct net net;              /* for webhooks; without ops their calls fail */
    /* Signs a JWT's "header.payload" (ES256) by the role keys; done is called once, from the loop.
     */
    int (*sign)(void *ctx, struct str message,
                void (*done)(void *arg, int rc, const uint8_t sig[64]), void *arg);
    void *ctx;
};

/* store_options.attach_free of the store that the api is given: without it what is kept beside
 * values (labels, selectable fields) leaks. */
void api_attached_free(void *attached);

int api_new(const struct api_options *o, struct api **ret_api, struct err *err) MUST_CHECK;
void api_free(struct api *api);
/* What other API servers know this one by (client certificate "front-proxy-client"), from now on. */
void api_proxy_identity(struct api *api, struct str cert_pem, struct str key_pem);
/* Others take the place of service_account_public_pem. -E_SYNTAX, -E_NOMEM: as it was. */
int api_account_keys(struct api *api, struct str public_pem, struct err *err) MUST_CHECK;
/* The keys of options.oidc's issuer, a JWK set (RFC 7517); until then its tokens are refused. */
int api_oidc_keys(struct api *api, struct str jwks, struct err *err) MUST_CHECK;
/* Creates what clients take for granted (namespaces, default/kubernetes, priority classes ...). */
int api_bootstrap(struct api *api, void (*done)(void *ctx, int rc, const char *message),
                  void *ctx) MUST_CHECK;

/* Copies what it needs. Answers through ops, at once (from inside this call) or later, exactly one
 * of: head, body*, end; or proxy. *ret_request stays valid until end or proxy was called, an op
 * said that the caller is gone, or api_request_cancel; it is NULL when that happened inside this
 * call. Bodies of the kubelet's (proxy) never pass here. */
int api_handle(struct api *api, const struct api_call *call, const struct api_reply_ops *ops,
               void *ctx, struct api_request **ret_request) MUST_CHECK;
void api_request_cancel(struct api_request *r); /* no ops are called after */
/* The transport has sent what waited: a paused LIST goes on. */
void api_request_drained(struct api_request *r);

#endif
