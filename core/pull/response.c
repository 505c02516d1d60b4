/*
 * See response.h.
 *
 *   STATUS → HEADER* → BODY | CHUNK_SIZE → CHUNK → CHUNK_END → CHUNK_SIZE … → TRAILER* → COMPLETE
 *   A 1xx answer leads back to STATUS.
 */
#include "pull/response.h"

enum { STATUS, HEADER, BODY, CHUNK_SIZE, CHUNK, CHUNK_END, TRAILER, COMPLETE };

void response_init(struct response *r, bool head_request)
{
    memset(r, 0, sizeof *r);
    r->content_length = -1;
    r->no_body = head_request;
    buf_init(&r->line, LIMIT_HEADER_BYTES);
}

void response_done(struct response *r)
{
    buf_done(&r->line);
}

bool response_has_headers(const struct response *r)
{
    return r->state >= BODY;
}

bool response_is_complete(const struct response *r)
{
    return r->state == COMPLETE;
}

static int bad(struct err *err, const char *what)
{
    return err_set(err, E_SYNTAX, "malformed HTTP answer: %s", what);
}

static int status_line(struct response *r, struct str line, struct err *err)
{
    uint64_t status;
    bool http_1 = str_starts(line, STR("HTTP/1.1 ")) || str_starts(line, STR("HTTP/1.0 "));
    if (!http_1 || line.n < 12 || str_to_u64(str_make(line.p + 9, 3), &status) < 0 || status < 100 || status > 599)
        return bad(err, "no HTTP/1.1 status line");
    r->status = (int)status;
    r->keep_alive = line.p[7] == '1';
    r->state = HEADER;
    return 0;
}

static int content_length(struct response *r, struct str value, struct err *err)
{
    int64_t n;
    if (str_to_i64(value, &n) < 0 || n < 0 || (r->content_length >= 0 && r->content_length != n))
        return bad(err, "Content-Length");
    r->content_length = n;
    return 0;
}

static int header_line(struct response *r, struct str line, struct err *err)
{
    ptrdiff_t colon = str_find_byte(line, ':');
    if (colon <= 0 || line.p[colon - 1] == ' ' || line.p[0] == ' ' || line.p[0] == '\t')
        return bad(err, "a header without name");
    if (++r->header_count > LIMIT_HEADER_COUNT)
        return err_set(err, E_LIMIT, "HTTP answer with more than %d headers", LIMIT_HEADER_COUNT);
    struct str name = str_make(line.p, (size_t)colon);
    struct str value = str_trim(str_make(line.p + colon + 1, line.n - (size_t)colon - 1));
    bool fits = true;
    if (str_eq_nocase(name, STR("content-length")))
        return content_length(r, value, err);
    if (str_eq_nocase(name, STR("transfer-encoding"))) {
        if (!str_eq_nocase(value, STR("chunked")) || r->chunked)
            return bad(err, "a transfer encoding other than chunked");
        r->chunked = true;
    } else if (str_eq_nocase(name, STR("connection"))) {
        if (str_eq_nocase(value, STR("close")))
            r->keep_alive = false;
    } else if (str_eq_nocase(name, STR("content-type"))) {
        ptrdiff_t end = str_find_byte(value, ';');
        fits = str_copy(r->content_type, sizeof r->content_type,
                        str_trim(str_make(value.p, end < 0 ? value.n : (size_t)end)));
    } else if (str_eq_nocase(name, STR("location"))) {
        fits = str_copy(r->location, sizeof r->location, value);
    } else if (str_eq_nocase(name, STR("www-authenticate"))) {
        /* Of several challenges the one with a token is the one we can best answer. */
        if (!r->authenticate[0] || str_eq_nocase(str_make(value.p, value.n < 6 ? value.n : 6), STR("bearer")))
            fits = str_copy(r->authenticate, sizeof r->authenticate, value);
    } else if (str_eq_nocase(name, STR("docker-content-digest"))) {
        fits = str_copy(r->digest, sizeof r->digest, value);
    } else if (str_eq_nocase(name, STR("content-range"))) {
        fits = str_copy(r->content_range, sizeof r->content_range, value);
    }
    return fits ? 0 : bad(err, "a header that is too long");
}

