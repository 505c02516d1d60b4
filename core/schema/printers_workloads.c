/* Pods and the controllers of pods. */
#include <stdio.h>

#include "codec/time.h"
#include "schema/printers_int.h"

/* What printPod of upstream gathers while it looks through the container statuses. */
struct pod_view {
    char reason[160];
    int64_t restarts, sidecar_restarts, ready, total;
    int64_t last_restart_ms, sidecar_last_restart_ms; /* INT64_MIN: none */
};

static bool is_sidecar(const struct json *pod, const char *name)
{
    for (const struct json *c = json_first(json_path(pod, "spec.initContainers")); c; c = c->next)
        if (cstr_eq(json_cstr(json_get(c, "name")), name))
            return cstr_eq(json_cstr(json_get(c, "restartPolicy")), "Always");
    return false;
}

static int64_t later(int64_t known, const struct json *status)
{
    int64_t at = time_text_ms(json_path_str(status, "lastState.terminated.finishedAt"), INT64_MIN);
    return at > known ? at : known;
}

static void reason_of_terminated(char *out, size_t size, const char *prefix,
                                 const struct json *terminated)
{
    const char *reason = json_cstr(json_get(terminated, "reason"));
    int64_t signal = json_i64(json_get(terminated, "signal"), 0);
    if (*reason)
        snprintf(out, size, "%s%s", prefix, reason);
    else if (signal)
        snprintf(out, size, "%sSignal:%d", prefix, (int)signal);
    else
        snprintf(out, size, "%sExitCode:%d", prefix,
                 (int)json_i64(json_get(terminated, "exitCode"), 0));
}

/* Goes through the init containers in order up to the one that holds the pod; true when one does.
 */
static bool look_at_init(struct pod_view *v, const struct json *pod)
{
    int index = 0;
    for (const struct json *s = json_first(json_path(pod, "status.initContainerStatuses")); s;
         s = s->next, index++) {
        bool sidecar = is_sidecar(pod, json_cstr(json_get(s, "name")));
        const struct json *terminated = json_path(s, "state.terminated");
        const char *waiting = json_path_cstr(s, "state.waiting.reason");
        int64_t restarts = json_i64(json_get(s, "restartCount"), 0);
        v->restarts += restarts;
        v->last_restart_ms = later(v->last_restart_ms, s);
        if (sidecar) {
            v->sidecar_restarts += restarts;
            v->sidecar_last_restart_ms = later(v->sidecar_last_restart_ms, s);
        }
        if (!json_absent(terminated) && json_i64(json_get(terminated, "exitCode"), 0) == 0)
            continue;
        if (sidecar && json_bool(json_get(s, "started"), false)) {
            v->ready += json_bool(json_get(s, "ready"), false);
            continue;
        }
        if (!json_absent(terminated))
            reason_of_terminated(v->reason, sizeof(v->reason), "Init:", terminated);
        else if (*waiting && !cstr_eq(waiting, "PodInitializing"))
            snprintf(v->reason, sizeof(v->reason), "Init:%s", waiting);
        else
            snprintf(v->reason, sizeof(v->reason), "Init:%d/%u", index,
                     json_count(json_path(pod, "spec.initContainers")));
        return true;
    }
    return false;
}

/* The first container's reason wins, as upstream goes through them backwards and overwrites. */
static void look_at_containers(struct pod_view *v, const struct json *pod)
{
    bool running = false, named = false;
    v->restarts = v->sidecar_restarts;
    v->last_restart_ms = v->sidecar_last_restart_ms;
    for (const struct json *s = json_first(json_path(pod, "status.containerStatuses")); s;
         s = s->next) {
        const struct json *terminated = json_path(s, "state.terminated");
        const char *waiting = json_path_cstr(s, "state.waiting.reason");
        v->restarts += json_i64(json_get(s, "restartCount"), 0);
        v->last_restart_ms = later(v->last_restart_ms, s);
        if (*waiting || !json_absent(terminated)) {
            if (!named && *waiting)
                snprintf(v->reason, sizeof(v->reason), "%s", waiting);
            else if (!named)
                reason_of_terminated(v->reason, sizeof(v->reason), "", terminated);
            named = true;
        } else if (json_bool(json_get(s, "ready"), false) &&
                   !json_absent(json_path(s, "state.running"))) {
            running = true;
            v->ready++;
        }
    }
    if (running && cstr_eq(v->reason, "Completed"))
        snprintf(v->reason, sizeof(v->reason), "%s",
                 printers_condition_true(pod, "Ready") ? "Running" : "NotReady");
}

