/*
 * Configurations of admission webhooks, policies and their bindings: defaults and validation, as
 * upstream's pkg/apis/admissionregistration.
 */
#include "api/admission/match.h"
#include "api/kinds/kinds.h"
#include "codec/names.h"

static void default_match(struct arena *a, struct json *o)
{
    set_missing(a, o, "matchPolicy", "Equivalent");
    json_object_at(a, o, "namespaceSelector");
    json_object_at(a, o, "objectSelector");
}

static void default_rules(struct arena *a, struct json *rules)
{
    for (struct json *r = json_first(rules); r; r = r->next)
        set_missing(a, r, "scope", "*");
}

/* ---- rules ---- */

static void check_wildcard(struct field_errors *e, const struct field *f, const struct json *list,
                           const char *why)
{
    bool any = false;
    if (!json_count(list))
        field_required(e, f, NULL);
    for (const struct json *m = json_first(list); m; m = m->next)
        any = any || str_is(json_str(m), "*");
    if (any && json_count(list) > 1)
        field_invalid(e, f, list, why);
}

static void check_rule(struct field_errors *e, const struct field *f, const struct json *rule)
{
    static const char *const operations[] = {"*", "CONNECT", "CREATE", "DELETE", "UPDATE", NULL};
    static const char *const scopes[] = {"*", "Cluster", "Namespaced", NULL};
    const struct json *versions = json_get(rule, "apiVersions"), *m;
    uint32_t i = 0;
    check_wildcard(e, FIELD(f, "operations"), json_get(rule, "operations"),
                   "if '*' is present, must not specify other operations");
    for (m = json_first(json_get(rule, "operations")); m; m = m->next, i++)
        field_check_enum(e, FIELD_AT(FIELD(f, "operations"), i), m, operations);
    check_wildcard(e, FIELD(f, "apiGroups"), json_get(rule, "apiGroups"),
                   "if '*' is present, must not specify other API groups");
    check_wildcard(e, FIELD(f, "apiVersions"), versions,
                   "if '*' is present, must not specify other API versions");
    for (m = json_first(versions), i = 0; m; m = m->next, i++)
        if (!json_str(m).n)
            field_required(e, FIELD_AT(FIELD(f, "apiVersions"), i), NULL);
    if (!json_count(json_get(rule, "resources")))
        field_required(e, FIELD(f, "resources"), NULL);
    for (m = json_first(json_get(rule, "resources")), i = 0; m; m = m->next, i++)
        if (!json_str(m).n)
            field_required(e, FIELD_AT(FIELD(f, "resources"), i), NULL);
    if (json_get(rule, "scope"))
        field_check_enum(e, FIELD(f, "scope"), json_get(rule, "scope"), scopes);
}

static void check_rules(struct field_errors *e, const struct field *f, const struct json *rules)
{
    uint32_t i = 0;
    for (const struct json *r = json_first(rules); r; r = r->next, i++)
        check_rule(e, FIELD_AT(f, i), r);
}

static void check_match(struct field_errors *e, const struct field *f, const struct json *o)
{
    static const char *const policies[] = {"Equivalent", "Exact", NULL};
    if (json_get(o, "matchPolicy"))
        field_check_enum(e, FIELD(f, "matchPolicy"), json_get(o, "matchPolicy"), policies);
    field_check_label_selector(e, FIELD(f, "namespaceSelector"), json_get(o, "namespaceSelector"));
    field_check_label_selector(e, FIELD(f, "objectSelector"), json_get(o, "objectSelector"));
}

/* ---- expressions ---- */

