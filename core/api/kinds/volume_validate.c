/* What a pod's volumes must be (pkg/apis/core/validation). */
#include "api/kinds/kinds.h"
#include "codec/names.h"

static void check_items(struct field_errors *e, const struct field *f, const struct json *items)
{
    int64_t i = 0;
    for (const struct json *m = json_first(items); m; m = m->next, i++) {
        struct str path = json_path_str(m, "path"), rest = path, part;
        const struct field *at = FIELD_AT(FIELD(f, "items"), i);
        if (!path.n)
            field_required(e, FIELD(at, "path"), NULL);
        else if (path.p[0] == '/')
            field_invalid_str(e, FIELD(at, "path"), path, "must be a relative path");
        while (path.n && str_split(&rest, '/', &part))
            if (str_is(part, ".."))
                field_invalid_str(e, FIELD(at, "path"), path, "must not contain '..'");
        if (json_get(m, "key") && !json_path_str(m, "key").n)
            field_required(e, FIELD(at, "key"), NULL);
        int64_t mode = json_path_i64(m, "mode", 0);
        if (mode < 0 || mode > 0777)
            field_invalid_int(e, FIELD(at, "mode"), mode,
                              "must be a number between 0 and 0777 (octal), both inclusive");
    }
}

static void check_mode(struct field_errors *e, const struct field *f, const struct json *source)
{
    int64_t mode = json_path_i64(source, "defaultMode", 0);
    if (mode < 0 || mode > 0777)
        field_invalid_int(e, FIELD(f, "defaultMode"), mode,
                          "must be a number between 0 and 0777 (octal), both inclusive");
}

static void check_host_path(struct field_errors *e, const struct field *f,
                            const struct json *source)
{
    static const char *const types[] = {
        "",     "BlockDevice",  "CharDevice", "Directory", "DirectoryOrCreate",
        "File", "FileOrCreate", "Socket",     NULL};
    struct str path = json_path_str(source, "path"), rest = path, part;
    if (!path.n)
        field_required(e, FIELD(f, "path"), NULL);
    while (path.n && str_split(&rest, '/', &part))
        if (str_is(part, ".."))
            field_invalid_str(e, FIELD(f, "path"), path, "must not contain '..'");
    struct str type = json_path_str(source, "type");
    size_t i = 0;
    while (types[i] && !str_is(type, types[i]))
        i++;
    if (!types[i])
        field_unsupported(e, FIELD(f, "type"), type, types);
}

static void check_projected(struct field_errors *e, const struct field *f,
                            const struct json *projected)
{
    int64_t i = 0;
    check_mode(e, f, projected);
    for (const struct json *s = json_first(json_get(projected, "sources")); s; s = s->next, i++) {
        const struct field *at = FIELD_AT(FIELD(f, "sources"), i);
        const struct json *token = json_get(s, "serviceAccountToken");
        if (json_count(s) != 1)
            field_forbidden(e, at, "must specify exactly one volume projection source");
        if (token && !json_path_str(token, "path").n)
            field_required(e, FIELD(FIELD(at, "serviceAccountToken"), "path"), NULL);
        if (token && json_path_i64(token, "expirationSeconds", 3600) < 600)
            field_invalid(e, FIELD(FIELD(at, "serviceAccountToken"), "expirationSeconds"),
                          json_get(token, "expirationSeconds"),
                          "may not specify a duration less than 10 minutes");
        check_items(e, FIELD(at, "configMap"), json_path(s, "configMap.items"));
        check_items(e, FIELD(at, "secret"), json_path(s, "secret.items"));
        check_items(e, FIELD(at, "downwardAPI"), json_path(s, "downwardAPI.items"));
    }
}

static void check_source(struct field_errors *e, const struct field *f, const struct json *v)
{
    const struct json *map = json_get(v, "configMap"), *secret = json_get(v, "secret");
    if (map) {
        if (!json_path_str(map, "name").n)
            field_required(e, FIELD(FIELD(f, "configMap"), "name"), NULL);
        check_mode(e, FIELD(f, "configMap"), map);
        check_items(e, FIELD(f, "configMap"), json_get(map, "items"));
    }
    if (secret) {
        if (!json_path_str(secret, "secretName").n)
            field_required(e, FIELD(FIELD(f, "secret"), "secretName"), NULL);
        check_mode(e, FIELD(f, "secret"), secret);
        check_items(e, FIELD(f, "secret"), json_get(secret, "items"));
    }
    if (json_get(v, "hostPath"))
        check_host_path(e, FIELD(f, "hostPath"), json_get(v, "hostPath"));
    if (json_get(v, "projected"))
        check_projected(e, FIELD(f, "projected"), json_get(v, "projected"));
    if (json_get(v, "downwardAPI"))
        check_items(e, FIELD(f, "downwardAPI"), json_path(v, "downwardAPI.items"));
    if (json_get(v, "gitRepo"))
        field_forbidden(e, FIELD(f, "gitRepo"), "gitRepo volumes are not served");
    if (json_get(v, "persistentVolumeClaim") &&
        !json_path_str(v, "persistentVolumeClaim.claimName").n)
        field_required(e, FIELD(FIELD(f, "persistentVolumeClaim"), "claimName"), NULL);
}

void volumes_validate(struct field_errors *e, const struct field *f, const struct json *volumes,
                      struct map *ret_names)
{
    int64_t i = 0;
    for (const struct json *v = json_first(volumes); v; v = v->next, i++) {
        const struct field *at = FIELD_AT(f, i);
        struct str name = json_path_str(v, "name");
        if (!name.n)
            field_required(e, FIELD(at, "name"), NULL);
        else
            field_check_name(e, FIELD(at, "name"), name, names_dns1123_label);
        if (name.n && map_has(ret_names, name))
            field_duplicate(e, FIELD(at, "name"), name);
        else if (name.n && map_set(ret_names, name, (void *)v, NULL) < 0)
            field_forbidden(e, at, "out of memory");
        uint32_t sources = json_count(v) - (json_get(v, "name") ? 1 : 0);
        if (sources == 0)
            field_required(e, at, "must specify a volume type");
        else if (sources > 1)
            field_forbidden(e, at, "may not specify more than 1 volume type");
        check_source(e, at, v);
    }
}
