/* ServiceCIDRs, as upstream's pkg/apis/networking. */
#include "api/kinds/cidr.h"
#include "api/kinds/kinds.h"

/* As upstream's type is printed. */
static struct json *as_printed(struct arena *a, const struct json *cidrs)
{
    struct json *to = json_new(a, JSON_OBJECT);
    json_set(a, to, "CIDRs", json_clone(a, cidrs));
    return to;
}

static bool two_families(const struct json *cidrs)
{
    struct net_prefix a, b;
    return net_prefix_parse(json_str(json_at(cidrs, 0)), &a) == 0 &&
           net_prefix_parse(json_str(json_at(cidrs, 1)), &b) == 0 && a.addr.family != b.addr.family;
}

static void check(struct write *w)
{
    const struct field *f = FIELD(FIELD(NULL, "spec"), "cidrs");
    const struct json *cidrs = json_path(w->object, "spec.cidrs");
    uint32_t count = json_count(cidrs), i = 0;
    if (!count) {
        field_required(&w->errors, f, "at least one CIDR required");
    } else if (count > 2) {
        field_invalid(&w->errors, f, as_printed(w->a, cidrs), "may only hold up to 2 values");
    } else if (count == 2 && !two_families(cidrs)) {
        field_invalid(&w->errors, f, as_printed(w->a, cidrs),
                      "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and "
                      "2001:db8::/96");
    } else {
        for (const struct json *m = json_first(cidrs); m; m = m->next)
            cidr_validate(&w->errors, FIELD_AT(f, i++), json_str(m));
    }
}

static void validate(struct write *w)
{
    if (w->is_create)
        check(w);
}

static void validate_update(struct write *w)
{
    const struct field *f = FIELD(FIELD(NULL, "spec"), "cidrs");
    const struct json *now = json_path(w->object, "spec.cidrs"),
                      *before = json_path(w->old, "spec.cidrs");
    if (cstr_eq(w->subresource, "status"))
        return;
    if (json_count(now) == json_count(before)) {
        for (uint32_t i = 0; i < json_count(now); i++)
            if (!json_equal(json_at(now, i), json_at(before, i)))
                field_invalid(&w->errors, FIELD_AT(f, i), json_at(now, i), "field is immutable");
    } else if (json_count(before) == 1 && json_count(now) == 2) {
        if (!json_equal(json_at(now, 0), json_at(before, 0)))
            field_invalid(&w->errors, FIELD_AT(f, 0), json_at(now, 0), "field is immutable");
        check(w);
    } else {
        field_invalid(&w->errors, f, now, "field is immutable");
    }
}

const struct kind kind_service_cidr = {
    .group = "networking.k8s.io",
    .resource = "servicecidrs",
    .flags = KIND_STATUS,
    .validate = validate,
    .validate_update = validate_update,
};
