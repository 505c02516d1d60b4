/* One request with its whole answer collected, over any transport. See client.h. */
#include "client/client.h"

#include <stdio.h>

#include "base/limits.h"
#include "codec/json.h"

/* A call made by client_do. It is handed out as a struct client_call, which only client_cancel
 * of this file ever looks into. */
struct whole_call {
    struct client *client;
    struct client_call *inner;
    client_reply_fn *done;
    void *ctx;
    int status;
    struct buf body;
};

static void whole_free(struct whole_call *w)
{
    buf_done(&w->body);
    mem_free(w);
}

static void on_head(void *ctx, int status)
{
    struct whole_call *w = ctx;
    w->status = status;
}

static void on_data(void *ctx, struct str bytes)
{
    struct whole_call *w = ctx;
    buf_append_str(&w->body, bytes);
}

static int code_of(int status, const char *reason)
{
#define X(name, number, text, http, why)                                                           \
    if (status == (http) && cstr_eq(reason, why))                                                  \
        return -(number);
    ERR_TABLE(X)
#undef X
#define X(name, number, text, http, why)                                                           \
    if (status == (http) && (number) != E_OK)                                                      \
        return -(number);
    ERR_TABLE(X)
#undef X
    return status >= 500 ? -E_UNAVAILABLE : -E_BAD_REQUEST;
}

/* Reads reason and message out of a Status; anything else is reported by its HTTP status. */
static void finish_error(struct whole_call *w, struct client_reply *r)
{
    struct arena a CLEANUP_ARENA;
    struct json *status = NULL;
    char text[64];

    arena_init(&a, LIMIT_REQUEST_ARENA);
    if (json_parse(&a, r->body, NULL, &status, NULL) < 0)
        status = NULL;
    r->reason = json_path_cstr(status, "reason");
    r->message = json_path_cstr(status, "message");
    if (!r->message[0]) {
        snprintf(text, sizeof text, "the server answered with status %d", r->status);
        r->message = text;
    }
    r->rc = code_of(r->status, r->reason);
    w->done(w->ctx, r);
}

static void on_end(void *ctx, int rc, const char *message)
{
    struct whole_call *w = ctx;
    struct client_reply r = {.rc = rc, .status = w->status, .message = "", .reason = ""};

    if (rc == 0 && w->body.failed)
        rc = -E_TOO_LARGE;
    r.body = buf_str(&w->body);
    if (rc < 0) {
        r.rc = rc;
        r.message = message && message[0] ? message : err_text(rc);
        w->done(w->ctx, &r);
    } else if (w->status >= 200 && w->status < 300) {
        w->done(w->ctx, &r);
    } else {
        finish_error(w, &r);
    }
    whole_free(w);
}

int client_do(struct client *c, const struct client_request *r, client_reply_fn *done, void *ctx,
              struct client_call **ret_call)
{
    static const struct client_handlers handlers = {on_head, on_data, on_end};
    struct whole_call *w = mem_zalloc(sizeof *w);
    if (!w)
        return -E_NOMEM;
    w->client = c;
    w->done = done;
    w->ctx = ctx;
    buf_init(&w->body, LIMIT_REQUEST_ARENA);
    int rc = c->ops->send(c->self, r, &handlers, w, &w->inner);
    if (rc < 0) {
        whole_free(w);
        return rc;
    }
    if (ret_call)
        *ret_call = (struct client_call *)w;
    return 0;
}

void client_cancel(struct client *c, struct client_call *call)
{
    struct whole_call *w = (struct whole_call *)call;
    c->ops->cancel(c->self, w->inner);
    whole_free(w);
}

int client_send_json(struct client *c, const char *method, const char *path,
                     const char *content_type, const struct json *body, client_reply_fn *done,
                     void *ctx)
{
    struct buf text CLEANUP_BUF;
    buf_init(&text, LIMIT_BODY_BYTES);
    json_write(&text, body);
    if (text.failed)
        return -E_NOMEM;
    struct client_request r = {
        .method = method, .path = path, .content_type = content_type, .body = buf_str(&text)};
    return client_do(c, &r, done, ctx, NULL);
}

char *client_path(struct arena *a, const char *group, const char *version, const char *ns,
                  const char *resource, const char *name, const char *subresource)
{
    bool core = !group || !group[0];
    bool in_ns = ns && ns[0];
    return arena_printf(a, "%s%s/%s%s%s/%s%s%s%s%s", core ? "/api" : "/apis/", core ? "" : group,
                        version, in_ns ? "/namespaces/" : "", in_ns ? ns : "", resource,
                        name ? "/" : "", name ? name : "", subresource ? "/" : "",
                        subresource ? subresource : "");
}
