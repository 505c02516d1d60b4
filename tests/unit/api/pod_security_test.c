/*
 * Each control of the Pod Security Standards
 * (kubernetes.io/docs/concepts/security/pod-security-standards), with what it lets through and what
 * it refuses, in upstream's words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/admission/pod_security.h"

struct row {
    const char *policy, *metadata, *spec, *wrong; /* wrong "": let through */
};

/* A pod that keeps every rule but for what a row adds to it. */
#define GOOD     "\"allowPrivilegeEscalation\":false,\"capabilities\":{\"drop\":[\"ALL\"]}"
#define SECURITY "\"securityContext\":{\"runAsNonRoot\":true,\"seccompProfile\":{\"type\":\"RuntimeDefault\"}"
#define C(name, more)    "{\"name\":\"" name "\"" more "}"
#define CTX(name, more)  "{\"name\":\"" name "\",\"securityContext\":{" more "}}"
#define PODCTX(more)     "{\"securityContext\":{" more "},\"containers\":[" C("a", "") "]}"
#define POD(containers)  "{\"containers\":[" containers "]}"
#define STRICT(ctx)      "{" SECURITY "},\"containers\":[" CTX("a", GOOD ctx) "]}"
#define STRICTPOD(more)  "{" SECURITY "}" more ",\"containers\":[" CTX("a", GOOD) "]}"
#define VOLUME(name, kind) "{\"name\":\"" name "\",\"" kind "\":{}}"
#define B                "baseline:latest"
#define R                "restricted:latest"

