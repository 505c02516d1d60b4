/* What a pod's spec must be (pkg/apis/core/validation), also in the templates of workloads. */
#include "api/kinds/pod_parts.h"
#include "codec/names.h"

static bool check_restart(struct field_errors *e, const struct field *f, const struct json *c)
{
    static const char *const policies[] = {"Always", "Never", "OnFailure", NULL};
    const struct json *policy = json_get(c, "restartPolicy");
    if (!json_absent(policy))
        field_check_enum(e, FIELD(f, "restartPolicy"), policy, policies);
    return str_is(json_str(policy), "Always");
}

/* Those that run before the others; one that restarts always runs beside them. */
static void init_containers_validate(struct field_errors *e, const struct field *f,
                                     const struct json *list, const struct map *volumes,
                                     struct map *names, int64_t grace)
{
    static const char *const forbidden[] = {"lifecycle", "livenessProbe", "readinessProbe",
                                            "startupProbe"};
    int64_t i = 0;
    for (const struct json *c = json_first(list); c; c = c->next, i++) {
        const struct field *at = FIELD_AT(f, i);
        container_validate(e, at, c, volumes, names);
        bool sidecar = check_restart(e, at, c);
        if (sidecar)
            container_lifecycle_validate(e, at, c, grace);
        for (size_t k = 0; k < 4 && !sidecar; k++)
            if (!json_absent(json_get(c, forbidden[k])))
                field_forbidden(e, FIELD(at, forbidden[k]),
                                "may not be set for init containers without restartPolicy=Always");
    }
}

static bool has_container(const struct json *spec, struct str name)
{
    static const char *const lists[] = {"containers", "initContainers"};
    for (size_t i = 0; i < 2; i++)
        for (const struct json *c = json_first(json_get(spec, lists[i])); c; c = c->next)
            if (str_eq(json_path_str(c, "name"), name))
                return true;
    return false;
}

static void ephemeral_validate(struct field_errors *e, const struct field *f,
                               const struct json *spec, const struct map *volumes,
                               struct map *names)
{
    static const char *const forbidden[] = {"ports",        "livenessProbe", "readinessProbe",
                                            "startupProbe", "lifecycle",     "resizePolicy",
                                            "restartPolicy"};
    static const char *const paths[] = {"subPath", "subPathExpr"};
    static const char text[] = "cannot be set for an Ephemeral Container";
    int64_t i = 0;
    const struct json *c = json_first(json_get(spec, "ephemeralContainers"));
    for (; c; c = c->next, i++) {
        const struct field *at = FIELD_AT(f, i);
        struct str target = json_path_str(c, "targetContainerName");
        int64_t k = 0;
        container_validate(e, at, c, volumes, names);
        if (target.n && !has_container(spec, target))
            field_not_found(e, FIELD(at, "targetContainerName"), target);
        for (size_t n = 0; n < sizeof forbidden / sizeof forbidden[0]; n++)
            if (!json_absent(json_get(c, forbidden[n])))
                field_forbidden(e, FIELD(at, forbidden[n]), text);
        if (json_count(json_get(c, "resources")))
            field_forbidden(e, FIELD(at, "resources"), text);
        for (const struct json *m = json_first(json_get(c, "volumeMounts")); m; m = m->next, k++)
            for (size_t n = 0; n < 2; n++)
                if (json_str(json_get(m, paths[n])).n)
                    field_forbidden(e, FIELD(FIELD_AT(FIELD(at, "volumeMounts"), k), paths[n]),
                                    text);
    }
}

static void containers_validate(struct field_errors *e, const struct field *f,
                                const struct json *spec, const struct map *volumes,
                                struct map *names)
{
    int64_t i = 0, grace = json_path_i64(spec, "terminationGracePeriodSeconds", 30);
    const struct json *list = json_get(spec, "containers");
    if (!json_count(list))
        field_required(e, FIELD(f, "containers"), NULL);
    for (const struct json *c = json_first(list); c; c = c->next, i++) {
        const struct field *at = FIELD_AT(FIELD(f, "containers"), i);
        container_validate(e, at, c, volumes, names);
        container_lifecycle_validate(e, at, c, grace);
        (void)check_restart(e, at, c);
    }
    init_containers_validate(e, FIELD(f, "initContainers"), json_get(spec, "initContainers"),
                             volumes, names, grace);
    ephemeral_validate(e, FIELD(f, "ephemeralContainers"), spec, volumes, names);
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
