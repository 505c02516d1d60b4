/* Defaults, validation and strategies of the kinds, and their subresources. */
#include "api_fixture.h"

#include <stdio.h>
#include <string.h>

#define PODS        "/api/v1/namespaces/default/pods"
#define SERVICES    "/api/v1/namespaces/default/services"
#define DEPLOYMENTS "/apis/apps/v1/namespaces/default/deployments"
#define POD_SPEC    "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"nginx\"}]}"
#define TEMPLATE    "\"template\":{\"metadata\":{\"labels\":{\"app\":\"w\"}}," POD_SPEC "}"

/* The object as JSON without what differs from run to run. */
static void expect_golden(struct fixture *f, const struct answer *a, const char *part,
                          const char *golden)
{
    struct json *wanted;
    struct buf text;
    if (json_parse(&f->arena, str_of(golden), NULL, &wanted, NULL) < 0)
        fail_msg("the golden text is no JSON");
    buf_init(&text, 1 << 20);
    json_write_pretty(&text, json_path(a->json, part));
    if (!json_equal(json_path(a->json, part), wanted))
        fail_msg("%s is:\n%s", part, buf_cstr(&text));
    buf_done(&text);
}

static void pod_gets_upstreams_defaults(void **state)
{
    struct fixture *f = *state;
    struct answer *a =
        ask(f, "POST", PODS,
            "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"automountServiceAccountToken\":false,"
            "\"containers\":[{\"name\":\"c\",\"image\":"
            "\"nginx:1.27\",\"ports\":[{\"containerPort\":80}],\"readinessProbe\":{\"httpGet\":{"
            "\"port\":80}},"
            "\"resources\":{\"limits\":{\"cpu\":\"0.5\",\"memory\":\"64Mi\"}}}],"
            "\"volumes\":[{\"name\":\"v\"},{\"name\":\"m\",\"configMap\":{\"name\":\"x\"}}]}}");
    expect(a, 201);
    expect_golden(
        f, a, "spec",
        "{\"automountServiceAccountToken\":false,\"containers\":[{\"image\":\"nginx:1.27\","
        "\"imagePullPolicy\":\"IfNotPresent\",\"name\":\"c\",\"ports\":[{"
        "\"containerPort\":80,\"protocol\":\"TCP\"}],\"readinessProbe\":{\"failureThreshold\":3,"
        "\"httpGet\":{"
        "\"path\":\"/"
        "\",\"port\":80,\"scheme\":\"HTTP\"},\"periodSeconds\":10,\"successThreshold\":1,"
        "\"timeoutSeconds\":1},\"resources\":{\"limits\":{\"cpu\":\"500m\",\"memory\":\"64Mi\"},"
        "\"requests\":{"
        "\"cpu\":\"500m\",\"memory\":\"64Mi\"}},\"terminationMessagePath\":\"/dev/"
        "termination-log\","
        "\"terminationMessagePolicy\":\"File\"}],\"dnsPolicy\":\"ClusterFirst\","
        "\"enableServiceLinks\":true,"
        "\"preemptionPolicy\":\"PreemptLowerPriority\",\"priority\":0,\"restartPolicy\":\"Always\","
        "\"schedulerName\":\"default-scheduler\",\"securityContext\":{},\"serviceAccount\":"
        "\"default\","
        "\"serviceAccountName\":\"default\",\"terminationGracePeriodSeconds\":30,\"tolerations\":[{"
        "\"effect\":"
        "\"NoExecute\",\"key\":\"node.kubernetes.io/"
        "not-ready\",\"operator\":\"Exists\",\"tolerationSeconds\":300},"
        "{\"effect\":\"NoExecute\",\"key\":\"node.kubernetes.io/"
        "unreachable\",\"operator\":\"Exists\","
        "\"tolerationSeconds\":300}],\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}},{\"name\":\"m\","
        "\"configMap\":{"
        "\"defaultMode\":420,\"name\":\"x\"}}]}");
    expect_golden(f, a, "status", "{\"phase\":\"Pending\",\"qosClass\":\"Guaranteed\"}");
    assert_int_equal(int_at(a, "metadata.generation"), 1);
}

