/* What a PersistentVolume is made of: the checks of each source, as upstream's. */
#include "api/kinds/volume_source.h"

#include "api/kinds/kinds.h"
#include "cel/regex.h"
#include "codec/names.h"

enum { PORTAL_MOST = 64, DRIVER_MOST = 63, TENANT_MOST = 64 };

static void need(struct field_errors *e, const struct field *f, const struct json *source,
                 const char *name)
{
    if (!json_str(json_get(source, name)).n)
        field_required(e, FIELD(f, name), NULL);
}

static void check_range(struct field_errors *e, const struct field *f, const struct json *source,
                        const char *name, const char *message)
{
    int64_t n = json_path_i64(source, name, 0);
    if (n < 0 || n > 255)
        field_invalid_int(e, FIELD(f, name), n, message);
}

static void check_backsteps(struct field_errors *e, const struct field *f, struct str path)
{
    struct str rest = path, part;
    while (str_split(&rest, '/', &part))
        if (str_is(part, "..")) {
            field_invalid_str(e, f, path, "must not contain '..'");
            return;
        }
}

static void check_host_path(struct field_errors *e, const struct field *f, const struct json *source)
{
    static const char *const types[] = {
        "",     "BlockDevice",  "CharDevice", "Directory", "DirectoryOrCreate",
        "File", "FileOrCreate", "Socket",     NULL};
    struct str path = json_path_str(source, "path"), type = json_path_str(source, "type");
    if (!path.n) {
        field_required(e, FIELD(f, "path"), NULL);
        return;
    }
    check_backsteps(e, FIELD(f, "path"), path);
    if (type.n)
        field_check_enum(e, FIELD(f, "type"), json_get(source, "type"), types);
}

static const char partition_message[] = "must be between 1 and 255, inclusive";

static void check_gce(struct field_errors *e, const struct field *f, const struct json *source)
{
    const struct field *at = FIELD(f->up, "persistentDisk"); /* as upstream calls it here */
    need(e, at, source, "pdName");
    check_range(e, at, source, "partition", partition_message);
}

static void check_aws(struct field_errors *e, const struct field *f, const struct json *source)
{
    check_range(e, f, source, "partition", partition_message);
}

static void check_glusterfs(struct field_errors *e, const struct field *f,
                            const struct json *source)
{
    const struct json *ns = json_get(source, "endpointsNamespace");
    if (json_absent(ns))
        return;
    if (!json_str(ns).n)
        field_invalid(e, FIELD(f, "endpointsNamespace"), ns,
                      "if the endpointnamespace is set, it must be a valid namespace name");
    else
        field_check_name(e, FIELD(f, "endpointsNamespace"), json_str(ns), names_dns1123_label);
}

static void check_flocker(struct field_errors *e, const struct field *f, const struct json *source)
{
    struct str set = json_path_str(source, "datasetName"),
               uuid = json_path_str(source, "datasetUUID");
    if (!set.n && !uuid.n)
        field_required(e, f, "one of datasetName and datasetUUID is required");
    if (set.n && uuid.n)
        field_invalid_str(e, f, STR("resource"),
                          "datasetName and datasetUUID can not be specified simultaneously");
    if (str_find_byte(set, '/') >= 0)
        field_invalid_str(e, FIELD(f, "datasetName"), set, "must not contain '/'");
}

static void check_nfs(struct field_errors *e, const struct field *f, const struct json *source)
{
    struct str path = json_path_str(source, "path");
    if (!path.n || path.p[0] != '/')
        field_invalid_str(e, FIELD(f, "path"), path, "must be an absolute path");
}

/* A host, one colon, a port; an address with colons stands in brackets. */
static bool host_port(struct str pair)
{
    ptrdiff_t colon = -1;
    for (size_t i = 0; i < pair.n; i++)
        if (pair.p[i] == ':')
            colon = (ptrdiff_t)i;
    if (colon < 0)
        return false;
    struct str host = str_make(pair.p, (size_t)colon);
    if (host.n && host.p[0] == '[')
        return host.p[host.n - 1] == ']' && str_find_byte(host, ']') == (ptrdiff_t)host.n - 1;
    return str_find_byte(host, ':') < 0 && str_find_byte(host, ']') < 0;
}

static void check_quobyte(struct field_errors *e, const struct field *f, const struct json *source)
{
    static const char pairs[] = "must be a host:port pair or multiple pairs separated by commas";
    struct str registry = json_path_str(source, "registry"), rest = registry, part;
    if (!registry.n)
        field_required(e, FIELD(f, "registry"), pairs);
    else if (json_path_str(source, "tenant").n > TENANT_MOST)
        field_required(e, FIELD(f, "tenant"),
                       "must be a UUID and may not exceed a length of 64 characters");
    else
        while (str_split(&rest, ',', &part))
            if (!host_port(part))
                field_invalid_str(e, FIELD(f, "registry"), registry, pairs);
    need(e, f, source, "volume");
}

