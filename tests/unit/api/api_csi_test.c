/* CSIDrivers, CSINodes, CSIStorageCapacities, VolumeAttachments, VolumeAttributesClasses. */
#include "cases.h"

#define API         "/apis/storage.k8s.io/v1/"
#define DRIVERS     API "csidrivers"
#define NODES       API "csinodes"
#define CAPACITIES  API "namespaces/default/csistoragecapacities"
#define ATTACHMENTS API "volumeattachments"
#define ATTRIBUTES  API "volumeattributesclasses"
#define SPEC(...) J({"metadata":{"name":"n"},"spec":{__VA_ARGS__}})
#define TOP(...) J({"metadata":{"name":"n"},__VA_ARGS__})
#define SUBDOMAIN "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', " \
    "and must start and end with an alphanumeric character (e.g. 'example.com', regex used for " \
    "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"

static const struct invalid_case drivers[] = {
    {SPEC(), ""},
    {SPEC("fsGroupPolicy":"Some","volumeLifecycleModes":["Short"],"nodeAllocatableUpdatePeriodSeconds":9,
          "serviceAccountTokenInSecrets":false),
     "NotSupported spec.fsGroupPolicy: Unsupported value: \"Some\": supported values: \"File\", \"None\", "
     "\"ReadWriteOnceWithFSType\"\n"
     "NotSupported spec.volumeLifecycleModes: Unsupported value: \"Short\": supported values: \"Persistent\", "
     "\"Ephemeral\"\n"
     "Invalid spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 9: must be greater than or equal to 10 "
     "seconds\n"
     "Invalid spec.serviceAccountTokenInSecrets: Invalid value: false: serviceAccountTokenInSecrets is set but no "
     "tokenRequests are specified"},
    {SPEC("tokenRequests":[{"audience":"a","expirationSeconds":599},{"audience":"a"},
          {"audience":"","expirationSeconds":4294967297}]),
     "Invalid spec.tokenRequests[0].expirationSeconds: Invalid value: 599: may not specify a duration less than 10 "
     "minutes\n"
     "Duplicate spec.tokenRequests[1].audience: Duplicate value: \"a\"\n"
     "Invalid spec.tokenRequests[2].expirationSeconds: Invalid value: 4294967297: may not specify a duration larger "
     "than 2^32 seconds"},
    {NULL, NULL},
};

static const struct invalid_case nodes[] = {
    {SPEC("drivers":[{"name":"a.b","nodeID":"n","topologyKeys":["k"],"allocatable":{"count":0}}]), ""},
    {SPEC("drivers":[{"name":"a","nodeID":"","allocatable":{"count":-1}},{"name":"a","nodeID":"n",
          "topologyKeys":["k","k"]}]),
     "Required spec.drivers[0].nodeID: Required value\n"
     "Invalid spec.drivers[0].allocatable.count: Invalid value: -1: must be greater than or equal to 0\n"
     "Duplicate spec.drivers[1].name: Duplicate value: \"a\"\n"
     "Duplicate spec.drivers[1]: Duplicate value: \"k\""},
    {NULL, NULL},
};

static const struct invalid_case capacities[] = {
    {TOP("storageClassName":"c","capacity":"1Gi"), ""},
    {TOP("storageClassName":"C","capacity":"-1","nodeTopology":{"matchExpressions":[{"key":"a","operator":"In"}]}),
     "Required nodeTopology.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or "
     "'NotIn'\n"
     "Invalid storageClassName: Invalid value: \"C\": " SUBDOMAIN "\n"
     "Invalid capacity: Invalid value: \"-1\": must be greater than or equal to 0"},
    {NULL, NULL},
};

static const struct invalid_case attachments[] = {
    {SPEC("attacher":"a","nodeName":"n","source":{"persistentVolumeName":"v"}), ""},
    {SPEC("attacher":"a","nodeName":"n","source":{"inlineVolumeSpec":{"accessModes":["ReadWriteOnce"],
          "csi":{"driver":"d","volumeHandle":"h"}}}), ""},
    {SPEC("nodeName":"N","source":{}),
     "Required spec.attacher: Required value\n"
     "Required spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName\n"
     "Invalid spec.nodeName: Invalid value: \"N\": " SUBDOMAIN "\n"
     "Required spec.attacher: Required value\n"
     "Invalid spec.attacher: Invalid value: \"\": " SUBDOMAIN},
    {SPEC("attacher":"a","nodeName":"n","source":{"inlineVolumeSpec":{"accessModes":["ReadWriteOnce"],
          "capacity":{"storage":"1"},"storageClassName":"c","hostPath":{"path":"/"}}}),
     "Forbidden spec.source.inlineVolumeSpec.capacity: Forbidden: may not be specified in the context of inline "
     "volumes\n"
     "Required spec.source.inlineVolumeSpec.csi: Required value: has to be specified in the context of inline "
     "volumes\n"
     "Forbidden spec.source.inlineVolumeSpec.storageClassName: Forbidden: may not be specified in the context of "
     "inline volumes"},
    {NULL, NULL},
};

