/* DeviceClasses, as upstream's pkg/apis/resource. */
#include "api/kinds/device.h"
#include "api/kinds/kinds.h"
#include "codec/names.h"

static void check_config(struct field_errors *e, const struct field *f, const struct json *config,
                         const void *ctx)
{
    (void)ctx;
    device_config_validate(e, f, config);
}

/* example.com/name, and not of Kubernetes' own; also as a name of quotas ("requests." before it). */
static bool extended(struct arena *a, struct str name)
{
    const char *quota = arena_printf(a, "requests." STR_FMT, STR_ARG(name));
    return str_find_byte(name, '/') >= 0 && str_find(name, STR("kubernetes.io/")) < 0 &&
           !str_starts(name, STR("requests.")) && quota && !names_qualified(str_of(quota));
}

static void validate(struct write *w)
{
    const struct field *f = FIELD(NULL, "spec");
    const struct json *spec = json_get(w->object, "spec"),
                      *name = json_get(spec, "extendedResourceName");
    device_selectors_validate(&w->errors, FIELD(f, "selectors"), json_get(spec, "selectors"));
    device_each(&w->errors, FIELD(f, "config"), json_get(spec, "config"), DEVICES_LIST_MOST,
                check_config, NULL);
    if (!json_absent(name) && !extended(w->a, json_str(name)))
        field_invalid(&w->errors, FIELD(f, "extendedResourceName"), name,
                      "must be a valid extended resource name");
}

const struct kind kind_device_class = {
    .group = "resource.k8s.io",
    .resource = "deviceclasses",
    .flags = KIND_GENERATION | KIND_RETURN_DELETED,
    .validate = validate,
};