static const struct row rows[] = {
    /* privileged forbids nothing */
    {"privileged:latest", "{}", "{\"hostPID\":true,\"containers\":[" CTX("a", "\"privileged\":true") "]}", ""},
    {B, "{}", POD(C("a", "")), ""},
    {R, "{}", STRICT(""), ""},
    /* HostProcess */
    {B, "{}", PODCTX("\"windowsOptions\":{\"hostProcess\":false}"), ""},
    {B, "{}", PODCTX("\"windowsOptions\":{\"hostProcess\":true}"),
     "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)"},
    {B, "{}", "{\"securityContext\":{\"windowsOptions\":{\"hostProcess\":true}},\"initContainers\":[" CTX("i", "\"windowsOptions\":{\"hostProcess\":true}") "],\"containers\":[" CTX("a", "\"windowsOptions\":{\"hostProcess\":true}") "]}",
     "hostProcess (pod and containers \"i\", \"a\" must not set securityContext.windowsOptions.hostProcess=true)"},
    /* Host namespaces */
    {B, "{}", "{\"hostNetwork\":false,\"containers\":[" C("a", "") "]}", ""},
    {B, "{}", "{\"hostNetwork\":true,\"hostPID\":true,\"hostIPC\":true,\"containers\":[]}",
     "host namespaces (hostNetwork=true, hostPID=true, hostIPC=true)"},
    {R, "{}", STRICTPOD(",\"hostPID\":true"), "host namespaces (hostPID=true)"},
    /* Privileged containers */
    {B, "{}", POD(CTX("a", "\"privileged\":false")), ""},
    {B, "{}", POD(CTX("a", "\"privileged\":true")), "privileged (container \"a\" must not set securityContext.privileged=true)"},
    {B, "{}", "{\"ephemeralContainers\":[" CTX("e", "\"privileged\":true") "],\"containers\":[" CTX("a", "\"privileged\":true") "]}",
     "privileged (containers \"a\", \"e\" must not set securityContext.privileged=true)"},
    /* Capabilities */
    {B, "{}", POD(CTX("a", "\"capabilities\":{\"add\":[\"CHOWN\",\"NET_BIND_SERVICE\",\"SETPCAP\",\"MKNOD\",\"AUDIT_WRITE\"]}")), ""},
    {B, "{}", POD(CTX("a", "\"capabilities\":{\"add\":[\"SYS_TIME\",\"NET_ADMIN\",\"SYS_TIME\"]}") "," CTX("b", "\"capabilities\":{\"add\":[\"CHOWN\"]}")),
     "non-default capabilities (container \"a\" must not include \"NET_ADMIN\", \"SYS_TIME\" in securityContext.capabilities.add)"},
    {R, "{}", STRICTPOD(",\"initContainers\":[" CTX("i", "\"allowPrivilegeEscalation\":false,\"capabilities\":{\"drop\":[\"ALL\"],\"add\":[\"NET_BIND_SERVICE\"]}") "]"), ""},
    {R, "{}", STRICTPOD(",\"initContainers\":[" CTX("i", "\"allowPrivilegeEscalation\":false,\"capabilities\":{\"drop\":[\"all\"],\"add\":[\"CHOWN\"]}") "]"),
     "unrestricted capabilities (container \"i\" must set securityContext.capabilities.drop=[\"ALL\"]; container \"i\" must not include \"CHOWN\" in securityContext.capabilities.add)"},
    /* HostPath volumes */
    {B, "{}", "{\"volumes\":[" VOLUME("e", "emptyDir") "],\"containers\":[]}", ""},
    {B, "{}", "{\"volumes\":[" VOLUME("h", "hostPath") "," VOLUME("e", "emptyDir") "," VOLUME("g", "hostPath") "],\"containers\":[]}", "hostPath volumes (volumes \"h\", \"g\")"},
    /* Host ports */
    {B, "{}", POD(C("a", ",\"ports\":[{\"containerPort\":80}]")), ""},
    {B, "{}", POD(C("a", ",\"ports\":[{\"containerPort\":80,\"hostPort\":0}]")), ""},
    {B, "{}", POD(C("a", ",\"ports\":[{\"hostPort\":8080}]")), "hostPort (container \"a\" uses hostPort 8080)"},
    {B, "{}", POD(C("a", ",\"ports\":[{\"hostPort\":9},{\"hostPort\":8080}]") "," C("b", ",\"ports\":[{\"hostPort\":9}]")),
     "hostPort (containers \"a\", \"b\" use hostPorts 8080, 9)"},
    /* Host probes and lifecycle hooks, since 1.34 */
    {B, "{}", POD(C("a", ",\"livenessProbe\":{\"httpGet\":{\"port\":1}},\"lifecycle\":{\"preStop\":{\"tcpSocket\":{\"host\":\"\"}}}")), ""},
    {B, "{}", POD(C("b", ",\"livenessProbe\":{\"httpGet\":{\"host\":\"10.0.0.1\"}}") "," C("a", ",\"lifecycle\":{\"postStart\":{\"tcpSocket\":{\"host\":\"x\"}}}")),
     "probe or lifecycle host (containers \"a\", \"b\" use probe or lifecycle hosts \"10.0.0.1\", \"x\")"},
    {B, "{}", POD(C("b", ",\"startupProbe\":{\"tcpSocket\":{\"host\":\"h\"}}")), "probe or lifecycle host (container \"b\" uses probe or lifecycle host \"h\")"},
    {"baseline:v1.33", "{}", POD(C("b", ",\"startupProbe\":{\"tcpSocket\":{\"host\":\"h\"}}")), ""},
    /* AppArmor */
    {B, "{\"annotations\":{\"container.apparmor.security.beta.kubernetes.io/a\":\"runtime/default\"}}", PODCTX("\"appArmorProfile\":{\"type\":\"RuntimeDefault\"}"), ""},
    {B, "{}", POD(CTX("a", "\"appArmorProfile\":{\"type\":\"Localhost\",\"localhostProfile\":\"p\"}")), ""},
    {B, "{}", PODCTX("\"appArmorProfile\":{\"type\":\"Unconfined\"}"), "forbidden AppArmor profile (pod must not set AppArmor profile type to \"Unconfined\")"},
    {B, "{}", POD(CTX("a", "\"appArmorProfile\":{\"type\":\"Unconfined\"}")), "forbidden AppArmor profile (container \"a\" must not set AppArmor profile type to \"Unconfined\")"},
    {B, "{\"annotations\":{\"container.apparmor.security.beta.kubernetes.io/a\":\"unconfined\",\"x\":\"unconfined\"}}", POD(C("a", "")),
     "forbidden AppArmor profile (annotation must not set AppArmor profile type to \"container.apparmor.security.beta.kubernetes.io/a=\"unconfined\"\")"},
    {B, "{\"annotations\":{\"container.apparmor.security.beta.kubernetes.io/a\":\"unconfined\"}}", POD(CTX("a", "\"appArmorProfile\":{\"type\":\"Unconfined\"}")),
     "forbidden AppArmor profiles (container \"a\" and annotation must not set AppArmor profile type to \"Unconfined\", \"container.apparmor.security.beta.kubernetes.io/a=\"unconfined\"\")"},
    /* SELinux */
    {B, "{}", PODCTX("\"seLinuxOptions\":{\"type\":\"container_kvm_t\",\"level\":\"s0\"}"), ""},
    {B, "{}", PODCTX("\"seLinuxOptions\":{\"type\":\"container_engine_t\"}"), ""},
    {"baseline:v1.30", "{}", PODCTX("\"seLinuxOptions\":{\"type\":\"container_engine_t\"}"), "seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type \"container_engine_t\")"},
    {B, "{}", "{\"securityContext\":{\"seLinuxOptions\":{\"type\":\"z\",\"user\":\"u\"}},\"containers\":[" CTX("a", "\"seLinuxOptions\":{\"type\":\"b\",\"role\":\"r\"}") "]}",
     "seLinuxOptions (pod and container \"a\" set forbidden securityContext.seLinuxOptions: types \"b\", \"z\"; user may not be set; role may not be set)"},
    {B, "{}", POD(CTX("a", "\"seLinuxOptions\":{\"role\":\"r\"}")), "seLinuxOptions (container \"a\" set forbidden securityContext.seLinuxOptions: role may not be set)"},
    /* /proc mount type */
    {B, "{}", POD(CTX("a", "\"procMount\":\"Default\"")), ""},
    {B, "{}", POD(CTX("a", "\"procMount\":\"Unmasked\"")), "procMount (container \"a\" must not set securityContext.procMount to \"Unmasked\")"},
    {B, "{}", "{\"hostUsers\":false,\"containers\":[" CTX("a", "\"procMount\":\"Unmasked\"") "]}", ""},
    {B, "{}", "{\"hostUsers\":true,\"containers\":[" CTX("a", "\"procMount\":\"Unmasked\"") "]}", "procMount (container \"a\" must not set securityContext.procMount to \"Unmasked\")"},
    {"baseline:v1.34", "{}", "{\"hostUsers\":false,\"containers\":[" CTX("a", "\"procMount\":\"Unmasked\"") "]}", "procMount (container \"a\" must not set securityContext.procMount to \"Unmasked\")"},
    {R, "{}", "{" SECURITY "},\"hostUsers\":false,\"containers\":[" CTX("a", GOOD ",\"procMount\":\"Unmasked\"") "]}", "procMount (container \"a\" must not set securityContext.procMount to \"Unmasked\")"},
    /* Seccomp */
    {B, "{}", PODCTX("\"seccompProfile\":{\"type\":\"Localhost\"}"), ""},
    {B, "{}", "{\"securityContext\":{\"seccompProfile\":{\"type\":\"Unconfined\"}},\"containers\":[" CTX("a", "\"seccompProfile\":{\"type\":\"Unconfined\"}") "," C("b", "") "]}",
     "seccompProfile (pod and container \"a\" must not set securityContext.seccompProfile.type to \"Unconfined\")"},
    {"baseline:v1.18", "{\"annotations\":{\"seccomp.security.alpha.kubernetes.io/pod\":\"unconfined\",\"container.seccomp.security.alpha.kubernetes.io/a\":\"docker/default\"}}",
     PODCTX("\"seccompProfile\":{\"type\":\"Unconfined\"}"), "seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod=\"unconfined\")"},
    {"restricted:v1.18", "{}", "{" SECURITY "},\"containers\":[" CTX("a", "\"allowPrivilegeEscalation\":false") "]}", ""},
    {R, "{}", "{\"securityContext\":{\"runAsNonRoot\":true},\"containers\":[" CTX("a", GOOD ",\"seccompProfile\":{\"type\":\"Localhost\"}") "]}", ""},
    {R, "{}", "{\"securityContext\":{\"runAsNonRoot\":true},\"containers\":[" CTX("a", GOOD) "," CTX("b", GOOD) "]}",
     "seccompProfile (pod or containers \"a\", \"b\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")"},
    {R, "{}", "{\"securityContext\":{\"runAsNonRoot\":true,\"seccompProfile\":{\"type\":\"Unconfined\"}},\"containers\":[" CTX("a", GOOD) "]}",
     "seccompProfile (pod must not set securityContext.seccompProfile.type to \"Unconfined\")"},
    /* Sysctls */
    {B, "{}", PODCTX("\"sysctls\":[{\"name\":\"kernel.shm_rmid_forced\"},{\"name\":\"net.ipv4.tcp_wmem\"}]"), ""},
    {"baseline:v1.31", "{}", PODCTX("\"sysctls\":[{\"name\":\"kernel.shm_rmid_forced\"},{\"name\":\"net.ipv4.tcp_wmem\"}]"), "forbidden sysctls (net.ipv4.tcp_wmem)"},
    {"baseline:v1.28", "{}", PODCTX("\"sysctls\":[{\"name\":\"net.ipv4.ip_local_reserved_ports\"},{\"name\":\"net.ipv4.tcp_fin_timeout\"}]"), "forbidden sysctls (net.ipv4.tcp_fin_timeout)"},
    {"baseline:v1.26", "{}", PODCTX("\"sysctls\":[{\"name\":\"net.ipv4.ip_local_reserved_ports\"}]"), "forbidden sysctls (net.ipv4.ip_local_reserved_ports)"},
    {B, "{}", PODCTX("\"sysctls\":[{\"name\":\"kernel.msgmax\"},{\"name\":\"a\"}]"), "forbidden sysctls (kernel.msgmax, a)"},
    /* Volume types */
    {R, "{}", STRICTPOD(",\"volumes\":[" VOLUME("a", "configMap") "," VOLUME("b", "csi") "," VOLUME("c", "downwardAPI") "," VOLUME("d", "emptyDir") "," VOLUME("e", "ephemeral") "," VOLUME("f", "persistentVolumeClaim") "," VOLUME("g", "projected") "," VOLUME("h", "secret") "," VOLUME("i", "image") "]"), ""},
    {R, "{}", STRICTPOD(",\"volumes\":[" VOLUME("a", "nfs") "," VOLUME("b", "hostPath") "," VOLUME("c", "nfs") "]"),
     "restricted volume types (volumes \"a\", \"b\", \"c\" use restricted volume types \"hostPath\", \"nfs\")"},
    {R, "{}", STRICTPOD(",\"volumes\":[" VOLUME("a", "iscsi") "]"), "restricted volume types (volume \"a\" uses restricted volume type \"iscsi\")"},
    /* Privilege escalation */
    {R, "{}", "{" SECURITY "},\"containers\":[" CTX("a", "\"capabilities\":{\"drop\":[\"ALL\"]}") "]}",
     "allowPrivilegeEscalation != false (container \"a\" must set securityContext.allowPrivilegeEscalation=false)"},
    {"restricted:v1.7", "{}", "{" SECURITY "},\"containers\":[" C("a", "") "]}", ""},
    /* Running as non-root */
    {R, "{}", "{\"securityContext\":{\"seccompProfile\":{\"type\":\"RuntimeDefault\"}},\"containers\":[" CTX("a", GOOD ",\"runAsNonRoot\":true") "]}", ""},
    {R, "{}", "{\"securityContext\":{\"seccompProfile\":{\"type\":\"RuntimeDefault\"}},\"containers\":[" CTX("a", GOOD) "," CTX("b", GOOD ",\"runAsNonRoot\":true") "]}",
     "runAsNonRoot != true (pod or container \"a\" must set securityContext.runAsNonRoot=true)"},
    {R, "{}", STRICT(",\"runAsNonRoot\":false"), "runAsNonRoot != true (container \"a\" must not set securityContext.runAsNonRoot=false)"},
    {R, "{}", "{\"securityContext\":{\"runAsNonRoot\":false,\"seccompProfile\":{\"type\":\"RuntimeDefault\"}},\"containers\":[" CTX("a", GOOD ",\"runAsNonRoot\":true") "]}",
     "runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)"},
    {R, "{}", "{\"hostUsers\":false,\"securityContext\":{\"runAsUser\":0,\"seccompProfile\":{\"type\":\"RuntimeDefault\"}},\"containers\":[" CTX("a", GOOD) "]}", ""},
    /* Running as non-root user */
    {R, "{}", STRICT(",\"runAsUser\":1000"), ""},
    {R, "{}", STRICT(",\"runAsUser\":0"), "runAsUser=0 (container \"a\" must not set runAsUser=0)"},
    {R, "{}", "{\"securityContext\":{\"runAsUser\":0,\"runAsNonRoot\":true,\"seccompProfile\":{\"type\":\"RuntimeDefault\"}},\"containers\":[" CTX("a", GOOD ",\"runAsUser\":0") "]}",
     "runAsUser=0 (pod and container \"a\" must not set runAsUser=0)"},
    {"restricted:v1.22", "{}", STRICT(",\"runAsUser\":0"), ""},
    /* Windows is exempt from what it does not know */
    {R, "{}", "{\"os\":{\"name\":\"windows\"},\"securityContext\":{\"runAsNonRoot\":true},\"containers\":[" C("a", "") "]}", ""},
    {"restricted:v1.24", "{}", "{\"os\":{\"name\":\"windows\"},\"securityContext\":{\"runAsNonRoot\":true},\"containers\":[" C("a", "") "]}",
     "allowPrivilegeEscalation != false (container \"a\" must set securityContext.allowPrivilegeEscalation=false), "
     "unrestricted capabilities (container \"a\" must set securityContext.capabilities.drop=[\"ALL\"]), "
     "seccompProfile (pod or container \"a\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")"},
    /* all of restricted's on a plain pod, in order; newer than we are is what we are */
    {"restricted:v1.99", "{}", POD(C("a", "")),
     "allowPrivilegeEscalation != false (container \"a\" must set securityContext.allowPrivilegeEscalation=false), "
     "unrestricted capabilities (container \"a\" must set securityContext.capabilities.drop=[\"ALL\"]), "
     "runAsNonRoot != true (pod or container \"a\" must set securityContext.runAsNonRoot=true), "
     "seccompProfile (pod or container \"a\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")"},
};

