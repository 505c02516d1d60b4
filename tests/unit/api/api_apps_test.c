/* What the kinds of apps (and ReplicationControllers) refuse and set. */
#include "cases.h"

#define APPS     "/apis/apps/v1/namespaces/default/"

/* A workload of a spec that lacks nothing but what the case adds or changes. */
#define W(...)                                                                                     \
    J({"metadata" : {"name" : "w"}, "spec" : {                                                     \
          "selector" : {"matchLabels" : {"app" : "w"}},                                            \
          "template" : {                                                                           \
              "metadata" : {"labels" : {"app" : "w"}},                                             \
              "spec" : {"containers" : [ {"name" : "c", "image" : "i"} ]}                          \
          } __VA_OPT__(, ) __VA_ARGS__                                                             \
      }})

static const struct invalid_case stateful_created[] = {
    {W(), ""},
    {W("serviceName" : "s", "podManagementPolicy" : "Parallel", "ordinals" : {"start" : 3}), ""},
    {J({"metadata" : {"name" : "w.x"}, "spec" : {"replicas" : -1, "minReadySeconds" : -2}}),
     "Invalid metadata.name: Invalid value: \"w.x\": a lowercase RFC 1123 label must consist of "
     "lower case alphanumeric characters or '-', and must start and end with an alphanumeric "
     "character (e.g. 'my-name',  or '123-abc', regex used for validation is "
     "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')\n"
     "Invalid spec.replicas: Invalid value: -1: must be greater than or equal to 0\n"
     "Invalid spec.minReadySeconds: Invalid value: -2: must be greater than or equal to 0\n"
     "Required spec.selector: Required value\n"
     "Invalid spec.template.metadata.labels: Invalid value: null: `selector` does not match "
     "template `labels`\n"
     "Required spec.template.spec.containers: Required value"},
    {W("podManagementPolicy" : "Any", "updateStrategy" : {"type" : "Recreate"},
       "persistentVolumeClaimRetentionPolicy" : {"whenScaled" : "Drop"}, "ordinals" : {"start" : -1}),
     "Invalid spec.podManagementPolicy: Invalid value: \"Any\": must be 'OrderedReady' or "
     "'Parallel'\n"
     "Invalid spec.updateStrategy: Invalid value: {\"type\":\"Recreate\"}: must be 'RollingUpdate' "
     "or 'OnDelete'\n"
     "NotSupported spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: "
     "\"Drop\": supported values: \"Retain\", \"Delete\"\n"
     "Invalid spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0"},
    {W("updateStrategy" : {"rollingUpdate" : {"partition" : -1, "maxUnavailable" : "0%"}}),
     "Invalid spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than "
     "or equal to 0\n"
     "Invalid spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": cannot be 0"},
    {W("updateStrategy" : {"type" : "OnDelete", "rollingUpdate" : {"partition" : 1}}),
     "Invalid spec.updateStrategy.rollingUpdate: Invalid value: {\"partition\":1}: only allowed for "
     "updateStrategy 'RollingUpdate'"},
    {NULL, NULL},
};

static const struct invalid_case stateful_changed[] = {
    {J({"spec" : {"replicas" : 3, "minReadySeconds" : 1, "revisionHistoryLimit" : 1, "ordinals" : {
                      "start" : 1}, "template" : {"spec" : {"hostname" : "h"}}}}),
     ""},
    {J({"spec" : {"serviceName" : "other"}}),
     "Forbidden spec: Forbidden: updates to statefulset spec for fields other than 'replicas', "
     "'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', "
     "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"},
    {NULL, NULL},
};

static const struct invalid_case stateful_status[] = {
    {J({"status" : {"replicas" : 2, "readyReplicas" : 1, "availableReplicas" : 1}}), ""},
    {J({"status" : {"replicas" : 1, "readyReplicas" : -1, "availableReplicas" : 2}}),
     "Invalid status.readyReplicas: Invalid value: -1: must be greater than or equal to 0\n"
     "Invalid status.availableReplicas: Invalid value: 2: cannot be greater than "
     "status.replicas\n"
     "Invalid status.availableReplicas: Invalid value: 2: cannot be greater than "
     "status.readyReplicas"},
    {NULL, NULL},
};

static void stateful_sets(void **state)
{
    struct fixture *f = *state;
    check_created(f, APPS "statefulsets", stateful_created);
    struct answer *a = ask(
        f, "POST", APPS "statefulsets",
        W("serviceName" : "s", "volumeClaimTemplates" : [ {
              "metadata" : {"name" : "d"},
              "spec" : {"accessModes" : ["ReadWriteOnce"],
                        "resources" : {"requests" : {"storage" : "1Gi"}}}
          } ]));
    expect(a, 201);
    const struct json *claim = json_at(json_path(a->json, "spec.volumeClaimTemplates"), 0);
    assert_string_equal(json_path_cstr(claim, "kind"), "PersistentVolumeClaim");
    assert_string_equal(json_path_cstr(claim, "spec.volumeMode"), "Filesystem");
    assert_string_equal(json_path_cstr(claim, "status.phase"), "Pending");
    check_patched(f, APPS "statefulsets/w", stateful_changed);
    check_patched(f, APPS "statefulsets/w/status", stateful_status);
}

static const struct invalid_case daemon_created[] = {
    {W(), ""},
    {W("updateStrategy" : {"type" : "OnDelete"}), ""},
    {W("updateStrategy" : {"type" : "Recreate"}),
     "NotSupported spec.updateStrategy: Unsupported value: {\"type\":\"Recreate\"}: supported "
     "values: \"RollingUpdate\", \"OnDelete\""},
    {W("updateStrategy" : {"rollingUpdate" : {"maxSurge" : 1}}),
     "Invalid spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when "
     "maxUnavailable is non-zero"},
    {W("updateStrategy" : {"rollingUpdate" : {"maxSurge" : "101%", "maxUnavailable" : 0}}),
     "Invalid spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: \"101%\": must not be "
     "greater than 100%"},
    {W("updateStrategy" : {"rollingUpdate" : {"maxUnavailable" : 0}}, "minReadySeconds" : -1,
       "revisionHistoryLimit" : -1),
     "Invalid spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0\n"
     "Required spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when "
     "maxSurge is 0\n"
     "Invalid spec.revisionHistoryLimit: Invalid value: -1: must be greater than or equal to 0"},
    {J({"metadata" : {"name" : "w"}, "spec" : {"selector" : {}, "template" : {"spec" : {
            "restartPolicy" : "Never", "activeDeadlineSeconds" : 5,
            "containers" : [ {"name" : "c", "image" : "i"} ]}}}}),
     "Invalid spec.selector: Invalid value: {}: empty selector is invalid for daemonset\n"
     "NotSupported spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported "
     "values: \"Always\"\n"
     "Forbidden spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in "
     "DaemonSet is not Supported"},
    {NULL, NULL},
};

static const struct invalid_case daemon_changed[] = {
    {J({"spec" : {"selector" : {"matchLabels" : {"app" : "x"}},
                  "template" : {"metadata" : {"labels" : {"app" : "x"}}}}}),
     "Invalid spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"x\"}}: field is immutable"},
    {NULL, NULL},
};

static const struct invalid_case daemon_status[] = {
    {J({"status" : {"numberReady" : -1, "collisionCount" : 1}}),
     "Invalid status.numberReady: Invalid value: -1: must be greater than or equal to 0"},
    {NULL, NULL},
};

#define GENERATION "deprecated.daemonset.template.generation"

static const char *template_generation(const struct answer *a)
{
    return json_cstr(json_get(json_path(a->json, "metadata.annotations"), GENERATION));
}

static void daemon_sets(void **state)
{
    struct fixture *f = *state;
    check_created(f, APPS "daemonsets", daemon_created);
    struct answer *a = ask(f, "POST", APPS "daemonsets", W());
    expect(a, 201);
    assert_string_equal(template_generation(a), "1");
    a = ask(f, "PATCH", APPS "daemonsets/w", J({"spec" : {"minReadySeconds" : 4}}));
    assert_string_equal(template_generation(a), "1");
    assert_int_equal(int_at(a, "metadata.generation"), 2);
    a = ask(f, "PATCH", APPS "daemonsets/w",
            J({"metadata" : {"annotations" : {"deprecated.daemonset.template.generation" : "9"}},
               "spec" : {"template" : {"spec" : {"hostname" : "h"}}}}));
    assert_string_equal(template_generation(a), "2");
    assert_int_equal(int_at(a, "metadata.generation"), 3);
    check_patched(f, APPS "daemonsets/w", daemon_changed);
    check_patched(f, APPS "daemonsets/w/status", daemon_status);
}

static const struct invalid_case deployment_created[] = {
    {W("strategy" : {"type" : "Recreate", "rollingUpdate" : {"maxSurge" : 1}},
       "progressDeadlineSeconds" : 5, "minReadySeconds" : 5),
     "Forbidden spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` "
     "is 'Recreate'\n"
     "Invalid spec.progressDeadlineSeconds: Invalid value: 5: must be greater than "
     "minReadySeconds"},
    {W("strategy" : {"type" : "Any"}),
     "NotSupported spec.strategy: Unsupported value: {\"type\":\"Any\"}: supported values: "
     "\"Recreate\", \"RollingUpdate\""},
    {W("strategy" : {"rollingUpdate" : {"maxSurge" : 0, "maxUnavailable" : "0%"}}),
     "Invalid spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": may not be 0 when "
     "`maxSurge` is 0"},
    {W("strategy" : {"rollingUpdate" : {"maxSurge" : "x", "maxUnavailable" : "101%"}}),
     "Invalid spec.strategy.rollingUpdate.maxSurge: Invalid value: \"x\": a valid percent string "
     "must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
     "validation is '[0-9]+%')\n"
     "Invalid spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"101%\": must not be "
     "greater than 100%"},
    {NULL, NULL},
};

static const struct invalid_case deployment_status[] = {
    {J({"status" : {"replicas" : 1, "updatedReplicas" : 2, "availableReplicas" : 1,
                    "unavailableReplicas" : -1}}),
     "Invalid status.unavailableReplicas: Invalid value: -1: must be greater than or equal to 0\n"
     "Invalid status.updatedReplicas: Invalid value: 2: cannot be greater than status.replicas\n"
     "Invalid status.availableReplicas: Invalid value: 1: cannot be greater than readyReplicas"},
    {J({"status" : {"collisionCount" : 1}}),
     "Invalid status.collisionCount: Invalid value: 1: cannot be decremented"},
    {NULL, NULL},
};

static void deployments(void **state)
{
    struct fixture *f = *state;
    check_created(f, APPS "deployments", deployment_created);
    expect(ask(f, "POST", APPS "deployments", W()), 201);
    expect(ask_with(f, NULL, "PATCH", APPS "deployments/w/status", "application/merge-patch+json",
                    NULL, J({"status" : {"collisionCount" : 2}})),
           200);
    check_patched(f, APPS "deployments/w", daemon_changed);
    check_patched(f, APPS "deployments/w/status", deployment_status);
}

static const struct invalid_case replicaset_status[] = {
    {J({"status" : {"replicas" : 1, "fullyLabeledReplicas" : 2, "observedGeneration" : -1}}),
     "Invalid status.observedGeneration: Invalid value: -1: must be greater than or equal to 0\n"
     "Invalid status.fullyLabeledReplicas: Invalid value: 2: cannot be greater than "
     "status.replicas"},
    {NULL, NULL},
};

static const struct invalid_case controller_created[] = {
    {J({"metadata" : {"name" : "w"}, "spec" : {"replicas" : -1}}),
     "Required spec.selector: Required value\n"
     "Invalid spec.replicas: Invalid value: -1: must be greater than or equal to 0\n"
     "Required spec.template: Required value"},
    {J({"metadata" : {"name" : "w"}, "spec" : {"selector" : {"a" : "b"}, "template" : {"spec" : {
            "restartPolicy" : "Never", "containers" : [ {"name" : "c", "image" : "i"} ]}}}}),
     "Invalid spec.template.metadata.labels: Invalid value: null: `selector` does not match "
     "template `labels`\n"
     "NotSupported spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported "
     "values: \"Always\""},
    {NULL, NULL},
};

static void replica_sets_and_controllers(void **state)
{
    struct fixture *f = *state;
    expect(ask(f, "POST", APPS "replicasets", W()), 201);
    check_patched(f, APPS "replicasets/w", daemon_changed);
    check_patched(f, APPS "replicasets/w/status", replicaset_status);
    check_created(f, "/api/v1/namespaces/default/replicationcontrollers", controller_created);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(stateful_sets, fixture_setup_boot, fixture_teardown),
        cmocka_unit_test_setup_teardown(daemon_sets, fixture_setup_boot, fixture_teardown),
        cmocka_unit_test_setup_teardown(deployments, fixture_setup_boot, fixture_teardown),
        cmocka_unit_test_setup_teardown(replica_sets_and_controllers, fixture_setup_boot,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
