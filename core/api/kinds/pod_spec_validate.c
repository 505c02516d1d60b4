/* What a pod's spec must be (pkg/apis/core/validation), also in the templates of workloads. */
#include "api/kinds/pod_parts.h"
#include "codec/names.h"

static void containers_validate(struct field_errors *e, const struct field *spec,
                                const struct json *object, const struct map *volumes,
                                struct map *names)
{
    int64_t i = 0;
    const struct json *list = json_get(object, "containers");
    if (!json_count(list))
        field_required(e, FIELD(spec, "containers"), NULL);
    for (const struct json *c = json_first(list); c; c = c->next, i++) {
        const struct field *at = FIELD_AT(FIELD(spec, "containers"), i);
        container_validate(e, at, c, volumes, names);
        container_lifecycle_validate(e, at, c);
    }
    i = 0;
    for (const struct json *c = json_first(json_get(object, "initContainers")); c;
         c = c->next, i++) {
        static const char *const forbidden[] = {"lifecycle", "livenessProbe", "readinessProbe",
                                                "startupProbe"};
        const struct field *at = FIELD_AT(FIELD(spec, "initContainers"), i);
        container_validate(e, at, c, volumes, names);
        const struct json *policy = json_get(c, "restartPolicy");
        bool sidecar = str_is(json_str(policy), "Always");
        if (policy && !sidecar)
            field_unsupported(e, FIELD(at, "restartPolicy"), json_str(policy),
                              (const char *const[]){"Always", NULL});
        if (sidecar)
            container_lifecycle_validate(e, at, c);
        for (size_t k = 0; k < 4 && !sidecar; k++)
            if (json_get(c, forbidden[k]))
                field_forbidden(e, FIELD(at, forbidden[k]),
                                "may not be set for init containers without restartPolicy=Always");
    }
    i = 0;
    for (const struct json *c = json_first(json_get(object, "ephemeralContainers")); c;
         c = c->next, i++)
        container_validate(e, FIELD_AT(FIELD(spec, "ephemeralContainers"), i), c, volumes, names);
}

static void names_validate(struct field_errors *e, const struct field *f, const struct json *spec)
{
    struct str account = json_path_str(spec, "serviceAccountName"),
               host = json_path_str(spec, "hostname");
    struct str sub = json_path_str(spec, "subdomain"), node = json_path_str(spec, "nodeName");
    struct str priority = json_path_str(spec, "priorityClassName"),
               runtime = json_path_str(spec, "runtimeClassName");
    if (account.n)
        field_check_name(e, FIELD(f, "serviceAccountName"), account, names_dns1123_subdomain);
    if (node.n)
        field_check_name(e, FIELD(f, "nodeName"), node, names_dns1123_subdomain);
    if (host.n)
        field_check_name(e, FIELD(f, "hostname"), host, names_dns1123_label);
    if (sub.n)
        field_check_name(e, FIELD(f, "subdomain"), sub, names_dns1123_label);
    if (priority.n)
        field_check_name(e, FIELD(f, "priorityClassName"), priority, names_dns1123_subdomain);
    if (runtime.n)
        field_check_name(e, FIELD(f, "runtimeClassName"), runtime, names_dns1123_subdomain);
}

/* With the host's network every container port is the host's. */
static void host_network_validate(struct field_errors *e, const struct field *f,
                                  const struct json *spec)
{
    int64_t i = 0;
    if (!json_path_bool(spec, "hostNetwork", false))
        return;
    for (const struct json *c = json_first(json_get(spec, "containers")); c; c = c->next, i++) {
        int64_t k = 0;
        for (const struct json *p = json_first(json_get(c, "ports")); p; p = p->next, k++)
            if (json_path_i64(p, "hostPort", 0) != json_path_i64(p, "containerPort", 0))
                field_invalid(
                    e,
                    FIELD(FIELD_AT(FIELD(FIELD_AT(FIELD(f, "containers"), i), "ports"), k),
                          "hostPort"),
                    json_get(p, "hostPort"),
                    "must match `containerPort` when `hostNetwork` is true");
    }
}

