/* Storage, networking, policy, RBAC, and the API's own machinery. */
#include <stdio.h>

#include "codec/time.h"
#include "schema/printers_int.h"

enum { TEXT_MOST = 4 * 1024 * 1024 };

static void put_path(struct printers_row *row, const struct json *o, const char *path)
{
    printers_put(row, json_path_cstr(o, path));
}

static void created_at_cells(struct printers_row *row, const struct json *o)
{
    printers_put_name(row, o);
    put_path(row, o, "metadata.creationTimestamp");
}

/* ---- storage ---- */

static void put_phase(struct printers_row *row, const struct json *o)
{
    bool deleting = !json_absent(json_path(o, "metadata.deletionTimestamp"));
    printers_put(row, deleting ? "Terminating" : json_path_cstr(o, "status.phase"));
}

static void volume_cells(struct printers_row *row, const struct json *o)
{
    const struct json *claim = json_path(o, "spec.claimRef");
    printers_put_name(row, o);
    put_path(row, o, "spec.capacity.storage");
    printers_put_access_modes(row, json_path(o, "spec.accessModes"));
    put_path(row, o, "spec.persistentVolumeReclaimPolicy");
    put_phase(row, o);
    if (json_absent(claim))
        printers_put(row, "");
    else
        printers_putf(row, "%s/%s", json_cstr(json_get(claim, "namespace")),
                      json_cstr(json_get(claim, "name")));
    put_path(row, o, "spec.storageClassName");
    printers_put_or(row, json_path_cstr(o, "spec.volumeAttributesClassName"), "<unset>");
    put_path(row, o, "status.reason");
    printers_put_created(row, o);
    printers_put_or(row, json_path_cstr(o, "spec.volumeMode"), "<unset>");
}

static void claim_cells(struct printers_row *row, const struct json *o)
{
    const char *volume = json_path_cstr(o, "spec.volumeName");
    printers_put_name(row, o);
    put_phase(row, o);
    printers_put(row, volume);
    printers_put(row, *volume ? json_path_cstr(o, "status.capacity.storage") : "");
    printers_put_access_modes(row, *volume ? json_path(o, "status.accessModes") : NULL);
    put_path(row, o, "spec.storageClassName");
    printers_put_or(row, json_path_cstr(o, "spec.volumeAttributesClassName"), "<unset>");
    printers_put_created(row, o);
    printers_put_or(row, json_path_cstr(o, "spec.volumeMode"), "<unset>");
}

static void storage_class_cells(struct printers_row *row, const struct json *o)
{
    const char *reclaim = json_cstr(json_get(o, "reclaimPolicy"));
    const struct json *is_default = json_get(json_path(o, "metadata.annotations"),
                                             "storageclass.kubernetes.io/is-default-class");
    printers_putf(row, "%s%s", json_path_cstr(o, "metadata.name"),
                  cstr_eq(json_cstr(is_default), "true") ? " (default)" : "");
    printers_put(row, json_cstr(json_get(o, "provisioner")));
    printers_put_or(row, reclaim, "Delete");
    printers_put_or(row, json_cstr(json_get(o, "volumeBindingMode")), "<unset>");
    printers_put_bool(row, json_get(o, "allowVolumeExpansion"), "false");
    printers_put_created(row, o);
}

static void attachment_cells(struct printers_row *row, const struct json *o)
{
    printers_put_name(row, o);
    put_path(row, o, "spec.attacher");
    put_path(row, o, "spec.source.persistentVolumeName");
    put_path(row, o, "spec.nodeName");
    printers_put_bool(row, json_path(o, "status.attached"), "false");
    printers_put_created(row, o);
}

static void csi_driver_cells(struct printers_row *row, const struct json *o)
{
    printers_put_name(row, o);
    printers_put_bool(row, json_path(o, "spec.attachRequired"), "true");
    printers_put_bool(row, json_path(o, "spec.podInfoOnMount"), "false");
    printers_put_bool(row, json_path(o, "spec.storageCapacity"), "false");
    printers_put_joined(row, json_path(o, "spec.tokenRequests"), "audience", "<unset>");
    printers_put_bool(row, json_path(o, "spec.requiresRepublish"), "false");
    printers_put_joined(row, json_path(o, "spec.volumeLifecycleModes"), "", "<none>");
    printers_put_created(row, o);
}

static void csi_node_cells(struct printers_row *row, const struct json *o)
{
    printers_put_name(row, o);
    printers_put_int(row, json_count(json_path(o, "spec.drivers")));
    printers_put_created(row, o);
}

