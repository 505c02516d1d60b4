/*
 * Requests that end somewhere else: logs, exec, attach, port-forward at the kubelet, proxy at
 * nodes, pods and services. Here it is decided where to, with upstream's checks
 * (pkg/registry/core/pod/strategy.go); whoever carries the bytes is told through ops->proxy.
 *
 * Where to is taken from objects that others write, so addresses that would reach this machine's
 * own services (loopback, link-local, ...) are refused (CVE-2022-3294), except the machine's own.
 */
#include <stdio.h>

#include "api/admission/webhook.h"
#include "api/write.h"
#include "port/net.h"

enum { KUBELET_PORT = 10250 };

struct place {
    struct api_request *r;
    struct arena *a;
    const struct json *object; /* the pod, node or service */
    struct str name, port;     /* of "scheme:name:port" */
    bool https;
};

static bool address_allowed(const struct api *api, struct str ip)
{
    static const char *const refused[] = {"127.", "169.254.", "0.",  "224.", "239.", "255.",
                                          "::1",  "fe8",      "fe9", "fea",  "feb",  "ff"};
    if (!ip.n || str_is(ip, "::"))
        return false;
    if (str_is(ip, api->node_addr))
        return true;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        if (str_starts(ip, str_of(refused[i])))
            return false;
    return true;
}

/* Hands the request over; it ends here. */
static void hand_over(struct api_request *r, struct str host, int64_t port, const char *server_name,
                      const char *target, const char *prefix)
{
    const char *ip = arena_strndup(&r->arena, host.p, host.n);
    if (!target || !ip) {
        fail_memory(r);
        return;
    }
    if (!address_allowed(r->api, host) || port <= 0 || port > 65535) {
        fail_bad_request(r, "address not allowed");
        return;
    }
    struct api_proxy_target to = {ip, (uint16_t)port, server_name, target, prefix};
    const struct api_reply_ops *ops = r->ops;
    void *ctx = r->ctx;
    request_enter(r);
    r->ended = true;
    list_remove(&r->link);
    ops->proxy(ctx, &to);
    request_leave(r);
}

static void to_kubelet(struct api_request *r, struct str node, const char *target, const char *prefix)
{
    const struct json *n = object_load(r->api, &r->work, "", "nodes", STR(""), node, NULL);
    struct str ip = STR("");
    if (!n) {
        fail_not_found(r, schema_resource_find(STR(""), STR("v1"), STR("nodes")), node);
        return;
    }
    for (const struct json *m = json_first(json_path(n, "status.addresses")); m && !ip.n;
         m = m->next)
        if (str_is(json_path_str(m, "type"), "InternalIP"))
            ip = json_path_str(m, "address");
    if (!ip.n) {
        fail_code(r, -E_UNAVAILABLE, "the node has no InternalIP yet");
        return;
    }
    int64_t port = json_path_i64(n, "status.daemonEndpoints.kubeletEndpoint.Port", 0);
    const char *name = arena_strndup(&r->arena, node.p, node.n);
    if (str_is(ip, r->api->node_addr) && port == r->api->port) { /* CVE-2022-3294 */
        fail_bad_request(r, "address not allowed");
        return;
    }
    hand_over(r, ip, port ? port : KUBELET_PORT, name, target, prefix);
}

/* ---- containers ---- */

static void put_names(struct buf *out, const struct json *containers)
{
    buf_putc(out, '[');
    for (const struct json *c = json_first(containers); c; c = c->next)
        buf_printf(out, "%s%s", c == json_first(containers) ? "" : " ", json_path_cstr(c, "name"));
    buf_putc(out, ']');
}

static bool has_container(const struct json *list, struct str name)
{
    for (const struct json *c = json_first(list); c; c = c->next)
        if (str_eq(json_path_str(c, "name"), name))
            return true;
    return false;
}

/* The container that is meant; nonzero: answered. */
static int find_container(struct api_request *r, const struct json *pod, struct str *ret)
{
    const struct json *main = json_path(pod, "spec.containers"),
                      *init = json_path(pod, "spec.initContainers");
    const struct json *ephemeral = json_path(pod, "spec.ephemeralContainers");
    struct str name = url_param(&r->url, "container");
    struct buf text CLEANUP_BUF;
    buf_init(&text, 4096);
    if (!name.n && json_count(main) == 1) {
        *ret = json_path_str(json_first(main), "name");
        return 0;
    }
    if (!name.n) {
        buf_printf(&text, "a container name must be specified for pod " STR_FMT ", choose one of: ",
                   STR_ARG(r->url.name));
        put_names(&text, main);
        if (json_count(init)) {
            buf_puts(&text, " or one of the init containers: ");
            put_names(&text, init);
        }
        return fail_bad_request(r, "%s", buf_cstr(&text));
    }
    if (!has_container(main, name) && !has_container(init, name) && !has_container(ephemeral, name))
        return fail_bad_request(r, "container " STR_FMT " is not valid for pod " STR_FMT,
                                STR_ARG(name), STR_ARG(r->url.name));
    *ret = name;
    return 0;
}

