/*
 * Deployment: moves from one ReplicaSet to the next within maxSurge and maxUnavailable.
 * Source: kubernetes.io, "Deployments" (strategies, proportional scaling, rollover, revisions).
 */
#include "ctl/deployment.h"

#include <stdlib.h>

static int older(const void *pa, const void *pb)
{
    const struct ctl_item *a = pa, *b = pb;
    int64_t ta = ctl_time(json_path(a->tree, "metadata.creationTimestamp"));
    int64_t tb = ctl_time(json_path(b->tree, "metadata.creationTimestamp"));
    if (ta != tb)
        return ta < tb ? -1 : 1;
    return strcmp(a->object->name, b->object->name);
}

static void read_strategy(struct rollout *r)
{
    const struct json *rolling = json_path(r->tree, "spec.strategy.rollingUpdate");
    r->replicas = json_path_i64(r->tree, "spec.replicas", 1);
    r->min_ready_s = json_path_i64(r->tree, "spec.minReadySeconds", 0);
    r->max_surge = ctl_int_or_percent(json_get(rolling, "maxSurge"), r->replicas, true, 0);
    r->max_unavailable =
        ctl_int_or_percent(json_get(rolling, "maxUnavailable"), r->replicas, false, 0);
    if (r->max_surge == 0 && r->max_unavailable == 0)
        r->max_unavailable = 1; /* both rounded to nothing: it must move all the same */
    if (r->max_unavailable > r->replicas)
        r->max_unavailable = r->replicas;
}

static bool recreate(const struct rollout *r)
{
    return cstr_eq(json_path_cstr(r->tree, "spec.strategy.type"), "Recreate");
}

static int64_t surge(const struct rollout *r)
{
    return recreate(r) ? 0 : r->max_surge;
}

/* ---- scaling outside a rollout ---- */

/* Spreads a changed spec.replicas over the sets in proportion to their size. */
static void scale_proportionally(struct rollout *r)
{
    int64_t all = rollout_sum(r, "spec.replicas");
    int64_t allowed = r->replicas > 0 ? r->replicas + surge(r) : 0;
    int64_t to_add = allowed - all, left = to_add;

    for (size_t i = r->sets.count; i-- > 0 && all > 0;) { /* newest first gets the rounding */
        struct ctl_item *set = &r->sets.at[i];
        int64_t have = set_i64(set, "spec.replicas");
        int64_t was = 0;
        const struct json *notes = json_path(set->tree, "metadata.annotations");
        if (str_to_i64(json_str(json_get(notes, DEPLOYMENT_MAX)), &was) < 0 || was <= 0)
            was = all;
        if (have == 0)
            continue;
        int64_t share = (have * allowed + was / 2) / was - have;
        if ((to_add > 0 && share > left) || (to_add < 0 && share < left))
            share = left;
        if ((to_add > 0 && share < 0) || (to_add < 0 && share > 0))
            share = 0;
        left -= share;
        rollout_scale(r, set, have + share < 0 ? 0 : have + share);
    }
    if (left && r->current) {
        int64_t n = set_i64(r->current, "spec.replicas") + left;
        rollout_scale(r, r->current, n < 0 ? 0 : n);
    }
}

/* Was spec.replicas changed since the sets were last sized? */
static bool resized(const struct rollout *r)
{
    for (size_t i = 0; i < r->sets.count; i++) {
        const struct json *notes = json_path(r->sets.at[i].tree, "metadata.annotations");
        int64_t desired;
        if (set_i64(&r->sets.at[i], "spec.replicas") > 0 &&
            str_to_i64(json_str(json_get(notes, DEPLOYMENT_DESIRED)), &desired) == 0 &&
            desired != r->replicas)
            return true;
    }
    return false;
}