static void capacity_cells(struct printers_row *row, const struct json *o)
{
    printers_put_name(row, o);
    printers_put(row, json_cstr(json_get(o, "storageClassName")));
    printers_put_or(row, json_cstr(json_get(o, "capacity")), "<unset>");
    printers_put_created(row, o);
}

/* ---- networking ---- */

static void ingress_cells(struct printers_row *row, const struct json *o)
{
    size_t hosts = 0;
    CLEANUP_BUF struct buf h, a;
    buf_init(&h, TEXT_MOST);
    buf_init(&a, TEXT_MOST);
    for (const struct json *r = json_first(json_path(o, "spec.rules")); r; r = r->next) {
        const char *host = json_cstr(json_get(r, "host"));
        if (*host && hosts++ < 3)
            buf_printf(&h, "%s%s", hosts > 1 ? "," : "", host);
    }
    if (hosts > 3)
        buf_printf(&h, " + %zu more...", hosts - 3);
    for (const struct json *i = json_first(json_path(o, "status.loadBalancer.ingress")); i;
         i = i->next) {
        const char *ip = json_cstr(json_get(i, "ip"));
        buf_printf(&a, "%s%s", buf_len(&a) ? "," : "",
                   *ip ? ip : json_cstr(json_get(i, "hostname")));
    }
    printers_put_name(row, o);
    printers_put_or(row, json_path_cstr(o, "spec.ingressClassName"), "<none>");
    printers_put_buf(row, &h, "*");
    printers_put_buf(row, &a, "");
    printers_put(row, json_count(json_path(o, "spec.tls")) ? "80, 443" : "80");
    printers_put_created(row, o);
}

static void ingress_class_cells(struct printers_row *row, const struct json *o)
{
    const struct json *p = json_path(o, "spec.parameters");
    const char *group = json_cstr(json_get(p, "apiGroup"));
    printers_put_name(row, o);
    put_path(row, o, "spec.controller");
    if (json_absent(p))
        printers_put(row, "<none>");
    else
        printers_putf(row, "%s%s%s/%s", json_cstr(json_get(p, "kind")), *group ? "." : "", group,
                      json_cstr(json_get(p, "name")));
    printers_put_created(row, o);
}

static void network_policy_cells(struct printers_row *row, const struct json *o)
{
    printers_put_name(row, o);
    printers_put_selector(row, json_path(o, "spec.podSelector"), "<none>");
    printers_put_created(row, o);
}

static void ip_address_cells(struct printers_row *row, const struct json *o)
{
    const struct json *p = json_path(o, "spec.parentRef");
    const char *group = json_cstr(json_get(p, "group")),
               *namespace = json_cstr(json_get(p, "namespace"));
    printers_put_name(row, o);
    printers_putf(row, "%s%s%s/%s%s%s", json_cstr(json_get(p, "resource")), *group ? "." : "",
                  group, namespace, *namespace ? "/" : "", json_cstr(json_get(p, "name")));
    printers_put_created(row, o);
}

static void service_cidr_cells(struct printers_row *row, const struct json *o)
{
    printers_put_name(row, o);
    printers_put_joined(row, json_path(o, "spec.cidrs"), "", "");
    printers_put_created(row, o);
}

/* ---- policy and scheduling ---- */

static void put_int_or_string(struct printers_row *row, const struct json *j)
{
    if (json_absent(j))
        printers_put(row, "N/A");
    else if (json_is(j, JSON_INT))
        printers_putf(row, "%lld", (long long)j->i64);
    else
        printers_put(row, json_cstr(j));
}

static void disruption_budget_cells(struct printers_row *row, const struct json *o)
{
    printers_put_name(row, o);
    put_int_or_string(row, json_path(o, "spec.minAvailable"));
    put_int_or_string(row, json_path(o, "spec.maxUnavailable"));
    printers_put_int(row, json_path_i64(o, "status.disruptionsAllowed", 0));
    printers_put_created(row, o);
}

static void priority_class_cells(struct printers_row *row, const struct json *o)
{
    printers_put_name(row, o);
    printers_put_int(row, json_i64(json_get(o, "value"), 0));
    printers_put_bool(row, json_get(o, "globalDefault"), "false");
    printers_put_created(row, o);
    printers_put(row, json_cstr(json_get(o, "preemptionPolicy")));
}

static void runtime_class_cells(struct printers_row *row, const struct json *o)
{
    printers_put_name(row, o);
    printers_put(row, json_cstr(json_get(o, "handler")));
    printers_put_created(row, o);
}

/* One metric of an HPA's spec beside its current value. Resource metrics have both forms in full.
 */
