/* From a pod's spec to what the runtime is given: OCI specification, environment, volumes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "fake_world.h"
#include "node/ipam.h"
#include "node/logs.h"
#include "node/qos.h"
#include "node/spec.h"

static struct world w;
static struct arena a;

static int setup(void **state)
{
    (void)state;
    world_init(&w);
    arena_init(&a, 1 << 26);
    world_start_node(&w);
    world_run(&w, 2000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_done(&w);
    arena_done(&a);
    return mem_live_count() == 0 ? 0 : -1;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define STATUS(pod, path) api_text(&w, &a, "pods", "default", pod, "status." path)

static struct json *parse(const char *text)
{
    struct json *j = NULL;
    assert_int_equal(json_parse(&a, str_of(text), NULL, &j, NULL), 0);
    return j;
}

/* Runs a pod of one container and gives its OCI specification. */
static struct json *spec_of(const char *pod, const char *container)
{
    char text[6000];
    snprintf(text, sizeof text, "%s%s\"containers\":[{\"name\":\"app\",\"image\":\"i\"%s%s}]", pod, pod[0] ? "," : "",
             container[0] ? "," : "", container);
    api_put_pod(&w, "p1", text);
    world_run(&w, 3000);
    struct fake_container *c = rt_container(&w, "app");
    return c ? parse(c->spec) : NULL;
}

static const char *text_of(const struct json *j)
{
    struct buf b CLEANUP_BUF = {0};
    buf_init(&b, 1 << 20);
    json_write(&b, j);
    return arena_strdup(&a, buf_cstr(&b));
}

static bool has_env(const struct json *spec, const char *entry)
{
    for (struct json *e = json_first(json_path(spec, "process.env")); e; e = e->next)
        if (cstr_eq(json_cstr(e), entry))
            return true;
    return false;
}

static const struct json *mount_at(const struct json *spec, const char *destination)
{
    for (struct json *m = json_first(json_get(spec, "mounts")); m; m = m->next)
        if (cstr_eq(json_path_cstr(m, "destination"), destination))
            return m;
    return NULL;
}

static bool has_capability(const struct json *spec, const char *name)
{
    for (struct json *c = json_first(json_path(spec, "process.capabilities.bounding")); c; c = c->next)
        if (cstr_eq(json_cstr(c), name))
            return true;
    return false;
}

static void the_image_gives_what_the_pod_does_not_say(void **state)
{
    (void)state;
    const struct json *s = spec_of("", "");
    assert_string_equal(text_of(json_path(s, "process.args")), "[\"/bin/app\",\"serve\"]");
    assert_string_equal(json_path_cstr(s, "process.cwd"), "/srv");
    assert_string_equal(json_path_cstr(s, "process.user.username"), "app");
    assert_true(has_env(s, "COLOR=red"));
    assert_true(has_env(s, "PATH=/bin"));
    assert_true(has_env(s, "HOSTNAME=p1"));
    assert_false(json_path_bool(s, "process.noNewPrivileges", true));
    assert_int_equal(json_path_i64(s, "process.oomScoreAdj", 0), 1000);
    assert_true(has_capability(s, "CAP_CHOWN"));
    assert_false(has_capability(s, "CAP_SYS_ADMIN"));
    assert_string_equal(json_path_cstr(mount_at(s, "/dev/shm"), "source"), "pod:shm");
    assert_string_equal(json_path_cstr(mount_at(s, "/etc/hosts"), "source"), "pod:hosts");
    assert_string_equal(json_path_cstr(mount_at(s, "/dev/termination-log"), "source"), "pod:termination/app");
    assert_string_equal(json_cstr(json_get(json_get(s, "annotations"), "dev.keelson.seccomp")), "RuntimeDefault");
    assert_true(json_count(json_path(s, "linux.maskedPaths")) > 5);
}

