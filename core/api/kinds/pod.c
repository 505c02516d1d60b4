/* Pods: status on creation, quality of service, what an update may change. */
#include "api/kinds/pod_parts.h"
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
    struct json *spec = json_object_at(w->a, w->object, "spec");
    pod_spec_default(w->a, spec);
    pod_default(w->a, spec);
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

/* What is asked of pods and not of templates. */
static void check_images(struct field_errors *e, const struct field *f, const struct json *list)
{
    int64_t i = 0;
    for (const struct json *c = json_first(list); c; c = c->next, i++) {
        struct str image = json_path_str(c, "image");
        if (str_trim(image).n != image.n)
            field_invalid_str(e, FIELD(FIELD_AT(f, i), "image"), image,
                              "must not have leading or trailing whitespace");
    }
}

static void check_tokens(struct field_errors *e, const struct field *f, const struct json *spec)
{
    int64_t i = 0;
    if (json_path_str(spec, "serviceAccountName").n)
        return;
    for (const struct json *v = json_first(json_get(spec, "volumes")); v; v = v->next, i++) {
        const struct field *at =
            FIELD(FIELD(FIELD_AT(FIELD(f, "volumes"), i), "projected"), "sources");
        int64_t k = 0;
        const struct json *s = json_first(json_path(v, "projected.sources"));
        for (; s; s = s->next, k++)
            if (!json_absent(json_get(s, "serviceAccountToken")))
                field_forbidden(e, FIELD(FIELD_AT(at, k), "serviceAccountToken"),
                                "must not be specified when serviceAccountName is not set");
    }
}

static void validate(struct write *w)
{
    static const char *const lists[] = {"containers", "initContainers", "ephemeralContainers"};
    struct field_errors *e = &w->errors;
    const struct field *f = FIELD(NULL, "spec");
    const struct json *spec = json_get(w->object, "spec");
    name_warn(w, "the Pod's hostname");
    pod_spec_validate(e, f, spec);
    check_tokens(e, f, spec);
    for (size_t i = 0; i < 3 && (w->is_create || w->subresource[0]); i++)
        check_images(e, FIELD(f, lists[i]), json_get(spec, lists[i]));
    if (!w->is_create)
        return;
    if (json_count(json_get(spec, "ephemeralContainers")))
        field_forbidden(e, FIELD(f, "ephemeralContainers"), "cannot be set on create");
    if (json_path_str(spec, "nodeName").n && json_count(json_get(spec, "schedulingGates")))
        field_forbidden(e, FIELD(f, "nodeName"),
                        "cannot be set until all schedulingGates have been cleared");
}

const struct kind kind_pod = {
    .group = "",
    .resource = "pods",
    .flags = KIND_STATUS | KIND_GRACEFUL | KIND_RETURN_DELETED | KIND_GENERATION,
    .fields = fields,
    .set_defaults = set_defaults,
    .prepare_create = prepare_create,
    .validate = validate,
    .validate_update = pod_update_validate,
};
