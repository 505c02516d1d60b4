/* The spec of ResourceClaims and their templates. See device.h. */
#include "api/kinds/device.h"
#include "api/kinds/kinds.h"
#include "api/kinds/volume_source.h"
#include "codec/names.h"

enum { ALTERNATIVES_MOST = 8 };

static void default_request(struct arena *a, struct json *request)
{
    set_missing(a, request, "allocationMode", "ExactCount");
    if (request && !json_path_str(request, "allocationMode").n)
        json_set_cstr(a, request, "allocationMode", "ExactCount");
    if (str_is(json_path_str(request, "allocationMode"), "ExactCount") &&
        json_path_i64(request, "count", 0) == 0)
        json_set_i64(a, request, "count", 1);
}

void device_claim_default(struct arena *a, struct json *spec)
{
    for (struct json *r = json_first(json_path(spec, "devices.requests")); r; r = r->next) {
        default_request(a, json_get(r, "exactly"));
        for (struct json *s = json_first(json_get(r, "firstAvailable")); s; s = s->next)
            default_request(a, s);
    }
}

/* ---- requests ---- */

static void check_toleration(struct field_errors *e, const struct field *f, const struct json *t,
                             const void *ctx)
{
    (void)ctx;
    device_toleration_validate(e, f, t);
}

static void check_exact(struct field_errors *e, const struct field *f, const struct json *r)
{
    static const char *const modes[] = {"All", "ExactCount", NULL};
    struct str class = json_path_str(r, "deviceClassName"),
               mode = json_path_str(r, "allocationMode");
    int64_t count = json_path_i64(r, "count", 0);
    if (class.n)
        field_check_name(e, FIELD(f, "deviceClassName"), class, names_dns1123_subdomain);
    else
        field_required(e, FIELD(f, "deviceClassName"), NULL);
    device_selectors_validate(e, FIELD(f, "selectors"), json_get(r, "selectors"));
    if (str_is(mode, "All")) {
        if (count)
            field_invalid_int(e, FIELD(f, "count"), count,
                              "must not be specified when allocationMode is 'All'");
    } else if (!str_is(mode, "ExactCount")) {
        field_unsupported(e, FIELD(f, "allocationMode"), mode, modes);
    } else if (count <= 0) {
        field_invalid_int(e, FIELD(f, "count"), count, "must be greater than zero");
    }
    device_each(e, FIELD(f, "tolerations"), json_get(r, "tolerations"), -1, check_toleration, NULL);
}

static void check_alternative(struct field_errors *e, const struct field *f, const struct json *r,
                              const void *ctx)
{
    (void)ctx;
    device_label_validate(e, FIELD(f, "name"), json_path_str(r, "name"));
    check_exact(e, f, r);
}

static void check_request(struct field_errors *e, const struct field *f, const struct json *r,
                          const void *ctx)
{
    const struct json *list = json_get(r, "firstAvailable"), *exact = json_get(r, "exactly");
    (void)ctx;
    device_label_validate(e, FIELD(f, "name"), json_path_str(r, "name"));
    if (!json_count(list) && json_absent(exact))
        field_required(e, f, "exactly one of `exactly` or `firstAvailable` is required");
    else if (json_count(list) && !json_absent(exact))
        field_invalid(e, f, NULL,
                      "exactly one of `exactly` or `firstAvailable` is required, but multiple "
                      "fields are set");
    else if (json_count(list))
        device_set(e, FIELD(f, "firstAvailable"), list, ALTERNATIVES_MOST, "name", check_alternative,
                   NULL);
    else
        check_exact(e, FIELD(f, "exactly"), exact);
}

/* ---- references to requests ---- */

static bool known(const struct json *spec, struct str request, struct str alternative)
{
    const struct json *r = json_first(json_path(spec, "devices.requests"));
    while (r && !str_eq(json_path_str(r, "name"), request))
        r = r->next;
    if (!alternative.p)
        return r != NULL;
    for (const struct json *s = json_first(json_get(r, "firstAvailable")); s; s = s->next)
        if (str_eq(json_path_str(s, "name"), alternative))
            return true;
    return false;
}

void device_request_ref_validate(struct field_errors *e, const struct field *f, struct str name,
                                 const struct json *spec)
{
    static const char wrong[] = "must be the name of a request in the claim or the name of a request "
                                "and a subrequest separated by '/'";
    ptrdiff_t slash = str_find_byte(name, '/');
    struct str request = slash < 0 ? name : str_make(name.p, (size_t)slash);
    struct str other = slash < 0 ? (struct str){NULL, 0}
                                 : str_make(name.p + slash + 1, name.n - (size_t)slash - 1);
    if (other.p && str_find_byte(other, '/') >= 0) {
        field_invalid_str(e, f, name, wrong);
        return;
    }
    device_label_validate(e, f, request);
    if (other.p)
        device_label_validate(e, f, other);
    if (!known(spec, request, other))
        field_invalid_str(e, f, name, wrong);
}

static void check_reference(struct field_errors *e, const struct field *f, const struct json *name,
                            const void *spec)
{
    device_request_ref_validate(e, f, json_str(name), spec);
}

static void check_constraint(struct field_errors *e, const struct field *f, const struct json *c,
                             const void *spec)
{
    const struct json *match = json_get(c, "matchAttribute"),
                      *distinct = json_get(c, "distinctAttribute");
    device_set(e, FIELD(f, "requests"), json_get(c, "requests"), DEVICES_LIST_MOST, NULL,
               check_reference, spec);
    if (!json_absent(match))
        device_qualified_validate(e, FIELD(f, "matchAttribute"), json_str(match), true);
    else if (!json_absent(distinct))
        device_qualified_validate(e, FIELD(f, "distinctAttribute"), json_str(distinct), true);
    else
        field_required(e, FIELD(f, "matchAttribute"), NULL);
}

static void check_config(struct field_errors *e, const struct field *f, const struct json *c,
                         const void *spec)
{
    device_set(e, FIELD(f, "requests"), json_get(c, "requests"), DEVICES_LIST_MOST, NULL,
               check_reference, spec);
    device_config_validate(e, f, c);
}

void device_claim_validate(struct field_errors *e, const struct field *f, const struct json *spec)
{
    const struct field *at = FIELD(f, "devices");
    const struct json *devices = json_get(spec, "devices");
    device_set(e, FIELD(at, "requests"), json_get(devices, "requests"), DEVICES_LIST_MOST, "name",
               check_request, NULL);
    device_each(e, FIELD(at, "constraints"), json_get(devices, "constraints"), DEVICES_LIST_MOST,
                check_constraint, spec);
    device_each(e, FIELD(at, "config"), json_get(devices, "config"), DEVICES_LIST_MOST, check_config,
                spec);
}

void device_admin_validate(struct write *w, const struct json *requests)
{
    const struct field *f = FIELD(FIELD(FIELD(NULL, "spec"), "devices"), "requests");
    uint32_t i = 0;
    for (const struct json *r = json_first(requests); r; r = r->next, i++) {
        if (!json_path_bool(r, "exactly.adminAccess", false))
            continue;
        const struct json *ns = object_load(w->api, w->a, "", "namespaces", STR(""), w->ns, NULL);
        if (!str_is(json_str(json_get(json_path(ns, "metadata.labels"),
                                      "resource.kubernetes.io/admin-access")),
                    "true"))
            field_forbidden(&w->errors, FIELD(FIELD_AT(f, i), "adminAccess"),
                            "admin access to devices requires the "
                            "`resource.kubernetes.io/admin-access: true` label on the containing "
                            "namespace");
        return;
    }
}