static void check_expression(struct field_errors *e, const struct field *f, const struct json *text,
                             size_t variables, const struct cel_type *want)
{
    struct cel_env env = {.variables = match_variables, .variable_count = variables};
    struct cel_program *program;
    struct cel_problem problem = {0};
    struct err err = {0};
    struct str source = json_str(text);
    while (source.n && (source.p[0] == ' ' || source.p[0] == '\n' || source.p[0] == '\t'))
        source = str_make(source.p + 1, source.n - 1);
    if (!source.n) {
        field_required(e, f, NULL);
        return;
    }
    if (cel_compile(e->arena, &env, json_str(text), want, &program, &problem, &err) == 0)
        return;
    const char *why = arena_printf(e->arena, "compilation failed: " STR_FMT,
                                   STR_ARG(problem.text.n ? problem.text : str_of(err.text)));
    field_invalid(e, f, text, why ? why : "");
}

static void check_conditions(struct field_errors *e, const struct field *f, const struct json *list,
                             size_t variables)
{
    uint32_t i = 0;
    if (json_count(list) > 64)
        field_too_many(e, f, json_count(list), 64);
    for (const struct json *m = json_first(list); m; m = m->next, i++) {
        const struct field *at = FIELD_AT(f, i);
        struct str name = json_path_str(m, "name");
        check_expression(e, FIELD(at, "expression"), json_get(m, "expression"), variables, &cel_bool);
        if (!name.n)
            field_required(e, FIELD(at, "name"), NULL);
        else
            field_check_name(e, FIELD(at, "name"), name, names_qualified);
        for (const struct json *o = json_first(list); o != m; o = o->next)
            if (name.n && str_eq(json_path_str(o, "name"), name)) {
                field_duplicate(e, FIELD(at, "name"), name);
                break;
            }
    }
}

/* ---- webhooks ---- */

static void default_webhooks(struct write *w)
{
    bool mutating = str_starts(json_path_str(w->object, "kind"), STR("Mutating"));
    for (struct json *h = json_first(json_get(w->object, "webhooks")); h; h = h->next) {
        struct json *service = json_path(h, "clientConfig.service");
        default_match(w->a, h);
        default_rules(w->a, json_get(h, "rules"));
        set_missing(w->a, h, "failurePolicy", "Fail");
        set_missing_i64(w->a, h, "timeoutSeconds", 10);
        if (mutating)
            set_missing(w->a, h, "reinvocationPolicy", "Never");
        set_missing_i64(w->a, service, "port", 443);
    }
}

void hook_client_validate(struct field_errors *e, const struct field *f, const struct json *config)
{
    const struct json *url = json_get(config, "url"), *service = json_get(config, "service");
    if (json_absent(url) == json_absent(service)) {
        field_required(e, f, "exactly one of url or service is required");
        return;
    }
    if (!json_absent(service)) {
        const struct field *s = FIELD(f, "service");
        int64_t port = json_path_i64(service, "port", 443);
        if (!json_path_str(service, "name").n)
            field_required(e, FIELD(s, "name"), "service name is required");
        if (!json_path_str(service, "namespace").n)
            field_required(e, FIELD(s, "namespace"), "service namespace is required");
        if (port < 1 || port > 65535)
            field_invalid(e, FIELD(s, "port"), json_get(service, "port"),
                          "port is not valid: must be between 1 and 65535, inclusive");
        return;
    }
    struct str text = json_str(url);
    const char *const where = text.p;
    if (!str_starts(text, STR("https://")))
        field_invalid(e, FIELD(f, "url"), url,
                      "'https' is the only allowed URL scheme; desired format: https://host[/path]");
    else if (text.n == 8 || where[8] == '/')
        field_invalid(e, FIELD(f, "url"), url,
                      "host must be specified; desired format: https://host[/path]");
    else if (memchr(where, '@', text.n))
        field_invalid(e, FIELD(f, "url"), url, "user information is not permitted in the URL");
    else if (memchr(where, '#', text.n))
        field_invalid(e, FIELD(f, "url"), url, "fragments are not permitted in the URL");
    else if (memchr(where, '?', text.n))
        field_invalid(e, FIELD(f, "url"), url, "query parameters are not permitted in the URL");
}

