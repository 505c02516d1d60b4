/* Pods: status on creation, quality of service, what an update may change. */
#include "api/kinds/kinds.h"
#include "codec/quantity.h"

static const struct kind_field fields[] = {
    {SELECTABLE("spec.nodeName")},
    {SELECTABLE("spec.restartPolicy")},
    {SELECTABLE("spec.schedulerName")},
    {SELECTABLE("spec.serviceAccountName")},
    {SELECTABLE("spec.hostNetwork"), .absent = "false"},
    {SELECTABLE("status.phase")},
    {SELECTABLE("status.podIP")},
    {SELECTABLE("status.nominatedNodeName")},
    {.selector = NULL},
};

static void set_defaults(struct write *w)
{
    pod_spec_default(w->a, json_get(w->object, "spec"));
    struct json *spec = json_get(w->object, "spec");
    if (spec && w->is_create)
        set_missing_bool(w->a, spec, "enableServiceLinks", true);
}

/* Guaranteed: each container limits cpu and memory and requests as much. BestEffort: none asks. */
static void weigh(const struct json *list, bool *any, bool *all)
{
    static const char *const names[] = {"cpu", "memory"};
    for (const struct json *c = json_first(list); c; c = c->next)
        for (size_t i = 0; i < 2; i++) {
            struct str limit = json_str(json_get(json_path(c, "resources.limits"), names[i]));
            struct str request = json_str(json_get(json_path(c, "resources.requests"), names[i]));
            struct quantity l = {0}, r = {0};
            if (limit.n && quantity_parse(limit, &l, NULL) < 0)
                l.nano = 0;
            if (request.n && quantity_parse(request, &r, NULL) < 0)
                r.nano = 0;
            *any = *any || l.nano > 0 || r.nano > 0;
            *all = *all && l.nano > 0 && (!request.n || quantity_cmp(&l, &r) == 0);
        }
}

const char *pod_qos_class(struct arena *a, const struct json *spec)
{
    bool any = false, all = true;
    (void)a;
    weigh(json_get(spec, "containers"), &any, &all);
    weigh(json_get(spec, "initContainers"), &any, &all);
    return !any ? "BestEffort" : all ? "Guaranteed" : "Burstable";
}

static void prepare_create(struct write *w)
{
    struct json *status = json_new(w->a, JSON_OBJECT);
    json_set_cstr(w->a, status, "phase", "Pending");
    json_set_cstr(w->a, status, "qosClass", pod_qos_class(w->a, json_get(w->object, "spec")));
    const struct json *gates = json_path(w->object, "spec.schedulingGates");
    if (json_count(gates)) {
        struct json *c = json_append(w->a, json_array_at(w->a, status, "conditions"),
                                     json_new(w->a, JSON_OBJECT));
        json_set_cstr(w->a, c, "type", "PodScheduled");
        json_set_cstr(w->a, c, "status", "False");
        json_set_cstr(w->a, c, "reason", "SchedulingGated");
        json_set_cstr(w->a, c, "message",
                      "Scheduling is blocked due to non-empty scheduling gates");
    }
    json_set(w->a, w->object, "status", status);
}

static void validate(struct write *w)
{
    pod_spec_validate(&w->errors, FIELD(NULL, "spec"), json_get(w->object, "spec"));
    if (w->is_create && json_count(json_path(w->object, "spec.ephemeralContainers")))
        field_forbidden(&w->errors, FIELD(FIELD(NULL, "spec"), "ephemeralContainers"),
                        "cannot be set on create");
}

/* Makes what may be changed equal, so that all that still differs may not. */
static void level(struct arena *a, struct json *spec, const struct json *old)
{
    static const char *const free_fields[] = {"activeDeadlineSeconds", "tolerations",
                                              "terminationGracePeriodSeconds", "schedulingGates"};
    static const char *const lists[] = {"containers", "initContainers"};
    for (size_t i = 0; i < 4; i++) {
        const struct json *was = json_get(old, free_fields[i]);
        if (was)
            json_set(a, spec, free_fields[i], json_clone(a, was));
        else
            json_remove(spec, free_fields[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        struct json *c = json_first(json_get(spec, lists[i]));
        const struct json *o = json_first(json_get(old, lists[i]));
        for (; c && o; c = c->next, o = o->next)
            json_set_str(a, c, "image", json_path_str(o, "image"));
    }
}

static bool tolerations_kept(const struct json *now, const struct json *before)
{
    const struct json *n = json_first(now);
    for (const struct json *b = json_first(before); b; b = b->next) {
        while (n && !json_equal(n, b))
            n = n->next;
        if (!n)
            return false;
    }
    return true;
}

static void validate_update(struct write *w)
{
    const struct field *spec = FIELD(NULL, "spec");
    const struct json *now = json_get(w->object, "spec"), *before = json_get(w->old, "spec");
    if (w->subresource[0])
        return; /* restricted to its own part already */
    if (json_count(json_get(now, "containers")) != json_count(json_get(before, "containers"))) {
        field_forbidden(&w->errors, FIELD(spec, "containers"),
                        "pod updates may not add or remove containers");
        return;
    }
    if (!tolerations_kept(json_get(now, "tolerations"), json_get(before, "tolerations")))
        field_forbidden(&w->errors, FIELD(spec, "tolerations"),
                        "existing toleration can not be modified except its tolerationSeconds");
    struct json *copy = json_clone(w->a, now);
    level(w->a, copy, before);
    if (!json_equal(copy, before))
        field_forbidden(
            &w->errors, spec,
            "pod updates may not change fields other than `spec.containers[*].image`,"
            "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` "
            "(only additions to existing tolerations),`spec.terminationGracePeriodSeconds` "
            "(allow it to be set to 1 if it was previously negative)");
}

const struct kind kind_pod = {
    .group = "",
    .resource = "pods",
    .flags = KIND_STATUS | KIND_GRACEFUL | KIND_RETURN_DELETED | KIND_STATUS_META | KIND_GENERATION,
    .fields = fields,
    .set_defaults = set_defaults,
    .prepare_create = prepare_create,
    .validate = validate,
    .validate_update = validate_update,
};
