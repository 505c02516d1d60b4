/* The three parts of a token. */
#include "codec/jwt.h"

static int decode_part(struct arena *a, struct str part, struct str *ret, struct err *err)
{
    size_t n;
    char *bytes = arena_alloc(a, part.n / 4 * 3 + 4);
    if (!bytes)
        return err_set(err, E_NOMEM, "out of memory while reading a token");
    if (part.n == 0 || base64url_decode(bytes, &n, part))
        return err_set(err, E_SYNTAX, "token part is not base64url");
    *ret = str_make(bytes, n);
    return 0;
}

static int decode_object(struct arena *a, struct str part, const struct json **ret, struct err *err)
{
    struct str text;
    struct json *j;
    const struct json_options options = {.max_depth = 16, .max_nodes = 1000};
    int rc = decode_part(a, part, &text, err);
    rc = rc ? rc : json_parse(a, text, &options, &j, err);
    if (rc)
        return err_wrap(err, rc, "token");
    if (!json_is(j, JSON_OBJECT))
        return err_set(err, E_SYNTAX, "token part is no JSON object");
    *ret = j;
    return 0;
}

int jwt_parse(struct arena *a, struct str text, struct jwt *ret, struct err *err)
{
    struct str rest = text, part[3], more;
    struct jwt t;
    if (text.n > JWT_MOST)
        return err_set(err, E_LIMIT, "token is longer than %d bytes", JWT_MOST);
    for (int i = 0; i < 3; i++)
        if (!str_split(&rest, '.', &part[i]))
            return err_set(err, E_SYNTAX, "token must have three parts");
    if (str_split(&rest, '.', &more))
        return err_set(err, E_SYNTAX, "token must have three parts");
    t.signed_part = str_make(text.p, part[0].n + 1 + part[1].n);
    int rc = decode_object(a, part[0], &t.header, err);
    rc = rc ? rc : decode_object(a, part[1], &t.payload, err);
    rc = rc ? rc : decode_part(a, part[2], &t.signature, err);
    if (rc)
        return rc;
    if (t.signature.n > JWT_SIGNATURE_MOST)
        return err_set(err, E_LIMIT, "token's signature is longer than %d bytes",
                       JWT_SIGNATURE_MOST);
    *ret = t;
    return 0;
}

bool jwt_header_is(const struct jwt *t, const char *alg)
{
    const struct json *typ = json_get(t->header, "typ");
    if (typ && !str_eq_nocase(json_str(typ), STR("JWT")))
        return false;
    return !json_get(t->header, "crit") && str_is(json_str(json_get(t->header, "alg")), alg);
}

static void write_part(struct buf *out, const struct json *j)
{
    CLEANUP_BUF struct buf text;
    buf_init(&text, JWT_MOST);
    json_write(&text, j);
    char *room = text.failed ? NULL : buf_reserve(out, base64_encoded_size(buf_len(&text)));
    if (room)
        buf_commit(out, base64url_encode(room, text.data + text.head, buf_len(&text)));
    else
        out->failed = true;
}

void jwt_write_signed_part(struct buf *out, const struct json *header, const struct json *payload)
{
    write_part(out, header);
    buf_putc(out, '.');
    write_part(out, payload);
}

void jwt_write_signature(struct buf *out, const void *signature, size_t size)
{
    char *room;
    buf_putc(out, '.');
    room = buf_reserve(out, base64_encoded_size(size));
    if (room)
        buf_commit(out, base64url_encode(room, signature, size));
}

bool jwt_claim_has(const struct jwt *t, const char *claim, struct str value)
{
    const struct json *j = json_get(t->payload, claim);
    if (json_is(j, JSON_STRING))
        return str_eq(j->string, value);
    if (!json_is(j, JSON_ARRAY))
        return false;
    for (const struct json *e = json_first(j); e; e = e->next)
        if (e->type == JSON_STRING && str_eq(e->string, value))
            return true;
    return false;
}
