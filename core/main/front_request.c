/*
 * Requests between a client and control. See front.h.
 *
 *   begin -> REQUEST, body -> BODY*, complete -> BODY_END   and back   HEAD, DATA*, END | PROXY
 *
 * A request that control may send on to a kubelet (exec, attach, port-forward, proxy) keeps its
 * body here: control decides on the head alone, and the body streams past it.
 */
#include <stdio.h>

#include "base/log.h"
#include "base/map.h"
#include "codec/json.h"
#include "main/front_int.h"

static struct str id_key(const uint32_t *id)
{
    return str_make(id, sizeof *id);
}

void front_call_free(struct front_call *c)
{
    front_proxy_stop(c);
    map_remove(&c->front->streams, id_key(&c->id));
    list_remove(&c->link);
    buf_done(&c->head);
    buf_done(&c->early);
    mem_free(c->method);
    mem_free(c->host);
    mem_free(c->target);
    mem_free(c->prefix);
    mem_free(c->from);
    mem_free(c->uri);
    mem_free(c);
}

/* ---- refusing ---- */

static void status_body(struct buf *b, int status, const char *reason, const char *message)
{
    buf_puts(b, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
                "\"message\":");
    json_write_string(b, str_of(message));
    buf_printf(b, ",\"reason\":\"%s\",\"code\":%d}\n", reason, status);
}

void front_refuse(struct front_call *c, int status, const char *reason, const char *message)
{
    struct http_request *r = c->request;
    struct buf b CLEANUP_BUF;
    c->request = NULL;
    buf_init(&b, 8192);
    status_body(&b, status, reason, message);
    if (!r)
        ;
    else if (c->answered)
        http_reply_abort(r);
    else
        http_reply_whole(r, status, "application/json", buf_str(&b));
    front_call_free(c);
}

/* ---- towards control ---- */

static void send_simple(struct front_call *c, uint16_t type)
{
    struct imsg_out m;
    imsg_begin(&m, c->front->buffer, LIMIT_IMSG_BYTES, type, c->id);
    if (c->front->control)
        (void)!role_link_send(c->front->control, &m);
}

