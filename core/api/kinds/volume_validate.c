/* What a pod's volumes must be (pkg/apis/core/validation). */
#include "api/kinds/pod_parts.h"
#include "codec/names.h"
#include "codec/quantity.h"

static const char mode_text[] = "must be a number between 0 and 0777 (octal), both inclusive";

static void check_mode(struct field_errors *e, const struct field *f, const struct json *source,
                       const char *name)
{
    int64_t mode = json_i64(json_get(source, name), 0);
    if (mode < 0 || mode > 0777)
        field_invalid_int(e, FIELD(f, name), mode, mode_text);
}

/* A file below the volume whose name does not begin with "..". */
static void check_path(struct field_errors *e, const struct field *f, struct str path)
{
    if (!path.n)
        field_required(e, f, NULL);
    descending_path_validate(e, f, path);
    if (str_starts(path, STR("..")) && !str_starts(path, STR("../")))
        field_invalid_str(e, f, path, "must not start with '..'");
}

static void check_items(struct field_errors *e, const struct field *f, const struct json *items)
{
    int64_t i = 0;
    for (const struct json *m = json_first(items); m; m = m->next, i++) {
        const struct field *at = FIELD_AT(FIELD(f, "items"), i);
        if (!json_path_str(m, "key").n)
            field_required(e, FIELD(at, "key"), NULL);
        check_path(e, FIELD(at, "path"), json_path_str(m, "path"));
        check_mode(e, at, m, "mode");
    }
}

/* Paths of these have no index, as upstream's. */
static void check_downward(struct field_errors *e, const struct field *f, const struct json *items)
{
    for (const struct json *m = json_first(items); m; m = m->next) {
        const struct json *field = json_get(m, "fieldRef"),
                          *resource = json_get(m, "resourceFieldRef");
        check_path(e, FIELD(f, "path"), json_path_str(m, "path"));
        if (!json_absent(field)) {
            field_ref_validate(e, FIELD(f, "fieldRef"), field, true);
            if (!json_absent(resource))
                field_invalid_str(
                    e, f, STR("resource"),
                    "fieldRef and resourceFieldRef can not be specified simultaneously");
        } else if (!json_absent(resource)) {
            resource_ref_validate(e, FIELD(f, "resourceFieldRef"), resource, true);
        } else {
            field_required(e, f, "one of fieldRef and resourceFieldRef is required");
        }
        check_mode(e, f, m, "mode");
    }
}

static void check_host_path(struct field_errors *e, const struct field *f,
                            const struct json *source)
{
    static const char *const types[] = {
        "",     "BlockDevice",  "CharDevice", "Directory", "DirectoryOrCreate",
        "File", "FileOrCreate", "Socket",     NULL};
    struct str path = json_path_str(source, "path"), rest = path, part;
    struct str type = json_path_str(source, "type");
    bool back = false;
    size_t i = 0;
    if (!path.n) {
        field_required(e, FIELD(f, "path"), NULL);
        return;
    }
    while (str_split(&rest, '/', &part))
        back = back || str_is(part, "..");
    if (back)
        field_invalid_str(e, FIELD(f, "path"), path, "must not contain '..'");
    while (types[i] && !str_is(type, types[i]))
        i++;
    if (!types[i])
        field_unsupported(e, FIELD(f, "type"), type, types);
}

/* ---- projected volumes ---- */

static void note_paths(struct field_errors *e, const struct field *f, const struct json *source,
                       struct map *seen)
{
    for (const struct json *m = json_first(json_get(source, "items")); m; m = m->next) {
        struct str path = json_path_str(m, "path"), name = json_path_str(source, "name");
        if (path.n && map_has(seen, path))
            field_invalid_str(e, f, name.n ? name : path, "conflicting duplicate paths");
        else if (path.n && map_set(seen, path, (void *)m, NULL) < 0)
            field_forbidden(e, f, "out of memory");
    }
}

static void check_token(struct field_errors *e, const struct field *f, const struct json *token)
{
    const struct json *seconds = json_get(token, "expirationSeconds");
    const struct field *at = FIELD(FIELD(f, "serviceAccountToken"), "expirationSeconds");
    if (json_i64(seconds, 3600) < 600)
        field_invalid(e, at, seconds, "may not specify a duration less than 10 minutes");
    if (json_i64(seconds, 3600) > INT64_C(1) << 32)
        field_invalid(e, at, seconds, "may not specify a duration larger than 2^32 seconds");
}

static void check_projected(struct field_errors *e, const struct field *f,
                            const struct json *projected)
{
    static const char *const kinds[] = {"secret", "configMap", "downwardAPI"};
    struct map seen;
    int64_t i = 0;
    check_mode(e, f, projected, "defaultMode");
    map_init(&seen);
    for (const struct json *s = json_first(json_get(projected, "sources")); s; s = s->next, i++) {
        const struct field *at = FIELD_AT(FIELD(f, "sources"), i);
        const struct json *token = json_get(s, "serviceAccountToken");
        for (size_t k = 0; k < 3; k++) {
            const struct json *source = json_get(s, kinds[k]);
            const struct field *in = FIELD(at, kinds[k]);
            if (json_absent(source))
                continue;
            if (k < 2 && !json_path_str(source, "name").n)
                field_required(e, FIELD(in, "name"), NULL);
            if (k < 2)
                check_items(e, in, json_get(source, "items"));
            else
                check_downward(e, in, json_get(source, "items"));
            note_paths(e, f, source, &seen);
        }
        if (!json_absent(token)) {
            check_token(e, at, token);
            if (!json_path_str(token, "path").n)
                field_required(e, FIELD(f, "path"), NULL);
        }
        if (json_count(s) > 1)
            field_forbidden(e, at, "may not specify more than 1 volume type");
    }
    map_done(&seen, NULL);
}

