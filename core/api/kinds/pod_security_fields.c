/* securityContext of pods, and what containers' have in common with it. See pod_parts.h. */
#include "api/kinds/pod_parts.h"
#include "codec/names.h"

enum { SYSCTL_NAME = 253, APP_ARMOR_NAME = 4095 };

void descending_path_validate(struct field_errors *e, const struct field *f, struct str path)
{
    struct str rest = path, part;
    if (path.n && path.p[0] == '/')
        field_invalid_str(e, f, path, "must be a relative path");
    while (path.n && str_split(&rest, '/', &part))
        if (str_is(part, "..")) {
            field_invalid_str(e, f, path, "must not contain '..'");
            return;
        }
}

void seccomp_validate(struct field_errors *e, const struct field *f, const struct json *profile)
{
    const struct json *file = json_get(profile, "localhostProfile");
    struct str type = json_path_str(profile, "type");
    bool localhost = str_is(type, "Localhost");
    if (json_absent(profile))
        return;
    if (!type.n)
        field_required(e, FIELD(f, "type"), "type is required when seccompProfile is set");
    else if (!localhost && !str_is(type, "RuntimeDefault") && !str_is(type, "Unconfined"))
        field_unsupported(e, FIELD(f, "type"), type,
                          (const char *const[]){"Localhost", "RuntimeDefault", "Unconfined", NULL});
    if (localhost && json_absent(file))
        field_required(e, FIELD(f, "localhostProfile"),
                       "must be set when seccomp type is Localhost");
    else if (localhost)
        descending_path_validate(e, FIELD(f, "localhostProfile"), json_str(file));
    else if (!json_absent(file))
        field_invalid(e, FIELD(f, "localhostProfile"), file,
                      "can only be set when seccomp type is Localhost");
}

void app_armor_validate(struct field_errors *e, const struct field *f, const struct json *profile)
{
    static const char *const types[] = {"Localhost", "RuntimeDefault", "Unconfined", NULL};
    const struct json *name = json_get(profile, "localhostProfile");
    struct str type = json_path_str(profile, "type"), s = json_str(name);
    const struct field *at = FIELD(f, "localhostProfile");
    if (json_absent(profile))
        return;
    if (str_is(type, "Localhost")) {
        if (json_absent(name))
            field_required(e, at, "must be set when AppArmor type is Localhost");
        else if (str_trim(s).n != s.n)
            field_invalid(e, at, name, "must not be padded with whitespace");
        else if (!s.n)
            field_required(e, at, "must be set when AppArmor type is Localhost");
        if (s.n > APP_ARMOR_NAME)
            field_too_long(e, at, APP_ARMOR_NAME);
        return;
    }
    if (!json_absent(name))
        field_invalid(e, at, name, "can only be set when AppArmor type is Localhost");
    if (!type.n)
        field_required(e, FIELD(f, "type"), "type is required when appArmorProfile is set");
    else
        field_check_enum(e, FIELD(f, "type"), json_get(profile, "type"), types);
}

/* ---- sysctls ---- */

/* Segments of lower-case letters, digits, '-' and '_' between dots or slashes. */
static bool is_sysctl_name(struct str s)
{
    bool start = true;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        bool separator = c == '.' || c == '/', last = i + 1 == s.n;
        bool ends = last || s.p[i + 1] == '.' || s.p[i + 1] == '/';
        if (!word && (start || last || (!separator && (ends || (c != '-' && c != '_')))))
            return false;
        start = separator;
    }
    return s.n > 0 && s.n <= SYSCTL_NAME;
}

static bool of_network(struct str name)
{
    return str_starts(name, STR("net.")) || str_starts(name, STR("net/"));
}

static bool of_ipc(struct str name)
{
    static const char *const exact[] = {"kernel.sem", "kernel/sem", NULL};
    static const char *const prefixes[] = {"kernel.shm", "kernel.msg", "fs.mqueue.", "kernel/shm",
                                           "kernel/msg", "fs/mqueue/", NULL};
    for (size_t i = 0; exact[i]; i++)
        if (str_is(name, exact[i]))
            return true;
    for (size_t i = 0; prefixes[i]; i++)
        if (str_starts(name, str_of(prefixes[i])))
            return true;
    return false;
}

