/* The default roles of people, nodes and components. See default_roles.h. */
#include "api/auth/default_roles.h"

#define READ  "get list watch"
#define WRITE "create delete deletecollection patch update"
#define ALL   "create delete deletecollection get list patch update watch"
#define EVENTS "create patch update|core events.k8s.io|events\n"
#define REVIEWS                                                                                    \
    "create|authentication.k8s.io|tokenreviews\n"                                                  \
    "create|authorization.k8s.io|subjectaccessreviews\n"

static const char admin_rules[] =
    "create|authorization.k8s.io|localsubjectaccessreviews\n" ALL
    "|rbac.authorization.k8s.io|rolebindings roles\n";

static const char edit_rules[] =
    READ "|core|pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy\n"
    "impersonate|core|serviceaccounts\n" WRITE
    "|core|pods pods/attach pods/exec pods/portforward pods/proxy\n"
    "create|core|pods/eviction\n" WRITE
    "|core|configmaps events persistentvolumeclaims replicationcontrollers "
    "replicationcontrollers/scale secrets serviceaccounts services services/proxy\n"
    "create|core|serviceaccounts/token\n" WRITE
    "|apps|daemonsets deployments deployments/rollback deployments/scale replicasets "
    "replicasets/scale statefulsets statefulsets/scale\n" WRITE
    "|autoscaling|horizontalpodautoscalers\n" WRITE "|batch|cronjobs jobs\n" WRITE
    "|extensions|daemonsets deployments deployments/rollback deployments/scale ingresses "
    "networkpolicies replicasets replicasets/scale replicationcontrollers/scale\n" WRITE
    "|policy|poddisruptionbudgets\n" WRITE "|networking.k8s.io|ingresses networkpolicies\n" ALL
    "|coordination.k8s.io|leases\n" WRITE
    "|resource.k8s.io|resourceclaims resourceclaimtemplates\n";

static const char view_rules[] =
    READ "|core|configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods "
         "replicationcontrollers replicationcontrollers/scale serviceaccounts services "
         "services/status\n" READ
         "|core|bindings events limitranges namespaces/status pods/log pods/status "
         "replicationcontrollers/status resourcequotas resourcequotas/status\n" READ
         "|core|namespaces\n" READ "|discovery.k8s.io|endpointslices\n" READ
         "|apps|controllerrevisions daemonsets daemonsets/status deployments deployments/scale "
         "deployments/status replicasets replicasets/scale replicasets/status statefulsets "
         "statefulsets/scale statefulsets/status\n" READ
         "|autoscaling|horizontalpodautoscalers horizontalpodautoscalers/status\n" READ
         "|batch|cronjobs cronjobs/status jobs jobs/status\n" READ
         "|extensions|daemonsets daemonsets/status deployments deployments/scale "
         "deployments/status ingresses ingresses/status networkpolicies replicasets "
         "replicasets/scale replicasets/status replicationcontrollers/scale\n" READ
         "|policy|poddisruptionbudgets poddisruptionbudgets/status\n" READ
         "|networking.k8s.io|ingresses ingresses/status networkpolicies\n" READ
         "|resource.k8s.io|resourceclaims resourceclaims/status resourceclaimtemplates\n";

static const char node_rules[] =
    "create|authentication.k8s.io|tokenreviews\n"
    "create|authorization.k8s.io|localsubjectaccessreviews subjectaccessreviews\n" READ
    "|core|services\n"
    "create get list watch|core|nodes\n"
    "patch update|core|nodes/status\n"
    "patch update|core|nodes\n" EVENTS READ "|core|pods\n"
    "create delete|core|pods\n"
    "patch update|core|pods/status\n"
    "create|core|pods/eviction\n" READ "|core|configmaps secrets\n"
    "get|core|persistentvolumeclaims persistentvolumes\n"
    "get|core|endpoints\n"
    "create get list watch|certificates.k8s.io|certificatesigningrequests\n"
    "create delete get patch update|coordination.k8s.io|leases\n"
    "get|storage.k8s.io|volumeattachments\n"
    "create|core|serviceaccounts/token\n"
    "get patch update|core|persistentvolumeclaims/status\n" READ "|storage.k8s.io|csidrivers\n"
    "create delete get patch update|storage.k8s.io|csinodes\n" READ "|node.k8s.io|runtimeclasses\n"
    "get|resource.k8s.io|resourceclaims\n"
    "create delete deletecollection get list patch update watch|resource.k8s.io|resourceslices\n";

