/*
 * One call of a webhook over HTTPS. Redirects are not followed (CVE-2020-8555): the client does not
 * know any. A service is found by the API server itself: one of its ready endpoints.
 */
#include "api/admission/webhook.h"

#include <stdio.h>

enum { URL_HOST = 256, SHOWN = 600 };

struct webhook_call {
    struct api *api;
    struct webhook *hook;
    struct webhook_client *on;
    struct client_call *call;
    int status;
    struct buf body;
    char url[SHOWN];
    webhook_done_fn *done;
    void *ctx;
};

struct place { /* where to */
    struct net_addr addr;
    char host[URL_HOST], name[URL_HOST]; /* Host header; name in the certificate */
    struct str path;
};

/* ---- clientConfig.service ---- */

struct search {
    struct api *api;
    struct arena *a;
    const struct json *port; /* of the service */
    struct str name, ip;
    int64_t number;
    size_t seen;
};

static bool look_at_slice(void *ctx, struct store_value *v)
{
    struct search *s = ctx;
    struct json *slice;
    if (json_parse(s->a, store_value_bytes(v), NULL, &slice, NULL) < 0 ||
        !str_eq(json_str(json_get(json_path(slice, "metadata.labels"), "kubernetes.io/service-name")),
                s->name))
        return true;
    int64_t number = 0;
    for (const struct json *m = json_first(json_get(slice, "ports")); m; m = m->next)
        if (str_eq(json_path_str(m, "name"), json_path_str(s->port, "name")))
            number = json_path_i64(m, "port", 0);
    for (const struct json *e = json_first(json_get(slice, "endpoints")); e && number; e = e->next) {
        struct str ip = json_str(json_first(json_get(e, "addresses")));
        if (json_path_bool(e, "conditions.ready", true) && ip.n &&
            prng_below(&s->api->prng, ++s->seen) == 0) {
            s->ip = ip;
            s->number = number;
        }
    }
    return true;
}

static int find_service(struct api *api, struct arena *a, const struct json *to, struct place *p,
                        struct err *err)
{
    struct str ns = json_path_str(to, "namespace"), name = json_path_str(to, "name");
    int64_t port = json_path_i64(to, "port", 443);
    struct store_snapshot *snap;
    const struct json *service = object_load(api, a, "", "services", ns, name, NULL), *m;
    if (!service)
        return err_set(err, E_NOT_FOUND, "service \"" STR_FMT "\" not found", STR_ARG(name));
    for (m = json_first(json_path(service, "spec.ports")); m; m = m->next)
        if (json_path_i64(m, "port", 0) == port)
            break;
    if (!m)
        return err_set(err, E_NOT_FOUND, "no service port %lld found for service \"" STR_FMT "\"",
                       (long long)port, STR_ARG(name));
    struct search s = {.api = api, .a = a, .port = m, .name = name};
    struct str from = object_key_of(a, "discovery.k8s.io", "endpointslices", ns, STR(""));
    char *end = from.p ? arena_strndup(a, from.p, from.n) : NULL;
    if (!end || store_snapshot_take(api->store, &snap) < 0)
        return err_set(err, E_NOMEM, "out of memory");
    end[from.n - 1] = '/' + 1;
    store_snapshot_range(snap, from, str_make(end, from.n), look_at_slice, &s);
    store_snapshot_release(snap);
    if (!s.ip.n || net_addr_parse(s.ip, false, &p->addr) < 0)
        return err_set(err, E_UNAVAILABLE, "no endpoints available for service \"" STR_FMT "\"",
                       STR_ARG(name));
    p->addr.port = (uint16_t)s.number;
    snprintf(p->name, sizeof p->name, STR_FMT "." STR_FMT ".svc", STR_ARG(name), STR_ARG(ns));
    snprintf(p->host, sizeof p->host, "%.240s:%lld", p->name, (long long)port);
    p->path = json_path_str(to, "path");
    return 0;
}

/* ---- clientConfig.url ---- */

