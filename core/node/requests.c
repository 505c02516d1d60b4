/* Logs, exec, attach and port-forward behind their HTTP requests. See server_int.h. */
#include <unistd.h>

#include "base/limits.h"
#include "codec/time.h"
#include "node/server_int.h"
#include "wire/websocket.h"

enum { MOST_ARGS = 4096, UPGRADE_OUT_BYTES = 8 * 1024 * 1024 };

/* ---- logs ---- */

static bool log_data(void *ctx, struct str bytes)
{
    struct request *q = ctx;
    if (q->log_socket)
        return log_socket_data(q->log_socket, bytes);
    http_reply_write(q->http, bytes);
    return http_reply_unsent(q->http) <= CONN_HIGH;
}

static void log_end(void *ctx)
{
    struct request *q = ctx;
    if (q->log_socket) {
        log_socket_end(q->log_socket);
        return;
    }
    http_reply_end(q->http);
    q->http = NULL;
    request_free(q);
}

static bool log_alive(void *ctx)
{
    const struct request *q = ctx;
    const struct container *c = q->container;
    return c->now.attempt == q->attempt && !c->now.exited && c->pod->state < POD_REMOVING;
}

void requests_logs_drained(struct request *q)
{
    if (q->logread)
        logread_resume(q->logread);
}

static int64_t number(struct request *q, const char *name, int64_t otherwise)
{
    int64_t value;
    struct str text = url_query_get(&q->arena, q->query, name);
    return text.n && str_to_i64(text, &value) == 0 ? value : otherwise;
}

static struct logread_options log_options(struct request *q)
{
    struct logread_options o = {.follow = request_flag(q, "follow"), .timestamps = request_flag(q, "timestamps"),
                                .tail_lines = number(q, "tailLines", -1), .limit_bytes = number(q, "limitBytes", -1)};
    struct str since = url_query_get(&q->arena, q->query, "sinceTime");
    int64_t seconds = number(q, "sinceSeconds", -1), us;
    if (seconds >= 0)
        o.since_us = loop_realtime_ns(q->server->node->loop) / 1000 - seconds * 1000000;
    else if (since.n && time_parse(since, &us, NULL) == 0)
        o.since_us = us;
    return o;
}

static void log_opened(void *ctx, const struct runtime_result *r, const struct runtime_streams *s)
{
    static const struct logread_handlers handlers = {log_data, log_end, log_alive};
    static const struct http_header plain = {{"content-type", 12}, {"text/plain; charset=utf-8", 25}};
    struct request *q = ctx;
    int fd = r->rc == 0 ? s->out : -1;
    q->busy = false;
    if (!q->http) {
        if (fd >= 0)
            close(fd);
        request_free(q);
        return;
    }
    if (fd < 0) {
        request_fail(q, r->rc == -E_NOT_FOUND ? 404 : 500, "unable to open the log of container %s: %s",
                     q->container->name, r->message);
        return;
    }
    struct logread_options o = log_options(q);
    const char *path = container_log_path(&q->arena, q->container, q->attempt);
    if (!path || logread_new(q->server->node, fd, path, &o, &handlers, q, &q->logread) < 0) {
        close(fd);
        request_fail(q, 500, "out of memory");
        return;
    }
    if (!q->websocket)
        http_reply(q->http, 200, &plain, 1, -1);
    else
        (void)!log_socket_new(q);
}

/* Which run's log is meant; false: answered with why there is none. */
static bool choose_attempt(struct request *q)
{
    const struct container *c = q->container;
    bool waiting = container_waiting(c) || c->state == CONTAINER_CREATING;
    const struct instance *current = waiting && !c->now.exited ? &c->last : &c->now;
    const struct instance *previous = waiting ? current : &c->last;
    if (request_flag(q, "previous")) {
        if (!previous->id[0] || !previous->exited) {
            request_fail(q, 400, "previous terminated container \"%s\" in pod \"%s\" not found", c->name, c->pod->name);
            return false;
        }
        q->attempt = previous->attempt;
        return true;
    }
    if (!current->id[0]) {
        request_fail(q, 400, "container \"%s\" in pod \"%s\" is waiting to start: %s", c->name, c->pod->name,
                     c->waiting_reason ? c->waiting_reason : "ContainerCreating");
        return false;
    }
    q->attempt = current->attempt;
    return true;
}

