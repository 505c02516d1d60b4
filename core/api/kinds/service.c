/*
 * Services: defaults and what they must be (pkg/apis/core, registry/core/service). Addresses and
 * node ports are in service_alloc.c.
 */
#include "api/kinds/service.h"
#include "codec/names.h"

static const struct kind_field fields[] = {
    {SELECTABLE("spec.clusterIP")}, {SELECTABLE("spec.type")}, {.selector = NULL}};

bool service_external(const struct json *service)
{
    return str_is(json_path_str(service, "spec.type"), "ExternalName");
}

bool service_headless(const struct json *service)
{
    return str_is(json_path_str(service, "spec.clusterIP"), "None");
}

bool service_has_node_ports(const struct json *service)
{
    struct str type = json_path_str(service, "spec.type");
    return str_is(type, "NodePort") ||
           (str_is(type, "LoadBalancer") &&
            json_path_bool(service, "spec.allocateLoadBalancerNodePorts", true));
}

static void set_ports(struct write *w, const struct json *spec)
{
    for (struct json *p = json_first(json_get(spec, "ports")); p; p = p->next) {
        const struct json *target = json_get(p, "targetPort");
        set_missing(w->a, p, "protocol", "TCP");
        bool empty = json_absent(target) || (json_is(target, JSON_INT) && target->i64 == 0) ||
                     (json_is(target, JSON_STRING) && !target->string.n);
        if (empty)
            json_set_i64(w->a, p, "targetPort", json_path_i64(p, "port", 0));
    }
}

static void set_defaults(struct write *w)
{
    struct arena *a = w->a;
    struct json *spec = json_object_at(a, w->object, "spec");
    set_missing(a, spec, "sessionAffinity", "None");
    set_missing(a, spec, "type", "ClusterIP");
    struct str type = json_path_str(spec, "type");
    bool external = str_is(type, "NodePort") || str_is(type, "LoadBalancer");
    if (str_is(json_path_str(spec, "sessionAffinity"), "None"))
        json_remove(spec, "sessionAffinityConfig");
    else
        set_missing_i64(
            a, json_object_at(a, json_object_at(a, spec, "sessionAffinityConfig"), "clientIP"),
            "timeoutSeconds", 10800);
    set_ports(w, spec);
    if (external)
        set_missing(a, spec, "externalTrafficPolicy", "Cluster");
    if (external || str_is(type, "ClusterIP"))
        set_missing(a, spec, "internalTrafficPolicy", "Cluster");
    if (str_is(type, "LoadBalancer"))
        set_missing_bool(a, spec, "allocateLoadBalancerNodePorts", true);
}

/* clusterIP and clusterIPs say the same; the families follow from them. */
static void set_addresses(struct write *w)
{
    struct arena *a = w->a;
    struct json *spec = json_get(w->object, "spec");
    if (service_external(w->object)) {
        static const char *const dropped[] = {"clusterIP", "clusterIPs", "ipFamilies",
                                              "ipFamilyPolicy"};
        for (size_t i = 0; i < 4; i++)
            json_remove(spec, dropped[i]);
        return;
    }
    struct str ip = json_path_str(spec, "clusterIP"),
               first = json_str(json_first(json_get(spec, "clusterIPs")));
    if (!ip.n && first.n)
        json_set_str(a, spec, "clusterIP", first);
    else if (ip.n && !first.n)
        json_append(a, json_array_at(a, spec, "clusterIPs"), json_new_str(a, ip));
    if (!json_count(json_get(spec, "ipFamilies")))
        json_append(a, json_array_at(a, spec, "ipFamilies"), json_new_cstr(a, "IPv4"));
    set_missing(a, spec, "ipFamilyPolicy", "SingleStack");
}

static void prepare_create(struct write *w)
{
    json_set_path(w->a, w->object, "status.loadBalancer", json_new(w->a, JSON_OBJECT));
    set_addresses(w);
}

