/* PodTopologyLabels: a pod bears the zone and region of its node
 * (plugin/pkg/admission/podtopologylabels). */
#include "api/write.h"

/* What `to` does not say itself. True: something was added. */
static bool copy_labels(struct write *w, struct json *to, struct str node_name)
{
    static const char *const keys[] = {"topology.kubernetes.io/zone",
                                       "topology.kubernetes.io/region"};
    const struct json *node =
        object_load(w->api, w->a, "", "nodes", STR(""), node_name, NULL);
    const struct json *from = json_path(node, "metadata.labels");
    bool added = false;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const struct json *value = json_get(from, keys[i]);
        struct json *meta = value ? json_object_at(w->a, to, "metadata") : NULL;
        struct json *labels = meta ? json_object_at(w->a, meta, "labels") : NULL;
        if (!labels || json_get(labels, keys[i]))
            continue;
        json_set(w->a, labels, keys[i], json_clone(w->a, value));
        added = true;
    }
    return added;
}

int admit_topology_labels(struct write *w)
{
    bool binding = cstr_eq(w->subresource, "binding");
    if (w->is_delete || schema_resource_group(w->resource)[0] ||
        !cstr_eq(schema_resource_plural(w->resource), "pods") || (w->subresource[0] && !binding))
        return 0;
    struct str node =
        binding ? json_path_str(w->view, "target.name") : json_path_str(w->object, "spec.nodeName");
    if (node.n && copy_labels(w, binding ? w->view : w->object, node) && binding)
        w->take_view(w);
    return w->a->failed ? fail_memory(w->r) : 0;
}
