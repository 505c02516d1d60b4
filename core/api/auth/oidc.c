/*
 * See oidc.h. The issuer's keys come from outside (the control role fetches them); a token is good
 * when one of them signed it, by an algorithm that fits the key, for our client, within its times.
 * Names of users and groups get a prefix, so that no token makes a system:masters.
 */
#include "api/auth/oidc.h"

#include "api/auth/seen.h"
#include "codec/jwt.h"

enum { KEYS_MOST = 32, KEYS_BYTES = 256 * 1024, FIELD = 256, SLACK_S = 60 };

struct oidc_key {
    struct crypto_jwk *key;
    char id[FIELD];
};

struct oidc {
    char issuer[FIELD], client_id[FIELD], username_claim[FIELD], username_prefix[FIELD],
        groups_claim[FIELD], groups_prefix[FIELD];
    struct oidc_key keys[KEYS_MOST];
    size_t key_count;
    struct seen seen;
};

static bool take(char to[FIELD], const char *from, const char *otherwise)
{
    return str_copy(to, FIELD, str_of(from && from[0] ? from : otherwise));
}

int oidc_new(const struct api_oidc *options, struct oidc **ret_oidc)
{
    struct oidc *o = mem_zalloc(sizeof *o);
    char prefix[FIELD + 2];
    if (!o)
        return -E_NOMEM;
    bool fits = take(o->issuer, options->issuer, "") && take(o->client_id, options->client_id, "") &&
                take(o->username_claim, options->username_claim, "sub") &&
                take(o->groups_claim, options->groups_claim, "");
    /* As upstream: names that are no e-mail addresses are set apart by their issuer; "-" is none. */
    size_t n = strlen(o->issuer);
    memcpy(prefix, o->issuer, n);
    memcpy(prefix + n, "#", 2);
    bool mail = cstr_eq(o->username_claim, "email");
    fits = fits && take(o->username_prefix, options->username_prefix, mail ? "" : prefix) &&
           take(o->groups_prefix, options->groups_prefix, "oidc:");
    if (cstr_eq(o->username_prefix, "-"))
        o->username_prefix[0] = 0;
    if (!fits || !o->issuer[0] || !o->client_id[0]) {
        mem_free(o);
        return -E_INVALID;
    }
    *ret_oidc = o;
    return 0;
}

static void forget_keys(struct oidc_key *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        crypto_jwk_free(keys[i].key);
}

void oidc_free(struct oidc *o)
{
    if (!o)
        return;
    forget_keys(o->keys, o->key_count);
    mem_free(o);
}

/* ---- keys ---- */

static struct str number(struct arena *a, const struct json *key, const char *name)
{
    struct str text = json_str(json_get(key, name));
    char *to = arena_alloc(a, text.n / 4 * 3 + 4);
    size_t n;
    return to && base64url_decode(to, &n, text) == 0 ? str_make(to, n) : STR("");
}

/* 1: taken, 0: of a kind that we do not know, or no good. */
static int read_key(struct arena *a, const struct json *j, struct oidc_key *ret)
{
    struct str kind = json_path_str(j, "kty"), use = json_path_str(j, "use");
    int rc = -E_INVALID;
    if ((use.n && !str_is(use, "sig")) || !str_copy(ret->id, FIELD, json_path_str(j, "kid")))
        return 0;
    if (str_is(kind, "RSA"))
        rc = crypto_jwk_rsa(number(a, j, "n"), number(a, j, "e"), &ret->key);
    else if (str_is(kind, "EC"))
        rc = crypto_jwk_ec(json_path_str(j, "crv"), number(a, j, "x"), number(a, j, "y"),
                           &ret->key);
    return rc == -E_INVALID ? 0 : rc < 0 ? rc : 1;
}

int oidc_set_keys(struct oidc *o, struct str jwks, struct err *err)
{
    struct arena a CLEANUP_ARENA;
    struct json *set;
    size_t count = 0;
    arena_init(&a, KEYS_BYTES);
    CLEANUP_FREE struct oidc_key *keys = mem_zalloc(KEYS_MOST * sizeof *keys);
    if (!keys)
        return err_set(err, E_NOMEM, "out of memory");
    int rc = json_parse(&a, jwks, NULL, &set, err);
    if (rc < 0)
        return rc;
    if (!json_is(json_get(set, "keys"), JSON_ARRAY))
        return err_set(err, E_SYNTAX, "the issuer's keys are no JWK set");
    for (const struct json *j = json_first(json_get(set, "keys")); j && count < KEYS_MOST && rc >= 0;
         j = j->next)
        if ((rc = read_key(&a, j, &keys[count])) == 1)
            count++;
    if (rc < 0) {
        forget_keys(keys, count);
        return err_set(err, -rc, "the issuer's keys: %s", err_text(rc));
    }
    forget_keys(o->keys, o->key_count);
    memcpy(o->keys, keys, KEYS_MOST * sizeof *keys);
    o->key_count = count;
    seen_clear(&o->seen);
    return 0;
}

