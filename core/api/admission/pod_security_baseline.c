/* The checks of the baseline level. See pod_security.h. */
#include "api/admission/pod_security_int.h"

/* Texts of our own among the values live in the arena. */
static void add_text(struct finding *f, const char *text)
{
    if (text)
        finding_value(f, str_of(text));
}

/* ---- AppArmor ---- */

#define ARMOR_NOTE "container.apparmor.security.beta.kubernetes.io/"

static bool armor_bad(struct finding *f, const struct json *security)
{
    static const char *const allowed[] = {"RuntimeDefault", "Localhost", NULL};
    struct str type = json_path_str(security, "appArmorProfile.type");
    if (!json_path(security, "appArmorProfile") || finding_among(type, allowed))
        return false;
    finding_value(f, type);
    return true;
}

static void add_notes(struct finding *f, struct finding *notes)
{
    for (const struct json *n = json_first(json_get(f->metadata, "annotations")); n; n = n->next) {
        struct str v = json_str(n);
        if (str_starts(n->key, STR(ARMOR_NOTE)) && v.n && !str_is(v, "runtime/default") &&
            !str_starts(v, STR("localhost/")))
            add_text(notes,
                     arena_printf(f->a, STR_FMT "=\"" STR_FMT "\"", STR_ARG(n->key), STR_ARG(v)));
    }
}

void find_app_armor(struct finding *f)
{
    struct finding notes = {.a = f->a};
    f->pod = armor_bad(f, f->security);
    EACH_CONTAINER(c, f)
    if (armor_bad(f, context(c)))
        finding_name(f, c);
    add_notes(f, &notes);
    bool set = finding_put_setters(f);
    if (notes.value_count)
        buf_printf(&f->detail, "%sannotation%s", set ? " and " : "",
                   notes.value_count > 1 ? "s" : "");
    if (!set && !notes.value_count)
        return;
    if (f->value_count + notes.value_count > 1)
        f->reason = "forbidden AppArmor profiles";
    buf_puts(&f->detail, " must not set AppArmor profile type to ");
    finding_put_values(f, "\"");
    for (size_t i = 0; i < notes.value_count; i++)
        buf_printf(&f->detail, "%s\"" STR_FMT "\"", f->value_count + i ? ", " : "",
                   STR_ARG(notes.values[i]));
}

/* ---- capabilities, the host's namespaces, volumes and ports ---- */

void find_capabilities(struct finding *f)
{
    static const char *const allowed[] = {
        "AUDIT_WRITE",      "CHOWN",   "DAC_OVERRIDE", "FOWNER",  "FSETID", "KILL",       "MKNOD",
        "NET_BIND_SERVICE", "SETFCAP", "SETGID",       "SETPCAP", "SETUID", "SYS_CHROOT", NULL};
    EACH_CONTAINER(c, f)
    {
        bool bad = false;
        const struct json *added = json_path(context(c), "capabilities.add");
        for (const struct json *a = json_first(added); a; a = a->next)
            if (!finding_among(json_str(a), allowed)) {
                bad = true;
                finding_value(f, json_str(a));
            }
        if (bad)
            finding_name(f, c);
    }
    if (!f->name_count)
        return;
    finding_put_containers(f);
    buf_puts(&f->detail, " must not include ");
    finding_put_values(f, "\"");
    buf_puts(&f->detail, " in securityContext.capabilities.add");
}

void find_host_namespaces(struct finding *f)
{
    static const char *const names[] = {"hostNetwork", "hostPID", "hostIPC"};
    for (size_t i = 0; i < 3; i++)
        if (json_path_bool(f->spec, names[i], false))
            buf_printf(&f->detail, "%s%s=true", buf_len(&f->detail) ? ", " : "", names[i]);
}

void find_host_paths(struct finding *f)
{
    for (const struct json *v = json_first(json_get(f->spec, "volumes")); v; v = v->next)
        if (json_get(v, "hostPath"))
            finding_name(f, v);
    if (f->name_count)
        buf_printf(&f->detail, "volume%s %s", f->name_count > 1 ? "s" : "", buf_cstr(&f->names));
}