static const struct invalid_case attributes[] = {
    {TOP("driverName":"a.b","parameters":{"a":"b"}), ""},
    {TOP("parameters":{}),
     "Required driverName: Required value\n"
     "Required parameters: Required value: must contain at least one key/value pair"},
    {NULL, NULL},
};

static void what_they_refuse(void **state)
{
    struct fixture *f = *state;
    check_created(f, DRIVERS, drivers);
    check_created(f, NODES, nodes);
    check_created(f, CAPACITIES, capacities);
    check_created(f, ATTACHMENTS, attachments);
    check_created(f, ATTRIBUTES, attributes);
}

static void defaults_generation_and_conditions(void **state)
{
    struct fixture *f = *state;
    struct answer *a = ask(f, "POST", DRIVERS, SPEC());
    expect(a, 201);
    assert_true(json_path_bool(a->json, "spec.attachRequired", false));
    assert_false(json_path_bool(a->json, "spec.podInfoOnMount", true));
    assert_false(json_path_bool(a->json, "spec.seLinuxMount", true));
    assert_string_equal(at(a, "spec.fsGroupPolicy"), "ReadWriteOnceWithFSType");
    assert_string_equal(json_cstr(json_at(json_path(a->json, "spec.volumeLifecycleModes"), 0)), "Persistent");
    a = ask(f, "PATCH", DRIVERS "/n", J({"spec":{"requiresRepublish":true}}));
    assert_int_equal(int_at(a, "metadata.generation"), 1);
    a = ask(f, "PATCH", DRIVERS "/n", J({"spec":{"podInfoOnMount":true}}));
    expect(a, 200);
    assert_int_equal(int_at(a, "metadata.generation"), 1);
    expect_message(ask(f, "PUT", DRIVERS "/n", SPEC()), 422,
                   "csidrivers.storage.k8s.io \"n\" is invalid: metadata.resourceVersion: Invalid value: 0: must be "
                   "specified for an update");
}

static void what_does_not_change(void **state)
{
    struct fixture *f = *state;
    static const struct invalid_case driver[] = {
        {J({"spec":{"attachRequired":false,"volumeLifecycleModes":["Ephemeral"]}}),
         "Invalid spec.attachedRequired: Invalid value: false: field is immutable\n"
         "Invalid spec.volumeLifecycleModes: Invalid value: [\"Ephemeral\"]: field is immutable"},
        {NULL, NULL}};
    static const struct invalid_case node[] = {
        {J({"spec":{"drivers":[{"name":"a","nodeID":"n","allocatable":{"count":2}},{"name":"b","nodeID":"c"}]}}), ""},
        {J({"spec":{"drivers":[{"name":"a","nodeID":"m"}]}}),
         "Invalid spec.drivers: Invalid value: {\"Name\":\"a\",\"NodeID\":\"m\",\"TopologyKeys\":null,"
         "\"Allocatable\":null}: field is immutable"},
        {NULL, NULL}};
    static const struct invalid_case attachment[] = {
        {J({"spec":{"nodeName":"m"}}),
         "Invalid spec: Invalid value: {\"attacher\":\"a\",\"nodeName\":\"m\",\"source\":{\"persistentVolumeName\":"
         "\"v\"}}: field is immutable"},
        {NULL, NULL}};
    static const struct invalid_case class[] = {
        {J({"driverName":"c","parameters":{"a":"c"}}),
         "Forbidden driverName: Forbidden: updates to driverName are forbidden.\n"
         "Forbidden parameters: Forbidden: updates to parameters are forbidden."},
        {NULL, NULL}};
    expect(ask(f, "POST", DRIVERS, SPEC()), 201);
    expect(ask(f, "POST", NODES, SPEC("drivers":[{"name":"a","nodeID":"n"}])), 201);
    expect(ask(f, "POST", ATTACHMENTS,
               SPEC("attacher":"a","nodeName":"n","source":{"persistentVolumeName":"v"})),
           201);
    expect(ask(f, "POST", ATTRIBUTES, TOP("driverName":"a.b","parameters":{"a":"b"})), 201);
    check_patched(f, DRIVERS "/n", driver);
    check_patched(f, NODES "/n", node);
    check_patched(f, ATTACHMENTS "/n", attachment);
    check_patched(f, ATTRIBUTES "/n", class);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_they_refuse, fixture_setup_boot, fixture_teardown),
        cmocka_unit_test_setup_teardown(defaults_generation_and_conditions, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_does_not_change, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
