/* StorageClasses, PersistentVolumes, PersistentVolumeClaims and the admission that belongs to them. */
#include "cases.h"

#define CLASSES "/apis/storage.k8s.io/v1/storageclasses"
#define VOLUMES "/api/v1/persistentvolumes"
#define CLAIMS  "/api/v1/namespaces/default/persistentvolumeclaims"
#define CLASS(...) J({"metadata":{"name":"c"},__VA_ARGS__})
#define VOLUME(...) J({"metadata":{"name":"v"},"spec":{"accessModes":["ReadWriteOnce"],"capacity":{"storage":"1Gi"},__VA_ARGS__}})
#define CLAIM(...) J({"metadata":{"name":"c"},"spec":{"accessModes":["ReadWriteOnce"],__VA_ARGS__}})
#define SIZE(size) "resources":{"requests":{"storage":size}}
#define SUBDOMAIN "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', " \
    "and must start and end with an alphanumeric character (e.g. 'example.com', regex used for " \
    "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"

static const struct invalid_case classes[] = {
    {CLASS("provisioner":"Example.com/x"), ""},
    {CLASS("reclaimPolicy":"Recycle","volumeBindingMode":"Later"),
     "Required provisioner: Required value\n"
     "NotSupported reclaimPolicy: Unsupported value: \"Recycle\": supported values: \"Delete\", \"Retain\"\n"
     "NotSupported volumeBindingMode: Unsupported value: \"Later\": supported values: \"Immediate\", "
     "\"WaitForFirstConsumer\""},
    {CLASS("provisioner":"x","parameters":{"":"y"}),
     "Invalid parameters: Invalid value: \"\": field can not be empty."},
    {CLASS("provisioner":"x","allowedTopologies":[{"matchLabelExpressions":[{"key":"a","values":[]}]},
           {"matchLabelExpressions":[{"key":"a","values":["1","1"]},{"key":"a","values":["2"]}]}]),
     "Required allowedTopologies[0].matchLabelExpressions[0].values: Required value\n"
     "Duplicate allowedTopologies[1].matchLabelExpressions[0].values[1]: Duplicate value: \"1\"\n"
     "Duplicate allowedTopologies[1].matchLabelExpressions[1].key: Duplicate value: \"a\""},
    {CLASS("provisioner":"x","allowedTopologies":[{"matchLabelExpressions":[{"key":"a","values":["1","2"]}]},
           {"matchLabelExpressions":[{"key":"a","values":["2","1"]}]}]),
     "Duplicate allowedTopologies[1].matchLabelExpressions: Duplicate value: \"\""},
    {NULL, NULL},
};

static const struct invalid_case volumes[] = {
    {VOLUME("nfs":{"server":"s","path":"/p"}), ""},
    {VOLUME("iscsi":{"targetPortal":"1.2.3.4","iqn":"iqn.2001-04.com.example:disk","lun":1}), ""},
    {J({"metadata":{"name":"v"},"spec":{"hostPath":{"path":"/tmp/../x"}}}),
     "Required spec.accessModes: Required value\n"
     "Required spec.capacity: Required value\n"
     "NotSupported spec.capacity: Unsupported value: null: supported values: \"storage\"\n"
     "Invalid spec.hostPath.path: Invalid value: \"/tmp/../x\": must not contain '..'"},
    {J({"metadata":{"name":"v"},"spec":{"accessModes":["ReadWriteOncePod","ReadWriteMany","X"],
        "capacity":{"storage":"0"}}}),
     "NotSupported spec.accessModes: Unsupported value: \"X\": supported values: \"ReadOnlyMany\", "
     "\"ReadWriteMany\", \"ReadWriteOnce\", \"ReadWriteOncePod\"\n"
     "Forbidden spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes\n"
     "Invalid spec.capacity[storage]: Invalid value: \"0\": must be greater than zero\n"
     "Required spec: Required value: must specify a volume type"},
    {VOLUME("hostPath":{"path":"/a/.."},"persistentVolumeReclaimPolicy":"Recycle"),
     "Invalid spec.hostPath.path: Invalid value: \"/a/..\": must not contain '..'\n"
     "Forbidden spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount "
     "of '/'"},
    {VOLUME("nfs":{"server":"s","path":"p"},"rbd":{},"volumeMode":"Raw"),
     "Invalid spec.nfs.path: Invalid value: \"p\": must be an absolute path\n"
     "Forbidden spec.rbd: Forbidden: may not specify more than 1 volume type\n"
     "NotSupported spec.volumeMode: Unsupported value: \"Raw\": supported values: \"Block\", \"Filesystem\""},
    {VOLUME("local":{"path":"/d"}),
     "Required spec.nodeAffinity: Required value: Local volume requires node affinity"},
    {VOLUME("local":{"path":"/d"},"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":
            [{"key":"a","operator":"In"},{"key":"b","operator":"Is"}],"matchFields":[{"key":"metadata.uid",
            "operator":"Exists"}]}]}}),
     "Required spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].values: Required value: "
     "must be specified when `operator` is 'In' or 'NotIn'\n"
     "Invalid spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[1].operator: Invalid value: "
     "\"Is\": not a valid selector operator\n"
     "Invalid spec.nodeAffinity.required.nodeSelectorTerms[0].matchFields[0].operator: Invalid value: "
     "\"Exists\": not a valid selector operator\n"
     "Invalid spec.nodeAffinity.required.nodeSelectorTerms[0].matchFields[0].key: Invalid value: "
     "\"metadata.uid\": not a valid field selector key"},
    {VOLUME("csi":{"driver":"A_b","nodePublishSecretRef":{"name":"s"}}),
     "Invalid spec.csi.driver: Invalid value: \"A_b\": " SUBDOMAIN "\n"
     "Required spec.csi.volumeHandle: Required value\n"
     "Required spec.csi.nodePublishSecretRef.namespace: Required value"},
    {VOLUME("iscsi":{"targetPortal":"","iqn":"iqn.2001.com","lun":256,"chapAuthSession":true}),
     "Required spec.iscsi.targetPortal: Required value\n"
     "Invalid spec.iscsi.iqn: Invalid value: \"iqn.2001.com\": must be valid format\n"
     "Invalid spec.iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive\n"
     "Required spec.iscsi.secretRef: Required value"},
    {VOLUME("fc":{}),
     "Required spec.fc.targetWWNs: Required value: must specify either targetWWNs or wwids, but not both"},
    {VOLUME("azureDisk":{"diskName":"d","diskURI":"x","kind":"Managed"}),
     "NotSupported spec.azureDisk.diskURI: Unsupported value: \"x\": supported values: "
     "\"/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}\""},
    {VOLUME("flexVolume":{"driver":"d","options":{"kubernetes.io/x":"y"}}),
     "Invalid spec.flexVolume.options[kubernetes.io/x]: Invalid value: \"kubernetes.io/x\": kubernetes.io "
     "and k8s.io namespaces are reserved"},
    {VOLUME("quobyte":{"registry":"host","volume":"v"}),
     "Invalid spec.quobyte.registry: Invalid value: \"host\": must be a host:port pair or multiple pairs "
     "separated by commas"},
    {VOLUME("gcePersistentDisk":{"pdName":"","partition":-1}),
     "Required spec.persistentDisk.pdName: Required value\n"
     "Invalid spec.persistentDisk.partition: Invalid value: -1: must be between 1 and 255, inclusive"},
    {NULL, NULL},
};

