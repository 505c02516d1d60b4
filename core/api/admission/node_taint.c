/* TaintNodesByCondition: nothing is scheduled to a new node before it is known to be ready. The
 * node lifecycle controller takes the taint away (plugin/pkg/admission/nodetaint). */
#include "api/write.h"

#define NOT_READY "node.kubernetes.io/not-ready"

int admit_node_taint(struct write *w)
{
    if (!w->is_create || w->subresource[0] || schema_resource_group(w->resource)[0] ||
        !cstr_eq(schema_resource_plural(w->resource), "nodes"))
        return 0;
    struct json *taints = json_array_at(w->a, json_object_at(w->a, w->object, "spec"), "taints");
    for (const struct json *t = json_first(taints); t; t = t->next)
        if (str_is(json_path_str(t, "key"), NOT_READY) &&
            str_is(json_path_str(t, "effect"), "NoSchedule"))
            return 0;
    struct json *taint = json_append(w->a, taints, json_new(w->a, JSON_OBJECT));
    json_set_cstr(w->a, taint, "key", NOT_READY);
    json_set_cstr(w->a, taint, "effect", "NoSchedule");
    return w->a->failed ? fail_memory(w->r) : 0;
}
