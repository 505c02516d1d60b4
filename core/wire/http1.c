/*
 * HTTP/1.1 messages on llhttp in its strict mode. See http1.h.
 *
 * llhttp decides the grammar and the framing; here are the limits, the head as one piece, and what
 * llhttp lets through that we do not: other versions, CONNECT, several Host headers, upgrades that
 * nobody here speaks. The head's text lives in one buffer and is freed when the head was handled:
 * an idle parser costs little.
 */
#include "wire/http1.h"

#include <llhttp.h>

#include "base/mem.h"

struct span { /* offsets into text */
    uint32_t name_at, name_n, value_at, value_n;
};

struct http1 {
    llhttp_t parser;
    const struct http1_handlers *handlers;
    void *ctx;
    struct buf text; /* target, then names and values */
    size_t target_n;
    struct span *spans;
    size_t span_count;
    size_t head_bytes; /* of the head (then: trailers and chunk extensions) so far */
    bool requests, no_body, in_head, in_message, in_feed, freed;
    int problem; /* -E_* of our own refusal */
    const char *why;
};

struct str http_header_get(const struct http_head *h, const char *name)
{
    struct str want = str_of(name);
    for (size_t i = 0; i < h->header_count; i++)
        if (str_eq(h->headers[i].name, want))
            return h->headers[i].value;
    return str_make(NULL, 0);
}

bool http_header_has(const struct http_head *h, const char *name, const char *token)
{
    struct str want = str_of(name), part;
    for (size_t i = 0; i < h->header_count; i++) {
        if (!str_eq(h->headers[i].name, want))
            continue;
        struct str rest = h->headers[i].value;
        while (str_split(&rest, ',', &part))
            if (str_eq_nocase(str_trim(part), str_of(token)))
                return true;
    }
    return false;
}

static int refuse(struct http1 *h, int code, const char *why)
{
    if (!h->problem) {
        h->problem = -code;
        h->why = why;
    }
    return HPE_USER;
}

static struct http1 *self(llhttp_t *p)
{
    return p->data;
}

static void drop_head(struct http1 *h)
{
    buf_done(&h->text);
    mem_free(h->spans);
    h->spans = NULL;
    h->span_count = 0;
    h->target_n = 0;
}

/* ---- collecting the head ---- */

static int on_begin(llhttp_t *p)
{
    struct http1 *h = self(p);
    drop_head(h);
    h->in_message = h->in_head = true;
    h->spans = mem_alloc(sizeof(struct span) * LIMIT_HEADER_COUNT);
    return h->spans ? 0 : refuse(h, E_NOMEM, "out of memory");
}

static int add_text(struct http1 *h, const char *p, size_t n)
{
    buf_append(&h->text, p, n);
    return h->text.failed ? refuse(h, E_TOO_LARGE, "the headers are too large") : 0;
}

static int on_url(llhttp_t *p, const char *at, size_t n)
{
    struct http1 *h = self(p);
    h->target_n += n;
    return add_text(h, at, n);
}

static int on_trailer(struct http1 *h, size_t n)
{
    h->head_bytes += n;
    return h->head_bytes > LIMIT_HEADER_BYTES ? refuse(h, E_TOO_LARGE, "the trailers are too large")
                                              : 0;
}

static int on_field(llhttp_t *p, const char *at, size_t n)
{
    struct http1 *h = self(p);
    if (!h->in_head)
        return on_trailer(h, n);
    struct span *s = h->span_count ? &h->spans[h->span_count - 1] : NULL;
    if (!s || s->value_at) { /* value_at: the value of the one before has begun */
        if (h->span_count == LIMIT_HEADER_COUNT)
            return refuse(h, E_TOO_LARGE, "too many headers");
        s = &h->spans[h->span_count++];
        *s = (struct span){.name_at = (uint32_t)buf_len(&h->text)};
    }
    s->name_n += (uint32_t)n;
    int rc = add_text(h, at, n);
    if (rc == 0) {
        char *name = h->text.data + s->name_at + s->name_n - n;
        for (size_t i = 0; i < n; i++)
            if (name[i] >= 'A' && name[i] <= 'Z')
                name[i] = (char)(name[i] + ('a' - 'A'));
    }
    return rc;
}