static void scale(struct rollout *r)
{
    struct ctl_item *only = NULL;
    size_t active = 0;
    for (size_t i = 0; i < r->sets.count; i++)
        if (set_i64(&r->sets.at[i], "spec.replicas") > 0) {
            only = &r->sets.at[i];
            active++;
        }
    if (active == 0)
        only = r->current;
    if (active <= 1 && only) {
        if (set_i64(only, "spec.replicas") != r->replicas)
            rollout_scale(r, only, r->replicas);
        return;
    }
    if (!recreate(r))
        scale_proportionally(r);
}

/* ---- rolling update ---- */

static bool grow_current(struct rollout *r)
{
    int64_t have = set_i64(r->current, "spec.replicas");
    int64_t room = r->replicas + r->max_surge - rollout_sum(r, "spec.replicas");
    int64_t want = have;

    if (have > r->replicas)
        want = r->replicas;
    else if (have < r->replicas && room > 0)
        want = have + (room < r->replicas - have ? room : r->replicas - have);
    if (want == have)
        return false;
    rollout_scale(r, r->current, want);
    return true;
}

/* Takes from old sets what is not available anyway, then what availability allows. */
static void shrink_old(struct rollout *r)
{
    int64_t least = r->replicas - r->max_unavailable;
    int64_t current_gone =
        set_i64(r->current, "spec.replicas") - set_i64(r->current, "status.availableReplicas");
    int64_t can_go = rollout_sum(r, "spec.replicas") - least - (current_gone > 0 ? current_gone : 0);
    int64_t *sizes = arena_alloc(r->arena, (r->sets.count + 1) * sizeof *sizes);

    if (can_go <= 0 || !sizes)
        return;
    int64_t available = rollout_sum(r, "status.availableReplicas");
    for (size_t i = 0; i < r->sets.count; i++) { /* unhealthy ones first */
        struct ctl_item *set = &r->sets.at[i];
        sizes[i] = set_i64(set, "spec.replicas");
        if (set == r->current)
            continue;
        int64_t sick = sizes[i] - set_i64(set, "status.availableReplicas");
        int64_t go = sick < can_go ? sick : can_go;
        if (go > 0) {
            sizes[i] -= go;
            can_go -= go;
        }
    }
    int64_t spare = available - least;
    for (size_t i = 0; i < r->sets.count; i++) {
        struct ctl_item *set = &r->sets.at[i];
        if (set == r->current)
            continue;
        int64_t go = sizes[i] < spare ? sizes[i] : spare;
        if (go > can_go)
            go = can_go;
        if (go > 0) {
            sizes[i] -= go;
            spare -= go;
            can_go -= go;
        }
        if (sizes[i] != set_i64(set, "spec.replicas"))
            rollout_scale(r, set, sizes[i]);
    }
}

static bool any_old_pods(const struct rollout *r)
{
    for (size_t i = 0; i < r->sets.count; i++)
        if (&r->sets.at[i] != r->current && set_i64(&r->sets.at[i], "status.replicas") > 0)
            return true;
    return false;
}

static bool old_pod_left(void *ctx, struct object *o)
{
    bool *left = ctx;
    (void)o;
    *left = true;
    return false;
}

/* Recreate: everything old is gone, also what is still terminating, before anything new comes. */
static void roll_recreate(struct rollout *r)
{
    bool shrunk = false, left = false;
    for (size_t i = 0; i < r->sets.count; i++)
        if (&r->sets.at[i] != r->current && set_i64(&r->sets.at[i], "spec.replicas") > 0) {
            rollout_scale(r, &r->sets.at[i], 0);
            shrunk = true;
        }
    for (size_t i = 0; i < r->sets.count && !left; i++)
        if (&r->sets.at[i] != r->current)
            cache_index_each(r->ctl->pods, "controller", r->sets.at[i].object->uid, old_pod_left,
                             &left);
    if (shrunk || left || any_old_pods(r))
        return;
    rollout_ensure_current(r);
    if (r->current && set_i64(r->current, "spec.replicas") != r->replicas)
        rollout_scale(r, r->current, r->replicas);
}

