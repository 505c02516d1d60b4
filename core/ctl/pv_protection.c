/*
 * A PersistentVolume that is deleted goes when no claim is bound to it (upstream's
 * pkg/controller/volume/pvprotection). Admission gave it the finalizer that is taken away here.
 */
#include "ctl/ctl_int.h"

#define FINALIZER "kubernetes.io/pv-protection"

struct protection {
    struct ctl_unit unit;
    struct cache *volumes;
};

int ctl_protection_settle(struct plan *p, struct json *object, const char *finalizer, bool used)
{
    struct arena *a = plan_arena(p);
    struct json *meta = json_get(object, "metadata"), *list = json_get(meta, "finalizers");
    bool deleting = !json_absent(json_get(meta, "deletionTimestamp"));
    uint32_t at = 0;
    const struct json *m = json_first(list);
    for (; m && !str_is(json_str(m), finalizer); m = m->next)
        at++;
    if (deleting ? !m || used : m != NULL)
        return 0;
    if (deleting)
        json_remove_at(list, at);
    else
        json_append(a, json_array_at(a, meta, "finalizers"), json_new_cstr(a, finalizer));
    return 1;
}

static int reconcile(void *ctx, const char *key, struct arena *a, struct plan *p, struct err *err)
{
    struct protection *u = ctx;
    const char *ns, *name;
    int rc = controller_key(a, key, &ns, &name);
    if (rc < 0)
        return err_set(err, -rc, "key: %s", err_text(rc));
    struct json *volume = object_json(cache_get(u->volumes, "", name), a);
    char *path = client_path(a, NULL, "v1", NULL, "persistentvolumes", name, NULL);
    bool bound = str_is(json_path_str(volume, "status.phase"), "Bound");
    if (volume && path && ctl_protection_settle(p, volume, FINALIZER, bound))
        plan_update(p, path, volume, u->volumes);
    return 0;
}

int pv_protection_start(struct ctl *c)
{
    struct ctl_unit *u;
    int rc = ctl_unit_new(c, sizeof(struct protection), "pv-protection", reconcile, &u);
    return rc < 0 ? rc
                  : ctl_unit_listen(u, "/api/v1/persistentvolumes", ctl_enqueue_self,
                                    &((struct protection *)u)->volumes);
}
