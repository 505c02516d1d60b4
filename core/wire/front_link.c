/*
 * Control's half. See front_link.h.
 *
 *   RECEIVING --BODY_END--> ANSWERING --end--> (waits for its queue) --sent--> gone
 */
#include "wire/front_link.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/map.h"

/* Bodies of requests that nobody has looked at yet, all clients together: who they are from is
 * only known once they are complete. */
enum { WAITING_MAX = 64 * 1024 * 1024, BODIES_MAX = 64 * 1024 * 1024 };

/* Queued towards front, all streams together; above it streams wait for the queue to be empty. */
enum { LINK_HIGH = 4 * 1024 * 1024 };

struct front_stream {
    struct list link;
    struct front_link *owner;
    uint32_t id;
    void *ctx;
    struct buf request; /* the REQUEST message's fields, then the body */
    size_t head_size;
    struct buf waiting; /* of the answer, beyond the window */
    size_t on_the_way;
    size_t body_bytes; /* counted in the link's */
    bool told, ended;
};

struct front_link {
    struct role_link *link;
    const struct front_link_handlers *handlers;
    void *ctx;
    struct list streams;
    struct map by_id;
    size_t body_bytes; /* of requests that are not complete yet */
    unsigned char *buffer;
};

static struct str id_key(const uint32_t *id)
{
    return str_make(id, sizeof *id);
}

static void stream_free(struct front_stream *s)
{
    s->owner->body_bytes -= s->body_bytes;
    map_remove(&s->owner->by_id, id_key(&s->id));
    list_remove(&s->link);
    buf_done(&s->request);
    buf_done(&s->waiting);
    mem_free(s);
}

static void begin(struct front_stream *s, struct imsg_out *m, uint16_t type)
{
    imsg_begin(m, s->owner->buffer, LIMIT_IMSG_BYTES, type, s->id);
}

/* A dead link tells itself from the loop: nothing to do here. */
static void send_out(struct front_stream *s, struct imsg_out *m)
{
    int rc = role_link_send(s->owner->link, m);
    if (rc == -E_TOO_LARGE)
        log_warn("front: an answer's head does not fit into a message");
}

static void put_headers(struct imsg_out *m, const struct http_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        imsg_put(m, FRONT_TAG_HEADER_NAME, headers[i].name);
        imsg_put(m, FRONT_TAG_HEADER_VALUE, headers[i].value);
    }
}

void front_stream_set_ctx(struct front_stream *s, void *stream_ctx)
{
    s->ctx = stream_ctx;
}

void front_stream_head(struct front_stream *s, int status, const struct http_header *headers,
                       size_t count)
{
    struct imsg_out m;
    begin(s, &m, FRONT_HEAD);
    imsg_put_u64(&m, FRONT_TAG_VALUE, (uint64_t)status);
    put_headers(&m, headers, count);
    send_out(s, &m);
}

static void send_data(struct front_stream *s, struct str bytes)
{
    struct imsg_out m;
    begin(s, &m, FRONT_DATA);
    imsg_put(&m, FRONT_TAG_BYTES, bytes);
    s->on_the_way += bytes.n;
    send_out(s, &m);
}

static void send_simple(struct front_stream *s, uint16_t type)
{
    struct imsg_out m;
    begin(s, &m, type);
    send_out(s, &m);
}

/* As much as the window and the link allow. */
static struct str send_some(struct front_stream *s, struct str bytes)
{
    while (bytes.n && s->on_the_way < FRONT_WINDOW_BYTES &&
           role_link_queued(s->owner->link) < LINK_HIGH) {
        size_t n = FRONT_WINDOW_BYTES - s->on_the_way;
        n = n < FRONT_CHUNK_BYTES ? n : FRONT_CHUNK_BYTES;
        n = n < bytes.n ? n : bytes.n;
        send_data(s, str_make(bytes.p, n));
        bytes.p += n;
        bytes.n -= n;
    }
    return bytes;
}

int64_t front_stream_body(struct front_stream *s, struct str bytes)
{
    if (buf_len(&s->waiting) == 0)
        bytes = send_some(s, bytes);
    buf_append_str(&s->waiting, bytes);
    if (s->waiting.failed) {
        front_stream_abort(s);
        return -1;
    }
    return (int64_t)(buf_len(&s->waiting) + s->on_the_way);
}

void front_stream_end(struct front_stream *s)
{
    if (buf_len(&s->waiting)) {
        s->ended = true; /* the window's next opening sends the rest */
        return;
    }
    send_simple(s, FRONT_END);
    stream_free(s);
}

