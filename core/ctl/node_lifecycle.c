/*
 * Node lifecycle: a node whose lease is not renewed becomes Unknown; conditions become taints;
 * pods leave a node that stays away (tolerationSeconds), and pods of nodes that are gone are
 * deleted. Source: kubernetes.io, "Nodes", "Taint based Evictions".
 */
#include <stdio.h>

#include "ctl/ctl_int.h"

enum { GRACE_S = 50, CHECK_MS = 5000, GONE_MS = 20 * 1000 };

struct lifecycle {
    struct ctl_unit unit;
    struct cache *nodes, *leases, *pods;
};

static const struct {
    const char *condition, *status, *taint;
    bool execute; /* NoExecute beside NoSchedule */
} taints[] = {
    {"Ready", "False", "node.kubernetes.io/not-ready", true},
    {"Ready", "Unknown", "node.kubernetes.io/unreachable", true},
    {"MemoryPressure", "True", "node.kubernetes.io/memory-pressure", false},
    {"DiskPressure", "True", "node.kubernetes.io/disk-pressure", false},
    {"PIDPressure", "True", "node.kubernetes.io/pid-pressure", false},
    {"NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable", false},
};

static bool managed(const char *key)
{
    for (size_t i = 0; i < sizeof taints / sizeof taints[0]; i++)
        if (cstr_eq(key, taints[i].taint))
            return true;
    return cstr_eq(key, "node.kubernetes.io/unschedulable");
}

static const struct json *find_taint(const struct json *list, const char *key, const char *effect)
{
    for (struct json *t = json_first(list); t; t = t->next)
        if (cstr_eq(json_path_cstr(t, "key"), key) && cstr_eq(json_path_cstr(t, "effect"), effect))
            return t;
    return NULL;
}

static void add_taint(struct arena *a, struct json *to, const struct json *before, const char *key,
                      const char *effect, const char *now)
{
    const struct json *have = find_taint(before, key, effect);
    if (have) {
        json_append(a, to, json_clone(a, have));
        return;
    }
    struct json *t = json_append(a, to, json_new(a, JSON_OBJECT));
    json_set_cstr(a, t, "key", key);
    json_set_cstr(a, t, "effect", effect);
    if (cstr_eq(effect, "NoExecute"))
        json_set_cstr(a, t, "timeAdded", now);
}

static struct json *wanted_taints(struct arena *a, const struct json *node, const char *now)
{
    const struct json *before = json_path(node, "spec.taints");
    struct json *out = json_new(a, JSON_ARRAY);
    for (struct json *t = json_first(before); t; t = t->next)
        if (!managed(json_path_cstr(t, "key")))
            json_append(a, out, json_clone(a, t));
    for (size_t i = 0; i < sizeof taints / sizeof taints[0]; i++) {
        const struct json *c = ctl_condition(node, taints[i].condition);
        if (!c || !cstr_eq(json_path_cstr(c, "status"), taints[i].status))
            continue;
        add_taint(a, out, before, taints[i].taint, "NoSchedule", now);
        if (taints[i].execute)
            add_taint(a, out, before, taints[i].taint, "NoExecute", now);
    }
    if (json_path_bool(node, "spec.unschedulable", false))
        add_taint(a, out, before, "node.kubernetes.io/unschedulable", "NoSchedule", now);
    return out;
}

/* ---- a node that stopped renewing ---- */

static bool silent(struct lifecycle *l, struct arena *a, const struct json *node, struct plan *p)
{
    struct object *lease = cache_get(l->leases, "kube-node-lease", json_path_cstr(node, "metadata.name"));
    struct json *tree = object_json(lease, a);
    int64_t seen = ctl_time(json_path(tree, "spec.renewTime"));
    int64_t heard = ctl_time(json_get(ctl_condition(node, "Ready"), "lastHeartbeatTime"));
    int64_t born = ctl_time(json_path(node, "metadata.creationTimestamp"));
    int64_t last = seen > heard ? seen : heard;
    return (last > born ? last : born) + GRACE_S < plan_now_s(p);
}

static void mark_unknown(struct lifecycle *l, struct arena *a, struct plan *p, const struct json *node)
{
    static const char *const types[] = {"Ready", "MemoryPressure", "DiskPressure", "PIDPressure"};
    struct json *copy = json_clone(a, node), *status = json_object_at(a, copy, "status");
    struct json *conditions = json_array_at(a, status, "conditions");
    bool changed = false;
    const char *now = plan_now_text(p);

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (cstr_eq(json_path_cstr(ctl_condition(copy, types[i]), "status"), "Unknown"))
            continue;
        changed |= ctl_condition_set(a, conditions, types[i], "Unknown", "NodeStatusUnknown",
                                     "Kubelet stopped posting node status.", now);
    }
    for (struct json *c = json_first(conditions); c; c = c->next)
        json_remove(c, "lastUpdateTime"); /* a node's conditions have none */
    char *path = ctl_object_path(a, NULL, "v1", "nodes", node, "status");
    if (path && changed) {
        plan_update(p, path, copy, l->nodes);
        plan_event(p, node, "Normal", "NodeNotReady", "node-controller",
                   arena_printf(a, "Node %s status is now: NodeNotReady",
                                json_path_cstr(node, "metadata.name")));
    }
}

/* ---- pods that must leave ---- */

