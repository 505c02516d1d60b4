/*
 * Fetching an answer from a kubelet, or through a proxy subresource from a pod: the request goes on
 * without the client's credentials (to a kubelet with our own certificate); after an upgrade bytes
 * are spliced both ways, and after anything else but 101 the client's connection ends with the
 * answer, so that nothing can be smuggled behind it (CVE-2018-1002105). Redirects are never followed:
 * a kubelet's are refused (CVE-2020-8559), those of a proxied server are the client's business, with
 * Location as the client sees that server.
 */
#include <stdio.h>

#include "base/map.h"
#include "main/front_int.h"

/* ---- tunnels ---- */

struct front_tunnel {
    struct conn *a, *b; /* client, kubelet */
};

static void tunnel_end(struct front_tunnel *t)
{
    conn_free(t->a);
    conn_free(t->b);
    mem_free(t);
}

static void pass(struct conn *from, struct conn *to, struct front_tunnel *t, struct str bytes)
{
    if (conn_write(to, bytes) < 0) {
        tunnel_end(t);
        return;
    }
    if (conn_unsent(to) > CONN_HIGH)
        conn_pause(from, true);
}

static void a_data(void *ctx, struct str bytes)
{
    struct front_tunnel *t = ctx;
    pass(t->a, t->b, t, bytes);
}

static void b_data(void *ctx, struct str bytes)
{
    struct front_tunnel *t = ctx;
    pass(t->b, t->a, t, bytes);
}

static void a_drained(void *ctx)
{
    conn_pause(((struct front_tunnel *)ctx)->b, false);
}

static void b_drained(void *ctx)
{
    conn_pause(((struct front_tunnel *)ctx)->a, false);
}

/* One side has closed: what is queued for the other still goes out. */
static void a_closed(void *ctx, int rc, const char *message)
{
    struct front_tunnel *t = ctx;
    (void)rc;
    (void)message;
    conn_free(t->a);
    t->a = NULL;
    if (!t->b || !conn_unsent(t->b))
        tunnel_end(t);
    else
        conn_finish(t->b);
}

static void b_closed(void *ctx, int rc, const char *message)
{
    struct front_tunnel *t = ctx;
    (void)rc;
    (void)message;
    conn_free(t->b);
    t->b = NULL;
    if (!t->a)
        tunnel_end(t);
    else
        conn_finish(t->a);
}

static void a_data_or_nothing(void *ctx, struct str bytes)
{
    struct front_tunnel *t = ctx;
    if (t->b)
        a_data(t, bytes);
}

static void b_data_or_nothing(void *ctx, struct str bytes)
{
    struct front_tunnel *t = ctx;
    if (t->a)
        b_data(t, bytes);
}

static void a_drained_if_both(void *ctx)
{
    if (((struct front_tunnel *)ctx)->b)
        a_drained(ctx);
}

static void b_drained_if_both(void *ctx)
{
    if (((struct front_tunnel *)ctx)->a)
        b_drained(ctx);
}

static const struct conn_handlers a_handlers = {NULL, a_data_or_nothing, a_drained_if_both,
                                                a_closed};
static const struct conn_handlers b_handlers = {NULL, b_data_or_nothing, b_drained_if_both,
                                                b_closed};

/* ---- the fetched answer ---- */

static bool hop_header(struct str name)
{
    return str_is(name, "connection") || str_is(name, "transfer-encoding") ||
           str_is(name, "content-length") || str_is(name, "keep-alive") || str_is(name, "date");
}

static size_t passed_headers(const struct http_head *head, struct http_header *out, bool upgrade)
{
    size_t n = 0;
    for (size_t i = 0; i < head->header_count && n < FRONT_HEADERS; i++)
        if (!hop_header(head->headers[i].name) ||
            (upgrade && str_is(head->headers[i].name, "connection")))
            out[n++] = head->headers[i];
    return n;
}

/* "/a" or "http://HOST/a" of the proxied server: the proxy's prefix in front. Others stay. */
static struct str seen_location(const struct front_call *c, struct str at, struct buf *out)
{
    struct str path = at, host = str_of(c->host), prefix = str_of(c->prefix);
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < 2; i++) {
        size_t n = strlen(schemes[i]);
        if (str_starts(at, str_of(schemes[i])) && str_starts(str_make(at.p + n, at.n - n), host))
            path = str_make(at.p + n + host.n, at.n - n - host.n);
    }
    if (!path.n || path.p[0] != '/' || (path.n > 1 && path.p[1] == '/') || str_starts(path, prefix))
        return at;
    buf_printf(out, STR_FMT STR_FMT, STR_ARG(prefix), STR_ARG(path));
    return out->failed ? at : buf_str(out);
}

