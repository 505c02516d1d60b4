/*
 * ReplicaSet and ReplicationController: as many pods as spec.replicas says, made from spec.template.
 * Source: kubernetes.io, "ReplicaSet"; the order in which pods are given up is upstream's.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ctl/ctl_int.h"

enum { BURST = 500, RETRY_MS = 200 };

/* What tells the two kinds apart. */
struct form {
    const char *group, *api_version, *kind, *plural, *collection, *component;
    bool plain_selector; /* labels, not requirements */
};

static const struct form replica_set = {
    .group = "apps",
    .api_version = "apps/v1",
    .kind = "ReplicaSet",
    .plural = "replicasets",
    .collection = "/apis/apps/v1/replicasets",
    .component = "replicaset-controller",
};
static const struct form replication_controller = {
    .api_version = "v1",
    .kind = "ReplicationController",
    .plural = "replicationcontrollers",
    .collection = "/api/v1/replicationcontrollers",
    .component = "replication-controller",
    .plain_selector = true,
};

struct replicaset {
    struct ctl_unit unit;
    const struct form *form;
    struct cache *sets, *pods;
};

static bool enqueue_one(void *ctx, struct object *o)
{
    struct replicaset *rs = ctx;
    controller_enqueue_object(rs->unit.controller, o);
    return true;
}

static void enqueue_owner(struct replicaset *rs, const char *uid)
{
    cache_index_each(rs->sets, "uid", uid, enqueue_one, rs);
}

static void pod_changed(void *unit, struct object *old, struct object *new)
{
    struct replicaset *rs = unit;
    if (old && old->controller_uid[0])
        enqueue_owner(rs, old->controller_uid);
    if (new && new->controller_uid[0])
        enqueue_owner(rs, new->controller_uid);
    else if (new && !new->deleting) /* an orphan: somebody may want it */
        cache_index_each(rs->sets, "namespace", new->namespace, enqueue_one, rs);
}

/* ---- which pods go first ---- */

static int phase_rank(const struct json *pod)
{
    const char *phase = json_path_cstr(pod, "status.phase");
    return cstr_eq(phase, "Pending") ? 0 : cstr_eq(phase, "Running") ? 2 : 1;
}

static int64_t deletion_cost(const struct json *pod)
{
    struct json *notes = json_path(pod, "metadata.annotations");
    int64_t cost = 0;
    if (str_to_i64(json_str(json_get(notes, "controller.kubernetes.io/pod-deletion-cost")), &cost) < 0)
        return 0;
    return cost;
}

static int64_t restarts(const struct json *pod)
{
    int64_t most = 0;
    for (struct json *c = json_first(json_path(pod, "status.containerStatuses")); c; c = c->next) {
        int64_t n = json_path_i64(c, "restartCount", 0);
        most = n > most ? n : most;
    }
    return most;
}

