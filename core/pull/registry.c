/* See registry.h. */
#include "pull/registry.h"

#include <stdio.h>

#include "codec/json.h"

void registry_init(struct registry *r, const struct registry_options *o)
{
    memset(r, 0, sizeof *r);
    r->o = *o;
    buf_init(&r->authorization, PULL_TOKEN_BYTES + 64);
    buf_init(&r->error_body, PULL_TOKEN_BYTES);
}

void registry_done(struct registry *r)
{
    if (r->authorization.data)
        mem_wipe(r->authorization.data, r->authorization.cap);
    buf_done(&r->authorization);
    buf_done(&r->error_body);
    conn_free(r->idle);
    r->idle = NULL;
}

/* ---- one request under way ---- */

struct under_way {
    struct registry *registry;
    const struct exchange *x;
    struct response *answer;
    bool ended;
    int rc;
    struct err err;
    int64_t heard_ms; /* when the last bytes came */
};

static void stop(struct under_way *w, int rc)
{
    w->ended = true;
    w->rc = rc;
}

static bool for_sink(const struct under_way *w)
{
    return w->x->sink && (w->answer->status == 200 || w->answer->status == 206);
}

/* Of several challenges the one with a token is the one we can best answer. */
static struct str challenge(const struct http_head *head)
{
    struct str best = http_header_get(head, "www-authenticate");
    for (size_t i = 0; i < head->header_count; i++) {
        struct str value = head->headers[i].value;
        if (str_is(head->headers[i].name, "www-authenticate") && value.n >= 6 &&
            str_eq_nocase(str_make(value.p, 6), STR("bearer")))
            best = value;
    }
    return best;
}

static void on_head(void *ctx, const struct http_head *head)
{
    struct under_way *w = ctx;
    struct response *a = w->answer;
    struct str type = http_header_get(head, "content-type");
    ptrdiff_t end = str_find_byte(type, ';');
    w->heard_ms = loop_now_ms(w->registry->o.io->loop);
    a->status = head->status;
    a->content_length = head->content_length;
    bool fit = str_copy(a->content_type, sizeof a->content_type,
                        str_trim(str_make(type.p, end < 0 ? type.n : (size_t)end)));
    fit &= str_copy(a->location, sizeof a->location, http_header_get(head, "location"));
    fit &= str_copy(a->authenticate, sizeof a->authenticate, challenge(head));
    fit &= str_copy(a->digest, sizeof a->digest, http_header_get(head, "docker-content-digest"));
    fit &= str_copy(a->content_range, sizeof a->content_range, http_header_get(head, "content-range"));
    if (!fit)
        stop(w, err_set(&w->err, E_SYNTAX, "a header of the answer is too long"));
    else if (for_sink(w) && w->x->sink->head && (w->rc = w->x->sink->head(w->x->sink->ctx, a, &w->err)) < 0)
        stop(w, w->rc);
}

static void on_body(void *ctx, struct str bytes)
{
    struct under_way *w = ctx;
    struct buf *other = &w->registry->error_body;
    w->heard_ms = loop_now_ms(w->registry->o.io->loop);
    if (w->ended)
        return;
    if (!for_sink(w)) {
        if (buf_len(other) + bytes.n <= PULL_TOKEN_BYTES)
            buf_append_str(other, bytes);
        return;
    }
    int rc = w->x->sink->body(w->x->sink->ctx, bytes, &w->err);
    if (rc < 0)
        stop(w, rc);
}

static void on_end(void *ctx, int rc, const char *message)
{
    struct under_way *w = ctx;
    if (w->ended)
        return;
    if (rc < 0)
        err_set(&w->err, -rc, "%s", rc == -E_UNAVAILABLE ? "connection refused" : message[0] ? message : err_text(rc));
    stop(w, rc);
}

static const struct http_call_handlers call_handlers = {on_head, on_body, on_end, NULL};

static void idle_closed(void *ctx, int rc, const char *message)
{
    struct registry *r = ctx;
    (void)rc;
    (void)message;
    conn_free(r->idle);
    r->idle = NULL;
}

static const struct conn_handlers idle_handlers = {.closed = idle_closed};

