/* VolumeAttributesClasses, as upstream's pkg/apis/storage. */
#include "api/kinds/kinds.h"

static void validate(struct write *w)
{
    const struct field *f = FIELD(NULL, "parameters");
    const struct json *parameters = json_get(w->object, "parameters");
    field_check_provisioner(&w->errors, FIELD(NULL, "driverName"),
                            json_path_str(w->object, "driverName"));
    if (!json_count(parameters))
        field_required(&w->errors, f, "must contain at least one key/value pair");
    parameters_validate(&w->errors, f, parameters);
}

static void validate_update(struct write *w)
{
    if (!str_eq(json_path_str(w->object, "driverName"), json_path_str(w->old, "driverName")))
        field_forbidden(&w->errors, FIELD(NULL, "driverName"),
                        "updates to driverName are forbidden.");
    if (!json_equal(json_get(w->object, "parameters"), json_get(w->old, "parameters")))
        field_forbidden(&w->errors, FIELD(NULL, "parameters"),
                        "updates to parameters are forbidden.");
}

const struct kind kind_volume_attributes_class = {
    .group = "storage.k8s.io",
    .resource = "volumeattributesclasses",
    .flags = KIND_RETURN_DELETED,
    .validate = validate,
    .validate_update = validate_update,
};
