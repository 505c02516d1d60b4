/* See registry.h. */
#include "pull/registry.h"

#include <stdio.h>

#include "codec/json.h"

enum { READ_BYTES = 128 * 1024 };

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
    pull_stream_close(r->idle);
    r->idle = NULL;
}

static int open_stream(struct registry *r, const struct pull_url *url, struct pull_stream **ret_stream,
                       struct err *err)
{
    struct net_addr addrs[PULL_ADDRS];
    size_t count, local = 0;
    int rc = pull_resolve(r->o.io, url->host, url->port, addrs, &count, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < count; i++)
        local += pull_addr_is_local(&addrs[i]);
    if (pull_url_same_origin(url, &r->o.endpoint))
        r->local = local > 0;
    else if (local && !r->local && !(r->o.configured && r->o.configured(r->o.ctx, url)))
        return err_set(err, E_FORBIDDEN, "refused to follow the registry to %s, a local address", url->host);
    struct tls_context *tls = r->o.tls && pull_url_same_origin(url, &r->o.endpoint) ? r->o.tls : r->o.io->tls;
    return pull_stream_open(r->o.io, url, addrs, count, tls, ret_stream, err);
}

static void write_request(struct buf *out, const struct exchange *x)
{
    char host[PULL_HOST_BYTES + 16];
    pull_url_host(x->url, host);
    buf_printf(out, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: keelson\r\n", x->method, x->url->target, host);
    if (x->accept)
        buf_printf(out, "Accept: %s\r\n", x->accept);
    if (x->authorization)
        buf_printf(out, "Authorization: %s\r\n", x->authorization);
    if (x->from)
        buf_printf(out, "Range: bytes=%llu-\r\n", (unsigned long long)x->from);
    if (x->content_type)
        buf_printf(out, "Content-Type: %s\r\nContent-Length: %zu\r\n", x->content_type, x->content.n);
    buf_puts(out, "\r\n");
    buf_append_str(out, x->content);
}

/* Gives what was read to the answer's reader and its body to whom it belongs. */
static int take(struct registry *r, const struct exchange *x, struct response *a, struct str in,
                bool *told, struct err *err)
{
    while (in.n && !response_is_complete(a)) {
        struct str body;
        int rc = response_feed(a, &in, &body, err);
        if (rc < 0)
            return rc;
        bool wanted = x->sink && (a->status == 200 || a->status == 206);
        if (wanted && response_has_headers(a) && !*told) {
            *told = true;
            rc = x->sink->head ? x->sink->head(x->sink->ctx, a, err) : 0;
        }
        if (rc == 0 && body.n && wanted)
            rc = x->sink->body(x->sink->ctx, body, err);
        else if (body.n && buf_len(&r->error_body) + body.n <= PULL_TOKEN_BYTES)
            buf_append_str(&r->error_body, body);
        if (rc < 0)
            return rc;
    }
    if (in.n)
        a->keep_alive = false; /* bytes that nobody asked for */
    return 0;
}

static int answer(struct registry *r, const struct exchange *x, struct pull_stream *s, struct response *a,
                  struct err *err)
{
    char *p CLEANUP_FREE = mem_alloc(READ_BYTES);
    bool told = false;
    if (!p)
        return err_set(err, E_NOMEM, "out of memory");
    while (!response_is_complete(a)) {
        ssize_t n = pull_stream_read(s, p, READ_BYTES, err);
        if (n < 0)
            return (int)n;
        int rc = n ? take(r, x, a, str_make(p, (size_t)n), &told, err) : response_end(a, err);
        if (rc < 0)
            return rc;
    }
    /* A body of length zero has had no part that told it. */
    if (!told && x->sink && x->sink->head && (a->status == 200 || a->status == 206))
        return x->sink->head(x->sink->ctx, a, err);
    return 0;
}

int registry_exchange(struct registry *r, const struct exchange *x, struct response *ret_response,
                      struct err *err)
{
    struct buf out CLEANUP_BUF;
    struct pull_stream *s = NULL;
    bool reused = r->idle && pull_url_same_origin(&r->idle_url, x->url);
    buf_init(&out, PULL_TOKEN_BYTES + 4 * PULL_URL_BYTES);
    write_request(&out, x);
    if (out.failed)
        return err_set(err, E_NOMEM, "out of memory for a request");
    for (;;) {
        int rc = 0;
        buf_clear(&r->error_body);
        response_init(ret_response, strcmp(x->method, "HEAD") == 0);
        if (reused)
            s = r->idle;
        else
            rc = open_stream(r, x->url, &s, err);
        if (reused || rc == 0) {
            if (!reused)
                pull_stream_close(r->idle);
            r->idle = NULL;
        }
        if (rc == 0)
            rc = pull_stream_write(s, buf_str(&out), err);
        if (rc == 0)
            rc = answer(r, x, s, ret_response, err);
        bool nothing_came = !ret_response->status;
        r->answered |= !nothing_came;
        response_done(ret_response);
        if (rc == 0 && ret_response->keep_alive) {
            r->idle = s;
            r->idle_url = *x->url;
            return 0;
        }
        pull_stream_close(s);
        s = NULL;
        if (rc == 0 || !reused || !nothing_came)
            return rc;
        reused = false; /* the kept connection had gone stale */
        err_clear(err);
    }
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
    if (url->https && !next.https && !r->o.insecure)
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