static void pod_gets_its_service_accounts_token(void **state)
{
    struct fixture *f = *state;
    struct answer *a = ask(f, "POST", PODS, "{\"metadata\":{\"name\":\"p\"}," POD_SPEC "}");
    expect(a, 201);
    const struct json *mount =
        json_at(json_get(json_at(json_path(a->json, "spec.containers"), 0), "volumeMounts"), 0);
    const struct json *volume = json_at(json_path(a->json, "spec.volumes"), 0);
    assert_string_equal(json_path_cstr(mount, "mountPath"),
                        "/var/run/secrets/kubernetes.io/serviceaccount");
    assert_string_equal(json_path_cstr(mount, "name"), json_path_cstr(volume, "name"));
    assert_int_equal(strncmp(json_path_cstr(volume, "name"), "kube-api-access-", 16), 0);
    assert_int_equal(json_count(json_path(volume, "projected.sources")), 3);
    assert_string_equal(
        json_path_cstr(json_at(json_path(a->json, "spec.containers"), 0), "imagePullPolicy"),
        "Always");
    a = ask(f, "POST", PODS,
            "{\"metadata\":{\"name\":\"q\"},\"spec\":{\"serviceAccountName\":\"nobody\","
            "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}");
    expect_message(a, 403,
                   "pods \"q\" is forbidden: error looking up service account default/nobody: "
                   "serviceaccount \"nobody\" not found");
}

static void pod_validation_names_the_fields(void **state)
{
    struct fixture *f = *state;
    expect_message(
        ask(f, "POST", PODS,
            "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\"}]}}"),
        422, "Pod \"p\" is invalid: spec.containers[0].image: Required value");
    expect_message(
        ask(f, "POST", PODS, "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[]}}"), 422,
        "Pod \"p\" is invalid: spec.containers: Required value");
    expect_message(ask(f, "POST", PODS,
                       "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"restartPolicy\":\"Sometimes\","
                       "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"),
                   422,
                   "Pod \"p\" is invalid: spec.restartPolicy: Unsupported value: \"Sometimes\": "
                   "supported values: \"Always\", \"OnFailure\", \"Never\"");
    expect_message(
        ask(f, "POST", PODS,
            "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":"
            "\"i\",\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/x\"}]}]}}"),
        422, "Pod \"p\" is invalid: spec.containers[0].volumeMounts[0].name: Not found: \"v\"");
    expect_message(ask(f, "POST", PODS,
                       "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\","
                       "\"image\":\"i\"},{\"name\":\"c\",\"image\":\"i\"}]}}"),
                   422, "Pod \"p\" is invalid: spec.containers[1].name: Duplicate value: \"c\"");
    struct answer *a = ask(f, "POST", PODS,
                           "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"image\":"
                           "\"i\",\"ports\":[{\"containerPort\":70000}]}]}}");
    expect_message(a, 422,
                   "Pod \"p\" is invalid: [spec.containers[0].name: Required value, "
                   "spec.containers[0].ports[0].containerPort: "
                   "Invalid value: 70000: must be between 1 and 65535, inclusive]");
    assert_int_equal(json_count(json_path(a->json, "details.causes")), 2);
    expect(ask(f, "POST", "/api/v1/namespaces/nowhere/pods",
               "{\"metadata\":{\"name\":\"p\"}," POD_SPEC "}"),
           404);
}

static void only_a_few_fields_of_a_pod_may_change(void **state)
{
    struct fixture *f = *state;
    expect(ask(f, "POST", PODS, "{\"metadata\":{\"name\":\"p\"}," POD_SPEC "}"), 201);
    expect(ask(f, "PATCH", PODS "/p",
               "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"other\"}]}}"),
           200);
    struct answer *a = ask(f, "PATCH", PODS "/p",
                           "{\"spec\":{\"containers\":[{\"name\":\"c\",\"command\":[\"x\"]}]}}");
    expect(a, 422);
    assert_string_equal(json_path_cstr(json_at(json_path(a->json, "details.causes"), 0), "field"),
                        "spec");
    /* status and spec are separate */
    a = ask(f, "PATCH", PODS "/p", "{\"status\":{\"phase\":\"Running\"}}");
    expect(a, 200);
    assert_string_equal(at(a, "status.phase"), "Pending");
    a = ask(f, "PATCH", PODS "/p/status",
            "{\"status\":{\"phase\":\"Running\"},\"spec\":{\"nodeName\":\"stolen\"}}");
    expect(a, 200);
    assert_string_equal(at(a, "status.phase"), "Running");
    assert_string_equal(at(a, "spec.nodeName"), "");
}