static const struct invalid_case claims[] = {
    {CLAIM(SIZE("1Gi")), ""},
    {J({"metadata":{"name":"c"},"spec":{"storageClassName":"A"}}),
     "Required spec.accessModes: Required value: at least 1 access mode is required\n"
     "Required spec.resources[storage]: Required value\n"
     "Invalid spec.storageClassName: Invalid value: \"A\": " SUBDOMAIN},
    {CLAIM(SIZE("-1")),
     "Invalid spec.resources[storage]: Invalid value: \"-1\": must be greater than zero"},
    {CLAIM(SIZE("1500m")),
     "Invalid spec.resources[storage]: Invalid value: \"1500m\": must be an integer"},
    {CLAIM(SIZE("1Gi"),"dataSourceRef":{"kind":"Thing","name":""}),
     "Required spec.dataSource.name: Required value\n"
     "Invalid spec.dataSource: Invalid value: \"Thing\": must be 'PersistentVolumeClaim' when referencing the "
     "default apiGroup\n"
     "Required spec.dataSourceRef.name: Required value\n"
     "Invalid spec.dataSourceRef: Invalid value: \"Thing\": must be 'PersistentVolumeClaim' when referencing "
     "the default apiGroup"},
    {CLAIM(SIZE("1Gi"),"dataSource":{"kind":"PersistentVolumeClaim","name":"a"},
           "dataSourceRef":{"kind":"PersistentVolumeClaim","name":"b"}),
     "Invalid spec: Invalid value: {}: must match dataSourceRef"},
    {NULL, NULL},
};

static void what_they_refuse(void **state)
{
    struct fixture *f = *state;
    check_created(f, CLASSES, classes);
    check_created(f, VOLUMES, volumes);
    check_created(f, CLAIMS, claims);
}

static void classes_hardly_change(void **state)
{
    struct fixture *f = *state;
    struct answer *a = ask(f, "POST", CLASSES, CLASS("provisioner":"p","parameters":{"a":"b"}));
    expect(a, 201);
    assert_string_equal(at(a, "reclaimPolicy"), "Delete");
    assert_string_equal(at(a, "volumeBindingMode"), "Immediate");
    check_patched(f, CLASSES "/c",
                  (const struct invalid_case[]){
                      {J({"allowVolumeExpansion":true,"mountOptions":["ro"]}), ""},
                      {J({"parameters":{"a":"c"},"provisioner":"q","reclaimPolicy":"Retain",
                          "volumeBindingMode":"WaitForFirstConsumer"}),
                       "Forbidden parameters: Forbidden: updates to parameters are forbidden.\n"
                       "Forbidden provisioner: Forbidden: updates to provisioner are forbidden.\n"
                       "Forbidden reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden.\n"
                       "Invalid volumeBindingMode: Invalid value: \"WaitForFirstConsumer\": field is "
                       "immutable"},
                      {NULL, NULL}});
}

