/* What each controller may do, bound to its account in kube-system. See default_roles.h. */
#include "api/auth/default_roles.h"

#define C "system:controller:"
#define READ "get list watch"
#define EVENTS "create patch update|core events.k8s.io|events\n"
#define SIGNERS                                                                                    \
    "kubernetes.io/legacy-unknown kubernetes.io/kube-apiserver-client "                            \
    "kubernetes.io/kube-apiserver-client-kubelet kubernetes.io/kubelet-serving"

#define ROLE(name, rules) {NULL, C name, rules, NULL, NULL}

const struct default_role default_roles_controllers[] = {
    ROLE("attachdetach-controller",
         "list watch|core|persistentvolumeclaims persistentvolumes\n" READ "|core|nodes\n"
         "patch update|core|nodes/status\nlist watch|core|pods\n" EVENTS
         "create delete get list watch|storage.k8s.io|volumeattachments\n" READ
         "|storage.k8s.io|csidrivers\n" READ "|storage.k8s.io|csinodes\n"),
    ROLE("clusterrole-aggregation-controller",
         "escalate get list patch update watch|rbac.authorization.k8s.io|clusterroles\n"),
    ROLE("cronjob-controller",
         "get list update watch|batch|cronjobs\n"
         "create delete get list patch update watch|batch|jobs\n"
         "update|batch|cronjobs/status\nupdate|batch|cronjobs/finalizers\n"
         "delete list watch|core|pods\n" EVENTS),
    ROLE("daemon-set-controller",
         READ "|apps extensions|daemonsets\nupdate|apps extensions|daemonsets/status\n"
              "update|apps extensions|daemonsets/finalizers\nlist watch|core|nodes\n"
              "create delete list patch watch|core|pods\ncreate|core|pods/binding\n"
              "create delete get list patch update watch|apps|controllerrevisions\n" EVENTS),
    ROLE("deployment-controller",
         "get list update watch|apps extensions|deployments\n"
         "update|apps extensions|deployments/status\n"
         "update|apps extensions|deployments/finalizers\n"
         "create delete get list patch update watch|apps extensions|replicasets\n"
         "get list update watch|core|pods\n" EVENTS),
    ROLE("disruption-controller",
         READ "|apps extensions|deployments\n" READ "|apps extensions|replicasets\n" READ
              "|core|replicationcontrollers\n" READ "|policy|poddisruptionbudgets\n" READ
              "|apps|statefulsets\nupdate|policy|poddisruptionbudgets/status\n"
              "patch update|core|pods/status\nget|*|*/scale\n" EVENTS),
    ROLE("endpoint-controller",
         READ "|core|pods services\ncreate delete get list update watch|core|endpoints\n"
              "create|core|endpoints/restricted\n" EVENTS),
    ROLE("endpointslice-controller",
         READ "|core|nodes pods services\nupdate|core|services/finalizers\n"
              "create delete get list update watch|discovery.k8s.io|endpointslices\n" EVENTS),
    ROLE("endpointslicemirroring-controller",
         READ "|core|endpoints services\nupdate|core|services/finalizers\n"
              "update|core|endpoints/finalizers\n"
              "create delete get list update watch|discovery.k8s.io|endpointslices\n" EVENTS),
    ROLE("expand-controller",
         "get list patch update watch|core|persistentvolumes\n"
         "patch update|core|persistentvolumeclaims/status\n" READ
         "|core|persistentvolumeclaims\nget|core|services\n" EVENTS),
    ROLE("ephemeral-volume-controller",
         READ "|core|pods\nupdate|core|pods/finalizers\n"
              "create get list watch|core|persistentvolumeclaims\n" EVENTS),
    ROLE("resource-claim-controller",
         READ "|core|pods\nupdate|core|pods/finalizers\n"
              "create delete get list watch|resource.k8s.io|resourceclaims\n"
              "patch update|resource.k8s.io|resourceclaims resourceclaims/status\n"
              "patch update|core|pods/status\n" EVENTS),
    ROLE("generic-garbage-collector", "delete get list patch update watch|*|*\n" EVENTS),
    ROLE("horizontal-pod-autoscaler",
         READ "|autoscaling|horizontalpodautoscalers\n"
              "update|autoscaling|horizontalpodautoscalers/status\nget update|*|*/scale\n"
              "list watch|core|pods\nlist watch|metrics.k8s.io|pods\n" READ
              "|custom.metrics.k8s.io|*\n" READ "|external.metrics.k8s.io|*\n" EVENTS),
    ROLE("job-controller",
         "get list patch update watch|batch|jobs\nupdate|batch|jobs/status\n"
         "update|batch|jobs/finalizers\ncreate delete list patch watch|core|pods\n" EVENTS),
    ROLE("namespace-controller",
         "delete get list watch|core|namespaces\n"
         "update|core|namespaces/finalize namespaces/status\n"
         "delete deletecollection get list watch|*|*\n"),
    ROLE("node-controller",
         "delete get list patch update watch|core|nodes\npatch update|core|nodes/status\n"
         "patch update|core|pods/status\ndelete get list watch|core|pods\n" EVENTS),
    ROLE("persistent-volume-binder",
         "create delete get list update watch|core|persistentvolumes\n"
         "update|core|persistentvolumes/status\n"
         "get list update watch|core|persistentvolumeclaims\n"
         "update|core|persistentvolumeclaims/status\ncreate delete get list watch|core|pods\n" READ
         "|storage.k8s.io|storageclasses\nlist watch|core|nodes\nwatch|core|events\n"
         "get|core|services\n" EVENTS),
    ROLE("pod-garbage-collector",
         "delete list watch|core|pods\n" READ "|core|nodes\npatch|core|pods/status\n"),
    ROLE("replicaset-controller",
         "get list update watch|apps extensions|replicasets\n"
         "update|apps extensions|replicasets/status\n"
         "update|apps extensions|replicasets/finalizers\n"
         "create delete list patch watch|core|pods\n" EVENTS),
    ROLE("replication-controller",
         "get list update watch|core|replicationcontrollers\n"
         "update|core|replicationcontrollers/status\n"
         "update|core|replicationcontrollers/finalizers\n"
         "create delete list patch watch|core|pods\n" EVENTS),
    ROLE("resourcequota-controller",
         "list watch|*|*\nupdate|core|resourcequotas/status\n" EVENTS),
    ROLE("route-controller", "list watch|core|nodes\npatch|core|nodes/status\n" EVENTS),
    ROLE("service-account-controller", "create|core|serviceaccounts\n" EVENTS),
    ROLE("service-controller",
         READ "|core|services\npatch update|core|services/status\nlist watch|core|nodes\n" EVENTS),
    ROLE("service-cidrs-controller",
         "get list patch update watch|networking.k8s.io|servicecidrs\n"
         "patch update|networking.k8s.io|servicecidrs/finalizers\n"
         "patch update|networking.k8s.io|servicecidrs/status\n" READ
         "|networking.k8s.io|ipaddresses\n" EVENTS),
    ROLE("statefulset-controller",
         "list watch|core|pods\n" READ "|apps|statefulsets\nupdate|apps|statefulsets/status\n"
         "update|apps|statefulsets/finalizers\ncreate delete get patch update|core|pods\n"
         "create delete get list patch update watch|apps|controllerrevisions\n"
         "create get list watch|core|persistentvolumeclaims\n"
         "delete update|core|persistentvolumeclaims\nupdate|core|pods/finalizers\n" EVENTS),
    ROLE("ttl-controller", "list patch update watch|core|nodes\n" EVENTS),
    ROLE("certificate-controller",
         "delete get list watch|certificates.k8s.io|certificatesigningrequests\n"
         "update|certificates.k8s.io|certificatesigningrequests/approval "
         "certificatesigningrequests/status\n"
         "approve|certificates.k8s.io|signers|kubernetes.io/kube-apiserver-client-kubelet\n"
         "sign|certificates.k8s.io|signers|" SIGNERS "\n"
         "create|authorization.k8s.io|subjectaccessreviews\n" EVENTS),
    ROLE("pvc-protection-controller",
         "get list update watch|core|persistentvolumeclaims\n" READ "|core|pods\n" EVENTS),
    ROLE("pv-protection-controller", "get list update watch|core|persistentvolumes\n" EVENTS),
    ROLE("volumeattributesclass-protection-controller",
         READ "|core|persistentvolumeclaims\n" READ "|core|persistentvolumes\n"
              "get list update watch|storage.k8s.io|volumeattributesclasses\n" EVENTS),
    ROLE("ttl-after-finished-controller", "delete get list watch|batch|jobs\n" EVENTS),
    ROLE("root-ca-cert-publisher", "create update|core|configmaps\n" EVENTS),
    ROLE("validatingadmissionpolicy-status-controller",
         READ "|admissionregistration.k8s.io|validatingadmissionpolicies\n"
              "get patch update|admissionregistration.k8s.io|validatingadmissionpolicies/status\n"
              EVENTS),
    ROLE("legacy-service-account-token-cleaner",
         "get|core|configmaps|kube-apiserver-legacy-service-account-token-tracking\n"
         "delete patch|core|secrets\n"),
    {NULL, NULL, NULL, NULL, NULL},
};