static void binding_places_a_pod_once(void **state)
{
    struct fixture *f = *state;
    expect(ask(f, "POST", PODS, "{\"metadata\":{\"name\":\"p\"}," POD_SPEC "}"), 201);
    struct answer *a =
        ask(f, "POST", PODS "/p/binding",
            "{\"metadata\":{\"name\":\"p\"},\"target\":{\"kind\":\"Node\",\"name\":\"node-1\"}}");
    expect(a, 201);
    a = ask(f, "GET", PODS "/p", NULL);
    assert_string_equal(at(a, "spec.nodeName"), "node-1");
    assert_string_equal(json_path_cstr(json_at(json_path(a->json, "status.conditions"), 0), "type"),
                        "PodScheduled");
    a = ask(f, "POST", PODS "/p/binding",
            "{\"metadata\":{\"name\":\"p\"},\"target\":{\"kind\":\"Node\",\"name\":\"node-2\"}}");
    expect_message(a, 409,
                   "Operation cannot be fulfilled on pods/binding \"p\": pod p is already assigned to node "
                   "\"node-1\"");
    a = ask(f, "GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-1", NULL);
    assert_int_equal(json_count(json_get(a->json, "items")), 1);
}

static void a_placed_pod_is_deleted_by_its_kubelet(void **state)
{
    struct fixture *f = *state;
    expect(ask(f, "POST", PODS, "{\"metadata\":{\"name\":\"free\"}," POD_SPEC "}"), 201);
    expect(ask(f, "DELETE", PODS "/free", NULL), 200);
    expect(ask(f, "GET", PODS "/free", NULL), 404);
    expect(ask(f, "POST", PODS, "{\"metadata\":{\"name\":\"p\"}," POD_SPEC "}"), 201);
    expect(
        ask(f, "POST", PODS "/p/binding",
            "{\"metadata\":{\"name\":\"p\"},\"target\":{\"kind\":\"Node\",\"name\":\"node-1\"}}"),
        201);
    expect(ask(f, "DELETE", PODS "/p", NULL), 200);
    struct answer *a = ask(f, "GET", PODS "/p", NULL);
    expect(a, 200);
    assert_int_equal(int_at(a, "metadata.deletionGracePeriodSeconds"), 30);
    assert_true(at(a, "metadata.deletionTimestamp")[0]);
    expect(ask(f, "DELETE", PODS "/p?gracePeriodSeconds=5", NULL), 200);
    a = ask(f, "GET", PODS "/p", NULL);
    assert_int_equal(int_at(a, "metadata.deletionGracePeriodSeconds"), 5);
    expect(ask(f, "DELETE", PODS "/p", "{\"gracePeriodSeconds\":60}"), 200); /* never longer */
    a = ask(f, "GET", PODS "/p", NULL);
    assert_int_equal(int_at(a, "metadata.deletionGracePeriodSeconds"), 5);
    expect(ask(f, "DELETE", PODS "/p", "{\"gracePeriodSeconds\":0}"), 200);
    expect(ask(f, "GET", PODS "/p", NULL), 404);
}

