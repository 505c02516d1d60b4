/* Volumes in containers: mounts and block devices. See pod_parts.h. */
#include "api/kinds/pod_parts.h"
#include "codec/names.h"

static bool has_value(const struct json *list, const char *member, struct str value)
{
    for (const struct json *m = json_first(list); m && value.n; m = m->next)
        if (str_eq(json_str(json_get(m, member)), value))
            return true;
    return false;
}

static bool seen_before(const struct json *list, const struct json *at, const char *member)
{
    struct str value = json_str(json_get(at, member));
    for (const struct json *m = json_first(list); m != at && value.n; m = m->next)
        if (str_eq(json_str(json_get(m, member)), value))
            return true;
    return false;
}

static void check_propagation(struct field_errors *e, const struct field *f,
                              const struct json *mount, const struct json *container)
{
    static const char *const modes[] = {"Bidirectional", "HostToContainer", "None", NULL};
    const struct json *mode = json_get(mount, "mountPropagation"),
                      *recursive = json_get(mount, "recursiveReadOnly");
    static const char *const recursions[] = {"Disabled", "Enabled", "IfPossible", NULL};
    if (!json_absent(mode))
        field_check_enum(e, FIELD(f, "mountPropagation"), mode, modes);
    if (str_is(json_str(mode), "Bidirectional") &&
        !json_path_bool(container, "securityContext.privileged", false))
        field_forbidden(
            e, FIELD(f, "mountPropagation"),
            "Bidirectional mount propagation is available only to privileged containers");
    if (json_absent(recursive))
        return;
    field_check_enum(e, FIELD(f, "recursiveReadOnly"), recursive, recursions);
    if (str_is(json_str(recursive), "Disabled"))
        return;
    if (!json_path_bool(mount, "readOnly", false))
        field_forbidden(e, FIELD(f, "recursiveReadOnly"),
                        "may only be specified when readOnly is true");
    if (!json_absent(mode) && !str_is(json_str(mode), "None"))
        field_forbidden(e, FIELD(f, "recursiveReadOnly"),
                        "may only be specified when mountPropagation is None or not specified");
}

void mounts_validate(struct field_errors *e, const struct field *f, const struct json *container,
                     const struct map *volumes)
{
    const struct json *mounts = json_get(container, "volumeMounts"),
                      *devices = json_get(container, "volumeDevices");
    int64_t i = 0;
    f = FIELD(f, "volumeMounts");
    for (const struct json *m = json_first(mounts); m; m = m->next, i++) {
        const struct field *at = FIELD_AT(f, i);
        struct str name = json_path_str(m, "name"), path = json_path_str(m, "mountPath"),
                   sub = json_path_str(m, "subPath"), expr = json_path_str(m, "subPathExpr");
        if (!name.n)
            field_required(e, FIELD(at, "name"), NULL);
        if (!map_has(volumes, name))
            field_not_found(e, FIELD(at, "name"), name);
        if (!path.n)
            field_required(e, FIELD(at, "mountPath"), NULL);
        if (seen_before(mounts, m, "mountPath"))
            field_invalid_str(e, FIELD(at, "mountPath"), path, "must be unique");
        if (has_value(devices, "name", name))
            field_invalid_str(e, FIELD(at, "name"), name,
                              "must not already exist in volumeDevices");
        if (has_value(devices, "devicePath", path))
            field_invalid_str(e, FIELD(at, "mountPath"), path,
                              "must not already exist as a path in volumeDevices");
        descending_path_validate(e, FIELD(f, "subPath"), sub);
        if (sub.n && expr.n)
            field_invalid_str(e, FIELD(at, "subPathExpr"), expr,
                              "subPathExpr and subPath are mutually exclusive");
        descending_path_validate(e, FIELD(f, "subPathExpr"), expr);
        check_propagation(e, at, m, container);
    }
}

void devices_validate(struct field_errors *e, const struct field *f, const struct json *container,
                      const struct map *volumes)
{
    const struct json *mounts = json_get(container, "volumeMounts"),
                      *devices = json_get(container, "volumeDevices");
    int64_t i = 0;
    for (const struct json *d = json_first(devices); d; d = d->next, i++) {
        const struct field *at = FIELD_AT(FIELD(f, "volumeDevices"), i);
        struct str name = json_path_str(d, "name"), path = json_path_str(d, "devicePath"),
                   rest = path, part;
        const struct json *volume = map_get(volumes, name);
        bool back = false;
        if (!name.n)
            field_required(e, FIELD(at, "name"), NULL);
        if (seen_before(devices, d, "name"))
            field_invalid_str(e, FIELD(at, "name"), name, "must be unique");
        if (!volume)
            field_not_found(e, FIELD(at, "name"), name);
        else if (!json_get(volume, "persistentVolumeClaim") && !json_get(volume, "ephemeral"))
            field_invalid_str(e, FIELD(at, "name"), name,
                              "can only use volume source type of PersistentVolumeClaim or "
                              "Ephemeral for block mode");
        if (!path.n)
            field_required(e, FIELD(at, "devicePath"), NULL);
        if (seen_before(devices, d, "devicePath"))
            field_invalid_str(e, FIELD(at, "devicePath"), path, "must be unique");
        while (path.n && str_split(&rest, '/', &part))
            back = back || str_is(part, "..");
        if (back)
            field_invalid_str(e, FIELD(at, "devicePath"), path, "can not contain backsteps ('..')");
        if (has_value(mounts, "name", name))
            field_invalid_str(e, FIELD(at, "name"), name, "must not already exist in volumeMounts");
        if (has_value(mounts, "mountPath", path))
            field_invalid_str(e, FIELD(at, "devicePath"), path,
                              "must not already exist as a path in volumeMounts");
    }
}
