/*
 * Challenges of registries: Basic, and Bearer with a token server (distribution's token
 * specification, and its OAuth2 form for identity tokens).
 */
#include <stdio.h>

#include "codec/json.h"
#include "pull/registry.h"
#include "wire/url.h"

struct challenge {
    char realm[PULL_URL_BYTES], service[512], scope[512];
};

/* name="value" or name=value, separated by commas. */
static bool next_parameter(struct str *rest, struct str *ret_name, char *value, size_t size)
{
    size_t n = 0;
    while (rest->n && strchr(", \t", rest->p[0]))
        *rest = str_make(rest->p + 1, rest->n - 1);
    ptrdiff_t equals = str_find_byte(*rest, '=');
    if (equals <= 0)
        return false;
    *ret_name = str_trim(str_make(rest->p, (size_t)equals));
    *rest = str_make(rest->p + equals + 1, rest->n - (size_t)equals - 1);
    bool quoted = rest->n && rest->p[0] == '"';
    size_t i = quoted;
    for (; i < rest->n && (quoted ? rest->p[i] != '"' : !strchr(", ", rest->p[i])); i++) {
        if (quoted && rest->p[i] == '\\' && i + 1 < rest->n)
            i++;
        if (n + 1 == size)
            return false;
        value[n++] = rest->p[i];
    }
    value[n] = 0;
    if (quoted && i == rest->n)
        return false;
    i += quoted;
    *rest = str_make(rest->p + i, rest->n - i);
    return true;
}

static void read_challenge(struct str text, struct challenge *c)
{
    struct str name;
    char value[PULL_URL_BYTES];
    while (next_parameter(&text, &name, value, sizeof value)) {
        if (str_eq_nocase(name, STR("realm")))
            str_copy(c->realm, sizeof c->realm, str_of(value));
        else if (str_eq_nocase(name, STR("service")))
            str_copy(c->service, sizeof c->service, str_of(value));
        else if (str_eq_nocase(name, STR("scope")))
            str_copy(c->scope, sizeof c->scope, str_of(value));
    }
}

static int put_basic(struct registry *r, struct buf *out, struct err *err)
{
    struct buf plain CLEANUP_BUF;
    buf_init(&plain, 8192);
    buf_printf(&plain, "%s:%s", r->o.username, r->o.password);
    size_t n = base64_encoded_size(buf_len(&plain));
    buf_puts(out, "Basic ");
    char *p = plain.failed ? NULL : buf_reserve(out, n);
    if (p)
        buf_commit(out, base64_encode(p, plain.data, buf_len(&plain)));
    if (plain.data)
        mem_wipe(plain.data, plain.cap);
    return p ? 0 : err_set(err, E_LIMIT, "the registry's credentials are too long");
}

static int token_request(struct registry *r, const struct challenge *c, struct pull_url *url,
                         struct buf *basic, struct buf *form, struct err *err)
{
    struct buf query CLEANUP_BUF;
    bool oauth = r->o.identity_token && r->o.identity_token[0];
    struct buf *out = oauth ? form : &query;
    buf_init(&query, PULL_URL_BYTES);
    buf_printf(out, "service=");
    url_encode(out, str_of(c->service));
    buf_puts(out, "&scope=");
    url_encode(out, str_of(c->scope));
    if (oauth) {
        buf_puts(out, "&client_id=keelson&grant_type=refresh_token&refresh_token=");
        url_encode(out, str_of(r->o.identity_token));
    } else {
        size_t n = strlen(url->target);
        int more = snprintf(url->target + n, sizeof url->target - n, "%c%s", strchr(url->target, '?') ? '&' : '?',
                            buf_cstr(&query));
        if (more >= (int)(sizeof url->target - n))
            return err_set(err, E_LIMIT, "the token server's URL is too long");
        if (r->o.username && r->o.username[0])
            return put_basic(r, basic, err);
    }
    return out->failed ? err_set(err, E_NOMEM, "out of memory") : 0;
}

static int take_token(struct registry *r, struct err *err)
{
    struct arena a CLEANUP_ARENA;
    struct json *o;
    arena_init(&a, 1024 * 1024);
    int rc = json_parse(&a, buf_str(&r->error_body), NULL, &o, err);
    if (rc < 0)
        return err_wrap(err, rc, "token server");
    struct str token = json_path_str(o, "token");
    if (!token.n)
        token = json_path_str(o, "access_token");
    for (size_t i = 0; i < token.n; i++)
        if ((unsigned char)token.p[i] <= ' ' || (unsigned char)token.p[i] >= 127)
            return err_set(err, E_SYNTAX, "token server: a malformed token");
    if (!token.n)
        return err_set(err, E_UNAUTHORIZED, "token server: no token in its answer");
    buf_clear(&r->authorization);
    buf_puts(&r->authorization, "Bearer ");
    buf_append_str(&r->authorization, token);
    return r->authorization.failed ? err_set(err, E_NOMEM, "out of memory") : 0;
}

static int bearer(struct registry *r, struct challenge *c, struct err *err)
{
    struct response *a CLEANUP_FREE = mem_alloc(sizeof *a);
    struct pull_url *url CLEANUP_FREE = mem_alloc(sizeof *url);
    struct buf basic CLEANUP_BUF;
    struct buf form CLEANUP_BUF;
    buf_init(&basic, 16384);
    buf_init(&form, PULL_TOKEN_BYTES);
    if (!a || !url)
        return err_set(err, E_NOMEM, "out of memory");
    if (!c->scope[0])
        snprintf(c->scope, sizeof c->scope, "repository:%s:pull", r->o.repository);
    int rc = pull_url_parse(str_of(c->realm), url, err);
    if (rc == 0 && r->o.endpoint.https && !url->https)
        rc = err_set(err, E_FORBIDDEN, "refused to ask for a token over http: %.200s", c->realm);
    if (rc == 0)
        rc = token_request(r, c, url, &basic, &form, err);
    if (rc < 0)
        return err_wrap(err, rc, "authentication");
    struct exchange x = {.method = buf_len(&form) ? "POST" : "GET", .url = url, .content = buf_str(&form)};
    x.authorization = buf_len(&basic) ? buf_cstr(&basic) : NULL;
    x.content_type = buf_len(&form) ? "application/x-www-form-urlencoded" : NULL;
    rc = registry_exchange(r, &x, a, err);
    if (rc < 0)
        return err_wrap(err, rc, "token server %.100s", url->host);
    if (a->status == 401 || a->status == 403)
        return err_set(err, E_UNAUTHORIZED, "unauthorized: authentication required");
    if (a->status != 200) {
        rc = registry_refusal(r, a->status, err);
        return err_wrap(err, rc, "token server %.100s", url->host);
    }
    return take_token(r, err);
}

int registry_authenticate(struct registry *r, const char *challenge, struct err *err)
{
    struct str text = str_of(challenge);
    if (text.n > 7 && str_eq_nocase(str_make(text.p, 7), STR("bearer "))) {
        struct challenge *c CLEANUP_FREE = mem_zalloc(sizeof *c);
        if (!c)
            return err_set(err, E_NOMEM, "out of memory");
        read_challenge(str_make(text.p + 7, text.n - 7), c);
        return bearer(r, c, err);
    }
    if (text.n >= 5 && str_eq_nocase(str_make(text.p, 5), STR("basic")) && r->o.username && r->o.username[0]) {
        buf_clear(&r->authorization);
        return put_basic(r, &r->authorization, err);
    }
    return err_set(err, E_UNAUTHORIZED, "unauthorized: authentication required");
}
