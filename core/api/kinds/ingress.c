/* Ingresses, as upstream's pkg/apis/networking. */
#include "api/kinds/kinds.h"
#include "codec/names.h"

#define CLASS_ANNOTATION "kubernetes.io/ingress.class"

void typed_reference_validate(struct field_errors *e, const struct field *f, const struct json *ref)
{
    static const char *const parts[] = {"kind", "name"};
    const struct json *group = json_get(ref, "apiGroup");
    if (!json_absent(group))
        field_check_name(e, FIELD(f, "apiGroup"), json_str(group), names_dns1123_subdomain);
    for (size_t i = 0; i < 2; i++) {
        struct str s = json_path_str(ref, parts[i]);
        if (s.n)
            field_check_name(e, FIELD(f, parts[i]), s, names_path_segment);
        else
            field_required(e, FIELD(f, parts[i]), i ? "name is required" : "kind is required");
    }
}

static void check_port(struct field_errors *e, const struct field *f, const struct json *port)
{
    const struct field *at = FIELD(FIELD(f, "service"), "port");
    struct str name = json_path_str(port, "name");
    int64_t number = json_path_i64(port, "number", 0);
    if (name.n && number)
        field_invalid_str(e, f, STR(""), "cannot set both port name & port number");
    else if (name.n)
        field_check_name(e, FIELD(at, "name"), name, names_port_name);
    else if (number && names_port_number(number))
        field_invalid_int(e, FIELD(at, "number"), number, names_port_number(number));
    else if (!number)
        field_required(e, f, "port name or number is required");
}

static void check_backend(struct field_errors *e, const struct field *f, const struct json *backend)
{
    const struct json *resource = json_get(backend, "resource"),
                      *service = json_get(backend, "service");
    if (!json_absent(resource) && !json_absent(service)) {
        field_invalid_str(e, f, STR(""), "cannot set both resource and service backends");
    } else if (!json_absent(resource)) {
        typed_reference_validate(e, FIELD(f, "resource"), resource);
    } else if (!json_absent(service)) {
        const struct field *at = FIELD(FIELD(f, "service"), "name");
        struct str name = json_path_str(service, "name");
        if (name.n)
            field_check_name(e, at, name, names_dns1035_label);
        else
            field_required(e, at, NULL);
        check_port(e, f, json_get(service, "port"));
    } else {
        field_invalid_str(e, f, STR(""), "resource or service backend is required");
    }
}

static void check_path_text(struct field_errors *e, const struct field *f, struct str path)
{
    static const char *const inside[] = {"//", "/./", "/../", "%2f", "%2F"};
    static const char *const ends[] = {"/..", "/."};
    for (size_t i = 0; i < 5; i++)
        if (str_find(path, str_of(inside[i])) >= 0)
            field_invalid_str(e, f, path, arena_printf(e->arena, "must not contain '%s'", inside[i]));
    for (size_t i = 0; i < 2; i++)
        if (str_ends(path, str_of(ends[i])))
            field_invalid_str(e, f, path, arena_printf(e->arena, "cannot end with '%s'", ends[i]));
}

static void check_path(struct field_errors *e, const struct field *f, const struct json *path)
{
    static const char *const types[] = {"Exact", "ImplementationSpecific", "Prefix", NULL};
    const struct json *type = json_get(path, "pathType");
    struct str text = json_path_str(path, "path");
    bool loose = str_is(json_str(type), "ImplementationSpecific");
    if (json_absent(type)) {
        field_required(e, FIELD(f, "pathType"), "pathType must be specified");
        return;
    }
    if (!loose && !str_is(json_str(type), "Exact") && !str_is(json_str(type), "Prefix")) {
        field_unsupported(e, FIELD(f, "pathType"), json_str(type), types);
    } else {
        if ((text.n || !loose) && (!text.n || text.p[0] != '/'))
            field_invalid_str(e, FIELD(f, "path"), text, "must be an absolute path");
        if (!loose)
            check_path_text(e, FIELD(f, "path"), text);
    }
    check_backend(e, FIELD(f, "backend"), json_get(path, "backend"));
}

static void check_host(struct field_errors *e, const struct field *f, struct str host, bool rule)
{
    if (rule && !names_ip(host))
        field_invalid_str(e, f, host, "must be a DNS name, not an IP address");
    field_check_name(e, f, host,
                     str_find_byte(host, '*') >= 0 ? names_wildcard_subdomain
                                                   : names_dns1123_subdomain);
}