/* ---- tokens ---- */

bool oidc_claims(const struct oidc *o, const struct json *payload)
{
    return str_is(json_path_str(payload, "iss"), o->issuer);
}

static bool signature_valid(struct oidc *o, const struct jwt *t, struct str text)
{
    uint8_t digest[SHA256_BYTES];
    sha256_of(text, digest);
    if (seen_has(&o->seen, digest))
        return true;
    struct str kid = json_str(json_get(t->header, "kid")), alg = json_str(json_get(t->header, "alg"));
    for (size_t i = 0; i < o->key_count; i++)
        if ((!kid.n || str_is(kid, o->keys[i].id)) &&
            crypto_jwk_verify(o->keys[i].key, alg, t->signed_part, t->signature)) {
            seen_add(&o->seen, digest);
            return true;
        }
    return false;
}

static int add_groups(const struct oidc *o, struct arena *a, const struct json *claim,
                      struct user *u, struct err *err)
{
    const struct json *g = json_is(claim, JSON_ARRAY) ? json_first(claim) : claim;
    for (; g; g = json_is(claim, JSON_ARRAY) ? g->next : NULL) {
        if (!json_is(g, JSON_STRING))
            return err_set(err, E_UNAUTHORIZED, "the token's groups are no list of texts");
        if (!user_add_group(a, u, arena_printf(a, "%s%s", o->groups_prefix, json_cstr(g))))
            return err_set(err, E_UNAUTHORIZED, "the token has too many groups");
    }
    return 0;
}

static int make_user(const struct oidc *o, struct arena *a, const struct json *claims,
                     struct user *u, struct err *err)
{
    struct str name = json_str(json_get(claims, o->username_claim));
    const struct json *verified = json_get(claims, "email_verified");
    if (!name.n || str_find_byte(name, 0) >= 0)
        return err_set(err, E_UNAUTHORIZED, "the token has no claim \"%s\"", o->username_claim);
    if (cstr_eq(o->username_claim, "email") && verified && !json_bool(verified, false))
        return err_set(err, E_UNAUTHORIZED, "the token's e-mail address is not verified");
    *u = (struct user){.uid = ""};
    u->name = arena_printf(a, "%s" STR_FMT, o->username_prefix, STR_ARG(name));
    int rc = 0;
    const struct json *groups = o->groups_claim[0] ? json_get(claims, o->groups_claim) : NULL;
    if (!json_absent(groups))
        rc = add_groups(o, a, groups, u, err);
    user_add_group(a, u, "system:authenticated");
    return a->failed ? err_set(err, E_NOMEM, "out of memory") : rc;
}

int oidc_verify(struct oidc *o, struct api *api, struct arena *a, struct str text,
                struct user *ret, struct err *err)
{
    struct jwt t;
    int64_t now = api_now_us(api) / 1000000;
    int rc = jwt_parse(a, text, &t, err);
    if (rc < 0)
        return rc == -E_NOMEM ? rc : err_set(err, E_UNAUTHORIZED, "the token is no JWT");
    if (json_get(t.header, "crit") || !signature_valid(o, &t, text))
        return err_set(err, E_UNAUTHORIZED, "no key of the issuer signed the token");
    if (!oidc_claims(o, t.payload))
        return err_set(err, E_UNAUTHORIZED, "the token has another issuer");
    if (!jwt_claim_has(&t, "aud", str_of(o->client_id)))
        return err_set(err, E_UNAUTHORIZED, "the token is for another client");
    if (json_path_i64(t.payload, "exp", 0) <= now)
        return err_set(err, E_UNAUTHORIZED, "the token has expired");
    if (json_path_i64(t.payload, "nbf", 0) > now + SLACK_S)
        return err_set(err, E_UNAUTHORIZED, "the token is not valid yet");
    return make_user(o, a, t.payload, ret, err);
}