static void deployment_gets_upstreams_defaults(void **state)
{
    struct fixture *f = *state;
    struct answer *a = ask(f, "POST", DEPLOYMENTS,
                           "{\"metadata\":{\"name\":\"d\"},\"spec\":{\"selector\":{\"matchLabels\":"
                           "{\"app\":\"w\"}}," TEMPLATE "}}");
    expect(a, 201);
    expect_golden(
        f, a, "spec",
        "{\"progressDeadlineSeconds\":600,\"replicas\":1,\"revisionHistoryLimit\":10,\"selector\":{"
        "\"matchLabels\":{"
        "\"app\":\"w\"}},\"strategy\":{\"rollingUpdate\":{\"maxSurge\":\"25%\",\"maxUnavailable\":"
        "\"25%\"},\"type\":"
        "\"RollingUpdate\"},\"template\":{\"metadata\":{\"labels\":{\"app\":\"w\"}},\"spec\":{"
        "\"containers\":[{\"image\":"
        "\"nginx\",\"imagePullPolicy\":\"Always\",\"name\":\"c\",\"resources\":{},"
        "\"terminationMessagePath\":"
        "\"/dev/"
        "termination-log\",\"terminationMessagePolicy\":\"File\"}],\"dnsPolicy\":\"ClusterFirst\","
        "\"restartPolicy\":\"Always\",\"schedulerName\":\"default-scheduler\",\"securityContext\":{"
        "},"
        "\"terminationGracePeriodSeconds\":30}}}");
    assert_int_equal(int_at(a, "metadata.generation"), 1);
    a = ask(f, "PATCH", DEPLOYMENTS "/d", "{\"spec\":{\"replicas\":3}}");
    expect(a, 200);
    assert_int_equal(int_at(a, "metadata.generation"), 2);
    a = ask(f, "PATCH", DEPLOYMENTS "/d/status",
            "{\"status\":{\"replicas\":3,\"observedGeneration\":2}}");
    expect(a, 200);
    assert_int_equal(int_at(a, "metadata.generation"), 2);
    a = ask(f, "GET", DEPLOYMENTS "/d", NULL);
    assert_int_equal(int_at(a, "status.replicas"), 3);
}

static void deployment_validation_is_worded_as_upstream(void **state)
{
    struct fixture *f = *state;
    expect_message(ask(f, "POST", DEPLOYMENTS,
                       "{\"metadata\":{\"name\":\"d\"},\"spec\":{\"selector\":{\"matchLabels\":{"
                       "\"app\":\"x\"}}," TEMPLATE "}}"),
                   422,
                   "Deployment.apps \"d\" is invalid: spec.template.metadata.labels: Invalid "
                   "value: {\"app\":\"w\"}: `selector` does not match template `labels`");
    struct answer *a =
        ask(f, "POST", DEPLOYMENTS, "{\"metadata\":{\"name\":\"d\"},\"spec\":{" TEMPLATE "}}");
    expect_message(a, 422, "Deployment.apps \"d\" is invalid: [spec.selector: Required value, "
                   "spec.template.metadata.labels: Invalid value: {\"app\":\"w\"}: `selector` does "
                   "not match template `labels`]");
    expect(ask(f, "POST", DEPLOYMENTS,
               "{\"metadata\":{\"name\":\"d\"},\"spec\":{\"selector\":{\"matchLabels\":{\"app\":"
               "\"w\"}}," TEMPLATE "}}"),
           201);
    a = ask(f, "PATCH", DEPLOYMENTS "/d",
            "{\"spec\":{\"selector\":{\"matchLabels\":{\"b\":\"c\"}},\"template\":{\"metadata\":{"
            "\"labels\":{\"b\":\"c\"}}}}}");
    expect_message(a, 422,
                   "Deployment.apps \"d\" is invalid: spec.selector: Invalid value: "
                   "{\"matchLabels\":{\"app\":\"w\",\"b\":\"c\"}}: field is immutable");
}

static void scale_is_read_and_changed(void **state)
{
    struct fixture *f = *state;
    expect(ask(f, "POST", DEPLOYMENTS,
               "{\"metadata\":{\"name\":\"d\"},\"spec\":{\"replicas\":2,\"selector\":{"
               "\"matchLabels\":{\"app\":\"w\"}}," TEMPLATE "}}"),
           201);
    struct answer *a = ask(f, "GET", DEPLOYMENTS "/d/scale", NULL);
    expect(a, 200);
    assert_string_equal(at(a, "kind"), "Scale");
    assert_string_equal(at(a, "apiVersion"), "autoscaling/v1");
    assert_int_equal(int_at(a, "spec.replicas"), 2);
    assert_string_equal(at(a, "status.selector"), "app=w");
    a = ask(f, "PUT", DEPLOYMENTS "/d/scale",
            "{\"kind\":\"Scale\",\"apiVersion\":\"autoscaling/"
            "v1\",\"metadata\":{\"name\":\"d\"},\"spec\":{\"replicas\":5}}");
    expect(a, 200);
    a = ask_with(f, NULL, "PATCH", DEPLOYMENTS "/d/scale", "application/merge-patch+json", NULL,
                 "{\"spec\":{\"replicas\":6}}");
    expect(a, 200);
    a = ask(f, "GET", DEPLOYMENTS "/d", NULL);
    assert_int_equal(int_at(a, "spec.replicas"), 6);
}

