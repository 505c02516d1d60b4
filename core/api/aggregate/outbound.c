#include "api/aggregate/aggregate.h"

#include <stdio.h>

enum { HEADERS_MOST = USER_GROUPS + 64, NAME_TEXT = 300 };

struct outbound {
    struct aggregate *to;
    struct conn *conn; /* until the request is sent */
    struct http_call *call;
    struct arena arena;
    struct outbound_options o;
    struct http_header headers[HEADERS_MOST];
    size_t header_count;
    char host[NAME_TEXT], name[NAME_TEXT];
    bool freed, calling;
};

/* ---- where to ---- */

struct search {
    struct aggregate *g;
    struct arena *a;
    const struct json *port;
    struct str ip;
    int64_t number;
    size_t slices, seen;
};

static bool look_at_slice(void *ctx, struct store_value *v)
{
    struct search *s = ctx;
    struct json *slice;
    int64_t number = 0;
    if (json_parse(s->a, store_value_bytes(v), NULL, &slice, NULL) < 0 ||
        !str_eq(json_str(json_get(json_path(slice, "metadata.labels"), "kubernetes.io/service-name")),
                s->g->service))
        return true;
    s->slices++;
    for (const struct json *m = json_first(json_get(slice, "ports")); m; m = m->next)
        if (str_eq(json_path_str(m, "name"), json_path_str(s->port, "name")))
            number = json_path_i64(m, "port", 0);
    for (const struct json *e = json_first(json_get(slice, "endpoints")); e && number; e = e->next) {
        struct str ip = json_str(json_first(json_get(e, "addresses")));
        if (json_path_bool(e, "conditions.ready", true) && ip.n &&
            prng_below(&aggregate_api(s->g)->prng, ++s->seen) == 0) {
            s->ip = ip;
            s->number = number;
        }
    }
    return true;
}

static int search_endpoints(struct search *s, struct net_addr *ret, const char **ret_reason,
                            struct err *err)
{
    struct aggregate *g = s->g;
    struct store_snapshot *snap;
    struct str from = object_key_of(s->a, "discovery.k8s.io", "endpointslices", g->ns, STR(""));
    char *end = from.p ? arena_strndup(s->a, from.p, from.n) : NULL;
    if (!end || store_snapshot_take(aggregate_api(g)->store, &snap) < 0)
        return err_set(err, E_NOMEM, "out of memory");
    end[from.n - 1] = '/' + 1;
    store_snapshot_range(snap, from, str_make(end, from.n), look_at_slice, s);
    store_snapshot_release(snap);
    *ret_reason = s->slices ? "MissingEndpoints" : "EndpointsNotFound";
    if (!s->slices)
        return err_set(err, E_UNAVAILABLE,
                       "cannot find endpointslices for service/" STR_FMT " in \"" STR_FMT "\"",
                       STR_ARG(g->service), STR_ARG(g->ns));
    if (!s->ip.n || net_addr_parse(s->ip, false, ret) < 0)
        return err_set(err, E_UNAVAILABLE,
                       "endpointslices for service/" STR_FMT " in \"" STR_FMT
                       "\" have no addresses with port name \"%s\"",
                       STR_ARG(g->service), STR_ARG(g->ns), json_path_cstr(s->port, "name"));
    ret->port = (uint16_t)s->number;
    return 0;
}

int aggregate_place(struct aggregate *g, struct net_addr *ret, const char **ret_reason,
                    struct err *err)
{
    struct api *api = aggregate_api(g);
    struct arena a CLEANUP_ARENA;
    arena_init(&a, LIMIT_REQUEST_ARENA);
    const struct json *service = object_load(api, &a, "", "services", g->ns, g->service, NULL), *m;
    *ret_reason = "ServiceNotFound";
    if (!service)
        return err_set(err, E_UNAVAILABLE, "service/" STR_FMT " in \"" STR_FMT "\" is not present",
                       STR_ARG(g->service), STR_ARG(g->ns));
    for (m = json_first(json_path(service, "spec.ports")); m; m = m->next)
        if (json_path_i64(m, "port", 0) == g->port)
            break;
    *ret_reason = "ServicePortError";
    if (!m)
        return err_set(err, E_UNAVAILABLE,
                       "service/" STR_FMT " in \"" STR_FMT "\" is not listening on port %lld",
                       STR_ARG(g->service), STR_ARG(g->ns), (long long)g->port);
    struct search s = {.g = g, .a = &a, .port = m};
    return search_endpoints(&s, ret, ret_reason, err);
}

struct tls_context *aggregate_tls(struct aggregate *g, struct err *err)
{
    struct api *api = aggregate_api(g);
    struct tls_config c = {.peer = g->insecure ? TLS_PEER_NONE : TLS_PEER_REQUIRED,
                           .trust_pem = g->ca_pem,
                           .cert_chain_pem = buf_str(&api->proxy_cert_pem),
                           .key_pem = buf_str(&api->proxy_key_pem)};
    if (g->tls)
        return g->tls;
    return tls_context_new(&c, &g->tls, err) < 0 ? NULL : g->tls;
}

/* ---- the request ---- */

static void add(struct outbound *o, const char *name, struct str value)
{
    struct str copy = arena_str(&o->arena, value);
    if (value.n && copy.p && o->header_count < HEADERS_MOST)
        o->headers[o->header_count++] = (struct http_header){str_of(name), copy};
}