static void check_versions(struct field_errors *e, const struct field *f, const struct json *list)
{
    bool known = false;
    if (!json_count(list)) {
        field_required(e, f, "must specify one of v1, v1beta1");
        return;
    }
    for (const struct json *m = json_first(list); m; m = m->next)
        known = known || str_is(json_str(m), "v1") || str_is(json_str(m), "v1beta1");
    if (!known)
        field_invalid(e, f, list, "must include at least one of v1, v1beta1");
}

static void check_webhook(struct field_errors *e, const struct field *f, const struct json *h)
{
    static const char *const failures[] = {"Fail", "Ignore", NULL};
    static const char *const effects[] = {"None", "NoneOnDryRun", NULL};
    static const char *const again[] = {"IfNeeded", "Never", NULL};
    struct str name = json_path_str(h, "name");
    size_t dots = 0;
    for (size_t i = 0; i < name.n; i++)
        dots += name.p[i] == '.';
    field_check_name(e, FIELD(f, "name"), name, names_dns1123_subdomain);
    if (name.n && dots < 2)
        field_invalid_str(e, FIELD(f, "name"), name,
                          "should be a domain with at least three segments separated by dots");
    check_rules(e, FIELD(f, "rules"), json_get(h, "rules"));
    field_check_enum(e, FIELD(f, "failurePolicy"), json_get(h, "failurePolicy"), failures);
    check_match(e, f, h);
    field_check_enum(e, FIELD(f, "sideEffects"), json_get(h, "sideEffects"), effects);
    int64_t seconds = json_path_i64(h, "timeoutSeconds", 10);
    if (seconds < 1 || seconds > 30)
        field_invalid_int(e, FIELD(f, "timeoutSeconds"), seconds,
                          "the timeout value must be between 1 and 30 seconds");
    if (json_get(h, "reinvocationPolicy"))
        field_check_enum(e, FIELD(f, "reinvocationPolicy"), json_get(h, "reinvocationPolicy"), again);
    hook_client_validate(e, FIELD(f, "clientConfig"), json_get(h, "clientConfig"));
    check_versions(e, FIELD(f, "admissionReviewVersions"), json_get(h, "admissionReviewVersions"));
    check_conditions(e, FIELD(f, "matchConditions"), json_get(h, "matchConditions"), SCOPE_WEBHOOK);
}

static void validate_webhooks(struct write *w)
{
    const struct field *f = FIELD(NULL, "webhooks");
    const struct json *list = json_get(w->object, "webhooks");
    uint32_t i = 0;
    for (const struct json *h = json_first(list); h; h = h->next, i++) {
        check_webhook(&w->errors, FIELD_AT(f, i), h);
        for (const struct json *o = json_first(list); o != h; o = o->next)
            if (str_eq(json_path_str(o, "name"), json_path_str(h, "name"))) {
                field_duplicate(&w->errors, FIELD(FIELD_AT(f, i), "name"), json_path_str(h, "name"));
                break;
            }
    }
}

/* There is no spec: the generation counts changes of the list. */
static void count_changes(struct write *w)
{
    if (!json_equal(json_get(w->object, "webhooks"), json_get(w->old, "webhooks")))
        json_set_i64(w->a, json_get(w->object, "metadata"), "generation",
                     json_path_i64(w->old, "metadata.generation", 0) + 1);
}

const struct kind kind_mutating_webhooks = {
    .group = "admissionregistration.k8s.io",
    .resource = "mutatingwebhookconfigurations",
    .flags = KIND_GENERATION | KIND_CONDITIONAL,
    .set_defaults = default_webhooks,
    .prepare_update = count_changes,
    .validate = validate_webhooks,
};

const struct kind kind_validating_webhooks = {
    .group = "admissionregistration.k8s.io",
    .resource = "validatingwebhookconfigurations",
    .flags = KIND_GENERATION | KIND_CONDITIONAL,
    .set_defaults = default_webhooks,
    .prepare_update = count_changes,
    .validate = validate_webhooks,
};

/* ---- policies ---- */