static const char scheduler_rules[] =
    EVENTS "create list watch|coordination.k8s.io|leases\n"
           "get update|coordination.k8s.io|leases|kube-scheduler\n" READ "|core|nodes\n"
           "delete get list watch|core|pods\n"
           "create|core|bindings pods/binding\n"
           "patch update|core|pods/status\n" READ "|core|replicationcontrollers services\n" READ
           "|apps extensions|replicasets\n" READ "|apps|statefulsets\n" READ
           "|policy|poddisruptionbudgets\n" READ "|core|persistentvolumeclaims persistentvolumes\n"
           REVIEWS READ "|storage.k8s.io|csinodes\n" READ "|core|namespaces\n" READ
           "|storage.k8s.io|csidrivers\n" READ "|storage.k8s.io|csistoragecapacities\n" READ
           "|storage.k8s.io|volumeattachments\n" READ "|resource.k8s.io|deviceclasses\n"
           "get list patch update watch|resource.k8s.io|resourceclaims\n"
           "patch update|resource.k8s.io|resourceclaims/status\n" READ
           "|resource.k8s.io|resourceslices\n";

static const char manager_rules[] =
    EVENTS "create|coordination.k8s.io|leases\n"
           "get update|coordination.k8s.io|leases|kube-controller-manager\n"
           "create|core|secrets serviceaccounts\n"
           "delete|core|secrets\n"
           "get|core|configmaps namespaces secrets serviceaccounts\n"
           "update|core|secrets serviceaccounts\n" REVIEWS "list watch|*|*\n"
           "create|core|serviceaccounts/token\n";

