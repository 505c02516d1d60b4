/* What pods refuse: where they run, how they are confined, and what updates may change. */
#include "cases.h"

#define PODS "/api/v1/namespaces/default/pods"
#define ONE  "containers" : [ {"name" : "c", "image" : "i"} ]
#define POD(...)                                                                                   \
    J({"metadata" : {"name" : "p"}, "spec" : {ONE __VA_OPT__(, ) __VA_ARGS__}})

static const struct invalid_case placed[] = {
    {POD("affinity" : {
         "nodeAffinity" : {
             "requiredDuringSchedulingIgnoredDuringExecution" : {"nodeSelectorTerms" : [ {
                 "matchExpressions" : [ {"key" : "a", "operator" : "In"},
                                        {"key" : "a", "operator" : "Exists", "values" : ["x"]},
                                        {"key" : "a", "operator" : "Gt", "values" : [ "1", "2" ]},
                                        {"key" : "a", "operator" : "Near"} ],
                 "matchFields" : [ {"key" : "spec.x", "operator" : "In", "values" : ["n"]} ]
             } ]},
             "preferredDuringSchedulingIgnoredDuringExecution" : [ {"weight" : 0, "preference" : {}} ]
         },
         "podAntiAffinity" : {"requiredDuringSchedulingIgnoredDuringExecution" : [ {} ]}
     }),
     "Required spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."
     "nodeSelectorTerms[0].matchExpressions[0].values: Required value: must be specified when "
     "`operator` is 'In' or 'NotIn'\n"
     "Forbidden spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."
     "nodeSelectorTerms[0].matchExpressions[1].values: Forbidden: may not be specified when "
     "`operator` is 'Exists' or 'DoesNotExist'\n"
     "Required spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."
     "nodeSelectorTerms[0].matchExpressions[2].values: Required value: must be specified single "
     "value when `operator` is 'Lt' or 'Gt'\n"
     "Invalid spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."
     "nodeSelectorTerms[0].matchExpressions[3].operator: Invalid value: \"Near\": not a valid "
     "selector operator\n"
     "Invalid spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."
     "nodeSelectorTerms[0].matchFields[0].key: Invalid value: \"spec.x\": not a valid field "
     "selector key\n"
     "Invalid spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0]."
     "weight: Invalid value: 0: must be in the range 1-100\n"
     "Required spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]."
     "topologyKey: Required value: can not be empty\n"
     "Invalid spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]."
     "topologyKey: Invalid value: \"\": name part must be non-empty"},
    {POD("topologySpreadConstraints" : [
         {"maxSkew" : 0, "whenUnsatisfiable" : "Sometimes", "minDomains" : 0},
         {"maxSkew" : 1, "topologyKey" : "z", "whenUnsatisfiable" : "DoNotSchedule",
          "matchLabelKeys" : ["a"]},
         {"maxSkew" : 1, "topologyKey" : "z", "whenUnsatisfiable" : "DoNotSchedule"} ]),
     "Invalid spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than "
     "zero\n"
     "Required spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty\n"
     "NotSupported spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "
     "\"Sometimes\": supported values: \"DoNotSchedule\", \"ScheduleAnyway\"\n"
     "Invalid spec.topologySpreadConstraints[0].minDomains: Invalid value: 0: must be greater than "
     "zero\n"
     "Invalid spec.topologySpreadConstraints[0].minDomains: Invalid value: 0: can only use "
     "minDomains if whenUnsatisfiable=DoNotSchedule, not Sometimes\n"
     "Duplicate spec.topologySpreadConstraints[1].{topologyKey, whenUnsatisfiable}: Duplicate "
     "value: \"{z, DoNotSchedule}\"\n"
     "Forbidden spec.topologySpreadConstraints[1].matchLabelKeys: Forbidden: must not be specified "
     "when labelSelector is not set"},
    {POD("tolerations" : [ {"operator" : "Equal"}, {"key" : "a", "operator" : "Exists", "value" : "x"},
                           {"key" : "a", "operator" : "Any", "effect" : "Later"} ]),
     "Invalid spec.tolerations[0].operator: Invalid value: \"Equal\": operator must be Exists when "
     "`key` is empty, which means \"match all values and all keys\"\n"
     "Invalid spec.tolerations[1].operator: Invalid value: {\"key\":\"a\",\"operator\":\"Exists\","
     "\"value\":\"x\"}: value must be empty when `operator` is 'Exists'\n"
     "NotSupported spec.tolerations[2].operator: Unsupported value: \"Any\": supported values: "
     "\"Equal\", \"Exists\"\n"
     "NotSupported spec.tolerations[2].effect: Unsupported value: \"Later\": supported values: "
     "\"NoSchedule\", \"PreferNoSchedule\", \"NoExecute\""},
    {POD("schedulingGates" : [ {"name" : "a"}, {"name" : "a"} ], "nodeName" : "n",
         "readinessGates" : [ {"conditionType" : "A/B/C"} ]),
     "Invalid spec.readinessGates[0].conditionType: Invalid value: \"A/B/C\": a qualified name must "
     "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
     "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
     "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain "
     "prefix and '/' (e.g. 'example.com/MyName')\n"
     "Duplicate spec.schedulingGates[1]: Duplicate value: \"a\"\n"
     "Forbidden spec.nodeName: Forbidden: cannot be set until all schedulingGates have been "
     "cleared"},
    {NULL, NULL},
};

