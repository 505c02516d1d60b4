/* APIServices, as kube-aggregator's pkg/apis/apiregistration. */
#include "api/kinds/kinds.h"
#include "codec/names.h"

enum { GROUP_PRIORITY_MOST = 20000, VERSION_PRIORITY_MOST = 1000 };

static void set_defaults(struct write *w)
{
    set_missing_i64(w->a, json_path(w->object, "spec.service"), "port", 443);
}

static void prepare_create(struct write *w)
{
    json_set(w->a, w->object, "status", json_new(w->a, JSON_OBJECT));
}

static void check_local(struct field_errors *e, const struct field *f, const struct json *spec)
{
    struct str bundle = json_path_str(spec, "caBundle");
    if (bundle.n)
        field_invalid_str(e, FIELD(f, "caBundle"), bundle,
                          "local APIServices may not have a caBundle");
    if (json_path_bool(spec, "insecureSkipTLSVerify", false))
        field_invalid(e, FIELD(f, "insecureSkipTLSVerify"),
                      json_get(spec, "insecureSkipTLSVerify"),
                      "local APIServices may not have insecureSkipTLSVerify");
}

static void check_service(struct field_errors *e, const struct field *f, const struct json *spec)
{
    const struct json *service = json_get(spec, "service");
    const struct field *at = FIELD(f, "service");
    int64_t port = json_path_i64(service, "port", 443);
    if (!json_path_str(service, "namespace").n)
        field_required(e, FIELD(at, "namespace"), NULL);
    if (!json_path_str(service, "name").n)
        field_required(e, FIELD(at, "name"), NULL);
    if (port < 1 || port > 65535)
        field_invalid_int(e, FIELD(at, "port"), port,
                          "port is not valid: must be between 1 and 65535, inclusive");
    if (json_path_bool(spec, "insecureSkipTLSVerify", false) && json_path_str(spec, "caBundle").n)
        field_invalid(e, FIELD(f, "insecureSkipTLSVerify"),
                      json_get(spec, "insecureSkipTLSVerify"),
                      "may not be true if caBundle is present");
}

static void check_names(struct write *w, const struct field *f, const struct json *spec)
{
    struct field_errors *e = &w->errors;
    struct str group = json_path_str(spec, "group"), version = json_path_str(spec, "version");
    const char *wanted = arena_printf(w->a, STR_FMT "." STR_FMT, STR_ARG(version), STR_ARG(group));
    const char *wrong = names_dns1035_label(version);
    if (wanted && !str_is(w->name, wanted))
        field_invalid_str(e, FIELD(FIELD(NULL, "metadata"), "name"), w->name,
                          arena_printf(w->a, "must be `spec.version+\".\"+spec.group`: \"%s\"",
                                       wanted));
    if (!group.n && !str_is(version, "v1"))
        field_required(e, FIELD(f, "group"),
                       "only v1 may have an empty group and it better be legacy kube");
    if (group.n && names_dns1123_subdomain(group))
        field_invalid_str(e, FIELD(f, "group"), group, names_dns1123_subdomain(group));
    if (wrong)
        field_invalid_str(e, FIELD(f, "version"), version, wrong);
}

static void validate(struct write *w)
{
    const struct json *spec = json_get(w->object, "spec");
    const struct field *f = FIELD(NULL, "spec");
    int64_t group = json_path_i64(spec, "groupPriorityMinimum", 0),
            version = json_path_i64(spec, "versionPriority", 0);
    check_names(w, f, spec);
    if (group <= 0 || group > GROUP_PRIORITY_MOST)
        field_invalid_int(&w->errors, FIELD(f, "groupPriorityMinimum"), group,
                          "must be positive and less than 20000");
    if (version <= 0 || version > VERSION_PRIORITY_MOST)
        field_invalid_int(&w->errors, FIELD(f, "versionPriority"), version,
                          "must be positive and less than 1000");
    if (json_absent(json_get(spec, "service")))
        check_local(&w->errors, f, spec);
    else
        check_service(&w->errors, f, spec);
}

const struct kind kind_api_service = {
    .group = "apiregistration.k8s.io",
    .resource = "apiservices",
    .flags = KIND_STATUS,
    .name_rule = names_path_segment,
    .set_defaults = set_defaults,
    .prepare_create = prepare_create,
    .validate = validate,
};
