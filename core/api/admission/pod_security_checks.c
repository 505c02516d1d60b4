/* The checks of the Pod Security Standards. See pod_security.h. */
#include "api/admission/pod_security.h"

#include <stdio.h>

/* What one check found: names of containers (or volumes), and values. */
struct finding {
    const struct json *metadata, *spec, *pod; /* pod: its securityContext */
    bool windows;
    struct buf names, values, detail;
    unsigned name_count, value_count;
};

static void add(struct buf *list, unsigned *count, const char *quote, struct str text)
{
    buf_printf(list, "%s%s" STR_FMT "%s", *count ? ", " : "", quote, STR_ARG(text), quote);
    ++*count;
}

static void add_name(struct finding *f, const struct json *named)
{
    add(&f->names, &f->name_count, "\"", json_path_str(named, "name"));
}

/* A value once, however often it was found. */
static void add_value(struct finding *f, const char *quote, struct str text)
{
    struct buf quoted CLEANUP_BUF;
    buf_init(&quoted, 1024);
    buf_printf(&quoted, "%s" STR_FMT "%s", quote, STR_ARG(text), quote);
    struct str have = buf_str(&f->values), one;
    while (have.n) {
        ptrdiff_t comma = str_find(have, STR(", "));
        one = comma < 0 ? have : str_make(have.p, (size_t)comma);
        if (str_eq(one, buf_str(&quoted)))
            return;
        have = comma < 0 ? STR("") : str_make(have.p + comma + 2, have.n - (size_t)comma - 2);
    }
    add(&f->values, &f->value_count, quote, text);
}

static void next_detail(struct finding *f)
{
    buf_puts(&f->detail, buf_len(&f->detail) ? "; " : "");
}

/* container "a" | containers "a", "b" */
static void put_containers(struct finding *f)
{
    buf_printf(&f->detail, "container%s %s", f->name_count > 1 ? "s" : "", buf_cstr(&f->names));
}

static void forget(struct finding *f)
{
    buf_clear(&f->names);
    buf_clear(&f->values);
    f->name_count = f->value_count = 0;
}

/* Each container of the three lists, initContainers first. */
static const struct json *next_container(const struct json *spec, const struct json *at,
                                         size_t *list)
{
    static const char *const lists[] = {"initContainers", "containers", "ephemeralContainers"};
    at = at ? at->next : json_first(json_get(spec, lists[*list]));
    while (!at && ++*list < 3)
        at = json_first(json_get(spec, lists[*list]));
    return at;
}