static int order(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* Negative: a is given up before b. */
static int expendable(const void *pa, const void *pb)
{
    const struct json *a = ((const struct ctl_item *)pa)->tree;
    const struct json *b = ((const struct ctl_item *)pb)->tree;
    int c = order(json_path_cstr(a, "spec.nodeName")[0] != 0, json_path_cstr(b, "spec.nodeName")[0] != 0);
    if (c == 0)
        c = order(phase_rank(a), phase_rank(b));
    if (c == 0)
        c = order(ctl_pod_ready(a), ctl_pod_ready(b));
    if (c == 0)
        c = order(deletion_cost(a), deletion_cost(b));
    if (c == 0 && ctl_pod_ready(a)) /* ready for a shorter time first */
        c = -order(ctl_time(json_get(ctl_condition(a, "Ready"), "lastTransitionTime")),
                   ctl_time(json_get(ctl_condition(b, "Ready"), "lastTransitionTime")));
    if (c == 0)
        c = -order(restarts(a), restarts(b));
    if (c == 0)
        c = -order(ctl_time(json_path(a, "metadata.creationTimestamp")),
                   ctl_time(json_path(b, "metadata.creationTimestamp")));
    return c;
}

/* ---- acts ---- */

static void make_pod(struct replicaset *rs, struct arena *a, struct plan *p, const struct json *set)
{
    const struct json *template = json_path(set, "spec.template");
    const char *name = json_path_cstr(set, "metadata.name");
    struct json *pod = json_clone(a, template), *meta = json_object_at(a, pod, "metadata");
    char *pod_name = ctl_random_name(rs->unit.ctl, a, name);
    char *prefix = arena_printf(a, "%s-", name);
    const char *ns = json_path_cstr(set, "metadata.namespace");
    char *path = client_path(a, NULL, "v1", ns, "pods", NULL, NULL);

    if (!pod_name || !prefix || !path)
        return; /* the arena's failure fails the reconcile */
    json_set_cstr(a, pod, "apiVersion", "v1");
    json_set_cstr(a, pod, "kind", "Pod");
    json_remove(meta, "creationTimestamp");
    json_set_cstr(a, meta, "name", pod_name);
    json_set_cstr(a, meta, "generateName", prefix);
    json_set_cstr(a, meta, "namespace", ns);
    json_append(a, json_array_at(a, meta, "ownerReferences"),
                ctl_owner_reference(a, rs->form->api_version, rs->form->kind, name,
                                    json_path_cstr(set, "metadata.uid")));
    plan_create(p, path, pod, rs->pods, PLAN_TOLERATE_NOTHING);
    char *message = arena_printf(a, "Created pod: %s", pod_name);
    plan_event(p, set, "Normal", "SuccessfulCreate", rs->form->component, message);
}

static void drop_pod(struct replicaset *rs, struct arena *a, struct plan *p, const struct json *set,
                     const struct ctl_item *pod)
{
    char *path = ctl_object_path(a, NULL, "v1", "pods", pod->tree, NULL);
    char *message = arena_printf(a, "Deleted pod: %s", pod->object->name);
    if (!path || !message)
        return;
    plan_delete(p, path, pod->object, NULL, rs->pods);
    plan_event(p, set, "Normal", "SuccessfulDelete", rs->form->component, message);
}

struct counts {
    int64_t all, labelled, ready, available;
};

static void count(const struct json *set, const struct ctl_list *pods, struct plan *p,
                  struct counts *ret_counts)
{
    const struct json *labels = json_path(set, "spec.template.metadata.labels");
    int64_t min_ready = json_path_i64(set, "spec.minReadySeconds", 0);
    *ret_counts = (struct counts){.all = (int64_t)pods->count};
    for (size_t i = 0; i < pods->count; i++) {
        const struct json *pod = pods->at[i].tree;
        int64_t wait = 0;
        bool full = true;
        for (struct json *l = json_first(labels); l && full; l = l->next)
            full = str_eq(json_str(json_get_str(json_path(pod, "metadata.labels"), l->key)), json_str(l));
        ret_counts->labelled += full;
        ret_counts->ready += ctl_pod_ready(pod);
        ret_counts->available += ctl_pod_available(pod, min_ready, plan_now_s(p), &wait);
        if (wait > 0)
            plan_requeue(p, wait * 1000);
    }
}

static void set_count(struct arena *a, struct json *status, const char *key, int64_t v)
{
    if (v || json_get(status, key))
        json_set_i64(a, status, key, v);
}

/* Why there are not as many pods as there should be: what the API said when one was made or
 * deleted, the first time. True: that is news. */
static bool set_failure(struct arena *a, struct plan *p, struct json *status, int64_t diff,
                        const char *failure)
{
    struct json *conditions = json_get(status, "conditions"), *c = json_first(conditions);
    uint32_t at = 0;
    for (; c && !cstr_eq(json_path_cstr(c, "type"), "ReplicaFailure"); c = c->next)
        at++;
    if (failure && !c) {
        c = json_append(a, json_array_at(a, status, "conditions"), json_new(a, JSON_OBJECT));
        json_set_cstr(a, c, "type", "ReplicaFailure");
        json_set_cstr(a, c, "status", "True");
        json_set_cstr(a, c, "lastTransitionTime", plan_now_text(p));
        json_set_cstr(a, c, "reason", diff < 0 ? "FailedCreate" : "FailedDelete");
        json_set_cstr(a, c, "message", failure);
        return true;
    }
    if (c && diff == 0)
        json_remove_at(conditions, at);
    if (conditions && !json_count(conditions))
        json_remove(status, "conditions");
    return false;
}

static bool write_status(struct replicaset *rs, struct arena *a, struct plan *p, struct json *set,
                         const struct ctl_list *pods, int64_t diff)
{
    struct counts n;
    const struct json *before = json_clone(a, json_get(set, "status"));
    struct json *status = json_object_at(a, set, "status");

    count(set, pods, p, &n);
    json_set_i64(a, status, "replicas", n.all);
    set_count(a, status, "fullyLabeledReplicas", n.labelled);
    set_count(a, status, "readyReplicas", n.ready);
    set_count(a, status, "availableReplicas", n.available);
    json_set_i64(a, status, "observedGeneration", json_path_i64(set, "metadata.generation", 0));
    const char *failure = diff ? plan_failure(p, diff < 0 ? "POST" : "DELETE") : NULL;
    bool news = set_failure(a, p, status, diff, failure);
    if (news) {
        char *message = arena_printf(a, "Error %s: %s", diff < 0 ? "creating" : "deleting", failure);
        plan_event(p, set, "Warning", diff < 0 ? "FailedCreate" : "FailedDelete",
                   rs->form->component, message);
    }
    char *path = ctl_object_path(a, rs->form->group, "v1", rs->form->plural, set, "status");
    if (path && !json_equal(before, status))
        plan_update(p, path, set, rs->sets);
    return news;
}

static const struct json *selector_of(const struct replicaset *rs, struct arena *a,
                                      const struct json *set)
{
    const struct json *own = json_path(set, "spec.selector");
    if (!rs->form->plain_selector)
        return own;
    struct json *selector = json_new(a, JSON_OBJECT);
    json_set(a, selector, "matchLabels", own ? json_clone(a, own) : json_new(a, JSON_OBJECT));
    return selector;
}

static int reconcile(void *ctx, const char *key, struct arena *a, struct plan *p, struct err *err)
{
    struct replicaset *rs = ctx;
    const char *ns, *name;
    struct ctl_list pods, active = {0};
    int rc = controller_key(a, key, &ns, &name);
    if (rc < 0)
        return err_set(err, -rc, "key: %s", err_text(rc));
    struct object *o = cache_get(rs->sets, ns, name);
    struct json *set = object_json(o, a);
    if (!set)
        return o ? -E_NOMEM : 0;
    rc = ctl_claim(a, p, rs->pods, NULL, "pods", set, rs->form->api_version, rs->form->kind,
                   selector_of(rs, a, set), &pods);
    for (size_t i = 0; i < pods.count && rc == 0; i++)
        if (ctl_pod_active(pods.at[i].tree))
            rc = ctl_list_add(a, &active, pods.at[i].object);
    if (rc < 0)
        return rc;
    int64_t diff = (int64_t)active.count - json_path_i64(set, "spec.replicas", 1);
    diff = o->deleting ? 0 : diff;
    /* What went wrong is told before it is tried again. */
    if (write_status(rs, a, p, set, &active, diff)) {
        plan_requeue(p, RETRY_MS);
        return 0;
    }
    for (int64_t i = 0; i < -diff && i < BURST; i++)
        make_pod(rs, a, p, set);
    if (diff > 0)
        qsort(active.at, active.count, sizeof active.at[0], expendable);
    for (int64_t i = 0; i < diff && i < BURST; i++)
        drop_pod(rs, a, p, set, &active.at[i]);
    return 0;
}

static void set_changed(void *unit, struct object *old, struct object *new)
{
    if (new)
        ctl_enqueue_self(unit, old, new);
}

static int start(struct ctl *c, const char *name, const struct form *form)
{
    struct ctl_unit *u;
    int rc = ctl_unit_new(c, sizeof(struct replicaset), name, reconcile, &u);
    if (rc < 0)
        return rc;
    struct replicaset *rs = (struct replicaset *)u;
    rs->form = form;
    rc = ctl_unit_listen(u, form->collection, set_changed, &rs->sets);
    if (rc == 0)
        rc = ctl_unit_listen(u, "/api/v1/pods", pod_changed, &rs->pods);
    if (rc == 0)
        rc = cache_index_add(rs->sets, "uid", ctl_index_uid);
    if (rc == 0)
        rc = cache_index_add(rs->sets, "namespace", cache_index_namespace);
    if (rc == 0)
        rc = cache_index_add(rs->pods, "controller", cache_index_controller);
    return rc < 0 ? rc : cache_index_add(rs->pods, "namespace", cache_index_namespace);
}

int replicaset_start(struct ctl *c)
{
    return start(c, "replicaset", &replica_set);
}

int replication_controller_start(struct ctl *c)
{
    return start(c, "replicationcontroller", &replication_controller);
}
