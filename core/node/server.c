/* Who may ask, and what for. See server.h. */
#include "node/server_int.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/limits.h"
#include "base/log.h"

enum { ARENA_BYTES = 1024 * 1024, MOST_PARTS = 6 };

/* ---- answers ---- */

void request_free(struct request *q)
{
    if (q->busy)
        return;
    load_forget(q);
    logread_free(q->logread);
    log_socket_free(q->log_socket);
    if (q->pod)
        pod_unref(q->pod);
    list_remove(&q->link);
    arena_done(&q->arena);
    mem_free(q);
}

void request_fail(struct request *q, int status, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text - 1, fmt, ap);
    va_end(ap);
    if (n > (int)sizeof text - 2)
        n = (int)sizeof text - 2;
    if (q->http)
        http_reply_whole(q->http, status, "text/plain; charset=utf-8", str_make(text, (size_t)n));
    q->http = NULL;
    request_free(q);
}

bool request_flag(struct request *q, const char *name)
{
    struct str v = url_query_get(&q->arena, q->query, name);
    return str_is(v, "1") || str_is(v, "true");
}

/* ---- authorization ---- */

/* 0, or -E_UNAUTHORIZED, -E_FORBIDDEN with the reason. */
static int authorize(struct http_request *r, struct err *err)
{
    struct cert_info peer;
    int rc = http_request_peer_cert(r, &peer, err);
    if (rc < 0)
        return err_set(err, E_UNAUTHORIZED, "Unauthorized");
    if (!(peer.use & CERT_USE_CLIENT))
        return err_set(err, E_UNAUTHORIZED, "Unauthorized: the certificate is not for clients");
    if (cstr_eq(peer.common_name, "kube-apiserver-kubelet-client"))
        return 0;
    for (size_t i = 0; i < peer.org_count; i++)
        if (cstr_eq(peer.orgs[i], "system:masters"))
            return 0;
    return err_set(err, E_FORBIDDEN, "Forbidden (user=%.100s, resource=nodes, subresource=proxy)", peer.common_name);
}

/* ---- paths ---- */

static bool find_target(struct request *q, char **parts, size_t count, bool with_container)
{
    struct node *n = q->server->node;
    size_t at = with_container && count == 5 ? 4 : 3; /* .../namespace/pod[/uid]/container */
    struct pod *p = pods_find(n, parts[1], parts[2]);
    if (!p) {
        request_fail(q, 404, "pod does not exist");
        return false;
    }
    q->pod = p;
    pod_ref(p);
    q->container = with_container ? pod_container(p, parts[at]) : NULL;
    if (with_container && !q->container) {
        request_fail(q, 404, "container %s not found in pod %s_%s", parts[at], p->name, p->namespace);
        return false;
    }
    return true;
}

static bool is_stream(const char *verb)
{
    return cstr_eq(verb, "exec") || cstr_eq(verb, "attach") || cstr_eq(verb, "portForward");
}

static void route_pod(struct request *q, char **parts, size_t count)
{
    bool logs = cstr_eq(parts[0], "containerLogs"), forward = cstr_eq(parts[0], "portForward");
    size_t least = forward ? 3 : 4;
    if (count < least || count > least + 1) {
        request_fail(q, 404, "404 page not found");
        return;
    }
    if (!find_target(q, parts, count, !forward))
        return;
    if (logs)
        requests_logs(q);
    else
        requests_stream(q, cstr_eq(parts[0], "exec"), forward);
}

static void route(struct request *q)
{
    char *parts[MOST_PARTS] = {0};
    struct str rest = str_of(q->path), part;
    size_t count = 0;
    while (str_split(&rest, '/', &part)) {
        struct str plain = url_decode(&q->arena, part, false);
        if (plain.n == 0)
            continue;
        if (count == MOST_PARTS) {
            count = 0;
            break;
        }
        parts[count++] = arena_strndup(&q->arena, plain.p, plain.n);
    }
    const char *verb = count ? parts[0] : "";
    if (q->arena.failed)
        request_fail(q, 500, "out of memory");
    else if (cstr_eq(verb, "healthz"))
        request_fail(q, 200, "ok");
    else if (cstr_eq(verb, "pods") && count == 1)
        stats_pods(q);
    else if (cstr_eq(verb, "stats") && count == 2 && cstr_eq(parts[1], "summary"))
        stats_summary(q);
    else if (cstr_eq(verb, "metrics") && count == 2 && cstr_eq(parts[1], "resource"))
        stats_metrics(q);
    else if (cstr_eq(verb, "usage") && count == 2)
        metrics_read(q, cstr_eq(parts[1], "nodes"));
    else if (cstr_eq(verb, "containerLogs") || is_stream(verb))
        route_pod(q, parts, count);
    else
        request_fail(q, 404, "404 page not found");
}

