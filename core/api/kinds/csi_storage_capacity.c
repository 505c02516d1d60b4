/* CSIStorageCapacities, as upstream's pkg/apis/storage. */
#include "api/kinds/kinds.h"
#include "codec/names.h"
#include "codec/quantity.h"

/* Labels of old are warned of. */
static void warn(struct write *w, const struct field *f, const struct json *topology)
{
    uint32_t i = 0;
    for (const struct json *x = json_first(json_get(topology, "matchExpressions")); x;
         x = x->next, i++) {
        const char *why = node_label_deprecated(json_path_str(x, "key"));
        const struct field *at = FIELD(FIELD_AT(FIELD(f, "matchExpressions"), i), "key");
        if (why)
            request_warn(w->r, "%s: %s is %s", field_text(w->a, at), json_path_cstr(x, "key"), why);
    }
    for (const struct json *m = json_first(json_get(topology, "matchLabels")); m; m = m->next)
        if (node_label_deprecated(m->key))
            request_warn(w->r, "nodeTopology.matchLabels." STR_FMT ": %s", STR_ARG(m->key),
                         node_label_deprecated(m->key));
}

static void validate(struct write *w)
{
    const struct json *topology = json_get(w->object, "nodeTopology"),
                      *capacity = json_get(w->object, "capacity");
    struct quantity q;
    field_check_label_selector(&w->errors, FIELD(NULL, "nodeTopology"), topology);
    field_check_name(&w->errors, FIELD(NULL, "storageClassName"),
                     json_path_str(w->object, "storageClassName"), names_dns1123_subdomain);
    if (!json_absent(capacity) && quantity_parse(json_str(capacity), &q, NULL) == 0 && q.nano < 0)
        field_invalid(&w->errors, FIELD(NULL, "capacity"), capacity,
                      "must be greater than or equal to 0");
    warn(w, FIELD(NULL, "nodeTopology"), topology);
}

static void validate_update(struct write *w)
{
    static const char *const fixed[] = {"nodeTopology", "storageClassName"};
    for (size_t i = 0; i < 2; i++)
        field_check_immutable(&w->errors, FIELD(NULL, fixed[i]), json_get(w->object, fixed[i]),
                              json_get(w->old, fixed[i]));
}

const struct kind kind_csi_storage_capacity = {
    .group = "storage.k8s.io",
    .resource = "csistoragecapacities",
    .flags = KIND_CONDITIONAL,
    .validate = validate,
    .validate_update = validate_update,
};