/* ---- sources ---- */

static void check_files(struct field_errors *e, const struct field *f, const struct json *source,
                        const char *name)
{
    if (!json_str(json_get(source, name)).n)
        field_required(e, FIELD(f, name), NULL);
    check_mode(e, f, source, "defaultMode");
    check_items(e, f, json_get(source, "items"));
}

static void check_empty_dir(struct field_errors *e, const struct field *f, const struct json *dir)
{
    const struct json *limit = json_get(dir, "sizeLimit");
    struct quantity q;
    if (!json_absent(limit) && quantity_parse(json_str(limit), &q, NULL) == 0 && q.nano < 0)
        field_forbidden(e, FIELD(f, "sizeLimit"),
                        "SizeLimit field must be a valid resource quantity");
}

static void check_nfs(struct field_errors *e, const struct field *f, const struct json *nfs)
{
    struct str path = json_path_str(nfs, "path");
    if (!json_path_str(nfs, "server").n)
        field_required(e, FIELD(f, "server"), NULL);
    if (!path.n)
        field_required(e, FIELD(f, "path"), NULL);
    if (!path.n || path.p[0] != '/')
        field_invalid_str(e, FIELD(f, "path"), path, "must be an absolute path");
}

static void check_csi(struct field_errors *e, const struct field *f, const struct json *csi)
{
    struct str driver = json_path_str(csi, "driver");
    const struct json *secret = json_get(csi, "nodePublishSecretRef");
    if (!driver.n)
        field_required(e, FIELD(f, "driver"), NULL);
    else
        field_check_name(e, FIELD(f, "driver"), driver, names_dns1123_subdomain);
    if (driver.n > 63)
        field_too_long(e, FIELD(f, "driver"), 63);
    if (!json_absent(secret) && !json_path_str(secret, "name").n)
        field_required(e, FIELD(FIELD(f, "nodePublishSecretRef"), "name"), NULL);
}

static void check_source(struct field_errors *e, const struct field *f, const char *kind,
                         const struct json *source)
{
    if (cstr_eq(kind, "emptyDir"))
        check_empty_dir(e, f, source);
    else if (cstr_eq(kind, "hostPath"))
        check_host_path(e, f, source);
    else if (cstr_eq(kind, "secret"))
        check_files(e, f, source, "secretName");
    else if (cstr_eq(kind, "configMap"))
        check_files(e, f, source, "name");
    else if (cstr_eq(kind, "nfs"))
        check_nfs(e, f, source);
    else if (cstr_eq(kind, "csi"))
        check_csi(e, f, source);
    else if (cstr_eq(kind, "projected"))
        check_projected(e, f, source);
    else if (cstr_eq(kind, "gitRepo"))
        field_forbidden(e, f, "gitRepo volumes are not served");
    else if (cstr_eq(kind, "persistentVolumeClaim") && !json_path_str(source, "claimName").n)
        field_required(e, FIELD(f, "claimName"), NULL);
    else if (cstr_eq(kind, "ephemeral") && json_absent(json_get(source, "volumeClaimTemplate")))
        field_required(e, FIELD(f, "volumeClaimTemplate"), NULL);
    if (cstr_eq(kind, "downwardAPI")) {
        check_mode(e, f, source, "defaultMode");
        check_downward(e, f, json_get(source, "items"));
    }
}

static void check_volume(struct field_errors *e, const struct field *f, const struct json *volume)
{
    static const char *const kinds[] = {"emptyDir",
                                        "hostPath",
                                        "gitRepo",
                                        "gcePersistentDisk",
                                        "awsElasticBlockStore",
                                        "secret",
                                        "nfs",
                                        "iscsi",
                                        "glusterfs",
                                        "flocker",
                                        "persistentVolumeClaim",
                                        "rbd",
                                        "cinder",
                                        "cephfs",
                                        "quobyte",
                                        "downwardAPI",
                                        "fc",
                                        "flexVolume",
                                        "configMap",
                                        "azureFile",
                                        "vsphereVolume",
                                        "photonPersistentDisk",
                                        "portworxVolume",
                                        "azureDisk",
                                        "storageos",
                                        "projected",
                                        "scaleIO",
                                        "csi",
                                        "ephemeral",
                                        "image"};
    bool any = false;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const struct json *source = json_get(volume, kinds[i]);
        if (json_absent(source))
            continue;
        if (any)
            field_forbidden(e, FIELD(f, kinds[i]), "may not specify more than 1 volume type");
        else
            check_source(e, FIELD(f, kinds[i]), kinds[i], source);
        any = true;
    }
    if (!any)
        field_required(e, f, "must specify a volume type");
}

void volumes_validate(struct field_errors *e, const struct field *f, const struct json *volumes,
                      struct map *ret_names)
{
    int64_t i = 0;
    for (const struct json *v = json_first(volumes); v; v = v->next, i++) {
        const struct field *at = FIELD_AT(f, i);
        struct str name = json_path_str(v, "name");
        unsigned before = e->count;
        check_volume(e, at, v);
        if (!name.n)
            field_required(e, FIELD(at, "name"), NULL);
        else
            field_check_name(e, FIELD(at, "name"), name, names_dns1123_label);
        if (name.n && map_has(ret_names, name))
            field_duplicate(e, FIELD(at, "name"), name);
        /* Nobody can mount one that is wrong. */
        if (e->count == before && map_set(ret_names, name, (void *)v, NULL) < 0)
            field_forbidden(e, at, "out of memory");
    }
}