static size_t put_headers(const struct exchange *x, char range[48], struct http_header out[6])
{
    size_t n = 0;
    out[n++] = (struct http_header){STR("user-agent"), STR("keelson")};
    if (x->accept)
        out[n++] = (struct http_header){STR("accept"), str_of(x->accept)};
    if (x->authorization)
        out[n++] = (struct http_header){STR("authorization"), str_of(x->authorization)};
    if (x->content_type)
        out[n++] = (struct http_header){STR("content-type"), str_of(x->content_type)};
    if (x->from) {
        snprintf(range, 48, "bytes=%llu-", (unsigned long long)x->from);
        out[n++] = (struct http_header){STR("range"), str_of(range)};
    }
    return n;
}

static int64_t stall_ms(const struct pull_io *io)
{
    return io->stall_ms ? io->stall_ms : PULL_STALL_MS;
}

/* Takes the connection over. */
static int run(struct registry *r, const struct exchange *x, struct conn *conn, struct response *ret_response,
               struct err *err)
{
    struct loop *loop = r->o.io->loop;
    struct under_way w = {.registry = r, .x = x, .answer = ret_response, .heard_ms = loop_now_ms(loop)};
    char host[PULL_HOST_BYTES + 16], range[48];
    struct http_header headers[6];
    struct http_call *call;
    pull_url_host(x->url, host);
    struct http_call_options o = {.loop = loop, .method = x->method, .target = x->url->target, .host = host,
                                  .headers = headers, .header_count = put_headers(x, range, headers),
                                  .body = x->content, .handlers = &call_handlers, .ctx = &w};
    memset(ret_response, 0, sizeof *ret_response);
    buf_clear(&r->error_body);
    int rc = http_call_new(&o, conn, &call);
    if (rc < 0) {
        conn_free(conn);
        return err_set(err, -rc, "cannot send the request: %s", err_text(rc));
    }
    while (rc == 0 && !w.ended) {
        int64_t left = w.heard_ms + stall_ms(r->o.io) - loop_now_ms(loop);
        if (left <= 0)
            stop(&w, err_set(&w.err, E_TIMEOUT, "the registry stopped sending"));
        else
            rc = loop_turn(loop, (int)left);
    }
    r->answered |= ret_response->status != 0;
    if (rc == 0 && w.rc == 0 && (r->idle = http_call_take_conn(call))) {
        r->idle_url = *x->url;
        conn_set_handlers(r->idle, &idle_handlers, r);
    }
    http_call_free(call);
    if (rc == 0 && w.rc < 0)
        rc = err_set(err, w.err.code ? w.err.code : -w.rc, "%s", w.err.text);
    return rc;
}

/* ---- where to ---- */

static int find_addrs(struct registry *r, const struct pull_url *url, struct net_addr addrs[PULL_ADDRS],
                      size_t *ret_count, struct err *err)
{
    size_t local = 0;
    int rc = pull_resolve(r->o.io, url->host, url->port, addrs, ret_count, err);
    for (size_t i = 0; rc == 0 && i < *ret_count; i++)
        local += pull_addr_is_local(&addrs[i]);
    if (rc < 0)
        return rc;
    if (pull_url_same_origin(url, &r->o.endpoint))
        r->local = local > 0;
    else if (local && !r->local && !(r->o.configured && r->o.configured(r->o.ctx, url)))
        return err_set(err, E_FORBIDDEN, "refused to follow the registry to %s, a local address", url->host);
    return 0;
}

static int run_on_new(struct registry *r, const struct exchange *x, struct response *ret_response, struct err *err)
{
    static const struct conn_handlers none = {.closed = NULL};
    struct pull_io *io = r->o.io;
    struct net_addr addrs[PULL_ADDRS];
    struct tls_context *tls = r->o.tls ? r->o.tls : io->tls;
    size_t count = 0;
    int rc = find_addrs(r, x->url, addrs, &count, err);
    if (rc < 0)
        return rc;
    if (x->url->https && !tls)
        return err_set(err, E_UNSUPPORTED, "https needs certificate authorities, and this machine has none");
    struct conn_options o = {.loop = io->loop, .net = io->net, .tls = x->url->https ? tls : NULL,
                             .server_name = x->url->host, .handlers = &none,
                             .handshake_ms = (int)(io->connect_ms ? io->connect_ms : PULL_CONNECT_MS)};
    rc = err_set(err, E_UNAVAILABLE, "%s has no address", x->url->host);
    ret_response->status = 0;
    for (size_t i = 0; i < count && rc < 0 && ret_response->status == 0; i++) {
        struct conn *conn;
        char text[NET_ADDR_TEXT];
        err_clear(err);
        rc = conn_connect(&o, &addrs[i], &conn);
        rc = rc < 0 ? err_set(err, -rc, "%s", err_text(rc)) : run(r, x, conn, ret_response, err);
        if (rc < 0 && ret_response->status == 0)
            err_wrap(err, rc, "cannot reach %s", net_addr_format(&addrs[i], true, text));
    }
    return rc;
}

