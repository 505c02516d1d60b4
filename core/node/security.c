/* securityContext: users, capabilities, seccomp, masked paths. See spec.h. */
#include "node/spec.h"

/* What containerd and Docker give a container; upstream leaves the set to the runtime. */
static const char *const default_capabilities[] = {
    "CAP_AUDIT_WRITE", "CAP_CHOWN",  "CAP_DAC_OVERRIDE", "CAP_FOWNER",  "CAP_FSETID",
    "CAP_KILL",        "CAP_MKNOD",  "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP",
    "CAP_SETGID",      "CAP_SETPCAP", "CAP_SETUID",      "CAP_SYS_CHROOT", NULL};

static const char *const all_capabilities[] = {
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
    "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER",
    "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE", NULL};

bool security_privileged(const struct json *container)
{
    return json_path_bool(container, "securityContext.privileged", false);
}

/* The container's own setting, else the pod's. */
static const struct json *setting(const struct json *spec, const struct json *container, const char *name)
{
    const struct json *own = json_get(json_get(container, "securityContext"), name);
    return !json_absent(own) ? own : json_get(json_get(spec, "securityContext"), name);
}

/* ---- users ---- */

static void put_groups(struct step *s, struct json *user)
{
    const struct json *context = json_get(s->spec, "securityContext");
    struct json *gids = json_array_at(s->a, user, "additionalGids");
    int64_t fs_group = json_path_i64(context, "fsGroup", -1);
    for (struct json *g = json_first(json_get(context, "supplementalGroups")); g; g = g->next)
        json_append(s->a, gids, json_new_i64(s->a, json_i64(g, 0)));
    if (fs_group >= 0)
        json_append(s->a, gids, json_new_i64(s->a, fs_group));
    if (json_count(gids) == 0)
        json_remove(user, "additionalGids");
}

static int check_non_root(const struct json *spec, const struct json *container, int64_t uid,
                          const char *name, const char *image_user, struct err *err)
{
    int64_t number;
    struct str user = str_of(image_user);
    if (!json_bool(setting(spec, container, "runAsNonRoot"), false))
        return 0;
    if (uid == 0)
        return err_set(err, E_INVALID, "container's runAsUser breaks non-root policy (container: %s)", name);
    if (uid > 0)
        return 0;
    ptrdiff_t colon = str_find_byte(user, ':');
    if (colon >= 0)
        user.n = (size_t)colon;
    if (user.n && str_to_i64(user, &number) < 0)
        return err_set(err, E_INVALID, "container has runAsNonRoot and image has non-numeric user (" STR_FMT
                       "), cannot verify user is non-root (container: %s)", STR_ARG(user), name);
    if (!user.n || number == 0)
        return err_set(err, E_INVALID, "container has runAsNonRoot and image will run as root (container: %s)",
                       name);
    return 0;
}

int security_user(struct step *s, const struct json *container, const struct json *image,
                  struct json *process, struct err *err)
{
    int64_t uid = json_i64(setting(s->spec, container, "runAsUser"), -1);
    int64_t gid = json_i64(setting(s->spec, container, "runAsGroup"), -1);
    const char *image_user = json_path_cstr(image, "config.User");
    int rc = check_non_root(s->spec, container, uid, json_path_cstr(container, "name"), image_user, err);
    if (rc < 0)
        return rc;
    struct json *user = json_object_at(s->a, process, "user");
    const char *name = uid < 0 ? image_user : arena_printf(s->a, "%lld", (long long)uid);
    if (!name || !name[0])
        name = "0";
    if (gid >= 0 && strchr(name, ':'))
        name = arena_strndup(s->a, name, (size_t)(strchr(name, ':') - name));
    json_set_cstr(s->a, user, "username", name);
    if (uid >= 0)
        json_set_i64(s->a, user, "uid", uid);
    if (gid >= 0)
        json_set_i64(s->a, user, "gid", gid);
    put_groups(s, user);
    return 0;
}

/* ---- capabilities ---- */

static bool named(const struct json *list, const char *capability)
{
    for (struct json *j = json_first(list); j; j = j->next) {
        struct str name = json_str(j), full = str_of(capability);
        if (str_eq_nocase(name, STR("ALL")) || str_eq_nocase(name, full) ||
            str_eq_nocase(name, str_make(full.p + 4, full.n - 4)))
            return true;
    }
    return false;
}

static bool exactly_named(const struct json *list, const char *capability)
{
    for (struct json *j = json_first(list); j; j = j->next) {
        struct str name = json_str(j), full = str_of(capability);
        if (str_eq_nocase(name, full) || str_eq_nocase(name, str_make(full.p + 4, full.n - 4)))
            return true;
    }
    return false;
}

static bool by_default(const char *capability)
{
    for (size_t i = 0; default_capabilities[i]; i++)
        if (cstr_eq(default_capabilities[i], capability))
            return true;
    return false;
}

void security_capabilities(struct arena *a, const struct json *container, struct json *process)
{
    static const char *const sets[] = {"bounding", "effective", "permitted"};
    const struct json *caps = json_path(container, "securityContext.capabilities");
    const struct json *add = json_get(caps, "add"), *drop = json_get(caps, "drop");
    struct json *out = json_object_at(a, process, "capabilities");
    for (size_t i = 0; all_capabilities[i]; i++) {
        const char *name = all_capabilities[i];
        bool on = security_privileged(container) || exactly_named(add, name) ||
                  ((by_default(name) || named(add, name)) && !named(drop, name));
        if (exactly_named(drop, name) && !security_privileged(container))
            on = false;
        for (int set = 0; on && set < 3; set++)
            json_append(a, json_array_at(a, out, sets[set]), json_new_cstr(a, name));
    }
}

/* ---- the rest ---- */

const char *security_seccomp(struct arena *a, const struct json *spec, const struct json *container)
{
    const struct json *profile = setting(spec, container, "seccompProfile");
    const char *type = json_path_cstr(profile, "type");
    if (security_privileged(container))
        return "Unconfined";
    if (cstr_eq(type, "Localhost"))
        return arena_printf(a, "Localhost:%s", json_path_cstr(profile, "localhostProfile"));
    return cstr_eq(type, "Unconfined") ? "Unconfined" : "RuntimeDefault";
}

static void put_list(struct arena *a, struct json *object, const char *key, const char *const *paths)
{
    struct json *list = json_array_at(a, object, key);
    for (size_t i = 0; paths[i]; i++)
        json_append(a, list, json_new_cstr(a, paths[i]));
}

void security_paths(struct arena *a, const struct json *container, struct json *section)
{
    static const char *const masked[] = {
        "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
        "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
        "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware", NULL};
    static const char *const read_only[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                            "/proc/sysrq-trigger", NULL};
    const char *proc_mount = json_path_cstr(container, "securityContext.procMount");
    if (security_privileged(container) || cstr_eq(proc_mount, "Unmasked"))
        return;
    put_list(a, section, "maskedPaths", masked);
    put_list(a, section, "readonlyPaths", read_only);
}