/* Headers that are between the client and us, or that nobody behind us reads. */
static bool own_header(struct str name)
{
    static const char *const own[] = {
        "host", "connection", "content-length", "transfer-encoding",  "keep-alive",
        "te",   "trailer",    "expect",         "proxy-authorization"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (str_is(name, own[i]))
            return true;
    return false;
}

static void put_peer(struct imsg_out *m, struct http_request *r)
{
    struct cert_info cert;
    struct err err = {0};
    char addr[NET_ADDR_TEXT], print[SHA256_HEX];
    int rc = http_request_peer_cert(r, &cert, &err);
    if (rc == 0 && !(cert.use & CERT_USE_CLIENT))
        imsg_put_cstr(m, FRONT_TAG_PROBLEM, "the certificate is not for clients");
    else if (rc == 0) {
        hex_encode(print, cert.fingerprint, sizeof cert.fingerprint);
        imsg_put_cstr(m, FRONT_TAG_USER, cert.common_name);
        imsg_put_cstr(m, FRONT_TAG_FINGERPRINT, print);
        for (size_t i = 0; i < cert.org_count; i++)
            imsg_put_cstr(m, FRONT_TAG_GROUP, cert.orgs[i]);
    } else if (rc != -E_NOT_FOUND) {
        imsg_put_cstr(m, FRONT_TAG_PROBLEM, err.code ? err.text : err_text(rc));
    }
    imsg_put_cstr(m, FRONT_TAG_ADDRESS, net_addr_format(http_request_peer(r), true, addr));
}

static int send_request(struct front_call *c, const struct http_head *head)
{
    struct imsg_out m;
    imsg_begin(&m, c->front->buffer, LIMIT_IMSG_BYTES, FRONT_REQUEST, c->id);
    imsg_put_cstr(&m, FRONT_TAG_METHOD, head->method);
    imsg_put(&m, FRONT_TAG_TARGET, head->target);
    for (size_t i = 0; i < head->header_count && i < FRONT_HEADERS; i++) {
        if (own_header(head->headers[i].name) || str_is(head->headers[i].name, "cookie"))
            continue;
        imsg_put(&m, FRONT_TAG_HEADER_NAME, head->headers[i].name);
        imsg_put(&m, FRONT_TAG_HEADER_VALUE, head->headers[i].value);
    }
    put_peer(&m, c->request);
    return role_link_send(c->front->control, &m);
}

static bool ends_with_word(struct str path, const char *word)
{
    struct str w = str_of(word);
    return str_ends(path, w) && path.n > w.n && path.p[path.n - w.n - 1] == '/';
}

/* May the answer come from elsewhere? Control decides; this only says where the body waits. */
static bool may_be_proxied(struct str target)
{
    ptrdiff_t q = str_find_byte(target, '?');
    struct str path = q < 0 ? target : str_make(target.p, (size_t)q);
    return str_find(path, STR("/proxy/")) >= 0 || ends_with_word(path, "proxy") ||
           ends_with_word(path, "log") || ends_with_word(path, "exec") ||
           ends_with_word(path, "attach") ||
           ends_with_word(path, "portforward");
}

/* What a kubelet or a pod may see of the request: never the client's credentials, nor what is
 * between the client and us. */
static bool named_in_connection(const struct http_head *head, struct str name)
{
    for (size_t i = 0; i < head->header_count; i++) {
        struct str rest = head->headers[i].value, part;
        while (str_is(head->headers[i].name, "connection") && str_split(&rest, ',', &part))
            if (str_eq_nocase(str_trim(part), name))
                return true;
    }
    return false;
}

static void keep_head(struct front_call *c, const struct http_head *head)
{
    buf_init(&c->head, LIMIT_HEADER_BYTES * 2);
    for (size_t i = 0; i < head->header_count; i++) {
        struct str name = head->headers[i].name;
        if (own_header(name) || str_is(name, "authorization") ||
            str_starts(name, STR("impersonate-")) ||
            (!str_is(name, "upgrade") && named_in_connection(head, name)))
            continue;
        buf_append_str(&c->head, name);
        buf_putc(&c->head, 0);
        buf_append_str(&c->head, head->headers[i].value);
        buf_putc(&c->head, 0);
    }
    c->upgrade = head->upgrade;
    c->has_body = head->has_body;
    c->body_length = head->content_length;
}

static void on_begin(void *server_ctx, struct http_request *r, const struct http_head *head)
{
    struct front *f = server_ctx;
    struct front_call *c = mem_zalloc(sizeof *c);
    if (!c) {
        http_reply_whole(r, 503, "text/plain", STR("out of memory\n"));
        return;
    }
    c->front = f;
    c->request = r;
    c->id = ++f->next_id;
    c->held = may_be_proxied(head->target);
    buf_init(&c->head, 0);
    buf_init(&c->early, CONN_HIGH);
    list_push_back(&f->calls, &c->link);
    http_request_set_ctx(r, c);
    if (!f->control) {
        front_refuse(c, 503, "ServiceUnavailable", "the control plane is starting");
        return;
    }
    if (role_link_queued(f->control) > FRONT_QUEUE_FULL) {
        front_refuse(c, 429, "TooManyRequests", "too many requests, please try again later");
        return;
    }
    if (head->content_length > LIMIT_BODY_BYTES && !c->held) {
        front_refuse(c, 413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728");
        return;
    }
    if (c->held)
        keep_head(c, head);
    c->method = mem_strdup(head->method);
    int rc =
        c->method && !c->head.failed ? map_set(&f->streams, id_key(&c->id), c, NULL) : -E_NOMEM;
    if (rc == 0)
        rc = send_request(c, head);
    if (rc < 0) {
        front_refuse(c, rc == -E_TOO_LARGE ? 431 : 503, "ServiceUnavailable", err_text(rc));
        return;
    }
    if (c->held) {
        send_simple(c, FRONT_BODY_END);
        http_request_pause(r, true);
    }
}

static void on_body(void *request_ctx, struct http_request *r, struct str bytes)
{
    struct front_call *c = request_ctx;
    if (c->held) {
        front_proxy_body(c, bytes);
        return;
    }
    c->body_bytes += (int64_t)bytes.n;
    if (c->body_bytes > LIMIT_BODY_BYTES) {
        send_simple(c, FRONT_CANCEL);
        front_refuse(c, 413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728");
        return;
    }
    while (bytes.n && c->front->control) {
        struct imsg_out m;
        size_t n = bytes.n < FRONT_CHUNK_BYTES ? bytes.n : FRONT_CHUNK_BYTES;
        imsg_begin(&m, c->front->buffer, LIMIT_IMSG_BYTES, FRONT_BODY, c->id);
        imsg_put(&m, FRONT_TAG_BYTES, str_make(bytes.p, n));
        (void)!role_link_send(c->front->control, &m);
        bytes.p += n;
        bytes.n -= n;
    }
    if (c->front->control && role_link_queued(c->front->control) > FRONT_QUEUE_BODIES) {
        c->choked = true;
        http_request_pause(r, true);
    }
}

static void on_complete(void *request_ctx, struct http_request *r)
{
    struct front_call *c = request_ctx;
    (void)r;
    c->complete = true;
    if (c->held)
        front_proxy_complete(c);
    else
        send_simple(c, FRONT_BODY_END);
}

static void on_aborted(void *request_ctx, struct http_request *r)
{
    struct front_call *c = request_ctx;
    (void)r;
    c->request = NULL;
    send_simple(c, FRONT_CANCEL);
    front_call_free(c);
}

/* ---- answers ---- */

/* Gives room back for what the client's connection has really sent. */
static void pay(struct front_call *c)
{
    size_t unsent = http_reply_unsent(c->request);
    size_t taken = c->owed > unsent ? c->owed - unsent : 0;
    struct imsg_out m;
    if (taken < FRONT_WINDOW_BYTES / 8 && unsent)
        return;
    if (taken == 0 || !c->front->control)
        return;
    c->owed -= taken;
    imsg_begin(&m, c->front->buffer, LIMIT_IMSG_BYTES, FRONT_WINDOW, c->id);
    imsg_put_u64(&m, FRONT_TAG_VALUE, taken);
    (void)!role_link_send(c->front->control, &m);
}

static void on_drained(void *request_ctx, struct http_request *r)
{
    struct front_call *c = request_ctx;
    (void)r;
    if (c->fetch)
        front_proxy_drained(c);
    else if (c->request)
        pay(c);
}

const struct http_server_handlers front_handlers = {on_begin, on_body, on_complete, on_aborted,
                                                    on_drained};

static void on_head(struct front_call *c, struct imsg_in *m)
{
    struct http_header headers[FRONT_HEADERS];
    size_t count = 0;
    uint64_t status = 500;
    int64_t length = -1;
    struct imsg_cursor at = {0};
    struct str bytes;
    uint8_t tag;

    while (imsg_next(m, &at, &tag, &bytes)) {
        if (tag == FRONT_TAG_HEADER_NAME && count < FRONT_HEADERS)
            headers[count++] = (struct http_header){bytes, {"", 0}};
        else if (tag == FRONT_TAG_HEADER_VALUE && count)
            headers[count - 1].value = bytes;
    }
    (void)imsg_get_u64(m, FRONT_TAG_VALUE, &status);
    for (size_t i = 0; i < count; i++)
        if (str_eq_nocase(headers[i].name, STR("content-length"))) {
            if (str_to_i64(headers[i].value, &length) < 0)
                length = -1;
            count--; /* the others keep their order: warnings are read one after the other */
            memmove(headers + i, headers + i + 1, (count - i) * sizeof headers[0]);
            break;
        }
    c->answered = true;
    http_reply(c->request, (int)status, headers, count, length);
}

static void on_data(struct front_call *c, struct imsg_in *m)
{
    struct str bytes;
    if (!imsg_get(m, FRONT_TAG_BYTES, &bytes))
        return;
    http_reply_write(c->request, bytes);
    c->owed += bytes.n;
    pay(c);
}

static void on_proxy(struct front_call *c, struct imsg_in *m)
{
    char host[300], server_name[300], target[LIMIT_HEADER_BYTES], prefix[2048];
    struct str h = {0}, name = {0}, t = {0}, under = {0};
    uint64_t port = 0;
    map_remove(&c->front->streams, id_key(&c->id)); /* control has let it go */
    bool named = imsg_get(m, FRONT_TAG_SERVER_NAME, &name);
    bool proxied = imsg_get(m, FRONT_TAG_PREFIX, &under);
    if (!imsg_get(m, FRONT_TAG_HOST, &h) || !imsg_get(m, FRONT_TAG_TARGET, &t) ||
        !imsg_get_u64(m, FRONT_TAG_VALUE, &port) || port == 0 || port > 65535 ||
        !str_copy(host, sizeof host, h) || !str_copy(target, sizeof target, t) ||
        (named && !str_copy(server_name, sizeof server_name, name)) ||
        (proxied && !str_copy(prefix, sizeof prefix, under))) {
        front_refuse(c, 502, "InternalError", "the address to fetch the answer from is malformed");
        return;
    }
    if (!c->held) { /* the body has gone to control already: only a GET can be sent on */
        buf_init(&c->head, LIMIT_HEADER_BYTES);
        c->held = true;
    }
    front_proxy(c, &(struct front_place){host, (uint16_t)port, named ? server_name : NULL, target,
                                         proxied ? prefix : NULL});
}

void front_control_message(struct front *f, struct imsg_in *m)
{
    struct front_call *c = map_get(&f->streams, id_key(&m->id));
    struct http_request *r;
    if (!c || !c->request)
        return;
    switch (m->type) {
    case FRONT_HEAD:
        on_head(c, m);
        break;
    case FRONT_DATA:
        on_data(c, m);
        break;
    case FRONT_PROXY:
        on_proxy(c, m);
        break;
    case FRONT_END:
        r = c->request;
        c->request = NULL;
        front_call_free(c);
        http_reply_end(r);
        break;
    case FRONT_ABORT:
        r = c->request;
        c->request = NULL;
        front_call_free(c);
        http_reply_abort(r);
        break;
    default:
        log_warn("control sent a message of unknown type %u", m->type);
        break;
    }
}

void front_control_drained(struct front *f)
{
    struct front_call *c;
    LIST_EACH(c, &f->calls, link)
    if (c->choked && c->request) {
        c->choked = false;
        http_request_pause(c->request, false);
    }
}

/* Requests that control was answering cannot be completed; those at a kubelet go on. */
void front_control_gone(struct front *f)
{
    struct front_call *c, *next;
    LIST_EACH_SAFE(c, next, &f->calls, link)
    if (!c->fetch && !c->kubelet)
        front_refuse(c, 503, "ServiceUnavailable", "the control plane has restarted");
}
