/* Status of a Deployment: counts, conditions Available and Progressing, the progress deadline. */
#include "ctl/deployment.h"

static int64_t current_i64(const struct rollout *r, const char *path)
{
    return r->current ? set_i64(r->current, path) : 0;
}

bool rollout_complete(const struct rollout *r)
{
    return r->current && current_i64(r, "status.replicas") == r->replicas &&
           rollout_sum(r, "status.replicas") == r->replicas &&
           current_i64(r, "status.availableReplicas") >= r->replicas &&
           json_path_i64(r->tree, "status.observedGeneration", 0) >=
               json_path_i64(r->tree, "metadata.generation", 0);
}

static void put(struct arena *a, struct json *status, const char *key, int64_t v)
{
    if (v)
        json_set_i64(a, status, key, v);
    else
        json_remove(status, key);
}

static void available_condition(struct rollout *r, struct json *conditions, int64_t available)
{
    bool enough = available >= r->replicas - r->max_unavailable;
    ctl_condition_set(r->arena, conditions, "Available", enough ? "True" : "False",
                      enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
                      enough ? "Deployment has minimum availability."
                             : "Deployment does not have minimum availability.",
                      plan_now_text(r->plan));
}

/* Progress: more updated or available replicas, or fewer old ones, than the last status said. */
static bool progressed(const struct json *before, const struct json *now)
{
    int64_t updated = json_path_i64(now, "updatedReplicas", 0);
    int64_t old = json_path_i64(now, "replicas", 0) - updated;
    int64_t updated_before = json_path_i64(before, "updatedReplicas", 0);
    int64_t old_before = json_path_i64(before, "replicas", 0) - updated_before;
    return updated > updated_before || old < old_before ||
           json_path_i64(now, "readyReplicas", 0) > json_path_i64(before, "readyReplicas", 0) ||
           json_path_i64(now, "availableReplicas", 0) > json_path_i64(before, "availableReplicas", 0);
}

static void progressing_condition(struct rollout *r, const struct json *before, struct json *status,
                                  struct json *conditions, bool complete)
{
    struct arena *a = r->arena;
    const char *now = plan_now_text(r->plan);
    const struct json *c = ctl_condition(r->tree, "Progressing");
    const char *name = json_path_cstr(r->tree, "metadata.name");
    const char *set = r->current ? r->current->object->name : NULL;
    int64_t deadline = json_path_i64(r->tree, "spec.progressDeadlineSeconds", 600);
    char *what = set ? arena_printf(a, "ReplicaSet \"%s\"", set)
                     : arena_printf(a, "Deployment \"%s\"", name);
    if (!what)
        return;
    if (complete) {
        ctl_condition_set(a, conditions, "Progressing", "True", "NewReplicaSetAvailable",
                          arena_printf(a, "%s has successfully progressed.", what), now);
        return;
    }
    if (json_path_bool(r->tree, "spec.paused", false)) {
        ctl_condition_set(a, conditions, "Progressing", "Unknown", "DeploymentPaused",
                          "Deployment is paused", now);
        return;
    }
    if (!c || progressed(before, status)) {
        const char *reason = set && c ? "ReplicaSetUpdated" : "NewReplicaSetCreated";
        char *text = arena_printf(a, set && c ? "%s is progressing." : "Created new replica set %s", what);
        if (!set)
            return;
        ctl_condition_set(a, conditions, "Progressing", "True", reason, text ? text : "", now);
        for (struct json *x = json_first(conditions); x; x = x->next)
            if (cstr_eq(json_path_cstr(x, "type"), "Progressing"))
                json_set_cstr(a, x, "lastUpdateTime", now);
        plan_requeue(r->plan, (deadline + 1) * 1000);
        return;
    }
    int64_t since = ctl_time(json_get(c, "lastUpdateTime"));
    if (cstr_eq(json_path_cstr(c, "reason"), "ProgressDeadlineExceeded"))
        return;
    if (cstr_eq(json_path_cstr(c, "reason"), "NewReplicaSetAvailable")) {
        /* A finished rollout that lost a pod is not a rollout that hangs. */
        if (current_i64(r, "spec.replicas") == rollout_sum(r, "spec.replicas"))
            return;
        ctl_condition_set(a, conditions, "Progressing", "True", "ReplicaSetUpdated",
                          arena_printf(a, "%s is progressing.", what), now);
        plan_requeue(r->plan, (deadline + 1) * 1000);
    } else if (since + deadline <= plan_now_s(r->plan)) {
        ctl_condition_set(a, conditions, "Progressing", "False", "ProgressDeadlineExceeded",
                          arena_printf(a, "%s has timed out progressing.", what), now);
    } else {
        plan_requeue(r->plan, (since + deadline + 1 - plan_now_s(r->plan)) * 1000);
    }
}

/* What keeps a ReplicaSet from its pods: the current one's before that of others. */
static const struct json *find_failure(const struct rollout *r)
{
    const struct json *c =
        r->current ? ctl_condition(r->current->tree, "ReplicaFailure") : NULL;
    for (size_t i = 0; i < r->sets.count && !c; i++)
        c = ctl_condition(r->sets.at[i].tree, "ReplicaFailure");
    return c;
}

static void failure_condition(struct rollout *r, struct json *conditions)
{
    struct arena *a = r->arena;
    const struct json *failure = find_failure(r);
    struct json *c = json_first(conditions);
    uint32_t at = 0;
    for (; c && !cstr_eq(json_path_cstr(c, "type"), "ReplicaFailure"); c = c->next)
        at++;
    if (c && !failure)
        json_remove_at(conditions, at);
    if (c || !failure)
        return;
    c = json_append(a, conditions, json_clone(a, failure));
    json_set_str(a, c, "lastUpdateTime", json_path_str(failure, "lastTransitionTime"));
}

void rollout_status(struct rollout *r)
{
    struct arena *a = r->arena;
    const struct json *before = json_clone(a, json_get(r->tree, "status"));
    struct json *status = json_object_at(a, r->tree, "status");
    int64_t all = rollout_sum(r, "status.replicas");
    int64_t available = rollout_sum(r, "status.availableReplicas");
    int64_t wanted = rollout_sum(r, "spec.replicas");

    if (r->waiting)
        return; /* the sets just changed: their next state brings the key back */
    put(a, status, "replicas", all);
    put(a, status, "updatedReplicas", current_i64(r, "status.replicas"));
    put(a, status, "readyReplicas", rollout_sum(r, "status.readyReplicas"));
    put(a, status, "availableReplicas", available);
    put(a, status, "unavailableReplicas", wanted > available ? wanted - available : 0);
    json_set_i64(a, status, "observedGeneration", json_path_i64(r->tree, "metadata.generation", 0));
    struct json *conditions = json_array_at(a, status, "conditions");
    available_condition(r, conditions, available);
    failure_condition(r, conditions);
    bool complete = r->current && current_i64(r, "status.replicas") == r->replicas &&
                    all == r->replicas && current_i64(r, "status.availableReplicas") >= r->replicas;
    progressing_condition(r, before, status, conditions, complete);
    char *path = ctl_object_path(a, "apps", "v1", "deployments", r->tree, "status");
    if (path && !json_equal(before, status))
        plan_update(r->plan, path, r->tree, r->ctl->deployments);
}
