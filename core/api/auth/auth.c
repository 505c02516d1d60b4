/* What authentication and authorization keep while the API lives. See auth.h. */
#include "api/auth/auth.h"

#include "api/auth/default_roles.h"
#include "api/auth/node_graph.h"
#include "api/auth/oidc.h"
#include "api/auth/seen.h"

enum { RULES_BYTES = 256 * 1024, DER_BYTES = 1024 };

/* Base64url of the SHA-256 over the DER, as upstream names its keys. */
static int name_key(struct account_key *k)
{
    struct buf der CLEANUP_BUF;
    uint8_t digest[SHA256_BYTES];
    buf_init(&der, DER_BYTES);
    int rc = crypto_key_public_der(k->key, &der);
    if (rc < 0)
        return rc;
    sha256_of(buf_str(&der), digest);
    base64url_encode(k->id, digest, sizeof digest);
    return 0;
}

struct key_set {
    struct account_key at[ACCOUNT_KEYS];
    size_t count;
};

static void free_keys(struct account_key *at, size_t count)
{
    for (size_t i = 0; i < count; i++)
        crypto_key_free(at[i].key);
}

/* One PEM block after the other; the first key is the one that signs now. */
static int read_keys(struct str pem, struct key_set *ret, struct err *err)
{
    static const char end[] = "-----END";
    ptrdiff_t at;
    int rc = 0;
    while (rc == 0 && ret->count < ACCOUNT_KEYS && (at = str_find(pem, str_of(end))) >= 0) {
        size_t n = (size_t)at;
        while (n < pem.n && pem.p[n] != '\n')
            n++;
        struct account_key *k = &ret->at[ret->count];
        if ((rc = crypto_key_parse(str_make(pem.p, n), &k->key, err)) < 0)
            break;
        ret->count++;
        if ((rc = name_key(k)) < 0)
            err_set(err, -rc, "service-account key: %s", err_text(rc));
        pem = str_make(pem.p + n, pem.n - n);
    }
    if (rc < 0)
        free_keys(ret->at, ret->count);
    return rc;
}

int api_account_keys(struct api *api, struct str public_pem, struct err *err)
{
    struct key_set set = {.count = 0};
    int rc = read_keys(public_pem, &set, err);
    if (rc < 0)
        return rc;
    free_keys(api->account_keys, api->account_key_count);
    memcpy(api->account_keys, set.at, sizeof set.at);
    api->account_key_count = set.count;
    seen_clear(api->seen);
    return 0;
}

int api_oidc_keys(struct api *api, struct str jwks, struct err *err)
{
    return api->oidc ? oidc_set_keys(api->oidc, jwks, err)
                     : err_set(err, E_NOT_FOUND, "no issuer is configured");
}

int auth_new(struct api *api, const struct api_options *o, struct err *err)
{
    arena_init(&api->rules_arena, RULES_BYTES);
    if (!(api->seen = mem_zalloc(sizeof *api->seen)))
        return err_set(err, E_NOMEM, "out of memory");
    int rc = api_account_keys(api, o->service_account_public_pem, err);
    if (rc < 0)
        return rc;
    if (o->oidc && (rc = oidc_new(o->oidc, &api->oidc)) < 0)
        return err_set(err, -rc, "OIDC: an issuer and a client id, of up to 255 bytes, are needed");
    rc = default_rules_of(&api->rules_arena, "system:node", &api->node_rules);
    if (rc == 0)
        rc = rbac_new(api->store, &api->rbac);
    if (rc == 0)
        rc = node_graph_new(api->store, &api->node_graph);
    return rc < 0 ? err_set(err, -rc, "authorization: %s", err_text(rc)) : 0;
}

void auth_free(struct api *api)
{
    rbac_free(api->rbac);
    node_graph_free(api->node_graph);
    oidc_free(api->oidc);
    mem_free(api->seen);
    arena_done(&api->rules_arena);
    free_keys(api->account_keys, api->account_key_count);
}