static const struct invalid_case confined[] = {
    {POD("securityContext" : {
         "sysctls" : [ {"name" : "net.ipv4.ip_forward", "value" : "1"}, {"name" : "Kernel.X"},
                       {"name" : "kernel.shm_rmid_forced"}, {"name" : "kernel.shm_rmid_forced"} ],
         "seccompProfile" : {"type" : "Localhost"}, "fsGroupChangePolicy" : "Never",
         "appArmorProfile" : {"type" : "RuntimeDefault", "localhostProfile" : "x"}
     }, "hostNetwork" : true, "hostUsers" : false),
     "Invalid spec.securityContext.sysctls[0].name: Invalid value: \"net.ipv4.ip_forward\": may not "
     "be set with 'hostNetwork' enabled\n"
     "Invalid spec.securityContext.sysctls[1].name: Invalid value: \"Kernel.X\": must have at most "
     "253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*"
     "[a-z0-9]([-_a-z0-9]*[a-z0-9])?$\n"
     "Duplicate spec.securityContext.sysctls[3].name: Duplicate value: "
     "\"kernel.shm_rmid_forced\"\n"
     "NotSupported spec.securityContext.fsGroupChangePolicy: Unsupported value: \"Never\": "
     "supported values: \"Always\", \"OnRootMismatch\"\n"
     "Required spec.securityContext.seccompProfile.localhostProfile: Required value: must be set "
     "when seccomp type is Localhost\n"
     "Invalid spec.securityContext.appArmorProfile.localhostProfile: Invalid value: \"x\": can only "
     "be set when AppArmor type is Localhost\n"
     "Forbidden spec.hostNetwork: Forbidden: when `hostUsers` is false"},
    {POD("dnsPolicy" : "None"),
     "Required spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"},
    {POD("dnsConfig" : {"nameservers" : [ "1.1.1.1", "x" ], "searches" : [ "_a.b.", "." , "B" ],
                        "options" : [ {"value" : "1"} ]},
         "hostAliases" : [ {"ip" : "1.2.3", "hostnames" : ["A"]} ]),
     "Invalid spec.dnsConfig.nameservers[1]: Invalid value: \"x\": must be valid IP address\n"
     "Invalid spec.dnsConfig.searches[2]: Invalid value: \"B\": a lowercase RFC 1123 subdomain must "
     "consist of lower case alphanumeric characters, '-' or '.', and must start and end with an "
     "alphanumeric character (e.g. 'example.com', regex used for validation is "
     "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')\n"
     "Required spec.dnsConfig.options[0]: Required value: must not be empty\n"
     "Invalid spec.hostAliases[0].ip: Invalid value: \"1.2.3\": must be valid IP address\n"
     "Invalid spec.hostAliases[0].hostnames[0]: Invalid value: \"A\": a lowercase RFC 1123 "
     "subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
     "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
     "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"},
    {POD("os" : {"name" : "windows"}, "hostPID" : true, "securityContext" : {"fsGroup" : 1}),
     "Forbidden spec.hostPID: Forbidden: cannot be set for a windows pod\n"
     "Forbidden spec.securityContext.fsGroup: Forbidden: cannot be set for a windows pod"},
    {POD("os" : {"name" : "plan9"}, "preemptionPolicy" : "Maybe"),
     "NotSupported spec.preemptionPolicy: Unsupported value: \"Maybe\": supported values: "
     "\"PreemptLowerPriority\", \"Never\"\n"
     "NotSupported spec.os: Unsupported value: \"plan9\": supported values: \"linux\", "
     "\"windows\""},
    {NULL, NULL},
};