static int on_field_done(llhttp_t *p)
{
    struct http1 *h = self(p);
    if (h->in_head && h->span_count)
        h->spans[h->span_count - 1].value_at = (uint32_t)buf_len(&h->text);
    return 0;
}

static int on_value(llhttp_t *p, const char *at, size_t n)
{
    struct http1 *h = self(p);
    if (!h->in_head)
        return on_trailer(h, n);
    h->spans[h->span_count - 1].value_n += (uint32_t)n;
    return add_text(h, at, n);
}

static int on_extension(llhttp_t *p, const char *at, size_t n)
{
    (void)at;
    return on_trailer(self(p), n);
}

/* ---- the head as a whole ---- */

static size_t count_header(const struct http_head *head, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < head->header_count; i++)
        n += str_is(head->headers[i].name, name);
    return n;
}

static bool speaks(const struct http_head *head)
{
    return http_header_has(head, "upgrade", "websocket") ||
           http_header_has(head, "upgrade", "spdy/3.1");
}

static void describe_request(struct http1 *h, struct http_head *head)
{
    llhttp_t *p = &h->parser;
    head->method = llhttp_method_name((llhttp_method_t)p->method);
    head->target = str_make(h->text.data, h->target_n);
    head->expect_continue = head->minor == 1 && http_header_has(head, "expect", "100-continue");
    if (p->upgrade && !speaks(head))
        p->upgrade = 0; /* an offer (such as h2c) that may be ignored */
    head->upgrade = p->upgrade;
    head->has_body = p->content_length > 0 || (p->flags & F_CHUNKED);
}

static int check_request(struct http1 *h, const struct http_head *head)
{
    size_t hosts = count_header(head, "host");
    if (h->parser.method == HTTP_CONNECT)
        return refuse(h, E_UNSUPPORTED, "CONNECT is not supported");
    if (hosts > 1 || (head->minor == 1 && hosts == 0))
        return refuse(h, E_SYNTAX, "a request needs exactly one Host header");
    if (head->target.n == 0 || (head->target.p[0] != '/' && !str_is(head->target, "*")))
        return refuse(h, E_SYNTAX, "the request target must be a path");
    if (head->minor == 0 && (h->parser.flags & F_TRANSFER_ENCODING))
        return refuse(h, E_SYNTAX, "HTTP/1.0 knows no Transfer-Encoding");
    if (head->upgrade && head->has_body)
        return refuse(h, E_SYNTAX, "an upgrade request cannot have a body");
    return 0;
}

static void describe(struct http1 *h, struct http_head *head)
{
    llhttp_t *p = &h->parser;
    head->is_request = h->requests;
    head->minor = p->http_minor;
    for (size_t i = 0; i < h->span_count; i++) {
        const struct span *s = &h->spans[i];
        head->headers[i] =
            (struct http_header){str_make(h->text.data + s->name_at, s->name_n),
                                 str_trim(str_make(h->text.data + s->value_at, s->value_n))};
    }
    head->header_count = h->span_count;
    head->keep_alive = llhttp_should_keep_alive(p);
    head->content_length = p->flags & F_CONTENT_LENGTH ? (int64_t)p->content_length : -1;
    if (h->requests) {
        describe_request(h, head);
        return;
    }
    head->status = p->status_code;
    head->upgrade = p->upgrade && p->status_code == 101;
    head->has_body = !h->no_body && p->status_code >= 200 && p->status_code != 204 &&
                     p->status_code != 304 && head->content_length != 0;
}