static void write_metric(struct buf *b, const struct json *metric, const struct json *current)
{
    const char *name = json_path_cstr(metric, "resource.name");
    const struct json *want = json_path(metric, "resource.target.averageUtilization");
    const struct json *now = json_path(current, "resource.current.averageUtilization");
    if (*name)
        buf_printf(b, "%s: ", name);
    if (!json_absent(want)) {
        if (json_absent(now))
            buf_puts(b, "<unknown>");
        else
            buf_printf(b, "%d%%", (int)json_i64(now, 0));
        buf_printf(b, "/%d%%", (int)json_i64(want, 0));
        return;
    }
    const char *value = json_path_cstr(current, "resource.current.averageValue");
    buf_printf(b, "%s/%s", *value ? value : "<unknown>",
               *name ? json_path_cstr(metric, "resource.target.averageValue")
                     : json_cstr(json_get(metric, "type")));
}

static void put_targets(struct printers_row *row, const struct json *o)
{
    const struct json *metrics = json_path(o, "spec.metrics");
    const struct json *v1 = json_path(o, "spec.targetCPUUtilizationPercentage");
    uint32_t at = 0;
    CLEANUP_BUF struct buf b;
    buf_init(&b, TEXT_MOST);
    if (!json_absent(v1)) {
        const struct json *now = json_path(o, "status.currentCPUUtilizationPercentage");
        if (json_absent(now))
            printers_putf(row, "cpu: <unknown>/%d%%", (int)json_i64(v1, 0));
        else
            printers_putf(row, "cpu: %d%%/%d%%", (int)json_i64(now, 0), (int)json_i64(v1, 0));
        return;
    }
    for (const struct json *m = json_first(metrics); m; m = m->next, at++) {
        if (at >= 2)
            continue;
        buf_puts(&b, at ? ", " : "");
        write_metric(&b, m, json_at(json_path(o, "status.currentMetrics"), at));
    }
    if (at > 2)
        buf_printf(&b, " + %u more...", at - 2);
    printers_put_buf(row, &b, "<none>");
}

static void autoscaler_cells(struct printers_row *row, const struct json *o)
{
    const struct json *min = json_path(o, "spec.minReplicas");
    printers_put_name(row, o);
    printers_putf(row, "%s/%s", json_path_cstr(o, "spec.scaleTargetRef.kind"),
                  json_path_cstr(o, "spec.scaleTargetRef.name"));
    put_targets(row, o);
    if (json_absent(min))
        printers_put(row, "<unset>");
    else
        printers_putf(row, "%d", (int)json_i64(min, 0));
    printers_put_int(row, json_path_i64(o, "spec.maxReplicas", 0));
    printers_put_int(row, json_path_i64(o, "status.currentReplicas", 0));
    printers_put_created(row, o);
}

/* ---- RBAC, certificates, leases ---- */

static void put_subjects(struct printers_row *row, const struct json *o, const char *kind)
{
    CLEANUP_BUF struct buf b;
    buf_init(&b, TEXT_MOST);
    for (const struct json *s = json_first(json_get(o, "subjects")); s; s = s->next) {
        const char *namespace = json_cstr(json_get(s, "namespace"));
        if (!cstr_eq(json_cstr(json_get(s, "kind")), kind))
            continue;
        buf_puts(&b, buf_len(&b) ? ", " : "");
        if (cstr_eq(kind, "ServiceAccount"))
            buf_printf(&b, "%s/", namespace);
        buf_puts(&b, json_cstr(json_get(s, "name")));
    }
    printers_put_buf(row, &b, "");
}

static void binding_cells(struct printers_row *row, const struct json *o)
{
    printers_put_name(row, o);
    printers_putf(row, "%s/%s", json_path_cstr(o, "roleRef.kind"),
                  json_path_cstr(o, "roleRef.name"));
    printers_put_created(row, o);
    put_subjects(row, o, "User");
    put_subjects(row, o, "Group");
    put_subjects(row, o, "ServiceAccount");
}

static void signing_request_cells(struct printers_row *row, const struct json *o)
{
    const struct json *seconds = json_path(o, "spec.expirationSeconds");
    char age[16] = "<none>";
    bool approved = printers_condition(o, "Approved"), denied = printers_condition(o, "Denied");
    bool failed = printers_condition(o, "Failed"),
         issued = *json_path_cstr(o, "status.certificate");
    if (!json_absent(seconds))
        printers_age(age, json_i64(seconds, 0) * 1000);
    printers_put_name(row, o);
    printers_put_created(row, o);
    printers_put_or(row, json_path_cstr(o, "spec.signerName"), "<none>");
    put_path(row, o, "spec.username");
    printers_put(row, age);
    printers_putf(row, "%s%s%s",
                  denied     ? "Denied"
                  : approved ? "Approved"
                             : "Pending",
                  failed ? ",Failed" : "", issued ? ",Issued" : "");
}

