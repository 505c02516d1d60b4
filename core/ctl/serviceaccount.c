/* Each namespace has a ServiceAccount "default". Source: kubernetes.io, "Managing Service Accounts". */
#include "ctl/ctl_int.h"

struct accounts {
    struct ctl_unit unit;
    struct cache *namespaces, *accounts;
};

static int reconcile(void *ctx, const char *key, struct arena *a, struct plan *p, struct err *err)
{
    struct accounts *s = ctx;
    const char *none, *name;
    int rc = controller_key(a, key, &none, &name);

    if (rc < 0)
        return err_set(err, -rc, "key: %s", err_text(rc));
    struct object *ns = cache_get(s->namespaces, "", name);
    if (!ns || ns->deleting || cache_get(s->accounts, name, "default"))
        return 0;
    struct json *sa = json_new(a, JSON_OBJECT), *meta = json_object_at(a, sa, "metadata");
    char *path = client_path(a, NULL, "v1", name, "serviceaccounts", NULL, NULL);
    json_set_cstr(a, sa, "apiVersion", "v1");
    json_set_cstr(a, sa, "kind", "ServiceAccount");
    json_set_cstr(a, meta, "name", "default");
    json_set_cstr(a, meta, "namespace", name);
    if (path)
        plan_create(p, path, sa, s->accounts, PLAN_TOLERATE_EXISTS);
    return 0;
}

static void account_changed(void *unit, struct object *old, struct object *new)
{
    struct accounts *s = unit;
    struct object *ns = new ? NULL : cache_get(s->namespaces, "", old->namespace);
    if (ns)
        controller_enqueue_object(s->unit.controller, ns);
}

int serviceaccount_start(struct ctl *c)
{
    struct ctl_unit *u;
    int rc = ctl_unit_new(c, sizeof(struct accounts), "serviceaccount", reconcile, &u);
    if (rc < 0)
        return rc;
    struct accounts *s = (struct accounts *)u;
    rc = ctl_unit_listen(u, "/api/v1/namespaces", ctl_enqueue_self, &s->namespaces);
    return rc < 0 ? rc : ctl_unit_listen(u, "/api/v1/serviceaccounts", account_changed, &s->accounts);
}