static void check_sysctls(struct field_errors *e, const struct field *f, const struct json *sysctls,
                          const struct json *spec)
{
    int64_t i = 0;
    for (const struct json *s = json_first(sysctls); s; s = s->next, i++) {
        const struct field *at = FIELD(FIELD_AT(f, i), "name");
        struct str name = json_path_str(s, "name");
        const struct json *o = json_first(sysctls);
        while (o != s && !str_eq(json_path_str(o, "name"), name))
            o = o->next;
        if (!name.n)
            field_required(e, at, NULL);
        else if (!is_sysctl_name(name))
            field_invalid_str(e, at, name,
                              "must have at most 253 characters and match regex "
                              "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*"
                              "[a-z0-9]([-_a-z0-9]*[a-z0-9])?$");
        else if (o != s)
            field_duplicate(e, at, name);
        if (json_path_bool(spec, "hostNetwork", false) && of_network(name))
            field_invalid_str(e, at, name, "may not be set with 'hostNetwork' enabled");
        else if (json_path_bool(spec, "hostIPC", false) && of_ipc(name))
            field_invalid_str(e, at, name, "may not be set with 'hostIPC' enabled");
    }
}

/* ---- the pod's ---- */

static void check_id(struct field_errors *e, const struct field *f, const struct json *id)
{
    const char *wrong = json_is(id, JSON_INT) ? names_uid_range(id->i64) : NULL;
    if (wrong)
        field_invalid(e, f, id, wrong);
}

static void check_choice(struct field_errors *e, const struct field *f, const struct json *value,
                         const char *const *allowed)
{
    if (!json_absent(value))
        field_check_enum(e, f, value, allowed);
}

/* With its own user namespace a pod shares no other namespace with the host. */
static void check_host_users(struct field_errors *e, const struct field *f, const struct json *spec)
{
    static const char *const shared[] = {"hostNetwork", "hostPID", "hostIPC"};
    for (size_t i = 0; i < 3 && !json_path_bool(spec, "hostUsers", true); i++)
        if (json_path_bool(spec, shared[i], false))
            field_forbidden(e, FIELD(f, shared[i]), "when `hostUsers` is false");
}

void pod_security_validate(struct field_errors *e, const struct field *spec_field,
                           const struct json *spec)
{
    static const char *const ids[] = {"fsGroup", "runAsUser", "runAsGroup"};
    static const char *const change[] = {"Always", "OnRootMismatch", NULL};
    static const char *const groups[] = {"Merge", "Strict", NULL};
    static const char *const labels[] = {"MountOption", "Recursive", NULL};
    const struct field *f = FIELD(spec_field, "securityContext");
    const struct json *s = json_get(spec, "securityContext");
    int64_t i = 0;
    for (size_t k = 0; k < 3; k++)
        check_id(e, FIELD(f, ids[k]), json_get(s, ids[k]));
    for (const struct json *g = json_first(json_get(s, "supplementalGroups")); g; g = g->next)
        check_id(e, FIELD_AT(FIELD(f, "supplementalGroups"), i++), g);
    if (json_path_bool(spec, "shareProcessNamespace", false) &&
        json_path_bool(spec, "hostPID", false))
        field_invalid(e, FIELD(f, "shareProcessNamespace"), json_get(spec, "shareProcessNamespace"),
                      "ShareProcessNamespace and HostPID cannot both be enabled");
    check_sysctls(e, FIELD(f, "sysctls"), json_get(s, "sysctls"), spec);
    check_choice(e, FIELD(f, "fsGroupChangePolicy"), json_get(s, "fsGroupChangePolicy"), change);
    seccomp_validate(e, FIELD(f, "seccompProfile"), json_get(s, "seccompProfile"));
    app_armor_validate(e, FIELD(f, "appArmorProfile"), json_get(s, "appArmorProfile"));
    check_choice(e, FIELD(f, "supplementalGroupsPolicy"), json_get(s, "supplementalGroupsPolicy"),
                 groups);
    check_choice(e, FIELD(f, "seLinuxChangePolicy"), json_get(s, "seLinuxChangePolicy"), labels);
    check_host_users(e, spec_field, spec);
}
