/* NetworkPolicies, as upstream's pkg/apis/networking. */
#include "api/kinds/cidr.h"
#include "api/kinds/kinds.h"
#include "codec/names.h"

static const struct direction {
    const char *rules, *peers;
} directions[] = {{"ingress", "from"}, {"egress", "to"}};

static void set_defaults(struct write *w)
{
    struct json *spec = json_get(w->object, "spec");
    for (size_t d = 0; d < 2; d++)
        for (struct json *r = json_first(json_get(spec, directions[d].rules)); r; r = r->next)
            for (struct json *p = json_first(json_get(r, "ports")); p; p = p->next)
                set_missing(w->a, p, "protocol", "TCP");
    if (!spec || json_count(json_get(spec, "policyTypes")))
        return;
    struct json *types = json_new(w->a, JSON_ARRAY);
    json_append(w->a, types, json_new_cstr(w->a, "Ingress"));
    if (json_count(json_get(spec, "egress")))
        json_append(w->a, types, json_new_cstr(w->a, "Egress"));
    json_set(w->a, spec, "policyTypes", types);
}

static void check_number(struct field_errors *e, const struct field *f, int64_t port)
{
    if (names_port_number(port))
        field_invalid_int(e, f, port, names_port_number(port));
}

static void check_port(struct field_errors *e, const struct field *f, const struct json *p)
{
    static const char *const protocols[] = {"TCP", "UDP", "SCTP", NULL};
    const struct json *port = json_get(p, "port"), *end = json_get(p, "endPort"),
                      *protocol = json_get(p, "protocol");
    struct str name = json_str(protocol);
    if (!json_absent(protocol) && !str_is(name, "TCP") && !str_is(name, "UDP") &&
        !str_is(name, "SCTP"))
        field_unsupported(e, FIELD(f, "protocol"), name, protocols);
    if (json_absent(port)) {
        if (!json_absent(end))
            field_invalid(e, FIELD(f, "endPort"), end,
                          "may not be specified when `port` is not specified");
    } else if (json_is(port, JSON_INT)) {
        check_number(e, FIELD(f, "port"), port->i64);
        if (json_absent(end))
            return;
        if (json_i64(end, 0) < port->i64)
            field_invalid(e, FIELD(f, "endPort"), port, "must be greater than or equal to `port`");
        check_number(e, FIELD(f, "endPort"), json_i64(end, 0));
    } else {
        if (!json_absent(end))
            field_invalid(e, FIELD(f, "endPort"), end,
                          "may not be specified when `port` is non-numeric");
        field_check_name(e, FIELD(f, "port"), json_str(port), names_port_name);
    }
}

static void check_block(struct write *w, const struct field *f, const struct json *block)
{
    struct field_errors *e = &w->errors;
    struct str text = json_path_str(block, "cidr");
    struct net_prefix net, part;
    uint32_t i = 0;
    if (!text.n) {
        field_required(e, FIELD(f, "cidr"), NULL);
        return;
    }
    cidr_validate_any(e, FIELD(f, "cidr"), text);
    cidr_warn(w, FIELD(f, "cidr"), text);
    if (net_prefix_parse(text, &net) < 0)
        return;
    for (const struct json *m = json_first(json_get(block, "except")); m; m = m->next, i++) {
        const struct field *at = FIELD_AT(FIELD(f, "except"), i);
        cidr_validate_any(e, at, json_str(m));
        cidr_warn(w, at, json_str(m));
        if (net_prefix_parse(json_str(m), &part) == 0 &&
            (!net_prefix_contains(&net, &part.addr) || net.bits >= part.bits))
            field_invalid(e, at, m, "must be a strict subset of `cidr`");
    }
}

static void check_peer(struct write *w, const struct field *f, const struct json *peer)
{
    struct field_errors *e = &w->errors;
    static const char *const selectors[] = {"podSelector", "namespaceSelector"};
    const struct json *block = json_get(peer, "ipBlock");
    unsigned count = 0;
    for (size_t i = 0; i < 2; i++)
        if (!json_absent(json_get(peer, selectors[i]))) {
            field_check_label_selector(e, FIELD(f, selectors[i]), json_get(peer, selectors[i]));
            count++;
        }
    if (!json_absent(block))
        check_block(w, FIELD(f, "ipBlock"), block);
    if (!count && json_absent(block))
        field_required(e, f, "must specify a peer");
    else if (count && !json_absent(block))
        field_forbidden(e, f, "may not specify both ipBlock and another peer");
}

static void check_types(struct field_errors *e, const struct field *f, const struct json *types)
{
    static const char *const known[] = {"Ingress", "Egress", NULL};
    uint32_t i = 0;
    if (json_count(types) > 2) {
        field_invalid(e, f, types, "may not specify more than two policyTypes");
        return;
    }
    for (const struct json *m = json_first(types); m; m = m->next, i++)
        if (!str_is(json_str(m), "Ingress") && !str_is(json_str(m), "Egress"))
            field_unsupported(e, FIELD_AT(f, i), json_str(m), known);
}

static void validate(struct write *w)
{
    const struct field *f = FIELD(NULL, "spec");
    const struct json *spec = json_get(w->object, "spec");
    field_check_label_selector(&w->errors, FIELD(f, "podSelector"), json_get(spec, "podSelector"));
    for (size_t d = 0; d < 2; d++) {
        const struct json *rules = json_get(spec, directions[d].rules);
        uint32_t i = 0;
        for (const struct json *r = json_first(rules); r; r = r->next, i++) {
            const struct field *at = FIELD_AT(FIELD(f, directions[d].rules), i);
            const struct json *m;
            uint32_t k = 0;
            for (m = json_first(json_get(r, "ports")); m; m = m->next)
                check_port(&w->errors, FIELD_AT(FIELD(at, "ports"), k++), m);
            for (m = json_first(json_get(r, directions[d].peers)), k = 0; m; m = m->next)
                check_peer(w, FIELD_AT(FIELD(at, directions[d].peers), k++), m);
        }
    }
    check_types(&w->errors, FIELD(f, "policyTypes"), json_get(spec, "policyTypes"));
}

const struct kind kind_network_policy = {
    .group = "networking.k8s.io",
    .resource = "networkpolicies",
    .flags = KIND_GENERATION,
    .set_defaults = set_defaults,
    .validate = validate,
};
