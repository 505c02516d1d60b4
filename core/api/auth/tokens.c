/* See tokens.h: which kind of token it is, and bootstrap tokens ("abcdef.0123456789abcdef"), which
 * are Secrets kube-system/bootstrap-token-ID. */
#include "api/auth/tokens.h"

#include "api/auth/account_token.h"
#include "api/auth/auth.h"
#include "api/auth/oidc.h"
#include "codec/jwt.h"
#include "codec/time.h"

enum { ID = 6, SECRET = 16, BOOTSTRAP = ID + 1 + SECRET, VALUE_MOST = 4096 };

static bool is_word(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9')))
            return false;
    return true;
}

static bool is_bootstrap(struct str t)
{
    return t.n == BOOTSTRAP && t.p[ID] == '.' && is_word(str_make(t.p, ID)) &&
           is_word(str_make(t.p + ID + 1, SECRET));
}

/* A value of a Secret's data, decoded; "" when it is not there. */
static struct str value_of(struct arena *a, const struct json *secret, const char *key)
{
    struct str text = json_str(json_get(json_get(secret, "data"), key));
    char *to = text.n <= VALUE_MOST ? arena_alloc(a, text.n / 4 * 3 + 4) : NULL;
    size_t n;
    if (!to || base64_decode(to, &n, text) < 0)
        return STR("");
    to[n] = 0;
    return str_make(to, n);
}

static bool group_ok(struct str g)
{
    static const char start[] = "system:bootstrappers:";
    size_t n = sizeof start - 1;
    if (!str_starts(g, str_of(start)) || g.n == n || g.n > n + 256)
        return false;
    for (size_t i = n; i < g.n; i++) {
        char c = g.p[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!word && (i + 1 == g.n || (c != ':' && c != '-')))
            return false;
    }
    return true;
}

static int add_groups(struct arena *a, struct user *u, struct str list, struct err *err)
{
    struct str g;
    user_add_group(a, u, "system:bootstrappers");
    while (list.n && str_split(&list, ',', &g)) {
        if (!group_ok(g))
            return err_set(err, E_UNAUTHORIZED, "the bootstrap token names a group it may not");
        if (!user_add_group(a, u, arena_strndup(a, g.p, g.n)))
            return err_set(err, E_UNAUTHORIZED, "the bootstrap token has too many groups");
    }
    user_add_group(a, u, "system:authenticated");
    return 0;
}

static int verify_bootstrap(struct api *api, struct arena *a, struct str token, struct user *ret,
                            struct err *err)
{
    struct str id = str_make(token.p, ID);
    const char *name = arena_printf(a, "bootstrap-token-" STR_FMT, STR_ARG(id));
    const struct json *s =
        name ? object_load(api, a, "", "secrets", STR("kube-system"), str_of(name), NULL) : NULL;
    if (!s || !str_is(json_path_str(s, "type"), "bootstrap.kubernetes.io/token") ||
        json_path(s, "metadata.deletionTimestamp"))
        return err_set(err, E_UNAUTHORIZED, "no such bootstrap token");
    struct str secret = value_of(a, s, "token-secret"), expires = value_of(a, s, "expiration");
    if (secret.n != SECRET || !crypto_equal(secret.p, token.p + ID + 1, SECRET) ||
        !str_eq(value_of(a, s, "token-id"), id))
        return err_set(err, E_UNAUTHORIZED, "no such bootstrap token");
    if (expires.n && time_text_ms(expires, 0) <= api_now_us(api) / 1000)
        return err_set(err, E_UNAUTHORIZED, "the bootstrap token has expired");
    if (!str_is(value_of(a, s, "usage-bootstrap-authentication"), "true"))
        return err_set(err, E_UNAUTHORIZED, "the bootstrap token is not for authentication");
    *ret = (struct user){.name = arena_printf(a, "system:bootstrap:" STR_FMT, STR_ARG(id)),
                         .uid = ""};
    int rc = add_groups(a, ret, value_of(a, s, "auth-extra-groups"), err);
    return a->failed ? err_set(err, E_NOMEM, "out of memory") : rc;
}

/* Unverified: only to know who is asked to verify it. */
static bool is_oidc(const struct api *api, struct arena *a, struct str token)
{
    struct jwt t;
    return api->oidc && jwt_parse(a, token, &t, NULL) == 0 && oidc_claims(api->oidc, t.payload);
}

int tokens_verify(struct api *api, struct arena *a, struct str token, struct audiences *audiences,
                  struct user *ret, struct err *err)
{
    if (is_bootstrap(token) && !(audiences && audiences->count))
        return verify_bootstrap(api, a, token, ret, err);
    if (!(audiences && audiences->count) && is_oidc(api, a, token))
        return oidc_verify(api->oidc, api, a, token, ret, err);
    return account_token_verify(api, a, token, audiences, ret, err);
}
