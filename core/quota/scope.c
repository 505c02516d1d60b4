/* Scopes and scope selectors. See quota.h. */
#include "quota/quota.h"

static const char *const standard[] = {"Terminating",          "NotTerminating",
                                       "BestEffort",           "NotBestEffort",
                                       "PriorityClass",        "CrossNamespacePodAffinity",
                                       "VolumeAttributesClass"};

bool quota_scope_standard(struct str scope)
{
    for (size_t i = 0; i < sizeof standard / sizeof standard[0]; i++)
        if (str_is(scope, standard[i]))
            return true;
    return false;
}

bool quota_scope_fits(struct str scope, struct str name)
{
    static const char *const compute[] = {"cpu",           "memory",       "limits.cpu",
                                          "limits.memory", "requests.cpu", "requests.memory"};
    if (str_is(scope, "VolumeAttributesClass"))
        return str_is(name, "persistentvolumeclaims") || str_is(name, "requests.storage");
    if (!quota_scope_standard(scope) || str_is(name, "pods"))
        return true;
    for (size_t i = 0; i < sizeof compute / sizeof compute[0]; i++)
        if (str_is(name, compute[i]))
            return !str_is(scope, "BestEffort");
    return false;
}

/* ---- pods ---- */

static bool uses_compute(const struct json *resources)
{
    static const char *const lists[] = {"requests", "limits"}, *const names[] = {"cpu", "memory"};
    for (size_t i = 0; i < 4; i++) {
        struct quantity q;
        const struct json *j = json_get(json_get(resources, lists[i / 2]), names[i % 2]);
        if (j && quantity_parse(json_str(j), &q, NULL) == 0 && q.nano > 0)
            return true;
    }
    return false;
}

bool pod_is_best_effort(const struct json *pod)
{
    static const char *const lists[] = {"containers", "initContainers"};
    const struct json *spec = json_get(pod, "spec");
    if (uses_compute(json_get(spec, "resources")))
        return false;
    for (size_t i = 0; i < 2; i++)
        for (const struct json *c = json_first(json_get(spec, lists[i])); c; c = c->next)
            if (uses_compute(json_get(c, "resources")))
                return false;
    return true;
}

static bool looks_abroad(const struct json *term)
{
    return json_count(json_get(term, "namespaces")) ||
           !json_absent(json_get(term, "namespaceSelector"));
}

static bool has_abroad(const struct json *affinity)
{
    const struct json *t =
        json_first(json_get(affinity, "requiredDuringSchedulingIgnoredDuringExecution"));
    for (; t; t = t->next)
        if (looks_abroad(t))
            return true;
    t = json_first(json_get(affinity, "preferredDuringSchedulingIgnoredDuringExecution"));
    for (; t; t = t->next)
        if (looks_abroad(json_get(t, "podAffinityTerm")))
            return true;
    return false;
}

/* ---- names that a selector asks for ---- */

static bool has_value(const struct json *values, struct str name)
{
    for (const struct json *v = json_first(values); v; v = v->next)
        if (str_eq(json_str(v), name))
            return true;
    return false;
}

/* name: "" when there is none. An absent operator is Exists: that of a plain scope. */
static bool selects(const struct json *selector, struct str name)
{
    struct str operator= json_path_str(selector, "operator");
    const struct json *values = json_get(selector, "values");
    if (str_is(operator, "In"))
        return name.n && has_value(values, name);
    if (str_is(operator, "NotIn"))
        return !name.n || !has_value(values, name);
    if (str_is(operator, "DoesNotExist"))
        return !name.n;
    return name.n != 0;
}

static bool pod_matches(const struct json *selector, struct str scope, const struct json *pod)
{
    const struct json *deadline = json_path(pod, "spec.activeDeadlineSeconds");
    bool terminating = !json_absent(deadline) && json_i64(deadline, -1) >= 0;
    if (str_is(scope, "Terminating"))
        return terminating;
    if (str_is(scope, "NotTerminating"))
        return !terminating;
    if (str_is(scope, "BestEffort"))
        return pod_is_best_effort(pod);
    if (str_is(scope, "NotBestEffort"))
        return !pod_is_best_effort(pod);
    if (str_is(scope, "PriorityClass"))
        return selects(selector, json_path_str(pod, "spec.priorityClassName"));
    return str_is(scope, "CrossNamespacePodAffinity") &&
           (has_abroad(json_path(pod, "spec.affinity.podAffinity")) ||
            has_abroad(json_path(pod, "spec.affinity.podAntiAffinity")));
}

/* A claim may have one attributes class, be on its way to another and want a third. */
static bool claim_matches(const struct json *selector, struct str scope, const struct json *claim)
{
    static const char *const paths[] = {
        "spec.volumeAttributesClassName", "status.currentVolumeAttributesClassName",
        "status.modifyVolumeStatus.targetVolumeAttributesClassName"};
    bool any = false;
    if (!str_is(scope, "VolumeAttributesClass"))
        return false;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct str name = json_path_str(claim, paths[i]);
        any = any || name.n;
        if (name.n && selects(selector, name))
            return true;
    }
    return !any && selects(selector, STR(""));
}

static bool matches(const struct json *selector, struct str scope, const struct quota_item *item)
{
    if (item->group[0])
        return false;
    if (cstr_eq(item->plural, "pods"))
        return pod_matches(selector, scope, item->object);
    return cstr_eq(item->plural, "persistentvolumeclaims") &&
           claim_matches(selector, scope, item->object);
}

bool quota_in_scope(const struct json *spec, const struct quota_item *item)
{
    for (const struct json *s = json_first(json_get(spec, "scopes")); s; s = s->next)
        if (!matches(NULL, json_str(s), item))
            return false;
    const struct json *m = json_first(json_path(spec, "scopeSelector.matchExpressions"));
    for (; m; m = m->next)
        if (!matches(m, json_path_str(m, "scopeName"), item))
            return false;
    return true;
}