static struct json *parse(struct arena *a, const char *text)
{
    struct json *j = NULL;
    if (json_parse(a, str_of(text), NULL, &j, NULL) < 0)
        fail_msg("%s", text);
    return j;
}

static struct pod_security_policy policy_of(const char *text)
{
    struct pod_security_policy p;
    struct str rest = str_of(text), level;
    assert_true(str_split(&rest, ':', &level));
    assert_true(pod_security_level_of(level, &p.level));
    assert_true(pod_security_version_of(rest, &p.minor));
    return p;
}

static void each_control_lets_through_and_refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena a CLEANUP_ARENA;
        struct buf out CLEANUP_BUF;
        arena_init(&a, 1 << 20);
        buf_init(&out, 1 << 16);
        struct pod_security_policy p = policy_of(rows[i].policy);
        assert_string_equal(pod_security_policy_text(&a, &p), rows[i].policy);
        unsigned n = pod_security_check(&a, &p, parse(&a, rows[i].metadata), parse(&a, rows[i].spec), &out, NULL);
        if (strcmp(buf_cstr(&out), rows[i].wrong) != 0)
            fail_msg("%s %s:\n  %s\nnot\n  %s", rows[i].policy, rows[i].spec, buf_cstr(&out), rows[i].wrong);
        assert_int_equal(n != 0, rows[i].wrong[0] != 0);
    }
}

