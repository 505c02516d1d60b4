/* IngressClasses, as upstream's pkg/apis/networking. */
#include "api/kinds/kinds.h"
#include "codec/names.h"

enum { CONTROLLER_MOST = 250 };

static void set_defaults(struct write *w)
{
    set_missing(w->a, json_path(w->object, "spec.parameters"), "scope", "Cluster");
}

static bool http_path(struct str s)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "/-._~%!$&'()*+,;=:";
    for (size_t i = 0; i < s.n; i++)
        if (!s.p[i] || !strchr(allowed, s.p[i]))
            return false;
    return true;
}

static void check_controller(struct field_errors *e, const struct field *f, struct str name)
{
    ptrdiff_t slash = str_find_byte(name, '/');
    if (name.n > CONTROLLER_MOST)
        field_too_long(e, f, CONTROLLER_MOST);
    if (!name.n) {
        field_required(e, f, NULL);
        return;
    }
    if (slash <= 0 || (size_t)slash + 1 == name.n) {
        field_invalid_str(e, f, name, "must be a domain-prefixed path (such as \"acme.io/foo\")");
        return;
    }
    struct str host = str_make(name.p, (size_t)slash),
               path = str_make(name.p + slash + 1, name.n - (size_t)slash - 1);
    field_check_name(e, f, host, names_dns1123_subdomain);
    if (!http_path(path))
        field_invalid_str(e, f, path,
                          "Invalid path (regex used for validation is "
                          "'[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')");
}

static void check_parameters(struct field_errors *e, const struct field *f, const struct json *p)
{
    static const char *const scopes[] = {"Cluster", "Namespace", NULL};
    struct str scope = json_path_str(p, "scope");
    const struct json *ns = json_get(p, "namespace");
    if (json_absent(p))
        return;
    typed_reference_validate(e, f, p);
    if (!str_is(scope, "Cluster") && !str_is(scope, "Namespace")) {
        field_unsupported(e, FIELD(f, "scope"), scope, scopes);
    } else if (str_is(scope, "Namespace")) {
        if (json_absent(ns))
            field_required(e, FIELD(f, "namespace"), "`parameters.scope` is set to 'Namespace'");
        else
            field_check_name(e, FIELD(f, "namespace"), json_str(ns), names_dns1123_label);
    } else if (!json_absent(ns)) {
        field_forbidden(e, FIELD(f, "namespace"), "`parameters.scope` is set to 'Cluster'");
    }
}

static void validate(struct write *w)
{
    const struct field *f = FIELD(NULL, "spec");
    const struct json *spec = json_get(w->object, "spec");
    check_controller(&w->errors, FIELD(f, "controller"), json_path_str(spec, "controller"));
    check_parameters(&w->errors, FIELD(f, "parameters"), json_get(spec, "parameters"));
}

static void validate_update(struct write *w)
{
    field_check_immutable(&w->errors, FIELD(FIELD(NULL, "spec"), "controller"),
                          json_path(w->object, "spec.controller"),
                          json_path(w->old, "spec.controller"));
}

const struct kind kind_ingress_class = {
    .group = "networking.k8s.io",
    .resource = "ingressclasses",
    .flags = KIND_GENERATION,
    .set_defaults = set_defaults,
    .validate = validate,
    .validate_update = validate_update,
};