static void service_gets_upstreams_defaults(void **state)
{
    struct fixture *f = *state;
    struct answer *a = ask(f, "POST", SERVICES,
                           "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"clusterIP\":\"10.96.0.77\","
                           "\"selector\":{\"a\":\"b\"},\"ports\":[{\"port\":80}]}}");
    expect(a, 201);
    expect_golden(f, a, "spec",
                  "{\"clusterIP\":\"10.96.0.77\",\"clusterIPs\":[\"10.96.0.77\"],"
                  "\"internalTrafficPolicy\":\"Cluster\","
                  "\"ipFamilies\":[\"IPv4\"],\"ipFamilyPolicy\":\"SingleStack\",\"ports\":[{"
                  "\"port\":80,\"protocol\":\"TCP\","
                  "\"targetPort\":80}],\"selector\":{\"a\":\"b\"},\"sessionAffinity\":\"None\","
                  "\"type\":\"ClusterIP\"}");
    expect_golden(f, a, "status", "{\"loadBalancer\":{}}");
}

static void addresses_and_ports_are_given_once_and_returned(void **state)
{
    struct fixture *f = *state;
    char ip[30], body[300];
    struct answer *a = ask(f, "POST", SERVICES,
                           "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"type\":\"NodePort\","
                           "\"ports\":[{\"port\":80,\"nodePort\":30080}]}}");
    expect(a, 201);
    snprintf(ip, sizeof ip, "%s", at(a, "spec.clusterIP"));
    assert_int_equal(strncmp(ip, "10.", 3), 0);
    snprintf(
        body, sizeof body,
        "{\"metadata\":{\"name\":\"t\"},\"spec\":{\"clusterIP\":\"%s\",\"ports\":[{\"port\":80}]}}",
        ip);
    fixture_restart(f); /* what is taken is known after a restart */
    a = ask(f, "POST", SERVICES, body);
    expect(a, 422);
    assert_non_null(strstr(at(a, "message"), "provided IP is already allocated"));
    a = ask(f, "POST", SERVICES,
            "{\"metadata\":{\"name\":\"t\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{\"port\":"
            "80,\"nodePort\":30080}]}}");
    expect_message(a, 422,
                   "Service \"t\" is invalid: spec.ports[0].nodePort: Invalid value: 30080: "
                   "provided port is already allocated");
    a = ask(f, "POST", SERVICES,
            "{\"metadata\":{\"name\":\"t\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{\"port\":"
            "80,\"nodePort\":80}]}}");
    expect_message(a, 422,
                   "Service \"t\" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided "
                   "port is not in the valid range. The range of valid ports is 30000-32767");
    /* An update keeps both; the type decides about the node port. */
    a = ask(f, "PUT", SERVICES "/s",
            "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{\"port\":"
            "80,\"targetPort\":8080}]}}");
    expect(a, 200);
    assert_string_equal(at(a, "spec.clusterIP"), ip);
    assert_int_equal(json_path_i64(json_at(json_path(a->json, "spec.ports"), 0), "nodePort", 0),
                     30080);
    a = ask(f, "PATCH", SERVICES "/s", "{\"spec\":{\"type\":\"ClusterIP\"}}");
    expect(a, 200);
    assert_int_equal(json_path_i64(json_at(json_path(a->json, "spec.ports"), 0), "nodePort", 0), 0);
    expect(ask(f, "DELETE", SERVICES "/s", NULL), 200);
    expect(ask(f, "POST", SERVICES, body), 201);
    a = ask(f, "POST", SERVICES,
            "{\"metadata\":{\"name\":\"h\"},\"spec\":{\"clusterIP\":\"None\",\"ports\":[{\"port\":"
            "80}]}}");
    expect(a, 201);
    assert_string_equal(at(a, "spec.clusterIP"), "None");
    a = ask(f, "PATCH", SERVICES "/t", "{\"spec\":{\"clusterIP\":\"10.96.0.99\"}}");
    expect(a, 422);
}