static void put_escaped(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '.' || c == '~';
        if (plain)
            buf_putc(out, c);
        else
            buf_printf(out, "%%%02X", (unsigned char)c);
    }
}

static void put_param(struct buf *out, const char *name, struct str value)
{
    bool first = str_find_byte(buf_str(out), '?') < 0;
    buf_printf(out, "%c%s=", first ? '?' : '&', name);
    put_escaped(out, value);
}

static const char *kept(struct api_request *r, struct buf *b)
{
    return b->failed ? NULL : arena_strdup(&r->arena, buf_cstr(b));
}

/* ---- pods: log, exec, attach, portforward ---- */

static int load_pod(struct api_request *r, const struct json **ret)
{
    const struct json *pod =
        object_load(r->api, &r->work, "", "pods", r->url.ns, r->url.name, NULL);
    if (!pod)
        return fail_not_found(r, schema_resource_find(STR(""), STR("v1"), STR("pods")),
                              r->url.name);
    *ret = pod;
    return 0;
}

static void pod_log(struct api_request *r)
{
    static const char *const passed[] = {"follow",     "previous",  "sinceSeconds", "sinceTime",
                                         "timestamps", "tailLines", "limitBytes",   "stream"};
    const struct json *pod;
    struct str container;
    struct buf target CLEANUP_BUF;
    buf_init(&target, 16 * 1024);
    if (load_pod(r, &pod) != 0 || find_container(r, pod, &container) != 0)
        return;
    struct str node = json_path_str(pod, "spec.nodeName");
    if (!node.n) {
        reply_bytes(r, 200, "text/plain", STR(""));
        return;
    }
    buf_printf(&target, "/containerLogs/" STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(r->url.ns),
               STR_ARG(r->url.name), STR_ARG(container));
    for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++) {
        struct str v = url_param(&r->url, passed[i]);
        if (v.n)
            put_param(&target, passed[i], v);
    }
    to_kubelet(r, node, kept(r, &target), NULL);
}

static void put_streams(struct api_request *r, struct buf *target)
{
    static const struct {
        const char *own, *kubelet;
    } flags[] = {{"stdin", "input"}, {"stdout", "output"}, {"stderr", "error"}, {"tty", "tty"}};
    for (size_t i = 0; i < 4; i++)
        if (url_flag(&r->url, flags[i].own))
            put_param(target, flags[i].kubelet, STR("1"));
    for (size_t i = 0; i < r->url.param_count; i++)
        if (str_is(r->url.params[i].name, "command"))
            put_param(target, "command", r->url.params[i].value);
}

static void pod_stream(struct api_request *r, const char *verb)
{
    const struct json *pod;
    struct str container;
    struct buf target CLEANUP_BUF;
    bool ports = cstr_eq(verb, "portForward");
    buf_init(&target, 64 * 1024);
    if (load_pod(r, &pod) != 0 || (!ports && find_container(r, pod, &container) != 0))
        return;
    struct str node = json_path_str(pod, "spec.nodeName");
    if (!node.n) {
        fail_bad_request(r, "pod " STR_FMT " does not have a host assigned", STR_ARG(r->url.name));
        return;
    }
    if (cstr_eq(verb, "exec") && !url_param(&r->url, "command").n) {
        fail_bad_request(r, "you must specify at least 1 command for the container");
        return;
    }
    buf_printf(&target, "/%s/" STR_FMT "/" STR_FMT, verb, STR_ARG(r->url.ns), STR_ARG(r->url.name));
    if (ports) {
        for (size_t i = 0; i < r->url.param_count; i++)
            if (str_is(r->url.params[i].name, "ports"))
                put_param(&target, "port", r->url.params[i].value);
    } else {
        buf_printf(&target, "/" STR_FMT, STR_ARG(container));
        put_streams(r, &target);
    }
    to_kubelet(r, node, kept(r, &target), NULL);
}

/* ---- proxy ---- */

/* "name", "name:port" or "scheme:name:port" */
static int split_name(struct place *p)
{
    struct str rest = p->r->url.name, part[3];
    size_t n = 0;
    while (n < 3 && str_split(&rest, ':', &part[n]))
        n++;
    p->name = n == 3 ? part[1] : part[0];
    p->port = n == 3 ? part[2] : n == 2 ? part[1] : STR("");
    p->https = n == 3 && str_is(part[0], "https");
    if (n == 3 && !p->https && part[0].n && !str_is(part[0], "http"))
        p->name = STR("");
    return p->name.n ? 0
                     : fail_bad_request(p->r, "invalid proxy request \"" STR_FMT "\"",
                                        STR_ARG(p->r->url.name));
}

