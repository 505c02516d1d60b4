/*
 * Secrets of type kubernetes.io/service-account-token: each gets a token of the account that its
 * annotation names, which lasts as long as the Secret does, with the CA and the namespace; and it
 * goes when that account is gone (upstream's tokens controller). Nobody gets one unasked.
 *
 * The token is signed by the role keys: the question is remembered until its answer brings the
 * Secret's key back.
 */
#include "codec/jwt.h"
#include "ctl/ctl_int.h"
#include "ctl/question.h"

static const char of_name[] = "kubernetes.io/service-account.name",
                  of_uid[] = "kubernetes.io/service-account.uid";

enum { TOKEN_MOST = 8192 };

struct secrets {
    struct ctl_unit unit;
    struct cache *secrets, *accounts;
    struct cache_listener *listener;
    struct questions questions;
};

static void signed_now(void *arg, int rc, const uint8_t sig[64])
{
    struct question *q = arg;
    if (!question_take(q, rc))
        return;
    if (rc == 0)
        jwt_write_signature(&q->text, sig, 64);
    question_answered(q);
}

static int ask(struct secrets *s, struct arena *a, const char *key, const struct object *secret,
               const struct object *account)
{
    struct ctl *ctl = s->unit.ctl;
    struct json *head = json_new(a, JSON_OBJECT), *claims = json_new(a, JSON_OBJECT);
    struct question *q = question_new(&s->questions, key, account->uid, TOKEN_MOST);
    if (!q)
        return -E_NOMEM;
    json_set_cstr(a, head, "alg", "ES256");
    json_set_cstr(a, head, "typ", "JWT");
    json_set_cstr(a, claims, "iss", "kubernetes/serviceaccount");
    json_set_cstr(a, claims, "kubernetes.io/serviceaccount/namespace", secret->namespace);
    json_set_cstr(a, claims, "kubernetes.io/serviceaccount/secret.name", secret->name);
    json_set_cstr(a, claims, "kubernetes.io/serviceaccount/service-account.name", account->name);
    json_set_cstr(a, claims, "kubernetes.io/serviceaccount/service-account.uid", account->uid);
    json_set_cstr(a, claims, "sub",
                  arena_printf(a, "system:serviceaccount:%s:%s", secret->namespace, account->name));
    jwt_write_signed_part(&q->text, head, claims);
    int rc = a->failed || q->text.failed ? -E_NOMEM : 0;
    if (rc == 0)
        rc = ctl->sign(ctl->client_ctx, buf_str(&q->text), signed_now, q);
    if (rc < 0)
        question_free(q);
    return rc;
}

static void put_data(struct arena *a, struct json *secret, const char *name, struct str value)
{
    char *text = arena_alloc(a, base64_encoded_size(value.n));
    if (text)
        json_set_str(a, json_object_at(a, secret, "data"), name,
                     str_make(text, base64_encode(text, value.p, value.n)));
}

static void fill(struct secrets *s, struct arena *a, struct plan *p, const struct object *o,
                 struct json *secret, const struct question *q)
{
    struct json *notes =
        json_object_at(a, json_object_at(a, secret, "metadata"), "annotations");
    char *path = client_path(a, NULL, "v1", o->namespace, "secrets", o->name, NULL);
    json_set_cstr(a, notes, of_uid, q->uid);
    put_data(a, secret, "token", buf_str(&q->text));
    put_data(a, secret, "namespace", str_of(o->namespace));
    put_data(a, secret, "ca.crt", s->unit.ctl->ca_pem);
    if (path)
        plan_update(p, path, secret, s->secrets);
}

static int reconcile(void *ctx, const char *key, struct arena *a, struct plan *p, struct err *err)
{
    struct secrets *s = ctx;
    struct question *q = question_find(&s->questions, key);
    const char *ns, *name;
    int rc = controller_key(a, key, &ns, &name);
    if (rc < 0)
        return err_set(err, -rc, "key: %s", err_text(rc));
    if (q && !q->answered)
        return 0;
    struct object *o = cache_get(s->secrets, ns, name);
    struct json *secret = o && !o->deleting ? object_json(o, a) : NULL;
    const struct json *notes = json_path(secret, "metadata.annotations");
    const char *account_name = json_cstr(json_get(notes, of_name));
    struct str uid = json_str(json_get(notes, of_uid));
    struct object *account = secret && account_name[0] ? cache_get(s->accounts, ns, account_name) : NULL;
    if (secret && (!account || (uid.n && !str_is(uid, account->uid)))) {
        char *path = client_path(a, NULL, "v1", ns, "secrets", name, NULL);
        if (path)
            plan_delete(p, path, o, NULL, s->secrets);
    } else if (secret && !json_get(json_get(secret, "data"), "token") && s->unit.ctl->sign) {
        if (!q)
            rc = ask(s, a, key, o, account);
        else if ((rc = q->rc) == 0 && cstr_eq(q->uid, account->uid) && !q->text.failed)
            fill(s, a, p, o, secret, q);
    }
    if (q)
        question_free(q);
    return rc < 0 ? err_set(err, -rc, "token: %s", err_text(rc)) : 0;
}

struct renewing {
    struct secrets *unit;
    const char *ns;
};

static bool enqueue_of(void *ctx, struct object *o)
{
    struct renewing *r = ctx;
    if (cstr_eq(o->namespace, r->ns))
        controller_enqueue_object(r->unit->unit.controller, o);
    return true;
}

/* Few Secrets are of this type: those of the account's namespace are looked at. */
static void account_changed(void *unit, struct object *old, struct object *new)
{
    struct renewing r = {unit, new ? new->namespace : old->namespace};
    if (!old || !new)
        cache_each(r.unit->secrets, enqueue_of, &r);
}

static void done(struct ctl_unit *u)
{
    struct secrets *s = (struct secrets *)u;
    questions_done(&s->questions, &u->client);
    if (s->listener)
        cache_unlisten(s->listener);
    if (s->secrets)
        cache_free(s->secrets);
}

int account_secrets_start(struct ctl *ctl)
{
    static const struct cache_handlers handlers = {.changed = ctl_enqueue_self};
    struct ctl_unit *u;
    int rc = ctl_unit_new(ctl, sizeof(struct secrets), "account-secrets", reconcile, &u);
    if (rc < 0)
        return rc;
    struct secrets *s = (struct secrets *)u;
    questions_init(&s->questions, u->controller);
    u->done = done;
    rc = cache_new(&u->client, "/api/v1/secrets", "type=kubernetes.io/service-account-token", NULL,
                   &s->secrets);
    if (rc == 0)
        rc = controller_await(u->controller, s->secrets);
    if (rc == 0)
        rc = cache_listen(s->secrets, &handlers, s, &s->listener);
    return rc < 0 ? rc
                  : ctl_unit_listen(u, "/api/v1/serviceaccounts", account_changed, &s->accounts);
}
