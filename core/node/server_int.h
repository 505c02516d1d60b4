/* What server.c (who may ask, which path), requests.c (logs, streams) and stats.c share. */
#ifndef NODE_SERVER_INT_H
#define NODE_SERVER_INT_H

#include "node/logread.h"
#include "node/server.h"
#include "node/streams.h"
#include "wire/http_server.h"
#include "wire/url.h"

struct server {
    struct node *node;
    struct http_server *http;
    struct list requests; /* struct request */
    struct list upgrades; /* struct upgrade */
};

/* One request, from its head to the end of its answer. */
struct request {
    struct list link;
    struct server *server;
    struct http_request *http; /* NULL once it is answered or aborted */
    struct arena arena;
    char *method, *path;
    struct str query;
    bool websocket, spdy; /* what the client asks to upgrade to */
    struct str websocket_key, protocols;
    struct pod *pod; /* referenced */
    struct container *container;
    /* logs */
    struct logread *logread;
    struct log_socket *log_socket; /* over a WebSocket: its connection */
    uint32_t attempt;
    struct load *load; /* an archive of images on its way, or NULL */
    bool busy; /* the runtime's answer is awaited: the request outlives its connection */
};

void request_fail(struct request *q, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);
void request_free(struct request *q);
bool request_flag(struct request *q, const char *name); /* "1" or "true" in the query */

/* requests.c; parts: the words of the path behind the verb. */
void requests_logs(struct request *q);
void requests_stream(struct request *q, bool exec, bool port_forward);
void requests_logs_drained(struct request *q);
void upgrades_free(struct server *s);
/* Answers 101; the request has no HTTP side any more. NULL: the connection is gone. */
struct conn *request_upgrade(struct request *q, const char *protocol, const struct conn_handlers *handlers, void *ctx);

/* log_socket.c */
int log_socket_new(struct request *q) MUST_CHECK; /* negative: the request has been answered and freed */
void log_socket_free(struct log_socket *s);       /* accepts NULL */
bool log_socket_data(struct log_socket *s, struct str bytes); /* false: enough waits to be sent */
void log_socket_end(struct log_socket *s);        /* the request is freed when all is sent */

/* load.c */
void load_begin(struct request *q);
void load_body(struct request *q, struct str bytes);
void load_complete(struct request *q);
void load_forget(struct request *q);

/* stats.c */
void stats_pods(struct request *q);
void stats_summary(struct request *q);
void stats_metrics(struct request *q);

/* metrics.c: /usage/nodes, /usage/pods[?namespace=&name=&labelSelector=] */
void metrics_read(struct request *q, bool nodes);

#endif