static void fetch_head(void *ctx, const struct http_head *head)
{
    struct front_call *c = ctx;
    struct http_header headers[FRONT_HEADERS];
    size_t n = passed_headers(head, headers, head->status == 101);
    struct buf location CLEANUP_BUF;

    buf_init(&location, LIMIT_HEADER_BYTES);
    for (size_t i = 0; c->prefix && i < n; i++)
        if (str_is(headers[i].name, "location"))
            headers[i].value = seen_location(c, headers[i].value, &location);

    if (head->status == 101 && c->upgrade) {
        struct front_tunnel *t = mem_zalloc(sizeof *t);
        struct http_request *r = c->request;
        struct http_call *fetch = c->fetch;
        if (!t) {
            front_refuse(c, 503, "ServiceUnavailable", "out of memory");
            return;
        }
        c->request = NULL;
        c->fetch = NULL;
        t->a = http_request_upgrade(r, headers, n, &a_handlers, t);
        t->b = http_call_upgrade(fetch, &b_handlers, t);
        http_call_free(fetch);
        front_call_free(c);
        if (!t->a || !t->b)
            tunnel_end(t);
        return;
    }
    if (!c->prefix && head->status >= 300 && head->status < 400 && head->status != 304) {
        front_refuse(c, 502, "InternalError",
                     "the node answered with a redirect, which is not followed");
        return;
    }
    c->answered = true;
    if (c->upgrade)
        http_request_close_after(c->request);
    http_reply(c->request, head->status, headers, n, head->content_length);
}

static void fetch_body(void *ctx, struct str bytes)
{
    struct front_call *c = ctx;
    if (!c->request)
        return;
    http_reply_write(c->request, bytes);
    if (http_reply_unsent(c->request) > CONN_HIGH)
        http_call_pause(c->fetch, true);
}

static void fetch_end(void *ctx, int rc, const char *message)
{
    struct front_call *c = ctx;
    struct http_request *r = c->request;
    if (rc < 0 || !c->answered) {
        char text[600];
        snprintf(text, sizeof text, "error dialing backend: %s",
                 message[0] ? message : "no answer");
        front_refuse(c, 502, "InternalError", text);
        return;
    }
    c->request = NULL;
    front_call_free(c);
    if (r)
        http_reply_end(r);
}

static void fetch_drained(void *ctx)
{
    struct front_call *c = ctx;
    if (c->request && !c->complete)
        http_request_pause(c->request, false);
}

/* ---- sending the request on ---- */

static size_t kept_headers(struct front_call *c, struct http_header *out)
{
    struct str rest = buf_str(&c->head), name, value;
    size_t n = 0;
    while (rest.p && rest.n && n < FRONT_HEADERS && str_split(&rest, 0, &name) &&
           str_split(&rest, 0, &value)) {
        if (!(c->prefix ? str_is(name, "x-forwarded-for") ||
                              str_is(name, "x-forwarded-uri")
                        : str_is(name, "cookie")))
            out[n++] = (struct http_header){name, value};
    }
    if (c->prefix) {
        out[n++] = (struct http_header){STR("x-forwarded-for"), str_of(c->from)};
        out[n++] = (struct http_header){STR("x-forwarded-uri"), str_of(c->uri)};
    }
    if (c->upgrade)
        out[n++] = (struct http_header){STR("connection"), STR("Upgrade")};
    return n;
}

static void kubelet_opened(void *ctx)
{
    static const struct http_call_handlers handlers = {fetch_head, fetch_body, fetch_end,
                                                       fetch_drained};
    struct front_call *c = ctx;
    struct conn *conn = c->kubelet;
    struct http_header headers[FRONT_HEADERS + 3];
    size_t n = kept_headers(c, headers);
    bool streamed = c->has_body && !c->upgrade;
    struct http_call_options o = {.loop = c->front->env->loop,
                                  .method = c->method,
                                  .target = c->target,
                                  .host = c->host,
                                  .headers = headers,
                                  .header_count = n,
                                  .streamed = streamed,
                                  .stream_length = c->body_length,
                                  .handlers = &handlers,
                                  .ctx = c};
    c->kubelet = NULL;
    int rc = http_call_new(&o, conn, &c->fetch);
    if (rc < 0) {
        conn_free(conn);
        front_refuse(c, 502, "InternalError", err_text(rc));
        return;
    }
    if (streamed && buf_len(&c->early))
        (void)!http_call_write(c->fetch, buf_str(&c->early));
    buf_done(&c->early);
    if (streamed && c->complete)
        (void)!http_call_write_end(c->fetch);
    http_request_pause(c->request, false);
}