static void namespace_goes_when_it_is_empty(void **state)
{
    struct fixture *f = *state;
    expect(ask(f, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"n\"}}"), 201);
    struct answer *a = ask(f, "GET", "/api/v1/namespaces/n", NULL);
    assert_string_equal(at(a, "status.phase"), "Active");
    assert_string_equal(
        json_cstr(json_get(json_path(a->json, "metadata.labels"), "kubernetes.io/metadata.name")),
        "n");
    expect(ask(f, "DELETE", "/api/v1/namespaces/n", NULL), 200);
    a = ask(f, "GET", "/api/v1/namespaces/n", NULL);
    assert_string_equal(at(a, "status.phase"), "Terminating");
    a = ask(f, "POST", "/api/v1/namespaces/n/configmaps", "{\"metadata\":{\"name\":\"x\"}}");
    expect_message(a, 403,
                   "configmaps \"x\" is forbidden: unable to create new content in namespace n "
                   "because it is being terminated");
    expect(ask(f, "PUT", "/api/v1/namespaces/n/finalize",
               "{\"metadata\":{\"name\":\"n\"},\"spec\":{\"finalizers\":[]}}"),
           200);
    expect(ask(f, "GET", "/api/v1/namespaces/n", NULL), 404);
    expect_message(ask(f, "DELETE", "/api/v1/namespaces/kube-system", NULL), 403,
                   "namespaces \"kube-system\" is forbidden: this namespace may not be deleted");
}

static void secrets_keep_what_they_are_told(void **state)
{
    struct fixture *f = *state;
    struct answer *a = ask(f, "POST", "/api/v1/namespaces/default/secrets",
                           "{\"metadata\":{\"name\":\"s\"},\"stringData\":{\"a\":\"hello\"}}");
    expect(a, 201);
    assert_string_equal(at(a, "type"), "Opaque");
    assert_string_equal(at(a, "data.a"), "aGVsbG8=");
    assert_null(json_get(a->json, "stringData"));
    a = ask(f, "PATCH", "/api/v1/namespaces/default/secrets/s", "{\"type\":\"other\"}");
    expect_message(a, 422,
                   "Secret \"s\" is invalid: type: Invalid value: \"other\": field is immutable");
    a = ask(f, "POST", "/api/v1/namespaces/default/secrets",
            "{\"metadata\":{\"name\":\"t\"},\"type\":\"kubernetes.io/tls\",\"data\":{}}");
    expect(a, 422);
    a = ask(f, "POST", "/api/v1/namespaces/default/configmaps",
            "{\"metadata\":{\"name\":\"frozen\"},\"immutable\":true,\"data\":{\"a\":\"1\"}}");
    expect(a, 201);
    expect(
        ask(f, "PATCH", "/api/v1/namespaces/default/configmaps/frozen", "{\"data\":{\"a\":\"2\"}}"),
        422);
}

static void a_node_registers_with_its_status(void **state)
{
    struct fixture *f = *state;
    struct answer *a = ask(f, "POST", "/api/v1/nodes",
                           "{\"metadata\":{\"name\":\"node-1\"},\"status\":{\"addresses\":[{"
                           "\"type\":\"InternalIP\",\"address\":\"10.0.2.15\"}]}}");
    expect(a, 201);
    assert_int_equal(json_count(json_path(a->json, "status.addresses")), 1);
    a = ask_with(f, NULL, "PATCH", "/api/v1/nodes/node-1", NULL, NULL,
                 "{\"spec\":{\"podCIDR\":\"10.244.0.0/24\"}}");
    expect(a, 200);
    expect(ask(f, "PATCH", "/api/v1/nodes/node-1", "{\"spec\":{\"podCIDR\":\"10.244.1.0/24\"}}"),
           422);
}

