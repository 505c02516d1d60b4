/* CSINodes, as upstream's pkg/apis/storage. */
#include "api/kinds/kinds.h"
#include "api/kinds/volume_source.h"
#include "codec/names.h"

enum { NODE_ID_MOST = 256 };

static void check_keys(struct field_errors *e, const struct field *f, const struct json *keys)
{
    for (const struct json *m = json_first(keys); m; m = m->next) {
        if (!json_str(m).n)
            field_required(e, f, NULL);
        for (const struct json *o = json_first(keys); o != m; o = o->next)
            if (json_equal(o, m)) {
                field_duplicate(e, f, json_str(m));
                break;
            }
        field_check_name(e, f, json_str(m), names_qualified);
    }
}

static void validate(struct write *w)
{
    struct field_errors *e = &w->errors;
    const struct json *list = json_path(w->object, "spec.drivers");
    uint32_t i = 0;
    for (const struct json *d = json_first(list); d; d = d->next, i++) {
        const struct field *f = FIELD_AT(FIELD(FIELD(NULL, "spec"), "drivers"), i);
        struct str name = json_path_str(d, "name"), id = json_path_str(d, "nodeID");
        driver_name_validate(e, FIELD(f, "name"), name);
        if (!id.n)
            field_required(e, FIELD(f, "nodeID"), NULL);
        if (id.n > NODE_ID_MOST)
            field_invalid_str(e, FIELD(f, "nodeID"), id, "must be 256 characters or less");
        field_check_not_negative(e, FIELD(FIELD(f, "allocatable"), "count"),
                                 json_path(d, "allocatable.count"));
        for (const struct json *o = json_first(list); o != d; o = o->next)
            if (str_eq(json_path_str(o, "name"), name)) {
                field_duplicate(e, FIELD(f, "name"), name);
                break;
            }
        check_keys(e, f, json_get(d, "topologyKeys"));
    }
}

/* A driver as upstream's type is printed, without what may change. */
static struct json *as_printed(struct arena *a, const struct json *driver)
{
    struct json *to = json_new(a, JSON_OBJECT);
    const struct json *keys = json_get(driver, "topologyKeys");
    json_set_str(a, to, "Name", json_path_str(driver, "name"));
    json_set_str(a, to, "NodeID", json_path_str(driver, "nodeID"));
    json_set(a, to, "TopologyKeys", keys ? json_clone(a, keys) : json_new(a, JSON_NULL));
    json_set(a, to, "Allocatable", json_new(a, JSON_NULL));
    return to;
}

static void validate_update(struct write *w)
{
    const struct json *now = json_path(w->object, "spec.drivers"),
                      *before = json_path(w->old, "spec.drivers");
    for (const struct json *o = json_first(before); o; o = o->next)
        for (const struct json *n = json_first(now); n; n = n->next)
            if (str_eq(json_path_str(o, "name"), json_path_str(n, "name")))
                field_check_immutable(&w->errors, FIELD(FIELD(NULL, "spec"), "drivers"),
                                      as_printed(w->a, n), as_printed(w->a, o));
}

const struct kind kind_csi_node = {
    .group = "storage.k8s.io",
    .resource = "csinodes",
    .flags = KIND_RETURN_DELETED | KIND_CONDITIONAL,
    .validate = validate,
    .validate_update = validate_update,
};