static void command_and_args_replace_those_of_the_image(void **state)
{
    (void)state;
    const struct json *s = spec_of("", "\"command\":[\"/x\",\"$(A)\",\"$$(A)\",\"$(NONE)\"],\"env\":[{\"name\":\"A\",\"value\":\"1\"}]");
    assert_string_equal(text_of(json_path(s, "process.args")), "[\"/x\",\"1\",\"$(A)\",\"$(NONE)\"]");
}

static void args_alone_keep_the_entry_point(void **state)
{
    (void)state;
    const struct json *s = spec_of("", "\"args\":[\"-v\"],\"workingDir\":\"/tmp\"");
    assert_string_equal(text_of(json_path(s, "process.args")), "[\"/bin/app\",\"-v\"]");
    assert_string_equal(json_path_cstr(s, "process.cwd"), "/tmp");
}

static void security_settings_are_carried_over(void **state)
{
    (void)state;
    const struct json *s = spec_of(
        "\"securityContext\":{\"runAsUser\":7,\"fsGroup\":50,\"supplementalGroups\":[60]}",
        "\"securityContext\":{\"runAsUser\":1000,\"runAsGroup\":1001,\"allowPrivilegeEscalation\":false,"
        "\"capabilities\":{\"drop\":[\"ALL\"],\"add\":[\"NET_ADMIN\"]},\"seccompProfile\":{\"type\":\"Unconfined\"}}");
    assert_int_equal(json_path_i64(s, "process.user.uid", -1), 1000);
    assert_int_equal(json_path_i64(s, "process.user.gid", -1), 1001);
    assert_string_equal(text_of(json_path(s, "process.user.additionalGids")), "[60,50]");
    assert_true(json_path_bool(s, "process.noNewPrivileges", false));
    assert_string_equal(text_of(json_path(s, "process.capabilities.effective")), "[\"CAP_NET_ADMIN\"]");
    assert_string_equal(json_cstr(json_get(json_get(s, "annotations"), "dev.keelson.seccomp")), "Unconfined");
}

static void privileged_containers_get_everything(void **state)
{
    (void)state;
    const struct json *s = spec_of("", "\"securityContext\":{\"privileged\":true}");
    assert_true(has_capability(s, "CAP_SYS_ADMIN"));
    assert_null(json_path(s, "linux.maskedPaths"));
    assert_string_equal(json_cstr(json_get(json_get(s, "annotations"), "dev.keelson.privileged")), "true");
}

static void run_as_non_root_refuses_an_image_with_a_user_by_name(void **state)
{
    (void)state;
    assert_null(spec_of("\"securityContext\":{\"runAsNonRoot\":true}", ""));
    assert_string_equal(STATUS("p1", "containerStatuses.0.state.waiting.reason"), "CreateContainerConfigError");
    assert_non_null(strstr(STATUS("p1", "containerStatuses.0.state.waiting.message"), "non-numeric user (app)"));
}

static void resources_become_cgroup_limits(void **state)
{
    (void)state;
    const struct json *s = spec_of("", "\"resources\":{\"requests\":{\"cpu\":\"250m\",\"memory\":\"2Gi\"},"
                                       "\"limits\":{\"cpu\":\"500m\",\"memory\":\"4Gi\"}}");
    assert_int_equal(json_path_i64(s, "linux.resources.cpu.shares", 0), 256);
    assert_int_equal(json_path_i64(s, "linux.resources.cpu.quota", 0), 50000);
    assert_int_equal(json_path_i64(s, "linux.resources.memory.limit", 0), 4LL << 30);
    assert_int_equal(json_path_i64(s, "process.oomScoreAdj", 0), 750);
    assert_string_equal(STATUS("p1", "qosClass"), "Burstable");
    assert_int_equal(rt_count(&w, "cgroup=burstable/poduid-p1"), 1);
}