#define CONTAINER(...) J({"metadata" : {"name" : "p"}, "spec" : {"containers" : [ {                 \
    "name" : "c", "image" : "i", __VA_ARGS__} ]}})
static const struct invalid_case containers[] = {
    {CONTAINER("resources" : {"requests" : {"cpu" : "2", "example.com/gpu" : "1"},
                              "limits" : {"cpu" : "1", "foo" : "1", "hugepages-2Mi" : "3Mi"}}),
     "Invalid spec.containers[0].resources.limits[foo]: Invalid value: \"foo\": must be a standard "
     "resource type or fully qualified\n"
     "Invalid spec.containers[0].resources.limits[foo]: Invalid value: \"foo\": must be a standard "
     "resource for containers\n"
     "Invalid spec.containers[0].resources.limits[hugepages-2Mi]: Invalid value: \"3Mi\": 3Mi is "
     "not positive integer multiple of hugepages-2Mi\n"
     "Invalid spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or "
     "equal to cpu limit of 1\n"
     "Required spec.containers[0].resources.limits: Required value: Limit must be set for non "
     "overcommitable resources\n"
     "Invalid spec.containers[0].resources.requests[foo]: Invalid value: \"foo\": must be a "
     "standard resource type or fully qualified\n"
     "Invalid spec.containers[0].resources.requests[foo]: Invalid value: \"foo\": must be a "
     "standard resource for containers\n"
     "Invalid spec.containers[0].resources.requests[hugepages-2Mi]: Invalid value: \"3Mi\": 3Mi is "
     "not positive integer multiple of hugepages-2Mi"},
    {CONTAINER("resources" : {"limits" : {"example.com/gpu" : "500m", "hugepages-2Mi" : "2Mi"}}),
     "Invalid spec.containers[0].resources.limits[example.com/gpu]: Invalid value: \"500m\": must "
     "be an integer\n"
     "Invalid spec.containers[0].resources.requests[example.com/gpu]: Invalid value: \"500m\": "
     "must be an integer\n"
     "Forbidden spec.containers[0].resources: Forbidden: HugePages require cpu or memory"},
    {CONTAINER("env" : [
         {"name" : "a=b", "value" : "v", "valueFrom" : {"fieldRef" : {"fieldPath" : "metadata.name"}}},
         {"name" : "b", "valueFrom" : {"fieldRef" : {"fieldPath" : "metadata.labels['a/b/c']"}}},
         {"name" : "c", "valueFrom" : {"fieldRef" : {"fieldPath" : "spec.hostname"}}},
         {"name" : "d", "valueFrom" : {"fieldRef" : {"fieldPath" : "metadata.labels"}}},
         {"name" : "e", "valueFrom" : {"resourceFieldRef" : {"resource" : "limits.cpu",
                                                             "divisor" : "2"}}},
         {"name" : "f", "valueFrom" : {"secretKeyRef" : {"name" : "s"}}} ],
     "envFrom" : [ {} ]),
     "Invalid spec.containers[0].env[0].name: Invalid value: \"a=b\": a valid environment variable "
     "name must consist only of printable ASCII characters other than '='\n"
     "Invalid spec.containers[0].env[0].valueFrom: Invalid value: \"\": may not be specified when "
     "`value` is not empty\n"
     "Invalid spec.containers[0].env[1].valueFrom.fieldRef: Invalid value: \"a/b/c\": a qualified "
     "name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with "
     "an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
     "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain "
     "prefix and '/' (e.g. 'example.com/MyName')\n"
     "Invalid spec.containers[0].env[2].valueFrom.fieldRef.fieldPath: Invalid value: "
     "\"spec.hostname\": error converting fieldPath: field label not supported: spec.hostname\n"
     "NotSupported spec.containers[0].env[3].valueFrom.fieldRef.fieldPath: Unsupported value: "
     "\"metadata.labels\": supported values: \"metadata.name\", \"metadata.namespace\", "
     "\"metadata.uid\", \"spec.nodeName\", \"spec.serviceAccountName\", \"status.hostIP\", "
     "\"status.hostIPs\", \"status.podIP\", \"status.podIPs\"\n"
     "Invalid spec.containers[0].env[4].valueFrom.resourceFieldRef.divisor: Invalid value: "
     "\"limits.cpu\": only divisor's values 1m and 1 are supported with the cpu resource\n"
     "Required spec.containers[0].env[5].valueFrom.secretKeyRef.key: Required value\n"
     "Invalid spec.containers[0].envFrom: Invalid value: \"\": must specify one of: "
     "`configMapRef` or `secretRef`"},
    {CONTAINER("volumeMounts" : [ {"name" : "v", "mountPath" : "/a", "subPath" : "/x/..",
                                   "mountPropagation" : "Bidirectional"} ],
               "volumeDevices" : [ {"name" : "v", "devicePath" : "../d"} ]),
     "NotFound spec.containers[0].volumeMounts[0].name: Not found: \"v\"\n"
     "Invalid spec.containers[0].volumeMounts[0].name: Invalid value: \"v\": must not already "
     "exist in volumeDevices\n"
     "Invalid spec.containers[0].volumeMounts.subPath: Invalid value: \"/x/..\": must be a "
     "relative path\n"
     "Invalid spec.containers[0].volumeMounts.subPath: Invalid value: \"/x/..\": must not contain "
     "'..'\n"
     "Forbidden spec.containers[0].volumeMounts[0].mountPropagation: Forbidden: Bidirectional mount "
     "propagation is available only to privileged containers\n"
     "NotFound spec.containers[0].volumeDevices[0].name: Not found: \"v\"\n"
     "Invalid spec.containers[0].volumeDevices[0].devicePath: Invalid value: \"../d\": can not "
     "contain backsteps ('..')\n"
     "Invalid spec.containers[0].volumeDevices[0].name: Invalid value: \"v\": must not already "
     "exist in volumeMounts"},
    {CONTAINER("livenessProbe" : {"httpGet" : {"httpHeaders" : [ {"name" : "a b"} ]}, "exec" : {}},
               "lifecycle" : {"preStop" : {"sleep" : {"seconds" : 99}}},
               "ports" : [ {"containerPort" : 1, "hostPort" : 2}, {"containerPort" : 3, "hostPort" : 2} ]),
     "Invalid spec.containers[0].lifecycle.preStop.sleep.seconds: Invalid value: 99: must be "
     "non-negative and less than terminationGracePeriodSeconds (30)\n"
     "Required spec.containers[0].livenessProbe.exec.command: Required value\n"
     "Forbidden spec.containers[0].livenessProbe.httpGet: Forbidden: may not specify more than 1 "
     "handler type\n"
     "Duplicate spec.containers[0].ports[1].hostPort: Duplicate value: \"TCP//2\""},
    {NULL, NULL},
};

