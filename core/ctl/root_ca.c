/* Each namespace has a ConfigMap "kube-root-ca.crt" with the cluster's CA, for its pods. */
#include "ctl/ctl_int.h"

#define NAME "kube-root-ca.crt"

struct root_ca {
    struct ctl_unit unit;
    struct cache *namespaces, *maps;
};

static int reconcile(void *ctx, const char *key, struct arena *a, struct plan *p, struct err *err)
{
    struct root_ca *r = ctx;
    const char *none, *name;
    int rc = controller_key(a, key, &none, &name);

    if (rc < 0)
        return err_set(err, -rc, "key: %s", err_text(rc));
    struct object *ns = cache_get(r->namespaces, "", name);
    if (!ns || ns->deleting)
        return 0;
    struct json *data = json_new(a, JSON_OBJECT);
    json_set_str(a, data, "ca.crt", r->unit.ctl->ca_pem);
    struct object *have = cache_get(r->maps, name, NAME);
    struct json *map = object_json(have, a);
    if (map) {
        if (json_equal(json_get(map, "data"), data))
            return 0;
        json_set(a, map, "data", data);
        char *path = ctl_object_path(a, NULL, "v1", "configmaps", map, NULL);
        if (path)
            plan_update(p, path, map, r->maps);
        return 0;
    }
    map = json_new(a, JSON_OBJECT);
    struct json *meta = json_object_at(a, map, "metadata");
    json_set_cstr(a, map, "apiVersion", "v1");
    json_set_cstr(a, map, "kind", "ConfigMap");
    json_set_cstr(a, meta, "name", NAME);
    json_set_cstr(a, meta, "namespace", name);
    json_set_cstr(a, json_object_at(a, meta, "annotations"), "kubernetes.io/description",
                  "Contains a CA bundle that can be used to verify the API server of this cluster.");
    json_set(a, map, "data", data);
    char *path = client_path(a, NULL, "v1", name, "configmaps", NULL, NULL);
    if (path)
        plan_create(p, path, map, r->maps, PLAN_TOLERATE_EXISTS);
    return 0;
}

static void map_changed(void *unit, struct object *old, struct object *new)
{
    struct root_ca *r = unit;
    struct object *o = new ? new : old;
    struct object *ns = cstr_eq(o->name, NAME) ? cache_get(r->namespaces, "", o->namespace) : NULL;
    if (ns)
        controller_enqueue_object(r->unit.controller, ns);
}

int root_ca_start(struct ctl *c)
{
    struct ctl_unit *u;
    int rc = ctl_unit_new(c, sizeof(struct root_ca), "root-ca", reconcile, &u);
    if (rc < 0)
        return rc;
    struct root_ca *r = (struct root_ca *)u;
    rc = ctl_unit_listen(u, "/api/v1/namespaces", ctl_enqueue_self, &r->namespaces);
    return rc < 0 ? rc : ctl_unit_listen(u, "/api/v1/configmaps", map_changed, &r->maps);
}
