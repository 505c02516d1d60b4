/* What anybody may send as a bearer token, and what an issuer may answer as its keys: a token that
 * nobody's key signed never becomes a user. Input: a JWK set, a line break, a token. */
#include "api/auth/oidc.h"
#include "base/assert.h"
#include "codec/jwt.h"
#include "drivers/loop/epoll.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct api_oidc options = {
        .issuer = "https://id.example", .client_id = "kube", .groups_claim = "groups"};
    static struct loop *loop;
    struct str keys, token = str_make(data, size);
    struct err err = {0};
    struct arena a CLEANUP_ARENA;
    struct jwt t;
    struct oidc *o;
    struct user user = {0};
    arena_init(&a, 16 << 20);
    struct poll poll;
    if (!loop && (poll_epoll_open(&poll) < 0 || loop_new(poll, &loop) < 0))
        return 0;
    struct api api = {.loop = loop};
    if (!str_split(&token, '\n', &keys) || oidc_new(&options, &o) < 0)
        return 0;
    (void)!oidc_set_keys(o, keys, &err);
    /* The corpus holds no private key: whatever is accepted here was not signed. */
    ASSERT(oidc_verify(o, &api, &a, token, &user, &err) < 0);
    if (jwt_parse(&a, token, &t, NULL) == 0) {
        ASSERT(t.signed_part.n < token.n && t.signature.n <= JWT_SIGNATURE_MOST);
        (void)jwt_header_is(&t, "ES256");
        (void)jwt_claim_has(&t, "aud", STR("kube"));
    }
    oidc_free(o);
    return 0;
}
