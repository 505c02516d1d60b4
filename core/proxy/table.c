/* Rules of one Service from its EndpointSlices. See table.h. */
#include "proxy/table.h"

struct backends {
    struct net_addr *at;
    size_t count, size;
};

struct context {
    struct table_input *in;
    const struct json *service, *port;
    const struct json *const *slices;
    size_t slice_count;
};

static int add_backend(struct arena *a, struct backends *b, const struct net_addr *addr)
{
    for (size_t i = 0; i < b->count; i++)
        if (net_addr_same_ip(&b->at[i], addr) && b->at[i].port == addr->port)
            return 0;
    if (b->count == b->size) {
        size_t size = b->size ? b->size * 2 : 8;
        struct net_addr *at = arena_alloc(a, size * sizeof *at);
        if (!at)
            return -E_NOMEM;
        if (b->count)
            memcpy(at, b->at, b->count * sizeof *at);
        b->at = at;
        b->size = size;
    }
    b->at[b->count++] = *addr;
    return 0;
}

/* A list without the field means that nothing is known against the endpoint. */
static bool usable(const struct json *endpoint, bool terminating_too)
{
    const struct json *c = json_get(endpoint, "conditions");
    if (!terminating_too)
        return json_bool(json_get(c, "ready"), true);
    return json_bool(json_get(c, "serving"), true) && json_bool(json_get(c, "terminating"), false);
}

static uint16_t port_in_slice(const struct json *slice, const struct json *port)
{
    for (struct json *p = json_first(json_get(slice, "ports")); p; p = p->next)
        if (cstr_eq(json_path_cstr(p, "name"), json_path_cstr(port, "name")) &&
            cstr_eq(json_path_cstr(p, "protocol"), json_path_cstr(port, "protocol")))
            return (uint16_t)json_path_i64(p, "port", 0);
    return 0;
}

static int collect_from(const struct context *c, const struct json *slice, uint8_t family,
                        bool local_only, bool terminating, struct backends *out)
{
    uint16_t number = port_in_slice(slice, c->port);
    struct json *e = number ? json_first(json_get(slice, "endpoints")) : NULL;
    int rc = 0;
    for (; e && rc == 0; e = e->next) {
        struct net_addr addr;
        if (!usable(e, terminating) ||
            (local_only && !cstr_eq(json_path_cstr(e, "nodeName"), c->in->node_name)) ||
            net_addr_parse(json_str(json_first(json_get(e, "addresses"))), false, &addr) < 0 ||
            addr.family != family)
            continue;
        addr.port = number;
        rc = add_backend(c->in->arena, out, &addr);
    }
    return rc;
}

/* Ready endpoints; when there is none, those that terminate but still serve (KEP-1669). */
static int collect(const struct context *c, uint8_t family, bool local_only, struct backends *out)
{
    int rc = 0;
    *out = (struct backends){0};
    for (int terminating = 0; terminating < 2 && out->count == 0; terminating++)
        for (size_t i = 0; i < c->slice_count && rc == 0; i++)
            rc = collect_from(c, c->slices[i], family, local_only, terminating, out);
    return rc;
}

static enum rules_protocol protocol_of(const struct json *port)
{
    const char *name = json_path_cstr(port, "protocol");
    return cstr_eq(name, "UDP") ? RULES_UDP : cstr_eq(name, "SCTP") ? RULES_SCTP : RULES_TCP;
}

static int add_rule(const struct context *c, const struct net_addr *vip, bool node_port,
                    bool masquerade, const struct backends *b)
{
    struct table_input *in = c->in;
    if (in->service_count == in->service_size) {
        size_t size = in->service_size ? in->service_size * 2 : 32;
        struct rules_service *at = arena_alloc(in->arena, size * sizeof *at);
        if (!at)
            return -E_NOMEM;
        if (in->service_count)
            memcpy(at, in->services, in->service_count * sizeof *at);
        in->services = at;
        in->service_size = size;
    }
    bool sticky = cstr_eq(json_path_cstr(c->service, "spec.sessionAffinity"), "ClientIP");
    in->services[in->service_count++] = (struct rules_service){
        .protocol = protocol_of(c->port),
        .vip = *vip,
        .node_port = node_port,
        .masquerade = masquerade,
        .affinity_s = sticky ? (uint32_t)json_path_i64(
                                   c->service, "spec.sessionAffinityConfig.clientIP.timeoutSeconds", 10800)
                             : 0,
        .backends = b->at,
        .backend_count = b->count,
    };
    return 0;
}

static int add_vip(const struct context *c, struct str ip, bool local_only, bool masquerade)
{
    struct net_addr vip;
    struct backends b;
    if (net_addr_parse(ip, false, &vip) < 0 || net_addr_same_ip(&vip, &c->in->dns_addr))
        return 0;
    vip.port = (uint16_t)json_path_i64(c->port, "port", 0);
    int rc = collect(c, vip.family, local_only, &b);
    return rc < 0 ? rc : add_rule(c, &vip, false, masquerade, &b);
}

static int add_node_port(const struct context *c, bool local_only)
{
    struct net_addr at = {.family = 4, .port = (uint16_t)json_path_i64(c->port, "nodePort", 0)};
    struct backends b;
    if (at.port == 0)
        return 0;
    int rc = collect(c, at.family, local_only, &b);
    return rc < 0 ? rc : add_rule(c, &at, true, !local_only, &b);
}

static int add_port(struct context *c)
{
    const struct json *spec = json_get(c->service, "spec");
    bool inside_local = cstr_eq(json_path_cstr(spec, "internalTrafficPolicy"), "Local");
    bool outside_local = cstr_eq(json_path_cstr(spec, "externalTrafficPolicy"), "Local");
    int rc = 0;

    struct json *ip = json_first(json_get(spec, "clusterIPs"));
    if (!ip)
        rc = add_vip(c, json_path_str(spec, "clusterIP"), inside_local, false);
    for (; ip && rc == 0; ip = ip->next)
        rc = add_vip(c, json_str(ip), inside_local, false);
    for (ip = json_first(json_get(spec, "externalIPs")); ip && rc == 0; ip = ip->next)
        rc = add_vip(c, json_str(ip), outside_local, !outside_local);
    struct json *in = json_first(json_path(c->service, "status.loadBalancer.ingress"));
    for (; in && rc == 0; in = in->next)
        if (json_path_str(in, "ip").n)
            rc = add_vip(c, json_path_str(in, "ip"), outside_local, !outside_local);
    return rc < 0 ? rc : add_node_port(c, outside_local);
}

int table_add(struct table_input *in, const struct json *service, const struct json *const *slices,
              size_t slice_count)
{
    struct context c = {.in = in, .service = service, .slices = slices, .slice_count = slice_count};
    int rc = 0;
    if (cstr_eq(json_path_cstr(service, "spec.type"), "ExternalName") ||
        cstr_eq(json_path_cstr(service, "spec.clusterIP"), "None"))
        return 0;
    for (struct json *p = json_first(json_path(service, "spec.ports")); p && rc == 0; p = p->next) {
        c.port = p;
        rc = add_port(&c);
    }
    return rc;
}