static bool same_port(const struct json *a, const struct json *b)
{
    return json_path_i64(a, "port", 0) == json_path_i64(b, "port", 0) &&
           str_eq(json_path_str(a, "protocol"), json_path_str(b, "protocol"));
}

/* What was given to the service stays its own when an update does not name it. */
static void prepare_update(struct write *w)
{
    struct json *spec = json_get(w->object, "spec");
    const struct json *old = json_get(w->old, "spec");
    if (!service_external(w->object) && !service_external(w->old) &&
        !json_path_str(spec, "clusterIP").n && !json_count(json_get(spec, "clusterIPs"))) {
        json_set_str(w->a, spec, "clusterIP", json_path_str(old, "clusterIP"));
        json_set(w->a, spec, "clusterIPs", json_clone(w->a, json_get(old, "clusterIPs")));
    }
    set_addresses(w);
    for (struct json *p = json_first(json_get(spec, "ports")); p; p = p->next) {
        if (!service_has_node_ports(w->object)) {
            /* A type without node ports gives them back, unless the update names them. */
            const struct json *was = json_first(json_get(old, "ports"));
            while (was && !same_port(was, p))
                was = was->next;
            if (was && json_path_i64(was, "nodePort", 0) == json_path_i64(p, "nodePort", -1))
                json_remove(p, "nodePort");
            continue;
        }
        for (const struct json *was = json_first(json_get(old, "ports")); was; was = was->next)
            if (json_path_i64(p, "nodePort", 0) == 0 && json_path_i64(was, "nodePort", 0) &&
                same_port(was, p))
                json_set_i64(w->a, p, "nodePort", json_path_i64(was, "nodePort", 0));
    }
    if (!service_has_node_ports(w->object) && !str_is(json_path_str(spec, "type"), "LoadBalancer"))
        json_remove(spec, "externalTrafficPolicy");
}

/* ---- validation ---- */

static void validate_ports(struct field_errors *e, const struct field *f,
                           const struct json *service)
{
    static const char *const protocols[] = {"SCTP", "TCP", "UDP", NULL};
    const struct json *ports = json_path(service, "spec.ports");
    bool many = json_count(ports) > 1;
    int64_t i = 0;
    for (const struct json *p = json_first(ports); p; p = p->next, i++) {
        const struct field *at = FIELD_AT(f, i);
        struct str name = json_path_str(p, "name");
        int64_t number = json_path_i64(p, "port", 0);
        if (many && !name.n)
            field_required(e, FIELD(at, "name"), NULL);
        else if (name.n)
            field_check_name(e, FIELD(at, "name"), name, names_dns1123_label);
        if (names_port_number(number))
            field_invalid_int(e, FIELD(at, "port"), number, names_port_number(number));
        field_check_enum(e, FIELD(at, "protocol"), json_get(p, "protocol"), protocols);
        const struct json *target = json_get(p, "targetPort");
        if (json_is(target, JSON_INT) && names_port_number(target->i64))
            field_invalid(e, FIELD(at, "targetPort"), target, names_port_number(target->i64));
        else if (json_is(target, JSON_STRING))
            field_check_name(e, FIELD(at, "targetPort"), target->string, names_port_name);
        for (const struct json *o = json_first(ports); o != p; o = o->next) {
            if (name.n && str_eq(json_path_str(o, "name"), name))
                field_duplicate(e, FIELD(at, "name"), name);
            if (same_port(o, p))
                field_invalid(e, at, p, "may not have two ports with the same number and protocol");
        }
        if (json_path_i64(p, "nodePort", 0) && !service_has_node_ports(service) &&
            !str_is(json_path_str(service, "spec.type"), "LoadBalancer"))
            field_forbidden(e, FIELD(at, "nodePort"), "may not be used when `type` is 'ClusterIP'");
    }
}

