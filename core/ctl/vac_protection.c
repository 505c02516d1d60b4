/*
 * A VolumeAttributesClass that is deleted goes when no claim and no volume names it (upstream's
 * pkg/controller/storage/volumeattributesclassprotection). Admission gave it the finalizer that is
 * taken away here.
 */
#include "ctl/ctl_int.h"

#define FINALIZER "kubernetes.io/vac-protection"

enum { OBJECT_BYTES = 8 * 1024 * 1024 };

struct protection {
    struct ctl_unit unit;
    struct cache *classes, *claims, *volumes;
};

static void index_class(const struct json *o, void (*emit)(void *, const char *), void *arg)
{
    static const char *const paths[] = {"spec.volumeAttributesClassName",
                                        "status.currentVolumeAttributesClassName",
                                        "status.modifyVolumeStatus.targetVolumeAttributesClassName"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (json_path_str(o, paths[i]).n)
            emit(arg, json_path_cstr(o, paths[i]));
}

static bool found(void *ctx, struct object *o)
{
    (void)o;
    *(bool *)ctx = true;
    return false;
}

static int reconcile(void *ctx, const char *key, struct arena *a, struct plan *p, struct err *err)
{
    struct protection *u = ctx;
    const char *ns, *name;
    bool used = false;
    int rc = controller_key(a, key, &ns, &name);
    if (rc < 0)
        return err_set(err, -rc, "key: %s", err_text(rc));
    struct json *class = object_json(cache_get(u->classes, "", name), a);
    char *path = client_path(a, "storage.k8s.io", "v1", NULL, "volumeattributesclasses", name, NULL);
    cache_index_each(u->claims, "class", name, found, &used);
    if (!used)
        cache_index_each(u->volumes, "class", name, found, &used);
    if (class && path && ctl_protection_settle(p, class, FINALIZER, used))
        plan_update(p, path, class, u->classes);
    return 0;
}

static void enqueue(void *unit, const char *name)
{
    struct protection *u = unit;
    struct object *class = cache_get(u->classes, "", name);
    if (class && class->deleting)
        controller_enqueue_object(u->unit.controller, class);
}

/* Whatever the object named before it changed or went may be free now. */
static void user_changed(void *unit, struct object *old, struct object *new)
{
    struct arena a CLEANUP_ARENA;
    arena_init(&a, OBJECT_BYTES);
    (void)new;
    if (old && str_find(old->json, STR("olumeAttributesClassName\"")) >= 0)
        index_class(object_json(old, &a), enqueue, unit);
}

int vac_protection_start(struct ctl *c)
{
    struct ctl_unit *u;
    int rc = ctl_unit_new(c, sizeof(struct protection), "vac-protection", reconcile, &u);
    if (rc < 0)
        return rc;
    struct protection *t = (struct protection *)u;
    rc = ctl_unit_listen(u, "/apis/storage.k8s.io/v1/volumeattributesclasses", ctl_enqueue_self,
                         &t->classes);
    if (rc == 0)
        rc = ctl_unit_listen(u, "/api/v1/persistentvolumeclaims", user_changed, &t->claims);
    if (rc == 0)
        rc = ctl_unit_listen(u, "/api/v1/persistentvolumes", user_changed, &t->volumes);
    if (rc == 0)
        rc = cache_index_add(t->claims, "class", index_class);
    return rc < 0 ? rc : cache_index_add(t->volumes, "class", index_class);
}