static void roll(struct rollout *r)
{
    if (recreate(r)) {
        roll_recreate(r);
        return;
    }
    rollout_ensure_current(r);
    if (!r->current || r->waiting)
        return;
    if (!grow_current(r))
        shrink_old(r);
}

static int reconcile(void *ctx, const char *key, struct arena *a, struct plan *p, struct err *err)
{
    struct rollout r = {.ctl = ctx, .arena = a, .plan = p};
    const char *ns, *name;
    int rc = controller_key(a, key, &ns, &name);

    if (rc < 0)
        return err_set(err, -rc, "key: %s", err_text(rc));
    r.object = cache_get(r.ctl->deployments, ns, name);
    r.tree = object_json(r.object, a);
    if (!r.tree)
        return r.object ? -E_NOMEM : 0;
    rc = ctl_claim(a, p, r.ctl->sets, "apps", "replicasets", r.tree, "apps/v1", "Deployment",
                   json_path(r.tree, "spec.selector"), &r.sets);
    if (rc < 0)
        return rc;
    if (r.sets.count)
        qsort(r.sets.at, r.sets.count, sizeof r.sets.at[0], older);
    read_strategy(&r);
    rollout_find_current(&r);
    if (!r.object->deleting) {
        if (json_path_bool(r.tree, "spec.paused", false) || (resized(&r) && r.sets.count))
            scale(&r);
        else
            roll(&r);
        if (!r.waiting && rollout_complete(&r))
            rollout_cleanup(&r);
    }
    rollout_status(&r);
    return 0;
}

/* ---- wiring ---- */

static bool enqueue_one(void *ctx, struct object *o)
{
    struct deployment *d = ctx;
    controller_enqueue_object(d->unit.controller, o);
    return true;
}

static void set_changed(void *unit, struct object *old, struct object *new)
{
    struct deployment *d = unit;
    struct object *o = new ? new : old;
    if (o->controller_uid[0])
        cache_index_each(d->deployments, "uid", o->controller_uid, enqueue_one, d);
    else if (new)
        cache_index_each(d->deployments, "namespace", o->namespace, enqueue_one, d);
}

static bool enqueue_owner_of(void *ctx, struct object *set)
{
    struct deployment *d = ctx;
    cache_index_each(d->deployments, "uid", set->controller_uid, enqueue_one, d);
    return true;
}

/* Only the end of a pod matters here (Recreate waits for it); the rest shows in ReplicaSets. */
static void pod_changed(void *unit, struct object *old, struct object *new)
{
    struct deployment *d = unit;
    if (!new && old->controller_uid[0])
        cache_index_each(d->sets, "uid", old->controller_uid, enqueue_owner_of, d);
}

static void deployment_changed(void *unit, struct object *old, struct object *new)
{
    if (new)
        ctl_enqueue_self(unit, old, new);
}

int deployment_start(struct ctl *c)
{
    struct ctl_unit *u;
    int rc = ctl_unit_new(c, sizeof(struct deployment), "deployment", reconcile, &u);
    if (rc < 0)
        return rc;
    struct deployment *d = (struct deployment *)u;
    rc = ctl_unit_listen(u, "/apis/apps/v1/deployments", deployment_changed, &d->deployments);
    if (rc == 0)
        rc = ctl_unit_listen(u, "/apis/apps/v1/replicasets", set_changed, &d->sets);
    if (rc == 0)
        rc = ctl_unit_listen(u, "/api/v1/pods", pod_changed, &d->pods);
    if (rc == 0)
        rc = cache_index_add(d->deployments, "uid", ctl_index_uid);
    if (rc == 0)
        rc = cache_index_add(d->deployments, "namespace", cache_index_namespace);
    if (rc == 0)
        rc = cache_index_add(d->sets, "controller", cache_index_controller);
    if (rc == 0)
        rc = cache_index_add(d->sets, "uid", ctl_index_uid);
    if (rc == 0)
        rc = cache_index_add(d->sets, "namespace", cache_index_namespace);
    return rc < 0 ? rc : cache_index_add(d->pods, "controller", cache_index_controller);
}
