/*
 * HTTP/1.1 messages on llhttp. See http1.h.
 *
 * The head is gathered into one bounded buffer (offsets, because it may move) and handed out whole;
 * the parser pauses after each message, so that a pipelined next one waits its turn.
 */
#include "wire/http1.h"

#include <llhttp.h>

struct span {
    uint32_t at, size;
};

struct http1 {
    llhttp_t parser;
    llhttp_settings_t settings;
    struct http1_handlers handlers;
    void *ctx;
    struct buf text;
    struct span target, names[LIMIT_HEADER_COUNT], values[LIMIT_HEADER_COUNT];
    size_t header_count;
    bool in_value, too_large, head_done, no_body, upgraded, complete;
};

static struct http1 *of(llhttp_t *p)
{
    return p->data;
}

static int gather(struct http1 *h, struct span *s, const char *p, size_t n, bool first)
{
    if (first)
        *s = (struct span){(uint32_t)buf_len(&h->text), 0};
    buf_append(&h->text, p, n);
    s->size += (uint32_t)n;
    if (!h->text.failed)
        return 0;
    h->too_large = true;
    return HPE_USER;
}

static int on_begin(llhttp_t *p)
{
    struct http1 *h = of(p);
    buf_clear(&h->text);
    h->target = (struct span){0, 0};
    h->header_count = 0;
    h->in_value = h->too_large = h->head_done = h->complete = false;
    return 0;
}

static int on_url(llhttp_t *p, const char *at, size_t n)
{
    struct http1 *h = of(p);
    return gather(h, &h->target, at, n, h->target.size == 0);
}

static int on_field(llhttp_t *p, const char *at, size_t n)
{
    struct http1 *h = of(p);
    if (h->head_done)
        return 0; /* trailers are read and dropped */
    bool first = h->in_value || h->header_count == 0;
    if (first) {
        if (h->header_count == LIMIT_HEADER_COUNT) {
            h->too_large = true;
            return HPE_USER;
        }
        h->values[h->header_count] = (struct span){0, 0};
        h->header_count++;
        h->in_value = false;
    }
    return gather(h, &h->names[h->header_count - 1], at, n, first);
}

static int on_value(llhttp_t *p, const char *at, size_t n)
{
    struct http1 *h = of(p);
    if (h->head_done)
        return 0;
    bool first = !h->in_value;
    h->in_value = true;
    return gather(h, &h->values[h->header_count - 1], at, n, first);
}

static void lower(char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] >= 'A' && p[i] <= 'Z')
            p[i] = (char)(p[i] + 32);
}

static void fill(struct http1 *h, struct http_head *head)
{
    char *base = h->text.data + h->text.head;
    llhttp_t *p = &h->parser;
    head->is_request = p->type == HTTP_REQUEST;
    head->method = head->is_request ? llhttp_method_name(llhttp_get_method(p)) : "";
    head->status = head->is_request ? 0 : llhttp_get_status_code(p);
    head->target = str_make(base + h->target.at, h->target.size);
    for (size_t i = 0; i < h->header_count; i++) {
        lower(base + h->names[i].at, h->names[i].size);
        head->headers[i].name = str_make(base + h->names[i].at, h->names[i].size);
        head->headers[i].value = str_trim(str_make(base + h->values[i].at, h->values[i].size));
    }
    head->header_count = h->header_count;
    head->keep_alive = llhttp_should_keep_alive(p);
    head->upgrade = p->upgrade;
    head->content_length = p->flags & F_CONTENT_LENGTH ? (int64_t)p->content_length : -1;
    head->has_body = head->content_length > 0 || p->flags & F_CHUNKED;
    head->expect_continue = http_header_has(head, "expect", "100-continue");
}

static int on_head(llhttp_t *p)
{
    struct http1 *h = of(p);
    struct http_head head;
    h->head_done = true;
    if (h->header_count && !h->in_value)
        h->values[h->header_count - 1] = (struct span){0, 0};
    fill(h, &head);
    h->handlers.head(h->ctx, &head);
    if (p->type == HTTP_RESPONSE && h->no_body)
        return 1; /* no body follows, whatever the headers say */
    return 0;
}

