/* What the files of front share. */
#ifndef MAIN_FRONT_INT_H
#define MAIN_FRONT_INT_H

#include "base/map.h"
#include "main/front.h"
#include "main/keys_client.h"
#include "wire/front_link.h"
#include "wire/front_msg.h"
#include "wire/http_client.h"
#include "wire/http_server.h"
#include "wire/role_link.h"

struct front {
    struct role_env *env;
    struct keys_client *keys;
    struct role_link *control;  /* NULL while control is away */
    struct http_server *server; /* from the first certificate on */
    struct tls_context *serving, *kubelet_client;
    struct tls_context *any_server; /* verifies nobody: https of pods and services; made when needed */
    struct map streams; /* id -> struct front_call, those that control answers */
    struct list calls;  /* all */
    uint32_t next_id;
    unsigned char *buffer;
    struct err failure; /* the role ends for it */
};

/* Queued towards control: bodies wait above the first mark, new requests are refused above the
 * second. */
enum { FRONT_QUEUE_BODIES = 4 * 1024 * 1024, FRONT_QUEUE_FULL = 16 * 1024 * 1024 };

/* One request of a client. */
struct front_call {
    struct list link;
    struct front *front;
    uint32_t id;
    struct http_request *request; /* NULL: the client went away, or the answer has ended */
    int64_t body_bytes;
    bool complete; /* its body */
    bool choked;   /* its body waits for the link's queue */
    bool held;     /* its body waits: it will be proxied */
    bool answered; /* a head has been sent to the client */
    bool upgrade;
    bool has_body;
    int64_t body_length; /* -1: not said */
    size_t owed; /* bytes of the answer that the client has not taken yet, for the window */
    /* what a proxied request is sent on with */
    char *method;
    struct buf head; /* name NUL value NUL ... */

    struct buf early;     /* of a held body: what had been read before it was to wait */
    struct conn *kubelet; /* being opened */
    struct http_call *fetch;
    char *host, *target;
    char *prefix; /* of a proxy, or NULL: a kubelet's answer */
    char *uri;    /* under it what it asked for */
    char *from;   /* the client's address, behind what X-Forwarded-For said before */
};

extern const struct http_server_handlers front_handlers;

/* front_request.c */
void front_control_message(struct front *f, struct imsg_in *m);
void front_control_gone(struct front *f);
void front_control_drained(struct front *f); /* the link's queue is empty */
void front_call_free(struct front_call *c); /* the answer has ended or was given up */
void front_refuse(struct front_call *c, int status, const char *reason, const char *message);

/* front_proxy.c */
void front_proxy(struct front_call *c, const struct front_place *to);
void front_proxy_body(struct front_call *c, struct str bytes);
void front_proxy_complete(struct front_call *c);
void front_proxy_drained(struct front_call *c); /* the client takes more */
void front_proxy_stop(struct front_call *c);

#endif