void find_host_ports(struct finding *f)
{
    EACH_CONTAINER(c, f)
    {
        bool bad = false;
        for (const struct json *p = json_first(json_get(c, "ports")); p; p = p->next) {
            int64_t port = json_path_i64(p, "hostPort", 0);
            if (port)
                add_text(f, arena_printf(f->a, "%lld", (long long)port));
            bad = bad || port;
        }
        if (bad)
            finding_name(f, c);
    }
    if (!f->name_count)
        return;
    finding_put_containers(f);
    buf_printf(&f->detail, " %s hostPort%s ", f->name_count > 1 ? "use" : "uses",
               f->value_count > 1 ? "s" : "");
    finding_put_values(f, "");
}

/* ---- probes and hooks that reach elsewhere ---- */

static bool reaches(struct finding *f, const struct json *handler)
{
    static const char *const ways[] = {"httpGet", "tcpSocket"};
    bool found = false;
    for (size_t i = 0; i < 2; i++) {
        struct str host = json_path_str(json_get(handler, ways[i]), "host");
        if (host.n)
            finding_value(f, host);
        found = found || host.n;
    }
    return found;
}

void find_host_probes(struct finding *f)
{
    static const char *const handlers[] = {"livenessProbe", "readinessProbe", "startupProbe",
                                           "lifecycle.postStart", "lifecycle.preStop"};
    struct finding names = {.a = f->a}; /* sorted, unlike those of other checks */
    EACH_CONTAINER(c, f)
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
        if (reaches(f, json_path(c, handlers[i])))
            finding_value(&names, json_path_str(c, "name"));
    if (!names.value_count)
        return;
    bool many = names.value_count > 1;
    buf_printf(&f->detail, "container%s ", many ? "s" : "");
    for (size_t i = 0; i < names.value_count; i++)
        buf_printf(&f->detail, "%s\"" STR_FMT "\"", i ? ", " : "", STR_ARG(names.values[i]));
    buf_printf(&f->detail, " %s probe or lifecycle host%s ", many ? "use" : "uses",
               f->value_count > 1 ? "s" : "");
    finding_put_values(f, "\"");
}

/* ---- privileges ---- */

void find_privileged(struct finding *f)
{
    EACH_CONTAINER(c, f)
    if (json_path_bool(context(c), "privileged", false))
        finding_name(f, c);
    if (!f->name_count)
        return;
    finding_put_containers(f);
    buf_puts(&f->detail, " must not set securityContext.privileged=true");
}

void find_proc_mount_strict(struct finding *f)
{
    EACH_CONTAINER(c, f)
    {
        const struct json *mount = json_get(context(c), "procMount");
        if (json_absent(mount) || str_is(json_str(mount), "Default"))
            continue;
        finding_name(f, c);
        finding_value(f, json_str(mount));
    }
    if (!f->name_count)
        return;
    finding_put_containers(f);
    buf_puts(&f->detail, " must not set securityContext.procMount to ");
    finding_put_values(f, "\"");
}

void find_proc_mount(struct finding *f)
{
    if (!finding_own_users(f))
        find_proc_mount_strict(f);
}

static bool options_bad(struct finding *f, const struct json *security, bool *user, bool *role)
{
    static const char *const types[] = {"", "container_t", "container_init_t", "container_kvm_t",
                                        NULL};
    const struct json *o = json_get(security, "seLinuxOptions");
    struct str type = json_path_str(o, "type");
    bool u = json_path_str(o, "user").n != 0, r = json_path_str(o, "role").n != 0;
    bool bad_type =
        !finding_among(type, types) && !(f->minor >= 31 && str_is(type, "container_engine_t"));
    if (bad_type)
        finding_value(f, type);
    *user = *user || u;
    *role = *role || r;
    return bad_type || u || r;
}