static void lease_cells(struct printers_row *row, const struct json *o)
{
    printers_put_name(row, o);
    put_path(row, o, "spec.holderIdentity");
    printers_put_created(row, o);
}

/* ---- the API's own machinery ---- */

static void webhooks_cells(struct printers_row *row, const struct json *o)
{
    printers_put_name(row, o);
    printers_put_int(row, json_count(json_get(o, "webhooks")));
    printers_put_created(row, o);
}

static void admission_policy_cells(struct printers_row *row, const struct json *o)
{
    const struct json *kind = json_path(o, "spec.paramKind");
    printers_put_name(row, o);
    printers_put_int(row, json_count(json_path(o, "spec.validations")));
    if (json_absent(kind))
        printers_put(row, "<unset>");
    else
        printers_putf(row, "%s/%s", json_cstr(json_get(kind, "apiVersion")),
                      json_cstr(json_get(kind, "kind")));
    printers_put_created(row, o);
}

static void admission_binding_cells(struct printers_row *row, const struct json *o)
{
    const char *namespace = json_path_cstr(o, "spec.paramRef.namespace");
    printers_put_name(row, o);
    put_path(row, o, "spec.policyName");
    if (json_absent(json_path(o, "spec.paramRef")))
        printers_put(row, "<unset>");
    else
        printers_putf(row, "%s/%s", *namespace ? namespace : "*",
                      json_path_cstr(o, "spec.paramRef.name"));
    printers_put_created(row, o);
}

static void api_service_cells(struct printers_row *row, const struct json *o)
{
    const struct json *service = json_path(o, "spec.service"),
                      *c = printers_condition(o, "Available");
    const char *status = json_cstr(json_get(c, "status"));
    printers_put_name(row, o);
    if (json_absent(service))
        printers_put(row, "Local");
    else
        printers_putf(row, "%s/%s", json_cstr(json_get(service, "namespace")),
                      json_cstr(json_get(service, "name")));
    if (!c || cstr_eq(status, "True"))
        printers_put_or(row, status, "Unknown");
    else
        printers_putf(row, "%s (%s)", status, json_cstr(json_get(c, "reason")));
    printers_put_created(row, o);
}

static void flow_schema_cells(struct printers_row *row, const struct json *o)
{
    printers_put_name(row, o);
    put_path(row, o, "spec.priorityLevelConfiguration.name");
    printers_put_int(row, json_path_i64(o, "spec.matchingPrecedence", 0));
    printers_put_or(row, json_path_cstr(o, "spec.distinguisherMethod.type"), "<none>");
    printers_put_created(row, o);
    printers_put_or(row, json_cstr(json_get(printers_condition(o, "Dangling"), "status")), "?");
}

static void put_number_or(struct printers_row *row, const struct json *j)
{
    if (json_absent(j))
        printers_put(row, "<none>");
    else
        printers_put_int(row, json_i64(j, 0));
}

static void priority_level_cells(struct printers_row *row, const struct json *o)
{
    const struct json *limited = json_path(o, "spec.limited");
    const struct json *queuing = json_path(limited, "limitResponse.queuing");
    printers_put_name(row, o);
    put_path(row, o, "spec.type");
    put_number_or(row, json_get(limited, "nominalConcurrencyShares"));
    put_number_or(row, json_get(queuing, "queues"));
    put_number_or(row, json_get(queuing, "handSize"));
    put_number_or(row, json_get(queuing, "queueLengthLimit"));
    printers_put_created(row, o);
}

static void resource_claim_cells(struct printers_row *row, const struct json *o)
{
    bool allocated = !json_absent(json_path(o, "status.allocation"));
    bool reserved = json_count(json_path(o, "status.reservedFor"));
    bool deleting = !json_absent(json_path(o, "metadata.deletionTimestamp"));
    printers_put_name(row, o);
    printers_putf(row, "%s%s%s", deleting ? "deleted," : "", allocated ? "allocated" : "pending",
                  reserved ? ",reserved" : "");
    printers_put_created(row, o);
}

static void resource_slice_cells(struct printers_row *row, const struct json *o)
{
    printers_put_name(row, o);
    put_path(row, o, "spec.nodeName");
    put_path(row, o, "spec.driver");
    put_path(row, o, "spec.pool.name");
    printers_put_created(row, o);
}

