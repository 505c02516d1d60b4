/* RuntimeClasses, as upstream's pkg/apis/node. */
#include "api/kinds/kinds.h"
#include "api/kinds/unique.h"
#include "codec/names.h"

/* All of it but for how long. */
static struct str identity(struct arena *a, const struct json *t)
{
    const char *text = arena_printf(a, "%s\n%s\n%s\n%s", json_path_cstr(t, "key"),
                                    json_path_cstr(t, "operator"), json_path_cstr(t, "value"),
                                    json_path_cstr(t, "effect"));
    return str_of(text ? text : "");
}

static void check_tolerations(struct field_errors *e, const struct field *f, const struct json *list)
{
    struct unique seen CLEANUP_UNIQUE = {0};
    uint32_t i = 0;
    node_tolerations_validate(e, FIELD(f, "tolerations"), list); /* so deep upstream too */
    for (const struct json *t = json_first(list); t; t = t->next, i++)
        if (!unique_add(&seen, identity(e->arena, t)))
            field_duplicate_json(e, FIELD_AT(f, i), t);
}

static void check_scheduling(struct write *w, const struct field *f, const struct json *scheduling)
{
    const struct json *selector = json_get(scheduling, "nodeSelector");
    field_check_labels(&w->errors, FIELD(f, "nodeSelector"), selector);
    for (const struct json *m = json_first(selector); m; m = m->next)
        if (node_label_deprecated(m->key))
            request_warn(w->r, "scheduling.nodeSelector: %s", node_label_deprecated(m->key));
    check_tolerations(&w->errors, FIELD(f, "tolerations"), json_get(scheduling, "tolerations"));
}

static void validate(struct write *w)
{
    const struct json *fixed = json_path(w->object, "overhead.podFixed"),
                      *scheduling = json_get(w->object, "scheduling");
    field_check_name(&w->errors, FIELD(NULL, "handler"), json_path_str(w->object, "handler"),
                     names_dns1123_label);
    if (json_count(fixed)) {
        struct json *resources = json_new(w->a, JSON_OBJECT);
        json_set(w->a, resources, "limits", json_clone(w->a, fixed));
        resources_validate(&w->errors, FIELD(NULL, "overhead"), resources);
    }
    if (!json_absent(scheduling))
        check_scheduling(w, FIELD(NULL, "scheduling"), scheduling);
}

static void validate_update(struct write *w)
{
    field_check_immutable(&w->errors, FIELD(NULL, "handler"), json_get(w->object, "handler"),
                          json_get(w->old, "handler"));
}

const struct kind kind_runtime_class = {
    .group = "node.k8s.io",
    .resource = "runtimeclasses",
    .flags = KIND_CONDITIONAL,
    .validate = validate,
    .validate_update = validate_update,
};
