/* Node selectors and node labels, as storage kinds and runtime classes have them. */
#include "api/kinds/kinds.h"
#include "codec/names.h"

const char *node_label_deprecated(struct str key)
{
    static const char *const labels[][2] = {
        {"beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"},
        {"beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"},
        {"failure-domain.beta.kubernetes.io/region",
         "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead"},
        {"failure-domain.beta.kubernetes.io/zone",
         "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead"},
        {"beta.kubernetes.io/instance-type",
         "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead"},
    };
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++)
        if (str_is(key, labels[i][0]))
            return labels[i][1];
    return NULL;
}

/* Of a label. */
static void check_requirement(struct field_errors *e, const struct field *f, const struct json *x)
{
    struct str op = json_path_str(x, "operator");
    uint32_t values = json_count(json_get(x, "values"));
    if (str_is(op, "In") || str_is(op, "NotIn")) {
        if (!values)
            field_required(e, FIELD(f, "values"),
                           "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (str_is(op, "Exists") || str_is(op, "DoesNotExist")) {
        if (values)
            field_forbidden(e, FIELD(f, "values"),
                            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else if (str_is(op, "Gt") || str_is(op, "Lt")) {
        if (values != 1)
            field_required(e, FIELD(f, "values"),
                           "must be specified single value when `operator` is 'Lt' or 'Gt'");
    } else {
        field_invalid_str(e, FIELD(f, "operator"), op, "not a valid selector operator");
    }
    field_check_name(e, FIELD(f, "key"), json_path_str(x, "key"), names_qualified);
}

/* Of the node's name. */
static void check_field(struct field_errors *e, const struct field *f, const struct json *x)
{
    struct str op = json_path_str(x, "operator"), key = json_path_str(x, "key");
    const struct json *values = json_get(x, "values");
    uint32_t i = 0;
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
    for (const struct json *m = json_first(values); m; m = m->next, i++)
        field_check_name(e, FIELD_AT(FIELD(f, "values"), i), json_str(m), names_dns1123_subdomain);
}

void node_selector_validate(struct field_errors *e, const struct field *f,
                            const struct json *selector)
{
    const struct field *terms = FIELD(f, "nodeSelectorTerms");
    const struct json *list = json_get(selector, "nodeSelectorTerms");
    uint32_t i = 0;
    if (!json_count(list))
        field_required(e, terms, "must have at least one node selector term");
    for (const struct json *t = json_first(list); t; t = t->next, i++) {
        const struct field *at = FIELD_AT(terms, i);
        const struct json *x;
        uint32_t k = 0;
        for (x = json_first(json_get(t, "matchExpressions")); x; x = x->next)
            check_requirement(e, FIELD_AT(FIELD(at, "matchExpressions"), k++), x);
        for (x = json_first(json_get(t, "matchFields")), k = 0; x; x = x->next)
            check_field(e, FIELD_AT(FIELD(at, "matchFields"), k++), x);
    }
}

static void check_toleration(struct field_errors *e, const struct field *f, const struct json *t)
{
    static const char *const operators[] = {"Equal", "Exists", NULL};
    static const char *const effects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute", NULL};
    struct str key = json_path_str(t, "key"), op = json_path_str(t, "operator"),
               value = json_path_str(t, "value"), effect = json_path_str(t, "effect");
    if (key.n)
        field_check_name(e, FIELD(f, "key"), key, names_qualified);
    else if (!str_is(op, "Exists"))
        field_invalid_str(e, FIELD(f, "operator"), op,
                          "operator must be Exists when `key` is empty, which means \"match all "
                          "values and all keys\"");
    if (!json_absent(json_get(t, "tolerationSeconds")) && !str_is(effect, "NoExecute"))
        field_invalid_str(e, FIELD(f, "effect"), effect,
                          "effect must be 'NoExecute' when `tolerationSeconds` is set");
    if (!op.n || str_is(op, "Equal")) {
        if (names_label_value(value))
            field_invalid_str(e, FIELD(f, "operator"), value, names_label_value(value));
    } else if (!str_is(op, "Exists")) {
        field_unsupported(e, FIELD(f, "operator"), op, operators);
    } else if (value.n) {
        field_invalid(e, FIELD(f, "operator"), t, "value must be empty when `operator` is 'Exists'");
    }
    if (effect.n && !str_is(effect, effects[0]) && !str_is(effect, effects[1]) &&
        !str_is(effect, effects[2]))
        field_unsupported(e, FIELD(f, "effect"), effect, effects);
}

void node_tolerations_validate(struct field_errors *e, const struct field *f,
                               const struct json *tolerations)
{
    uint32_t i = 0;
    for (const struct json *t = json_first(tolerations); t; t = t->next)
        check_toleration(e, FIELD_AT(f, i++), t);
}
