/*
 * Header blocks: a list of (length, name, length, value), compressed by one zlib stream for each
 * direction of the session with the dictionary that the draft prescribes (section 2.6.10.1): words
 * with their lengths in front, then plain text.
 */
#include "codec/deflate.h"
#include "wire/spdy_int.h"

static const char *const words[] = {"options",
                                    "head",
                                    "post",
                                    "put",
                                    "delete",
                                    "trace",
                                    "accept",
                                    "accept-charset",
                                    "accept-encoding",
                                    "accept-language",
                                    "accept-ranges",
                                    "age",
                                    "allow",
                                    "authorization",
                                    "cache-control",
                                    "connection",
                                    "content-base",
                                    "content-encoding",
                                    "content-language",
                                    "content-length",
                                    "content-location",
                                    "content-md5",
                                    "content-range",
                                    "content-type",
                                    "date",
                                    "etag",
                                    "expect",
                                    "expires",
                                    "from",
                                    "host",
                                    "if-match",
                                    "if-modified-since",
                                    "if-none-match",
                                    "if-range",
                                    "if-unmodified-since",
                                    "last-modified",
                                    "location",
                                    "max-forwards",
                                    "pragma",
                                    "proxy-authenticate",
                                    "proxy-authorization",
                                    "range",
                                    "referer",
                                    "retry-after",
                                    "server",
                                    "te",
                                    "trailer",
                                    "transfer-encoding",
                                    "upgrade",
                                    "user-agent",
                                    "vary",
                                    "via",
                                    "warning",
                                    "www-authenticate",
                                    "method",
                                    "get",
                                    "status",
                                    "200 OK",
                                    "version",
                                    "HTTP/1.1",
                                    "url",
                                    "public",
                                    "set-cookie",
                                    "keep-alive",
                                    "origin"};

static const char tail[] =
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 "
    "Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 "
    "Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service "
    "UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, "
    "Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,application/"
    "xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8"
    "charset=iso-8859-1,utf-,*,enq=0.";

static void put32(struct buf *b, size_t v)
{
    char p[4] = {(char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v};
    buf_append(b, p, 4);
}

int spdy_headers_init(struct spdy_headers *h)
{
    buf_init(&h->dictionary, 4096);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        put32(&h->dictionary, strlen(words[i]));
        buf_puts(&h->dictionary, words[i]);
    }
    buf_puts(&h->dictionary, tail);
    if (h->dictionary.failed)
        return -E_NOMEM;
    int rc = deflate_new(buf_str(&h->dictionary), &h->deflate);
    return rc < 0 ? rc : inflate_new(buf_str(&h->dictionary), &h->inflate);
}

void spdy_headers_done(struct spdy_headers *h)
{
    deflate_free(h->deflate);
    inflate_free(h->inflate);
    buf_done(&h->dictionary);
}

int spdy_headers_encode(struct spdy_headers *h, const struct spdy_header *headers, size_t count,
                        struct buf *out)
{
    struct buf plain CLEANUP_BUF;
    buf_init(&plain, 64 * 1024);
    put32(&plain, count);
    for (size_t i = 0; i < count; i++) {
        put32(&plain, headers[i].name.n);
        buf_append_str(&plain, headers[i].name);
        put32(&plain, headers[i].value.n);
        buf_append_str(&plain, headers[i].value);
    }
    return plain.failed ? -E_NOMEM : deflate_piece(h->deflate, buf_str(&plain), out);
}

static bool take32(struct str *s, size_t *ret)
{
    if (s->n < 4)
        return false;
    const unsigned char *p = (const unsigned char *)s->p;
    *ret = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
    s->p += 4;
    s->n -= 4;
    return true;
}

static bool take_text(struct str *s, struct str *ret)
{
    size_t n;
    if (!take32(s, &n) || n > s->n)
        return false;
    *ret = str_make(s->p, n);
    s->p += n;
    s->n -= n;
    return true;
}

int spdy_headers_decode(struct spdy_headers *h, struct str block, struct buf *text,
                        struct spdy_header *ret_headers, size_t *ret_count)
{
    int rc = inflate_piece(h->inflate, block, text);
    struct str rest = buf_str(text);
    size_t count;
    if (rc < 0)
        return rc;
    if (!take32(&rest, &count) || count > SPDY_HEADERS_MAX)
        return -E_SYNTAX;
    for (size_t i = 0; i < count; i++)
        if (!take_text(&rest, &ret_headers[i].name) || !take_text(&rest, &ret_headers[i].value))
            return -E_SYNTAX;
    *ret_count = count;
    return 0;
}