static int find_url(struct str url, struct place *p, struct err *err)
{
    struct str rest = url;
    int64_t port = 443;
    if (!str_starts(url, STR("https://")))
        return err_set(err, E_SYNTAX, "unsupported protocol scheme");
    rest = str_make(url.p + 8, url.n - 8);
    const char *slash = memchr(rest.p, '/', rest.n);
    p->path = slash ? str_make(slash, rest.n - (size_t)(slash - rest.p)) : STR("");
    struct str host = str_make(rest.p, slash ? (size_t)(slash - rest.p) : rest.n);
    if (host.n >= URL_HOST || memchr(host.p, '@', host.n))
        return err_set(err, E_SYNTAX, "invalid URL host");
    str_copy(p->host, sizeof p->host, host);
    bool v6 = host.n && host.p[0] == '[';
    const char *end = v6 ? memchr(host.p, ']', host.n) : NULL;
    const char *colon = NULL;
    for (size_t i = end ? (size_t)(end - host.p) : 0; i < host.n && !colon; i++)
        colon = host.p[i] == ':' ? host.p + i : NULL;
    if ((v6 && !end) ||
        (colon && (str_to_i64(str_make(colon + 1, host.n - (size_t)(colon + 1 - host.p)), &port) < 0 ||
                   port < 1 || port > 65535)))
        return err_set(err, E_SYNTAX, "invalid URL host");
    struct str name = v6 ? str_make(host.p + 1, (size_t)(end - host.p) - 1)
                         : str_make(host.p, colon ? (size_t)(colon - host.p) : host.n);
    str_copy(p->name, sizeof p->name, name);
    struct str ip = str_is(name, "localhost") ? STR("127.0.0.1") : name;
    if (net_addr_parse(ip, false, &p->addr) < 0)
        return err_set(err, E_NOT_FOUND, "dial tcp: lookup " STR_FMT ": no such host", STR_ARG(name));
    p->addr.port = (uint16_t)port;
    return 0;
}

static int find_place(struct api *api, struct arena *a, const struct webhook *h, struct place *p,
                      struct err *err)
{
    const struct json *config = json_get(h->spec, "clientConfig");
    struct str url = json_path_str(config, "url");
    const struct json *service = json_get(config, "service");
    *p = (struct place){.path = STR("")};
    return url.n ? find_url(url, p, err) : find_service(api, a, service, p, err);
}

/* ---- clients ---- */

static int make_tls(struct webhook *h, struct err *err)
{
    struct str text = json_path_str(json_get(h->spec, "clientConfig"), "caBundle");
    struct tls_config config = {.peer = TLS_PEER_REQUIRED};
    size_t n = 0;
    char *pem = mem_alloc(text.n + 4);
    if (!pem)
        return err_set(err, E_NOMEM, "out of memory");
    int rc = base64_decode(pem, &n, text);
    config.trust_pem = str_make(pem, n);
    if (rc == 0)
        rc = tls_context_new(&config, &h->tls, err);
    else
        err_set(err, E_INVALID, "unable to load root certificates: caBundle is not base64");
    mem_free(pem);
    return rc;
}

static void client_drop(struct webhook_client *c)
{
    if (c->addr.family)
        client_https_free(&c->client);
    *c = (struct webhook_client){0};
}

void webhook_close(struct webhook *h)
{
    for (size_t i = 0; i < WEBHOOK_CLIENTS; i++)
        client_drop(&h->clients[i]);
    if (h->tls)
        tls_context_free(h->tls);
    h->tls = NULL;
}

static bool same_place(const struct net_addr *a, const struct net_addr *b)
{
    return a->family && net_addr_same_ip(a, b) && a->port == b->port;
}

/* The connections to an address, in the place of others that nobody uses. */
static int client_at(struct api *api, struct webhook *h, const struct place *p,
                     struct webhook_client **ret, struct err *err)
{
    struct webhook_client *c = NULL;
    for (size_t i = 0; i < WEBHOOK_CLIENTS; i++)
        if (same_place(&h->clients[i].addr, &p->addr)) {
            *ret = &h->clients[i];
            return 0;
        } else if (!h->clients[i].calls) {
            c = &h->clients[i];
        }
    if (!c)
        return err_set(err, E_BUSY, "too many calls under way");
    int rc = h->tls ? 0 : make_tls(h, err);
    if (rc < 0)
        return rc;
    client_drop(c);
    struct client_https_options o = {.loop = api->loop,
                                     .net = api->net,
                                     .tls = h->tls,
                                     .server = p->addr,
                                     .server_name = p->name,
                                     .host = p->host,
                                     .user_agent = "kube-apiserver-admission"};
    rc = client_https_new(&o, &c->client);
    if (rc < 0)
        return err_set(err, -rc, "%s", err_text(rc));
    c->addr = p->addr;
    *ret = c;
    return 0;
}

/* ---- the call ---- */

void webhook_call_free(struct webhook_call *c)
{
    if (!c)
        return;
    if (c->call)
        c->on->client.ops->cancel(c->on->client.self, c->call);
    if (c->on)
        c->on->calls--;
    c->api->hooks->calls--;
    buf_done(&c->body);
    mem_free(c);
}

