/* What a pod's spec must be (pkg/apis/core/validation), also in the templates of workloads. */
#include "api/kinds/kinds.h"
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

static void tolerations_validate(struct field_errors *e, const struct field *f,
                                 const struct json *list)
{
    static const char *const effects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute", NULL};
    int64_t i = 0;
    for (const struct json *t = json_first(list); t; t = t->next, i++) {
        const struct field *at = FIELD_AT(f, i);
        struct str key = json_path_str(t, "key"), op = json_path_str(t, "operator"),
                   effect = json_path_str(t, "effect");
        if (key.n)
            field_check_name(e, FIELD(at, "key"), key, names_qualified);
        else if (!str_is(op, "Exists"))
            field_invalid_str(e, FIELD(at, "operator"), op,
                              "operator must be Exists when `key` is empty, which means \"match "
                              "all values and all keys\"");
        if (json_get(t, "tolerationSeconds") && !str_is(effect, "NoExecute"))
            field_invalid_str(e, FIELD(at, "effect"), effect,
                              "effect must be 'NoExecute' when `tolerationSeconds` is set");
        if (op.n && !str_is(op, "Exists") && !str_is(op, "Equal"))
            field_unsupported(e, FIELD(at, "operator"), op,
                              (const char *const[]){"Equal", "Exists", NULL});
        if (str_is(op, "Exists") && json_path_str(t, "value").n)
            field_invalid_str(e, FIELD(at, "operator"), op,
                              "value must be empty when `operator` is 'Exists'");
        if (effect.n)
            field_check_enum(e, FIELD(at, "effect"), json_get(t, "effect"), effects);
    }
}

static void security_validate(struct field_errors *e, const struct field *f, const struct json *s)
{
    static const char *const ids[] = {"runAsUser", "runAsGroup", "fsGroup"};
    int64_t i = 0;
    for (size_t k = 0; k < 3; k++) {
        const struct json *id = json_get(s, ids[k]);
        const char *wrong = json_is(id, JSON_INT) ? names_uid_range(id->i64) : NULL;
        if (wrong)
            field_invalid(e, FIELD(f, ids[k]), id, wrong);
    }
    for (const struct json *g = json_first(json_get(s, "supplementalGroups")); g;
         g = g->next, i++) {
        const char *wrong = json_is(g, JSON_INT) ? names_uid_range(g->i64) : NULL;
        if (wrong)
            field_invalid(e, FIELD_AT(FIELD(f, "supplementalGroups"), i), g, wrong);
    }
}

static void dns_validate(struct field_errors *e, const struct field *f, const struct json *spec)
{
    field_check_enum(
        e, FIELD(f, "dnsPolicy"), json_get(spec, "dnsPolicy"),
        (const char *const[]){"ClusterFirst", "ClusterFirstWithHostNet", "Default", "None", NULL});
    const struct json *servers = json_path(spec, "dnsConfig.nameservers");
    const struct field *at = FIELD(FIELD(f, "dnsConfig"), "nameservers");
    int64_t i = 0;
    if (str_is(json_path_str(spec, "dnsPolicy"), "None") && !json_count(servers))
        field_required(e, at, "must provide at least one DNS nameserver when `dnsPolicy` is None");
    if (json_count(servers) > 3)
        field_invalid(e, at, servers, "must not have more than 3 nameservers");
    for (const struct json *s = json_first(servers); s; s = s->next)
        field_check_name(e, FIELD_AT(at, i++), json_str(s), names_ip);
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

void pod_spec_validate(struct field_errors *e, const struct field *f, const struct json *spec)
{
    struct map volumes, names;
    map_init(&volumes);
    map_init(&names);
    volumes_validate(e, FIELD(f, "volumes"), json_get(spec, "volumes"), &volumes);
    containers_validate(e, f, spec, &volumes, &names);
    field_check_enum(e, FIELD(f, "restartPolicy"), json_get(spec, "restartPolicy"),
                     (const char *const[]){"Always", "Never", "OnFailure", NULL});
    dns_validate(e, f, spec);
    field_check_labels(e, FIELD(f, "nodeSelector"), json_get(spec, "nodeSelector"));
    names_validate(e, f, spec);
    tolerations_validate(e, FIELD(f, "tolerations"), json_get(spec, "tolerations"));
    security_validate(e, FIELD(f, "securityContext"), json_get(spec, "securityContext"));
    host_network_validate(e, f, spec);
    const struct json *deadline = json_get(spec, "activeDeadlineSeconds"),
                      *grace = json_get(spec, "terminationGracePeriodSeconds");
    if (deadline && (json_i64(deadline, 0) < 1 || json_i64(deadline, 0) > INT32_MAX))
        field_invalid(e, FIELD(f, "activeDeadlineSeconds"), deadline,
                      "must be between 1 and 2147483647, inclusive");
    if (grace && json_i64(grace, 0) < 0)
        field_invalid(e, FIELD(f, "terminationGracePeriodSeconds"), grace,
                      "must be greater than or equal to 0");
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
