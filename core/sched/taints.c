/* TaintToleration and NodeUnschedulable. Source: kubernetes.io, "Taints and Tolerations". */
#include <stdio.h>

#include "sched/plugin.h"

static bool tolerates(const struct json *toleration, const struct json *taint)
{
    const char *effect = json_path_cstr(toleration, "effect");
    const char *key = json_path_cstr(toleration, "key");
    const char *operator = json_path_cstr(toleration, "operator");

    if (effect[0] && !cstr_eq(effect, json_path_cstr(taint, "effect")))
        return false;
    if (key[0] && !cstr_eq(key, json_path_cstr(taint, "key")))
        return false;
    if (cstr_eq(operator, "Exists"))
        return true;
    if (!key[0])
        return false; /* an empty key needs Exists */
    return cstr_eq(json_path_cstr(toleration, "value"), json_path_cstr(taint, "value"));
}

static bool pod_tolerates(const struct json *pod, const struct json *taint)
{
    for (struct json *t = json_first(json_path(pod, "spec.tolerations")); t; t = t->next)
        if (tolerates(t, taint))
            return true;
    return false;
}

bool sched_taint_filter(const struct sched_pod *pod, const struct sched_node *node, char *ret_reason)
{
    for (struct json *t = json_first(node->taints); t; t = t->next) {
        const char *effect = json_path_cstr(t, "effect");
        if (!cstr_eq(effect, "NoSchedule") && !cstr_eq(effect, "NoExecute"))
            continue;
        if (!pod_tolerates(pod->tree, t)) {
            snprintf(ret_reason, SCHED_REASON, "node(s) had untolerated taint {%.40s: %.40s}",
                     json_path_cstr(t, "key"), json_path_cstr(t, "value"));
            return false;
        }
    }
    return true;
}

int64_t sched_taint_score(const struct sched_pod *pod, const struct sched_node *node)
{
    int64_t intolerable = 0;
    for (struct json *t = json_first(node->taints); t; t = t->next)
        if (cstr_eq(json_path_cstr(t, "effect"), "PreferNoSchedule") &&
            !pod_tolerates(pod->tree, t))
            intolerable++;
    return intolerable;
}

bool sched_unschedulable_filter(const struct sched_pod *pod, const struct sched_node *node,
                                char *ret_reason)
{
    struct json taint = {.type = JSON_OBJECT};
    struct json key = {.type = JSON_STRING,
                       .key = STR("key"),
                       .string = STR("node.kubernetes.io/unschedulable")};
    struct json effect = {.type = JSON_STRING, .key = STR("effect"), .string = STR("NoSchedule")};

    if (!node->unschedulable)
        return true;
    key.next = &effect;
    taint.list.first = &key;
    taint.list.last = &effect;
    taint.list.count = 2;
    if (pod_tolerates(pod->tree, &taint))
        return true;
    snprintf(ret_reason, SCHED_REASON, "node(s) were unschedulable");
    return false;
}