static bool matches(struct field_errors *e, const char *pattern, struct str text)
{
    struct regex *regex;
    struct regex_match match;
    struct err err = {0};
    return regex_compile(e->arena, str_of(pattern), &regex, &err) == 0 &&
           regex_find(regex, text, 0, true, 1 << 20, &match) == 0 && match.found;
}

static void check_initiator(struct field_errors *e, const struct field *f, struct str name)
{
    static const char *const forms[][2] = {
        {"iqn", "iqn\\.\\d{4}-\\d{2}\\.([[:alnum:]\\-.]+)(:[^,;*&$|\\s]+)$"},
        {"eui", "^eui.[[:alnum:]]{16}$"},
        {"naa", "^naa.[[:alnum:]]{32}$"},
    };
    for (size_t i = 0; i < 3; i++)
        if (str_starts(name, str_of(forms[i][0])) && matches(e, forms[i][1], name))
            return;
    field_invalid_str(e, f, name, "must be valid format");
}

static void check_iscsi(struct field_errors *e, const struct field *f, const struct json *source)
{
    struct str iqn = json_path_str(source, "iqn");
    const struct json *initiator = json_get(source, "initiatorName"),
                      *secret = json_get(source, "secretRef");
    if (iqn.n)
        check_initiator(e, FIELD(f, "iqn"), iqn);
    else
        field_required(e, FIELD(f, "iqn"), NULL);
    check_range(e, f, source, "lun", "must be between 0 and 255, inclusive");
    if ((json_path_bool(source, "chapAuthDiscovery", false) ||
         json_path_bool(source, "chapAuthSession", false)) &&
        json_absent(secret))
        field_required(e, FIELD(f, "secretRef"), NULL);
    if (!json_absent(secret))
        need(e, FIELD(f, "secretRef"), secret, "name");
    if (!json_absent(initiator))
        check_initiator(e, FIELD(f, "initiatorname"), json_str(initiator));
}

/* Cinder: a secret of another namespace, its names without rules. */
static void need_secret(struct field_errors *e, const struct field *f, const struct json *source)
{
    const struct json *secret = json_get(source, "secretRef");
    if (json_absent(secret))
        return;
    need(e, FIELD(f, "secretRef"), secret, "name");
    need(e, FIELD(f, "secretRef"), secret, "namespace");
}

static void check_fc(struct field_errors *e, const struct field *f, const struct json *source)
{
    const struct json *targets = json_get(source, "targetWWNs"), *lun = json_get(source, "lun");
    bool wwids = json_count(json_get(source, "wwids")) > 0;
    const struct field *at = FIELD(f, "targetWWNs");
    if (!json_count(targets) && !wwids)
        field_required(e, at, "must specify either targetWWNs or wwids, but not both");
    if (json_count(targets) && wwids)
        field_invalid(e, at, targets, "targetWWNs and wwids can not be specified simultaneously");
    if (json_count(targets) && json_absent(lun))
        field_required(e, FIELD(f, "lun"), "lun is required if targetWWNs is specified");
    else if (json_count(targets))
        check_range(e, f, source, "lun", "must be between 0 and 255, inclusive");
}

static void check_flex(struct field_errors *e, const struct field *f, const struct json *source)
{
    for (const struct json *o = json_first(json_get(source, "options")); o; o = o->next) {
        ptrdiff_t slash = str_find_byte(o->key, '/');
        struct str ns = str_make(o->key.p, slash < 0 ? o->key.n : (size_t)slash);
        char text[300] = ".";
        str_copy(text + 1, sizeof text - 1, ns);
        for (char *c = text; *c; c++)
            *c = *c >= 'A' && *c <= 'Z' ? (char)(*c | 0x20) : *c;
        if (str_ends(str_of(text), STR(".kubernetes.io")) || str_ends(str_of(text), STR(".k8s.io")))
            field_invalid_str(e, FIELD_KEY(FIELD(f, "options"), o->key), o->key,
                              "kubernetes.io and k8s.io namespaces are reserved");
    }
}

static void check_azure_file(struct field_errors *e, const struct field *f,
                             const struct json *source)
{
    if (!json_absent(json_get(source, "secretNamespace")))
        need(e, f, source, "secretNamespace");
}

