/* VolumeAttachments, as upstream's pkg/apis/storage. */
#include "api/kinds/kinds.h"
#include "api/kinds/volume_source.h"
#include "codec/names.h"

enum { METADATA_BYTES = 256 * 1024, MESSAGE_BYTES = 1024 };

static void set_defaults(struct write *w)
{
    volume_source_default(w->a, json_path(w->object, "spec.source.inlineVolumeSpec"));
}

static void check_source(struct field_errors *e, const struct field *f, const struct json *source)
{
    static const char one[] =
        "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    const struct json *name = json_get(source, "persistentVolumeName"),
                      *spec = json_get(source, "inlineVolumeSpec");
    if (json_absent(name) && json_absent(spec))
        field_required(e, f, one);
    else if (!json_absent(name) && !json_absent(spec))
        field_forbidden(e, f, one);
    else if (!json_absent(spec))
        inline_volume_validate(e, FIELD(f, "inlineVolumeSpec"), spec);
    else if (!json_str(name).n)
        field_required(e, FIELD(f, "persistentVolumeName"),
                       "must specify non empty persistentVolumeName");
}

static void validate(struct write *w)
{
    struct field_errors *e = &w->errors;
    const struct field *f = FIELD(NULL, "spec");
    const struct json *spec = json_get(w->object, "spec"),
                      *volume = json_path(spec, "source.persistentVolumeName");
    struct str attacher = json_path_str(spec, "attacher");
    if (!attacher.n)
        field_required(e, FIELD(f, "attacher"), NULL);
    check_source(e, FIELD(f, "source"), json_get(spec, "source"));
    field_check_name(e, FIELD(f, "nodeName"), json_path_str(spec, "nodeName"),
                     names_dns1123_subdomain);
    if (!w->is_create)
        return;
    driver_name_validate(e, FIELD(NULL, "spec.attacher"), attacher);
    if (!json_absent(volume))
        field_check_name(e, FIELD(NULL, "spec.source.persistentVolumeName"), json_str(volume),
                         names_dns1123_subdomain);
}

static void check_status(struct write *w)
{
    static const char *const errors[] = {"attachError", "detachError"};
    const struct field *f = FIELD(NULL, "status");
    const struct json *status = json_get(w->object, "status");
    size_t bytes = 0;
    for (const struct json *m = json_first(json_get(status, "attachmentMetadata")); m; m = m->next)
        bytes += m->key.n + json_str(m).n;
    if (bytes > METADATA_BYTES)
        field_too_long(&w->errors, FIELD(f, "attachmentMetadata"), METADATA_BYTES);
    for (size_t i = 0; i < 2; i++)
        if (json_path_str(json_get(status, errors[i]), "message").n > MESSAGE_BYTES)
            field_too_long(&w->errors, FIELD(FIELD(f, errors[i]), "message"), METADATA_BYTES);
}

static void validate_update(struct write *w)
{
    if (cstr_eq(w->subresource, "status"))
        check_status(w);
    else if (!write_spec_same(w))
        field_invalid(&w->errors, FIELD(NULL, "spec"), json_get(w->object, "spec"),
                      "field is immutable");
}

const struct kind kind_volume_attachment = {
    .group = "storage.k8s.io",
    .resource = "volumeattachments",
    .flags = KIND_STATUS | KIND_STATUS_ONLY | KIND_RETURN_DELETED | KIND_CONDITIONAL,
    .set_defaults = set_defaults,
    .validate = validate,
    .validate_update = validate_update,
};