#define EACH_CONTAINER(c, f)                                                                       \
    size_t list_of_##c = 0;                                                                        \
    for (const struct json *c = next_container((f)->spec, NULL, &list_of_##c); c;                  \
         c = next_container((f)->spec, c, &list_of_##c))

static const struct json *context(const struct json *container)
{
    return json_get(container, "securityContext");
}

/* ---- baseline ---- */

static void host_process(struct finding *f)
{
    bool pod = json_path_bool(f->pod, "windowsOptions.hostProcess", false);
    EACH_CONTAINER(c, f)
    if (json_path_bool(context(c), "windowsOptions.hostProcess", false))
        add_name(f, c);
    if (pod)
        buf_puts(&f->detail, "pod");
    if (f->name_count) {
        buf_puts(&f->detail, pod ? " and " : "");
        put_containers(f);
    }
    if (buf_len(&f->detail))
        buf_puts(&f->detail, " must not set securityContext.windowsOptions.hostProcess=true");
}

static bool app_armor_type_bad(const struct json *security)
{
    return str_is(json_path_str(security, "appArmorProfile.type"), "Unconfined");
}

static void app_armor(struct finding *f)
{
    const struct json *notes = json_get(f->metadata, "annotations");
    for (const struct json *a = json_first(notes); a; a = a->next) {
        struct str v = json_str(a);
        if (str_starts(a->key, STR("container.apparmor.security.beta.kubernetes.io/")) && v.n && !str_is(v, "runtime/default") &&
            !str_starts(v, STR("localhost/")))
            buf_printf(&f->detail, "%s" STR_FMT "=\"" STR_FMT "\"",
                       buf_len(&f->detail) ? ", " : "", STR_ARG(a->key), STR_ARG(v));
    }
    EACH_CONTAINER(c, f)
    if (app_armor_type_bad(context(c)))
        add_name(f, c);
    bool pod = app_armor_type_bad(f->pod);
    if (!pod && !f->name_count)
        return;
    buf_printf(&f->detail, "%s%s", buf_len(&f->detail) ? ", " : "", pod ? "pod" : "");
    if (f->name_count) {
        buf_puts(&f->detail, pod ? " and " : "");
        put_containers(f);
    }
    buf_puts(&f->detail, " must not set AppArmor profile type to \"Unconfined\"");
}

static bool in(struct str s, const char *const *list)
{
    for (; *list; list++)
        if (str_is(s, *list))
            return true;
    return false;
}

static bool add_capabilities(struct finding *f, const char *const *allowed)
{
    EACH_CONTAINER(c, f)
    {
        bool bad = false;
        const struct json *added = json_path(context(c), "capabilities.add");
        for (const struct json *a = json_first(added); a; a = a->next)
            if (!in(json_str(a), allowed)) {
                bad = true;
                add_value(f, "\"", json_str(a));
            }
        if (bad)
            add_name(f, c);
    }
    if (!f->name_count)
        return false;
    next_detail(f);
    put_containers(f);
    buf_printf(&f->detail, " must not include %s in securityContext.capabilities.add",
               buf_cstr(&f->values));
    return true;
}

static void capabilities_baseline(struct finding *f)
{
    static const char *const allowed[] = {
        "AUDIT_WRITE", "CHOWN",   "DAC_OVERRIDE", "FOWNER",  "FSETID", "KILL",       "MKNOD",
        "NET_BIND_SERVICE", "SETFCAP", "SETGID",  "SETPCAP", "SETUID", "SYS_CHROOT", NULL};
    add_capabilities(f, allowed);
}

static void host_namespaces(struct finding *f)
{
    static const char *const names[] = {"hostNetwork", "hostPID", "hostIPC"};
    for (size_t i = 0; i < 3; i++)
        if (json_path_bool(f->spec, names[i], false))
            buf_printf(&f->detail, "%s%s=true", buf_len(&f->detail) ? ", " : "", names[i]);
}

static void host_paths(struct finding *f)
{
    for (const struct json *v = json_first(json_get(f->spec, "volumes")); v; v = v->next)
        if (json_get(v, "hostPath"))
            add_name(f, v);
    if (f->name_count)
        buf_printf(&f->detail, "volume%s %s", f->name_count > 1 ? "s" : "", buf_cstr(&f->names));
}

static void host_ports(struct finding *f)
{
    EACH_CONTAINER(c, f)
    {
        bool bad = false;
        for (const struct json *p = json_first(json_get(c, "ports")); p; p = p->next) {
            int64_t port = json_path_i64(p, "hostPort", 0);
            char text[24];
            if (!port)
                continue;
            bad = true;
            snprintf(text, sizeof text, "%lld", (long long)port);
            add_value(f, "", str_of(text));
        }
        if (bad)
            add_name(f, c);
    }
    if (!f->name_count)
        return;
    put_containers(f);
    buf_printf(&f->detail, " %s hostPort%s %s", f->name_count > 1 ? "use" : "uses",
               f->value_count > 1 ? "s" : "", buf_cstr(&f->values));
}

static void privileged(struct finding *f)
{
    EACH_CONTAINER(c, f)
    if (json_path_bool(context(c), "privileged", false))
        add_name(f, c);
    if (!f->name_count)
        return;
    put_containers(f);
    buf_puts(&f->detail, " must not set securityContext.privileged=true");
}

static void proc_mount(struct finding *f)
{
    EACH_CONTAINER(c, f)
    {
        struct str mount = json_path_str(context(c), "procMount");
        if (!mount.n || str_is(mount, "Default"))
            continue;
        add_name(f, c);
        add_value(f, "\"", mount);
    }
    if (!f->name_count || json_path(f->spec, "hostUsers"))
        return;
    put_containers(f);
    buf_printf(&f->detail, " must not set securityContext.procMount to %s", buf_cstr(&f->values));
}

static bool linux_options_bad(struct finding *f, const struct json *security, bool *user, bool *role)
{
    static const char *const types[] = {"container_t", "container_init_t", "container_kvm_t",
                                        "container_engine_t", NULL};
    const struct json *o = json_get(security, "seLinuxOptions");
    struct str type = json_path_str(o, "type");
    bool bad_type = type.n && !in(type, types), u = json_path_str(o, "user").n != 0,
         r = json_path_str(o, "role").n != 0;
    if (bad_type)
        add_value(f, "\"", type);
    *user = *user || u;
    *role = *role || r;
    return bad_type || u || r;
}

static void se_linux(struct finding *f)
{
    bool user = false, role = false;
    bool pod = linux_options_bad(f, f->pod, &user, &role);
    EACH_CONTAINER(c, f)
    if (linux_options_bad(f, context(c), &user, &role))
        add_name(f, c);
    if (!pod && !f->name_count)
        return;
    buf_puts(&f->detail, pod ? "pod" : "");
    if (f->name_count) {
        buf_puts(&f->detail, pod ? " and " : "");
        put_containers(f);
    }
    buf_puts(&f->detail, " set forbidden securityContext.seLinuxOptions: ");
    if (f->value_count)
        buf_printf(&f->detail, "type%s %s", f->value_count > 1 ? "s" : "", buf_cstr(&f->values));
    buf_printf(&f->detail, "%s%s", f->value_count && user ? "; " : "",
               user ? "user may not be set" : "");
    buf_printf(&f->detail, "%s%s", (f->value_count || user) && role ? "; " : "",
               role ? "role may not be set" : "");
}

static void sysctls(struct finding *f)
{
    static const char *const allowed[] = {"kernel.shm_rmid_forced",
                                          "net.ipv4.ip_local_port_range",
                                          "net.ipv4.tcp_syncookies",
                                          "net.ipv4.ping_group_range",
                                          "net.ipv4.ip_unprivileged_port_start",
                                          "net.ipv4.ip_local_reserved_ports",
                                          "net.ipv4.tcp_keepalive_time",
                                          "net.ipv4.tcp_fin_timeout",
                                          "net.ipv4.tcp_keepalive_intvl",
                                          "net.ipv4.tcp_keepalive_probes",
                                          "net.ipv4.tcp_rmem",
                                          "net.ipv4.tcp_wmem",
                                          NULL};
    for (const struct json *s = json_first(json_get(f->pod, "sysctls")); s; s = s->next)
        if (!in(json_path_str(s, "name"), allowed))
            add_value(f, "", json_path_str(s, "name"));
    if (f->value_count)
        buf_puts(&f->detail, buf_cstr(&f->values));
}

/* Names into what must not be Unconfined; the pod's own comes first. */
static void seccomp_explicit(struct finding *f)
{
    struct str pod = json_path_str(f->pod, "seccompProfile.type");
    if (pod.n && !str_is(pod, "RuntimeDefault") && !str_is(pod, "Localhost")) {
        next_detail(f);
        buf_printf(&f->detail,
                   "pod must not set securityContext.seccompProfile.type to \"" STR_FMT "\"",
                   STR_ARG(pod));
    }
    EACH_CONTAINER(c, f)
    {
        struct str type = json_path_str(context(c), "seccompProfile.type");
        if (!type.n || str_is(type, "RuntimeDefault") || str_is(type, "Localhost"))
            continue;
        add_name(f, c);
        add_value(f, "\"", type);
    }
    if (!f->name_count)
        return;
    next_detail(f);
    put_containers(f);
    buf_printf(&f->detail, " must not set securityContext.seccompProfile.type to %s",
               buf_cstr(&f->values));
    forget(f);
}

/* ---- restricted ---- */

static void escalation(struct finding *f)
{
    EACH_CONTAINER(c, f)
    if (json_path_bool(context(c), "allowPrivilegeEscalation", true) && !f->windows)
        add_name(f, c);
    if (!f->name_count)
        return;
    put_containers(f);
    buf_puts(&f->detail, " must set securityContext.allowPrivilegeEscalation=false");
}

static void capabilities_restricted(struct finding *f)
{
    static const char *const allowed[] = {"NET_BIND_SERVICE", NULL};
    if (f->windows)
        return;
    EACH_CONTAINER(c, f)
    {
        bool all = false;
        const struct json *drop = json_path(context(c), "capabilities.drop");
        for (const struct json *d = json_first(drop); d; d = d->next)
            all = all || str_is(json_str(d), "ALL");
        if (!all)
            add_name(f, c);
    }
    if (f->name_count) {
        put_containers(f);
        buf_puts(&f->detail, " must set securityContext.capabilities.drop=[\"ALL\"]");
    }
    forget(f);
    add_capabilities(f, allowed);
}

static void volume_types(struct finding *f)
{
    static const char *const allowed[] = {"configMap", "csi",       "downwardAPI",
                                          "emptyDir",  "ephemeral", "persistentVolumeClaim",
                                          "projected", "secret",    "image",
                                          NULL};
    for (const struct json *v = json_first(json_get(f->spec, "volumes")); v; v = v->next)
        for (const struct json *m = json_first(v); m; m = m->next)
            if (!str_is(m->key, "name") && !in(m->key, allowed)) {
                add_name(f, v);
                add_value(f, "\"", m->key);
            }
    if (f->name_count)
        buf_printf(&f->detail, "volume%s %s %s restricted volume type%s %s",
                   f->name_count > 1 ? "s" : "", buf_cstr(&f->names),
                   f->name_count > 1 ? "use" : "uses", f->value_count > 1 ? "s" : "",
                   buf_cstr(&f->values));
}

static void run_as_non_root(struct finding *f)
{
    const struct json *pod = json_get(f->pod, "runAsNonRoot");
    if (pod && !json_bool(pod, true)) {
        next_detail(f);
        buf_puts(&f->detail, "pod must not set securityContext.runAsNonRoot=false");
    }
    EACH_CONTAINER(c, f)
    {
        const struct json *own = json_get(context(c), "runAsNonRoot");
        if (own && !json_bool(own, true))
            add_name(f, c);
    }
    if (f->name_count) {
        next_detail(f);
        put_containers(f);
        buf_puts(&f->detail, " must not set securityContext.runAsNonRoot=false");
    }
    forget(f);
    EACH_CONTAINER(d, f)
    if (!json_get(context(d), "runAsNonRoot") && !pod)
        add_name(f, d);
    if (!f->name_count)
        return;
    next_detail(f);
    buf_puts(&f->detail, "pod or ");
    put_containers(f);
    buf_puts(&f->detail, " must set securityContext.runAsNonRoot=true");
}

static bool is_root(const struct json *security)
{
    const struct json *user = json_get(security, "runAsUser");
    return user && json_i64(user, 1) == 0;
}

static void run_as_user(struct finding *f)
{
    bool pod = is_root(f->pod);
    buf_puts(&f->detail, pod ? "pod" : "");
    EACH_CONTAINER(c, f)
    if (is_root(context(c)))
        add_name(f, c);
    if (f->name_count) {
        buf_puts(&f->detail, pod ? " and " : "");
        put_containers(f);
    }
    if (buf_len(&f->detail))
        buf_puts(&f->detail, " must not set runAsUser=0");
}

static void seccomp_restricted(struct finding *f)
{
    if (f->windows)
        return;
    seccomp_explicit(f);
    forget(f);
    bool pod = json_path_str(f->pod, "seccompProfile.type").n != 0;
    EACH_CONTAINER(c, f)
    if (!pod && !json_path_str(context(c), "seccompProfile.type").n)
        add_name(f, c);
    if (!f->name_count)
        return;
    next_detail(f);
    buf_puts(&f->detail, "pod or ");
    put_containers(f);
    buf_puts(&f->detail,
             " must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"");
}

/* ---- the levels ---- */

enum { BASE = 1, ONLY_BASE = 2, STRICT = 4 };

/* In upstream's order: the baseline's by name, then those of restricted. ONLY_BASE: restricted has
 * a stricter one in its place. */
static const struct {
    int levels;
    const char *reason;
    void (*find)(struct finding *f);
} checks[] = {
    {BASE, "forbidden AppArmor profile", app_armor},
    {ONLY_BASE, "non-default capabilities", capabilities_baseline},
    {BASE, "host namespaces", host_namespaces},
    {ONLY_BASE, "hostPath volumes", host_paths},
    {BASE, "hostPort", host_ports},
    {BASE, "privileged", privileged},
    {BASE, "procMount", proc_mount},
    {BASE, "seLinuxOptions", se_linux},
    {ONLY_BASE, "seccompProfile", seccomp_explicit},
    {BASE, "forbidden sysctls", sysctls},
    {BASE, "hostProcess", host_process},
    {STRICT, "allowPrivilegeEscalation != false", escalation},
    {STRICT, "unrestricted capabilities", capabilities_restricted},
    {STRICT, "restricted volume types", volume_types},
    {STRICT, "runAsNonRoot != true", run_as_non_root},
    {STRICT, "runAsUser=0", run_as_user},
    {STRICT, "seccompProfile", seccomp_restricted},
};

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

unsigned pod_security_check(enum pod_security_level level, const struct json *metadata,
                            const struct json *spec, struct buf *out)
{
    int wanted = level == POD_SECURITY_RESTRICTED ? BASE | STRICT
                 : level == POD_SECURITY_BASELINE ? BASE | ONLY_BASE
                                                  : 0;
    unsigned count = 0;
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        struct finding f = {.metadata = metadata,
                            .spec = spec,
                            .pod = json_get(spec, "securityContext"),
                            .windows = str_is(json_path_str(spec, "os.name"), "windows")};
        if (!(checks[i].levels & wanted))
            continue;
        buf_init(&f.names, 16 * 1024);
        buf_init(&f.values, 16 * 1024);
        buf_init(&f.detail, 32 * 1024);
        checks[i].find(&f);
        if (buf_len(&f.detail))
            buf_printf(out, "%s%s (%s)", count++ ? ", " : "", checks[i].reason,
                       buf_cstr(&f.detail));
        buf_done(&f.names);
        buf_done(&f.values);
        buf_done(&f.detail);
    }
    return count;
}