void front_stream_abort(struct front_stream *s)
{
    send_simple(s, FRONT_ABORT);
    stream_free(s);
}

void front_stream_proxy(struct front_stream *s, const struct front_place *at)
{
    struct imsg_out m;
    begin(s, &m, FRONT_PROXY);
    imsg_put_cstr(&m, FRONT_TAG_HOST, at->host);
    imsg_put_u64(&m, FRONT_TAG_VALUE, at->port);
    imsg_put_cstr(&m, FRONT_TAG_SERVER_NAME, at->server_name);
    imsg_put_cstr(&m, FRONT_TAG_TARGET, at->target);
    imsg_put_cstr(&m, FRONT_TAG_PREFIX, at->prefix);
    send_out(s, &m);
    stream_free(s);
}

/* ---- requests ---- */

/* Out of memory: the client must not wait for ever. */
static void refuse(struct front_link *k, uint32_t id)
{
    struct imsg_out m;
    imsg_begin(&m, k->buffer, LIMIT_IMSG_BYTES, FRONT_ABORT, id);
    (void)!role_link_send(k->link, &m);
}

static void on_request(struct front_link *k, struct imsg_in *in)
{
    struct front_stream *s = mem_zalloc(sizeof *s);
    if (!s) {
        refuse(k, in->id);
        return;
    }
    s->owner = k;
    s->id = in->id;
    list_push_back(&k->streams, &s->link);
    buf_init(&s->request, (size_t)LIMIT_BODY_BYTES + LIMIT_IMSG_BYTES);
    buf_init(&s->waiting, WAITING_MAX);
    buf_append_str(&s->request, in->fields);
    s->head_size = in->fields.n;
    if (s->request.failed || map_has(&k->by_id, id_key(&s->id)) ||
        map_set(&k->by_id, id_key(&s->id), s, NULL) < 0) {
        refuse(k, in->id);
        list_remove(&s->link);
        buf_done(&s->request);
        mem_free(s);
    }
}

/* Texts become terminated by a copy in the arena. */
static char *text(struct arena *a, struct str s)
{
    char *t = arena_strndup(a, s.p, s.n);
    return t ? t : (char *)"";
}

static void set_value(struct arena *a, struct front_request *r, struct str value)
{
    if (!r->header_count)
        return;
    struct http_header *h = &r->headers[r->header_count - 1];
    h->value = value;
    if (str_is(h->name, "authorization")) {
        r->authorization = text(a, value);
        r->header_count--;
    }
}

static void decode(struct front_stream *s, struct arena *a, struct front_request *r)
{
    struct imsg_in in = {.fields = str_make(s->request.data + s->request.head, s->head_size)};
    struct imsg_cursor at = {0};
    struct str bytes;
    uint8_t tag;
    size_t groups = 0;

    *r = (struct front_request){.method = "GET", .address = ""};
    while (imsg_next(&in, &at, &tag, &bytes)) {
        switch (tag) {
        case FRONT_TAG_METHOD:
            r->method = text(a, bytes);
            break;
        case FRONT_TAG_TARGET:
            r->target = bytes;
            break;
        case FRONT_TAG_HEADER_NAME:
            if (r->header_count < FRONT_HEADERS)
                r->headers[r->header_count++] = (struct http_header){bytes, {"", 0}};
            break;
        case FRONT_TAG_HEADER_VALUE:
            set_value(a, r, bytes);
            break;
        case FRONT_TAG_USER:
            r->user = text(a, bytes);
            break;
        case FRONT_TAG_FINGERPRINT:
            r->fingerprint = text(a, bytes);
            break;
        case FRONT_TAG_GROUP:
            if (groups < FRONT_GROUPS)
                r->groups[groups++] = text(a, bytes);
            break;
        case FRONT_TAG_PROBLEM:
            r->problem = text(a, bytes);
            break;
        case FRONT_TAG_ADDRESS:
            r->address = text(a, bytes);
            break;
        default:
            break;
        }
    }
    struct str all = buf_str(&s->request);
    r->body = str_make(all.p + s->head_size, all.n - s->head_size);
}

static void on_body(struct front_stream *s, struct str bytes)
{
    static const struct http_header type = {{"content-type", 12}, {"application/json", 16}};
    if (s->told)
        return;
    if (s->owner->body_bytes + bytes.n > BODIES_MAX) {
        s->told = true;
        front_stream_head(s, 503, &type, 1);
        (void)!front_stream_body(
            s, STR("{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},"
                   "\"status\":\"Failure\",\"message\":\"too many large requests at "
                   "once\",\"reason\":\"ServiceUnavailable\",\"code\":503}\n"));
        front_stream_end(s);
        return;
    }
    s->owner->body_bytes += bytes.n;
    s->body_bytes += bytes.n;
    buf_append_str(&s->request, bytes);
}