static void check_rules(struct field_errors *e, const struct field *f, const struct json *rules)
{
    uint32_t i = 0;
    for (const struct json *r = json_first(rules); r; r = r->next, i++) {
        const struct json *http = json_get(r, "http");
        const struct field *paths = FIELD(FIELD(FIELD_AT(f, i), "http"), "paths");
        uint32_t k = 0;
        if (json_path_str(r, "host").n)
            check_host(e, FIELD(FIELD_AT(f, i), "host"), json_path_str(r, "host"), true);
        if (!json_absent(http) && !json_count(json_get(http, "paths")))
            field_required(e, paths, NULL);
        for (const struct json *p = json_first(json_get(http, "paths")); p; p = p->next)
            check_path(e, FIELD_AT(paths, k++), p);
    }
}

static bool secret_wrong(const struct json *tls)
{
    struct str name = json_path_str(tls, "secretName");
    return name.n && names_dns1123_subdomain(name);
}

static void check_tls(struct write *w, const struct field *f, const struct json *list)
{
    uint32_t i = 0;
    bool was_wrong = false; /* what was accepted once stays so */
    for (const struct json *t = json_first(json_path(w->old, "spec.tls")); t; t = t->next)
        was_wrong = was_wrong || secret_wrong(t);
    for (const struct json *t = json_first(list); t; t = t->next, i++) {
        const struct field *at = FIELD_AT(f, i);
        uint32_t k = 0;
        for (const struct json *h = json_first(json_get(t, "hosts")); h; h = h->next)
            check_host(&w->errors, FIELD_AT(FIELD(at, "hosts"), k++), json_str(h), false);
        if (secret_wrong(t) && !was_wrong)
            field_check_name(&w->errors, FIELD(at, "secretName"), json_path_str(t, "secretName"),
                             names_dns1123_subdomain);
    }
}

static void check_class(struct write *w, const struct json *class)
{
    const struct json *old = json_get(json_path(w->object, "metadata.annotations"), CLASS_ANNOTATION);
    if (!w->is_create || !old)
        return;
    if (json_absent(class))
        request_warn(w->r, "annotation \"" CLASS_ANNOTATION
                           "\" is deprecated, please use 'spec.ingressClassName' instead");
    else if (!str_eq(json_str(class), json_str(old)))
        field_invalid(&w->errors, FIELD(FIELD(NULL, "annotations"), CLASS_ANNOTATION), old,
                      "must match `ingressClassName` when both are specified");
}

static void validate(struct write *w)
{
    struct field_errors *e = &w->errors;
    const struct field *f = FIELD(NULL, "spec");
    const struct json *spec = json_get(w->object, "spec"), *rules = json_get(spec, "rules"),
                      *backend = json_get(spec, "defaultBackend"),
                      *class = json_get(spec, "ingressClassName");
    if (!json_count(rules) && json_absent(backend))
        field_invalid(e, f, rules, "either `defaultBackend` or `rules` must be specified");
    if (!json_absent(backend))
        check_backend(e, FIELD(f, "defaultBackend"), backend);
    check_rules(e, FIELD(f, "rules"), rules);
    check_tls(w, FIELD(f, "tls"), json_get(spec, "tls"));
    if (!json_absent(class))
        field_check_name(e, FIELD(f, "ingressClassName"), json_str(class), names_dns1123_subdomain);
    check_class(w, class);
}

static void validate_update(struct write *w)
{
    const struct field *f = FIELD(FIELD(FIELD(NULL, "status"), "loadBalancer"), "ingress");
    uint32_t i = 0;
    if (!cstr_eq(w->subresource, "status"))
        return;
    for (const struct json *g = json_first(json_path(w->object, "status.loadBalancer.ingress")); g;
         g = g->next, i++) {
        struct str ip = json_path_str(g, "ip"), host = json_path_str(g, "hostname");
        const struct field *at = FIELD_AT(f, i);
        if (ip.n)
            field_check_name(&w->errors, FIELD(at, "ip"), ip, names_ip);
        if (!host.n)
            continue;
        field_check_name(&w->errors, FIELD(at, "hostname"), host, names_dns1123_subdomain);
        if (!names_ip(host))
            field_invalid_str(&w->errors, FIELD(at, "hostname"), host,
                              "must be a DNS name, not an IP address");
    }
}

const struct kind kind_ingress = {
    .group = "networking.k8s.io",
    .resource = "ingresses",
    .flags = KIND_STATUS | KIND_GENERATION,
    .validate = validate,
    .validate_update = validate_update,
};
