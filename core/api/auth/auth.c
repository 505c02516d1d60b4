/* What authentication and authorization keep while the API lives. See auth.h. */
#include "api/auth/auth.h"

#include "api/auth/default_roles.h"
#include "api/auth/node_graph.h"

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

/* One PEM block after the other; the first key is the one that signs now. */
static int read_keys(struct api *api, struct str pem, struct err *err)
{
    static const char end[] = "-----END";
    while (api->account_key_count < ACCOUNT_KEYS) {
        ptrdiff_t at = str_find(pem, str_of(end));
        if (at < 0)
            return 0;
        size_t n = (size_t)at;
        while (n < pem.n && pem.p[n] != '\n')
            n++;
        struct account_key *k = &api->account_keys[api->account_key_count];
        int rc = crypto_key_parse(str_make(pem.p, n), &k->key, err);
        if (rc < 0)
            return rc;
        api->account_key_count++;
        if ((rc = name_key(k)) < 0)
            return err_set(err, -rc, "service-account key: %s", err_text(rc));
        pem = str_make(pem.p + n, pem.n - n);
    }
    return 0;
}

int auth_new(struct api *api, const struct api_options *o, struct err *err)
{
    arena_init(&api->rules_arena, RULES_BYTES);
    int rc = o->service_account_public_pem.n ? read_keys(api, o->service_account_public_pem, err) : 0;
    if (rc < 0)
        return rc;
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
    arena_done(&api->rules_arena);
    for (size_t i = 0; i < api->account_key_count; i++)
        crypto_key_free(api->account_keys[i].key);
}
