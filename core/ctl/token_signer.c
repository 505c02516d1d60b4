/*
 * Signs kube-public/cluster-info with each bootstrap token that allows it (upstream's bootstrap
 * signer): data["jws-kubeconfig-ID"] is a JWS with detached content (RFC 7515, appendix F, HS256)
 * over the text of data.kubeconfig. Who holds a token thus knows that address and CA come from
 * someone else who holds it. Signatures of tokens that are gone or over are taken away.
 */
#include "codec/time.h"
#include "ctl/ctl_int.h"
#include "port/crypto.h"

#define KEY "kube-public/cluster-info"
#define SIGNATURE "jws-kubeconfig-"
#define NAME_START "bootstrap-token-"

enum { VALUE_MOST = 64, ID_SIZE = 6, SECRET_SIZE = 16, BLOCK = 64 };

struct signer {
    struct ctl_unit unit;
    struct cache *maps, *secrets;
    struct cache_listener *listener;
};

struct signing { /* one reconcile */
    struct arena *a;
    struct json *data;
    struct str text;
    int64_t now_s, next_s; /* next_s: when the first of the tokens ends; 0: none does */
    int rc;
};

/* A value of a Secret, decoded; empty when it is absent or no good. */
static struct str value(const struct json *secret, const char *key, char ret_text[VALUE_MOST])
{
    struct str text = json_str(json_get(json_get(secret, "data"), key));
    size_t n;
    if (!text.n || text.n > VALUE_MOST || base64_decode(ret_text, &n, text) < 0)
        return str_make(ret_text, 0);
    return str_make(ret_text, n);
}

static bool plain(struct str s, size_t n)
{
    if (s.n != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && !(s.p[i] >= '0' && s.p[i] <= '9'))
            return false;
    return true;
}

/* RFC 2104; a secret is shorter than a block. */
static void hmac(struct str key, struct str message, uint8_t ret_mac[SHA256_BYTES])
{
    uint8_t inner[BLOCK], outer[BLOCK];
    struct sha256 h;
    for (size_t i = 0; i < BLOCK; i++) {
        uint8_t k = i < key.n ? (uint8_t)key.p[i] : 0;
        inner[i] = k ^ 0x36;
        outer[i] = k ^ 0x5c;
    }
    sha256_init(&h);
    sha256_update(&h, inner, BLOCK);
    sha256_update(&h, message.p, message.n);
    sha256_final(&h, ret_mac);
    sha256_init(&h);
    sha256_update(&h, outer, BLOCK);
    sha256_update(&h, ret_mac, SHA256_BYTES);
    sha256_final(&h, ret_mac);
}

static char *in_base64url(struct arena *a, const void *p, size_t n)
{
    char *text = arena_alloc(a, base64_encoded_size(n));
    if (text)
        base64url_encode(text, p, n);
    return text;
}

/* "header..signature" */
static const char *detached(struct arena *a, struct str id, struct str secret, struct str content)
{
    uint8_t mac[SHA256_BYTES];
    char *plain_header = arena_printf(a, "{\"alg\":\"HS256\",\"kid\":\"%.*s\"}", (int)id.n, id.p);
    char *header = plain_header ? in_base64url(a, plain_header, strlen(plain_header)) : NULL;
    char *payload = in_base64url(a, content.p, content.n);
    char *message = header && payload ? arena_printf(a, "%s.%s", header, payload) : NULL;
    if (!message)
        return NULL;
    hmac(secret, str_of(message), mac);
    char *signature = in_base64url(a, mac, sizeof mac);
    return signature ? arena_printf(a, "%s..%s", header, signature) : NULL;
}

/* May this token sign now? Notes when it ends. */
static bool in_force(struct signing *s, const struct json *secret)
{
    char text[VALUE_MOST];
    if (!str_is(value(secret, "usage-bootstrap-signing", text), "true"))
        return false;
    if (json_absent(json_get(json_get(secret, "data"), "expiration")))
        return true;
    int64_t end = time_text_ms(value(secret, "expiration", text), 0) / 1000;
    if (end <= s->now_s)
        return false;
    if (!s->next_s || end < s->next_s)
        s->next_s = end;
    return true;
}