static const struct invalid_case volumes[] = {
    {POD("volumes" : [ {"name" : "a", "emptyDir" : {"sizeLimit" : "1Gi"}},
                       {"name" : "b", "nfs" : {"server" : "s", "path" : "/p"}},
                       {"name" : "c", "csi" : {"driver" : "d.example.com"}} ]),
     ""},
    {POD("volumes" : [ {"name" : "A", "emptyDir" : {"sizeLimit" : "-1"}, "hostPath" : {}},
                       {"name" : "b", "hostPath" : {"path" : "/a/../b", "type" : "Pipe"}},
                       {"name" : "c", "secret" : {"defaultMode" : 512, "items" : [ {"path" : "/x"} ]}},
                       {"name" : "d", "nfs" : {"path" : "p"}},
                       {"name" : "e", "persistentVolumeClaim" : {}} ]),
     "Forbidden spec.volumes[0].emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid "
     "resource quantity\n"
     "Forbidden spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type\n"
     "Invalid spec.volumes[0].name: Invalid value: \"A\": a lowercase RFC 1123 label must consist "
     "of lower case alphanumeric characters or '-', and must start and end with an alphanumeric "
     "character (e.g. 'my-name',  or '123-abc', regex used for validation is "
     "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')\n"
     "Invalid spec.volumes[1].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'\n"
     "NotSupported spec.volumes[1].hostPath.type: Unsupported value: \"Pipe\": supported values: "
     "\"\", \"BlockDevice\", \"CharDevice\", \"Directory\", \"DirectoryOrCreate\", \"File\", "
     "\"FileOrCreate\", \"Socket\"\n"
     "Required spec.volumes[2].secret.secretName: Required value\n"
     "Invalid spec.volumes[2].secret.defaultMode: Invalid value: 512: must be a number between 0 "
     "and 0777 (octal), both inclusive\n"
     "Required spec.volumes[2].secret.items[0].key: Required value\n"
     "Invalid spec.volumes[2].secret.items[0].path: Invalid value: \"/x\": must be a relative "
     "path\n"
     "Required spec.volumes[3].nfs.server: Required value\n"
     "Invalid spec.volumes[3].nfs.path: Invalid value: \"p\": must be an absolute path\n"
     "Required spec.volumes[4].persistentVolumeClaim.claimName: Required value"},
    {POD("volumes" : [ {"name" : "p", "projected" : {"sources" : [
             {"serviceAccountToken" : {"expirationSeconds" : 5}, "secret" : {}},
             {"configMap" : {"name" : "m", "items" : [ {"key" : "k", "path" : "x"},
                                                       {"key" : "l", "path" : "x"} ]}},
             {"downwardAPI" : {"items" : [ {"path" : "..f"} ]}} ]}} ]),
     "Required spec.volumes[0].projected.sources[0].secret.name: Required value\n"
     "Invalid spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid "
     "value: 5: may not specify a duration less than 10 minutes\n"
     "Required spec.volumes[0].projected.path: Required value\n"
     "Forbidden spec.volumes[0].projected.sources[0]: Forbidden: may not specify more than 1 volume "
     "type\n"
     "Invalid spec.volumes[0].projected: Invalid value: \"m\": conflicting duplicate paths\n"
     "Invalid spec.volumes[0].projected.sources[2].downwardAPI.path: Invalid value: \"..f\": must "
     "not start with '..'\n"
     "Required spec.volumes[0].projected.sources[2].downwardAPI: Required value: one of fieldRef "
     "and resourceFieldRef is required"},
    {NULL, NULL},
};