static void view_pod(struct pod_view *v, const struct json *pod)
{
    const char *phase = json_path_cstr(pod, "status.phase"),
               *reason = json_path_cstr(pod, "status.reason");
    bool deleting = !json_absent(json_path(pod, "metadata.deletionTimestamp"));
    *v = (struct pod_view){.last_restart_ms = INT64_MIN, .sidecar_last_restart_ms = INT64_MIN};
    snprintf(v->reason, sizeof(v->reason), "%s", *reason ? reason : phase);
    if (cstr_eq(json_cstr(json_get(printers_condition(pod, "PodScheduled"), "reason")),
                "SchedulingGated"))
        snprintf(v->reason, sizeof(v->reason), "SchedulingGated");
    v->total = json_count(json_path(pod, "spec.containers"));
    for (const struct json *c = json_first(json_path(pod, "spec.initContainers")); c; c = c->next)
        v->total += cstr_eq(json_cstr(json_get(c, "restartPolicy")), "Always");
    if (!look_at_init(v, pod) || printers_condition_true(pod, "Initialized"))
        look_at_containers(v, pod);
    if (deleting && cstr_eq(reason, "NodeLost"))
        snprintf(v->reason, sizeof(v->reason), "Unknown");
    else if (deleting && !cstr_eq(phase, "Succeeded") && !cstr_eq(phase, "Failed"))
        snprintf(v->reason, sizeof(v->reason), "Terminating");
}

static void put_readiness_gates(struct printers_row *row, const struct json *pod)
{
    const struct json *gates = json_path(pod, "spec.readinessGates");
    int open = 0;
    for (const struct json *g = json_first(gates); g; g = g->next)
        open += printers_condition_true(pod, json_cstr(json_get(g, "conditionType")));
    if (json_count(gates))
        printers_putf(row, "%d/%u", open, json_count(gates));
    else
        printers_put(row, "<none>");
}

static void pod_cells(struct printers_row *row, const struct json *pod)
{
    struct pod_view v;
    char age[16];
    view_pod(&v, pod);
    printers_put_name(row, pod);
    printers_putf(row, "%d/%d", (int)v.ready, (int)v.total);
    printers_put(row, v.reason);
    if (v.restarts && v.last_restart_ms != INT64_MIN) {
        printers_age(age, row->now_ms - v.last_restart_ms);
        printers_putf(row, "%d (%s ago)", (int)v.restarts, age);
    } else {
        printers_putf(row, "%d", (int)v.restarts);
    }
    printers_put_created(row, pod);
    const char *ip = json_cstr(json_get(json_at(json_path(pod, "status.podIPs"), 0), "ip"));
    printers_put_or(row, *ip ? ip : json_path_cstr(pod, "status.podIP"), "<none>");
    printers_put_or(row, json_path_cstr(pod, "spec.nodeName"), "<none>");
    printers_put_or(row, json_path_cstr(pod, "status.nominatedNodeName"), "<none>");
    put_readiness_gates(row, pod);
}

static void deployment_cells(struct printers_row *row, const struct json *o)
{
    printers_put_name(row, o);
    printers_putf(row, "%d/%d", (int)json_path_i64(o, "status.readyReplicas", 0),
                  (int)json_path_i64(o, "spec.replicas", 0));
    printers_put_int(row, json_path_i64(o, "status.updatedReplicas", 0));
    printers_put_int(row, json_path_i64(o, "status.availableReplicas", 0));
    printers_put_created(row, o);
    printers_put_containers(row, json_path(o, "spec.template.spec"));
    printers_put_selector(row, json_path(o, "spec.selector"), "");
}

static void replicas_cells(struct printers_row *row, const struct json *o)
{
    const struct json *selector = json_path(o, "spec.selector");
    bool plain_map = !json_get(selector, "matchLabels") && !json_get(selector, "matchExpressions");
    printers_put_name(row, o);
    printers_put_int(row, json_path_i64(o, "spec.replicas", 0));
    printers_put_int(row, json_path_i64(o, "status.replicas", 0));
    printers_put_int(row, json_path_i64(o, "status.readyReplicas", 0));
    printers_put_created(row, o);
    printers_put_containers(row, json_path(o, "spec.template.spec"));
    if (plain_map) /* a ReplicationController's */
        printers_put_labels(row, selector);
    else
        printers_put_selector(row, selector, "<none>");
}

static void daemon_set_cells(struct printers_row *row, const struct json *o)
{
    printers_put_name(row, o);
    printers_put_int(row, json_path_i64(o, "status.desiredNumberScheduled", 0));
    printers_put_int(row, json_path_i64(o, "status.currentNumberScheduled", 0));
    printers_put_int(row, json_path_i64(o, "status.numberReady", 0));
    printers_put_int(row, json_path_i64(o, "status.updatedNumberScheduled", 0));
    printers_put_int(row, json_path_i64(o, "status.numberAvailable", 0));
    printers_put_labels(row, json_path(o, "spec.template.spec.nodeSelector"));
    printers_put_created(row, o);
    printers_put_containers(row, json_path(o, "spec.template.spec"));
    printers_put_selector(row, json_path(o, "spec.selector"), "<none>");
}

static void stateful_set_cells(struct printers_row *row, const struct json *o)
{
    printers_put_name(row, o);
    printers_putf(row, "%d/%d", (int)json_path_i64(o, "status.readyReplicas", 0),
                  (int)json_path_i64(o, "spec.replicas", 0));
    printers_put_created(row, o);
    printers_put_containers(row, json_path(o, "spec.template.spec"));
}