static int headers_end(struct response *r, struct err *err)
{
    if (r->status < 200 && r->status != 101) {
        bool head = r->no_body;
        struct buf line = r->line;
        response_init(r, head);
        r->line = line;
        return 0;
    }
    if (r->chunked && r->content_length >= 0)
        return bad(err, "both a length and chunks");
    if (r->status == 204 || r->status == 304 || r->no_body) {
        r->state = COMPLETE;
    } else if (r->chunked) {
        r->state = CHUNK_SIZE;
    } else {
        r->left = r->content_length >= 0 ? (uint64_t)r->content_length : UINT64_MAX;
        r->keep_alive = r->keep_alive && r->content_length >= 0;
        r->state = r->left ? BODY : COMPLETE;
    }
    return 0;
}

static int chunk_size(struct response *r, struct str line, struct err *err)
{
    ptrdiff_t end = str_find_byte(line, ';');
    struct str hex = str_trim(str_make(line.p, end < 0 ? line.n : (size_t)end));
    uint64_t n = 0;
    if (!hex.n || hex.n > 15)
        return bad(err, "a chunk's size");
    for (size_t i = 0; i < hex.n; i++) {
        char c = hex.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))
            return bad(err, "a chunk's size");
        n = n << 4 | (uint64_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    r->left = n;
    r->state = n ? CHUNK : TRAILER;
    return 0;
}

static int whole_line(struct response *r, struct str line, struct err *err)
{
    switch (r->state) {
    case STATUS: return status_line(r, line, err);
    case HEADER: return line.n ? header_line(r, line, err) : headers_end(r, err);
    case CHUNK_SIZE: return chunk_size(r, line, err);
    case CHUNK_END:
        r->state = CHUNK_SIZE;
        return line.n ? bad(err, "a chunk longer than its size") : 0;
    default:
        if (!line.n)
            r->state = COMPLETE;
        return 0;
    }
}

static int line_feed(struct response *r, struct str *in, struct err *err)
{
    ptrdiff_t end = str_find_byte(*in, '\n');
    size_t n = end < 0 ? in->n : (size_t)end + 1;
    r->header_bytes = r->state == CHUNK_SIZE || r->state == CHUNK_END ? 0 : r->header_bytes + n;
    buf_append(&r->line, in->p, n);
    *in = str_make(in->p + n, in->n - n);
    if (r->line.failed || r->header_bytes > LIMIT_HEADER_BYTES)
        return err_set(err, E_LIMIT, "HTTP answer with more than %d bytes of headers", LIMIT_HEADER_BYTES);
    if (end < 0)
        return 0;
    struct str line = buf_str(&r->line);
    if (line.n < 2 || line.p[line.n - 2] != '\r')
        return bad(err, "a line that does not end in CR LF");
    struct buf taken = r->line; /* a 1xx answer starts over while the line is in use */
    int rc = whole_line(r, str_make(line.p, line.n - 2), err);
    r->line = taken;
    buf_clear(&r->line);
    return rc;
}

int response_feed(struct response *r, struct str *in, struct str *ret_body, struct err *err)
{
    *ret_body = str_make(in->p, 0);
    while (in->n && r->state != COMPLETE) {
        if (r->state != BODY && r->state != CHUNK) {
            int rc = line_feed(r, in, err);
            if (rc < 0)
                return rc;
            continue;
        }
        size_t n = in->n < r->left ? in->n : (size_t)r->left;
        *ret_body = str_make(in->p, n);
        *in = str_make(in->p + n, in->n - n);
        if (r->left != UINT64_MAX)
            r->left -= n;
        if (r->left == 0)
            r->state = r->state == BODY ? COMPLETE : CHUNK_END;
        return 0;
    }
    return 0;
}

int response_end(struct response *r, struct err *err)
{
    if (r->state == BODY && r->left == UINT64_MAX)
        r->state = COMPLETE;
    if (r->state != COMPLETE)
        return err_set(err, E_CLOSED, "the connection ended in the middle of the answer");
    return 0;
}