/* ---- from the HTTP server ---- */

static void take_upgrade(struct request *q, const struct http_head *head)
{
    struct str websocket = http_header_get(head, "sec-websocket-protocol");
    q->websocket = http_header_has(head, "upgrade", "websocket");
    q->spdy = http_header_has(head, "upgrade", "spdy/3.1");
    q->websocket_key = arena_str(&q->arena, http_header_get(head, "sec-websocket-key"));
    if (q->websocket) {
        q->protocols = arena_str(&q->arena, websocket);
        return;
    }
    struct buf all CLEANUP_BUF = {0};
    buf_init(&all, LIMIT_HEADER_BYTES);
    for (size_t i = 0; i < head->header_count; i++)
        if (str_is(head->headers[i].name, "x-stream-protocol-version"))
            buf_printf(&all, "%s" STR_FMT, buf_len(&all) ? "," : "", STR_ARG(head->headers[i].value));
    q->protocols = arena_str(&q->arena, buf_str(&all));
}

static void on_begin(void *server_ctx, struct http_request *r, const struct http_head *head)
{
    struct server *s = server_ctx;
    struct err err = {0};
    struct str path, query;
    int rc = authorize(r, &err);
    struct request *q = rc == 0 ? mem_zalloc(sizeof *q) : NULL;
    http_request_set_ctx(r, q);
    if (!q) {
        if (rc == 0)
            err_set(&err, E_NOMEM, "out of memory");
        http_reply_whole(r, err_http_status(err.code), "text/plain; charset=utf-8", str_of(err.text));
        return;
    }
    q->server = s;
    q->http = r;
    arena_init(&q->arena, ARENA_BYTES);
    list_push_back(&s->requests, &q->link);
    url_split(head->target, &path, &query);
    q->method = arena_strdup(&q->arena, head->method);
    q->path = arena_strndup(&q->arena, path.p, path.n);
    q->query = arena_str(&q->arena, query);
    take_upgrade(q, head);
    if (q->arena.failed)
        request_fail(q, 500, "out of memory");
    else if (cstr_eq(q->method, "POST") && cstr_eq(q->path, "/images/load"))
        load_begin(q);
}

/* Only an archive of images has a body that matters. */
static void on_body(void *ctx, struct http_request *r, struct str bytes)
{
    struct request *q = ctx;
    (void)r;
    if (q && q->load)
        load_body(q, bytes);
}

static void on_complete(void *ctx, struct http_request *r)
{
    struct request *q = ctx;
    (void)r;
    if (q && q->load)
        load_complete(q);
    else if (q)
        route(q);
}

static void on_aborted(void *ctx, struct http_request *r)
{
    struct request *q = ctx;
    (void)r;
    if (!q)
        return;
    q->http = NULL;
    request_free(q);
}

static void on_drained(void *ctx, struct http_request *r)
{
    (void)r;
    if (ctx)
        requests_logs_drained(ctx);
}

/* ---- life ---- */

int server_new(struct node *n, int listen_fd, struct server **ret_server)
{
    static const struct http_server_handlers handlers = {on_begin, on_body, on_complete, on_aborted, on_drained};
    struct server *s = mem_zalloc(sizeof *s);
    if (!s)
        return -E_NOMEM;
    s->node = n;
    list_init(&s->requests);
    list_init(&s->upgrades);
    struct http_server_options o = {.loop = n->loop, .net = n->o.net, .tls = n->o.serving,
                                    .listen_fd = listen_fd, .handlers = &handlers, .ctx = s};
    int rc = http_server_new(&o, &s->http);
    if (rc < 0) {
        mem_free(s);
        return rc;
    }
    *ret_server = s;
    return 0;
}

void server_free(struct server *s)
{
    struct request *q, *next;
    if (!s)
        return;
    http_server_free(s->http);
    upgrades_free(s);
    LIST_EACH_SAFE (q, next, &s->requests, link) {
        q->busy = false; /* nothing answers any more */
        q->http = NULL;
        request_free(q);
    }
    mem_free(s);
}
