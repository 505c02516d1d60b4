/* Where a pod may run: affinity and topology spread (pkg/apis/core/validation). */
#include "api/kinds/pod_parts.h"

#include "codec/names.h"

/* ---- node selectors ---- */

static void check_requirement(struct field_errors *e, const struct field *f, const struct json *r)
{
    struct str op = json_path_str(r, "operator");
    uint32_t values = json_count(json_get(r, "values"));
    const struct field *at = FIELD(f, "values");
    if (str_is(op, "In") || str_is(op, "NotIn")) {
        if (!values)
            field_required(e, at, "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (str_is(op, "Exists") || str_is(op, "DoesNotExist")) {
        if (values)
            field_forbidden(e, at,
                            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else if (str_is(op, "Gt") || str_is(op, "Lt")) {
        if (values != 1)
            field_required(e, at, "must be specified single value when `operator` is 'Lt' or 'Gt'");
    } else {
        field_invalid_str(e, FIELD(f, "operator"), op, "not a valid selector operator");
    }
    field_check_name(e, FIELD(f, "key"), json_path_str(r, "key"), names_qualified);
}

static void check_field(struct field_errors *e, const struct field *f, const struct json *r)
{
    struct str op = json_path_str(r, "operator"), key = json_path_str(r, "key");
    const struct json *values = json_get(r, "values");
    int64_t i = 0;
    if (!str_is(op, "In") && !str_is(op, "NotIn"))
        field_invalid_str(e, FIELD(f, "operator"), op, "not a valid selector operator");
    else if (json_count(values) != 1)
        field_required(e, FIELD(f, "values"),
                       "must be only one value when `operator` is 'In' or 'NotIn' for node field "
                       "selector");
    if (!str_is(key, "metadata.name")) {
        field_invalid_str(e, FIELD(f, "key"), key, "not a valid field selector key");
        return;
    }
    for (const struct json *v = json_first(values); v; v = v->next)
        field_check_name(e, FIELD_AT(FIELD(f, "values"), i++), json_str(v),
                         names_dns1123_subdomain);
}

static void check_node_term(struct field_errors *e, const struct field *f, const struct json *term)
{
    int64_t i = 0;
    const struct json *r = json_first(json_get(term, "matchExpressions"));
    for (; r; r = r->next)
        check_requirement(e, FIELD_AT(FIELD(f, "matchExpressions"), i++), r);
    i = 0;
    for (r = json_first(json_get(term, "matchFields")); r; r = r->next)
        check_field(e, FIELD_AT(FIELD(f, "matchFields"), i++), r);
}

static void check_weight(struct field_errors *e, const struct field *f, const struct json *term)
{
    int64_t weight = json_path_i64(term, "weight", 0);
    if (weight <= 0 || weight > 100)
        field_invalid_int(e, FIELD(f, "weight"), weight, "must be in the range 1-100");
}

static const char required[] = "requiredDuringSchedulingIgnoredDuringExecution",
                  preferred[] = "preferredDuringSchedulingIgnoredDuringExecution";

static void check_node_affinity(struct field_errors *e, const struct field *f,
                                const struct json *affinity)
{
    const struct json *selector = json_get(affinity, required), *t;
    const struct json *terms = json_get(selector, "nodeSelectorTerms");
    const struct field *at = FIELD(FIELD(f, required), "nodeSelectorTerms");
    int64_t i = 0;
    if (!json_absent(selector) && !json_count(terms))
        field_required(e, at, "must have at least one node selector term");
    for (t = json_first(terms); t; t = t->next)
        check_node_term(e, FIELD_AT(at, i++), t);
    i = 0;
    for (t = json_first(json_get(affinity, preferred)); t; t = t->next, i++) {
        at = FIELD_AT(FIELD(f, preferred), i);
        check_weight(e, at, t);
        check_node_term(e, FIELD(at, "preference"), json_get(t, "preference"));
    }
}

/* ---- label keys that are taken from the pod itself ---- */

static bool selects_key(const struct json *selector, struct str key)
{
    if (json_get_str(json_get(selector, "matchLabels"), key))
        return true;
    for (const struct json *x = json_first(json_get(selector, "matchExpressions")); x; x = x->next)
        if (str_eq(json_path_str(x, "key"), key))
            return true;
    return false;
}

static void check_label_keys(struct field_errors *e, const struct field *f, const struct json *keys,
                             const struct json *selector, bool spread)
{
    int64_t i = 0;
    if (!json_count(keys))
        return;
    if (json_absent(selector))
        field_forbidden(e, f, "must not be specified when labelSelector is not set");
    for (const struct json *k = json_first(keys); k; k = k->next, i++) {
        field_check_name(e, FIELD_AT(f, i), json_str(k), names_qualified);
        if (spread && selects_key(selector, json_str(k)))
            field_invalid(e, FIELD_AT(f, i), k, "exists in both matchLabelKeys and labelSelector");
    }
}

static void check_pod_term(struct field_errors *e, const struct field *f, const struct json *term)
{
    const struct json *selector = json_get(term, "labelSelector"),
                      *mismatch = json_get(term, "mismatchLabelKeys");
    struct str topology = json_path_str(term, "topologyKey");
    field_check_label_selector(e, FIELD(f, "labelSelector"), selector);
    field_check_label_selector(e, FIELD(f, "namespaceSelector"),
                               json_get(term, "namespaceSelector"));
    for (const struct json *n = json_first(json_get(term, "namespaces")); n; n = n->next)
        field_check_name(e, FIELD(f, "namespace"), json_str(n), names_dns1123_label);
    check_label_keys(e, FIELD(f, "matchLabelKeys"), json_get(term, "matchLabelKeys"), selector,
                     false);
    check_label_keys(e, FIELD(f, "mismatchLabelKeys"), mismatch, selector, false);
    int64_t i = 0;
    for (const struct json *k = json_first(json_get(term, "matchLabelKeys")); k; k = k->next, i++)
        for (const struct json *m = json_first(mismatch); m; m = m->next)
            if (str_eq(json_str(m), json_str(k)))
                field_invalid(e, FIELD_AT(FIELD(f, "matchLabelKeys"), i), k,
                              "exists in both matchLabelKeys and mismatchLabelKeys");
    if (!topology.n)
        field_required(e, FIELD(f, "topologyKey"), "can not be empty");
    field_check_name(e, FIELD(f, "topologyKey"), topology, names_qualified);
}

static void check_pod_affinity(struct field_errors *e, const struct field *f,
                               const struct json *affinity)
{
    int64_t i = 0;
    const struct json *t;
    for (t = json_first(json_get(affinity, required)); t; t = t->next)
        check_pod_term(e, FIELD_AT(FIELD(f, required), i++), t);
    i = 0;
    for (t = json_first(json_get(affinity, preferred)); t; t = t->next, i++) {
        const struct field *at = FIELD_AT(FIELD(f, preferred), i);
        check_weight(e, at, t);
        check_pod_term(e, FIELD(at, "podAffinityTerm"), json_get(t, "podAffinityTerm"));
    }
}

void affinity_validate(struct field_errors *e, const struct field *f, const struct json *affinity)
{
    check_node_affinity(e, FIELD(f, "nodeAffinity"), json_get(affinity, "nodeAffinity"));
    check_pod_affinity(e, FIELD(f, "podAffinity"), json_get(affinity, "podAffinity"));
    check_pod_affinity(e, FIELD(f, "podAntiAffinity"), json_get(affinity, "podAntiAffinity"));
}

/* ---- topology spread ---- */

static void check_policy(struct field_errors *e, const struct field *f, const struct json *policy)
{
    if (!json_absent(policy) && !str_is(json_str(policy), "Honor") &&
        !str_is(json_str(policy), "Ignore"))
        field_unsupported(e, f, json_str(policy), (const char *const[]){"Honor", "Ignore", NULL});
}

static void check_min_domains(struct field_errors *e, const struct field *f,
                              const struct json *domains, struct str action)
{
    if (json_absent(domains))
        return;
    if (json_i64(domains, 0) <= 0)
        field_invalid(e, f, domains, "must be greater than zero");
    if (!str_is(action, "DoNotSchedule"))
        field_invalid(e, f, domains,
                      arena_printf(e->arena,
                                   "can only use minDomains if whenUnsatisfiable=DoNotSchedule, "
                                   "not " STR_FMT,
                                   STR_ARG(action)));
}

void topology_spread_validate(struct field_errors *e, const struct field *f,
                              const struct json *constraints)
{
    int64_t i = 0;
    for (const struct json *c = json_first(constraints); c; c = c->next, i++) {
        const struct field *at = FIELD_AT(f, i);
        struct str key = json_path_str(c, "topologyKey"),
                   action = json_path_str(c, "whenUnsatisfiable");
        int64_t skew = json_path_i64(c, "maxSkew", 0);
        if (skew <= 0)
            field_invalid_int(e, FIELD(at, "maxSkew"), skew, "must be greater than zero");
        if (!key.n)
            field_required(e, FIELD(at, "topologyKey"), "can not be empty");
        if (!str_is(action, "DoNotSchedule") && !str_is(action, "ScheduleAnyway"))
            field_unsupported(e, FIELD(at, "whenUnsatisfiable"), action,
                              (const char *const[]){"DoNotSchedule", "ScheduleAnyway", NULL});
        const struct json *o = c->next;
        while (o && !(str_eq(json_path_str(o, "topologyKey"), key) &&
                      str_eq(json_path_str(o, "whenUnsatisfiable"), action)))
            o = o->next;
        if (o)
            field_duplicate(e, FIELD(at, "{topologyKey, whenUnsatisfiable}"),
                            str_of(arena_printf(e->arena, "{" STR_FMT ", " STR_FMT "}",
                                                STR_ARG(key), STR_ARG(action))));
        check_min_domains(e, FIELD(at, "minDomains"), json_get(c, "minDomains"), action);
        check_policy(e, FIELD(at, "nodeAffinityPolicy"), json_get(c, "nodeAffinityPolicy"));
        check_policy(e, FIELD(at, "nodeTaintsPolicy"), json_get(c, "nodeTaintsPolicy"));
        check_label_keys(e, FIELD(at, "matchLabelKeys"), json_get(c, "matchLabelKeys"),
                         json_get(c, "labelSelector"), true);
        field_check_label_selector(e, FIELD(at, "labelSelector"), json_get(c, "labelSelector"));
    }
}
