/* ResourceSlices, as upstream's pkg/apis/resource. */
#include <stdio.h>

#include "api/kinds/device.h"
#include "api/kinds/kinds.h"
#include "api/kinds/volume_source.h"
#include "codec/names.h"

enum { DEVICES_MOST = 128, DEVICES_MARKED_MOST = 64, SETS_MOST = 8 };

static const struct kind_field fields[] = {
    {SELECTABLE("spec.nodeName")}, {SELECTABLE("spec.driver")}, {.selector = NULL}};

static void check_pool(struct field_errors *e, const struct field *f, const struct json *pool)
{
    int64_t slices = json_path_i64(pool, "resourceSliceCount", 0),
            generation = json_path_i64(pool, "generation", 0);
    device_pool_validate(e, FIELD(f, "name"), json_path_str(pool, "name"));
    if (slices <= 0)
        field_invalid_int(e, FIELD(f, "resourceSliceCount"), slices, "must be greater than zero");
    if (generation < 0)
        field_invalid_int(e, FIELD(f, "generation"), generation,
                          "must be greater than or equal to zero");
}

/* Counts a flag that may be left out or true. */
static void check_flag(struct field_errors *e, const struct field *f, const struct json *spec,
                       const char *name, const char *set[4], size_t *count)
{
    const struct json *flag = json_get(spec, name);
    if (json_absent(flag))
        return;
    if (json_bool(flag, false))
        set[(*count)++] = name;
    else
        field_invalid(e, FIELD(f, name), flag, "must be either unset or set to true");
}

static void check_place(struct field_errors *e, const struct field *f, const struct json *spec)
{
    const struct json *node = json_get(spec, "nodeName"), *selector = json_get(spec, "nodeSelector"),
                      *terms = json_get(selector, "nodeSelectorTerms");
    const char *set[4];
    size_t count = 0;
    if (!json_absent(node) && json_str(node).n) {
        set[count++] = "nodeName";
        field_check_name(e, FIELD(f, "nodeName"), json_str(node), names_dns1123_subdomain);
    } else if (!json_absent(node)) {
        field_invalid(e, FIELD(f, "nodeName"), node,
                      "must be either unset or set to a non-empty string");
    }
    if (!json_absent(selector)) {
        set[count++] = "nodeSelector";
        node_selector_validate(e, FIELD(f, "nodeSelector"), selector);
        if (json_count(terms) != 1)
            field_invalid(e, FIELD(FIELD(f, "nodeSelector"), "nodeSelectorTerms"), terms,
                          "must have exactly one node selector term");
    }
    check_flag(e, f, spec, "allNodes", set, &count);
    check_flag(e, f, spec, "perDeviceNodeSelection", set, &count);
    if (count == 0) {
        field_required(e, f,
                       "exactly one of `nodeName`, `nodeSelector`, `allNodes`, "
                       "`perDeviceNodeSelection` is required");
    } else if (count > 1) {
        char text[200] = "{";
        for (size_t i = 0; i < count; i++)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s`%s`%s", i ? ", " : "",
                     set[i], i + 1 == count ? "}" : "");
        field_invalid_str(e, f, str_of(text),
                          "exactly one of `nodeName`, `nodeSelector`, `allNodes`, "
                          "`perDeviceNodeSelection` is required, but multiple fields are set");
    }
}

static void check_device(struct field_errors *e, const struct field *f, const struct json *device,
                         const void *spec)
{
    device_validate(e, f, device, spec);
}

static void check_set(struct field_errors *e, const struct field *f, const struct json *set,
                      const void *ctx)
{
    struct str name = json_path_str(set, "name");
    (void)ctx;
    if (name.n)
        device_label_validate(e, FIELD(f, "name"), name);
    else
        field_required(e, FIELD(f, "name"), NULL);
    device_counters_validate(e, FIELD(f, "counters"), json_get(set, "counters"));
}

static void check_immutable(struct write *w, const struct field *f, const struct json *spec)
{
    static const char *const parts[] = {"pool.name", "driver", "nodeName"};
    const struct json *old = json_get(w->old, "spec");
    for (size_t i = 0; i < 3; i++)
        field_check_immutable(&w->errors, FIELD(f, parts[i]), json_path(spec, parts[i]),
                              json_path(old, parts[i]));
}

static void validate(struct write *w)
{
    struct field_errors *e = &w->errors;
    const struct field *f = FIELD(NULL, "spec");
    const struct json *spec = json_get(w->object, "spec"), *devices = json_get(spec, "devices"),
                      *counters = json_get(spec, "sharedCounters");
    bool marked = false;
    driver_name_validate(e, FIELD(f, "driver"), json_path_str(spec, "driver"));
    check_pool(e, FIELD(f, "pool"), json_get(spec, "pool"));
    if (!w->is_create)
        check_immutable(w, f, spec);
    check_place(e, f, spec);
    if (!json_absent(counters) && !json_absent(devices))
        field_invalid_str(e, f, STR(""), "only one of `sharedCounters` or `devices` is allowed");
    for (const struct json *d = json_first(devices); d; d = d->next)
        marked = marked || json_count(json_get(d, "taints")) ||
                 json_count(json_get(d, "consumesCounters"));
    device_set(e, FIELD(f, "devices"), devices, marked ? DEVICES_MARKED_MOST : DEVICES_MOST, "name",
               check_device, spec);
    device_set(e, FIELD(f, "sharedCounters"), counters, SETS_MOST, "name", check_set, NULL);
}

const struct kind kind_resource_slice = {
    .group = "resource.k8s.io",
    .resource = "resourceslices",
    .flags = KIND_GENERATION | KIND_RETURN_DELETED,
    .fields = fields,
    .validate = validate,
};
