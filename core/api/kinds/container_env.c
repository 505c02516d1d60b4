/* Environment of containers, and the paths that the downward API may follow. See pod_parts.h. */
#include "api/kinds/pod_parts.h"
#include "codec/names.h"
#include "codec/quantity.h"

static const char *env_name_rule(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x20 || s.p[i] > 0x7e || s.p[i] == '=')
            return "a valid environment variable name must consist only of printable ASCII "
                   "characters other than '='";
    return NULL;
}

static bool among(struct str s, const char *const *names)
{
    while (*names && !str_is(s, *names))
        names++;
    return *names != NULL;
}

/* "metadata.labels['key']" */
static bool split_subscript(struct str path, struct str *ret_path, struct str *ret_key)
{
    ptrdiff_t at = str_find_byte(path, '[');
    size_t from = (size_t)at + 2;
    if (at <= 0 || path.n < from + 2 || path.p[from - 1] != '\'' || path.p[path.n - 1] != ']' ||
        path.p[path.n - 2] != '\'')
        return false;
    *ret_path = str_make(path.p, (size_t)at);
    *ret_key = str_make(path.p + from, path.n - from - 2);
    return true;
}

static void check_subscript(struct field_errors *e, const struct field *f, struct str path,
                            struct str key)
{
    char lower[400];
    if (str_is(path, "metadata.labels")) {
        field_check_name(e, f, key, names_qualified);
        return;
    }
    str_copy(lower, sizeof lower, key);
    for (char *c = lower; *c; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c | 0x20) : *c;
    field_check_name(e, f, str_of(lower), names_qualified);
}

void field_ref_validate(struct field_errors *e, const struct field *f, const struct json *ref,
                        bool of_volume)
{
    static const char *const of_env[] = {"metadata.name",
                                         "metadata.namespace",
                                         "metadata.uid",
                                         "spec.nodeName",
                                         "spec.serviceAccountName",
                                         "status.hostIP",
                                         "status.hostIPs",
                                         "status.podIP",
                                         "status.podIPs",
                                         NULL};
    static const char *const of_file[] = {"metadata.annotations", "metadata.labels",
                                          "metadata.name",        "metadata.namespace",
                                          "metadata.uid",         NULL};
    static const char *const known[] = {"metadata.annotations", "metadata.labels",
                                        "spec.restartPolicy",   "spec.schedulerName",
                                        "status.phase",         NULL};
    struct str path = json_path_str(ref, "fieldPath"), part, key;
    if (!json_path_str(ref, "apiVersion").n) {
        field_required(e, FIELD(f, "apiVersion"), NULL);
        return;
    }
    if (!path.n) {
        field_required(e, FIELD(f, "fieldPath"), NULL);
        return;
    }
    if (split_subscript(path, &part, &key) &&
        (str_is(part, "metadata.labels") || str_is(part, "metadata.annotations")))
        check_subscript(e, f, part, key);
    else if (!among(path, of_env) && !among(path, known))
        field_invalid_str(
            e, FIELD(f, "fieldPath"), path,
            arena_printf(e->arena,
                         "error converting fieldPath: field label not supported: " STR_FMT,
                         STR_ARG(path)));
    else if (!among(path, of_volume ? of_file : of_env))
        field_unsupported(e, FIELD(f, "fieldPath"), path, of_volume ? of_file : of_env);
}

static bool ends_resource(struct str resource, const char *name)
{
    return str_ends(resource, str_of(name));
}

static void check_divisor(struct field_errors *e, const struct field *f, struct str resource,
                          const struct json *divisor)
{
    static const char *const sizes[] = {"1",   "1k",  "1M",  "1G",  "1T",  "1P",  "1E",
                                        "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei", NULL};
    static const char *const cores[] = {"1m", "1", NULL};
    char text[QUANTITY_TEXT];
    struct quantity q;
    if (json_absent(divisor) || quantity_parse(json_str(divisor), &q, NULL) < 0 || q.nano == 0)
        return;
    quantity_format(&q, text);
    bool cpu = ends_resource(resource, ".cpu");
    const char *of = ends_resource(resource, ".memory")              ? "memory"
                     : ends_resource(resource, ".ephemeral-storage") ? "local ephemeral storage"
                                                                     : "hugepages";
    if (cpu && !among(str_of(text), cores))
        field_invalid_str(e, FIELD(f, "divisor"), resource,
                          "only divisor's values 1m and 1 are supported with the cpu resource");
    else if (!cpu && !among(str_of(text), sizes))
        field_invalid_str(e, FIELD(f, "divisor"), resource,
                          arena_printf(e->arena,
                                       "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, "
                                       "1Gi, 1Ti, 1Pi, 1Ei are supported with the %s resource",
                                       of));
}