static void check_azure_disk(struct field_errors *e, const struct field *f,
                             const struct json *source)
{
    static const char *const modes[] = {"None", "ReadOnly", "ReadWrite", NULL};
    static const char *const kinds[] = {"Dedicated", "Managed", "Shared", NULL};
    static const char *const managed[] = {"/subscriptions/{sub-id}/resourcegroups/{group-name}/"
                                          "providers/microsoft.compute/disks/{disk-id}",
                                          NULL};
    static const char *const blob[] = {
        "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd", NULL};
    struct str kind = json_path_str(source, "kind"), uri = json_path_str(source, "diskURI");
    field_check_enum(e, FIELD(f, "cachingMode"), json_get(source, "cachingMode"), modes);
    field_check_enum(e, FIELD(f, "kind"), json_get(source, "kind"), kinds);
    if (str_is(kind, "Managed") && !str_starts(uri, STR("/subscriptions/")))
        field_unsupported(e, FIELD(f, "diskURI"), uri, managed);
    if (!str_is(kind, "Managed") && !str_starts(uri, STR("https://")))
        field_unsupported(e, FIELD(f, "diskURI"), uri, blob);
}

static void check_local(struct field_errors *e, const struct field *f, const struct json *source)
{
    check_backsteps(e, FIELD(f, "path"), json_path_str(source, "path"));
}

static void check_storageos(struct field_errors *e, const struct field *f,
                            const struct json *source)
{
    struct str volume = json_path_str(source, "volumeName"),
               ns = json_path_str(source, "volumeNamespace");
    if (volume.n)
        field_check_name(e, FIELD(f, "volumeName"), volume, names_dns1123_label);
    if (ns.n)
        field_check_name(e, FIELD(f, "volumeNamespace"), ns, names_dns1123_label);
    need_secret(e, f, source);
}

void driver_name_validate(struct field_errors *e, const struct field *f, struct str name)
{
    char *lower = arena_strndup(e->arena, name.p ? name.p : "", name.n);
    if (!name.n)
        field_required(e, f, NULL);
    if (name.n > DRIVER_MOST)
        field_too_long(e, f, DRIVER_MOST);
    for (char *c = lower; c && *c; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c | 0x20) : *c;
    const char *wrong = lower ? names_dns1123_subdomain(str_make(lower, name.n)) : NULL;
    if (wrong)
        field_invalid_str(e, f, name, wrong);
}

static void check_csi(struct field_errors *e, const struct field *f, const struct json *source)
{
    static const char *const secrets[] = {"controllerPublishSecretRef", "controllerExpandSecretRef",
                                          "nodePublishSecretRef", "nodeExpandSecretRef"};
    driver_name_validate(e, FIELD(f, "driver"), json_path_str(source, "driver"));
    need(e, f, source, "volumeHandle");
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        const struct json *ref = json_get(source, secrets[i]);
        const struct field *at = FIELD(f, secrets[i]);
        struct str name = json_path_str(ref, "name"), ns = json_path_str(ref, "namespace");
        if (json_absent(ref))
            continue;
        if (name.n)
            field_check_name(e, FIELD(at, "name"), name, names_dns1123_subdomain);
        else
            field_required(e, FIELD(at, "name"), NULL);
        if (ns.n)
            field_check_name(e, FIELD(at, "namespace"), ns, names_dns1123_label);
        else
            field_required(e, FIELD(at, "namespace"), NULL);
    }
}

/* In upstream's order. */
static const struct source {
    const char *name;
    const char *list, *needs[3]; /* that must not be empty */
    void (*check)(struct field_errors *e, const struct field *f, const struct json *source);
    bool mount_options; /* by annotation */
    const char *warning;
} sources[] = {
    {"hostPath", NULL, {NULL}, check_host_path, false, NULL},
    {"gcePersistentDisk", NULL, {NULL}, check_gce, true, NULL},
    {"awsElasticBlockStore", NULL, {"volumeID"}, check_aws, true, NULL},
    {"glusterfs", NULL, {"endpoints", "path"}, check_glusterfs, true,
     "deprecated in v1.25, non-functional in v1.26+"},
    {"flocker", NULL, {NULL}, check_flocker, false, NULL},
    {"nfs", NULL, {"server", "path"}, check_nfs, true, NULL},
    {"rbd", "monitors", {"image"}, NULL, true, "deprecated in v1.28, non-functional in v1.31+"},
    {"quobyte", NULL, {NULL}, check_quobyte, true, NULL},
    {"cephfs", "monitors", {NULL}, NULL, true, "deprecated in v1.28, non-functional in v1.31+"},
    {"iscsi", NULL, {"targetPortal"}, check_iscsi, true, NULL},
    {"cinder", NULL, {"volumeID"}, need_secret, true, NULL},
    {"fc", NULL, {NULL}, check_fc, false, NULL},
    {"flexVolume", NULL, {"driver"}, check_flex, false, NULL},
    {"azureFile", NULL, {"secretName", "shareName"}, check_azure_file, true, NULL},
    {"vsphereVolume", NULL, {"volumePath"}, NULL, true, NULL},
    {"photonPersistentDisk", NULL, {"pdID"}, NULL, true,
     "deprecated in v1.11, non-functional in v1.16+"},
    {"portworxVolume", NULL, {"volumeID"}, NULL, false, NULL},
    {"azureDisk", NULL, {"diskName", "diskURI"}, check_azure_disk, true, NULL},
    {"scaleIO", NULL, {"gateway", "system", "volumeName"}, NULL, false,
     "deprecated in v1.16, non-functional in v1.22+"},
    {"local", NULL, {"path"}, check_local, false, NULL},
    {"storageos", NULL, {"volumeName"}, check_storageos, false,
     "deprecated in v1.22, non-functional in v1.25+"},
    {"csi", NULL, {NULL}, check_csi, false, NULL},
};
enum { SOURCES = sizeof sources / sizeof sources[0] };