void find_se_linux(struct finding *f)
{
    bool user = false, role = false;
    f->pod = options_bad(f, f->security, &user, &role);
    EACH_CONTAINER(c, f)
    if (options_bad(f, context(c), &user, &role))
        finding_name(f, c);
    if (!finding_put_setters(f))
        return;
    buf_puts(&f->detail, " set forbidden securityContext.seLinuxOptions: ");
    if (f->value_count) {
        buf_printf(&f->detail, "type%s ", f->value_count > 1 ? "s" : "");
        finding_put_values(f, "\"");
    }
    if (user)
        buf_printf(&f->detail, "%suser may not be set", f->value_count ? "; " : "");
    if (role)
        buf_printf(&f->detail, "%srole may not be set", f->value_count || user ? "; " : "");
}

/* ---- seccomp ---- */

static bool note_good(struct str v)
{
    return str_is(v, "runtime/default") || str_is(v, "docker/default") ||
           str_starts(v, STR("localhost/"));
}

static void add_note(struct finding *f, const char *key)
{
    const struct json *note = key ? json_get(json_get(f->metadata, "annotations"), key) : NULL;
    if (note && !note_good(json_str(note)))
        add_text(f, arena_printf(f->a, "%s=\"" STR_FMT "\"", key, STR_ARG(json_str(note))));
}

/* Before the field there were annotations. */
static void find_seccomp_notes(struct finding *f)
{
    add_note(f, "seccomp.security.alpha.kubernetes.io/pod");
    EACH_CONTAINER(c, f)
    add_note(f, arena_printf(f->a, "container.seccomp.security.alpha.kubernetes.io/" STR_FMT,
                             STR_ARG(json_path_str(c, "name"))));
    if (!f->value_count)
        return;
    buf_printf(&f->detail, "forbidden annotation%s ", f->value_count > 1 ? "s" : "");
    finding_put_values(f, "");
}

static bool seccomp_bad(struct finding *f, const struct json *security)
{
    static const char *const allowed[] = {"RuntimeDefault", "Localhost", NULL};
    const struct json *profile = json_get(security, "seccompProfile");
    if (json_absent(profile) || finding_among(json_path_str(profile, "type"), allowed))
        return false;
    finding_value(f, json_path_str(profile, "type"));
    return true;
}

void find_seccomp(struct finding *f)
{
    if (f->minor < 19) {
        find_seccomp_notes(f);
        return;
    }
    f->pod = seccomp_bad(f, f->security);
    EACH_CONTAINER(c, f)
    if (seccomp_bad(f, context(c)))
        finding_name(f, c);
    if (!finding_put_setters(f))
        return;
    buf_puts(&f->detail, " must not set securityContext.seccompProfile.type to ");
    finding_put_values(f, "\"");
}

/* ---- sysctls, Windows ---- */

void find_sysctls(struct finding *f)
{
    static const struct {
        unsigned since;
        const char *name;
    } allowed[] = {
        {0, "kernel.shm_rmid_forced"},
        {0, "net.ipv4.ip_local_port_range"},
        {0, "net.ipv4.tcp_syncookies"},
        {0, "net.ipv4.ping_group_range"},
        {0, "net.ipv4.ip_unprivileged_port_start"},
        {27, "net.ipv4.ip_local_reserved_ports"},
        {29, "net.ipv4.tcp_keepalive_time"},
        {29, "net.ipv4.tcp_fin_timeout"},
        {29, "net.ipv4.tcp_keepalive_intvl"},
        {29, "net.ipv4.tcp_keepalive_probes"},
        {32, "net.ipv4.tcp_rmem"},
        {32, "net.ipv4.tcp_wmem"},
    };
    for (const struct json *s = json_first(json_get(f->security, "sysctls")); s; s = s->next) {
        struct str name = json_path_str(s, "name");
        bool good = false;
        for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
            good = good || (f->minor >= allowed[i].since && str_is(name, allowed[i].name));
        if (!good)
            buf_printf(&f->detail, "%s" STR_FMT, buf_len(&f->detail) ? ", " : "", STR_ARG(name));
    }
}

void find_host_process(struct finding *f)
{
    f->pod = json_path_bool(f->security, "windowsOptions.hostProcess", false);
    EACH_CONTAINER(c, f)
    if (json_path_bool(context(c), "windowsOptions.hostProcess", false))
        finding_name(f, c);
    if (finding_put_setters(f))
        buf_puts(&f->detail, " must not set securityContext.windowsOptions.hostProcess=true");
}