static void environment_from_fields_and_resources(void **state)
{
    (void)state;
    const struct json *s = spec_of(
        "", "\"resources\":{\"limits\":{\"memory\":\"64Mi\"}},\"env\":["
            "{\"name\":\"N\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"metadata.name\"}}},"
            "{\"name\":\"L\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"metadata.labels['app']\"}}},"
            "{\"name\":\"IP\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"status.podIP\"}}},"
            "{\"name\":\"HOST\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"status.hostIP\"}}},"
            "{\"name\":\"CPU\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":\"limits.cpu\"}}},"
            "{\"name\":\"MEM\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":\"limits.memory\",\"divisor\":\"1Mi\"}}},"
            "{\"name\":\"URL\",\"value\":\"http://$(IP)/\"}]");
    assert_true(has_env(s, "N=p1"));
    assert_true(has_env(s, "L=p1"));
    assert_true(has_env(s, "IP=10.244.0.2"));
    assert_true(has_env(s, "HOST=192.168.1.5"));
    assert_true(has_env(s, "CPU=4"));
    assert_true(has_env(s, "MEM=64"));
    assert_true(has_env(s, "URL=http://10.244.0.2/"));
}

static void environment_from_config_maps_and_secrets(void **state)
{
    (void)state;
    api_put(&w, "configmaps", "default", "cm", "{\"metadata\":{\"name\":\"cm\",\"namespace\":\"default\"},\"data\":{\"K\":\"v\",\"J\":\"w\"}}");
    api_put(&w, "secrets", "default", "se", "{\"metadata\":{\"name\":\"se\",\"namespace\":\"default\"},\"data\":{\"PW\":\"aHVudGVyMg==\"}}");
    const struct json *s = spec_of(
        "", "\"envFrom\":[{\"prefix\":\"CM_\",\"configMapRef\":{\"name\":\"cm\"}},{\"secretRef\":{\"name\":\"none\",\"optional\":true}}],\"env\":["
            "{\"name\":\"A\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"cm\",\"key\":\"K\"}}},"
            "{\"name\":\"B\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"se\",\"key\":\"PW\"}}},"
            "{\"name\":\"C\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"cm\",\"key\":\"none\",\"optional\":true}}}]");
    assert_true(has_env(s, "CM_K=v"));
    assert_true(has_env(s, "CM_J=w"));
    assert_true(has_env(s, "A=v"));
    assert_true(has_env(s, "B=hunter2"));
    assert_null(strstr(text_of(json_path(s, "process.env")), "\"C="));
}

static void a_missing_config_map_is_waited_for(void **state)
{
    (void)state;
    assert_null(spec_of("", "\"env\":[{\"name\":\"A\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"cm\",\"key\":\"K\"}}}]"));
    assert_string_equal(STATUS("p1", "containerStatuses.0.state.waiting.reason"), "CreateContainerConfigError");
    assert_string_equal(STATUS("p1", "containerStatuses.0.state.waiting.message"), "configmap \"cm\" not found");
    api_put(&w, "configmaps", "default", "cm", "{\"metadata\":{\"name\":\"cm\",\"namespace\":\"default\"},\"data\":{\"K\":\"v\"}}");
    world_run(&w, 45000);
    assert_string_equal(STATUS("p1", "phase"), "Running");
}

static void services_are_in_the_environment(void **state)
{
    (void)state;
    api_put(&w, "services", "default", "web-1",
            "{\"metadata\":{\"name\":\"web-1\",\"namespace\":\"default\"},\"spec\":{\"clusterIP\":\"10.96.1.1\",\"ports\":[{\"port\":80,\"name\":\"http\",\"protocol\":\"TCP\"}]}}");
    api_put(&w, "services", "other", "far",
            "{\"metadata\":{\"name\":\"far\",\"namespace\":\"other\"},\"spec\":{\"clusterIP\":\"10.96.1.2\",\"ports\":[{\"port\":80}]}}");
    world_run(&w, 100);
    const struct json *s = spec_of("", "");
    assert_true(has_env(s, "WEB_1_SERVICE_HOST=10.96.1.1"));
    assert_true(has_env(s, "WEB_1_SERVICE_PORT=80"));
    assert_true(has_env(s, "WEB_1_SERVICE_PORT_HTTP=80"));
    assert_true(has_env(s, "WEB_1_PORT=tcp://10.96.1.1:80"));
    assert_true(has_env(s, "WEB_1_PORT_80_TCP_ADDR=10.96.1.1"));
    assert_null(strstr(text_of(json_path(s, "process.env")), "FAR_SERVICE"));
}

