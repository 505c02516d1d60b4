/* Bootstrap tokens whose time is over are deleted (upstream's token cleaner). */
#include "codec/time.h"
#include "ctl/ctl_int.h"

enum { VALUE_MOST = 64 };

struct cleaner {
    struct ctl_unit unit;
    struct cache *secrets;
    struct cache_listener *listener;
};

/* Seconds; 0: the token does not end. One that cannot be read has ended. */
static int64_t ends_at(const struct json *secret)
{
    struct str text = json_str(json_get(json_get(secret, "data"), "expiration"));
    char value[VALUE_MOST];
    size_t n;
    if (!text.n)
        return 0;
    if (text.n > VALUE_MOST || base64_decode(value, &n, text) < 0)
        return 1;
    int64_t ms = time_text_ms(str_make(value, n), 0);
    return ms > 0 ? ms / 1000 : 1;
}

static int reconcile(void *ctx, const char *key, struct arena *a, struct plan *p, struct err *err)
{
    struct cleaner *c = ctx;
    const char *ns, *name;
    int rc = controller_key(a, key, &ns, &name);
    struct object *o = rc < 0 ? NULL : cache_get(c->secrets, ns, name);
    struct json *secret = o ? object_json(o, a) : NULL;
    if (rc < 0)
        return err_set(err, -rc, "key: %s", err_text(rc));
    if (o && !secret)
        return err_set(err, E_NOMEM, "out of memory");
    int64_t end = secret && !o->deleting ? ends_at(secret) : 0;
    char *path = client_path(a, NULL, "v1", ns, "secrets", name, NULL);
    if (!end || !path)
        return 0;
    if (end <= plan_now_s(p))
        plan_delete(p, path, o, NULL, c->secrets);
    else
        plan_requeue(p, (end - plan_now_s(p)) * 1000 + 500);
    return 0;
}

static void changed(void *unit, struct object *old, struct object *new)
{
    ctl_enqueue_self(unit, old, new);
}

static void done(struct ctl_unit *u)
{
    struct cleaner *c = (struct cleaner *)u;
    if (c->listener)
        cache_unlisten(c->listener);
    if (c->secrets)
        cache_free(c->secrets);
}

/* A cache of its own: of all secrets only these are of interest. */
int token_cleaner_start(struct ctl *ctl)
{
    static const struct cache_handlers handlers = {.changed = changed};
    struct ctl_unit *u;
    int rc = ctl_unit_new(ctl, sizeof(struct cleaner), "token-cleaner", reconcile, &u);
    if (rc < 0)
        return rc;
    struct cleaner *c = (struct cleaner *)u;
    u->done = done;
    rc = cache_new(&u->client, "/api/v1/namespaces/kube-system/secrets",
                   "type=bootstrap.kubernetes.io/token", NULL, &c->secrets);
    if (rc == 0)
        rc = controller_await(u->controller, c->secrets);
    return rc < 0 ? rc : cache_listen(c->secrets, &handlers, c, &c->listener);
}