static const char *job_status(const struct json *o)
{
    if (printers_condition_true(o, "Complete"))
        return "Complete";
    if (printers_condition_true(o, "Failed"))
        return "Failed";
    if (!json_absent(json_path(o, "metadata.deletionTimestamp")))
        return "Terminating";
    if (printers_condition_true(o, "Suspended"))
        return "Suspended";
    if (printers_condition_true(o, "FailureTarget"))
        return "FailureTarget";
    return printers_condition_true(o, "SuccessCriteriaMet") ? "SuccessCriteriaMet" : "Running";
}

static void job_cells(struct printers_row *row, const struct json *o)
{
    int done = (int)json_path_i64(o, "status.succeeded", 0);
    int parallel = (int)json_path_i64(o, "spec.parallelism", 0);
    const struct json *completions = json_path(o, "spec.completions");
    int64_t start = time_text_ms(json_path_str(o, "status.startTime"), INT64_MIN);
    int64_t end = time_text_ms(json_path_str(o, "status.completionTime"), row->now_ms);
    char age[16] = "";
    printers_put_name(row, o);
    printers_put(row, job_status(o));
    if (!json_absent(completions))
        printers_putf(row, "%d/%d", done, (int)json_i64(completions, 0));
    else if (parallel > 1)
        printers_putf(row, "%d/1 of %d", done, parallel);
    else
        printers_putf(row, "%d/1", done);
    if (start != INT64_MIN)
        printers_age(age, end - start);
    printers_put(row, age);
    printers_put_created(row, o);
    printers_put_containers(row, json_path(o, "spec.template.spec"));
    printers_put_selector(row, json_path(o, "spec.selector"), "<none>");
}

static void cron_job_cells(struct printers_row *row, const struct json *o)
{
    const struct json *suspend = json_path(o, "spec.suspend");
    printers_put_name(row, o);
    printers_put(row, json_path_cstr(o, "spec.schedule"));
    printers_put_or(row, json_path_cstr(o, "spec.timeZone"), "<none>");
    printers_put(row, json_absent(suspend)        ? "<unset>"
                      : json_bool(suspend, false) ? "True"
                                                  : "False");
    printers_put_int(row, json_count(json_path(o, "status.active")));
    printers_put_since(row, json_path(o, "status.lastScheduleTime"), "<none>");
    printers_put_created(row, o);
    printers_put_containers(row, json_path(o, "spec.jobTemplate.spec.template.spec"));
    printers_put_selector(row, json_path(o, "spec.jobTemplate.spec.selector"), "<none>");
}

static void scale_cells(struct printers_row *row, const struct json *o)
{
    printers_put_name(row, o);
    printers_put_int(row, json_path_i64(o, "spec.replicas", 0));
    printers_put_int(row, json_path_i64(o, "status.replicas", 0));
    printers_put_created(row, o);
}

static void revision_cells(struct printers_row *row, const struct json *o)
{
    const struct json *owner = json_at(json_path(o, "metadata.ownerReferences"), 0);
    printers_put_name(row, o);
    if (owner)
        printers_putf(row, "%s/%s", json_cstr(json_get(owner, "kind")),
                      json_cstr(json_get(owner, "name")));
    else
        printers_put(row, "<none>");
    printers_put_int(row, json_i64(json_get(o, "revision"), 0));
    printers_put_created(row, o);
}

#define TEMPLATE "|Containers+|Images+"

const struct printers_kind printers_workloads[] = {
    {"", "pods", "Name|Ready|Status|Restarts|Age|IP+|Node+|Nominated Node+|Readiness Gates+",
     pod_cells},
    {"apps", "deployments", "Name|Ready|#Up-to-date|#Available|Age" TEMPLATE "|Selector+",
     deployment_cells},
    {"apps", "replicasets", "Name|#Desired|#Current|#Ready|Age" TEMPLATE "|Selector+",
     replicas_cells},
    {"", "replicationcontrollers", "Name|#Desired|#Current|#Ready|Age" TEMPLATE "|Selector+",
     replicas_cells},
    {"apps", "daemonsets",
     "Name|#Desired|#Current|#Ready|#Up-to-date|#Available|Node Selector|Age" TEMPLATE "|Selector+",
     daemon_set_cells},
    {"apps", "statefulsets", "Name|Ready|Age" TEMPLATE, stateful_set_cells},
    {"apps", "controllerrevisions", "Name|Controller|#Revision|Age", revision_cells},
    {"batch", "jobs", "Name|Status|Completions|Duration|Age" TEMPLATE "|Selector+", job_cells},
    {"batch", "cronjobs",
     "Name|Schedule|Timezone|Suspend|#Active|Last Schedule|Age" TEMPLATE "|Selector+",
     cron_job_cells},
    {"autoscaling", "scales", "Name|#Desired|#Available|Age", scale_cells},
    {NULL, NULL, NULL, NULL},
};
