/*
 * How others verify service-account tokens: the OpenID Connect discovery document and the key set
 * (RFC 7517) of the keys that this cluster signs and signed with.
 */
#include "api/auth/auth.h"

enum { DER_BYTES = 1024, POINT_BYTES = 64 };

static void add_key(struct arena *a, struct json *list, const struct account_key *k)
{
    struct buf der CLEANUP_BUF;
    char x[48], y[48];
    struct json *j = json_new(a, JSON_OBJECT);
    buf_init(&der, DER_BYTES);
    /* A P-256 SubjectPublicKeyInfo ends with the point, x before y. */
    if (crypto_key_public_der(k->key, &der) < 0 || buf_len(&der) <= POINT_BYTES) {
        a->failed = true;
        return;
    }
    const char *point = buf_str(&der).p + buf_len(&der) - POINT_BYTES;
    x[base64url_encode(x, point, 32)] = 0;
    y[base64url_encode(y, point + 32, 32)] = 0;
    json_set_cstr(a, j, "use", "sig");
    json_set_cstr(a, j, "kty", "EC");
    json_set_cstr(a, j, "kid", k->id);
    json_set_cstr(a, j, "crv", "P-256");
    json_set_cstr(a, j, "alg", "ES256");
    json_set_cstr(a, j, "x", x);
    json_set_cstr(a, j, "y", y);
    json_append(a, list, j);
}

static void add_word(struct arena *a, struct json *doc, const char *name, const char *word)
{
    json_append(a, json_array_at(a, doc, name), json_new_cstr(a, word));
}

static struct json *discovery_document(struct api *api, struct arena *a)
{
    struct json *d = json_new(a, JSON_OBJECT);
    json_set_cstr(a, d, "issuer", api->issuer);
    json_set_cstr(a, d, "jwks_uri",
                  arena_printf(a, strchr(api->node_addr, ':') ? "https://[%s]:%u/openid/v1/jwks"
                                                              : "https://%s:%u/openid/v1/jwks",
                               api->node_addr, (unsigned)api->port));
    add_word(a, d, "response_types_supported", "id_token");
    add_word(a, d, "subject_types_supported", "public");
    add_word(a, d, "id_token_signing_alg_values_supported", "ES256");
    return d;
}

static void reply(struct api_request *r, const struct json *document, const char *type)
{
    struct buf text CLEANUP_BUF;
    buf_init(&text, LIMIT_BODY_BYTES);
    json_write(&text, document);
    if (r->arena.failed || text.failed)
        fail_memory(r);
    else
        reply_bytes(r, 200, type, buf_str(&text));
}

bool issuer_handle(struct api_request *r)
{
    struct api *api = r->api;
    bool keys = str_is(r->url.path, "/openid/v1/jwks");
    if (!keys && !str_is(r->url.path, "/.well-known/openid-configuration"))
        return false;
    if (!cstr_eq(r->url.verb, "get")) {
        fail_method(r);
        return true;
    }
    if (!keys) {
        reply(r, discovery_document(api, &r->arena), "application/json");
        return true;
    }
    struct json *set = json_new(&r->arena, JSON_OBJECT);
    struct json *list = json_array_at(&r->arena, set, "keys");
    for (size_t i = 0; i < api->account_key_count; i++)
        add_key(&r->arena, list, &api->account_keys[i]);
    reply(r, set, "application/jwk-set+json");
    return true;
}
