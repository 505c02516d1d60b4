/* The checks that only the restricted level has. See pod_security.h. */
#include "api/admission/pod_security_int.h"

void find_escalation(struct finding *f)
{
    if (finding_windows(f))
        return;
    EACH_CONTAINER(c, f)
    if (json_path_bool(context(c), "allowPrivilegeEscalation", true))
        finding_name(f, c);
    if (!f->name_count)
        return;
    finding_put_containers(f);
    buf_puts(&f->detail, " must set securityContext.allowPrivilegeEscalation=false");
}

/* ---- capabilities ---- */

static bool drops_all(const struct json *container)
{
    const struct json *drop = json_path(context(container), "capabilities.drop");
    for (const struct json *d = json_first(drop); d; d = d->next)
        if (str_is(json_str(d), "ALL"))
            return true;
    return false;
}

static void find_added(struct finding *f)
{
    EACH_CONTAINER(c, f)
    {
        bool bad = false;
        const struct json *added = json_path(context(c), "capabilities.add");
        for (const struct json *a = json_first(added); a; a = a->next)
            if (!str_is(json_str(a), "NET_BIND_SERVICE")) {
                bad = true;
                finding_value(f, json_str(a));
            }
        if (bad)
            finding_name(f, c);
    }
}

void find_capabilities_strict(struct finding *f)
{
    if (finding_windows(f))
        return;
    EACH_CONTAINER(c, f)
    if (!drops_all(c))
        finding_name(f, c);
    if (f->name_count) {
        finding_put_containers(f);
        buf_puts(&f->detail, " must set securityContext.capabilities.drop=[\"ALL\"]");
    }
    finding_forget(f);
    find_added(f);
    if (!f->name_count)
        return;
    buf_puts(&f->detail, buf_len(&f->detail) ? "; " : "");
    finding_put_containers(f);
    buf_puts(&f->detail, " must not include ");
    finding_put_values(f, "\"");
    buf_puts(&f->detail, " in securityContext.capabilities.add");
}

/* ---- volumes ---- */

/* The type that a volume is told by; NULL: one that is allowed. */
static const char *restricted_type(const struct json *volume)
{
    static const char *const allowed[] = {
        "configMap", "csi",   "downwardAPI",           "emptyDir",
        "ephemeral", "image", "persistentVolumeClaim", "projected",
        "secret"};
    static const char *const others[] = {"hostPath",
                                         "gcePersistentDisk",
                                         "awsElasticBlockStore",
                                         "gitRepo",
                                         "nfs",
                                         "iscsi",
                                         "glusterfs",
                                         "rbd",
                                         "flexVolume",
                                         "cinder",
                                         "cephfs",
                                         "flocker",
                                         "fc",
                                         "azureFile",
                                         "vsphereVolume",
                                         "quobyte",
                                         "azureDisk",
                                         "photonPersistentDisk",
                                         "portworxVolume",
                                         "scaleIO",
                                         "storageos"};
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
        if (!json_absent(json_get(volume, allowed[i])))
            return NULL;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (!json_absent(json_get(volume, others[i])))
            return others[i];
    return "unknown";
}

void find_volume_types(struct finding *f)
{
    for (const struct json *v = json_first(json_get(f->spec, "volumes")); v; v = v->next) {
        const char *type = restricted_type(v);
        if (!type)
            continue;
        finding_name(f, v);
        finding_value(f, str_of(type));
    }
    if (!f->name_count)
        return;
    bool many = f->name_count > 1;
    buf_printf(&f->detail, "volume%s %s %s restricted volume type%s ", many ? "s" : "",
               buf_cstr(&f->names), many ? "use" : "uses", f->value_count > 1 ? "s" : "");
    finding_put_values(f, "\"");
}

/* ---- users ---- */

/* Who says the wrong thing counts before who says nothing. */
void find_non_root(struct finding *f)
{
    const struct json *pod = json_get(f->security, "runAsNonRoot");
    bool said = !json_absent(pod) && json_bool(pod, false);
    if (finding_own_users(f))
        return;
    f->pod = !json_absent(pod) && !said;
    EACH_CONTAINER(c, f)
    if (!json_path_bool(context(c), "runAsNonRoot", true))
        finding_name(f, c);
    if (finding_put_setters(f)) {
        buf_puts(&f->detail, " must not set securityContext.runAsNonRoot=false");
        return;
    }
    EACH_CONTAINER(d, f)
    if (json_absent(json_get(context(d), "runAsNonRoot")) && !said)
        finding_name(f, d);
    if (!f->name_count)
        return;
    buf_puts(&f->detail, "pod or ");
    finding_put_containers(f);
    buf_puts(&f->detail, " must set securityContext.runAsNonRoot=true");
}

void find_root_user(struct finding *f)
{
    if (finding_own_users(f))
        return;
    f->pod = json_path_i64(f->security, "runAsUser", 1) == 0;
    EACH_CONTAINER(c, f)
    if (json_path_i64(context(c), "runAsUser", 1) == 0)
        finding_name(f, c);
    if (finding_put_setters(f))
        buf_puts(&f->detail, " must not set runAsUser=0");
}

/* ---- seccomp ---- */

void find_seccomp_strict(struct finding *f)
{
    if (finding_windows(f))
        return;
    find_seccomp(f);
    if (buf_len(&f->detail) || !json_absent(json_get(f->security, "seccompProfile")))
        return;
    EACH_CONTAINER(c, f)
    if (json_absent(json_get(context(c), "seccompProfile")))
        finding_name(f, c);
    if (!f->name_count)
        return;
    buf_puts(&f->detail, "pod or ");
    finding_put_containers(f);
    buf_puts(
        &f->detail,
        " must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"");
}
