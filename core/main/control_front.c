/* See control_front.h. */
#include "main/control_front.h"

#include "base/log.h"
#include "base/mem.h"
#include "wire/front_link.h"

struct control_front {
    struct role_env *env;
    struct api *api;
    struct front_link *link; /* NULL while front is away */
    void (*broken)(void *ctx, int code, const char *message);
    void *ctx;
};

/* One request under way. */
struct call {
    struct front_stream *stream;
    struct api_request *request;
    bool ended; /* answered from inside api_handle */
};

static void call_end(struct call *c)
{
    c->stream = NULL;
    c->ended = true;
    if (c->request)
        mem_free(c);
    /* else on_request is still under way and frees it */
}

static bool on_head(void *ctx, int status, const struct api_header *headers, size_t count)
{
    struct call *c = ctx;
    struct http_header out[FRONT_HEADERS];
    size_t n = count < FRONT_HEADERS ? count : FRONT_HEADERS;
    for (size_t i = 0; i < n; i++)
        out[i] = (struct http_header){headers[i].name, headers[i].value};
    front_stream_head(c->stream, status, out, n);
    return true;
}

static int64_t on_body(void *ctx, struct str bytes)
{
    struct call *c = ctx;
    int64_t waiting = front_stream_body(c->stream, bytes);
    if (waiting < 0)
        call_end(c);
    return waiting;
}

static void on_end(void *ctx)
{
    struct call *c = ctx;
    front_stream_end(c->stream);
    call_end(c);
}

static void on_proxy(void *ctx, const struct api_proxy_target *to)
{
    struct call *c = ctx;
    struct front_place at = {to->host, to->port, to->server_name, to->target, to->prefix};
    front_stream_proxy(c->stream, &at);
    call_end(c);
}

static const struct api_reply_ops reply_ops = {on_head, on_body, on_end, on_proxy};

static void refuse(struct front_stream *s, int rc)
{
    log_warn("request: %s", err_text(rc));
    front_stream_abort(s);
}

static void on_request(void *ctx, struct front_stream *s, const struct front_request *r)
{
    struct control_front *f = ctx;
    struct api_header headers[FRONT_HEADERS];
    struct call *c = mem_zalloc(sizeof *c);
    struct api_call call = {.method = r->method, .target = r->target, .headers = headers,
                            .header_count = r->header_count, .body = r->body};

    if (!c) {
        refuse(s, -E_NOMEM);
        return;
    }
    for (size_t i = 0; i < r->header_count; i++)
        headers[i] = (struct api_header){r->headers[i].name, r->headers[i].value};
    call.peer.has_cert = r->user != NULL;
    call.peer.cert_user = r->user;
    call.peer.cert_groups = r->groups;
    call.peer.cert_fingerprint = r->fingerprint;
    call.peer.cert_problem = r->problem;
    call.peer.authorization = r->authorization;
    call.peer.address = r->address;
    c->stream = s;
    front_stream_set_ctx(s, c);
    struct api_request *request = NULL;
    int rc = api_handle(f->api, &call, &reply_ops, c, &request);
    if (rc < 0 && !c->ended)
        refuse(s, rc);
    if (rc < 0 || c->ended)
        mem_free(c);
    else
        c->request = request;
}

static void on_cancelled(void *stream_ctx, struct front_stream *s)
{
    struct call *c = stream_ctx;
    (void)s;
    api_request_cancel(c->request);
    mem_free(c);
}

static void on_drained(void *stream_ctx, struct front_stream *s)
{
    struct call *c = stream_ctx;
    (void)s;
    api_request_drained(c->request);
}

/* Front being gone is nothing special. A link that broke between two living roles is only made
 * anew when one of them starts again. */
static void on_closed(void *ctx, int rc)
{
    struct control_front *f = ctx;
    front_link_free(f->link);
    f->link = NULL;
    if (rc == -E_TOO_LARGE)
        f->broken(f->ctx, E_LIMIT, "front does not take its answers: the link's queue is full");
}

static void linked(void *ctx, int fd)
{
    static const struct front_link_handlers handlers = {on_request, on_cancelled, on_drained, on_closed};
    struct control_front *f = ctx;
    front_link_free(f->link);
    f->link = NULL;
    int rc = front_link_new(f->env->loop, fd, &handlers, f, &f->link);
    if (rc < 0) {
        log_err("link to front: %s", err_text(rc));
        f->env->net.ops->close(f->env->net.ctx, fd);
    }
}

int control_front_new(struct role_env *env, enum role_id front, struct api *api,
                      void (*broken)(void *ctx, int code, const char *message), void *ctx,
                      struct control_front **ret_front)
{
    struct control_front *f = mem_zalloc(sizeof *f);
    if (!f)
        return -E_NOMEM;
    f->env = env;
    f->api = api;
    f->broken = broken;
    f->ctx = ctx;
    role_env_on_link(env, front, linked, f);
    *ret_front = f;
    return 0;
}

void control_front_free(struct control_front *f)
{
    if (!f)
        return;
    front_link_free(f->link);
    mem_free(f);
}