static void volumes_are_mounted(void **state)
{
    (void)state;
    const struct json *s = spec_of(
        "\"volumes\":[{\"name\":\"e\",\"emptyDir\":{\"medium\":\"Memory\"}},{\"name\":\"h\",\"hostPath\":{\"path\":\"/data\",\"type\":\"Directory\"}}]",
        "\"volumeMounts\":[{\"name\":\"e\",\"mountPath\":\"/e\",\"subPath\":\"in/side\"},{\"name\":\"h\",\"mountPath\":\"/h\",\"readOnly\":true}]");
    assert_string_equal(json_path_cstr(mount_at(s, "/e"), "source"), "volume:e/in/side");
    assert_string_equal(json_path_cstr(mount_at(s, "/h"), "source"), "host:/data");
    assert_non_null(strstr(text_of(mount_at(s, "/h")), "\"ro\""));
    assert_int_equal(rt_count(&w, "volume_set e kind=2"), 1);
    assert_int_equal(rt_count(&w, "host_path /data Directory"), 1);
}

static void a_sub_path_that_climbs_is_refused(void **state)
{
    (void)state;
    assert_null(spec_of("\"volumes\":[{\"name\":\"e\",\"emptyDir\":{}}]",
                        "\"volumeMounts\":[{\"name\":\"e\",\"mountPath\":\"/e\",\"subPath\":\"a/../../b\"}]"));
    assert_string_equal(STATUS("p1", "containerStatuses.0.state.waiting.reason"), "CreateContainerConfigError");
}

static void config_map_volumes_follow_their_object(void **state)
{
    (void)state;
    api_put(&w, "configmaps", "default", "cm", "{\"metadata\":{\"name\":\"cm\",\"namespace\":\"default\"},\"data\":{\"a\":\"1\",\"b\":\"2\"}}");
    assert_non_null(spec_of("\"volumes\":[{\"name\":\"c\",\"configMap\":{\"name\":\"cm\",\"defaultMode\":256,\"items\":[{\"key\":\"a\",\"path\":\"dir/a\"}]}}]", ""));
    assert_string_equal(w.rt.files, "dir/a=1:400;");
    unsigned before = rt_count(&w, "volume_set c");
    world_run(&w, 130 * 1000);
    assert_int_equal(rt_count(&w, "volume_set c"), before); /* nothing changed: nothing written */
    api_put(&w, "configmaps", "default", "cm", "{\"metadata\":{\"name\":\"cm\",\"namespace\":\"default\"},\"data\":{\"a\":\"9\"}}");
    world_run(&w, 61 * 1000);
    assert_string_equal(w.rt.files, "dir/a=9:400;");
}

static void a_missing_secret_keeps_the_pod_waiting_and_says_so(void **state)
{
    (void)state;
    assert_null(spec_of("\"volumes\":[{\"name\":\"s\",\"secret\":{\"secretName\":\"se\"}}]", ""));
    assert_true(api_has_event(&w, "FailedMount", "secret \\\"se\\\" not found"));
    assert_string_equal(STATUS("p1", "containerStatuses.0.state.waiting.reason"), "ContainerCreating");
    api_put(&w, "secrets", "default", "se", "{\"metadata\":{\"name\":\"se\",\"namespace\":\"default\"},\"data\":{\"k\":\"dg==\"}}");
    world_run(&w, 40 * 1000);
    assert_string_equal(STATUS("p1", "phase"), "Running");
    assert_string_equal(w.rt.files, "k=v:644;");
}