static void on_body_end(struct front_stream *s)
{
    struct arena a CLEANUP_ARENA;
    struct front_request r;
    arena_init(&a, 1024 * 1024);
    if (s->told)
        return;
    s->told = true;
    s->owner->body_bytes -= s->body_bytes;
    s->body_bytes = 0;
    if (s->request.failed) {
        front_stream_abort(s);
        return;
    }
    struct buf request = s->request; /* outlives s, which may end inside the callback */
    decode(s, &a, &r);
    buf_init(&s->request, 0);
    s->owner->handlers->request(s->owner->ctx, s, &r);
    buf_done(&request);
}

static void go_on(struct front_stream *s)
{
    if (buf_len(&s->waiting)) {
        struct str left = send_some(s, buf_str(&s->waiting));
        buf_consume(&s->waiting, buf_len(&s->waiting) - left.n);
        if (buf_len(&s->waiting))
            return;
        buf_done(&s->waiting);
    }
    if (s->ended) {
        send_simple(s, FRONT_END);
        stream_free(s);
    } else if (s->told && s->on_the_way < FRONT_WINDOW_BYTES / 2) {
        s->owner->handlers->drained(s->ctx, s);
    }
}

static void on_window(struct front_stream *s, uint64_t taken)
{
    s->on_the_way -= taken < s->on_the_way ? taken : s->on_the_way;
    go_on(s);
}

/* The link's queue is empty: those that waited for it go on. Windows keep the first in the list
 * from taking it all. */
static void on_link_drained(void *ctx)
{
    struct front_link *k = ctx;
    struct front_stream *s, *next;
    LIST_EACH_SAFE(s, next, &k->streams, link)
    {
        if (role_link_queued(k->link) >= LINK_HIGH)
            return;
        if (buf_len(&s->waiting))
            go_on(s); /* ends no stream but s */
    }
}

static void cancel(struct front_stream *s)
{
    if (s->told && !s->ended)
        s->owner->handlers->cancelled(s->ctx, s);
    stream_free(s);
}

static void on_message(void *ctx, struct imsg_in *in)
{
    struct front_link *k = ctx;
    struct front_stream *s = map_get(&k->by_id, id_key(&in->id));
    struct str bytes;
    uint64_t value = 0;

    if (in->type == FRONT_REQUEST) {
        on_request(k, in);
        return;
    }
    if (!s)
        return; /* answered meanwhile */
    switch (in->type) {
    case FRONT_BODY:
        if (imsg_get(in, FRONT_TAG_BYTES, &bytes))
            on_body(s, bytes);
        break;
    case FRONT_BODY_END:
        on_body_end(s);
        break;
    case FRONT_CANCEL:
        cancel(s);
        break;
    case FRONT_WINDOW:
        if (imsg_get_u64(in, FRONT_TAG_VALUE, &value))
            on_window(s, value);
        break;
    default:
        break;
    }
}

static void on_closed(void *ctx, int rc)
{
    struct front_link *k = ctx;
    while (!list_empty(&k->streams))
        cancel(LIST_FIRST(&k->streams, struct front_stream, link));
    k->handlers->closed(k->ctx, rc);
}

int front_link_new(struct loop *l, int fd, const struct front_link_handlers *handlers, void *ctx,
                   struct front_link **ret_link)
{
    static const struct role_link_handlers link_handlers = {on_message, on_closed, on_link_drained};
    struct front_link *k = mem_zalloc(sizeof *k);
    if (!k)
        return -E_NOMEM;
    k->handlers = handlers;
    k->ctx = ctx;
    list_init(&k->streams);
    k->buffer = mem_alloc(LIMIT_IMSG_BYTES);
    int rc = k->buffer ? role_link_new(l, fd, &link_handlers, k, &k->link) : -E_NOMEM;
    if (rc < 0) {
        mem_free(k->buffer);
        mem_free(k);
        return rc;
    }
    *ret_link = k;
    return 0;
}

void front_link_free(struct front_link *k)
{
    if (!k)
        return;
    while (!list_empty(&k->streams))
        cancel(LIST_FIRST(&k->streams, struct front_stream, link));
    map_done(&k->by_id, NULL);
    role_link_free(k->link);
    mem_free(k->buffer);
    mem_free(k);
}