static void volumes_keep_their_source(void **state)
{
    struct fixture *f = *state;
    struct answer *a = ask(f, "POST", VOLUMES, VOLUME("nfs":{"server":"s","path":"/p"}));
    expect(a, 201);
    assert_string_equal(at(a, "spec.persistentVolumeReclaimPolicy"), "Retain");
    assert_string_equal(at(a, "spec.volumeMode"), "Filesystem");
    assert_string_equal(at(a, "status.phase"), "Pending");
    assert_non_null(json_path(a->json, "status.lastPhaseTransitionTime"));
    assert_string_equal(json_cstr(json_at(json_path(a->json, "metadata.finalizers"), 0)),
                        "kubernetes.io/pv-protection");
    check_patched(f, VOLUMES "/v",
                  (const struct invalid_case[]){
                      {J({"spec":{"capacity":{"storage":"2Gi"},"claimRef":{"name":"c"}}}), ""},
                      {J({"spec":{"nfs":{"server":"t"},"volumeMode":"Block"}}),
                       "Forbidden spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is "
                       "immutable after creation\n"
                       "@@ -1,6 +1,6 @@\n {\n  \"nfs\": {\n"
                       "-  \"server\": \"s\",\n+  \"server\": \"t\",\n"
                       "   \"path\": \"/p\"\n  }\n }\n\n"
                       "Invalid volumeMode: Invalid value: \"Block\": field is immutable"},
                      {NULL, NULL}});
}

static void claims_grow_and_change_nothing_else(void **state)
{
    struct fixture *f = *state;
    expect(ask(f, "POST", CLASSES, J({"metadata":{"name":"c","annotations":{"storageclass.kubernetes.io/is-default-class":"true"}},
                 "provisioner":"p","allowVolumeExpansion":true})),
           201);
    struct answer *a = ask(f, "POST", CLAIMS, CLAIM(SIZE("2Gi")));
    expect(a, 201);
    assert_string_equal(at(a, "spec.storageClassName"), "c");
    assert_string_equal(at(a, "spec.volumeMode"), "Filesystem");
    assert_string_equal(at(a, "status.phase"), "Pending");
    assert_string_equal(json_cstr(json_at(json_path(a->json, "metadata.finalizers"), 0)),
                        "kubernetes.io/pvc-protection");
    static const struct invalid_case unbound[] = {
        {J({"spec":{"volumeName":"v"}}), ""},
        {J({"spec":{"accessModes":["ReadWriteMany"]}}),
         "Forbidden spec: Forbidden: spec is immutable after creation except resources.requests and "
         "volumeAttributesClassName for bound claims\n"
         "@@ -1,6 +1,6 @@\n {\n  \"AccessModes\": [\n-  \"ReadWriteOnce\"\n+  \"ReadWriteMany\"\n  ],\n"
         "  \"Selector\": null,\n  \"Resources\": {\n"},
        {NULL, NULL},
    };
    check_patched(f, CLAIMS "/c", unbound);
    expect(ask(f, "PATCH", CLAIMS "/c/status",
               J({"status":{"phase":"Bound","capacity":{"storage":"1Gi"}}})),
           200);
    static const struct invalid_case bound[] = {
        {J({"spec":{SIZE("3Gi")}}), ""},
        {J({"spec":{SIZE("2048Mi")}}), ""},
        {J({"spec":{SIZE("1500Mi"),"volumeAttributesClassName":"fast"}}), ""},
        {J({"spec":{SIZE("1Gi")}}),
         "Forbidden spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"},
        {NULL, NULL},
    };
    check_patched(f, CLAIMS "/c", bound);
    static const struct invalid_case status[] = {
        {J({"status":{"allocatedResources":{"cpu":"1"},"allocatedResourceStatuses":{"storage":"Odd"}}}),
         "NotSupported status.allocatedResourceStatus: Unsupported value: \"storage\": supported values: "
         "\"ControllerResizeInProgress\", \"ControllerResizeInfeasible\", \"NodeResizeInProgress\", "
         "\"NodeResizeInfeasible\", \"NodeResizePending\"\n"
         "NotSupported status.allocatedResources: Unsupported value: \"cpu\": supported values: \"storage\""},
        {NULL, NULL},
    };
    check_patched(f, CLAIMS "/c/status", status);
    expect(ask(f, "PATCH", CLASSES "/c", J({"allowVolumeExpansion":false})), 200);
    expect_message(ask(f, "PATCH", CLAIMS "/c", J({"spec":{SIZE("3Gi")}})), 403,
                   "persistentvolumeclaims \"c\" is forbidden: only dynamically provisioned pvc can be "
                   "resized and the storageclass that provisions the pvc must support resize");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_they_refuse, fixture_setup_boot, fixture_teardown),
        cmocka_unit_test_setup_teardown(classes_hardly_change, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(volumes_keep_their_source, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(claims_grow_and_change_nothing_else, fixture_setup_boot,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