static void check_source(struct field_errors *e, const struct field *f, const struct source *s,
                         const struct json *source, struct str volume)
{
    struct str portal = json_path_str(source, "targetPortal");
    if (s->list && !json_count(json_get(source, s->list)))
        field_required(e, FIELD(f, s->list), NULL);
    for (size_t i = 0; i < 3 && s->needs[i]; i++)
        need(e, f, source, s->needs[i]);
    if (s->check == check_iscsi && !json_absent(json_get(source, "initiatorName")) &&
        volume.n + 1 + portal.n > PORTAL_MOST)
        field_invalid_str(e, FIELD(f, "targetportal"), portal,
                          "Total length of <volume name>:<iscsi.targetPortal> must be under 64 "
                          "characters if iscsi.initiatorName is specified.");
    if (s->check)
        s->check(e, f, source);
}

void volume_source_validate(struct field_errors *e, const struct field *f, const struct json *spec,
                            struct str volume)
{
    unsigned count = 0;
    for (size_t i = 0; i < SOURCES; i++) {
        const struct source *s = &sources[i];
        const struct json *source = json_get(spec, s->name);
        if (json_absent(source))
            continue;
        /* Upstream does not count before a flexVolume, and spells one field in another way. */
        if (count && s->check != check_flex)
            field_forbidden(e, FIELD(f, cstr_eq(s->name, "cephfs") ? "cephFS" : s->name),
                            "may not specify more than 1 volume type");
        else
            check_source(e, FIELD(f, s->name), s, source, volume);
        if (s->check == check_local && !count && json_absent(json_get(spec, "nodeAffinity")))
            field_required(e, FIELD(f, "nodeAffinity"), "Local volume requires node affinity");
        count++;
    }
    if (!count)
        field_required(e, f, "must specify a volume type");
}

bool volume_source_mount_options(const struct json *spec)
{
    for (size_t i = 0; i < SOURCES; i++)
        if (sources[i].mount_options && !json_absent(json_get(spec, sources[i].name)))
            return true;
    return false;
}

void volume_source_warn(struct api_request *r, const struct json *spec)
{
    for (size_t i = 0; i < SOURCES; i++)
        if (sources[i].warning && !json_absent(json_get(spec, sources[i].name)))
            request_warn(r, "spec.%s: %s",
                         cstr_eq(sources[i].name, "storageos") ? "storageOS" : sources[i].name,
                         sources[i].warning);
}

struct json *volume_source_of(struct arena *a, const struct json *spec)
{
    struct json *only = json_new(a, JSON_OBJECT);
    for (size_t i = 0; i < SOURCES; i++)
        if (!json_absent(json_get(spec, sources[i].name)))
            json_set(a, only, sources[i].name, json_clone(a, json_get(spec, sources[i].name)));
    return only;
}

void volume_source_default(struct arena *a, struct json *spec)
{
    struct json *s = json_get(spec, "iscsi");
    set_missing(a, s, "iscsiInterface", "default");
    s = json_get(spec, "azureDisk");
    set_missing(a, s, "cachingMode", "ReadWrite");
    set_missing(a, s, "kind", "Shared");
    set_missing(a, s, "fsType", "ext4");
    set_missing_bool(a, s, "readOnly", false);
    s = json_get(spec, "rbd");
    set_missing(a, s, "pool", "rbd");
    set_missing(a, s, "user", "admin");
    set_missing(a, s, "keyring", "/etc/ceph/keyring");
    s = json_get(spec, "scaleIO");
    set_missing(a, s, "storageMode", "ThinProvisioned");
    set_missing(a, s, "fsType", "xfs");
    set_missing(a, json_get(spec, "hostPath"), "type", "");
}
