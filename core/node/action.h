/*
 * One handler of a probe or a lifecycle hook, carried out once: exec, httpGet (and HTTPS, without
 * verification, as upstream), tcpSocket, sleep.
 */
#ifndef NODE_ACTION_H
#define NODE_ACTION_H

#include "node/node_int.h"

enum action_result { ACTION_SUCCESS, ACTION_FAILURE };
typedef void action_done_fn(void *ctx, enum action_result result, const char *message);

/* container: its entry of the spec (for named ports). done runs once, from the loop, unless the
 * action is cancelled before. NULL: out of memory, nothing was begun. */
struct action *action_start(struct container *c, const struct json *container, const struct json *handler,
                            int64_t timeout_ms, action_done_fn *done, void *ctx);
void action_cancel(struct action *a); /* accepts NULL */

int actions_new(struct node *n, struct actions **ret_actions) MUST_CHECK;
void actions_free(struct actions *a);
void actions_exec_exited(struct actions *a, uint64_t session, const struct runtime_exit *e);

/* ---- action.c for httpget.c ---- */
struct httpget;
struct httpget_request {
    struct node *node;
    struct net_addr to;
    bool tls;
    struct str head;         /* the whole request; NULL: connecting is all (tcpSocket) */
};
typedef void httpget_done_fn(void *ctx, enum action_result result, const char *message);
int httpget_start(const struct httpget_request *r, httpget_done_fn *done, void *ctx, struct httpget **ret) MUST_CHECK;
void httpget_free(struct httpget *h);

#endif
