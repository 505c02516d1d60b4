/*
 * A client of the API: requests over a transport, which is HTTPS (client/https.h) or in-process
 * (api/local.h). Both deliver the same answers; callers cannot tell.
 *
 * All callbacks run from the loop, never from inside the call that started them.
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include "codec/json.h"
#include "loop/loop.h"

struct client_call; /* the transport's */

struct client_request {
    const char *method; /* "GET", "POST", "PUT", "PATCH", "DELETE" */
    const char *path;   /* with query, percent-encoded: "/api/v1/pods?watch=1" */
    const char *content_type; /* of the body; NULL: application/json */
    const char *accept;       /* NULL: application/json */
    struct str body;          /* copied by send */
    int timeout_ms;           /* 0: 30 s; -1: none (watches) */
};

struct client_handlers { /* any may be NULL but end */
    void (*head)(void *ctx, int status);
    void (*data)(void *ctx, struct str bytes); /* in pieces of any size */
    /* Exactly once, last, unless cancelled. rc 0: the answer is complete (whatever its status). */
    void (*end)(void *ctx, int rc, const char *message);
};

struct client_transport_ops {
    int (*send)(void *self, const struct client_request *r, const struct client_handlers *h, void *ctx,
                struct client_call **ret_call);
    void (*cancel)(void *self, struct client_call *call); /* no handler runs after */
    void (*close)(void *self);
};

struct client {
    const struct client_transport_ops *ops;
    void *self;
    struct loop *loop;
};

/* ---- one request, whole answer ---- */
struct client_reply {
    int rc;     /* 0 for any 2xx; -E_* from the Status of an error answer or of the transport */
    int status; /* HTTP status; 0 when there was no answer */
    struct str body;     /* valid during the callback */
    const char *message; /* of the Status or the transport; "" when rc is 0 */
    const char *reason;  /* Status.reason, "" when none */
};
typedef void client_reply_fn(void *ctx, const struct client_reply *r);

/* done runs exactly once unless cancelled through *ret_call (may be NULL). Nonzero return: never. */
int client_do(struct client *c, const struct client_request *r, client_reply_fn *done, void *ctx,
              struct client_call **ret_call) MUST_CHECK;
/* Cancels a call made by client_do. */
void client_cancel(struct client *c, struct client_call *call);
/* Body from a tree; content_type NULL: application/json. */
int client_send_json(struct client *c, const char *method, const char *path, const char *content_type,
                     const struct json *body, client_reply_fn *done, void *ctx) MUST_CHECK;

/* "/api/v1/namespaces/NS/pods/NAME/status": group NULL or "" for core; ns, name, sub may be NULL. */
char *client_path(struct arena *a, const char *group, const char *version, const char *ns,
                  const char *resource, const char *name, const char *subresource) MUST_CHECK;

#endif