int registry_exchange(struct registry *r, const struct exchange *x, struct response *ret_response,
                      struct err *err)
{
    struct conn *kept = r->idle;
    r->idle = NULL;
    if (kept && pull_url_same_origin(&r->idle_url, x->url)) {
        int rc = run(r, x, kept, ret_response, err);
        if (rc == 0 || ret_response->status)
            return rc;
        err_clear(err); /* it had gone stale */
    } else {
        conn_free(kept);
    }
    return run_on_new(r, x, ret_response, err);
}

int registry_refusal(struct registry *r, int status, struct err *err)
{
    static const struct { int status, code; const char *text; } known[] = {
        {401, E_UNAUTHORIZED, "unauthorized"}, {403, E_FORBIDDEN, "denied"}, {404, E_NOT_FOUND, "not found"},
        {429, E_TOO_MANY, "too many requests"},
    };
    struct arena a CLEANUP_ARENA;
    struct json *o = NULL;
    int code = status >= 500 ? E_UNAVAILABLE : E_BAD_REQUEST;
    const char *text = NULL;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].status == status) {
            code = known[i].code;
            text = known[i].text;
        }
    arena_init(&a, 1024 * 1024);
    if (json_parse(&a, buf_str(&r->error_body), NULL, &o, NULL) == 0) {
        struct str message = json_path_str(json_at(json_get(o, "errors"), 0), "message");
        if (message.n)
            return err_set(err, code, "%.*s", (int)(message.n < 300 ? message.n : 300), message.p);
    }
    if (text)
        return err_set(err, code, "%s", text);
    return err_set(err, code, "unexpected HTTP status %d", status);
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static int follow(struct registry *r, struct pull_url *url, const struct response *a, struct err *err)
{
    struct pull_url next;
    if (!a->location[0])
        return err_set(err, E_SYNTAX, "a redirect without Location");
    int rc = pull_url_resolve(url, str_of(a->location), &next, err);
    if (rc < 0)
        return err_wrap(err, rc, "redirect");
    if (url->https && !next.https && !r->o.to_http)
        return err_set(err, E_FORBIDDEN, "refused to follow the registry from https to http://%s", next.host);
    *url = next;
    return 0;
}

static int request_url(const struct registry *r, const char *path, struct pull_url *ret_url, struct err *err)
{
    struct str prefix = str_of(r->o.endpoint.target);
    while (prefix.n && prefix.p[prefix.n - 1] == '/')
        prefix.n--;
    *ret_url = r->o.endpoint;
    int n = snprintf(ret_url->target, sizeof ret_url->target, STR_FMT "%s", STR_ARG(prefix), path);
    return n < (int)sizeof ret_url->target ? 0 : err_set(err, E_LIMIT, "the request's path is too long");
}

int registry_get(struct registry *r, const struct registry_request *q, struct err *err)
{
    struct response *a CLEANUP_FREE = mem_alloc(sizeof *a);
    struct pull_url *url CLEANUP_FREE = mem_alloc(sizeof *url);
    bool asked = false;
    unsigned redirects = 0;
    if (!a || !url)
        return err_set(err, E_NOMEM, "out of memory");
    int rc = request_url(r, q->path, url, err);
    while (rc == 0) {
        bool own = pull_url_same_origin(url, &r->o.endpoint);
        struct exchange x = {.method = "GET", .url = url, .accept = q->accept, .from = q->from, .sink = q};
        if (own && buf_len(&r->authorization))
            x.authorization = buf_cstr(&r->authorization);
        rc = registry_exchange(r, &x, a, err);
        if (rc < 0 || a->status == 200 || a->status == 206)
            return rc;
        if (a->status == 401 && own && !asked) {
            asked = true;
            rc = registry_authenticate(r, a->authenticate, err);
        } else if (is_redirect(a->status)) {
            rc = ++redirects > PULL_REDIRECTS ? err_set(err, E_LIMIT, "more than %d redirects", PULL_REDIRECTS)
                                              : follow(r, url, a, err);
        } else {
            return registry_refusal(r, a->status, err);
        }
    }
    return rc;
}
