/* NodeAffinity: spec.nodeSelector and nodeAffinity terms. Source: kubernetes.io, "Assigning Pods
 * to Nodes". */
#include <stdio.h>

#include "sched/plugin.h"

static bool one_of(const struct json *values, struct str value)
{
    for (struct json *v = json_first(values); v; v = v->next)
        if (str_eq(json_str(v), value))
            return true;
    return false;
}

static bool compares(const char *operator, struct str have, const struct json *values)
{
    int64_t a, b;
    if (json_count(values) != 1 || str_to_i64(have, &a) < 0 ||
        str_to_i64(json_str(json_first(values)), &b) < 0)
        return false;
    return cstr_eq(operator, "Gt") ? a > b : a < b;
}

static bool requirement(const struct json *r, const struct json *value)
{
    const char *operator = json_path_cstr(r, "operator");
    const struct json *values = json_get(r, "values");
    bool has = json_is(value, JSON_STRING);

    if (cstr_eq(operator, "In"))
        return has && one_of(values, json_str(value));
    if (cstr_eq(operator, "NotIn"))
        return !has || !one_of(values, json_str(value));
    if (cstr_eq(operator, "Exists"))
        return has;
    if (cstr_eq(operator, "DoesNotExist"))
        return !has;
    if (cstr_eq(operator, "Gt") || cstr_eq(operator, "Lt"))
        return has && compares(operator, json_str(value), values);
    return false;
}

/* A term without expressions and fields matches nothing. */
static bool term(const struct json *t, const struct sched_node *node)
{
    const struct json *expressions = json_get(t, "matchExpressions");
    const struct json *fields = json_get(t, "matchFields");
    struct json name = {.type = JSON_STRING, .string = str_of(node->name)};

    if (json_count(expressions) + json_count(fields) == 0)
        return false;
    for (struct json *r = json_first(expressions); r; r = r->next)
        if (!requirement(r, json_get_str(node->labels, json_str(json_get(r, "key")))))
            return false;
    for (struct json *r = json_first(fields); r; r = r->next)
        if (!cstr_eq(json_path_cstr(r, "key"), "metadata.name") || !requirement(r, &name))
            return false;
    return true;
}

static bool selects(const struct json *pod, const struct sched_node *node)
{
    for (struct json *m = json_first(json_path(pod, "spec.nodeSelector")); m; m = m->next)
        if (!str_eq(json_str(json_get_str(node->labels, m->key)), json_str(m)) ||
            !json_get_str(node->labels, m->key))
            return false;
    const struct json *required =
        json_path(pod, "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution");
    if (json_absent(required))
        return true;
    for (struct json *t = json_first(json_get(required, "nodeSelectorTerms")); t; t = t->next)
        if (term(t, node))
            return true;
    return false;
}

bool sched_affinity_filter(const struct sched_pod *pod, const struct sched_node *node,
                           char *ret_reason)
{
    if (selects(pod->tree, node))
        return true;
    snprintf(ret_reason, SCHED_REASON, "node(s) didn't match Pod's node affinity/selector");
    return false;
}

int64_t sched_affinity_score(const struct sched_pod *pod, const struct sched_node *node)
{
    int64_t sum = 0;
    const struct json *preferred = json_path(
        pod->tree, "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution");
    for (struct json *p = json_first(preferred); p; p = p->next)
        if (term(json_get(p, "preference"), node))
            sum += json_path_i64(p, "weight", 0);
    return sum;
}