/* A choice whose absence is a mistake of its own. */
static void check_policies(struct field_errors *e, const struct field *f, const struct json *spec)
{
    static const char *const restart[] = {"Always", "OnFailure", "Never", NULL};
    static const char *const dns[] = {"ClusterFirstWithHostNet", "ClusterFirst", "Default", "None",
                                      NULL};
    field_check_enum(e, FIELD(f, "restartPolicy"), json_get(spec, "restartPolicy"), restart);
    field_check_enum(e, FIELD(f, "dnsPolicy"), json_get(spec, "dnsPolicy"), dns);
}

static void check_rest(struct field_errors *e, const struct field *f, const struct json *spec)
{
    static const char *const preemption[] = {"PreemptLowerPriority", "Never", NULL};
    const struct json *deadline = json_get(spec, "activeDeadlineSeconds"),
                      *grace = json_get(spec, "terminationGracePeriodSeconds"),
                      *policy = json_get(spec, "preemptionPolicy"),
                      *overhead = json_get(spec, "overhead");
    if (!json_absent(deadline) && (json_i64(deadline, 0) < 1 || json_i64(deadline, 0) > INT32_MAX))
        field_invalid(e, FIELD(f, "activeDeadlineSeconds"), deadline,
                      "must be between 1 and 2147483647, inclusive");
    field_check_not_negative(e, FIELD(f, "terminationGracePeriodSeconds"), grace);
    tolerations_validate(e, FIELD(f, "tolerations"), json_get(spec, "tolerations"));
    host_aliases_validate(e, FIELD(f, "hostAliases"), json_get(spec, "hostAliases"));
    if (!json_absent(policy))
        field_check_enum(e, FIELD(f, "preemptionPolicy"), policy, preemption);
    if (json_count(overhead)) {
        struct json *resources = json_new(e->arena, JSON_OBJECT);
        json_set(e->arena, resources, "limits", json_clone(e->arena, overhead));
        resources_validate(e, FIELD(f, "overhead"), resources);
    }
    pod_os_validate(e, f, spec);
}

void pod_spec_validate(struct field_errors *e, const struct field *f, const struct json *spec)
{
    struct map volumes, names;
    map_init(&volumes);
    map_init(&names);
    volumes_validate(e, FIELD(f, "volumes"), json_get(spec, "volumes"), &volumes);
    containers_validate(e, f, spec, &volumes, &names);
    host_ports_validate(e, FIELD(f, "containers"), json_get(spec, "containers"));
    host_network_validate(e, f, spec);
    check_policies(e, f, spec);
    field_check_labels(e, FIELD(f, "nodeSelector"), json_get(spec, "nodeSelector"));
    pod_security_validate(e, f, spec);
    affinity_validate(e, FIELD(f, "affinity"), json_get(spec, "affinity"));
    dns_validate(e, f, spec);
    readiness_gates_validate(e, FIELD(f, "readinessGates"), json_get(spec, "readinessGates"));
    scheduling_gates_validate(e, FIELD(f, "schedulingGates"), json_get(spec, "schedulingGates"));
    topology_spread_validate(e, FIELD(f, "topologySpreadConstraints"),
                             json_get(spec, "topologySpreadConstraints"));
    names_validate(e, f, spec);
    check_rest(e, f, spec);
    map_done(&volumes, NULL);
    map_done(&names, NULL);
}

void template_validate(struct field_errors *e, const struct field *f, const struct json *template)
{
    const struct json *pod = json_get(template, "spec");
    field_check_labels(e, FIELD(f, "labels"), json_path(template, "metadata.labels"));
    meta_validate_annotations(e, FIELD(f, "annotations"),
                              json_path(template, "metadata.annotations"));
    pod_spec_validate(e, FIELD(f, "spec"), pod);
    if (json_count(json_get(pod, "ephemeralContainers")))
        field_forbidden(e, FIELD(FIELD(f, "spec"), "ephemeralContainers"),
                        "ephemeral containers not allowed in pod template");
}