static void validate_enums(struct field_errors *e, const struct field *f, const struct json *spec)
{
    static const char *const types[] = {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort",
                                        NULL};
    static const char *const affinities[] = {"ClientIP", "None", NULL};
    static const char *const policies[] = {"Cluster", "Local", NULL};
    field_check_enum(e, FIELD(f, "type"), json_get(spec, "type"), types);
    field_check_enum(e, FIELD(f, "sessionAffinity"), json_get(spec, "sessionAffinity"), affinities);
    if (json_get(spec, "internalTrafficPolicy"))
        field_check_enum(e, FIELD(f, "internalTrafficPolicy"),
                         json_get(spec, "internalTrafficPolicy"), policies);
    if (json_path_str(spec, "externalTrafficPolicy").n)
        field_check_enum(e, FIELD(f, "externalTrafficPolicy"),
                         json_get(spec, "externalTrafficPolicy"), policies);
}

static void validate(struct write *w)
{
    struct field_errors *e = &w->errors;
    const struct field *f = FIELD(NULL, "spec");
    const struct json *spec = json_get(w->object, "spec");
    struct str ip = json_path_str(spec, "clusterIP");
    int64_t i = 0;
    validate_enums(e, f, spec);
    if (service_external(w->object)) {
        struct str name = json_path_str(spec, "externalName");
        if (name.n && name.p[name.n - 1] == '.')
            name.n--;
        if (name.n)
            field_check_name(e, FIELD(f, "externalName"), name, names_dns1123_subdomain);
        else
            field_required(e, FIELD(f, "externalName"), NULL);
    } else if (!json_count(json_get(spec, "ports")) && !service_headless(w->object)) {
        field_required(e, FIELD(f, "ports"), NULL);
    }
    if (service_headless(w->object) && !str_is(json_path_str(spec, "type"), "ClusterIP"))
        field_invalid_str(e, FIELD_AT(FIELD(f, "clusterIPs"), 0), ip,
                          "may not be set to 'None' for LoadBalancer services");
    if (ip.n && !service_headless(w->object) && names_ip(ip))
        field_invalid_str(e, FIELD_AT(FIELD(f, "clusterIPs"), 0), ip, names_ip(ip));
    if (ip.n && !str_eq(ip, json_str(json_first(json_get(spec, "clusterIPs")))))
        field_invalid(e, FIELD(f, "clusterIPs"), json_get(spec, "clusterIPs"),
                      "first value must match `clusterIP`");
    for (const struct json *m = json_first(json_get(spec, "ipFamilies")); m; m = m->next, i++)
        if (!str_is(json_str(m), "IPv4"))
            field_invalid(e, FIELD_AT(FIELD(f, "ipFamilies"), i), m,
                          "not configured on this cluster");
    if (str_is(json_path_str(spec, "ipFamilyPolicy"), "RequireDualStack"))
        field_invalid_str(e, FIELD(f, "ipFamilyPolicy"), STR("RequireDualStack"),
                          "this cluster is not configured for dual-stack services");
    field_check_labels(e, FIELD(f, "selector"), json_get(spec, "selector"));
    validate_ports(e, FIELD(f, "ports"), w->object);
    i = 0;
    for (const struct json *m = json_first(json_get(spec, "externalIPs")); m; m = m->next)
        field_check_name(e, FIELD_AT(FIELD(f, "externalIPs"), i++), json_str(m), names_ip);
}

static void validate_update(struct write *w)
{
    struct str now = json_path_str(w->object, "spec.clusterIP"),
               was = json_path_str(w->old, "spec.clusterIP");
    if (service_external(w->object) || service_external(w->old) || !was.n || str_eq(now, was))
        return;
    field_invalid(&w->errors, FIELD(FIELD(NULL, "spec"), "clusterIPs"),
                  json_path(w->object, "spec.clusterIPs"),
                  "primary clusterIP can not be changed once set");
}

const struct kind kind_service = {
    .group = "",
    .resource = "services",
    .flags = KIND_STATUS | KIND_RETURN_DELETED,
    .name_rule = names_dns1035_label,
    .fields = fields,
    .set_defaults = set_defaults,
    .prepare_create = prepare_create,
    .prepare_update = prepare_update,
    .validate = validate,
    .validate_update = validate_update,
    .commit = service_allocate,
    .deleted = service_release,
};