static void default_policy(struct write *w)
{
    struct json *spec = json_get(w->object, "spec"), *match = json_get(spec, "matchConstraints");
    set_missing(w->a, spec, "failurePolicy", "Fail");
    if (!match)
        return;
    default_match(w->a, match);
    default_rules(w->a, json_get(match, "resourceRules"));
    default_rules(w->a, json_get(match, "excludeResourceRules"));
}

static void check_resources(struct field_errors *e, const struct field *f, const struct json *match)
{
    check_match(e, f, match);
    check_rules(e, FIELD(f, "resourceRules"), json_get(match, "resourceRules"));
    check_rules(e, FIELD(f, "excludeResourceRules"), json_get(match, "excludeResourceRules"));
}

static void check_validation(struct field_errors *e, const struct field *f, const struct json *v,
                             size_t variables)
{
    static const char *const reasons[] = {"Forbidden", "Invalid", "RequestEntityTooLarge",
                                          "Unauthorized", NULL};
    const struct json *message = json_get(v, "message");
    check_expression(e, FIELD(f, "expression"), json_get(v, "expression"), variables, &cel_bool);
    if (message && json_str(message).n && memchr(json_str(message).p, '\n', json_str(message).n))
        field_invalid(e, FIELD(f, "message"), message, "must not contain line breaks");
    if (json_path_str(v, "messageExpression").n)
        check_expression(e, FIELD(f, "messageExpression"), json_get(v, "messageExpression"), variables,
                         &cel_string);
    if (json_path_str(v, "reason").n)
        field_check_enum(e, FIELD(f, "reason"), json_get(v, "reason"), reasons);
}

static void check_variables(struct field_errors *e, const struct field *f, const struct json *list,
                            size_t variables)
{
    uint32_t i = 0;
    for (const struct json *m = json_first(list); m; m = m->next, i++) {
        const struct field *at = FIELD_AT(f, i);
        struct str name = json_path_str(m, "name");
        if (!name.n)
            field_required(e, FIELD(at, "name"), "name is not specified");
        for (const struct json *o = json_first(list); o != m; o = o->next)
            if (name.n && str_eq(json_path_str(o, "name"), name)) {
                field_duplicate(e, FIELD(at, "name"), name);
                break;
            }
        check_expression(e, FIELD(at, "expression"), json_get(m, "expression"), variables, NULL);
    }
}

static void validate_policy(struct write *w)
{
    static const char *const failures[] = {"Fail", "Ignore", NULL};
    struct field_errors *e = &w->errors;
    const struct json *spec = json_get(w->object, "spec"), *kind = json_get(spec, "paramKind"), *m;
    const struct field *f = FIELD(NULL, "spec");
    size_t variables = json_absent(kind) ? SCOPE_PLAIN : SCOPE__COUNT;
    const struct json *checks = json_get(spec, "validations"), *audit = json_get(spec, "auditAnnotations");
    const struct json *match = json_get(spec, "matchConstraints");
    uint32_t i = 0;
    field_check_enum(e, FIELD(f, "failurePolicy"), json_get(spec, "failurePolicy"), failures);
    if (!json_absent(kind) && !json_path_str(kind, "apiVersion").n)
        field_required(e, FIELD(FIELD(f, "paramKind"), "apiVersion"), NULL);
    if (!json_absent(kind) && !json_path_str(kind, "kind").n)
        field_required(e, FIELD(FIELD(f, "paramKind"), "kind"), NULL);
    if (json_absent(match))
        field_required(e, FIELD(f, "matchConstraints"), NULL);
    else if (!json_count(json_get(match, "resourceRules")))
        field_required(e, FIELD(FIELD(f, "matchConstraints"), "resourceRules"), NULL);
    check_resources(e, FIELD(f, "matchConstraints"), match);
    check_conditions(e, FIELD(f, "matchConditions"), json_get(spec, "matchConditions"), variables);
    check_variables(e, FIELD(f, "variables"), json_get(spec, "variables"), variables);
    if (!json_count(checks) && !json_count(audit))
        field_required(e, FIELD(f, "validations"),
                       "validations or auditAnnotations must contain at least one item");
    for (m = json_first(checks); m; m = m->next, i++)
        check_validation(e, FIELD_AT(FIELD(f, "validations"), i), m, variables);
    for (m = json_first(audit), i = 0; m; m = m->next, i++)
        check_expression(e, FIELD(FIELD_AT(FIELD(f, "auditAnnotations"), i), "valueExpression"),
                         json_get(m, "valueExpression"), variables, NULL);
}

