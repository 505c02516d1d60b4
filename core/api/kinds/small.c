/* Kinds with little to say: service accounts, leases, endpoints, priority classes. */
#include "api/kinds/kinds.h"
#include "codec/names.h"

const struct kind kind_service_account = {
    .group = "",
    .resource = "serviceaccounts",
    .flags = KIND_RETURN_DELETED,
};

/* ---- leases ---- */

static void validate_lease(struct write *w)
{
    const struct field *f = FIELD(NULL, "spec");
    const struct json *seconds = json_path(w->object, "spec.leaseDurationSeconds");
    if (seconds && json_i64(seconds, 0) <= 0)
        field_invalid(&w->errors, FIELD(f, "leaseDurationSeconds"), seconds,
                      "must be greater than 0");
    field_check_not_negative(&w->errors, FIELD(f, "leaseTransitions"),
                             json_path(w->object, "spec.leaseTransitions"));
}

const struct kind kind_lease = {
    .group = "coordination.k8s.io",
    .resource = "leases",
    .flags = KIND_CREATE_ON_UPDATE | KIND_CONDITIONAL,
    .validate = validate_lease,
};

/* ---- endpoints ---- */

/* Loopback and link-local addresses would lead a proxy to the node itself (CVE-2021-25737). */
static void check_address(struct field_errors *e, const struct field *f, struct str ip)
{
    const char *wrong = names_ip(ip);
    if (wrong)
        field_invalid_str(e, f, ip, wrong);
    else if (str_starts(ip, STR("127.")) || str_is(ip, "::1"))
        field_invalid_str(e, f, ip, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    else if (str_starts(ip, STR("169.254.")))
        field_invalid_str(e, f, ip,
                          "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    else if (str_starts(ip, STR("0.")) || str_is(ip, "::"))
        field_invalid_str(e, f, ip, "may not be unspecified (0.0.0.0 or ::)");
}

/* The API's own endpoints may be on loopback when this machine has nothing else. */
static bool own_endpoints(const struct write *w)
{
    return cstr_eq(w->r->user.name, "system:apiserver");
}

static void set_endpoints(struct write *w)
{
    for (struct json *s = json_first(json_get(w->object, "subsets")); s; s = s->next)
        for (struct json *p = json_first(json_get(s, "ports")); p; p = p->next)
            set_missing(w->a, p, "protocol", "TCP");
}

static void validate_endpoints(struct write *w)
{
    int64_t i = 0;
    for (const struct json *s = json_first(json_get(w->object, "subsets")); s; s = s->next, i++) {
        const struct field *f = FIELD_AT(FIELD(NULL, "subsets"), i);
        int64_t k = 0;
        if (!json_count(json_get(s, "addresses")) && !json_count(json_get(s, "notReadyAddresses")))
            field_required(&w->errors, f, "must specify `addresses` or `notReadyAddresses`");
        for (const struct json *a = json_first(json_get(s, "addresses")); a && !own_endpoints(w);
             a = a->next, k++)
            check_address(&w->errors, FIELD(FIELD_AT(FIELD(f, "addresses"), k), "ip"),
                          json_path_str(a, "ip"));
    }
}

const struct kind kind_endpoints = {
    .group = "",
    .resource = "endpoints",
    .flags = KIND_CREATE_ON_UPDATE,
    .set_defaults = set_endpoints,
    .validate = validate_endpoints,
};

static void set_slice(struct write *w)
{
    for (struct json *p = json_first(json_get(w->object, "ports")); p; p = p->next) {
        set_missing(w->a, p, "name", "");
        set_missing(w->a, p, "protocol", "TCP");
    }
}

static void validate_slice(struct write *w)
{
    static const char *const types[] = {"FQDN", "IPv4", "IPv6", NULL};
    struct field_errors *e = &w->errors;
    struct str type = json_path_str(w->object, "addressType");
    int64_t i = 0;
    field_check_enum(e, FIELD(NULL, "addressType"), json_get(w->object, "addressType"), types);
    for (const struct json *p = json_first(json_get(w->object, "endpoints")); p; p = p->next, i++) {
        const struct field *f = FIELD(FIELD_AT(FIELD(NULL, "endpoints"), i), "addresses");
        int64_t k = 0;
        if (!json_count(json_get(p, "addresses")))
            field_required(e, f, "must contain at least 1 address");
        for (const struct json *a = json_first(json_get(p, "addresses")); a; a = a->next, k++)
            if (!str_is(type, "FQDN") && !own_endpoints(w))
                check_address(e, FIELD_AT(f, k), json_str(a));
    }
}

static void update_slice(struct write *w)
{
    field_check_immutable(&w->errors, FIELD(NULL, "addressType"),
                          json_get(w->object, "addressType"), json_get(w->old, "addressType"));
}

/* generation counts changes of endpoints and ports, which lie outside a spec. */
static void prepare_slice(struct write *w)
{
    static const char *const parts[] = {"endpoints", "ports", "addressType"};
    bool same = true;
    for (size_t i = 0; i < 3; i++)
        same = same && json_equal(json_get(w->object, parts[i]), json_get(w->old, parts[i]));
    if (!same)
        json_set_i64(w->a, json_get(w->object, "metadata"), "generation",
                     json_path_i64(w->old, "metadata.generation", 0) + 1);
}

const struct kind kind_endpoint_slice = {
    .group = "discovery.k8s.io",
    .resource = "endpointslices",
    .flags = KIND_GENERATION,
    .set_defaults = set_slice,
    .prepare_update = prepare_slice,
    .validate = validate_slice,
    .validate_update = update_slice,
};

/* ---- priority classes ---- */

static void set_priority(struct write *w)
{
    set_missing(w->a, w->object, "preemptionPolicy", "PreemptLowerPriority");
}

static void validate_priority(struct write *w)
{
    const struct json *value = json_get(w->object, "value");
    if (str_starts(w->name, STR("system-"))) {
        if (!str_is(w->name, "system-node-critical") && !str_is(w->name, "system-cluster-critical"))
            field_forbidden(
                &w->errors, FIELD(FIELD(NULL, "metadata"), "name"),
                "priority class names with 'system-' prefix are reserved for system use only");
    } else if (json_i64(value, 0) > 1000000000) {
        field_forbidden(&w->errors, FIELD(NULL, "value"),
                        "maximum allowed value of a user defined priority is 1000000000");
    }
}

static void update_priority(struct write *w)
{
    if (!json_equal(json_get(w->object, "value"), json_get(w->old, "value")))
        field_forbidden(&w->errors, FIELD(NULL, "value"), "may not be changed in an update.");
    field_check_immutable(&w->errors, FIELD(NULL, "preemptionPolicy"),
                          json_get(w->object, "preemptionPolicy"),
                          json_get(w->old, "preemptionPolicy"));
}

const struct kind kind_priority_class = {
    .group = "scheduling.k8s.io",
    .resource = "priorityclasses",
    .flags = KIND_GENERATION,
    .set_defaults = set_priority,
    .validate = validate_priority,
    .validate_update = update_priority,
};