void resource_ref_validate(struct field_errors *e, const struct field *f, const struct json *ref,
                           bool of_volume)
{
    static const char *const names[] = {"limits.cpu",
                                        "limits.ephemeral-storage",
                                        "limits.memory",
                                        "requests.cpu",
                                        "requests.ephemeral-storage",
                                        "requests.memory",
                                        NULL};
    struct str resource = json_path_str(ref, "resource");
    if (of_volume && !json_path_str(ref, "containerName").n)
        field_required(e, FIELD(f, "containerName"), NULL);
    else if (!resource.n)
        field_required(e, FIELD(f, "resource"), NULL);
    else if (!among(resource, names) && !str_starts(resource, STR("limits.hugepages-")) &&
             !str_starts(resource, STR("requests.hugepages-")))
        field_unsupported(e, FIELD(f, "resource"), resource, names);
    else
        check_divisor(e, f, resource, json_get(ref, "divisor"));
}

static void check_key_ref(struct field_errors *e, const struct field *f, const struct json *ref)
{
    struct str key = json_path_str(ref, "key");
    if (!json_path_str(ref, "name").n)
        field_required(e, FIELD(f, "name"), NULL);
    if (!key.n)
        field_required(e, FIELD(f, "key"), NULL);
    else
        field_check_name(e, FIELD(f, "key"), key, names_config_map_key);
}

static void check_value_from(struct field_errors *e, const struct field *f, const struct json *var)
{
    static const char *const kinds[] = {"fieldRef", "resourceFieldRef", "configMapKeyRef",
                                        "secretKeyRef", "fileKeyRef"};
    const struct json *from = json_get(var, "valueFrom");
    unsigned count = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const struct json *k = json_get(from, kinds[i]);
        const struct field *at = FIELD(f, kinds[i]);
        if (json_absent(k))
            continue;
        count++;
        if (i == 0)
            field_ref_validate(e, at, k, false);
        else if (i == 1)
            resource_ref_validate(e, at, k, false);
        else if (i < 4)
            check_key_ref(e, at, k);
    }
    if (count == 0)
        field_invalid_str(e, f, STR(""),
                          "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` "
                          "or `secretKeyRef`");
    else if (json_path_str(var, "value").n)
        field_invalid_str(e, f, STR(""), "may not be specified when `value` is not empty");
    else if (count > 1)
        field_invalid_str(e, f, STR(""), "may not have more than one field specified at a time");
}

static void check_sources(struct field_errors *e, const struct field *f, const struct json *sources)
{
    static const char *const refs[] = {"configMapRef", "secretRef"};
    int64_t i = 0;
    for (const struct json *v = json_first(sources); v; v = v->next, i++) {
        const struct field *at = FIELD_AT(f, i);
        struct str prefix = json_path_str(v, "prefix");
        unsigned count = 0;
        if (prefix.n)
            field_check_name(e, FIELD(at, "prefix"), prefix, env_name_rule);
        for (size_t k = 0; k < 2; k++) {
            const struct json *ref = json_get(v, refs[k]);
            struct str name = json_path_str(ref, "name");
            if (json_absent(ref))
                continue;
            count++;
            if (!name.n)
                field_required(e, FIELD(FIELD(at, refs[k]), "name"), NULL);
            else
                field_check_name(e, FIELD(FIELD(at, refs[k]), "name"), name,
                                 names_dns1123_subdomain);
        }
        if (count != 1)
            field_invalid_str(e, f, STR(""),
                              count ? "may not have more than one field specified at a time"
                                    : "must specify one of: `configMapRef` or `secretRef`");
    }
}

void env_validate(struct field_errors *e, const struct field *f, const struct json *container)
{
    int64_t i = 0;
    for (const struct json *v = json_first(json_get(container, "env")); v; v = v->next, i++) {
        const struct field *at = FIELD_AT(FIELD(f, "env"), i);
        struct str name = json_path_str(v, "name");
        if (!name.n)
            field_required(e, FIELD(at, "name"), NULL);
        else
            field_check_name(e, FIELD(at, "name"), name, env_name_rule);
        if (!json_absent(json_get(v, "valueFrom")))
            check_value_from(e, FIELD(at, "valueFrom"), v);
    }
    check_sources(e, FIELD(f, "envFrom"), json_get(container, "envFrom"));
}
