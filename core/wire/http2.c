/*
 * HTTP/2 connections of the server. See http2.h.
 *
 * nghttp2 owns frames, HPACK and windows; here is what becomes of a stream. Nothing is sent from
 * within an application's call: `flush` does it once a turn, which also gathers frames into few
 * TLS records, and keeps nghttp2 from being entered twice.
 */
#include "wire/http2.h"

#include <nghttp2/nghttp2.h>

#include "base/log.h"

enum {
    STREAMS_MAX = 250, /* as upstream's server: an informer for each kind on one connection */
    STREAM_WINDOW = 256 * 1024,
    CONNECTION_WINDOW = 1024 * 1024,
    GATHER = 64 * 1024,
    IDLE_MS = 180 * 1000,
    BODY_MS = 10 * 1000, /* for each BODY_STEP of all bodies together */
    BODY_STEP = 4096,
    METHOD_MAX = 32,
    ANSWER_HEADERS = 64,
};

struct field {
    uint32_t name, name_n, value, value_n; /* places in `text` */
};

struct http2 {
    struct http_request *carrier;
    nghttp2_session *session;
    struct list streams;
    struct loop_task flush;
    size_t count;      /* streams */
    size_t uploading;  /* streams whose body is expected and wanted */
    size_t body_since; /* bytes since the deadline was set */
    bool tell;         /* some stream is owed `drained` */
    /* The header block that is being received: there is only one at a time. */
    struct buf text;
    struct field fields[LIMIT_HEADER_COUNT + 8];
    size_t field_count;
    bool too_large;
};

static void flush_soon(struct http2 *h)
{
    loop_defer(http_server_loop(h->carrier->server), &h->flush);
}

static const struct http_server_handlers *app(const struct http2 *h, void **ret_ctx)
{
    return http_server_handlers(h->carrier->server, ret_ctx);
}

static void deadline(struct http2 *h)
{
    h->body_since = 0;
    conn_deadline(h->carrier->conn, h->uploading ? BODY_MS : h->count ? 0 : IDLE_MS);
}

static void upload(struct http2 *h, struct http_request *r, bool wanted)
{
    if (r->upgrading == wanted) /* never an upgrade: says that it is counted */
        return;
    r->upgrading = wanted;
    h->uploading += wanted ? 1 : (size_t)-1;
    deadline(h);
}

static void reset(struct http2 *h, int32_t stream, uint32_t code)
{
    if (nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, stream, code) < 0)
        log_warn("out of memory: a stream was not reset");
    flush_soon(h);
}

/* ---- the life of a stream ---- */

static void stream_free(struct http2 *h, struct http_request *r)
{
    void *ctx;
    bool active = r->active;
    upload(h, r, false);
    list_remove(&r->link);
    h->count--;
    r->active = false;
    if (active)
        app(h, &ctx)->aborted(r->ctx, r);
    buf_done(&r->out);
    mem_free(r);
}

static struct http_request *stream_new(struct http2 *h, int32_t id)
{
    struct http_request *r = mem_zalloc(sizeof *r);
    if (!r)
        return NULL;
    r->server = h->carrier->server;
    r->conn = h->carrier->conn;
    r->peer = h->carrier->peer;
    r->h2 = h;
    r->stream = id;
    buf_init(&r->out, CONN_OUTPUT_MAX);
    list_push_back(&h->streams, &r->link);
    h->count++;
    nghttp2_session_set_stream_user_data(h->session, id, r);
    return r;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    struct http_request *r = nghttp2_session_get_stream_user_data(session, id);
    struct http2 *h = user;
    (void)code;
    if (r) {
        stream_free(h, r);
        deadline(h);
    }
    return 0;
}

/* ---- the head of a request ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct http2 *h = user;
    (void)session;
    (void)frame;
    buf_clear(&h->text);
    h->field_count = 0;
    h->too_large = false;
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *user)
{
    struct http2 *h = user;
    (void)session;
    (void)flags;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0; /* trailers: nobody asks for them */
    struct field *f = &h->fields[h->field_count];
    if (h->too_large || h->field_count == sizeof h->fields / sizeof h->fields[0] ||
        buf_len(&h->text) + name_n + value_n > LIMIT_HEADER_BYTES) {
        h->too_large = true;
        return 0;
    }
    f->name = (uint32_t)buf_len(&h->text);
    f->name_n = (uint32_t)name_n;
    buf_append(&h->text, name, name_n);
    f->value = (uint32_t)buf_len(&h->text);
    f->value_n = (uint32_t)value_n;
    buf_append(&h->text, value, value_n);
    h->field_count++;
    return 0;
}