void requests_logs(struct request *q)
{
    struct runtime *rt = q->server->node->runtime;
    if (!choose_attempt(q))
        return;
    const char *path = container_log_path(&q->arena, q->container, q->attempt);
    if (!path) {
        request_fail(q, 500, "out of memory");
        return;
    }
    q->busy = true;
    rt->ops->log_open(rt->self, path, log_opened, q);
}

/* ---- streams ---- */

struct upgrade { /* an upgraded connection */
    struct list link;
    struct server *server;
    struct conn *conn;
    struct stream *stream;
    struct buf out;
    bool finishing;
};

static void upgrade_free(struct upgrade *u)
{
    list_remove(&u->link);
    stream_free(u->stream);
    conn_free(u->conn);
    buf_done(&u->out);
    mem_free(u);
}

void upgrades_free(struct server *s)
{
    struct upgrade *u, *next;
    LIST_EACH_SAFE (u, next, &s->upgrades, link)
        upgrade_free(u);
}

void server_exec_exited(struct server *s, uint64_t session, const struct runtime_exit *e)
{
    struct upgrade *u, *next;
    if (!s)
        return;
    LIST_EACH_SAFE (u, next, &s->upgrades, link)
        if (u->stream && stream_exec_exited(u->stream, session, e))
            return;
}

static void flush(void *ctx)
{
    struct upgrade *u = ctx;
    struct str all = buf_str(&u->out);
    if (all.n && conn_write(u->conn, all) == 0)
        buf_clear(&u->out);
}

static size_t unsent(void *ctx)
{
    struct upgrade *u = ctx;
    return conn_unsent(u->conn);
}

static void pause_input(void *ctx, bool paused)
{
    struct upgrade *u = ctx;
    conn_pause(u->conn, paused);
}

static void finish(void *ctx)
{
    struct upgrade *u = ctx;
    flush(u);
    if (!u->finishing)
        conn_finish(u->conn);
    u->finishing = true;
}

static void conn_data(void *ctx, struct str bytes)
{
    struct upgrade *u = ctx;
    if (u->stream && !u->finishing && stream_feed(u->stream, bytes) < 0)
        finish(u);
}

static void conn_drained(void *ctx)
{
    struct upgrade *u = ctx;
    flush(u);
    if (u->stream && !u->finishing)
        stream_drained(u->stream);
}

static void conn_closed(void *ctx, int rc, const char *message)
{
    (void)rc, (void)message;
    upgrade_free(ctx);
}

static const char **arguments(struct request *q)
{
    struct str rest = q->query, name, value;
    const char **args = arena_zalloc(&q->arena, (MOST_ARGS + 1) * sizeof *args);
    size_t count = 0;
    while (args && count < MOST_ARGS && url_query_next(&q->arena, &rest, &name, &value))
        if (str_is(name, "command"))
            args[count++] = arena_strndup(&q->arena, value.p, value.n);
    return count ? args : NULL;
}

/* "port=8080,9090&port=53"; false: answered with what is wrong with them. */
static bool ports(struct request *q, struct stream_options *o)
{
    struct str rest = q->query, name, value, part;
    uint16_t *list = arena_zalloc(&q->arena, STREAM_PORTS * sizeof *list);
    size_t count = 0;
    while (list && url_query_next(&q->arena, &rest, &name, &value)) {
        if (!str_is(name, "port"))
            continue;
        while (str_split(&value, ',', &part)) {
            int64_t port;
            if (str_to_i64(part, &port) < 0 || port < 1 || port > 65535 || count == STREAM_PORTS) {
                request_fail(q, 400, "unable to parse \"" STR_FMT "\" as a port", STR_ARG(part));
                return false;
            }
            list[count++] = (uint16_t)port;
        }
    }
    if (!count) {
        request_fail(q, 400, "query parameter \"port\" is required");
        return false;
    }
    o->ports = list;
    o->port_count = count;
    return true;
}

static bool either(struct request *q, const char *ours, const char *theirs)
{
    return request_flag(q, ours) || request_flag(q, theirs);
}

