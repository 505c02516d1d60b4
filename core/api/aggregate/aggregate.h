/*
 * API servers beside this one: an APIService that names a service makes it the server of a group
 * version (KEP kube-aggregator; k8s.io/kube-aggregator). Requests for it are authenticated and
 * authorized here and sent on with who asks in headers (X-Remote-User, X-Remote-Group,
 * X-Remote-Extra-*), over TLS with a certificate that only this server has (front-proxy-client); what
 * a server must know to believe it stands in kube-system/extension-apiserver-authentication.
 *
 *   aggregate.c  which there are, as their objects say
 *   outbound.c   one request to one of them
 *   forward.c    a client's request
 *   own.c        APIServices of what is served here
 *   check.c      are they there: the condition Available, and what they serve
 *
 * Requests that upgrade their connection (exec and the like) are not sent on.
 */
#ifndef API_AGGREGATE_AGGREGATE_H
#define API_AGGREGATE_AGGREGATE_H

#include "api/api_int.h"
#include "client/client.h"
#include "port/tls.h"
#include "wire/http_client.h"

enum {
    AGGREGATE_RESOURCES = 256,                    /* of one group version */
    AGGREGATE_DOCUMENT_BYTES = 1024 * 1024,       /* of a discovery document */
    AGGREGATE_TEXT = 600,
};

struct aggregates; /* api->aggregates */
struct probe;

struct aggregate {
    struct list link; /* of all, or of the dead */
    struct aggregates *owner; /* NULL: the API server is gone */
    uint32_t refs;
    bool seen;
    struct arena arena;
    const char *name, *group, *version; /* "v1.example.com" */
    struct str ns, service, ca_pem;
    int64_t port;
    bool insecure;
    struct str place; /* that this was made from, as text */
    struct tls_context *tls;
    uint64_t identity; /* that tls was made with */
    /* As last checked. */
    bool checked, available;
    char reason[40], message[AGGREGATE_TEXT];
    int64_t next_ms;
    struct probe *probe;
    struct arena served; /* what discovery says: */
    const struct schema_resource **resources;
    size_t resource_count;
};

int aggregates_new(struct api *api) MUST_CHECK;
void aggregates_free(struct api *api);
void aggregates_tick(struct api *api);
/* Whose a group version is; NULL: ours, or nobody's. Borrowed until the next turn of the loop. */
struct aggregate *aggregate_find(struct api *api, struct str group, struct str version);
/* All of them, in the order of their names. */
struct list *aggregates_all(struct api *api);
/* Who writes their conditions; NULL: out of memory. */
struct client *aggregates_client(struct api *api);
struct aggregate *aggregate_ref(struct aggregate *g);
void aggregate_unref(struct aggregate *g);
/* The request goes to another server: true, and it is answered from there. */
bool aggregate_handle(struct api_request *r);

struct api *aggregate_api(const struct aggregate *g); /* NULL: it is gone */

/* ---- outbound.c ---- */
struct outbound;
struct outbound_handlers {
    void (*head)(void *ctx, const struct http_head *head);
    void (*body)(void *ctx, struct str bytes);
    void (*end)(void *ctx, int rc, const char *message); /* once, last */
};
struct outbound_options {
    const char *method, *target;
    const struct user *user;
    struct str content_type, accept, user_agent, body;
    const char *address; /* X-Forwarded-For, or NULL */
    int timeout_ms;      /* 0: none */
    const struct outbound_handlers *handlers;
    void *ctx;
};
/* Nonzero: no handler is called; err says why. */
int outbound_new(struct aggregate *g, const struct outbound_options *o, struct outbound **ret,
                 struct err *err) MUST_CHECK;
void outbound_pause(struct outbound *o, bool paused);
void outbound_free(struct outbound *o); /* accepts NULL; closes; from inside a handler too */
/* Where the service is: one of its ready endpoints. reason: upstream's for the condition. */
int aggregate_place(struct aggregate *g, struct net_addr *ret, const char **ret_reason,
                    struct err *err) MUST_CHECK;
struct tls_context *aggregate_tls(struct aggregate *g, struct err *err);

/* ---- check.c ---- */
void check_due(struct aggregate *g, int64_t now_ms);
void check_stop(struct aggregate *g);

/* ---- own.c ---- */
void own_register(struct api *api);

#endif