static void put_field(struct http_head *head, struct str name, struct str value, struct str *method)
{
    if (str_is(name, ":method")) {
        *method = value;
    } else if (str_is(name, ":path")) {
        head->target = value;
    } else if (!str_starts(name, STR(":")) || str_is(name, ":authority")) {
        if (str_is(name, ":authority"))
            name = STR("host");
        if (str_is(name, "content-length") && str_to_i64(value, &head->content_length) < 0)
            head->content_length = -1;
        if (str_is(name, "expect") && str_eq_nocase(value, STR("100-continue")))
            head->expect_continue = true;
        if (head->header_count < LIMIT_HEADER_COUNT)
            head->headers[head->header_count++] = (struct http_header){name, value};
    }
}

static void go_on(struct http2 *h, int32_t id)
{
    static uint8_t name[] = ":status", value[] = "100";
    nghttp2_nv nv = {name, value, sizeof name - 1, sizeof value - 1, NGHTTP2_NV_FLAG_NONE};
    if (nghttp2_submit_headers(h->session, NGHTTP2_FLAG_NONE, id, NULL, &nv, 1, NULL) < 0)
        log_warn("out of memory: a client that waits for 100 Continue is not answered");
    flush_soon(h);
}

static void begin(struct http2 *h, int32_t id, bool has_body)
{
    struct http_head head = {.is_request = true,
                             .minor = 1,
                             .keep_alive = true,
                             .has_body = has_body,
                             .content_length = has_body ? -1 : 0};
    struct str method = {0};
    char method_text[METHOD_MAX];
    void *ctx;
    struct http_request *r = stream_new(h, id);
    if (!r) {
        reset(h, id, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    const char *text = buf_str(&h->text).p;
    for (size_t i = 0; i < h->field_count; i++) {
        const struct field *f = &h->fields[i];
        put_field(&head, str_make(text + f->name, f->name_n), str_make(text + f->value, f->value_n),
                  &method);
    }
    if (h->text.failed || h->too_large) {
        r->active = true;
        http_reply_whole(r, 431, "text/plain", STR("the headers are too large\n"));
        return;
    }
    if (!head.target.n || !str_copy(method_text, sizeof method_text, method)) {
        reset(h, id, NGHTTP2_PROTOCOL_ERROR); /* CONNECT, or a method of nobody's */
        return;
    }
    head.method = method_text;
    r->active = true;
    r->head_only = str_is(method, "HEAD");
    if (has_body)
        upload(h, r, true);
    else
        deadline(h);
    if (head.expect_continue && has_body)
        go_on(h, id);
    app(h, &ctx)->begin(ctx, r, &head);
}

/* ---- frames ---- */

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct http2 *h = user;
    int32_t id = frame->hd.stream_id;
    bool last = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        begin(h, id, !last);
    struct http_request *r = last ? nghttp2_session_get_stream_user_data(session, id) : NULL;
    if (!r || r->body_done)
        return 0;
    void *ctx;
    r->body_done = true;
    upload(h, r, false);
    if (r->active && app(h, &ctx)->complete)
        app(h, &ctx)->complete(r->ctx, r);
    return 0;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                    size_t n, void *user)
{
    struct http2 *h = user;
    struct http_request *r = nghttp2_session_get_stream_user_data(session, id);
    void *ctx;
    (void)flags;
    h->body_since += n;
    if (h->body_since >= BODY_STEP && h->uploading)
        deadline(h);
    if (!r || !r->active) {
        nghttp2_session_consume(session, id, n);
        return 0;
    }
    nghttp2_session_consume_connection(session, n);
    if (r->paused)
        r->uncredited += n;
    else
        nghttp2_session_consume_stream(session, id, n);
    if (app(h, &ctx)->body)
        app(h, &ctx)->body(r->ctx, r, str_make((const char *)data, n));
    return 0;
}

static nghttp2_ssize on_read(nghttp2_session *session, int32_t id, uint8_t *to, size_t room,
                             uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct http_request *r = source->ptr;
    struct http2 *h = user;
    size_t n = buf_len(&r->out) < room ? buf_len(&r->out) : room;
    (void)session;
    (void)id;
    memcpy(to, buf_str(&r->out).p, n);
    buf_consume(&r->out, n);
    if (r->above && buf_len(&r->out) < CONN_LOW)
        h->tell = true;
    if (r->close && buf_len(&r->out) == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    else if (n == 0)
        return NGHTTP2_ERR_DEFERRED;
    return (nghttp2_ssize)n;
}

/* ---- sending ---- */

static void tell_drained(struct http2 *h)
{
    struct http_request *r, *next;
    void *ctx;
    if (!h->tell)
        return;
    h->tell = false;
    LIST_EACH_SAFE(r, next, &h->streams, link)
    {
        if (!r->above || buf_len(&r->out) >= CONN_LOW)
            continue;
        r->above = false;
        if (r->active && app(h, &ctx)->drained)
            app(h, &ctx)->drained(r->ctx, r); /* writes and ends; frees no stream in this turn */
    }
}

static void flush(void *ctx)
{
    struct http2 *h = ctx;
    struct conn *c = h->carrier->conn;
    struct buf frames CLEANUP_BUF;
    buf_init(&frames, CONN_OUTPUT_MAX);
    if (!c || !conn_is_open(c))
        return;
    for (nghttp2_ssize n = 1; n > 0 && conn_unsent(c) + buf_len(&frames) < CONN_HIGH;) {
        const uint8_t *data;
        n = nghttp2_session_mem_send2(h->session, &data);
        if (n > 0)
            buf_append(&frames, data, (size_t)n);
        if (buf_len(&frames) >= GATHER || n <= 0) {
            if (frames.failed || (buf_len(&frames) && conn_write(c, buf_str(&frames)) < 0))
                return; /* `closed` comes from the loop */
            buf_clear(&frames);
        }
    }
    if (buf_len(&frames) && conn_write(c, buf_str(&frames)) < 0)
        return;
    if (!nghttp2_session_want_read(h->session) && !nghttp2_session_want_write(h->session))
        conn_finish(c);
    tell_drained(h);
}

void http2_drained(struct http2 *h)
{
    flush_soon(h);
}

/* ---- answers ---- */

static bool put_nv(nghttp2_nv *nv, struct buf *names, struct http_header header)
{
    char *name = buf_reserve(names, header.name.n);
    if (!name)
        return false;
    for (size_t i = 0; i < header.name.n; i++) {
        char c = header.name.p[i];
        name[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    buf_commit(names, header.name.n);
    *nv = (nghttp2_nv){(uint8_t *)name, (uint8_t *)header.value.p, header.name.n, header.value.n,
                       NGHTTP2_NV_FLAG_NONE};
    return true;
}

static bool is_hop_header(struct str name)
{
    return str_eq_nocase(name, STR("connection")) || str_eq_nocase(name, STR("keep-alive")) ||
           str_eq_nocase(name, STR("transfer-encoding")) || str_eq_nocase(name, STR("upgrade"));
}

void http2_reply(struct http_request *r, int status, const struct http_header *headers,
                 size_t header_count, int64_t length)
{
    struct buf names CLEANUP_BUF, text CLEANUP_BUF;
    nghttp2_nv nv[ANSWER_HEADERS + 3];
    size_t n = 0;
    nghttp2_data_provider2 from = {{.ptr = r}, on_read};
    struct http2 *h = r->h2;
    char *place;

    buf_init(&names, LIMIT_HEADER_BYTES);
    buf_init(&text, 256);
    place = buf_reserve(&names, LIMIT_HEADER_BYTES); /* names do not move under nv */
    r->bodiless = status == 204 || status == 304 || status < 200;
    r->left = length;
    buf_printf(&text, "%d%lld", status, (long long)length);
    http_put_date(&text, http_server_loop(r->server));
    bool ok = place && !text.failed;
    struct str t = buf_str(&text);
    ok = ok && put_nv(&nv[n++], &names, (struct http_header){STR(":status"), str_make(t.p, 3)});
    struct str date = str_make(t.p + t.n - 29, 29);
    ok = ok && put_nv(&nv[n++], &names, (struct http_header){STR("date"), date});
    if (length >= 0 && (!r->bodiless || status == 304))
        ok = ok && put_nv(&nv[n++], &names, (struct http_header){
                STR("content-length"), str_make(t.p + 3, t.n - 29 - 3)});
    for (size_t i = 0; ok && i < header_count && i < ANSWER_HEADERS; i++)
        if (!is_hop_header(headers[i].name))
            ok = put_nv(&nv[n++], &names, headers[i]);
    bool empty = r->bodiless || r->head_only;
    if (!ok || nghttp2_submit_response2(h->session, r->stream, nv, n, empty ? NULL : &from) < 0)
        reset(h, r->stream, NGHTTP2_INTERNAL_ERROR);
    flush_soon(h);
}

void http2_write(struct http_request *r, struct str bytes)
{
    struct http2 *h = r->h2;
    if (r->left >= 0 && (int64_t)bytes.n > r->left)
        bytes.n = (size_t)r->left;
    r->left -= r->left >= 0 ? (int64_t)bytes.n : 0;
    buf_append_str(&r->out, bytes);
    if (buf_len(&r->out) > CONN_LOW)
        r->above = true;
    if (r->out.failed)
        reset(h, r->stream, NGHTTP2_INTERNAL_ERROR);
    else
        (void)nghttp2_session_resume_data(h->session, r->stream); /* no error but "not deferred" */
    flush_soon(h);
}

void http2_end(struct http_request *r, bool give_up)
{
    struct http2 *h = r->h2;
    bool empty = r->bodiless || r->head_only;
    r->close = true;
    if (give_up || (r->left > 0 && !empty)) {
        reset(h, r->stream, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    if (!r->body_done) { /* as RFC 9113 section 8.1 says: answered, and the rest is not wanted */
        upload(h, r, false);
        nghttp2_session_consume_stream(h->session, r->stream, r->uncredited);
    }
    (void)nghttp2_session_resume_data(h->session, r->stream);
    flush_soon(h);
}

void http2_pause(struct http_request *r, bool paused)
{
    struct http2 *h = r->h2;
    upload(h, r, !paused && !r->body_done);
    if (!paused && r->uncredited) {
        nghttp2_session_consume_stream(h->session, r->stream, r->uncredited);
        r->uncredited = 0;
    }
    flush_soon(h);
}

/* ---- the connection ---- */

int http2_feed(struct http2 *h, struct str bytes)
{
    nghttp2_ssize n =
        nghttp2_session_mem_recv2(h->session, (const uint8_t *)bytes.p, bytes.n);
    if (n < 0) /* flooded, or no HTTP/2 at all: nothing more is owed */
        return n == NGHTTP2_ERR_NOMEM ? -E_NOMEM : -E_SYNTAX;
    flush_soon(h);
    return 0;
}

static void *alloc_fn(size_t n, void *user)
{
    (void)user;
    return mem_alloc(n);
}

static void free_fn(void *p, void *user)
{
    (void)user;
    mem_free(p);
}

static void *calloc_fn(size_t count, size_t n, void *user)
{
    (void)user;
    return mem_calloc(count, n);
}

static void *realloc_fn(void *p, size_t n, void *user)
{
    (void)user;
    return mem_realloc(p, n);
}

static int session_new(struct http2 *h)
{
    nghttp2_mem mem = {NULL, alloc_fn, free_fn, calloc_fn, realloc_fn};
    nghttp2_session_callbacks *calls = NULL;
    nghttp2_option *option = NULL;
    int rc = nghttp2_session_callbacks_new(&calls);
    if (rc == 0)
        rc = nghttp2_option_new(&option);
    if (rc == 0) {
        nghttp2_option_set_no_auto_window_update(option, 1);
        nghttp2_session_callbacks_set_on_begin_headers_callback(calls, on_begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(calls, on_header);
        nghttp2_session_callbacks_set_on_frame_recv_callback(calls, on_frame);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, on_chunk);
        nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_close);
        rc = nghttp2_session_server_new3(&h->session, calls, h, option, &mem);
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(calls);
    return rc;
}

int http2_new(struct http_request *carrier, struct http2 **ret_http2)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, LIMIT_HEADER_BYTES},
    };
    struct http2 *h = mem_zalloc(sizeof *h);
    if (!h)
        return -E_NOMEM;
    h->carrier = carrier;
    list_init(&h->streams);
    buf_init(&h->text, LIMIT_HEADER_BYTES);
    loop_task_init(&h->flush, flush, h);
    int rc = session_new(h);
    if (rc == 0)
        rc = nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings,
                                     sizeof settings / sizeof settings[0]);
    if (rc == 0)
        rc = nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0,
                                                   CONNECTION_WINDOW);
    if (rc < 0) {
        http2_free(h);
        return -E_NOMEM;
    }
    flush_soon(h);
    *ret_http2 = h;
    return 0;
}

void http2_free(struct http2 *h)
{
    if (!h)
        return;
    loop_task_cancel(&h->flush);
    while (!list_empty(&h->streams)) {
        struct http_request *r = LIST_FIRST(&h->streams, struct http_request, link);
        r->upgrading = false; /* the connection's deadline is of no use any more */
        stream_free(h, r);
        loop_task_cancel(&h->flush);
    }
    nghttp2_session_del(h->session);
    buf_done(&h->text);
    mem_free(h);
}
