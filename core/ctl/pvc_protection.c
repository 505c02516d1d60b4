/*
 * A PersistentVolumeClaim that is deleted goes when no pod on a node uses it (upstream's
 * pkg/controller/volume/pvcprotection). Admission gave it the finalizer that is taken away here.
 */
#include "ctl/ctl_int.h"

#define FINALIZER "kubernetes.io/pvc-protection"

enum { POD_BYTES = 8 * 1024 * 1024 };

struct protection {
    struct ctl_unit unit;
    struct cache *claims, *pods;
};

/* The claim behind a volume of a pod, or nothing: named, or made for the pod. */
static struct str claim_of(struct arena *a, const struct json *pod, const struct json *volume)
{
    if (!json_absent(json_get(volume, "persistentVolumeClaim")))
        return json_path_str(volume, "persistentVolumeClaim.claimName");
    if (json_absent(json_get(volume, "ephemeral")))
        return STR("");
    const char *name = arena_printf(a, STR_FMT "-" STR_FMT,
                                    STR_ARG(json_path_str(pod, "metadata.name")),
                                    STR_ARG(json_path_str(volume, "name")));
    return name ? str_of(name) : STR("");
}

/* Told by the API to go at once, or done with by its node. */
static bool shut_down(const struct json *pod)
{
    return !json_absent(json_path(pod, "metadata.deletionTimestamp")) &&
           json_path_i64(pod, "metadata.deletionGracePeriodSeconds", 1) == 0;
}

static bool owns(const struct json *pod, const struct json *claim)
{
    for (const struct json *o = json_first(json_path(claim, "metadata.ownerReferences")); o; o = o->next)
        if (json_path_bool(o, "controller", false) &&
            str_eq(json_path_str(o, "uid"), json_path_str(pod, "metadata.uid")))
            return true;
    return false;
}

static bool uses(struct arena *a, const struct json *pod, const struct json *claim)
{
    struct str name = json_path_str(claim, "metadata.name");
    if (!json_path_str(pod, "spec.nodeName").n)
        return false;
    for (const struct json *v = json_first(json_path(pod, "spec.volumes")); v; v = v->next) {
        if (!str_eq(claim_of(a, pod, v), name) || !name.n)
            continue;
        if (!json_absent(json_get(v, "persistentVolumeClaim")) ||
            (!shut_down(pod) && owns(pod, claim)))
            return true;
    }
    return false;
}

struct search {
    struct arena *a;
    const struct json *claim;
    bool used;
};

static bool look(void *ctx, struct object *pod)
{
    struct search *s = ctx;
    struct json *tree = object_json(pod, s->a);
    s->used = !tree || uses(s->a, tree, s->claim);
    return !s->used;
}

static int reconcile(void *ctx, const char *key, struct arena *a, struct plan *p, struct err *err)
{
    struct protection *u = ctx;
    const char *ns, *name;
    int rc = controller_key(a, key, &ns, &name);
    if (rc < 0)
        return err_set(err, -rc, "key: %s", err_text(rc));
    struct object *o = cache_get(u->claims, ns, name);
    struct json *claim = object_json(o, a);
    char *path = client_path(a, NULL, "v1", ns, "persistentvolumeclaims", name, NULL);
    struct search s = {a, claim, false};
    if (!claim || !path)
        return 0;
    if (o->deleting)
        cache_index_each(u->pods, "claim", key, look, &s);
    if (ctl_protection_settle(p, claim, FINALIZER, s.used))
        plan_update(p, path, claim, u->claims);
    return 0;
}

struct claims {
    struct arena *a;
    void (*emit)(void *arg, const char *value);
    void *arg;
};

/* "NAMESPACE/NAME" of each claim. */
static void each_claim(struct claims *c, const struct json *pod)
{
    for (const struct json *v = json_first(json_path(pod, "spec.volumes")); v; v = v->next) {
        struct str name = claim_of(c->a, pod, v);
        const char *key = name.n ? arena_printf(c->a, STR_FMT "/" STR_FMT,
                                                STR_ARG(json_path_str(pod, "metadata.namespace")),
                                                STR_ARG(name))
                                 : NULL;
        if (key)
            c->emit(c->arg, key);
    }
}

static void index_claims(const struct json *pod, void (*emit)(void *, const char *), void *arg)
{
    struct arena a CLEANUP_ARENA;
    arena_init(&a, POD_BYTES);
    each_claim(&(struct claims){&a, emit, arg}, pod);
}

static void enqueue(void *unit, const char *key)
{
    controller_enqueue(((struct protection *)unit)->unit.controller, key);
}

/* A pod that is gone, finished or not on a node yet may have let go of its claims. */
static void enqueue_claims(struct protection *u, struct object *o, bool gone)
{
    struct arena a CLEANUP_ARENA;
    arena_init(&a, POD_BYTES);
    if (str_find(o->json, STR("\"persistentVolumeClaim\"")) < 0 &&
        str_find(o->json, STR("\"ephemeral\"")) < 0)
        return;
    struct json *pod = object_json(o, &a);
    if (pod && (gone || ctl_pod_finished(pod) || shut_down(pod) ||
                !json_path_str(pod, "spec.nodeName").n))
        each_claim(&(struct claims){&a, enqueue, u}, pod);
}

static void pod_changed(void *unit, struct object *old, struct object *new)
{
    if (new)
        enqueue_claims(unit, new, false);
    if (old && (!new || !cstr_eq(old->uid, new->uid)))
        enqueue_claims(unit, old, true);
}

int pvc_protection_start(struct ctl *c)
{
    struct ctl_unit *u;
    int rc = ctl_unit_new(c, sizeof(struct protection), "pvc-protection", reconcile, &u);
    if (rc < 0)
        return rc;
    struct protection *t = (struct protection *)u;
    rc = ctl_unit_listen(u, "/api/v1/persistentvolumeclaims", ctl_enqueue_self, &t->claims);
    if (rc == 0)
        rc = ctl_unit_listen(u, "/api/v1/pods", pod_changed, &t->pods);
    return rc < 0 ? rc : cache_index_add(t->pods, "claim", index_claims);
}