/* Does the container's input outlive a client that attaches to it? */
static bool input_stays(struct request *q)
{
    const struct json *spec =
        container_spec(json_get(pod_tree(q->pod, &q->arena), "spec"), q->container);
    return json_path_bool(spec, "stdin", false) && !json_path_bool(spec, "stdinOnce", false);
}

/* Everything that can be refused is refused before the connection is upgraded. */
static bool stream_options(struct request *q, bool exec, bool port_forward, struct stream_options *ret_o)
{
    struct stream_options o = {.node = q->server->node, .pod = q->pod, .port_forward = port_forward,
                               .framing = q->websocket ? STREAM_WEBSOCKET : STREAM_SPDY};
    if (!q->websocket && !q->spdy) {
        request_fail(q, 400, "unable to upgrade: missing upgrade headers in request");
        return false;
    }
    o.protocol = stream_choose(o.framing, port_forward, q->protocols);
    if (!o.protocol || (q->websocket && !q->websocket_key.n)) {
        request_fail(q, 403, "unable to upgrade: unable to negotiate protocol: client supports [" STR_FMT "]",
                     STR_ARG(q->protocols));
        return false;
    }
    if (port_forward) {
        *ret_o = o;
        return o.framing == STREAM_SPDY || cstr_eq(o.protocol, "SPDY/3.1+portforward.k8s.io") || ports(q, ret_o);
    }
    o.container_id = q->container->now.id;
    o.session = (struct session_options){.args = exec ? arguments(q) : NULL, .tty = request_flag(q, "tty"),
                                         .in = either(q, "input", "stdin"), .out = either(q, "output", "stdout"),
                                         .error = either(q, "error", "stderr"),
                                         .stays = !exec && input_stays(q)};
    if (exec && !o.session.args)
        request_fail(q, 400, "you must specify at least 1 command");
    else if (!o.session.in && !o.session.out && !o.session.error)
        request_fail(q, 400, "you must specify at least 1 of stdin, stdout, stderr");
    else {
        *ret_o = o;
        return true;
    }
    return false;
}

struct conn *request_upgrade(struct request *q, const char *protocol, const struct conn_handlers *handlers, void *ctx)
{
    char accept[WEBSOCKET_ACCEPT_TEXT];
    struct http_header headers[4] = {{STR("connection"), STR("Upgrade")}, {STR("upgrade"), STR("SPDY/3.1")}};
    headers[2] = (struct http_header){STR("x-stream-protocol-version"), str_of(protocol)};
    size_t count = 3;
    if (q->websocket) {
        websocket_accept(q->websocket_key, accept);
        headers[1].value = STR("websocket");
        headers[2] = (struct http_header){STR("sec-websocket-accept"), str_of(accept)};
        if (protocol[0])
            headers[count++] = (struct http_header){STR("sec-websocket-protocol"), str_of(protocol)};
    }
    struct http_request *http = q->http;
    q->http = NULL;
    return http_request_upgrade(http, headers, count, handlers, ctx);
}

void requests_stream(struct request *q, bool exec, bool port_forward)
{
    static const struct conn_handlers handlers = {NULL, conn_data, conn_drained, conn_closed};
    struct stream_options o;
    if (!port_forward && !container_running(q->container)) {
        /* No ": " in this text: kubectl would read it as a YAML mapping, take it for a Status and show nothing. */
        request_fail(q, 404, "container not found (\"%s\")", q->container->name);
        return;
    }
    if (port_forward && !q->pod->sandbox) {
        request_fail(q, 404, "pod %s is not running", q->pod->name);
        return;
    }
    if (!stream_options(q, exec, port_forward, &o))
        return;
    struct upgrade *u = mem_zalloc(sizeof *u);
    if (!u) {
        request_fail(q, 500, "out of memory");
        return;
    }
    u->server = q->server;
    buf_init(&u->out, UPGRADE_OUT_BYTES);
    list_push_back(&q->server->upgrades, &u->link);
    u->conn = request_upgrade(q, o.protocol, &handlers, u);
    struct stream_conn conn = {&u->out, flush, unsent, pause_input, finish, u};
    if (!u->conn || stream_new(&o, &conn, &u->stream) < 0)
        upgrade_free(u);
    request_free(q);
}