static void what_containers_are_and_what_they_mount(void **state)
{
    check_created(*state, PODS, containers);
    check_created(*state, PODS, volumes);
}

static void where_and_how_pods_run(void **state)
{
    struct fixture *f = *state;
    check_created(f, PODS, placed);
    check_created(f, PODS, confined);
}

static const struct invalid_case changed[] = {
    {J({"spec" : {"activeDeadlineSeconds" : 50}}), ""},
    {J({"spec" : {"activeDeadlineSeconds" : 200}}),
     "Invalid spec.activeDeadlineSeconds: Invalid value: 200: must be less than or equal to "
     "previous value"},
    {J({"spec" : {"activeDeadlineSeconds" : null}}),
     "Invalid spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive "
     "integer to nil value"},
    {J({"spec" : {"schedulingGates" : [ {"name" : "a"}, {"name" : "b"} ]}}),
     "Forbidden spec.schedulingGates[1].name: Forbidden: only deletion is allowed, but found new "
     "scheduling gate 'b'"},
    {J({"spec" : {"schedulingGates" : []}}), ""},
    {J({"spec" : {"nodeSelector" : {"a" : "b", "c" : "d"}}}), ""},
    {J({"spec" : {"nodeSelector" : {"a" : "x"}}}),
     "Invalid spec.nodeSelector: Invalid value: {\"a\":\"x\"}: only additions are allowed (no "
     "mutations or deletions)"},
    {J({"spec" : {"tolerations" : []}}),
     "Forbidden spec.tolerations: Forbidden: existing toleration can not be modified except its "
     "tolerationSeconds"},
    {J({"spec" : {"hostname" : "h"}}),
     "Forbidden spec: Forbidden: pod updates may not change fields other than "
     "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
     "`spec.tolerations` (only additions to existing tolerations),"
     "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously "
     "negative)\n+ hostname: \"h\"\n"},
    {NULL, NULL},
};