static void projected_volumes_hold_token_certificate_and_namespace(void **state)
{
    (void)state;
    api_put(&w, "configmaps", "default", "kube-root-ca.crt", "{\"metadata\":{\"name\":\"kube-root-ca.crt\",\"namespace\":\"default\"},\"data\":{\"ca.crt\":\"PEM\"}}");
    assert_non_null(spec_of(
        "\"serviceAccountName\":\"default\",\"volumes\":[{\"name\":\"kube-api-access\",\"projected\":{\"sources\":["
        "{\"serviceAccountToken\":{\"expirationSeconds\":3600,\"path\":\"token\"}},"
        "{\"configMap\":{\"name\":\"kube-root-ca.crt\",\"items\":[{\"key\":\"ca.crt\",\"path\":\"ca.crt\"}]}},"
        "{\"downwardAPI\":{\"items\":[{\"path\":\"namespace\",\"fieldRef\":{\"fieldPath\":\"metadata.namespace\"}}]}}]}}]", ""));
    assert_string_equal(w.rt.files, "token=token-1:644;ca.crt=PEM:644;namespace=default:644;");
    world_run(&w, 49 * 60 * 1000); /* past 80 % of its hour */
    assert_non_null(strstr(w.rt.files, "token=token-2"));
}

static void labels_reach_a_downward_volume(void **state)
{
    (void)state;
    assert_non_null(spec_of("\"volumes\":[{\"name\":\"d\",\"downwardAPI\":{\"items\":[{\"path\":\"labels\",\"fieldRef\":{\"fieldPath\":\"metadata.labels\"}}]}}]", ""));
    assert_string_equal(w.rt.files, "labels=app=\"p1\":644;");
}

static void pull_secrets_are_found_by_registry(void **state)
{
    (void)state;
    w.rt.image_missing = true;
    /* {"auths":{"reg.example:5000":{"auth":"dTpw"}}} */
    api_put(&w, "secrets", "default", "regcred",
            "{\"metadata\":{\"name\":\"regcred\",\"namespace\":\"default\"},\"data\":{\".dockerconfigjson\":"
            "\"eyJhdXRocyI6eyJyZWcuZXhhbXBsZTo1MDAwIjp7ImF1dGgiOiJkVHB3In19fQ==\"}}");
    api_put_pod(&w, "p1", "\"imagePullSecrets\":[{\"name\":\"regcred\"}],\"containers\":[{\"name\":\"app\",\"image\":\"reg.example:5000/x:1\"}]");
    world_run(&w, 2000);
    assert_int_equal(rt_count(&w, "image_pull reg.example:5000/x:1 auth={\"auth\":\"dTpw\"}"), 1);
}

static void dns_config_and_host_aliases_are_written(void **state)
{
    (void)state;
    spec_of("\"dnsPolicy\":\"None\",\"dnsConfig\":{\"nameservers\":[\"1.1.1.1\"],\"searches\":[\"x.y\"],\"options\":[{\"name\":\"ndots\",\"value\":\"2\"},{\"name\":\"edns0\"}]},"
            "\"hostAliases\":[{\"ip\":\"9.9.9.9\",\"hostnames\":[\"a.b\",\"c.d\"]}]", "");
    assert_int_equal(rt_count(&w, "search x.y\nnameserver 1.1.1.1\noptions ndots:2 edns0\n"), 1);
    assert_int_equal(rt_count(&w, "# Entries added by HostAliases.\n9.9.9.9\ta.b\tc.d\n"), 1);
}

static void quality_of_service_follows_requests_and_limits(void **state)
{
    (void)state;
    assert_int_equal(qos_of(parse("{\"containers\":[{}]}")), QOS_BEST_EFFORT);
    assert_int_equal(qos_of(parse("{\"containers\":[{\"resources\":{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}}}]}")), QOS_GUARANTEED);
    assert_int_equal(qos_of(parse("{\"containers\":[{\"resources\":{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}}},{}]}")), QOS_BURSTABLE);
    const struct json *spec = parse("{\"initContainers\":[{\"resources\":{\"requests\":{\"cpu\":\"2\"}}},"
                                    "{\"restartPolicy\":\"Always\",\"resources\":{\"requests\":{\"cpu\":\"100m\"}}}],"
                                    "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"500m\"}}}]}");
    assert_int_equal(qos_pod_request(spec, "cpu", true), 2000);
}

