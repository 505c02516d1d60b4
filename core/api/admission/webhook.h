/*
 * Admission webhooks and policies: what the objects of admissionregistration.k8s.io ask for, and
 * the writes that wait for it. Nothing of it costs anything while there are none.
 *
 * A map of the folder's part
 *   webhook.c        which there are, read again when one of the objects changed
 *   webhook_run.c    a write through its webhooks: one after the other, then all at once
 *   webhook_review.c AdmissionReview, questions and answers
 *   webhook_call.c   one call over HTTPS
 *   webhook_ask.c    evictions, tokens, CONNECT
 *   policy.c         policies and their bindings
 *   match.c, match_scope.c   what concerns whom; what expressions see
 */
#ifndef API_ADMISSION_WEBHOOK_H
#define API_ADMISSION_WEBHOOK_H

#include "api/admission/match.h"
#include "client/https.h"

enum {
    WEBHOOK_CALLS = 512, /* under way at once */
    WEBHOOK_CLIENTS = 8, /* of one webhook: addresses of its service */
    WEBHOOK_TIMEOUT_S = 10,
};

struct webhook_client {
    struct client client;
    struct net_addr addr; /* family 0: none */
    unsigned calls;
};

struct webhook {
    const char *name;
    const struct json *spec; /* of the configuration's `webhooks` */
    struct match_conditions conditions;
    const char *review_version; /* "v1", "v1beta1"; NULL: none that we speak */
    bool ignores_failure, reinvoked, dry_run;
    int timeout_s;
    struct tls_context *tls; /* made with the first call */
    struct webhook_client clients[WEBHOOK_CLIENTS];
};

struct policy;

struct hooks;

struct hook_index { /* as of one moment; writes hold the one they began with */
    uint32_t refs;
    struct hooks *owner;
    struct hook_index *next; /* of those to be freed */
    struct arena arena;
    struct webhook *mutating, *validating;
    size_t mutating_count, validating_count;
    struct policy *policies;
    size_t policy_count;
};

struct hooks { /* api->hooks */
    struct store_watch *watch;
    struct hook_index *index; /* NULL: to be read again */
    unsigned calls;
    /* Freed from the loop: never within a callback of one of its own connections. */
    struct hook_index *dead;
    struct loop *loop;
    struct loop_timer bury;
};

int hooks_new(struct api *api) MUST_CHECK;
void hooks_free(struct api *api);
/* With a reference for the caller. -E_NOMEM. */
int hook_index_get(struct api *api, struct hook_index **ret) MUST_CHECK;
void hook_index_unref(struct hook_index *x);

/* ---- webhook_run.c ---- */
struct hook_ops {
    /* Between the two rounds of mutating webhooks: defaults and admission from within over what
     * they made, as upstream calls its plugins again. nonzero: answered. May be NULL. */
    int (*settle)(struct write *w, struct json **object);
    /* Later, when the call below did not return 0. */
    void (*go_on)(struct write *w, struct json *object);
};
/* 0: nothing was changed or refused, go on at once; else it was answered, or go_on comes later. */
int hooks_mutate(const struct hook_request *q, const struct hook_ops *ops) MUST_CHECK;
/* Policies, then webhooks. */
int hooks_validate(const struct hook_request *q, const struct hook_ops *ops) MUST_CHECK;
/* webhook_ask.c: both, for what does not go through write_decide; the object is w->view. As above
 * with go_on. */
int hooks_ask(struct write *w, const char *operation, void (*go_on)(struct write *w)) MUST_CHECK;
/* A CONNECT, whose options are those of the query. */
int hooks_ask_connect(struct api_request *r, void (*go_on)(struct write *w)) MUST_CHECK;
/* Ends what the write waits for. */
void hooks_release(struct write *w);

/* ---- webhook_review.c ---- */
struct hook_verdict {
    struct json *patch; /* operations, or NULL */
    int http;           /* of a refusal, or 0 */
    const char *reason, *message;
    struct json *details;
};
/* In the write's arena; {NULL, 0}: out of memory. */
struct str review_write(const struct webhook *h, const struct hook_request *q,
                        const struct schema_resource *as, struct json *object, struct json *old,
                        const char *uid);
/* -E_INVALID: not an answer to that; err says why. Warnings go to the request. */
int review_read(const struct webhook *h, struct write *w, struct str body, bool mutating,
                const char *uid, struct hook_verdict *ret, struct err *err) MUST_CHECK;

/* ---- webhook_call.c ---- */
struct webhook_call;
/* rc 0: a 2xx answer, else message says what went wrong as upstream does. */
typedef void webhook_done_fn(void *ctx, int rc, struct str body, const char *message);
/* done comes once, unless the call is freed. Nonzero: it does not; err says why. */
int webhook_call_new(struct api *api, struct webhook *h, struct str body, webhook_done_fn *done,
                     void *ctx, struct webhook_call **ret, struct err *err) MUST_CHECK;
void webhook_call_free(struct webhook_call *c);
void webhook_close(struct webhook *h);

/* ---- policy.c ---- */
int policies_read(struct api *api, struct hook_index *x) MUST_CHECK;
/* nonzero: answered */
int policies_judge(const struct hook_index *x, const struct hook_request *q) MUST_CHECK;

#endif