static const char *proxy_target(struct api_request *r)
{
    struct str rest = r->url.rest.n ? r->url.rest : STR("/");
    return arena_printf(&r->arena, STR_FMT "%s" STR_FMT, STR_ARG(rest), r->url.query.n ? "?" : "",
                        STR_ARG(r->url.query));
}

static const char *proxy_prefix(struct api_request *r)
{
    return arena_strndup(&r->arena, r->url.path.p, r->url.path.n - r->url.rest.n);
}

/* A page's own links are relative to its root, which ends in a slash. */
static bool sent_to_root(struct api_request *r)
{
    bool reads = cstr_eq(r->method, "GET") || cstr_eq(r->method, "HEAD");
    if (r->url.rest.n || !reads)
        return false;
    const char *to = arena_printf(&r->arena, STR_FMT "/%s" STR_FMT, STR_ARG(r->url.path),
                                  r->url.query.n ? "?" : "", STR_ARG(r->url.query));
    if (!to) {
        fail_memory(r);
        return true;
    }
    const struct api_header headers[] = {{STR("location"), str_of(to)}, {STR("content-length"), STR("0")}};
    r->head_sent = true;
    if (r->ops->head(r->ctx, 301, headers, 2))
        request_end(r);
    else
        request_gone(r);
    return true;
}

static int load(struct place *p, const char *resource)
{
    p->object = object_load(p->r->api, p->a, "", resource, p->r->url.ns, p->name, NULL);
    if (p->object)
        return 0;
    return fail_not_found(p->r, schema_resource_find(STR(""), STR("v1"), str_of(resource)),
                          p->name);
}

static void pod_proxy(struct place *p)
{
    int64_t port = 0;
    if (load(p, "pods") != 0)
        return;
    if (p->port.n && str_to_i64(p->port, &port) < 0) {
        fail_bad_request(p->r, "invalid port in \"" STR_FMT "\"", STR_ARG(p->r->url.name));
        return;
    }
    for (const struct json *c = json_first(json_path(p->object, "spec.containers")); c && !port;
         c = c->next)
        port = json_path_i64(json_first(json_get(c, "ports")), "containerPort", 0);
    struct str ip = json_path_str(p->object, "status.podIP");
    if (!ip.n)
        fail_bad_request(p->r, "address not allowed: the pod has no address yet");
    else
        hand_over(p->r, ip, port ? port : 80, p->https ? "" : NULL, proxy_target(p->r), proxy_prefix(p->r));
}

struct backend {
    struct place *p;
    const struct json *service_port;
    struct str ip;
    int64_t port;
    size_t seen;
};

/* One of the ready addresses of the service's slices, each with the same chance. */
static bool look_at_slice(void *ctx, struct store_value *v)
{
    struct backend *b = ctx;
    struct json *slice;
    if (json_parse(b->p->a, store_value_bytes(v), NULL, &slice, NULL) < 0)
        return true;
    struct str service =
        json_str(json_get(json_path(slice, "metadata.labels"), "kubernetes.io/service-name"));
    if (!str_eq(service, b->p->name))
        return true;
    int64_t port = 0;
    for (const struct json *m = json_first(json_get(slice, "ports")); m; m = m->next)
        if (str_eq(json_path_str(m, "name"), json_path_str(b->service_port, "name")))
            port = json_path_i64(m, "port", 0);
    for (const struct json *e = json_first(json_get(slice, "endpoints")); e && port; e = e->next) {
        struct str ip = json_str(json_first(json_get(e, "addresses")));
        if (!json_path_bool(e, "conditions.ready", true) || !ip.n)
            continue;
        if (prng_below(&b->p->r->api->prng, ++b->seen) == 0) {
            b->ip = ip;
            b->port = port;
        }
    }
    return true;
}

static const struct json *find_port(const struct place *p)
{
    int64_t number = 0;
    bool numeric = p->port.n && str_to_i64(p->port, &number) == 0;
    const struct json *ports = json_path(p->object, "spec.ports");
    if (!p->port.n)
        return json_first(ports);
    for (const struct json *m = json_first(ports); m; m = m->next)
        if (numeric ? json_path_i64(m, "port", 0) == number
                    : str_eq(json_path_str(m, "name"), p->port))
            return m;
    return NULL;
}