#define ADMISSION       "admissionregistration.k8s.io"
#define NETWORKING      "networking.k8s.io"
#define RBAC            "rbac.authorization.k8s.io"
#define STORAGE         "storage.k8s.io"
#define BINDING_COLUMNS "Name|Role|Age|Users+|Groups+|ServiceAccounts+"

const struct printers_kind printers_others[] = {
    {"", "persistentvolumes",
     "Name|Capacity|Access Modes|Reclaim "
     "Policy|Status|Claim|StorageClass|VolumeAttributesClass|Reason|Age|"
     "VolumeMode+",
     volume_cells},
    {"", "persistentvolumeclaims",
     "Name|Status|Volume|Capacity|Access Modes|StorageClass|VolumeAttributesClass|Age|VolumeMode+",
     claim_cells},
    {STORAGE, "storageclasses",
     "Name|Provisioner|ReclaimPolicy|VolumeBindingMode|AllowVolumeExpansion|Age",
     storage_class_cells},
    {STORAGE, "volumeattachments", "Name|Attacher|PV|Node|Attached|Age", attachment_cells},
    {STORAGE, "csidrivers",
     "Name|AttachRequired|PodInfoOnMount|StorageCapacity|TokenRequests|RequiresRepublish|Modes|Age",
     csi_driver_cells},
    {STORAGE, "csinodes", "Name|#Drivers|Age", csi_node_cells},
    {STORAGE, "csistoragecapacities", "Name|StorageClassName|Capacity|Age", capacity_cells},
    {NETWORKING, "ingresses", "Name|Class|Hosts|Address|Ports|Age", ingress_cells},
    {NETWORKING, "ingressclasses", "Name|Controller|Parameters|Age", ingress_class_cells},
    {NETWORKING, "networkpolicies", "Name|Pod-Selector|Age", network_policy_cells},
    {NETWORKING, "ipaddresses", "Name|ParentRef|Age", ip_address_cells},
    {NETWORKING, "servicecidrs", "Name|CIDRs|Age", service_cidr_cells},
    {"policy", "poddisruptionbudgets",
     "Name|Min Available|Max Unavailable|#Allowed Disruptions|Age", disruption_budget_cells},
    {"scheduling.k8s.io", "priorityclasses", "Name|#Value|Global-Default|Age|PreemptionPolicy",
     priority_class_cells},
    {"node.k8s.io", "runtimeclasses", "Name|Handler|Age", runtime_class_cells},
    {"autoscaling", "horizontalpodautoscalers",
     "Name|Reference|Targets|MinPods|#MaxPods|#Replicas|Age", autoscaler_cells},
    {RBAC, "rolebindings", BINDING_COLUMNS, binding_cells},
    {RBAC, "clusterrolebindings", BINDING_COLUMNS, binding_cells},
    {RBAC, "roles", "Name|Created At", created_at_cells},
    {RBAC, "clusterroles", "Name|Created At", created_at_cells},
    {"certificates.k8s.io", "certificatesigningrequests",
     "Name|Age|SignerName|Requestor|RequestedDuration|Condition", signing_request_cells},
    {"coordination.k8s.io", "leases", "Name|Holder|Age", lease_cells},
    {ADMISSION, "mutatingwebhookconfigurations", "Name|#Webhooks|Age", webhooks_cells},
    {ADMISSION, "validatingwebhookconfigurations", "Name|#Webhooks|Age", webhooks_cells},
    {ADMISSION, "validatingadmissionpolicies", "Name|#Validations|ParamKind|Age",
     admission_policy_cells},
    {ADMISSION, "validatingadmissionpolicybindings", "Name|PolicyName|ParamRef|Age",
     admission_binding_cells},
    {"apiextensions.k8s.io", "customresourcedefinitions", "Name|Created At", created_at_cells},
    {"apiregistration.k8s.io", "apiservices", "Name|Service|Available|Age", api_service_cells},
    {"flowcontrol.apiserver.k8s.io", "flowschemas",
     "Name|PriorityLevel|#MatchingPrecedence|DistinguisherMethod|Age|MissingPL", flow_schema_cells},
    {"flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations",
     "Name|Type|NominalConcurrencyShares|Queues|HandSize|QueueLengthLimit|Age",
     priority_level_cells},
    {"resource.k8s.io", "resourceclaims", "Name|State|Age", resource_claim_cells},
    {"resource.k8s.io", "resourceslices", "Name|Node|Driver|Pool|Age", resource_slice_cells},
    {NULL, NULL, NULL, NULL},
};