/* Keys of extra are header names: what those may not hold is percent-encoded. */
static const char *extra_name(struct arena *a, struct str key)
{
    struct buf b CLEANUP_BUF;
    buf_init(&b, 1024);
    buf_puts(&b, "x-remote-extra-");
    for (size_t i = 0; i < key.n; i++) {
        char c = key.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                     (c != 0 && memchr("!#$&'*+-.^_`|~", c, 14));
        if (plain)
            buf_putc(&b, c);
        else
            buf_printf(&b, "%%%02X", (unsigned char)c);
    }
    return b.failed ? "" : arena_strdup(a, buf_cstr(&b));
}

static void add_user(struct outbound *o, const struct user *u)
{
    add(o, "x-remote-user", str_of(u->name));
    if (u->uid && u->uid[0])
        add(o, "x-remote-uid", str_of(u->uid));
    for (size_t i = 0; i < u->group_count; i++)
        add(o, "x-remote-group", str_of(u->groups[i]));
    for (const struct json *m = json_first(u->extra); m; m = m->next)
        for (const struct json *v = json_first(m); v; v = v->next)
            add(o, extra_name(&o->arena, m->key), json_str(v));
}

static void outbound_destroy(struct outbound *o)
{
    http_call_free(o->call);
    conn_free(o->conn);
    aggregate_unref(o->to);
    arena_done(&o->arena);
    mem_free(o);
}

void outbound_free(struct outbound *o)
{
    if (!o)
        return;
    if (o->calling)
        o->freed = true;
    else
        outbound_destroy(o);
}

static void leave(struct outbound *o)
{
    o->calling = false;
    if (o->freed)
        outbound_destroy(o);
}

static void on_head(void *ctx, const struct http_head *head)
{
    struct outbound *o = ctx;
    o->calling = true;
    o->o.handlers->head(o->o.ctx, head);
    leave(o);
}

static void on_body(void *ctx, struct str bytes)
{
    struct outbound *o = ctx;
    o->calling = true;
    o->o.handlers->body(o->o.ctx, bytes);
    leave(o);
}

static void on_end(void *ctx, int rc, const char *message)
{
    struct outbound *o = ctx;
    o->calling = true;
    o->o.handlers->end(o->o.ctx, rc, message);
    leave(o);
}

static void on_opened(void *ctx)
{
    static const struct http_call_handlers handlers = {on_head, on_body, on_end, NULL};
    struct outbound *o = ctx;
    struct http_call_options options = {.loop = aggregate_api(o->to)->loop,
                                        .method = o->o.method,
                                        .target = o->o.target,
                                        .host = o->host,
                                        .headers = o->headers,
                                        .header_count = o->header_count,
                                        .body = o->o.body,
                                        .timeout_ms = o->o.timeout_ms,
                                        .handlers = &handlers,
                                        .ctx = o};
    struct conn *conn = o->conn;
    o->conn = NULL;
    int rc = http_call_new(&options, conn, &o->call);
    if (rc < 0) {
        conn_free(conn);
        on_end(o, rc, err_text(rc));
    }
}

static void on_closed(void *ctx, int rc, const char *message)
{
    struct outbound *o = ctx;
    const char *why = rc == -E_UNAVAILABLE ? "connect: connection refused"
                      : message[0]         ? message
                                           : err_text(rc);
    on_end(o, rc < 0 ? rc : -E_CLOSED, why);
}

static int open_conn(struct outbound *o, struct err *err)
{
    static const struct conn_handlers handlers = {on_opened, NULL, NULL, on_closed};
    struct api *api = aggregate_api(o->to);
    struct net_addr at;
    const char *reason;
    int rc = aggregate_place(o->to, &at, &reason, err);
    if (rc < 0)
        return rc;
    struct conn_options options = {.loop = api->loop,
                                   .net = api->net,
                                   .tls = aggregate_tls(o->to, err),
                                   .server_name = o->name,
                                   .handlers = &handlers,
                                   .ctx = o};
    if (!options.tls)
        return -E_INVALID;
    rc = conn_connect(&options, &at, &o->conn);
    return rc < 0 ? err_set(err, -rc, "%s", err_text(rc)) : 0;
}

int outbound_new(struct aggregate *g, const struct outbound_options *options, struct outbound **ret,
                 struct err *err)
{
    struct outbound *o = aggregate_api(g)->net.ops ? mem_zalloc(sizeof *o) : NULL;
    if (!o)
        return err_set(err, E_UNAVAILABLE, "no network, or out of memory");
    arena_init(&o->arena, LIMIT_REQUEST_ARENA);
    o->to = aggregate_ref(g);
    o->o = *options;
    snprintf(o->name, sizeof o->name, STR_FMT "." STR_FMT ".svc", STR_ARG(g->service), STR_ARG(g->ns));
    snprintf(o->host, sizeof o->host, "%.250s:%lld", o->name, (long long)g->port);
    o->o.target = arena_strdup(&o->arena, options->target);
    o->o.method = arena_strdup(&o->arena, options->method);
    o->o.body = arena_str(&o->arena, options->body);
    add(o, "accept", options->accept);
    add(o, "content-type", options->content_type);
    add(o, "user-agent", options->user_agent);
    add(o, "x-forwarded-for", str_of(options->address ? options->address : ""));
    add_user(o, options->user);
    int rc = o->arena.failed ? err_set(err, E_NOMEM, "out of memory") : open_conn(o, err);
    if (rc < 0)
        outbound_destroy(o);
    else
        *ret = o;
    return rc;
}

void outbound_pause(struct outbound *o, bool paused)
{
    if (o->call)
        http_call_pause(o->call, paused);
}
