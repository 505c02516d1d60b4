/* Which checks of the Pod Security Standards a level and version has, and what they share. */
#include "api/admission/pod_security_int.h"

#include <stdio.h>

enum { OUR_MINOR = 35, NEVER = 1000, NAMES_MOST = 64 * 1024 };

/* ---- what was found ---- */

void finding_name(struct finding *f, const struct json *named)
{
    buf_printf(&f->names, "%s\"" STR_FMT "\"", f->name_count++ ? ", " : "",
               STR_ARG(json_path_str(named, "name")));
}

void finding_value(struct finding *f, struct str value)
{
    size_t at = 0;
    while (at < f->value_count && str_cmp(f->values[at], value) < 0)
        at++;
    if (at < f->value_count && str_eq(f->values[at], value))
        return;
    if (f->value_count == f->value_room) {
        size_t room = f->value_room ? f->value_room * 2 : 16;
        struct str *more = arena_alloc(f->a, room * sizeof *more);
        if (!more)
            return;
        if (f->value_count)
            memcpy(more, f->values, f->value_count * sizeof *more);
        f->values = more;
        f->value_room = room;
    }
    memmove(f->values + at + 1, f->values + at, (f->value_count - at) * sizeof *f->values);
    f->values[at] = value;
    f->value_count++;
}

void finding_forget(struct finding *f)
{
    buf_clear(&f->names);
    f->pod = false;
    f->name_count = 0;
    f->value_count = 0;
}

void finding_put_containers(struct finding *f)
{
    buf_printf(&f->detail, "container%s %s", f->name_count > 1 ? "s" : "", buf_cstr(&f->names));
}

bool finding_put_setters(struct finding *f)
{
    if (f->pod)
        buf_puts(&f->detail, f->name_count ? "pod and " : "pod");
    if (f->name_count)
        finding_put_containers(f);
    return f->pod || f->name_count;
}

void finding_put_values(struct finding *f, const char *quote)
{
    for (size_t i = 0; i < f->value_count; i++)
        buf_printf(&f->detail, "%s%s" STR_FMT "%s", i ? ", " : "", quote, STR_ARG(f->values[i]),
                   quote);
}

const struct json *finding_next(const struct finding *f, const struct json *at, size_t *list)
{
    static const char *const lists[] = {"initContainers", "containers", "ephemeralContainers"};
    at = at ? at->next : json_first(json_get(f->spec, lists[*list]));
    while (!at && ++*list < 3)
        at = json_first(json_get(f->spec, lists[*list]));
    return at;
}

bool finding_among(struct str s, const char *const *list)
{
    for (; *list; list++)
        if (str_is(s, *list))
            return true;
    return false;
}

bool finding_own_users(const struct finding *f)
{
    return f->minor >= 35 && !json_path_bool(f->spec, "hostUsers", true);
}

bool finding_windows(const struct finding *f)
{
    return f->minor >= 25 && str_is(json_path_str(f->spec, "os.name"), "windows");
}

/* ---- the checks ---- */

/* In the order of upstream's names: the baseline's, then those of restricted. */
static const struct {
    const char *reason;
    pod_security_find *find;
    bool restricted; /* only there; since the version */
    unsigned since;
    unsigned replaced; /* from this version on restricted has another one in its place */
} checks[] = {
    {"forbidden AppArmor profile", find_app_armor, false, 0, NEVER},
    {"non-default capabilities", find_capabilities, false, 0, 22},
    {"host namespaces", find_host_namespaces, false, 0, NEVER},
    {"hostPath volumes", find_host_paths, false, 0, 0},
    {"hostPort", find_host_ports, false, 0, NEVER},
    {"probe or lifecycle host", find_host_probes, false, 34, NEVER},
    {"privileged", find_privileged, false, 0, NEVER},
    {"procMount", find_proc_mount, false, 0, 35},
    {"seLinuxOptions", find_se_linux, false, 0, NEVER},
    {"seccompProfile", find_seccomp, false, 0, 19},
    {"forbidden sysctls", find_sysctls, false, 0, NEVER},
    {"hostProcess", find_host_process, false, 0, NEVER},
    {"allowPrivilegeEscalation != false", find_escalation, true, 8, NEVER},
    {"unrestricted capabilities", find_capabilities_strict, true, 22, NEVER},
    {"procMount", find_proc_mount_strict, true, 35, NEVER},
    {"restricted volume types", find_volume_types, true, 0, NEVER},
    {"runAsNonRoot != true", find_non_root, true, 0, NEVER},
    {"runAsUser=0", find_root_user, true, 23, NEVER},
    {"seccompProfile", find_seccomp_strict, true, 19, NEVER},
};

static bool applies(size_t i, enum pod_security_level level, unsigned minor)
{
    if (level == POD_SECURITY_PRIVILEGED || minor < checks[i].since)
        return false;
    return level == POD_SECURITY_RESTRICTED ? minor < checks[i].replaced : !checks[i].restricted;
}

unsigned pod_security_check(struct arena *a, const struct pod_security_policy *p,
                            const struct json *metadata, const struct json *spec, struct buf *out,
                            struct buf *reasons)
{
    unsigned count = 0, minor = p->minor > OUR_MINOR ? OUR_MINOR : p->minor;
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        struct finding f = {.a = a,
                            .metadata = metadata,
                            .spec = spec,
                            .security = json_get(spec, "securityContext"),
                            .minor = minor};
        if (!applies(i, p->level, minor))
            continue;
        buf_init(&f.names, NAMES_MOST);
        buf_init(&f.detail, 4 * NAMES_MOST);
        checks[i].find(&f);
        const char *reason = f.reason ? f.reason : checks[i].reason;
        /* What is too long to be told is forbidden all the same. */
        bool wrong = buf_len(&f.detail) || f.detail.failed;
        if (wrong && out)
            buf_printf(out, "%s%s (%s)", count ? ", " : "", reason, buf_cstr(&f.detail));
        if (wrong && reasons)
            buf_printf(reasons, "%s%s", count ? ", " : "", reason);
        count += wrong;
        buf_done(&f.names);
        buf_done(&f.detail);
    }
    return count;
}

/* ---- levels and versions ---- */

bool pod_security_level_of(struct str name, enum pod_security_level *ret)
{
    for (int i = POD_SECURITY_PRIVILEGED; i <= POD_SECURITY_RESTRICTED; i++)
        if (str_is(name, pod_security_level_name((enum pod_security_level)i))) {
            *ret = (enum pod_security_level)i;
            return true;
        }
    return false;
}

const char *pod_security_level_name(enum pod_security_level level)
{
    static const char *const names[] = {"privileged", "baseline", "restricted"};
    return names[level];
}

bool pod_security_version_of(struct str text, unsigned *ret_minor)
{
    uint64_t minor;
    if (str_is(text, "latest")) {
        *ret_minor = POD_SECURITY_LATEST;
        return true;
    }
    if (!str_starts(text, STR("v1.")) || (text.n > 4 && text.p[3] == '0') ||
        str_to_u64(str_make(text.p + 3, text.n - 3), &minor) < 0 || minor >= POD_SECURITY_LATEST)
        return false;
    *ret_minor = (unsigned)minor;
    return true;
}

const char *pod_security_policy_text(struct arena *a, const struct pod_security_policy *p)
{
    const char *level = pod_security_level_name(p->level);
    const char *text = p->minor == POD_SECURITY_LATEST
                           ? arena_printf(a, "%s:latest", level)
                           : arena_printf(a, "%s:v1.%u", level, p->minor);
    return text ? text : "";
}