static int on_head(llhttp_t *p)
{
    struct http1 *h = self(p);
    if (p->http_major != 1 || p->http_minor > 1)
        return refuse(h, E_UNSUPPORTED, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    struct http_head *head = mem_zalloc(sizeof *head);
    if (!head)
        return refuse(h, E_NOMEM, "out of memory");
    describe(h, head);
    int rc = h->requests ? check_request(h, head) : 0;
    if (rc == 0 && head->content_length < -1)
        rc = refuse(h, E_TOO_LARGE, "the content length is too large");
    bool final = h->requests || head->status >= 200 || head->status == 101;
    if (rc == 0) {
        h->in_head = false;
        h->head_bytes = 0;
        h->handlers->head(h->ctx, head);
    }
    mem_free(head);
    drop_head(h);
    if (rc)
        return rc;
    if (h->freed)
        return 2; /* stops right behind the head */
    bool skip = h->no_body && final;
    if (final)
        h->no_body = false;
    return skip ? 1 : 0;
}

static int on_body(llhttp_t *p, const char *at, size_t n)
{
    struct http1 *h = self(p);
    if (h->freed)
        return HPE_USER;
    if (h->handlers->body)
        h->handlers->body(h->ctx, str_make(at, n));
    return h->freed ? HPE_USER : 0;
}

static int on_complete(llhttp_t *p)
{
    struct http1 *h = self(p);
    if (h->freed)
        return 0;
    h->in_message = false;
    h->head_bytes = 0;
    bool upgrade = p->upgrade;
    if (h->handlers->end)
        h->handlers->end(h->ctx);
    return upgrade ? 0 : HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_message_begin = on_begin,
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_field_complete = on_field_done,
    .on_header_value = on_value,
    .on_headers_complete = on_head,
    .on_chunk_extension_name = on_extension,
    .on_chunk_extension_value = on_extension,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

/* ---- life ---- */

int http1_new(bool requests, const struct http1_handlers *handlers, void *ctx,
              struct http1 **ret_http1)
{
    struct http1 *h = mem_zalloc(sizeof *h);
    if (!h)
        return -E_NOMEM;
    llhttp_init(&h->parser, requests ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
    h->parser.data = h;
    h->requests = requests;
    h->in_head = true;
    h->handlers = handlers;
    h->ctx = ctx;
    buf_init(&h->text, LIMIT_HEADER_BYTES);
    *ret_http1 = h;
    return 0;
}

void http1_free(struct http1 *h)
{
    if (!h)
        return;
    if (h->in_feed) {
        h->freed = true;
        return;
    }
    drop_head(h);
    mem_free(h);
}

void http1_expect_no_body(struct http1 *h)
{
    h->no_body = true;
}

static int failed(struct http1 *h, llhttp_errno_t e, struct err *err)
{
    if (h->problem)
        return err_set(err, -h->problem, "%s", h->why);
    const char *why = llhttp_get_error_reason(&h->parser);
    return err_set(err, E_SYNTAX, "malformed HTTP message: %s",
                   why && *why ? why : llhttp_errno_name(e));
}

static int over(struct http1 *h)
{
    h->in_feed = false;
    http1_free(h);
    return -E_CLOSED;
}

int http1_feed(struct http1 *h, struct str bytes, size_t *ret_taken, bool *ret_upgraded,
               struct err *err)
{
    *ret_taken = 0;
    *ret_upgraded = false;
    if (llhttp_get_errno(&h->parser) == HPE_PAUSED) {
        llhttp_resume(&h->parser);
        h->in_head = true;
    }
    if (bytes.n == 0)
        return 0;
    h->in_feed = true;
    llhttp_errno_t e = llhttp_execute(&h->parser, bytes.p, bytes.n);
    const char *at = e == HPE_OK ? bytes.p + bytes.n : llhttp_get_error_pos(&h->parser);
    *ret_taken = at ? (size_t)(at - bytes.p) : bytes.n;
    if (h->freed)
        return over(h);
    h->in_feed = false;
    *ret_upgraded = e == HPE_PAUSED_UPGRADE;
    if (e != HPE_OK && e != HPE_PAUSED && e != HPE_PAUSED_UPGRADE)
        return failed(h, e, err);
    /* Blanks that no callback sees count too. */
    if (e == HPE_OK && h->in_head && (h->head_bytes += bytes.n) > LIMIT_HEADER_BYTES)
        return err_set(err, E_TOO_LARGE, "the headers are too large");
    return 0;
}

int http1_finish(struct http1 *h)
{
    if (!h->in_message)
        return 0;
    if (h->requests || h->in_head)
        return -E_CLOSED;
    h->in_feed = true;
    llhttp_errno_t e = llhttp_finish(&h->parser);
    if (h->freed)
        return over(h);
    h->in_feed = false;
    return e == HPE_OK || e == HPE_PAUSED ? 0 : -E_CLOSED;
}

const char *http_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } known[] = {
        {101, "Switching Protocols"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].status == status)
            return known[i].text;
    return "Status";
}
