/* What the status of a pod may become (ValidatePodStatusUpdate in pkg/apis/core/validation). */
#include "api/kinds/pod_parts.h"
#include "codec/names.h"

static const struct field status = {NULL, "status", -1, {NULL, 0}};

static void check_conditions(struct field_errors *e, const struct json *conditions)
{
    static const char *const own[] = {"PodScheduled", "Ready", "Initialized"};
    const struct field *f = FIELD(FIELD(NULL, "metadata"), "conditions");
    int64_t i = 0;
    for (const struct json *c = json_first(conditions); c; c = c->next, i++) {
        struct str type = json_path_str(c, "type");
        if (!str_is(type, own[0]) && !str_is(type, own[1]) && !str_is(type, own[2]))
            field_check_name(e, FIELD(FIELD_AT(f, i), "Type"), type, names_qualified);
    }
}

/* What has ended for good does not run again. */
static void check_containers(struct field_errors *e, const char *list, const struct json *now,
                             const struct json *was, struct str policy)
{
    int64_t i = 0;
    if (str_is(policy, "Always"))
        return;
    for (const struct json *o = json_first(was); o; o = o->next, i++) {
        const struct json *ended = json_path(o, "state.terminated");
        if (json_absent(ended) ||
            (json_path_i64(ended, "exitCode", 0) != 0 && str_is(policy, "OnFailure")))
            continue;
        for (const struct json *n = json_first(now); n; n = n->next)
            if (str_eq(json_path_str(n, "name"), json_path_str(o, "name")) &&
                json_absent(json_path(n, "state.terminated")))
                field_forbidden(e, FIELD(FIELD_AT(FIELD(&status, list), i), "state"),
                                "may not be transitioned to non-terminated state");
    }
}

/* One address of each family, at most. */
static void check_addresses(struct field_errors *e, const char *name, const struct json *list)
{
    const struct field *f = FIELD(&status, name);
    unsigned four = 0, six = 0;
    int64_t i = 0;
    for (const struct json *a = json_first(list); a; a = a->next, i++) {
        struct str ip = json_path_str(a, "ip");
        field_check_name(e, FIELD_AT(f, i), ip, names_ip);
        if (str_find_byte(ip, ':') >= 0)
            six++;
        else
            four++;
        const struct json *o = json_first(list);
        while (o != a && !str_eq(json_path_str(o, "ip"), ip))
            o = o->next;
        if (o != a)
            field_duplicate_json(e, FIELD_AT(f, i), a);
    }
    if (four > 1 || six > 1)
        field_invalid(e, f, list, "may specify no more than one IP for each IP family");
}

void pod_status_validate(struct write *w)
{
    struct field_errors *e = &w->errors;
    const struct json *now = json_get(w->object, "status"), *was = json_get(w->old, "status");
    struct str node = json_path_str(now, "nominatedNodeName"),
               policy = json_path_str(w->old, "spec.restartPolicy");
    const struct json *hosts = json_get(now, "hostIPs");
    check_conditions(e, json_get(now, "conditions"));
    if (node.n && !str_eq(node, json_path_str(was, "nominatedNodeName")))
        field_check_name(e, FIELD(&status, "nominatedNodeName"), node, names_dns1123_subdomain);
    check_containers(e, "containerStatuses", json_get(now, "containerStatuses"),
                     json_get(was, "containerStatuses"), policy);
    check_containers(e, "ephemeralContainerStatuses", json_get(now, "ephemeralContainerStatuses"),
                     json_get(was, "ephemeralContainerStatuses"), STR("Never"));
    check_addresses(e, "podIPs", json_get(now, "podIPs"));
    if (json_count(hosts)) {
        struct str first = json_path_str(json_first(hosts), "ip");
        if (!str_eq(first, json_path_str(now, "hostIP")))
            field_invalid_str(e, FIELD(FIELD_AT(FIELD(&status, "hostIPs"), 0), "ip"), first,
                              "must be equal to `hostIP`");
        check_addresses(e, "hostIPs", hosts);
    }
}
