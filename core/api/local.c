/*
 * The in-process transport. A call is a request of the api; what the api says during a turn is
 * queued and told to the client from a task of the loop, so that no handler ever runs inside send,
 * cancel or another handler's call into the store.
 */
#include "api/local.h"

#include <stdio.h>

#include "api/api_int.h"

enum { QUEUE_BYTES = 64 * 1024 * 1024, LOCAL_USER = 200 };

struct local {
    struct api *api;
    char user[LOCAL_USER];
    const char *const *groups;
    struct list calls;
};

struct client_call {
    struct list link;
    struct local *local;
    struct api_request *request; /* NULL: answered */
    struct client_handlers handlers;
    void *ctx;
    struct loop_task task;
    struct loop_timer timer;
    struct buf queue;
    int status; /* 0: no head yet */
    bool head_told, ended, telling, dead;
    int rc;
    const char *message;
};

static struct loop *loop_of(struct client_call *c)
{
    return c->local->api->loop;
}

static void call_free(struct client_call *c)
{
    loop_task_cancel(&c->task);
    loop_timer_cancel(loop_of(c), &c->timer);
    list_remove(&c->link);
    buf_done(&c->queue);
    mem_free(c);
}

/* ---- from the api ---- */

static bool on_head(void *ctx, int status, const struct api_header *headers, size_t header_count)
{
    struct client_call *c = ctx;
    (void)headers;
    (void)header_count;
    c->status = status;
    loop_defer(loop_of(c), &c->task);
    return true;
}

static int64_t on_body(void *ctx, struct str bytes)
{
    struct client_call *c = ctx;
    buf_append_str(&c->queue, bytes);
    if (c->queue.failed) {
        /* Nothing may be missing from the middle of an answer: it ends here, as broken. */
        c->request = NULL;
        c->ended = true;
        c->rc = -E_NOMEM;
        c->message = "the answer found no memory";
        loop_defer(loop_of(c), &c->task);
        return -1;
    }
    loop_defer(loop_of(c), &c->task);
    return (int64_t)buf_len(&c->queue);
}

static void on_end(void *ctx)
{
    struct client_call *c = ctx;
    c->request = NULL;
    c->ended = true;
    loop_defer(loop_of(c), &c->task);
}

static void on_proxy(void *ctx, const struct api_proxy_target *to)
{
    struct client_call *c = ctx;
    (void)to;
    c->rc = -E_UNSUPPORTED;
    c->message = "streams to kubelets are not served in-process";
    on_end(ctx);
}

static const struct api_reply_ops reply_ops = {on_head, on_body, on_end, on_proxy};

/* ---- to the client ---- */

static void tell(void *ctx)
{
    struct client_call *c = ctx;
    c->telling = true;
    loop_timer_cancel(loop_of(c), &c->timer);
    if (c->status && !c->head_told) {
        c->head_told = true;
        if (c->handlers.head)
            c->handlers.head(c->ctx, c->status);
    }
    if (!c->dead && buf_len(&c->queue)) {
        /* Handed out whole: the handler may start other calls, and this one may get more meanwhile.
         */
        struct buf bytes = c->queue;
        buf_init(&c->queue, QUEUE_BYTES);
        if (c->handlers.data)
            c->handlers.data(c->ctx, buf_str(&bytes));
        buf_done(&bytes);
        if (!c->dead && c->request)
            api_request_drained(c->request);
    }
    c->telling = false;
    if (c->dead) {
        call_free(c);
    } else if (c->ended && !buf_len(&c->queue)) {
        struct client_handlers handlers = c->handlers;
        void *client = c->ctx;
        int rc = c->rc;
        const char *message = c->message;
        call_free(c);
        handlers.end(client, rc, message);
    }
}

static void on_timeout(void *ctx)
{
    struct client_call *c = ctx;
    if (c->request)
        api_request_cancel(c->request);
    c->request = NULL;
    c->ended = true;
    c->rc = -E_TIMEOUT;
    c->message = "no answer in time";
    loop_defer(loop_of(c), &c->task);
}

/* ---- the transport ---- */

static int local_send(void *self, const struct client_request *r, const struct client_handlers *h,
                      void *ctx, struct client_call **ret_call)
{
    struct local *l = self;
    struct client_call *c = mem_zalloc(sizeof *c);
    struct api_header headers[2] = {
        {STR("accept"), str_of(r->accept ? r->accept : "application/json")},
        {STR("content-type"), str_of(r->content_type ? r->content_type : "application/json")}};
    struct api_call call = {
        .method = r->method,
        .target = str_of(r->path),
        .headers = headers,
        .header_count = 2,
        .peer = {.local_user = l->user, .cert_groups = l->groups, .address = "local"},
        .body = r->body};
    if (!c)
        return -E_NOMEM;
    c->local = l;
    c->handlers = *h;
    c->ctx = ctx;
    c->message = "";
    buf_init(&c->queue, QUEUE_BYTES);
    loop_task_init(&c->task, tell, c);
    loop_timer_init(&c->timer, on_timeout, c);
    list_push_back(&l->calls, &c->link);
    struct api_request *request = NULL;
    int rc = api_handle(l->api, &call, &reply_ops, c, &request);
    if (rc < 0) {
        call_free(c);
        return rc;
    }
    if (!c->ended)
        c->request = request;
    if (!c->ended && !c->status && r->timeout_ms >= 0)
        loop_timer_set(l->api->loop, &c->timer, r->timeout_ms ? r->timeout_ms : 30000);
    if (ret_call)
        *ret_call = c;
    return 0;
}

static void local_cancel(void *self, struct client_call *c)
{
    (void)self;
    if (c->request)
        api_request_cancel(c->request);
    c->request = NULL;
    if (c->telling)
        c->dead = true;
    else
        call_free(c);
}

static void local_close(void *self)
{
    struct local *l = self;
    struct client_call *c, *next;
    LIST_EACH_SAFE(c, next, &l->calls, link)
    local_cancel(l, c);
    mem_free(l);
}

static const struct client_transport_ops transport_ops = {local_send, local_cancel, local_close};

int api_local_client(struct api *api, const char *user, const char *const *groups,
                     struct client *ret_client)
{
    struct local *l = mem_zalloc(sizeof *l);
    if (!l)
        return -E_NOMEM;
    l->api = api;
    str_copy(l->user, sizeof l->user, str_of(user));
    l->groups = groups;
    list_init(&l->calls);
    *ret_client = (struct client){&transport_ops, l, api->loop};
    return 0;
}

int api_account_client(struct api *api, const char *account, struct client *ret_client)
{
    static const char *const groups[] = {"system:serviceaccounts",
                                         "system:serviceaccounts:kube-system", NULL};
    char user[LOCAL_USER];
    snprintf(user, sizeof user, "system:serviceaccount:kube-system:%s", account);
    return api_local_client(api, user, groups, ret_client);
}