static void reasons_alone_are_listed(void **state)
{
    (void)state;
    struct arena a CLEANUP_ARENA;
    struct buf out CLEANUP_BUF;
    arena_init(&a, 1 << 20);
    buf_init(&out, 1 << 16);
    struct pod_security_policy p = policy_of(B);
    assert_int_equal(pod_security_check(&a, &p, NULL, parse(&a, "{\"hostPID\":true,\"containers\":[" CTX("a", "\"privileged\":true") "]}"), NULL, &out), 2);
    assert_string_equal(buf_cstr(&out), "host namespaces, privileged");
}

static void versions_are_latest_or_of_one(void **state)
{
    static const char *const bad[] = {"", "1.2", "v1", "v1.", "v2.1", "v1.02", "v1.x", "v1.2.3", "Latest", "v1.-1", "v1.99999999999"};
    unsigned minor;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (pod_security_version_of(str_of(bad[i]), &minor))
            fail_msg("%s", bad[i]);
    assert_true(pod_security_version_of(STR("v1.0"), &minor) && minor == 0);
    assert_true(pod_security_version_of(STR("v1.28"), &minor) && minor == 28);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_control_lets_through_and_refuses),
        cmocka_unit_test(reasons_alone_are_listed),
        cmocka_unit_test(versions_are_latest_or_of_one),
    };
    return cmocka_run_group_tests_name("pod_security", tests, NULL, NULL);
}