static void service_proxy(struct place *p)
{
    struct api_request *r = p->r;
    struct store_snapshot *snap;
    if (load(p, "services") != 0)
        return;
    struct backend b = {.p = p, .service_port = find_port(p), .ip = STR("")};
    if (!b.service_port) {
        fail_code(r, -E_UNAVAILABLE, "no service port found for the name or number asked for");
        return;
    }
    struct str from = object_key_of(p->a, "discovery.k8s.io", "endpointslices", r->url.ns, STR(""));
    char *to = from.p ? arena_strndup(p->a, from.p, from.n) : NULL;
    if (!to || store_snapshot_take(r->api->store, &snap) < 0) {
        fail_memory(r);
        return;
    }
    to[from.n - 1] = '/' + 1;
    store_snapshot_range(snap, from, str_make(to, from.n), look_at_slice, &b);
    store_snapshot_release(snap);
    if (!b.ip.n)
        fail_code(r, -E_UNAVAILABLE,
                  arena_printf(&r->arena, "no endpoints available for service \"" STR_FMT "\"",
                               STR_ARG(p->name)));
    else
        hand_over(r, b.ip, b.port, p->https ? "" : NULL, proxy_target(r), proxy_prefix(r));
}

/* ---- metrics.k8s.io ---- */

struct hosts { /* nodes that have a kubelet to ask */
    struct arena *a;
    struct str name;
    size_t count;
};

static bool look_at_node(void *ctx, struct store_value *v)
{
    struct hosts *h = ctx;
    struct json *node;
    if (json_parse(h->a, store_value_bytes(v), NULL, &node, NULL) == 0 &&
        json_path(node, "status.addresses")) {
        h->name = json_path_str(node, "metadata.name");
        h->count++;
    }
    return true;
}

/* Lists of nodes and of pods without a name: the kubelet that has them. */
static int only_node(struct api_request *r, struct str *ret_name)
{
    struct store_snapshot *snap;
    struct hosts h = {.a = &r->work, .name = STR("")};
    struct str from = object_key_of(&r->work, "", "nodes", STR(""), STR(""));
    char *to = from.p ? arena_strndup(&r->work, from.p, from.n) : NULL;
    if (!to || store_snapshot_take(r->api->store, &snap) < 0)
        return fail_memory(r);
    to[from.n - 1] = '/' + 1;
    store_snapshot_range(snap, from, str_make(to, from.n), look_at_node, &h);
    store_snapshot_release(snap);
    if (h.count != 1)
        return fail_code(r, -E_UNAVAILABLE,
                         h.count ? "metrics of several nodes are not put together: ask for one by name"
                                 : "no node is ready to be asked");
    *ret_name = h.name;
    return 0;
}

void connect_metrics(struct api_request *r)
{
    bool nodes = cstr_eq(schema_resource_name(r->resource), "nodes");
    const struct json *pod = NULL;
    struct str node = nodes ? r->url.name : STR("");
    struct buf target CLEANUP_BUF;
    buf_init(&target, 16 * 1024);
    if (!nodes && r->url.name.n) {
        if (load_pod(r, &pod) != 0)
            return;
        node = json_path_str(pod, "spec.nodeName");
    }
    if (!node.n && only_node(r, &node) != 0)
        return;
    buf_puts(&target, nodes ? "/usage/nodes" : "/usage/pods");
    if (r->url.ns.n)
        put_param(&target, "namespace", r->url.ns);
    if (r->url.name.n)
        put_param(&target, "name", r->url.name);
    if (url_param(&r->url, "labelSelector").n && !nodes)
        put_param(&target, "labelSelector", url_param(&r->url, "labelSelector"));
    to_kubelet(r, node, kept(r, &target), NULL);
}

static void connect_to(struct api_request *r)
{
    const char *name = schema_resource_name(r->resource);
    struct place p = {.r = r, .a = &r->work};
    if (cstr_eq(name, "pods/log"))
        pod_log(r);
    else if (cstr_eq(name, "pods/exec"))
        pod_stream(r, "exec");
    else if (cstr_eq(name, "pods/attach"))
        pod_stream(r, "attach");
    else if (cstr_eq(name, "pods/portforward"))
        pod_stream(r, "portForward");
    else if (split_name(&p) != 0 || sent_to_root(r))
        return;
    else if (cstr_eq(name, "nodes/proxy"))
        to_kubelet(r, p.name, proxy_target(r), proxy_prefix(r));
    else if (cstr_eq(name, "pods/proxy"))
        pod_proxy(&p);
    else if (cstr_eq(name, "services/proxy"))
        service_proxy(&p);
    else
        fail_no_route(r);
}

static void admitted(struct write *w)
{
    connect_to(w->r);
}

void connect_handle(struct api_request *r)
{
    if (cstr_eq(schema_resource_subresource(r->resource), "log") ||
        hooks_ask_connect(r, admitted) == 0)
        connect_to(r);
}
