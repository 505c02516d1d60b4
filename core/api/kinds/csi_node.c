/* CSINodes, as upstream's pkg/apis/storage. */
#include "api/kinds/kinds.h"
#include "api/kinds/unique.h"
#include "api/kinds/volume_source.h"
#include "codec/names.h"

enum { NODE_ID_MOST = 256 };

static void check_keys(struct field_errors *e, const struct field *f, const struct json *keys)
{
    struct unique seen CLEANUP_UNIQUE = {0};
    for (const struct json *m = json_first(keys); m; m = m->next) {
        if (!json_str(m).n)
            field_required(e, f, NULL);
        if (!unique_add(&seen, json_str(m)))
            field_duplicate(e, f, json_str(m));
        field_check_name(e, f, json_str(m), names_qualified);
    }
}

static void validate(struct write *w)
{
    struct field_errors *e = &w->errors;
    struct unique seen CLEANUP_UNIQUE = {0};
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
        if (!unique_add(&seen, name))
            field_duplicate(e, FIELD(f, "name"), name);
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
    struct map names;
    int rc = 0;
    map_init(&names);
    for (const struct json *n = json_first(now); n && rc == 0; n = n->next)
        rc = map_set(&names, json_path_str(n, "name"), (void *)n, NULL);
    for (const struct json *o = json_first(before); o && rc == 0; o = o->next) {
        const struct json *n = map_get(&names, json_path_str(o, "name"));
        if (n)
            field_check_immutable(&w->errors, FIELD(FIELD(NULL, "spec"), "drivers"),
                                  as_printed(w->a, n), as_printed(w->a, o));
    }
    map_done(&names, NULL);
    if (rc < 0)
        field_forbidden(&w->errors, FIELD(FIELD(NULL, "spec"), "drivers"), "out of memory");
}

const struct kind kind_csi_node = {
    .group = "storage.k8s.io",
    .resource = "csinodes",
    .flags = KIND_RETURN_DELETED | KIND_CONDITIONAL,
    .validate = validate,
    .validate_update = validate_update,
};