static void addresses_are_given_taken_and_returned(void **state)
{
    struct ipam *m;
    struct net_addr cidr, got[4];
    char text[NET_ADDR_TEXT];
    (void)state;
    assert_int_equal(net_addr_parse(STR("10.1.0.0"), false, &cidr), 0);
    assert_int_equal(ipam_new(&cidr, 29, &m), 0); /* .2 to .6 */
    for (int i = 0; i < 4; i++)
        assert_int_equal(ipam_give(m, "a", &got[i]), 0);
    assert_string_equal(net_addr_format(&got[3], false, text), "10.1.0.5");
    struct net_addr last;
    assert_int_equal(ipam_give(m, "b", &last), 0);
    assert_int_equal(ipam_give(m, "b", &last), -E_LIMIT);
    ipam_return(m, got, 1, "b"); /* not its own */
    assert_int_equal(ipam_give(m, "b", &last), -E_LIMIT);
    ipam_return(m, got, 1, "a");
    assert_int_equal(ipam_give(m, "b", &last), 0);
    assert_string_equal(net_addr_format(&last, false, text), "10.1.0.2");
    ipam_free(m);
    assert_int_equal(ipam_new(&cidr, 31, &m), -E_INVALID);
}

static void log_lines_are_read_and_their_end_kept(void **state)
{
    struct logs_line l;
    char text[32];
    (void)state;
    assert_int_equal(logs_parse(STR("2026-01-01T00:00:00Z stderr P half"), &l), 0);
    assert_true(l.error && l.partial);
    assert_int_equal(logs_parse(STR("2026-01-01T00:00:00Z stdnull F x"), &l), -E_SYNTAX);
    assert_int_equal(logs_parse(STR("nothing"), &l), -E_SYNTAX);
    logs_tail_text(STR("t stdout F one\nt stdout F two\nt stdout F three\n"), 2, text, sizeof text);
    assert_string_equal(text, "two\nthree\n");
}

static void stop_signals_come_from_pod_or_image(void **state)
{
    (void)state;
    assert_int_equal(spec_stop_signal(parse("{}"), parse("{}")), 15);
    assert_int_equal(spec_stop_signal(parse("{\"config\":{\"StopSignal\":\"SIGQUIT\"}}"), parse("{}")), 3);
    assert_int_equal(spec_stop_signal(parse("{\"config\":{\"StopSignal\":\"9\"}}"), parse("{\"lifecycle\":{\"stopSignal\":\"SIGUSR1\"}}")), 10);
    assert_int_equal(spec_stop_signal(parse("{\"config\":{\"StopSignal\":\"SIGRTMIN+3\"}}"), parse("{}")), 37);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_image_gives_what_the_pod_does_not_say),
        T(command_and_args_replace_those_of_the_image),
        T(args_alone_keep_the_entry_point),
        T(security_settings_are_carried_over),
        T(privileged_containers_get_everything),
        T(run_as_non_root_refuses_an_image_with_a_user_by_name),
        T(resources_become_cgroup_limits),
        T(environment_from_fields_and_resources),
        T(environment_from_config_maps_and_secrets),
        T(a_missing_config_map_is_waited_for),
        T(services_are_in_the_environment),
        T(volumes_are_mounted),
        T(a_sub_path_that_climbs_is_refused),
        T(config_map_volumes_follow_their_object),
        T(a_missing_secret_keeps_the_pod_waiting_and_says_so),
        T(projected_volumes_hold_token_certificate_and_namespace),
        T(labels_reach_a_downward_volume),
        T(pull_secrets_are_found_by_registry),
        T(dns_config_and_host_aliases_are_written),
        T(quality_of_service_follows_requests_and_limits),
        T(addresses_are_given_taken_and_returned),
        T(log_lines_are_read_and_their_end_kept),
        T(stop_signals_come_from_pod_or_image),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
