/*
 * HTTPS transport: a few idle connections are kept; a call takes one or opens one. A call that
 * meets a kept connection which the server had closed meanwhile is sent again once on a new one,
 * if nothing of an answer has come.
 */
#include "client/https.h"

#include <stdio.h>

#include "base/limits.h"
#include "wire/http_client.h"

enum { IDLE_MAX = 4, IDLE_MS = 60 * 1000, DEFAULT_TIMEOUT_MS = 30 * 1000 };

struct idle {
    struct list link;
    struct https *https;
    struct conn *conn;
    struct loop_timer timer;
};

struct https {
    struct client_https_options o;
    char *server_name, *bearer, *user_agent;
    char host[300];
    struct list idle, calls;
    size_t idle_count;
    /* The first connection is opened alone: the others then take up its TLS session. */
    struct client_call *first;
    bool opened;
};

struct client_call {
    struct list link;
    struct https *https;
    struct client_handlers handlers;
    void *ctx;
    char *method, *path, *content_type, *accept;
    struct buf body;
    int timeout_ms;
    struct conn *conn;      /* being opened */
    struct http_call *http; /* on its way */
    struct loop_timer start;
    bool reused, answered;
    int failed; /* of the start, told from the loop */
};

/* ---- idle connections ---- */

static void idle_drop(struct idle *i)
{
    loop_timer_cancel(i->https->o.loop, &i->timer);
    list_remove(&i->link);
    i->https->idle_count--;
    conn_free(i->conn);
    mem_free(i);
}

static void idle_closed(void *ctx, int rc, const char *message)
{
    (void)rc;
    (void)message;
    idle_drop(ctx);
}

static void idle_data(void *ctx, struct str bytes)
{
    (void)bytes;
    idle_drop(ctx); /* an answer to nothing */
}

static void idle_timeout(void *ctx)
{
    idle_drop(ctx);
}

static void idle_keep(struct https *s, struct conn *c)
{
    static const struct conn_handlers handlers = {NULL, idle_data, NULL, idle_closed};
    struct idle *i = s->idle_count < IDLE_MAX ? mem_zalloc(sizeof *i) : NULL;
    if (!i) {
        conn_free(c);
        return;
    }
    i->https = s;
    i->conn = c;
    loop_timer_init(&i->timer, idle_timeout, i);
    loop_timer_set(s->o.loop, &i->timer, IDLE_MS);
    list_push_front(&s->idle, &i->link);
    s->idle_count++;
    conn_set_handlers(c, &handlers, i);
}

static struct conn *idle_take(struct https *s)
{
    struct idle *i = LIST_FIRST(&s->idle, struct idle, link);
    if (!i)
        return NULL;
    struct conn *c = i->conn;
    i->conn = NULL;
    idle_drop(i);
    return c;
}

/* ---- calls ---- */

/* The first connection is open, or could not be opened: those that wait for it go on. */
static void first_over(struct https *s)
{
    struct client_call *c;
    s->first = NULL;
    LIST_EACH(c, &s->calls, link)
        if (!c->conn && !c->http && !loop_timer_armed(&c->start))
            loop_timer_set(s->o.loop, &c->start, 0);
}

static void call_free(struct client_call *c)
{
    list_remove(&c->link);
    if (c->https->first == c)
        first_over(c->https);
    loop_timer_cancel(c->https->o.loop, &c->start);
    http_call_free(c->http);
    conn_free(c->conn);
    mem_free(c->method);
    mem_free(c->path);
    mem_free(c->content_type);
    mem_free(c->accept);
    buf_done(&c->body);
    mem_free(c);
}

static void call_end(struct client_call *c, int rc, const char *message)
{
    struct client_handlers h = c->handlers;
    void *ctx = c->ctx;
    char text[640];
    snprintf(text, sizeof text, "%s", message ? message : "");
    if (rc == 0 && c->http) {
        struct conn *kept = http_call_take_conn(c->http);
        if (kept)
            idle_keep(c->https, kept);
    }
    call_free(c);
    h.end(ctx, rc, text);
}

static void on_start(void *ctx);

static void on_head(void *ctx, const struct http_head *head)
{
    struct client_call *c = ctx;
    c->answered = true;
    if (c->handlers.head)
        c->handlers.head(c->ctx, head->status);
}

static void on_body(void *ctx, struct str bytes)
{
    struct client_call *c = ctx;
    if (c->handlers.data)
        c->handlers.data(c->ctx, bytes);
}

static void on_end(void *ctx, int rc, const char *message)
{
    struct client_call *c = ctx;
    if (rc == -E_CLOSED && c->reused && !c->answered) {
        http_call_free(c->http);
        c->http = NULL;
        while (!list_empty(&c->https->idle)) /* the others are likely dead too */
            idle_drop(LIST_FIRST(&c->https->idle, struct idle, link));
        loop_timer_set(c->https->o.loop, &c->start, 0);
        return;
    }
    call_end(c, rc, message);
}

static int begin_http(struct client_call *c, struct conn *conn)
{
    static const struct http_call_handlers handlers = {on_head, on_body, on_end, NULL};
    struct https *s = c->https;
    struct http_header headers[5];
    size_t n = 0;
    char bearer[LIMIT_HEADER_BYTES / 2];

    headers[n++] = (struct http_header){STR("Accept"), str_of(c->accept)};
    headers[n++] = (struct http_header){STR("User-Agent"), str_of(s->user_agent)};
    if (buf_len(&c->body))
        headers[n++] = (struct http_header){STR("Content-Type"), str_of(c->content_type)};
    if (s->bearer) {
        snprintf(bearer, sizeof bearer, "Bearer %s", s->bearer);
        headers[n++] = (struct http_header){STR("Authorization"), str_of(bearer)};
    }
    struct http_call_options o = {.loop = s->o.loop,
                                  .method = c->method,
                                  .target = c->path,
                                  .host = s->host,
                                  .headers = headers,
                                  .header_count = n,
                                  .body = buf_str(&c->body),
                                  .timeout_ms = c->timeout_ms,
                                  .handlers = &handlers,
                                  .ctx = c};
    int rc = http_call_new(&o, conn, &c->http);
    mem_wipe(bearer, sizeof bearer);
    return rc;
}