static int on_body(llhttp_t *p, const char *at, size_t n)
{
    struct http1 *h = of(p);
    h->handlers.body(h->ctx, str_make(at, n));
    return 0;
}

static int on_complete(llhttp_t *p)
{
    struct http1 *h = of(p);
    h->complete = true;
    h->upgraded = p->upgrade;
    return HPE_PAUSED;
}

int http1_new(bool requests, const struct http1_handlers *handlers, void *ctx, struct http1 **ret_http1)
{
    struct http1 *h = mem_zalloc(sizeof *h);
    if (!h)
        return -E_NOMEM;
    llhttp_settings_init(&h->settings);
    h->settings.on_message_begin = on_begin;
    h->settings.on_url = on_url;
    h->settings.on_header_field = on_field;
    h->settings.on_header_value = on_value;
    h->settings.on_headers_complete = on_head;
    h->settings.on_body = on_body;
    h->settings.on_message_complete = on_complete;
    llhttp_init(&h->parser, requests ? HTTP_REQUEST : HTTP_RESPONSE, &h->settings);
    h->parser.data = h;
    h->handlers = *handlers;
    h->ctx = ctx;
    buf_init(&h->text, LIMIT_HEADER_BYTES);
    *ret_http1 = h;
    return 0;
}

void http1_free(struct http1 *h)
{
    if (!h)
        return;
    buf_done(&h->text);
    mem_free(h);
}

void http1_expect_no_body(struct http1 *h)
{
    h->no_body = true;
}

int http1_feed(struct http1 *h, struct str bytes, size_t *ret_taken, bool *ret_upgraded, struct err *err)
{
    llhttp_errno_t rc = llhttp_execute(&h->parser, bytes.p, bytes.n);
    *ret_upgraded = false;
    *ret_taken = bytes.n;
    if (rc == HPE_OK)
        return 0;
    if (rc == HPE_PAUSED || rc == HPE_PAUSED_UPGRADE) {
        *ret_taken = (size_t)(llhttp_get_error_pos(&h->parser) - bytes.p);
        *ret_upgraded = h->upgraded;
        if (rc == HPE_PAUSED_UPGRADE)
            llhttp_resume_after_upgrade(&h->parser);
        else
            llhttp_resume(&h->parser);
        buf_done(&h->text);
        if (h->complete) {
            h->complete = false;
            h->handlers.end(h->ctx); /* may free h */
        }
        return 0;
    }
    if (h->too_large)
        return err_set(err, E_TOO_LARGE, "the header of the message is larger than %d bytes or %d fields",
                       LIMIT_HEADER_BYTES, LIMIT_HEADER_COUNT);
    const char *why = llhttp_get_error_reason(&h->parser);
    return err_set(err, E_SYNTAX, "malformed HTTP message: %s", why && why[0] ? why : llhttp_errno_name(rc));
}

int http1_finish(struct http1 *h)
{
    llhttp_errno_t rc = llhttp_finish(&h->parser);
    if (h->complete) {
        h->complete = false;
        h->handlers.end(h->ctx);
        return 0;
    }
    return rc == HPE_OK || rc == HPE_PAUSED ? 0 : -E_CLOSED;
}

struct str http_header_get(const struct http_head *h, const char *name)
{
    struct str key = str_of(name);
    for (size_t i = 0; i < h->header_count; i++)
        if (str_eq(h->headers[i].name, key))
            return h->headers[i].value;
    return str_make(NULL, 0);
}

bool http_header_has(const struct http_head *h, const char *name, const char *token)
{
    struct str key = str_of(name), want = str_of(token), part;
    for (size_t i = 0; i < h->header_count; i++) {
        struct str rest = h->headers[i].value;
        if (!str_eq(h->headers[i].name, key))
            continue;
        while (str_split(&rest, ',', &part))
            if (str_eq_nocase(str_trim(part), want))
                return true;
    }
    return false;
}

const char *http_status_text(int status)
{
    return llhttp_status_name((llhttp_status_t)status);
}