static void kubelet_closed(void *ctx, int rc, const char *message)
{
    struct front_call *c = ctx;
    char text[700];
    snprintf(text, sizeof text, "error dialing backend: dial %s: %s", c->host,
             message[0] ? message : err_text(rc));
    front_refuse(c, 502, "InternalError", text);
}

/* What went through other proxies before, and this client. */
static char *forwarded_for(struct front_call *c)
{
    struct buf b CLEANUP_BUF;
    struct str rest = buf_str(&c->head), name, value;
    char addr[NET_ADDR_TEXT];
    size_t n;
    buf_init(&b, LIMIT_HEADER_BYTES);
    while (rest.p && rest.n && str_split(&rest, 0, &name) && str_split(&rest, 0, &value))
        if (str_is(name, "x-forwarded-for"))
            buf_printf(&b, STR_FMT ", ", STR_ARG(value));
    buf_puts(&b, net_addr_format(http_request_peer(c->request), false, addr));
    return buf_take(&b, &n);
}

/* Where the client sees what it asks for, without the query. */
static char *forwarded_uri(const char *prefix, const char *target)
{
    struct buf b CLEANUP_BUF;
    size_t n;
    buf_init(&b, LIMIT_HEADER_BYTES);
    buf_printf(&b, "%s%.*s", prefix, (int)strcspn(target, "?"), target);
    return buf_take(&b, &n);
}

static int remember(struct front_call *c, const struct front_place *to, const struct net_addr *at)
{
    char text[NET_ADDR_TEXT];
    c->host = mem_strdup(net_addr_format(at, true, text));
    c->target = mem_strdup(to->target);
    if (to->prefix) {
        c->prefix = mem_strdup(to->prefix);
        c->from = forwarded_for(c);
        c->uri = forwarded_uri(to->prefix, to->target);
    }
    return c->host && c->target && (!to->prefix || (c->prefix && c->from && c->uri)) ? 0 : -E_NOMEM;
}

/* Pods' and services' https is not verified: nobody says whose certificate it should be. */
static struct tls_context *choose_tls(struct front *f, const char *server_name)
{
    struct tls_config any = {.peer = TLS_PEER_NONE};
    struct err err = {0};
    if (server_name[0])
        return f->kubelet_client;
    if (!f->any_server && tls_context_new(&any, &f->any_server, &err) < 0)
        return NULL;
    return f->any_server;
}

void front_proxy(struct front_call *c, const struct front_place *to)
{
    static const struct conn_handlers handlers = {kubelet_opened, NULL, NULL, kubelet_closed};
    struct front *f = c->front;
    struct net_addr at;
    struct tls_context *tls = to->server_name ? choose_tls(f, to->server_name) : NULL;

    if (net_addr_parse(str_of(to->host), false, &at) < 0) {
        front_refuse(c, 502, "InternalError",
                     "the address to fetch the answer from is no IP address");
        return;
    }
    at.port = to->port;
    if (to->server_name && !tls) {
        front_refuse(c, 503, "ServiceUnavailable", "no certificate for the kubelet yet");
        return;
    }
    struct conn_options o = {.loop = f->env->loop,
                             .net = f->env->net,
                             .tls = tls,
                             .server_name = to->server_name && to->server_name[0] ? to->server_name : NULL,
                             .handlers = &handlers,
                             .ctx = c};
    int rc = remember(c, to, &at);
    if (rc == 0)
        rc = conn_connect(&o, &at, &c->kubelet);
    if (rc < 0)
        front_refuse(c, 502, "InternalError", err_text(rc));
}

void front_proxy_body(struct front_call *c, struct str bytes)
{
    if (c->upgrade)
        return;      /* a request for an upgrade has no body worth passing on */
    if (!c->fetch) { /* was read together with the head */
        buf_append_str(&c->early, bytes);
        if (c->early.failed)
            front_refuse(c, 503, "ServiceUnavailable", "out of memory");
        return;
    }
    if (http_call_write(c->fetch, bytes) == 0 && http_call_unsent(c->fetch) > CONN_HIGH)
        http_request_pause(c->request, true);
}

void front_proxy_complete(struct front_call *c)
{
    if (c->fetch && c->has_body && !c->upgrade)
        (void)!http_call_write_end(c->fetch);
}

void front_proxy_drained(struct front_call *c)
{
    if (c->fetch)
        http_call_pause(c->fetch, false);
}

void front_proxy_stop(struct front_call *c)
{
    http_call_free(c->fetch);
    c->fetch = NULL;
    conn_free(c->kubelet);
    c->kubelet = NULL;
}
