/* Nodes: a kubelet registers with its status, so creation keeps it. */
#include "api/kinds/kinds.h"
#include "codec/names.h"

static const struct kind_field fields[] = {
    {SELECTABLE("spec.unschedulable"), .absent = "false"}, {.selector = NULL}};

static void validate(struct write *w)
{
    static const char *const effects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute", NULL};
    const struct field *f = FIELD(FIELD(NULL, "spec"), "taints");
    const struct json *taints = json_path(w->object, "spec.taints");
    int64_t i = 0;
    for (const struct json *t = json_first(taints); t; t = t->next, i++) {
        const struct field *at = FIELD_AT(f, i);
        struct str key = json_path_str(t, "key"), effect = json_path_str(t, "effect");
        field_check_name(&w->errors, FIELD(at, "key"), key, names_qualified);
        field_check_name(&w->errors, FIELD(at, "value"), json_path_str(t, "value"),
                         names_label_value);
        field_check_enum(&w->errors, FIELD(at, "effect"), json_get(t, "effect"), effects);
        for (const struct json *o = json_first(taints); o != t; o = o->next)
            if (str_eq(json_path_str(o, "key"), key) && str_eq(json_path_str(o, "effect"), effect))
                field_duplicate(&w->errors, at, key);
    }
}

/* A node's address range and identity are given once. */
static void validate_update(struct write *w)
{
    static const char *const once[] = {"podCIDR", "providerID"};
    for (size_t i = 0; i < 2; i++) {
        struct str was = json_path_str(json_get(w->old, "spec"), once[i]);
        struct str now = json_path_str(json_get(w->object, "spec"), once[i]);
        if (was.n && !str_eq(was, now))
            field_forbidden(
                &w->errors, FIELD(FIELD(NULL, "spec"), once[i]),
                i == 0 ? "node updates may not change podCIDR except from \"\" to valid"
                       : "node updates may not change providerID except from \"\" to valid");
    }
}

const struct kind kind_node = {
    .group = "",
    .resource = "nodes",
    .flags = KIND_STATUS | KIND_KEEP_STATUS,
    .fields = fields,
    .validate = validate,
    .validate_update = validate_update,
};