static bool tolerates(const struct json *toleration, const struct json *taint)
{
    const char *effect = json_path_cstr(toleration, "effect");
    const char *key = json_path_cstr(toleration, "key");
    if ((effect[0] && !cstr_eq(effect, json_path_cstr(taint, "effect"))) ||
        (key[0] && !cstr_eq(key, json_path_cstr(taint, "key"))))
        return false;
    return cstr_eq(json_path_cstr(toleration, "operator"), "Exists") ||
           (key[0] && cstr_eq(json_path_cstr(toleration, "value"), json_path_cstr(taint, "value")));
}

/* Seconds until the pod must leave because of this taint: -1 never. */
static int64_t stays_for(const struct json *pod, const struct json *taint, int64_t now_s)
{
    int64_t least = INT64_MAX;
    bool any = false;
    for (struct json *t = json_first(json_path(pod, "spec.tolerations")); t; t = t->next) {
        if (!tolerates(t, taint))
            continue;
        any = true;
        const struct json *seconds = json_get(t, "tolerationSeconds");
        if (!json_absent(seconds) && json_i64(seconds, 0) < least)
            least = json_i64(seconds, 0) > 0 ? json_i64(seconds, 0) : 0;
    }
    if (!any)
        return 0;
    if (least == INT64_MAX)
        return -1;
    int64_t left = ctl_time(json_get(taint, "timeAdded")) + least - now_s;
    return left > 0 ? left : 0;
}

struct evict {
    struct lifecycle *ctl;
    struct arena *arena;
    struct plan *plan;
    const struct json *taints;
};

static bool evict_one(void *ctx, struct object *o)
{
    struct evict *e = ctx;
    struct json *pod = o->deleting ? NULL : object_json(o, e->arena);
    for (struct json *t = pod ? json_first(e->taints) : NULL; t; t = t->next) {
        if (!cstr_eq(json_path_cstr(t, "effect"), "NoExecute"))
            continue;
        int64_t left = stays_for(pod, t, plan_now_s(e->plan));
        if (left > 0)
            plan_requeue(e->plan, left * 1000);
        if (left != 0)
            continue;
        char *path = ctl_object_path(e->arena, NULL, "v1", "pods", pod, NULL);
        if (path)
            plan_delete(e->plan, path, o, NULL, e->ctl->pods);
        plan_event(e->plan, pod, "Normal", "TaintManagerEviction", "taint-eviction-controller",
                   arena_printf(e->arena, "Marking for deletion Pod %s/%s", o->namespace, o->name));
        break;
    }
    return true;
}

static bool drop_orphan(void *ctx, struct object *o)
{
    struct evict *e = ctx;
    struct json *now = json_new(e->arena, JSON_OBJECT);
    char *path = client_path(e->arena, NULL, "v1", o->namespace, "pods", o->name, NULL);
    json_set_i64(e->arena, now, "gracePeriodSeconds", 0);
    if (path)
        plan_delete(e->plan, path, o, now, e->ctl->pods);
    return true;
}

static int reconcile(void *ctx, const char *key, struct arena *a, struct plan *p, struct err *err)
{
    struct lifecycle *l = ctx;
    const char *none, *name;
    int rc = controller_key(a, key, &none, &name);

    if (rc < 0)
        return err_set(err, -rc, "key: %s", err_text(rc));
    struct evict e = {.ctl = l, .arena = a, .plan = p};
    struct object *o = cache_get(l->nodes, "", name);
    struct json *node = object_json(o, a);
    if (!node) { /* nobody is left to end these pods */
        if (!o)
            cache_index_each(l->pods, "node", name, drop_orphan, &e);
        return o ? -E_NOMEM : 0;
    }
    plan_requeue(p, CHECK_MS);
    if (silent(l, a, node, p))
        mark_unknown(l, a, p, node);
    struct json *wanted = wanted_taints(a, node, plan_now_text(p));
    const struct json *have = json_path(node, "spec.taints");
    e.taints = wanted;
    if (have ? !json_equal(have, wanted) : json_count(wanted) > 0) {
        char *path = ctl_object_path(a, NULL, "v1", "nodes", node, NULL);
        struct json *copy = json_clone(a, node);
        struct json *spec = json_object_at(a, copy, "spec");
        if (json_count(wanted))
            json_set(a, spec, "taints", json_clone(a, wanted));
        else
            json_remove(spec, "taints");
        if (path)
            plan_update(p, path, copy, l->nodes);
    }
    cache_index_each(l->pods, "node", name, evict_one, &e);
    return 0;
}

static void node_changed(void *unit, struct object *old, struct object *new)
{
    struct lifecycle *l = unit;
    char key[300];
    if (new) {
        controller_enqueue_object(l->unit.controller, new);
        return;
    }
    snprintf(key, sizeof key, "/%s", old->name);
    controller_enqueue_after(l->unit.controller, key, GONE_MS);
}

static void index_node(const struct json *pod, void (*emit)(void *, const char *), void *arg)
{
    const char *node = json_path_cstr(pod, "spec.nodeName");
    if (node[0])
        emit(arg, node);
}

int node_lifecycle_start(struct ctl *c)
{
    struct ctl_unit *u;
    int rc = ctl_unit_new(c, sizeof(struct lifecycle), "node-lifecycle", reconcile, &u);
    if (rc < 0)
        return rc;
    struct lifecycle *l = (struct lifecycle *)u;
    rc = ctl_unit_listen(u, "/api/v1/nodes", node_changed, &l->nodes);
    if (rc == 0)
        rc = ctl_unit_cache(u, "/apis/coordination.k8s.io/v1/leases", &l->leases);
    if (rc == 0)
        rc = ctl_unit_cache(u, "/api/v1/pods", &l->pods);
    return rc < 0 ? rc : cache_index_add(l->pods, "node", index_node);
}