const struct default_role default_roles_plain[] = {
    {NULL, "cluster-admin", "*|*|*\n*|*\n", NULL, NULL},
    {NULL, "admin", "", NULL, "admin"},
    {NULL, "edit", "", "admin", "edit"},
    {NULL, "view", "", "edit", "view"},
    {NULL, "system:aggregate-to-admin", admin_rules, "admin", NULL},
    {NULL, "system:aggregate-to-edit", edit_rules, "edit", NULL},
    {NULL, "system:aggregate-to-view", view_rules, "view", NULL},
    {NULL, "system:discovery",
     "get|/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version "
     "/version/\n",
     NULL, NULL},
    {NULL, "system:public-info-viewer", "get|/healthz /livez /readyz /version /version/\n", NULL,
     NULL},
    {NULL, "system:monitoring",
     "get|/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*\n", NULL,
     NULL},
    {NULL, "system:basic-user",
     "create|authorization.k8s.io|selfsubjectaccessreviews selfsubjectrulesreviews\n"
     "create|authentication.k8s.io|selfsubjectreviews\n",
     NULL, NULL},
    {NULL, "system:auth-delegator", REVIEWS, NULL, NULL},
    {NULL, "system:heapster",
     READ "|core|events namespaces nodes pods\n" READ "|extensions|deployments\n", NULL, NULL},
    {NULL, "system:kube-aggregator",
     READ "|core|endpoints services\n" READ "|discovery.k8s.io|endpointslices\n", NULL, NULL},
    {NULL, "system:kube-controller-manager", manager_rules, NULL, NULL},
    {NULL, "system:kube-scheduler", scheduler_rules, NULL, NULL},
    {NULL, "system:kube-dns", "list watch|core|endpoints services\n", NULL, NULL},
    {NULL, "system:coredns",
     "list watch|core|endpoints namespaces pods services\n"
     "list watch|discovery.k8s.io|endpointslices\n",
     NULL, NULL},
    {NULL, "system:kubelet-api-admin",
     READ "|core|nodes\n"
          "proxy|core|nodes\n"
          "*|core|nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods nodes/proxy "
          "nodes/stats\n",
     NULL, NULL},
    {NULL, "system:node", node_rules, NULL, NULL},
    {NULL, "system:node-bootstrapper",
     "create get list watch|certificates.k8s.io|certificatesigningrequests\n", NULL, NULL},
    {NULL, "system:node-problem-detector", "get|core|nodes\npatch|core|nodes/status\n" EVENTS, NULL,
     NULL},
    {NULL, "system:node-proxier",
     "list watch|core|endpoints services\n" READ "|core|nodes\n" EVENTS
     "list watch|discovery.k8s.io|endpointslices\n"
     "list watch|networking.k8s.io|servicecidrs\n",
     NULL, NULL},
    {NULL, "system:persistent-volume-provisioner",
     "create delete get list watch|core|persistentvolumes\n"
     "get list update watch|core|persistentvolumeclaims\n" READ "|storage.k8s.io|storageclasses\n"
     "watch|core|events\n" EVENTS,
     NULL, NULL},
    {NULL, "system:volume-scheduler",
     "get list patch update watch|core|persistentvolumes\n" READ "|storage.k8s.io|storageclasses\n"
     "get list patch update watch|core|persistentvolumeclaims\n",
     NULL, NULL},
    {NULL, "system:service-account-issuer-discovery",
     "get|/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks "
     "/openid/v1/jwks/\n",
     NULL, NULL},
    {NULL, "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
     "create|certificates.k8s.io|certificatesigningrequests/nodeclient\n", NULL, NULL},
    {NULL, "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
     "create|certificates.k8s.io|certificatesigningrequests/selfnodeclient\n", NULL, NULL},
    {NULL, "system:certificates.k8s.io:kube-apiserver-client-approver",
     "approve|certificates.k8s.io|signers|kubernetes.io/kube-apiserver-client\n", NULL, NULL},
    {NULL, "system:certificates.k8s.io:kube-apiserver-client-kubelet-approver",
     "approve|certificates.k8s.io|signers|kubernetes.io/kube-apiserver-client-kubelet\n", NULL,
     NULL},
    {NULL, "system:certificates.k8s.io:kubelet-serving-approver",
     "approve|certificates.k8s.io|signers|kubernetes.io/kubelet-serving\n", NULL, NULL},
    {NULL, "system:certificates.k8s.io:legacy-unknown-approver",
     "approve|certificates.k8s.io|signers|kubernetes.io/legacy-unknown\n", NULL, NULL},
    /* Ours: what our controller does by a patch where upstream's updates. */
    {NULL, "keelson:controller:deployment-controller", "patch|apps|deployments\n", NULL, NULL},
    {"kube-system", "extension-apiserver-authentication-reader",
     READ "|core|configmaps|extension-apiserver-authentication\n", NULL, NULL},
    {"kube-system", "system:controller:bootstrap-signer", READ "|core|secrets\n", NULL, NULL},
    {"kube-system", "system:controller:cloud-provider",
     "create get list watch|core|configmaps\n", NULL, NULL},
    {"kube-system", "system:controller:token-cleaner", "delete get list watch|core|secrets\n" EVENTS,
     NULL, NULL},
    {"kube-system", "system::leader-locking-kube-controller-manager",
     "watch|core|configmaps\nget update|core|configmaps|kube-controller-manager\n", NULL, NULL},
    {"kube-system", "system::leader-locking-kube-scheduler",
     "watch|core|configmaps\nget update|core|configmaps|kube-scheduler\n", NULL, NULL},
    {"kube-public", "system:controller:bootstrap-signer",
     READ "|core|configmaps\nupdate|core|configmaps|cluster-info\n" EVENTS, NULL, NULL},
    /* Ours: who joins reads where the cluster is and what its CA is. */
    {"kube-public", "keelson:cluster-info", "get|core|configmaps|cluster-info\n", NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

#define MASTERS "Group:system:masters"
#define ANYBODY "Group:system:authenticated"

const struct default_binding default_bindings[] = {
    {NULL, "cluster-admin", "ClusterRole", "cluster-admin", MASTERS},
    {NULL, "system:monitoring", "ClusterRole", "system:monitoring", "Group:system:monitoring"},
    {NULL, "system:discovery", "ClusterRole", "system:discovery", ANYBODY},
    {NULL, "system:basic-user", "ClusterRole", "system:basic-user", ANYBODY},
    {NULL, "system:public-info-viewer", "ClusterRole", "system:public-info-viewer",
     ANYBODY " Group:system:unauthenticated"},
    {NULL, "system:node-proxier", "ClusterRole", "system:node-proxier", "User:system:kube-proxy"},
    {NULL, "system:kube-controller-manager", "ClusterRole", "system:kube-controller-manager",
     "User:system:kube-controller-manager"},
    {NULL, "system:kube-dns", "ClusterRole", "system:kube-dns", "ServiceAccount:kube-dns"},
    {NULL, "system:coredns", "ClusterRole", "system:coredns", "User:system:coredns"},
    {NULL, "system:kube-scheduler", "ClusterRole", "system:kube-scheduler",
     "User:system:kube-scheduler"},
    {NULL, "system:volume-scheduler", "ClusterRole", "system:volume-scheduler",
     "User:system:kube-scheduler"},
    {NULL, "system:node", "ClusterRole", "system:node", ""},
    {NULL, "system:service-account-issuer-discovery", "ClusterRole",
     "system:service-account-issuer-discovery", "Group:system:serviceaccounts"},
    /* Ours: the node role is kubelet and service proxy in one, and approves its own renewals. */
    {NULL, "keelson:node-proxier", "ClusterRole", "system:node-proxier", "Group:system:nodes"},
    {NULL, "keelson:node-renewal", "ClusterRole",
     "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient", "Group:system:nodes"},
    /* Ours, as kubeadm binds them: a bootstrap token of this group is enough for a node's first
     * certificate. */
    {NULL, "keelson:node-bootstrapper", "ClusterRole", "system:node-bootstrapper",
     "Group:system:bootstrappers:kubeadm:default-node-token"},
    {NULL, "keelson:node-joining", "ClusterRole",
     "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
     "Group:system:bootstrappers:kubeadm:default-node-token"},
    {"kube-public", "keelson:cluster-info", "Role", "keelson:cluster-info",
     "Group:system:bootstrappers"},
    {NULL, "keelson:controller:deployment-controller", "ClusterRole",
     "keelson:controller:deployment-controller", "ServiceAccount:deployment-controller"},
    {NULL, "keelson:kubelet-client", "ClusterRole", "system:kubelet-api-admin",
     "User:kube-apiserver-kubelet-client"},
    {"kube-system", "system::extension-apiserver-authentication-reader", "Role",
     "extension-apiserver-authentication-reader",
     "User:system:kube-controller-manager User:system:kube-scheduler"},
    {"kube-system", "system::leader-locking-kube-controller-manager", "Role",
     "system::leader-locking-kube-controller-manager",
     "User:system:kube-controller-manager ServiceAccount:kube-controller-manager"},
    {"kube-system", "system::leader-locking-kube-scheduler", "Role",
     "system::leader-locking-kube-scheduler",
     "User:system:kube-scheduler ServiceAccount:kube-scheduler"},
    {"kube-system", "system:controller:bootstrap-signer", "Role",
     "system:controller:bootstrap-signer", "ServiceAccount:bootstrap-signer"},
    {"kube-system", "system:controller:cloud-provider", "Role", "system:controller:cloud-provider",
     "ServiceAccount:cloud-provider"},
    {"kube-system", "system:controller:token-cleaner", "Role", "system:controller:token-cleaner",
     "ServiceAccount:token-cleaner"},
    {"kube-public", "system:controller:bootstrap-signer", "Role",
     "system:controller:bootstrap-signer", "ServiceAccount:bootstrap-signer"},
    {NULL, NULL, NULL, NULL, NULL},
};