static const struct invalid_case status_changed[] = {
    {J({"status" : {"podIPs" : [ {"ip" : "10.0.0.1"}, {"ip" : "10.0.0.2"} ],
                    "nominatedNodeName" : "N"}}),
     "Invalid status.nominatedNodeName: Invalid value: \"N\": a lowercase RFC 1123 subdomain must "
     "consist of lower case alphanumeric characters, '-' or '.', and must start and end with an "
     "alphanumeric character (e.g. 'example.com', regex used for validation is "
     "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')\n"
     "Invalid status.podIPs: Invalid value: [{\"ip\":\"10.0.0.1\"},{\"ip\":\"10.0.0.2\"}]: may "
     "specify no more than one IP for each IP family"},
    {J({"status" : {"containerStatuses" : [ {"name" : "c", "image" : "i", "imageID" : "",
                                             "state" : {"running" : {}}} ]}}),
     "Forbidden status.containerStatuses[0].state: Forbidden: may not be transitioned to "
     "non-terminated state"},
    {NULL, NULL},
};

static void what_may_change_of_a_pod(void **state)
{
    struct fixture *f = *state;
    expect(ask(f, "POST", PODS,
               POD("activeDeadlineSeconds" : 100, "schedulingGates" : [ {"name" : "a"} ],
                   "nodeSelector" : {"a" : "b"}, "restartPolicy" : "Never",
                   "tolerations" : [ {"key" : "k", "operator" : "Exists"} ])),
           201);
    check_patched(f, PODS "/p", changed);
    expect(ask_with(f, NULL, "PATCH", PODS "/p/status", "application/merge-patch+json", NULL,
                    J({"status" : {"containerStatuses" : [ {
                           "name" : "c", "image" : "i", "imageID" : "",
                           "state" : {"terminated" : {"exitCode" : 0}}} ]}})),
           200);
    check_patched(f, PODS "/p/status", status_changed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(where_and_how_pods_run, fixture_setup_boot,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(what_containers_are_and_what_they_mount, fixture_setup_boot,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(what_may_change_of_a_pod, fixture_setup_boot,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
