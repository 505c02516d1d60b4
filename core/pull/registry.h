/*
 * Requests to one registry (distribution specification 1.1): authentication, redirects, errors.
 *
 * Credentials and tokens go to the registry's own origin (and credentials to the token server that
 * it names, never from https to http); a redirect to another origin gets none of them. A registry
 * elsewhere cannot lead us to loopback or link-local addresses, unless they are configured.
 */
#ifndef PULL_REGISTRY_H
#define PULL_REGISTRY_H

#include "pull/io.h"
#include "wire/http_client.h"

enum { PULL_REDIRECTS = 5, PULL_TOKEN_BYTES = 64 * 1024, PULL_ERROR_BYTES = 8 * 1024 };

/* The head of an answer, as far as it matters here. */
struct response {
    int status;
    int64_t content_length;   /* -1: not told */
    char content_type[128];   /* without parameters */
    char location[PULL_URL_BYTES], authenticate[2048], digest[80], content_range[80];
};

struct registry_options {
    struct pull_io *io;
    struct pull_url endpoint; /* its target is a prefix, "/" when there is none */
    struct tls_context *tls;  /* for the endpoint and where it leads; NULL: io->tls */
    bool to_http;             /* https may lead to http */
    const char *repository;
    const char *username, *password, *identity_token; /* "" when there is none */
    /* Is this host and port configured, and so may be local? */
    bool (*configured)(void *ctx, const struct pull_url *url);
    void *ctx;
};

struct registry {
    struct registry_options o;
    struct buf authorization; /* value of the header; empty: none */
    bool local;               /* the endpoint itself is on this machine */
    bool answered;            /* some server spoke HTTP with us */
    struct conn *idle;        /* kept connection, or NULL */
    struct pull_url idle_url;
    struct buf error_body;
};

struct registry_request {
    const char *path;   /* behind the endpoint: "/v2/library/nginx/manifests/latest" */
    const char *accept; /* or NULL */
    uint64_t from;      /* resume at this byte */
    /* For an answer of 200 or 206: told before the first byte of the body, then each part. */
    int (*head)(void *ctx, const struct response *r, struct err *err); /* or NULL */
    int (*body)(void *ctx, struct str bytes, struct err *err);
    void *ctx;
};

void registry_init(struct registry *r, const struct registry_options *o);
void registry_done(struct registry *r);
/* 0 after the whole body; -E_NOT_FOUND (404), -E_UNAUTHORIZED, -E_FORBIDDEN, -E_TOO_MANY,
 * -E_UNAVAILABLE, -E_CLOSED, -E_TIMEOUT (worth another try), -E_SYNTAX, or what the sink said. */
int registry_get(struct registry *r, const struct registry_request *q, struct err *err) MUST_CHECK;

/* ---- between registry.c and auth.c ---- */
struct exchange {
    const char *method;
    const struct pull_url *url;
    const char *authorization, *accept, *content_type; /* NULL: none */
    struct str content;
    uint64_t from;
    const struct registry_request *sink; /* for 2xx; NULL: everything goes to error_body */
};
/* One request and its answer on a connection, no more. */
int registry_exchange(struct registry *r, const struct exchange *x, struct response *ret_response,
                      struct err *err) MUST_CHECK;
/* Answers WWW-Authenticate: r->authorization is set. -E_UNAUTHORIZED when there is no way. */
int registry_authenticate(struct registry *r, const char *challenge, struct err *err) MUST_CHECK;
/* What a failed answer says, as an error. */
int registry_refusal(struct registry *r, int status, struct err *err) MUST_CHECK;

#endif