const struct kind kind_admission_policy = {
    .group = "admissionregistration.k8s.io",
    .resource = "validatingadmissionpolicies",
    .flags = KIND_STATUS | KIND_STATUS_ONLY | KIND_GENERATION | KIND_CONDITIONAL,
    .set_defaults = default_policy,
    .validate = validate_policy,
};

/* ---- bindings ---- */

static void default_binding(struct write *w)
{
    struct json *match = json_path(w->object, "spec.matchResources");
    if (!match)
        return;
    default_match(w->a, match);
    default_rules(w->a, json_get(match, "resourceRules"));
    default_rules(w->a, json_get(match, "excludeResourceRules"));
}

static void check_param(struct field_errors *e, const struct field *f, const struct json *ref)
{
    static const char *const missing[] = {"Allow", "Deny", NULL};
    bool named = json_path_str(ref, "name").n != 0, selects = !json_absent(json_get(ref, "selector"));
    if (named && selects) {
        field_forbidden(e, FIELD(f, "name"), "name and selector are mutually exclusive");
        field_forbidden(e, FIELD(f, "selector"), "name and selector are mutually exclusive");
    } else if (!named && !selects) {
        field_required(e, f, "one of name or selector must be specified");
    }
    field_check_label_selector(e, FIELD(f, "selector"), json_get(ref, "selector"));
    field_check_enum(e, FIELD(f, "parameterNotFoundAction"), json_get(ref, "parameterNotFoundAction"),
                     missing);
}

static void validate_binding(struct write *w)
{
    static const char *const actions[] = {"Audit", "Deny", "Warn", NULL};
    struct field_errors *e = &w->errors;
    const struct json *spec = json_get(w->object, "spec"), *list = json_get(spec, "validationActions");
    const struct field *f = FIELD(NULL, "spec"), *at = FIELD(f, "validationActions");
    bool denies = false, warns = false;
    uint32_t i = 0;
    if (!json_path_str(spec, "policyName").n)
        field_required(e, FIELD(f, "policyName"), NULL);
    if (!json_absent(json_get(spec, "paramRef")))
        check_param(e, FIELD(f, "paramRef"), json_get(spec, "paramRef"));
    check_resources(e, FIELD(f, "matchResources"), json_get(spec, "matchResources"));
    if (!json_count(list))
        field_required(e, at, "at least one validation action is required");
    for (const struct json *m = json_first(list); m; m = m->next, i++) {
        denies = denies || str_is(json_str(m), "Deny");
        warns = warns || str_is(json_str(m), "Warn");
        field_check_enum(e, FIELD_AT(at, i), m, actions);
        for (const struct json *o = json_first(list); o != m; o = o->next)
            if (str_eq(json_str(o), json_str(m)))
                field_duplicate(e, FIELD_AT(at, i), json_str(m));
    }
    if (denies && warns)
        field_invalid(e, at, list, "must not contain both Deny and Warn (repeating the same validation "
                                   "failure information in the API response and headers serves no "
                                   "purpose)");
}

const struct kind kind_admission_binding = {
    .group = "admissionregistration.k8s.io",
    .resource = "validatingadmissionpolicybindings",
    .flags = KIND_GENERATION | KIND_CONDITIONAL,
    .set_defaults = default_binding,
    .validate = validate_binding,
};