static void streams_are_sent_to_the_kubelet(void **state)
{
    struct fixture *f = *state;
    expect(ask(f, "POST", "/api/v1/nodes",
               "{\"metadata\":{\"name\":\"node-1\"},\"status\":{\"addresses\":[{\"type\":"
               "\"InternalIP\",\"address\":\"10.0.2.15\"}]}}"),
           201);
    expect(ask(f, "POST", PODS,
               "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":"
               "\"i\"},{\"name\":\"b\",\"image\":\"i\"}]}}"),
           201);
    struct answer *a = ask(f, "GET", PODS "/p/exec?command=sh&container=a&stdin=true", NULL);
    expect_message(a, 400, "pod p does not have a host assigned");
    expect(
        ask(f, "POST", PODS "/p/binding",
            "{\"metadata\":{\"name\":\"p\"},\"target\":{\"kind\":\"Node\",\"name\":\"node-1\"}}"),
        201);
    a = ask(
        f, "GET",
        PODS
        "/p/exec?command=sh&command=-c&command=a%20b&container=a&stdin=true&stdout=true&tty=true",
        NULL);
    assert_true(a->proxied);
    assert_string_equal(a->host, "10.0.2.15");
    assert_int_equal(a->port, 10250);
    assert_string_equal(a->server_name, "node-1");
    assert_string_equal(
        a->target, "/exec/default/p/a?input=1&output=1&tty=1&command=sh&command=-c&command=a%20b");
    a = ask(f, "GET", PODS "/p/log?container=b&follow=true&tailLines=5", NULL);
    assert_string_equal(a->target, "/containerLogs/default/p/b?follow=true&tailLines=5");
    expect_message(ask(f, "GET", PODS "/p/log", NULL), 400,
                   "a container name must be specified for pod p, choose one of: [a b]");
    expect_message(ask(f, "GET", PODS "/p/log?container=z", NULL), 400,
                   "container z is not valid for pod p");
    a = ask(f, "POST", PODS "/p/portforward?ports=80", NULL);
    assert_string_equal(a->target, "/portForward/default/p?port=80");
    /* An address that would lead back into this machine. */
    expect(ask(f, "PATCH", "/api/v1/nodes/node-1/status",
               "{\"status\":{\"addresses\":[{\"$patch\":\"replace\"},{\"type\":\"InternalIP\","
               "\"address\":\"127.0.0.1\"}]}}"),
           200);
    expect_message(ask(f, "GET", PODS "/p/log?container=a", NULL), 400, "address not allowed");
}

static void priority_follows_the_class(void **state)
{
    struct fixture *f = *state;
    struct answer *a =
        ask(f, "POST", PODS,
            "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"priorityClassName\":\"system-node-"
            "critical\",\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}");
    expect(a, 201);
    assert_int_equal(int_at(a, "spec.priority"), 2000001000);
    a = ask(f, "POST", PODS,
            "{\"metadata\":{\"name\":\"q\"},\"spec\":{\"priorityClassName\":\"nope\","
            "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}");
    expect_message(a, 403, "pods \"q\" is forbidden: no PriorityClass with name nope was found");
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fixture_setup_boot, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(pod_gets_upstreams_defaults),
        T(pod_gets_its_service_accounts_token),
        T(pod_validation_names_the_fields),
        T(only_a_few_fields_of_a_pod_may_change),
        T(binding_places_a_pod_once),
        T(a_placed_pod_is_deleted_by_its_kubelet),
        T(deployment_gets_upstreams_defaults),
        T(deployment_validation_is_worded_as_upstream),
        T(scale_is_read_and_changed),
        T(service_gets_upstreams_defaults),
        T(addresses_and_ports_are_given_once_and_returned),
        T(namespace_goes_when_it_is_empty),
        T(secrets_keep_what_they_are_told),
        T(a_node_registers_with_its_status),
        T(streams_are_sent_to_the_kubelet),
        T(priority_follows_the_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