static bool sign_one(void *ctx, struct object *o)
{
    struct signing *s = ctx;
    char id_text[VALUE_MOST], secret_text[VALUE_MOST];
    struct json *tree = object_json(o, s->a);
    if (!tree) {
        s->rc = -E_NOMEM;
        return false;
    }
    struct str id = value(tree, "token-id", id_text), secret = value(tree, "token-secret", secret_text);
    char *name = arena_printf(s->a, NAME_START "%.*s", (int)id.n, id.p);
    if (o->deleting || !plain(id, ID_SIZE) || !plain(secret, SECRET_SIZE) || !cstr_eq(o->name, name) ||
        !in_force(s, tree))
        return true;
    const char *jws = detached(s->a, id, secret, s->text);
    char *key = arena_printf(s->a, SIGNATURE "%.*s", (int)id.n, id.p);
    if (!jws || !key)
        s->rc = -E_NOMEM;
    else
        json_set_cstr(s->a, s->data, key, jws);
    return s->rc == 0;
}

/* data without signatures */
static struct json *unsigned_data(struct arena *a, const struct json *data)
{
    struct json *rest = json_new(a, JSON_OBJECT);
    for (struct json *m = json_first(data); m; m = m->next)
        if (!str_starts(m->key, STR(SIGNATURE)))
            json_set_key(a, rest, m->key, json_clone(a, m));
    return rest;
}

static int reconcile(void *ctx, const char *key, struct arena *a, struct plan *p, struct err *err)
{
    struct signer *c = ctx;
    struct object *o = cache_get(c->maps, "kube-public", "cluster-info");
    struct json *map = o && !o->deleting ? object_json(o, a) : NULL;
    const struct json *had = json_get(map, "data");
    struct str text = json_str(json_get(had, "kubeconfig"));
    if (!cstr_eq(key, KEY) || !text.n)
        return 0;
    struct signing s = {.a = a, .data = unsigned_data(a, had), .text = text, .now_s = plan_now_s(p)};
    cache_each(c->secrets, sign_one, &s);
    if (s.rc < 0)
        return err_set(err, -s.rc, "signing: %s", err_text(s.rc));
    if (s.next_s)
        plan_requeue(p, (s.next_s - s.now_s) * 1000 + 500);
    if (json_equal(had, s.data))
        return 0;
    json_set(a, map, "data", s.data);
    char *path = ctl_object_path(a, NULL, "v1", "configmaps", map, NULL);
    if (path)
        plan_update(p, path, map, c->maps);
    return 0;
}

static void map_changed(void *unit, struct object *old, struct object *new)
{
    struct signer *c = unit;
    const struct object *o = new ? new : old;
    if (cstr_eq(o->name, "cluster-info") && cstr_eq(o->namespace, "kube-public"))
        controller_enqueue(c->unit.controller, KEY);
}

static void secret_changed(void *unit, struct object *old, struct object *new)
{
    struct signer *c = unit;
    (void)old;
    (void)new;
    controller_enqueue(c->unit.controller, KEY);
}

static void done(struct ctl_unit *u)
{
    struct signer *c = (struct signer *)u;
    if (c->listener)
        cache_unlisten(c->listener);
    if (c->secrets)
        cache_free(c->secrets);
}

/* Of all secrets a cache of these alone. */
int token_signer_start(struct ctl *ctl)
{
    static const struct cache_handlers handlers = {.changed = secret_changed};
    struct ctl_unit *u;
    int rc = ctl_unit_new(ctl, sizeof(struct signer), "token-signer", reconcile, &u);
    if (rc < 0)
        return rc;
    struct signer *c = (struct signer *)u;
    u->done = done;
    rc = ctl_unit_listen(u, "/api/v1/configmaps", map_changed, &c->maps);
    if (rc == 0)
        rc = cache_new(&u->client, "/api/v1/namespaces/kube-system/secrets",
                       "type=bootstrap.kubernetes.io/token", NULL, &c->secrets);
    if (rc == 0)
        rc = controller_await(u->controller, c->secrets);
    return rc < 0 ? rc : cache_listen(c->secrets, &handlers, c, &c->listener);
}