static void on_opened(void *ctx)
{
    struct client_call *c = ctx;
    struct conn *conn = c->conn;
    c->conn = NULL;
    int rc = begin_http(c, conn);
    c->https->opened = true;
    if (c->https->first == c)
        first_over(c->https);
    if (rc < 0) {
        conn_free(conn);
        call_end(c, rc, err_text(rc));
    }
}

static void on_closed(void *ctx, int rc, const char *message)
{
    struct client_call *c = ctx;
    char text[600], addr[NET_ADDR_TEXT];
    snprintf(text, sizeof text, "%s %s: %s", c->https->o.host ? "dial tcp" : "API server",
             net_addr_format(&c->https->o.server, true, addr),
             rc == -E_UNAVAILABLE && c->https->o.host ? "connect: connection refused"
             : message[0]                             ? message
                                                      : "closed the connection");
    call_end(c, rc < 0 ? rc : -E_CLOSED, text);
}

static int open_conn(struct client_call *c)
{
    static const struct conn_handlers handlers = {on_opened, NULL, NULL, on_closed};
    struct https *s = c->https;
    struct conn_options o = {.loop = s->o.loop,
                             .net = s->o.net,
                             .tls = s->o.tls,
                             .server_name = s->server_name,
                             .handlers = &handlers,
                             .ctx = c};
    return conn_connect(&o, &s->o.server, &c->conn);
}

static void on_start(void *ctx)
{
    struct client_call *c = ctx;
    struct conn *kept = c->reused ? NULL : idle_take(c->https);
    int rc;
    c->reused = kept != NULL;
    if (kept) {
        rc = begin_http(c, kept);
        if (rc == 0)
            return;
        conn_free(kept);
        c->reused = false;
    }
    if (!c->https->opened && c->https->first && c->https->first != c)
        return;
    if (!c->https->opened)
        c->https->first = c;
    rc = open_conn(c);
    if (rc < 0)
        call_end(c, rc, err_text(rc));
}

static char *dup_or(const char *s, const char *otherwise)
{
    return mem_strdup(s ? s : otherwise);
}

static int send_call(void *self, const struct client_request *r, const struct client_handlers *h,
                     void *ctx, struct client_call **ret_call)
{
    struct https *s = self;
    struct client_call *c = mem_zalloc(sizeof *c);
    if (!c)
        return -E_NOMEM;
    c->https = s;
    c->handlers = *h;
    c->ctx = ctx;
    c->timeout_ms = r->timeout_ms == 0 ? DEFAULT_TIMEOUT_MS : r->timeout_ms;
    loop_timer_init(&c->start, on_start, c);
    list_push_back(&s->calls, &c->link);
    buf_init(&c->body, (size_t)LIMIT_BODY_BYTES * 2);
    buf_append_str(&c->body, r->body);
    c->method = mem_strdup(r->method);
    c->path = mem_strdup(r->path);
    c->content_type = dup_or(r->content_type, "application/json");
    c->accept = dup_or(r->accept, "application/json");
    if (c->body.failed || !c->method || !c->path || !c->content_type || !c->accept) {
        call_free(c);
        return -E_NOMEM;
    }
    loop_timer_set(s->o.loop, &c->start, 0);
    *ret_call = c;
    return 0;
}

static void cancel(void *self, struct client_call *call)
{
    (void)self;
    call_free(call);
}

static void close_client(void *self)
{
    struct https *s = self;
    while (!list_empty(&s->calls))
        call_free(LIST_FIRST(&s->calls, struct client_call, link));
    while (!list_empty(&s->idle))
        idle_drop(LIST_FIRST(&s->idle, struct idle, link));
    mem_free(s->server_name);
    mem_free_secret(s->bearer, s->bearer ? strlen(s->bearer) : 0);
    mem_free(s->user_agent);
    mem_free(s);
}

int client_https_new(const struct client_https_options *o, struct client *ret_client)
{
    static const struct client_transport_ops ops = {send_call, cancel, close_client};
    char addr[NET_ADDR_TEXT];
    struct https *s = mem_zalloc(sizeof *s);
    if (!s)
        return -E_NOMEM;
    s->o = *o;
    s->o.host = o->host ? s->host : NULL;
    list_init(&s->idle);
    list_init(&s->calls);
    s->server_name = dup_or(o->server_name, "");
    s->bearer = o->bearer_token ? mem_strdup(o->bearer_token) : NULL;
    s->user_agent = dup_or(o->user_agent, "keelson");
    snprintf(s->host, sizeof s->host, "%s", o->host ? o->host : net_addr_format(&o->server, true, addr));
    if (!s->server_name || !s->user_agent || (o->bearer_token && !s->bearer)) {
        close_client(s);
        return -E_NOMEM;
    }
    *ret_client = (struct client){&ops, s, o->loop};
    return 0;
}

void client_https_free(struct client *c)
{
    if (c && c->ops)
        c->ops->close(c->self);
    if (c)
        *c = (struct client){0};
}
