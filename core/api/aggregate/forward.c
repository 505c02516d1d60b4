/* A client's request, answered by another API server. */
#include "api/aggregate/aggregate.h"
#include "api/audit/audit.h"

enum { UNSENT_BYTES = 512 * 1024 };

struct forward {
    struct api_request *r;
    struct outbound *out;
};

static void forward_free(struct api_request *r)
{
    struct forward *f = r->forward;
    r->forward = NULL;
    if (!f)
        return;
    outbound_free(f->out);
    mem_free(f);
}

static void on_head(void *ctx, const struct http_head *head)
{
    static const char *const kept[] = {"content-type", "content-length", "etag", "last-modified", "vary", "warning", "retry-after", "www-authenticate", "cache-control"};
    struct forward *f = ctx;
    struct api_request *r = f->r;
    struct api_header headers[LIMIT_HEADER_COUNT];
    size_t n = 0;
    for (size_t i = 0; i < head->header_count && n < LIMIT_HEADER_COUNT; i++)
        for (size_t k = 0; k < sizeof kept / sizeof kept[0]; k++)
            if (str_is(head->headers[i].name, kept[k]))
                headers[n++] = (struct api_header){head->headers[i].name, head->headers[i].value};
    request_enter(r);
    if (head->status >= 300 && head->status < 400 && head->status != 304) { /* CVE-2022-3172 */
        fail_status(r, 502, "", NULL,
                    "the backend attempted to redirect this request, which is not permitted");
        request_leave(r);
        return;
    }
    r->head_sent = true;
    r->status = head->status;
    audit_head(r);
    if (!r->ops->head(r->ctx, head->status, headers, n))
        request_gone(r);
    request_leave(r);
}

static void on_body(void *ctx, struct str bytes)
{
    struct forward *f = ctx;
    struct api_request *r = f->r;
    if (r->ended)
        return;
    request_enter(r);
    int64_t waiting = r->ops->body(r->ctx, bytes);
    if (waiting < 0)
        request_gone(r);
    else if (waiting > UNSENT_BYTES)
        outbound_pause(f->out, true);
    request_leave(r);
}

static void on_drained(struct api_request *r)
{
    if (r->forward)
        outbound_pause(r->forward->out, false);
}

static void unavailable(struct api_request *r, const char *why)
{
    fail_status(r, 503, "ServiceUnavailable", NULL, "error trying to reach service: %s", why);
}

static void on_end(void *ctx, int rc, const char *message)
{
    struct forward *f = ctx;
    struct api_request *r = f->r;
    request_enter(r);
    if (rc < 0 && !r->head_sent)
        unavailable(r, message[0] ? message : err_text(rc));
    else
        request_end(r);
    request_leave(r);
}

static const char *target_of(struct api_request *r)
{
    return arena_printf(&r->arena, STR_FMT "%s" STR_FMT, STR_ARG(r->url.path),
                        r->url.query.n ? "?" : "", STR_ARG(r->url.query));
}

static void forward(struct api_request *r, struct aggregate *g)
{
    static const struct outbound_handlers handlers = {on_head, on_body, on_end};
    struct forward *f = mem_zalloc(sizeof *f);
    struct err err = {0};
    const char *target = target_of(r);
    if (!f || !target) {
        mem_free(f);
        fail_memory(r);
        return;
    }
    f->r = r;
    struct outbound_options o = {.method = r->method,
                                 .target = target,
                                 .user = &r->user,
                                 .content_type = r->content_type,
                                 .accept = r->accept_header,
                                 .user_agent = r->user_agent,
                                 .body = r->body,
                                 .handlers = &handlers,
                                 .ctx = f};
    r->forward = f;
    r->on_cancel = forward_free;
    r->on_drained = on_drained;
    if (outbound_new(g, &o, &f->out, &err) < 0)
        unavailable(r, err.text);
}

/* /apis/GROUP/VERSION and all below it. */
static bool path_of(const struct url *u, struct str *ret_group, struct str *ret_version)
{
    struct str rest = u->path, part;
    if (u->is_resource) {
        *ret_group = u->group;
        *ret_version = u->version;
        return u->group.n != 0;
    }
    if (!str_starts(rest, STR("/apis/")))
        return false;
    rest = str_make(rest.p + 6, rest.n - 6);
    return str_split(&rest, '/', ret_group) && str_split(&rest, '/', ret_version) &&
           (!str_split(&rest, '/', &part) || !part.n);
}

bool aggregate_handle(struct api_request *r)
{
    struct str group, version;
    if (r->resource || !path_of(&r->url, &group, &version))
        return false;
    struct aggregate *g = aggregate_find(r->api, group, version);
    if (!g)
        return false;
    if (!g->available)
        fail_status(r, 503, "ServiceUnavailable", NULL, "service unavailable");
    else
        forward(r, g);
    return true;
}