static void on_head(void *ctx, int status)
{
    struct webhook_call *c = ctx;
    c->status = status;
}

static void on_data(void *ctx, struct str bytes)
{
    struct webhook_call *c = ctx;
    buf_append_str(&c->body, bytes);
}

/* An answer that is no 2xx, as upstream's client words it. */
static void describe(const struct webhook_call *c, char *text, size_t size)
{
    int n = (int)(buf_len(&c->body) < 400 ? buf_len(&c->body) : 400);
    const char *body = buf_str(&c->body).p;
    if (c->status == 404)
        snprintf(text, size, "the server could not find the requested resource");
    else if (c->status == 401)
        snprintf(text, size, "the server has asked for the client to provide credentials");
    else if (c->status == 400)
        snprintf(text, size, "the server rejected our request for an unknown reason");
    else if (c->status == 503)
        snprintf(text, size, "the server is currently unable to handle the request");
    else if (c->status >= 500)
        snprintf(text, size, "an error on the server (\"%.*s\") has prevented the request from succeeding",
                 n, n ? body : "");
    else
        snprintf(text, size,
                 "the server responded with the status code %d but did not return more information",
                 c->status);
}

static void on_end(void *ctx, int rc, const char *message)
{
    struct webhook_call *c = ctx;
    char why[900], text[1600];
    c->call = NULL;
    if (rc == -E_TIMEOUT)
        snprintf(why, sizeof why, "context deadline exceeded");
    else if (rc < 0)
        snprintf(why, sizeof why, "%s", message[0] ? message : err_text(rc));
    else if (c->body.failed)
        snprintf(why, sizeof why, "the response is larger than %d bytes", (int)LIMIT_BODY_BYTES);
    bool sent = rc == 0 && !c->body.failed;
    if (sent && c->status / 100 != 2)
        describe(c, text, sizeof text);
    else if (!sent)
        snprintf(text, sizeof text, "Post \"%s\": %s", c->url, why);
    if (sent && c->status / 100 == 2)
        c->done(c->ctx, 0, buf_str(&c->body), "");
    else
        c->done(c->ctx, rc < 0 ? rc : -E_UNAVAILABLE, STR(""), text);
}

static int begin(struct webhook_call *c, struct arena *a, struct str body, struct err *err)
{
    static const struct client_handlers handlers = {on_head, on_data, on_end};
    struct webhook *h = c->hook;
    struct place p;
    int rc = find_place(c->api, a, h, &p, err);
    if (rc < 0)
        return rc;
    const char *slash = p.path.n && p.path.p[0] == '/' ? "" : "/";
    const char *path =
        arena_printf(a, "%s" STR_FMT "?timeout=%ds", slash, STR_ARG(p.path), h->timeout_s);
    if (!path)
        return err_set(err, E_NOMEM, "out of memory");
    snprintf(c->url, sizeof c->url, "https://%s%.300s", p.host, path);
    struct webhook_client *on = NULL;
    rc = client_at(c->api, h, &p, &on, err);
    if (rc < 0)
        return rc;
    c->on = on;
    on->calls++;
    struct client_request r = {
        .method = "POST", .path = path, .body = body, .timeout_ms = h->timeout_s * 1000};
    rc = on->client.ops->send(on->client.self, &r, &handlers, c, &c->call);
    return rc < 0 ? err_set(err, -rc, "%s", err_text(rc)) : 0;
}

int webhook_call_new(struct api *api, struct webhook *h, struct str body, webhook_done_fn *done,
                     void *ctx, struct webhook_call **ret, struct err *err)
{
    struct arena a CLEANUP_ARENA;
    arena_init(&a, LIMIT_REQUEST_ARENA);
    if (api->hooks->calls >= WEBHOOK_CALLS)
        return err_set(err, E_BUSY, "too many calls of webhooks are under way");
    if (!api->net.ops)
        return err_set(err, E_UNSUPPORTED, "this API server has no network");
    struct webhook_call *c = mem_zalloc(sizeof *c);
    if (!c)
        return err_set(err, E_NOMEM, "out of memory");
    *c = (struct webhook_call){.api = api, .hook = h, .done = done, .ctx = ctx};
    buf_init(&c->body, LIMIT_BODY_BYTES);
    api->hooks->calls++;
    int rc = begin(c, &a, body, err);
    if (rc < 0)
        webhook_call_free(c);
    else
        *ret = c;
    return rc;
}
